//! Message to JSON.

use envoy_types::pb::google::protobuf;
use prost::Message;
use prost_reflect::Value as Reflected;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage};
use serde_json::{Map, Value, json};

use super::{FieldNames, decode, has_special_form, is_wrapper, scalar};
use crate::{structs, type_url};

/// Writes a message.
pub(super) fn message(message: &DynamicMessage, names: FieldNames) -> Value {
    let descriptor = message.descriptor();
    if has_special_form(descriptor.full_name()) {
        return special(message, names);
    }
    Value::Object(fields(message, names))
}

/// Writes an `Any` given by its parts.
pub(super) fn any(url: &str, encoded: &[u8], names: FieldNames) -> Value {
    if url.is_empty() && encoded.is_empty() {
        return json!({});
    }
    let name = type_url::message_name(url);
    let mut object = Map::new();
    object.insert("@type".to_owned(), json!(url));
    match decode(name, encoded) {
        Ok(content) if has_special_form(name) => {
            object.insert("value".to_owned(), message(&content, names));
        }
        Ok(content) => object.extend(fields(&content, names)),
        Err(_) => {
            object.insert("value".to_owned(), json!(scalar::base64_text(encoded)));
        }
    }
    Value::Object(object)
}

fn fields(message: &DynamicMessage, names: FieldNames) -> Map<String, Value> {
    let mut object = Map::new();
    for (field, value) in message.fields() {
        let name = match names {
            FieldNames::Camel => field.json_name(),
            FieldNames::Proto => field.name(),
        };
        object.insert(name.to_owned(), field_value(&field, value, names));
    }
    object
}

fn field_value(field: &FieldDescriptor, value: &Reflected, names: FieldNames) -> Value {
    let kind = field.kind();
    match value {
        Reflected::Map(entries) => {
            let entry = kind
                .as_message()
                .expect("a map field is a list of entry messages");
            let item = entry.map_entry_value_field().kind();
            let write = |(key, value)| (map_key(key), single(&item, value, names));
            Value::Object(entries.iter().map(write).collect())
        }
        Reflected::List(items) => items
            .iter()
            .map(|item| single(&kind, item, names))
            .collect(),
        other => single(&kind, other, names),
    }
}

fn single(kind: &Kind, value: &Reflected, names: FieldNames) -> Value {
    match value {
        Reflected::Message(inner) => message(inner, names),
        other => scalar::write(kind, other),
    }
}

fn map_key(key: &MapKey) -> String {
    match key {
        MapKey::Bool(value) => value.to_string(),
        MapKey::I32(number) => number.to_string(),
        MapKey::I64(number) => number.to_string(),
        MapKey::U32(number) => number.to_string(),
        MapKey::U64(number) => number.to_string(),
        MapKey::String(text) => text.clone(),
    }
}

fn special(message: &DynamicMessage, names: FieldNames) -> Value {
    let descriptor = message.descriptor();
    let name = descriptor.full_name();
    if is_wrapper(name) {
        let field = descriptor.get_field(1).expect("a wrapper has one field");
        return single(&field.kind(), &message.get_field(&field), names);
    }
    match name.trim_start_matches("google.protobuf.") {
        "Any" => {
            let typed: protobuf::Any = typed(message);
            any(&typed.type_url, &typed.value, names)
        }
        "Duration" => {
            let protobuf::Duration { seconds, nanos } = typed(message);
            json!(prost_types::Duration { seconds, nanos }.to_string())
        }
        "Timestamp" => {
            let protobuf::Timestamp { seconds, nanos } = typed(message);
            json!(prost_types::Timestamp { seconds, nanos }.to_string())
        }
        "FieldMask" => {
            let mask: prost_types::FieldMask = typed(message);
            let paths: Vec<_> = mask
                .paths
                .iter()
                .map(|path| scalar::camel_case(path))
                .collect();
            json!(paths.join(","))
        }
        "Struct" => structs::to_json(&typed(message)),
        "Value" => structs::value_to_json(&typed(message)),
        _ => structs::list_to_json(&typed(message)),
    }
}

fn typed<M: Message + Default>(message: &DynamicMessage) -> M {
    message
        .transcode_to()
        .expect("both types are generated from one file")
}
