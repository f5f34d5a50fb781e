//! A text that a regular expression matches.

use regex_syntax::hir::{Class, Hir, HirKind};

/// A short text that the expression matches as a whole; `None` for what cannot be read.
pub(super) fn of(expression: &str) -> Option<String> {
    let hir = regex_syntax::parse(expression).ok()?;
    let mut text = String::new();
    write(&hir, &mut text);
    Some(text)
}

fn write(hir: &Hir, text: &mut String) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.push_str(&String::from_utf8_lossy(&literal.0)),
        HirKind::Class(class) => text.extend(member(class)),
        HirKind::Repetition(repetition) => {
            // Once where none would do: an empty text is found by other samples.
            for _ in 0..repetition
                .min
                .max(1)
                .min(repetition.max.unwrap_or(u32::MAX))
            {
                write(&repetition.sub, text);
            }
        }
        HirKind::Capture(capture) => write(&capture.sub, text),
        HirKind::Concat(parts) => parts.iter().for_each(|part| write(part, text)),
        HirKind::Alternation(choices) => choices.iter().take(1).for_each(|one| write(one, text)),
    }
}

/// A member of the class: `a`, else a digit, else its first.
fn member(class: &Class) -> Option<char> {
    match class {
        Class::Unicode(class) => {
            let has = |wanted: char| {
                let mut ranges = class.ranges().iter();
                ranges.any(|range| range.start() <= wanted && wanted <= range.end())
            };
            ['a', '1']
                .into_iter()
                .find(|wanted| has(*wanted))
                .or_else(|| {
                    let first = class.ranges().first()?;
                    Some(first.start())
                })
        }
        Class::Bytes(class) => class
            .ranges()
            .first()
            .map(|range| char::from(range.start())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_matches_its_expression() {
        for (expression, sample) in [
            ("/v[12]/items/.+", "/v1/items/a"),
            ("^a{3}(b|c)?$", "aaab"),
            (r"\d+-x*", "1-x"),
        ] {
            assert_eq!(of(expression).as_deref(), Some(sample), "{expression}");
        }
        assert_eq!(of("("), None);
    }
}
