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
    /// Whether one of a header's values, each for itself, is one that `matches` takes; `None` when
    /// there is no such header. `name` as for `header`.
    fn any_value(&self, name: &str, matches: &mut dyn FnMut(&str) -> bool) -> Option<bool> {
        self.header(name).map(|value| matches(&value))
    }
    /// Whether the client presented a certificate.
    fn peer_presented_certificate(&self) -> bool {
        false
    }
    /// Whether that certificate was verified.
    fn peer_certificate_validated(&self) -> bool {
        false
    }
}

/// Headers whose values are one value, joined by commas, whoever added them: a rule for one of the
/// addresses that passed a request on must not match by the order of lines.
const JOINED: [&str; 9] = [
    "x-forwarded-for",
    "x-forwarded-client-cert",
    "x-forwarded-host",
    "x-forwarded-proto",
    "via",
    "user-agent",
    "content-type",
    "te",
    "x-request-id",
];

/// Whether one of the values of a header or pseudo header is one that `matches` takes; `None` when
/// it is missing.
pub(crate) fn any_field(
    request: &impl RequestView,
    name: &str,
    matches: &mut dyn FnMut(&str) -> bool,
) -> Option<bool> {
    if name == "host" || name.starts_with(':') || JOINED.contains(&name) {
        return field(request, name).map(|value| matches(&value));
    }
    request.any_value(name, matches)
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

    fn any_value(&self, name: &str, matches: &mut dyn FnMut(&str) -> bool) -> Option<bool> {
        let mut values = self.headers.iter().filter(|(key, _)| key == name);
        let first = values.next()?;
        Some(matches(&first.1) || values.any(|(_, value)| matches(value)))
    }
}
