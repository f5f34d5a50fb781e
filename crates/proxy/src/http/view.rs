//! Heads as routes and logs see them.

use std::borrow::Cow;

use ferromesh_http::{Headers, RequestHead};
use ferromesh_route::RequestView;

use crate::access_log::HeaderLookup;
use crate::listener::Connection;

/// A request as the routes see it.
pub(super) struct View<'a> {
    pub(super) head: &'a RequestHead,
    pub(super) connection: &'a Connection,
}

impl RequestView for View<'_> {
    fn method(&self) -> &str {
        self.head.method.as_str()
    }

    fn scheme(&self) -> &str {
        self.head.scheme.as_str()
    }

    fn authority(&self) -> &str {
        self.head.authority()
    }

    fn path(&self) -> &str {
        self.head.path()
    }

    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.head.headers.joined(name)
    }

    fn any_value(&self, name: &str, matches: &mut dyn FnMut(&str) -> bool) -> Option<bool> {
        self.head.headers.any_value(name, matches)
    }

    fn peer_presented_certificate(&self) -> bool {
        self.connection.peer_certificate().is_some()
    }

    fn peer_certificate_validated(&self) -> bool {
        // The handshake fails when a certificate that was shown cannot be verified.
        self.connection.peer_certificate().is_some()
    }
}

/// A request head as logs see it.
pub(super) struct RequestLookup<'a>(pub(super) &'a RequestHead);

impl HeaderLookup for RequestLookup<'_> {
    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        let head = self.0;
        match name {
            ":method" => Some(head.method.as_str().into()),
            ":path" => Some(head.path().into()),
            ":authority" | "host" => Some(head.authority().into()),
            ":scheme" => Some(head.scheme.as_str().into()),
            _ => head.headers.joined(name),
        }
    }

    fn bytes(&self) -> u64 {
        let head = self.0;
        let pseudo = [
            (":method", head.method.as_str()),
            (":path", head.path()),
            (":authority", head.authority()),
            (":scheme", head.scheme.as_str()),
        ];
        let pseudo = pseudo.iter().filter(|(_, value)| !value.is_empty());
        let pseudo: usize = pseudo.map(|(name, value)| name.len() + value.len()).sum();
        pseudo as u64 + bytes_of(&head.headers)
    }
}

fn bytes_of(headers: &Headers) -> u64 {
    let fields = headers.iter();
    let sizes = fields.map(|(name, value)| (name.len() + value.len()) as u64);
    sizes.sum()
}

/// A response head or trailers as logs see them.
pub(super) struct FieldLookup<'a>(pub(super) &'a Headers);

impl HeaderLookup for FieldLookup<'_> {
    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.0.joined(name)
    }

    fn bytes(&self) -> u64 {
        bytes_of(self.0)
    }
}
