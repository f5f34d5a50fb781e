//! Why a resource is refused, and the check that nothing in it goes unread.
//!
//! A compile function takes the fields that it understands out of a message. What is left must be
//! the default; else the first field that is still set is named. No field is ever ignored by
//! accident: those that are ignored on purpose are cleared by name.

use std::fmt;

use ferromesh_proto::message_descriptor;
use prost::encoding::decode_key;
use prost::{Message, Name};

/// Why a resource (or a bootstrap) cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The field, from the resource down, as `filter_chains[0].filters[1].typed_config`.
    path: String,
    reason: String,
}

impl Refusal {
    /// A refusal of the message at hand.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            path: String::new(),
            reason: reason.into(),
        }
    }

    /// A refusal of one field of the message at hand.
    pub fn field(field: &str, reason: impl Into<String>) -> Self {
        Self {
            path: field.to_owned(),
            reason: reason.into(),
        }
    }

    /// The same, seen from the message that holds the field `outer`.
    pub fn inside(mut self, outer: &str) -> Self {
        self.path = if self.path.is_empty() {
            outer.to_owned()
        } else {
            format!("{outer}.{}", self.path)
        };
        self
    }

    /// The field that is wrong.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.reason)
        } else {
            write!(f, "{}: {}", self.path, self.reason)
        }
    }
}

impl std::error::Error for Refusal {}

/// Adds the place to a failure.
pub(crate) trait At<T> {
    /// Says in which field of the message at hand it failed.
    fn at(self, field: &str) -> Result<T, Refusal>;
    /// Says in which element of a list it failed.
    fn at_index(self, field: &str, index: usize) -> Result<T, Refusal>;
}

impl<T, E: Into<Refusal>> At<T> for Result<T, E> {
    fn at(self, field: &str) -> Result<T, Refusal> {
        self.map_err(|error| error.into().inside(field))
    }

    fn at_index(self, field: &str, index: usize) -> Result<T, Refusal> {
        self.map_err(|error| error.into().inside(&format!("{field}[{index}]")))
    }
}

macro_rules! reason_from {
    ($($error:ty),* $(,)?) => {
        $(impl From<$error> for Refusal {
            fn from(error: $error) -> Self {
                Self::new(error.to_string())
            }
        })*
    };
}

reason_from!(
    crate::access_log::InvalidTimeFormat,
    ferromesh_proto::any::AnyError,
    ferromesh_route::InvalidPattern,
    ferromesh_route::filter_chain::SameMatch,
    ferromesh_route::template::TemplateError,
    ferromesh_route::virtual_host::DomainError,
    ferromesh_tls::TlsError,
);

/// Refuses what is left of a message when everything understood was taken out of it.
pub(crate) fn nothing_left<M>(rest: &M) -> Result<(), Refusal>
where
    M: Message + Name + Default + PartialEq,
{
    if *rest == M::default() {
        return Ok(());
    }
    let encoded = rest.encode_to_vec();
    let tag = decode_key(&mut encoded.as_slice()).map_or(0, |(tag, _)| tag);
    let field = message_descriptor(&M::full_name())
        .and_then(|descriptor| descriptor.get_field(tag))
        .map_or_else(|| format!("field {tag}"), |field| field.name().to_owned());
    Err(Refusal::field(&field, "is not supported"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferromesh_proto::envoy::config::listener::v3::Listener;

    #[test]
    fn the_field_that_is_left_is_named() {
        let mut rest = Listener::default();
        assert_eq!(nothing_left(&rest), Ok(()));
        rest.enable_mptcp = true;
        let refusal = nothing_left(&rest)
            .expect_err("a field is set")
            .inside("listeners[0]");
        assert_eq!(
            refusal.to_string(),
            "listeners[0].enable_mptcp: is not supported"
        );
    }
}
