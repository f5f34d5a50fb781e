//! The JSON form of protobuf messages, in both directions, guided by descriptors.
//!
//! Reading accepts field names in either spelling (`typedConfig`, `typed_config`), enum values by
//! name or number, and numbers and booleans also as text, as users' bootstrap files have them.
//! An unknown field is an error that names its place. `Any` is read and written by its `@type`,
//! nested to any depth. Writing leaves default values out.

mod error;
mod read;
mod scalar;
mod write;

use envoy_types::pb::google::protobuf::Any;
use prost::{Message, Name};
use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde_json::Value;

pub use error::{JsonError, Problem};
pub(crate) use scalar::write_float;

use crate::message_descriptor;

/// How field names are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldNames {
    /// `lowerCamelCase`, the usual JSON form.
    #[default]
    Camel,
    /// As in the `.proto` file, the form of Envoy's admin interface.
    Proto,
}

/// Writes a message with `lowerCamelCase` names.
pub fn message_to_json<M: Message + Name>(message: &M) -> Result<Value, JsonError> {
    message_to_json_with(message, FieldNames::Camel)
}

/// Writes a message.
pub fn message_to_json_with<M: Message + Name>(
    message: &M,
    names: FieldNames,
) -> Result<Value, JsonError> {
    encoded_to_json(&M::full_name(), &message.encode_to_vec(), names)
}

/// Writes an encoded message of the type `full_name`.
pub fn encoded_to_json(
    full_name: &str,
    encoded: &[u8],
    names: FieldNames,
) -> Result<Value, JsonError> {
    let dynamic = decode(full_name, encoded)?;
    Ok(write::message(&dynamic, names))
}

/// Reads a message.
pub fn message_from_json<M: Message + Name + Default>(json: &Value) -> Result<M, JsonError> {
    let encoded = encoded_from_json(&M::full_name(), json)?;
    M::decode(encoded.as_slice()).map_err(|reason| JsonError::new(Problem::Encoding(reason)))
}

/// Reads a message of the type `full_name` and encodes it.
pub fn encoded_from_json(full_name: &str, json: &Value) -> Result<Vec<u8>, JsonError> {
    Ok(read::message(&descriptor(full_name)?, json)?.encode_to_vec())
}

/// Writes an `Any` with its content unfolded. What cannot be unfolded, because the type is unknown
/// or the bytes are not of that type, is written as base64 under `value`.
pub fn any_to_json(any: &Any) -> Value {
    any_to_json_with(any, FieldNames::Camel)
}

/// Writes an `Any` as [`any_to_json`] does.
pub fn any_to_json_with(any: &Any, names: FieldNames) -> Value {
    write::any(&any.type_url, &any.value, names)
}

fn descriptor(full_name: &str) -> Result<MessageDescriptor, JsonError> {
    message_descriptor(full_name)
        .ok_or_else(|| JsonError::new(Problem::UnknownType(full_name.to_owned())))
}

fn decode(full_name: &str, encoded: &[u8]) -> Result<DynamicMessage, JsonError> {
    DynamicMessage::decode(descriptor(full_name)?, encoded)
        .map_err(|reason| JsonError::new(Problem::Encoding(reason)))
}

/// Messages whose JSON form is not an object of their fields.
fn has_special_form(full_name: &str) -> bool {
    let Some(name) = full_name.strip_prefix("google.protobuf.") else {
        return false;
    };
    matches!(
        name,
        "Any" | "Duration" | "Timestamp" | "FieldMask" | "Struct" | "Value" | "ListValue"
    ) || is_wrapper(full_name)
}

fn is_wrapper(full_name: &str) -> bool {
    matches!(
        full_name,
        "google.protobuf.BoolValue"
            | "google.protobuf.Int32Value"
            | "google.protobuf.Int64Value"
            | "google.protobuf.UInt32Value"
            | "google.protobuf.UInt64Value"
            | "google.protobuf.FloatValue"
            | "google.protobuf.DoubleValue"
            | "google.protobuf.StringValue"
            | "google.protobuf.BytesValue"
    )
}

#[cfg(test)]
mod tests;
