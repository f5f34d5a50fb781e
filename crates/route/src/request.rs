//! What matching may ask about a request. The engine implements it over its own header type.

use std::borrow::Cow;

/// A request as the matchers see it.
pub trait RequestView {
    /// The method, as received.
    fn method(&self) -> &str;
    /// `http` or `https`, as the client used it (after trusted forwarding headers).
    fn scheme(&self) -> &str;
    /// The authority or `Host`, as received.
    fn authority(&self) -> &str;
    /// The path with its query.
    fn path(&self) -> &str;
    /// All values of a header joined with commas. `name` is lower case and no pseudo header.
    fn header(&self, name: &str) -> Option<Cow<'_, str>>;
    /// Whether the client presented a certificate.
    fn peer_presented_certificate(&self) -> bool {
        false
    }
    /// Whether that certificate was verified.
    fn peer_certificate_validated(&self) -> bool {
        false
    }
}

/// The value of a header or pseudo header (`:method`, `:authority`, `:path`, `:scheme`).
pub(crate) fn field<'a>(request: &'a impl RequestView, name: &str) -> Option<Cow<'a, str>> {
    match name {
        ":method" => Some(request.method().into()),
        ":authority" | "host" => Some(request.authority().into()),
        ":path" => Some(request.path().into()),
        ":scheme" => Some(request.scheme().into()),
        _ => request.header(name),
    }
}

/// The path without query and fragment.
pub fn path_without_query(path: &str) -> &str {
    let end = path.find(['?', '#']).unwrap_or(path.len());
    &path[..end]
}

/// The query with its question mark (and the fragment, if any), or nothing.
pub fn query_suffix(path: &str) -> &str {
    &path[path_without_query(path).len()..]
}

/// A request for tests and for offline questions.
#[derive(Clone, Debug, Default)]
pub struct PlainRequest {
    /// The method.
    pub method: String,
    /// The scheme.
    pub scheme: String,
    /// The authority.
    pub authority: String,
    /// The path with its query.
    pub path: String,
    /// Headers with lower-case names.
    pub headers: Vec<(String, String)>,
}

impl PlainRequest {
    /// A plain `GET`.
    pub fn new(authority: &str, path: &str) -> Self {
        Self {
            method: "GET".to_owned(),
            scheme: "http".to_owned(),
            authority: authority.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
        }
    }

    /// The same with one more header.
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl RequestView for PlainRequest {
    fn method(&self) -> &str {
        &self.method
    }

    fn scheme(&self) -> &str {
        &self.scheme
    }

    fn authority(&self) -> &str {
        &self.authority
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut values = self.headers.iter().filter(|(key, _)| key == name);
        let first = values.next()?;
        let mut joined = Cow::Borrowed(first.1.as_str());
        for (_, value) in values {
            joined = Cow::Owned(format!("{joined},{value}"));
        }
        Some(joined)
    }
}
