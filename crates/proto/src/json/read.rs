//! JSON to message.

use std::collections::HashMap;

use envoy_types::pb::google::protobuf;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor};
use prost_reflect::{ReflectMessage, Value as Reflected};
use serde_json::{Map, Value};

use super::{JsonError, Problem, descriptor, has_special_form, is_wrapper, scalar};
use crate::{structs, type_url};

/// Reads a message of the given type.
pub(super) fn message(
    descriptor: &MessageDescriptor,
    json: &Value,
) -> Result<DynamicMessage, JsonError> {
    if has_special_form(descriptor.full_name()) {
        return special(descriptor, json);
    }
    let object = json
        .as_object()
        .ok_or_else(|| JsonError::kind("an object", json))?;
    fields(descriptor, object)
}

fn fields(
    descriptor: &MessageDescriptor,
    object: &Map<String, Value>,
) -> Result<DynamicMessage, JsonError> {
    let mut message = DynamicMessage::new(descriptor.clone());
    let mut chosen: HashMap<String, String> = HashMap::new();
    for (name, json) in object {
        let field = descriptor
            .get_field_by_json_name(name)
            .or_else(|| descriptor.get_field_by_name(name))
            .ok_or_else(|| {
                JsonError::new(Problem::UnknownField {
                    field: name.clone(),
                    message: descriptor.full_name().to_owned(),
                })
            })?;
        if json.is_null() && !takes_null(&field) {
            continue;
        }
        if let Some(group) = field.containing_oneof()
            && let Some(first) = chosen.insert(group.name().to_owned(), name.clone())
        {
            return Err(JsonError::new(Problem::OneOf {
                first,
                second: name.clone(),
            }));
        }
        let value = field_value(&field, json).map_err(|error| error.in_field(name))?;
        message.set_field(&field, value);
    }
    Ok(message)
}

/// Fields for which `null` is a value and does not mean "absent".
fn takes_null(field: &FieldDescriptor) -> bool {
    match field.kind() {
        Kind::Message(message) => message.full_name() == "google.protobuf.Value",
        Kind::Enum(found) => found.full_name() == "google.protobuf.NullValue",
        _ => false,
    }
}

fn field_value(field: &FieldDescriptor, json: &Value) -> Result<Reflected, JsonError> {
    if field.is_map() {
        return map(field, json);
    }
    if !field.is_list() {
        return single(&field.kind(), json);
    }
    let items = json
        .as_array()
        .ok_or_else(|| JsonError::kind("a list", json))?;
    let kind = field.kind();
    let read =
        |(index, item)| single(&kind, item).map_err(|error: JsonError| error.at_index(index));
    items
        .iter()
        .enumerate()
        .map(read)
        .collect::<Result<_, _>>()
        .map(Reflected::List)
}

fn map(field: &FieldDescriptor, json: &Value) -> Result<Reflected, JsonError> {
    let object = json
        .as_object()
        .ok_or_else(|| JsonError::kind("an object", json))?;
    let kind = field.kind();
    let entry = kind
        .as_message()
        .expect("a map field is a list of entry messages");
    let (key_field, value_field) = (entry.map_entry_key_field(), entry.map_entry_value_field());
    let mut read = HashMap::new();
    for (key, item) in object {
        let place = |error: JsonError| error.at_key(key);
        let value = single(&value_field.kind(), item).map_err(place)?;
        read.insert(map_key(&key_field, key).map_err(place)?, value);
    }
    Ok(Reflected::Map(read))
}

fn map_key(field: &FieldDescriptor, key: &str) -> Result<MapKey, JsonError> {
    let text = Value::String(key.to_owned());
    let key = single(&field.kind(), &text)?;
    Ok(key
        .into_map_key()
        .expect("protobuf allows only such types as keys of a map"))
}

fn single(kind: &Kind, json: &Value) -> Result<Reflected, JsonError> {
    match kind {
        Kind::Message(descriptor) => message(descriptor, json).map(Reflected::Message),
        other => scalar::read(other, json),
    }
}

