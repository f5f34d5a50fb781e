//! Heads of requests and responses, the same for every protocol version.

use std::fmt;

use http::Method;

use crate::headers::{Headers, Span};

/// The protocol version that a message came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
}

impl Version {
    /// As access logs write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }
}

/// The scheme of a request's target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// `http`.
    #[default]
    Http,
    /// `https`.
    Https,
}

impl Scheme {
    /// In lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// The head of a request. Authority, path and protocol live beside the header fields; `host`,
/// hop-by-hop fields and framing fields are not among the fields.
#[derive(Clone)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The version.
    pub version: Version,
    /// The scheme, as far as the connection or an absolute target tells.
    pub scheme: Scheme,
    /// The fields.
    pub headers: Headers,
    pub(crate) authority: Span,
    pub(crate) path: Span,
    pub(crate) protocol: Span,
}

impl RequestHead {
    /// A head of our own making.
    pub fn new(method: Method, authority: &str, path: &str) -> Self {
        let mut headers = Headers::new();
        let authority = headers.store_value(authority.as_bytes());
        let path = headers.store_value(path.as_bytes());
        Self {
            method,
            version: Version::Http11,
            scheme: Scheme::Http,
            headers,
            authority,
            path,
            protocol: Span::default(),
        }
    }

    /// Whether it names an authority.
    pub fn has_authority(&self) -> bool {
        !self.authority.is_empty()
    }

    /// Whether it has a path.
    pub fn has_path(&self) -> bool {
        !self.path.is_empty()
    }

    /// The authority or `Host`; empty when there was none (HTTP/1.0).
    pub fn authority(&self) -> &str {
        self.text(self.authority)
    }

    /// The path with its query, or `*`; empty for CONNECT.
    pub fn path(&self) -> &str {
        self.text(self.path)
    }

    /// The protocol that an upgrade (HTTP/1.1) or an extended CONNECT (HTTP/2) asks for.
    pub fn protocol(&self) -> Option<&str> {
        (!self.protocol.is_empty()).then(|| self.text(self.protocol))
    }

    /// Replaces the authority.
    pub fn set_authority(&mut self, authority: &str) {
        self.authority = self.headers.store_value(authority.as_bytes());
    }

    /// Replaces the path.
    pub fn set_path(&mut self, path: &str) {
        self.path = self.headers.store_value(path.as_bytes());
    }

    /// Asks for an upgrade, or for none.
    pub fn set_protocol(&mut self, protocol: Option<&str>) {
        self.protocol = match protocol {
            Some(protocol) => self.headers.store_value(protocol.as_bytes()),
            None => Span::default(),
        };
    }

    fn text(&self, span: Span) -> &str {
        // Parsers admit ASCII only here; what the proxy writes comes from `str`.
        std::str::from_utf8(self.headers.slice(span)).unwrap_or_default()
    }
}

impl fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead")
            .field("method", &self.method)
            .field("authority", &self.authority())
            .field("path", &self.path())
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

/// The head of a response, without hop-by-hop and framing fields.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    /// The status.
    pub status: u16,
    /// The version.
    pub version: Version,
    /// The fields.
    pub headers: Headers,
}

impl ResponseHead {
    /// A head of our own making.
    pub fn new(status: u16) -> Self {
        Self {
            status,
            version: Version::Http11,
            headers: Headers::new(),
        }
    }

    /// Whether an answer of this status to GET has a body (RFC 9110 section 6.4.1).
    pub fn has_body(&self) -> bool {
        !matches!(self.status, 100..200 | 204 | 304)
    }

    /// Whether this is an interim response: another one follows.
    pub fn is_informational(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }
}
