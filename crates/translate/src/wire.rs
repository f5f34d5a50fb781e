//! Deterministic encoding where generated types are not deterministic.
//!
//! The generated messages keep protobuf maps in hash maps, whose order differs from run to run;
//! equal inputs must give equal bytes, since the content's hash is the resource's version. So
//! messages with maps are encoded without them and the map fields are appended in key order: on the
//! wire a message is the concatenation of its fields, in any order.
//!
//! The field numbers are those of Envoy's v3 API and of `google.protobuf.Struct`.

use std::collections::BTreeMap;

use ferromesh_proto::google::protobuf::Any;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_types::{Struct, Value, value::Kind};

/// Appends `message` as the length-delimited field `field`.
pub(crate) fn append<M: Message>(out: &mut Vec<u8>, field: u32, message: &M) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(message.encoded_len() as u64, out);
    message
        .encode(out)
        .expect("a vector grows as the message needs");
}

/// Appends bytes that are a text, or a message that is encoded already.
pub(crate) fn append_encoded(out: &mut Vec<u8>, field: u32, encoded: &[u8]) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(encoded.len() as u64, out);
    out.extend_from_slice(encoded);
}

/// Appends a number, a truth value or an enum value.
pub(crate) fn append_number(out: &mut Vec<u8>, field: u32, value: u64) {
    encode_key(field, WireType::Varint, out);
    encode_varint(value, out);
}

/// Appends one entry of a `map<string, Any>` field.
pub(crate) fn append_any_entry(out: &mut Vec<u8>, field: u32, key: &str, value: &Any) {
    append(
        out,
        field,
        &AnyEntry {
            key: key.to_owned(),
            value: Some(value.clone()),
        },
    );
}

/// `envoy.config.core.v3.Metadata` with its entries in key order.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Metadata {
    /// By filter name.
    #[prost(btree_map = "string, message", tag = "1")]
    pub(crate) filter_metadata: BTreeMap<String, Struct>,
}

impl Metadata {
    /// Metadata with one entry.
    pub(crate) fn of(filter: &str, fields: Struct) -> Self {
        Self {
            filter_metadata: BTreeMap::from([(filter.to_owned(), fields)]),
        }
    }
}

/// Appends an entry with one text to encoded [`Metadata`]. Entries go in order of their filters.
pub(crate) fn append_text_metadata(out: &mut Vec<u8>, filter: &str, key: &str, text: &str) {
    /// `google.protobuf.Value.string_value`.
    const STRING_VALUE: u32 = 3;
    let mut value = Vec::with_capacity(text.len() + 2);
    append_encoded(&mut value, STRING_VALUE, text.as_bytes());
    let field = map_entry(key, &value);
    let mut fields = Vec::with_capacity(field.len() + 2);
    append_encoded(&mut fields, 1, &field);
    append_encoded(out, 1, &map_entry(filter, &fields));
}

/// An entry of a map: the key is field 1, the value field 2.
fn map_entry(key: &str, value: &[u8]) -> Vec<u8> {
    let mut entry = Vec::with_capacity(key.len() + value.len() + 6);
    append_encoded(&mut entry, 1, key.as_bytes());
    append_encoded(&mut entry, 2, value);
    entry
}

#[derive(Clone, PartialEq, Message)]
struct AnyEntry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<Any>,
}

/// A structure of the given fields.
pub(crate) fn structure<const N: usize>(fields: [(&str, Value); N]) -> Struct {
    Struct {
        fields: fields
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    }
}

/// A text value.
pub(crate) fn text(value: impl Into<String>) -> Value {
    Value {
        kind: Some(Kind::StringValue(value.into())),
    }
}

/// A list value.
pub(crate) fn list(values: Vec<Value>) -> Value {
    Value {
        kind: Some(Kind::ListValue(prost_types::ListValue { values })),
    }
}

/// A structure as a value.
pub(crate) fn nested(fields: Struct) -> Value {
    Value {
        kind: Some(Kind::StructValue(fields)),
    }
}

/// A truth value.
pub(crate) fn truth(value: bool) -> Value {
    Value {
        kind: Some(Kind::BoolValue(value)),
    }
}