fn special(descriptor: &MessageDescriptor, json: &Value) -> Result<DynamicMessage, JsonError> {
    let name = descriptor.full_name();
    let mut message = DynamicMessage::new(descriptor.clone());
    if is_wrapper(name) {
        let field = descriptor.get_field(1).expect("a wrapper has one field");
        let value = single(&field.kind(), json)?;
        message.set_field(&field, value);
        return Ok(message);
    }
    match name.trim_start_matches("google.protobuf.") {
        "Any" => fill(&mut message, &any(json)?),
        "Duration" => fill(&mut message, &duration(json)?),
        "Timestamp" => fill(&mut message, &timestamp(json)?),
        "FieldMask" => fill(&mut message, &field_mask(json)?),
        "Struct" => {
            let object = json
                .as_object()
                .ok_or_else(|| JsonError::kind("an object", json))?;
            fill(&mut message, &structs::from_object(object));
        }
        "Value" => fill(&mut message, &structs::value_from_json(json)),
        _ => {
            let items = json
                .as_array()
                .ok_or_else(|| JsonError::kind("a list", json))?;
            fill(&mut message, &structs::list_from_json(items));
        }
    }
    Ok(message)
}

/// Replaces a dynamic message by a typed one of the same type.
fn fill<M: prost::Message>(message: &mut DynamicMessage, typed: &M) {
    let encoded = typed.encode_to_vec();
    *message = DynamicMessage::decode(message.descriptor(), encoded.as_slice())
        .expect("both types are generated from one file");
}

fn any(json: &Value) -> Result<protobuf::Any, JsonError> {
    let object = json
        .as_object()
        .ok_or_else(|| JsonError::kind("an object", json))?;
    if object.is_empty() {
        return Ok(protobuf::Any::default());
    }
    let url = object
        .get("@type")
        .and_then(Value::as_str)
        .ok_or_else(|| JsonError::new(Problem::NoType))?;
    let name = type_url::message_name(url);
    let inner = descriptor(name)?;
    let content = if has_special_form(name) {
        let content = object.get("value").unwrap_or(&Value::Null);
        message(&inner, content).map_err(|error| error.in_field("value"))?
    } else {
        let mut rest = object.clone();
        rest.remove("@type");
        fields(&inner, &rest)?
    };
    Ok(protobuf::Any {
        type_url: url.to_owned(),
        value: prost::Message::encode_to_vec(&content),
    })
}

fn duration(json: &Value) -> Result<protobuf::Duration, JsonError> {
    const EXPECTED: &str = "a duration in seconds such as \"1.5s\"";
    let wrong = || JsonError::kind(EXPECTED, json);
    let text = json.as_str().ok_or_else(wrong)?;
    let parsed: prost_types::Duration = text.parse().map_err(|_| wrong())?;
    Ok(protobuf::Duration {
        seconds: parsed.seconds,
        nanos: parsed.nanos,
    })
}

fn timestamp(json: &Value) -> Result<protobuf::Timestamp, JsonError> {
    const EXPECTED: &str = "a time such as \"2026-01-02T03:04:05Z\"";
    let wrong = || JsonError::kind(EXPECTED, json);
    let text = json.as_str().ok_or_else(wrong)?;
    let parsed: prost_types::Timestamp = text.parse().map_err(|_| wrong())?;
    Ok(protobuf::Timestamp {
        seconds: parsed.seconds,
        nanos: parsed.nanos,
    })
}

fn field_mask(json: &Value) -> Result<prost_types::FieldMask, JsonError> {
    let text = json
        .as_str()
        .ok_or_else(|| JsonError::kind("field names and commas", json))?;
    let paths = text
        .split(',')
        .filter(|path| !path.is_empty())
        .map(scalar::snake_case);
    Ok(prost_types::FieldMask {
        paths: paths.collect(),
    })
}
