//! New hosts and paths.

use ferromesh_config::StringMatch;
use ferromesh_config::kind::gateway_api::{PathModifier, RequestRedirect, UrlRewrite};
use ferromesh_config::kind::virtual_service::{
    HttpMatchRequest, HttpRedirect, HttpRewrite, RedirectPort, RegexRewrite,
};
use ferromesh_types::Str;

/// The status of a redirect that names none.
const FOUND: u32 = 302;

/// The answer of a redirect.
pub(crate) fn redirect(written: &RequestRedirect, condition: &HttpMatchRequest) -> HttpRedirect {
    let keeps_scheme = written.scheme.is_empty();
    let path = written.path.as_ref();
    let whole = path.and_then(|path| path.replace_full_path.clone());
    HttpRedirect {
        uri: whole.unwrap_or_default(),
        authority: written.hostname.clone(),
        port: written.port,
        derive_port: written.port.is_none().then_some(if keeps_scheme {
            RedirectPort::FromRequestPort
        } else {
            RedirectPort::FromProtocolDefault
        }),
        scheme: written.scheme.clone(),
        redirect_code: Some(written.status_code.unwrap_or(FOUND)),
        path_rewrite: path.and_then(|path| prefix(path, condition)),
    }
}

/// The changes of a rewrite.
pub(crate) fn url(written: &UrlRewrite, condition: &HttpMatchRequest) -> HttpRewrite {
    let path = written.path.as_ref();
    let changed = path.and_then(|path| match &path.replace_full_path {
        Some(whole) => Some(substitution("/.*", whole)),
        None => prefix(path, condition),
    });
    HttpRewrite {
        authority: written.hostname.clone(),
        ..changed.unwrap_or_default()
    }
}

/// Another prefix in place of the one that was matched, by whole path elements; `None` if that
/// changes nothing.
fn prefix(path: &PathModifier, condition: &HttpMatchRequest) -> Option<HttpRewrite> {
    let new = path.replace_prefix_match.as_ref()?.trim_end_matches('/');
    let matched = match &condition.uri {
        Some(StringMatch::Prefix(prefix)) => Some(prefix),
        _ => None,
    };
    match (matched, new) {
        (None, "") => None,
        // What was matched is the first slash.
        (None, new) => Some(in_place(format!("{new}/"))),
        // Between `/a/b` without `/a` and `/b` one slash has to stay.
        (Some(old), "") => {
            let old = regex_syntax::escape(old);
            Some(substitution(&format!("^{old}/?"), "/"))
        }
        (Some(_), new) => Some(in_place(new.to_owned())),
    }
}

fn in_place(prefix: String) -> HttpRewrite {
    HttpRewrite {
        uri: prefix.into(),
        ..HttpRewrite::default()
    }
}

fn substitution(pattern: &str, text: &str) -> HttpRewrite {
    HttpRewrite {
        uri_regex_rewrite: Some(RegexRewrite {
            r#match: pattern.into(),
            // A backslash would begin the number of a group.
            rewrite: Str::from(text.replace('\\', "\\\\")),
        }),
        ..HttpRewrite::default()
    }
}
