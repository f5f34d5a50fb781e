//! Redirect answers and their `location`.

use ferromesh_types::Str;

use crate::request::{RequestView, path_without_query, query_suffix};
use crate::rewrite::PathRewrite;

/// A redirect answer.
#[derive(Clone, Debug)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// The new scheme.
    pub scheme: Option<Str>,
    /// The new host.
    pub host: Option<Str>,
    /// The new port.
    pub port: Option<u16>,
    /// The new path.
    pub path: Option<RedirectPath>,
    /// Whether the query is dropped.
    pub strip_query: bool,
}

/// The new path of a redirect.
#[derive(Clone, Debug)]
pub enum RedirectPath {
    /// This path; the query is added unless it has its own.
    Whole(Str),
    /// An edit of the old path.
    Rewrite(PathRewrite),
}

impl Redirect {
    /// To the same place over TLS, as `require_tls` asks for.
    pub fn to_https() -> Self {
        Self {
            scheme: Some("https".into()),
            ..Self::to_same(301)
        }
    }

    /// To the same place.
    pub fn to_same(status: u16) -> Self {
        Self {
            status,
            scheme: None,
            host: None,
            port: None,
            path: None,
            strip_query: false,
        }
    }

    /// The value of `location`. `matched` is how many bytes of the path the route matched.
    pub fn location(&self, request: &impl RequestView, matched: usize) -> String {
        let scheme = self.scheme.as_deref().unwrap_or_else(|| request.scheme());
        let host = match &self.host {
            Some(host) => host.as_str(),
            None => self.old_host(request.authority(), scheme),
        };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!(
            "{scheme}://{host}{port}{}",
            self.new_path(request.path(), matched)
        )
    }

    /// The old host, without its port where the new scheme or port makes it wrong.
    fn old_host<'a>(&self, authority: &'a str, scheme: &str) -> &'a str {
        let bare = crate::virtual_host::without_port(authority);
        let stale = match &authority[bare.len()..] {
            ":80" => self.scheme.is_some() && scheme == "https",
            ":443" => self.scheme.is_some() && scheme == "http",
            _ => false,
        };
        if stale || self.port.is_some() {
            bare
        } else {
            authority
        }
    }

    fn new_path(&self, old: &str, matched: usize) -> String {
        let query = if self.strip_query {
            ""
        } else {
            query_suffix(old)
        };
        match &self.path {
            None => format!("{}{query}", path_without_query(old)),
            Some(RedirectPath::Whole(path)) if path.contains('?') => path.as_str().to_owned(),
            Some(RedirectPath::Whole(path)) => format!("{path}{query}"),
            Some(RedirectPath::Rewrite(rewrite)) => {
                let new = rewrite.apply(old, matched);
                if self.strip_query {
                    path_without_query(&new).to_owned()
                } else {
                    new
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::PlainRequest;

    #[test]
    fn only_what_is_asked_for_changes() {
        let request = PlainRequest::new("shop.example:80", "/a?b=c");
        let https = Redirect::to_https();
        assert_eq!(https.location(&request, 0), "https://shop.example/a?b=c");
        let mut other = Redirect::to_https();
        other.scheme = None;
        other.port = Some(8080);
        other.strip_query = true;
        other.path = Some(RedirectPath::Whole("/new".into()));
        assert_eq!(other.location(&request, 0), "http://shop.example:8080/new");
    }
}
