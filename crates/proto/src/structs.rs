//! `google.protobuf.Struct` and JSON: node metadata, filter metadata, settings in JSON form.

use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{ListValue, Struct, Value as ProtoValue};
use serde_json::{Map, Value};

use crate::json::write_float;

/// A JSON object as a struct.
pub fn from_object(object: &Map<String, Value>) -> Struct {
    Struct {
        fields: object
            .iter()
            .map(|(key, value)| (key.clone(), value_from_json(value)))
            .collect(),
    }
}

/// A struct as a JSON object.
pub fn to_json(value: &Struct) -> Value {
    let fields = value.fields.iter();
    Value::Object(
        fields
            .map(|(key, value)| (key.clone(), value_to_json(value)))
            .collect(),
    )
}

/// Any JSON value. Numbers become 64-bit floats: the type knows no other.
pub fn value_from_json(json: &Value) -> ProtoValue {
    let kind = match json {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(items) => Kind::ListValue(list_from_json(items)),
        Value::Object(object) => Kind::StructValue(from_object(object)),
    };
    ProtoValue { kind: Some(kind) }
}

/// The JSON form of a value; one without a kind is `null`.
pub fn value_to_json(value: &ProtoValue) -> Value {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(*value),
        Some(Kind::NumberValue(number)) => write_float(*number),
        Some(Kind::StringValue(text)) => Value::String(text.clone()),
        Some(Kind::ListValue(list)) => list_to_json(list),
        Some(Kind::StructValue(inner)) => to_json(inner),
    }
}

/// A JSON list.
pub fn list_from_json(items: &[Value]) -> ListValue {
    ListValue {
        values: items.iter().map(value_from_json).collect(),
    }
}

/// The JSON form of a list.
pub fn list_to_json(list: &ListValue) -> Value {
    list.values.iter().map(value_to_json).collect()
}
