//! Which endpoints of a cluster a route wants: metadata that they must have (`metadata_match`).

use std::collections::BTreeMap;
use std::fmt;

use ferromesh_types::Str;

/// Keys and the JSON text of their values; empty where any endpoint will do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointMatch {
    criteria: BTreeMap<Str, Str>,
    /// All of them as one text, by which prepared subsets are found.
    key: Str,
}

impl EndpointMatch {
    /// Wants these; the value of a key is the JSON text of its value.
    pub fn new(criteria: BTreeMap<Str, Str>) -> Self {
        let key = key(criteria.iter().map(|(name, value)| (&**name, &**value)));
        Self { criteria, key }
    }

    /// Whether any endpoint will do.
    pub fn is_empty(&self) -> bool {
        self.criteria.is_empty()
    }

    /// All criteria as one text; equal where the criteria are.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The keys, sorted.
    pub fn names(&self) -> impl Iterator<Item = &Str> {
        self.criteria.keys()
    }

    /// These and those of `other`, which win.
    pub fn overlaid(&self, other: &Self) -> Self {
        let mut criteria = self.criteria.clone();
        for (name, value) in &other.criteria {
            criteria.insert(name.clone(), value.clone());
        }
        Self::new(criteria)
    }

    /// Those of the criteria whose keys are among `names`.
    pub fn restricted(&self, names: &[Str]) -> Self {
        let all = self.criteria.iter();
        let some = all.filter(|(name, _)| names.contains(name));
        Self::new(
            some.map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        )
    }
}

/// The text of criteria that are sorted by key.
pub fn key<'a>(criteria: impl Iterator<Item = (&'a str, &'a str)>) -> Str {
    let mut text = String::new();
    for (name, value) in criteria {
        // A length first, so that no value can look like the next key.
        let _ = fmt::Write::write_fmt(&mut text, format_args!("{}:{name}={value};", name.len()));
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(pairs: &[(&str, &str)]) -> EndpointMatch {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        EndpointMatch::new(pairs.collect())
    }

    #[test]
    fn criteria_are_the_same_in_any_order_and_later_ones_win() {
        let one = wanted(&[("b", "\"2\""), ("a", "\"1\"")]);
        assert_eq!(one.key(), wanted(&[("a", "\"1\""), ("b", "\"2\"")]).key());
        let more = one.overlaid(&wanted(&[("b", "\"3\""), ("c", "4")]));
        assert_eq!(more, wanted(&[("a", "\"1\""), ("b", "\"3\""), ("c", "4")]));
        let names = ["c".into(), "x".into()];
        assert_eq!(more.restricted(&names), wanted(&[("c", "4")]));
        assert!(one.restricted(&[]).is_empty());
    }
}
