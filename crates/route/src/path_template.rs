//! Path templates: `/a/*/b`, `/a/**`, `/a/{name}/{rest=**}`, as Envoy's `UriTemplateMatchConfig`
//! has them.
//!
//! A template becomes one expression over whole paths. `*` is one segment that is not empty, `**`
//! any number of characters of a path; `**` may only be the last wildcard.

use std::fmt::Write as _;

use crate::string_match::{InvalidPattern, Pattern};

/// The characters of a segment.
const SEGMENT: &str = r"[a-zA-Z0-9\-._~%!$&'()+,;:@=]+";
/// The characters of a path.
const REST: &str = r"[a-zA-Z0-9\-._~%!$&'()+,;:@=/]*";

/// Compiles `template` for whole paths without query.
pub fn compile(template: &str) -> Result<Pattern, InvalidPattern> {
    let invalid = |reason: &str| InvalidPattern {
        pattern: template.to_owned(),
        reason: reason.to_owned(),
    };
    if !template.starts_with('/') {
        return Err(invalid("a path template begins with a slash"));
    }
    let plain = without_variables(template).ok_or_else(|| invalid("braces do not match"))?;
    let mut expression = String::new();
    let mut ended = false;
    for segment in plain.split('/').skip(1) {
        if ended && segment.contains('*') {
            return Err(invalid("no wildcard may follow **"));
        }
        let (before, after) = segment.split_once("**").unwrap_or((segment, ""));
        let _ = match segment {
            "*" => write!(expression, "/{SEGMENT}"),
            _ if before.len() < segment.len() => {
                ended = true;
                if !before.is_empty() || after.contains('*') {
                    return Err(invalid("** stands alone, but for literals after it"));
                }
                write!(expression, "/{REST}{}", regex::escape(after))
            }
            _ if segment.contains('*') => {
                return Err(invalid("a wildcard is a whole segment"));
            }
            literal => write!(expression, "/{}", regex::escape(literal)),
        };
    }
    Pattern::new(&expression)
}

/// Replaces `{name}` by `*` and `{name=pattern}` by the pattern; `None` when braces do not match.
fn without_variables(template: &str) -> Option<String> {
    let mut plain = String::new();
    let mut rest = template;
    while let Some((before, variable)) = rest.split_once('{') {
        let (variable, after) = variable.split_once('}')?;
        if before.contains('}') || variable.contains('{') {
            return None;
        }
        plain.push_str(before);
        plain.push_str(variable.split_once('=').map_or("*", |(_, pattern)| pattern));
        rest = after;
    }
    plain.push_str(rest);
    (!rest.contains('}')).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_segments_and_paths() {
        for (template, path, expected) in [
            ("/a/*/c", "/a/b/c", true),
            ("/a/*/c", "/a/b/x/c", false),
            ("/a/*/c", "/a//c", false),
            ("/a/**", "/a/b/c", true),
            ("/a/**", "/a/", true),
            ("/a/**", "/a", false),
            ("/a/**.html", "/a/b/c.html", true),
            ("/a/{id}", "/a/7", true),
            ("/a/{rest=**}", "/a/7/8", true),
            ("/a/{one=x/*}", "/a/x/y", true),
            ("/a.b", "/axb", false),
        ] {
            let pattern = compile(template).expect("valid");
            assert_eq!(pattern.is_match(path), expected, "{template} {path}");
        }
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for template in ["a", "/a/**/b/*", "/a/b*", "/{a", "/a}", "/{a{b}}", "/x**"] {
            assert!(compile(template).is_err(), "{template}");
        }
    }
}
