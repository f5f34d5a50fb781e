//! `exportTo`: the namespaces that may see an object.

use std::collections::BTreeSet;

use ferromesh_types::Namespace;

/// Who may see an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Visibility {
    /// Every namespace (`*`).
    #[default]
    Public,
    /// The named namespaces only; none of them for `~`.
    Only(BTreeSet<Namespace>),
}

impl Visibility {
    /// Reads `exportTo` of an object in `home`; `fallback` (the mesh default) holds when the list
    /// is empty.
    pub fn parse<'a>(
        entries: impl IntoIterator<Item = &'a str>,
        home: &Namespace,
        fallback: &Self,
    ) -> Self {
        let mut named = BTreeSet::new();
        let mut any = false;
        for entry in entries {
            any = true;
            match entry.trim() {
                "*" => return Self::Public,
                "." => {
                    named.insert(home.clone());
                }
                "~" | "" => {}
                name => {
                    named.insert(Namespace::from(name));
                }
            }
        }
        if any {
            Self::Only(named)
        } else {
            fallback.clone().at_home(home)
        }
    }

    /// Whether the object may be seen from `namespace`.
    pub fn reaches(&self, namespace: &Namespace) -> bool {
        match self {
            Self::Public => true,
            Self::Only(named) => named.contains(namespace),
        }
    }

    /// Whether every namespace sees the object.
    pub fn is_public(&self) -> bool {
        *self == Self::Public
    }

    /// A mesh default of `.` is kept as the name `.` until the object's namespace is known.
    fn at_home(self, home: &Namespace) -> Self {
        match self {
            Self::Public => Self::Public,
            Self::Only(named) => Self::Only(
                named
                    .into_iter()
                    .map(|n| if n == "." { home.clone() } else { n })
                    .collect(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_without_export_to_follows_the_mesh_default() {
        let home = Namespace::from("shop");
        let private = Visibility::Only([Namespace::from(".")].into());
        let seen = Visibility::parse([], &home, &private);
        assert!(seen.reaches(&home));
        assert!(!seen.reaches(&Namespace::from("other")));
        assert!(Visibility::parse([], &home, &Visibility::Public).is_public());
    }

    #[test]
    fn dot_is_home_star_is_everyone_and_tilde_is_nobody() {
        let home = Namespace::from("shop");
        let parse = |entries: &[&str]| {
            Visibility::parse(entries.iter().copied(), &home, &Visibility::Public)
        };
        assert!(parse(&["."]).reaches(&home));
        assert!(parse(&["a", "*"]).is_public());
        assert!(!parse(&["~"]).reaches(&home));
        assert!(parse(&["a", "b"]).reaches(&Namespace::from("b")));
    }
}
