//! The case in which names of header fields are written, and what else of a head is passed on as a
//! peer wrote it.
//!
//! Inside, names are lower case, which is what HTTP/2 needs and what makes them comparable. Some old
//! peers look for one form only; a listener or a cluster can ask for it. Every form has the same
//! length, so that a head is written in lower case first and changed in place.

/// How a connection reads and writes names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NameCase {
    /// Written in lower case, unless the names of a head are known as they came.
    #[default]
    Lower,
    /// The first letter of each word is written as a capital.
    Proper,
    /// Names are remembered as they came, and written so on the other side.
    Kept(Keeping),
}

/// What becomes of the rest of a head whose names are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keeping {
    /// Whether names that did not come are written as [`NameCase::Proper`] says.
    pub capitals: bool,
    /// Whether the words behind the status of an answer are passed on.
    pub reason: bool,
}

impl NameCase {
    /// What is kept of heads that are read; `None` when nothing is.
    pub(crate) fn keeping(self) -> Option<Keeping> {
        match self {
            Self::Lower | Self::Proper => None,
            Self::Kept(keeping) => Some(keeping),
        }
    }
}

/// What is kept of a head as a peer wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// The first form of each name.
    names: Vec<Box<[u8]>>,
    keeping: Keeping,
    /// The words behind the status; empty where they are not kept.
    pub(crate) reason: Box<[u8]>,
}

impl Written {
    /// Takes the names of a head.
    pub(crate) fn of<'n>(names: impl Iterator<Item = &'n [u8]>, keeping: Keeping) -> Self {
        let mut known = Self {
            keeping,
            ..Self::default()
        };
        for name in names {
            if known.form_of(name).is_none() {
                known.names.push(name.into());
            }
        }
        known
    }

    fn form_of(&self, name: &[u8]) -> Option<&[u8]> {
        let known = self
            .names
            .iter()
            .find(|known| known.eq_ignore_ascii_case(name));
        known.map(AsRef::as_ref)
    }
}

/// Changes the names of a head that was written in lower case. `written` comes before `case`.
pub(crate) fn rewrite(head: &mut [u8], case: NameCase, written: Option<&Written>) {
    if written.is_none() && case != NameCase::Proper {
        return;
    }
    let mut lines = head.split_mut(|byte| *byte == b'\n');
    // The request line or status line has no name.
    let _ = lines.next();
    for line in lines {
        let Some(length) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let name = &mut line[..length];
        match written {
            Some(written) => match written.form_of(name) {
                Some(form) => name.copy_from_slice(form),
                None if written.keeping.capitals => capitalize(name),
                None => {}
            },
            None => capitalize(name),
        }
    }
}

/// A letter at the beginning or after a character that is neither letter nor digit becomes capital.
fn capitalize(name: &mut [u8]) {
    let mut begins = true;
    for byte in name {
        if begins {
            byte.make_ascii_uppercase();
        }
        begins = !byte.is_ascii_alphanumeric();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(case: NameCase, written: Option<&Written>) -> String {
        let mut head = b"GET /a:b HTTP/1.1\r\nhost: a:1\r\nx-my#f1eld: x-y: z\r\n\r\n".to_vec();
        rewrite(&mut head, case, written);
        String::from_utf8(head).expect("ASCII")
    }

    #[test]
    fn only_names_change() {
        let lower = "GET /a:b HTTP/1.1\r\nhost: a:1\r\nx-my#f1eld: x-y: z\r\n\r\n";
        assert_eq!(rewritten(NameCase::Lower, None), lower);
        assert_eq!(rewritten(NameCase::Kept(Keeping::default()), None), lower);
        let proper = "GET /a:b HTTP/1.1\r\nHost: a:1\r\nX-My#F1eld: x-y: z\r\n\r\n";
        assert_eq!(rewritten(NameCase::Proper, None), proper);
    }

    #[test]
    fn names_are_written_in_the_first_form_that_came() {
        let names = [&b"HOST"[..], b"Host", b"x-MY#f1eld"];
        let written = Written::of(names.into_iter(), Keeping::default());
        let kept = "GET /a:b HTTP/1.1\r\nHOST: a:1\r\nx-MY#f1eld: x-y: z\r\n\r\n";
        assert_eq!(rewritten(NameCase::Proper, Some(&written)), kept);
    }

    #[test]
    fn names_that_did_not_come_are_written_with_capitals_where_asked() {
        let keeping = Keeping {
            capitals: true,
            ..Keeping::default()
        };
        let written = Written::of([&b"x-MY#f1eld"[..]].into_iter(), keeping);
        let expected = "GET /a:b HTTP/1.1\r\nHost: a:1\r\nx-MY#f1eld: x-y: z\r\n\r\n";
        assert_eq!(rewritten(NameCase::Lower, Some(&written)), expected);
    }
}
