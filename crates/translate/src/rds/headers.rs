//! Header changes of a VirtualService as Envoy's lists.
//!
//! `set` overwrites, `add` appends. The host is no header to Envoy but a rewrite; other pseudo
//! headers cannot be changed at all and are left out.

use ferromesh_config::kind::virtual_service::{HeaderOperations, Headers};
use ferromesh_proto::envoy::config::core::v3::{
    HeaderValue, HeaderValueOption, header_value_option::HeaderAppendAction,
};
use ferromesh_types::Str;

/// The changes of one place (a route or a destination).
#[derive(Clone, Debug, Default)]
pub(crate) struct HeaderChanges {
    /// Request headers to set or append.
    pub(crate) request_add: Vec<HeaderValueOption>,
    /// Request headers to remove.
    pub(crate) request_remove: Vec<String>,
    /// Response headers to set or append.
    pub(crate) response_add: Vec<HeaderValueOption>,
    /// Response headers to remove.
    pub(crate) response_remove: Vec<String>,
    /// The new authority, if the host was set.
    pub(crate) authority: Option<String>,
}

impl HeaderChanges {
    /// Reads both directions.
    pub(crate) fn of(headers: Option<&Headers>) -> Self {
        let request = headers.and_then(|h| h.request.as_ref());
        let response = headers.and_then(|h| h.response.as_ref());
        Self {
            request_add: request.map(additions).unwrap_or_default(),
            request_remove: request.map(removals).unwrap_or_default(),
            response_add: response.map(additions).unwrap_or_default(),
            response_remove: response.map(removals).unwrap_or_default(),
            authority: request.and_then(authority),
        }
    }

    /// Adds the changes of another place behind these.
    pub(crate) fn extend(&mut self, other: Self) {
        self.request_add.extend(other.request_add);
        self.request_remove.extend(other.request_remove);
        self.response_add.extend(other.response_add);
        self.response_remove.extend(other.response_remove);
        self.authority = other.authority.or(self.authority.take());
    }
}

fn additions(operations: &HeaderOperations) -> Vec<HeaderValueOption> {
    let set = operations
        .set
        .iter()
        .map(|pair| option(pair, HeaderAppendAction::OverwriteIfExistsOrAdd));
    let add = operations
        .add
        .iter()
        .map(|pair| option(pair, HeaderAppendAction::AppendIfExistsOrAdd));
    set.chain(add)
        .filter(|option| option.header.as_ref().is_some_and(|h| is_plain(&h.key)))
        .collect()
}

fn removals(operations: &HeaderOperations) -> Vec<String> {
    operations
        .remove
        .iter()
        .filter(|name| is_plain(name))
        .map(ToString::to_string)
        .collect()
}

fn authority(operations: &HeaderOperations) -> Option<String> {
    operations
        .set
        .iter()
        .find(|(name, _)| is_host(name))
        .map(|(_, value)| value.to_string())
}

fn option((key, value): (&Str, &Str), action: HeaderAppendAction) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue {
            key: key.to_string(),
            value: value.to_string(),
            ..Default::default()
        }),
        append_action: action as i32,
        ..Default::default()
    }
}

fn is_host(name: &str) -> bool {
    name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case(":authority")
}

fn is_plain(name: &str) -> bool {
    !name.starts_with(':') && !is_host(name)
}
