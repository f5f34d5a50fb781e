//! Packing and unpacking `Any`, also through `TypedStruct`.
//!
//! A `TypedStruct` (either spelling) carries the JSON form of another message. For whoever unpacks
//! it makes no difference: the inner message is decoded by its descriptor.

use std::borrow::Cow;

use envoy_types::pb::google::protobuf::{Any, Struct};
use prost::{DecodeError, Message, Name};
use thiserror::Error;

use crate::json::{self, JsonError};
use crate::{structs, type_url, udpa, xds};

/// Why an `Any` does not hold what was expected.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum AnyError {
    /// Another type than the expected one.
    #[error("expected a {expected}, found a {found}")]
    Type {
        /// Full message name.
        expected: String,
        /// Full message name.
        found: String,
    },
    /// The bytes are not a message of the named type.
    #[error("malformed {type_name}: {reason}")]
    Encoding {
        /// Full message name.
        type_name: String,
        /// From the decoder.
        reason: DecodeError,
    },
    /// The JSON form inside a `TypedStruct` does not fit its type.
    #[error("typed struct of {type_name}: {reason}")]
    TypedStruct {
        /// Full message name.
        type_name: String,
        /// What and where.
        reason: JsonError,
    },
}

/// Packs a message under its own type URL.
pub fn pack<M: Message + Name>(message: &M) -> Any {
    Any {
        type_url: type_url::of(&M::full_name()),
        value: message.encode_to_vec(),
    }
}

/// Unpacks a message of exactly the type `M`, directly or through a `TypedStruct`.
pub fn unpack<M: Message + Name + Default>(any: &Any) -> Result<M, AnyError> {
    let inner = resolve(any)?;
    let found = type_url::message_name(&inner.type_url);
    if found != M::full_name() {
        return Err(AnyError::Type {
            expected: M::full_name(),
            found: found.to_owned(),
        });
    }
    decode(found, &inner.value)
}

/// The `Any` itself or, for a `TypedStruct`, the message that it stands for. Afterwards the type
/// URL tells what the content is.
pub fn resolve(any: &Any) -> Result<Cow<'_, Any>, AnyError> {
    let name = type_url::message_name(&any.type_url);
    let (inner_url, value) = match name {
        "udpa.type.v1.TypedStruct" => {
            let typed: udpa::r#type::v1::TypedStruct = decode(name, &any.value)?;
            (typed.type_url, typed.value)
        }
        "xds.type.v3.TypedStruct" => {
            let typed: xds::r#type::v3::TypedStruct = decode(name, &any.value)?;
            (typed.type_url, typed.value)
        }
        _ => return Ok(Cow::Borrowed(any)),
    };
    from_struct(inner_url, &value.unwrap_or_default()).map(Cow::Owned)
}

/// Packs settings in the JSON form under the older `TypedStruct`, which every Envoy understands.
pub fn pack_typed_struct(inner_type_url: &str, value: Struct) -> Any {
    pack(&udpa::r#type::v1::TypedStruct {
        type_url: inner_type_url.to_owned(),
        value: Some(value),
    })
}

fn from_struct(inner_url: String, value: &Struct) -> Result<Any, AnyError> {
    let name = type_url::message_name(&inner_url);
    let encoded = json::encoded_from_json(name, &structs::to_json(value)).map_err(|reason| {
        AnyError::TypedStruct {
            type_name: name.to_owned(),
            reason,
        }
    })?;
    Ok(Any {
        type_url: inner_url,
        value: encoded,
    })
}

fn decode<M: Message + Default>(name: &str, encoded: &[u8]) -> Result<M, AnyError> {
    M::decode(encoded).map_err(|reason| AnyError::Encoding {
        type_name: name.to_owned(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envoy::config::core::v3::Node;
    use crate::istio::metadata_exchange::MetadataExchange;
    use serde_json::json;

    #[test]
    fn a_packed_message_is_unpacked_as_its_own_type_only() {
        let node = Node {
            id: "one".to_owned(),
            ..Node::default()
        };
        let any = pack(&node);
        assert_eq!(
            any.type_url,
            "type.googleapis.com/envoy.config.core.v3.Node"
        );
        assert_eq!(unpack::<Node>(&any), Ok(node));
        assert!(matches!(
            unpack::<MetadataExchange>(&any),
            Err(AnyError::Type { .. })
        ));
    }

    fn exchange() -> Struct {
        let json = json!({"protocol": "istio-peer-exchange", "enableDiscovery": true});
        structs::from_object(json.as_object().expect("an object"))
    }

    const EXCHANGE_URL: &str =
        "type.googleapis.com/envoy.tcp.metadataexchange.config.MetadataExchange";

    #[test]
    fn both_typed_structs_give_the_inner_message() {
        let newer = pack(&xds::r#type::v3::TypedStruct {
            type_url: EXCHANGE_URL.to_owned(),
            value: Some(exchange()),
        });
        for any in [pack_typed_struct(EXCHANGE_URL, exchange()), newer] {
            let inner: MetadataExchange = unpack(&any).expect("decoded by its descriptor");
            assert_eq!(inner.protocol, "istio-peer-exchange");
            assert!(inner.enable_discovery);
        }
    }

    #[test]
    fn a_wrong_field_in_a_typed_struct_is_named() {
        let mut value = exchange();
        value
            .fields
            .insert("colour".to_owned(), structs::value_from_json(&json!(1)));
        let error = resolve(&pack_typed_struct(EXCHANGE_URL, value)).expect_err("no such field");
        assert!(error.to_string().contains("\"colour\""), "{error}");
    }
}
