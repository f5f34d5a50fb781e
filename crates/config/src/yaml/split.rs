//! The documents of a file, apart: a mistake in one must not take the others with it.

/// A part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment<'a> {
    /// The text, with its `---` line if it has one.
    pub(crate) text: &'a str,
    /// The line of the file that it begins with, from 1.
    pub(crate) first_line: u32,
}

/// Cuts before each line that starts with `---`. No YAML value can hold such a line, except at the
/// outermost level, where Kubernetes' own reader cuts as well. Empty segments are left out.
pub(crate) fn split(text: &str) -> Vec<Segment<'_>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut segments = Vec::new();
    let (mut start, mut first_line, mut line, mut offset) = (0, 1_u32, 1_u32, 0);
    for piece in text.split_inclusive('\n') {
        if is_separator(piece) && offset > start {
            segments.push(Segment {
                text: &text[start..offset],
                first_line,
            });
            (start, first_line) = (offset, line);
        }
        offset += piece.len();
        line = line.saturating_add(1);
    }
    segments.push(Segment {
        text: &text[start..],
        first_line,
    });
    segments.retain(|segment| !is_blank(segment.text));
    segments
}

fn is_separator(line: &str) -> bool {
    line.strip_prefix("---")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}

/// Whether there is nothing but separators, comments and directives.
fn is_blank(text: &str) -> bool {
    text.lines().all(|line| {
        let line = line.trim();
        line.is_empty() || line == "---" || line.starts_with(['#', '%'])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_keep_the_lines_of_their_file() {
        let segments = split("a: 1\n---\nb: 2\n--- # c\nc: 3\n");
        let places: Vec<_> = segments.iter().map(|s| (s.first_line, s.text)).collect();
        assert_eq!(
            places,
            [(1, "a: 1\n"), (2, "---\nb: 2\n"), (4, "--- # c\nc: 3\n")]
        );
    }

    #[test]
    fn empty_documents_and_comments_are_left_out() {
        assert!(split("---\n# nothing\n---\n---\n\n").is_empty());
        assert_eq!(split("---\na: '\n  ---x'\n---\n").len(), 1);
    }
}
