//! Numbers, text, bytes, booleans and enum values.

use base64::Engine as _;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig, general_purpose};
use prost_reflect::{EnumDescriptor, Kind, Value as Reflected};
use serde_json::{Number, Value, json};

use super::{JsonError, Problem};

/// Both alphabets, with or without padding: what protobuf's JSON form demands of readers.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent);

/// Reads a value that is not a message.
pub(super) fn read(kind: &Kind, json: &Value) -> Result<Reflected, JsonError> {
    match kind {
        Kind::Bool => boolean(json).map(Reflected::Bool),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            integer(json, "a 32-bit integer").map(Reflected::I32)
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            integer(json, "a 64-bit integer").map(Reflected::I64)
        }
        Kind::Uint32 | Kind::Fixed32 => {
            integer(json, "a 32-bit integer of at least 0").map(Reflected::U32)
        }
        Kind::Uint64 | Kind::Fixed64 => {
            integer(json, "a 64-bit integer of at least 0").map(Reflected::U64)
        }
        Kind::Float => float(json).map(|number| Reflected::F32(number as f32)),
        Kind::Double => float(json).map(Reflected::F64),
        Kind::String => text(json).map(Reflected::String),
        Kind::Bytes => bytes(json).map(|bytes| Reflected::Bytes(bytes.into())),
        Kind::Enum(descriptor) => enum_number(descriptor, json).map(Reflected::EnumNumber),
        Kind::Message(_) => Err(JsonError::kind("a message", json)),
    }
}

/// Also text: published bootstraps hold `"true"` (D10 of the compatibility decisions).
fn boolean(json: &Value) -> Result<bool, JsonError> {
    match json {
        Value::Bool(value) => Ok(*value),
        Value::String(text) if text == "true" => Ok(true),
        Value::String(text) if text == "false" => Ok(false),
        other => Err(JsonError::kind("true or false", other)),
    }
}

fn integer<T: TryFrom<i128>>(json: &Value, expected: &'static str) -> Result<T, JsonError> {
    let whole = match json {
        Value::Number(number) => whole_number(number),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    whole
        .and_then(|whole| T::try_from(whole).ok())
        .ok_or_else(|| JsonError::kind(expected, json))
}

fn whole_number(number: &Number) -> Option<i128> {
    if let Some(whole) = number.as_i128() {
        return Some(whole);
    }
    let float = number.as_f64()?;
    // Beyond 2^63 a float is no exact 64-bit integer any more.
    (float.fract() == 0.0 && float.abs() < 9.3e18).then_some(float as i128)
}

fn float(json: &Value) -> Result<f64, JsonError> {
    let found = match json {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            other => other.parse().ok(),
        },
        _ => None,
    };
    found.ok_or_else(|| JsonError::kind("a number", json))
}

fn text(json: &Value) -> Result<String, JsonError> {
    let text = json.as_str().ok_or_else(|| JsonError::kind("text", json))?;
    Ok(text.to_owned())
}

fn bytes(json: &Value) -> Result<Vec<u8>, JsonError> {
    let wrong = || JsonError::kind("base64 text", json);
    let text = json.as_str().ok_or_else(wrong)?;
    let standard = GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);
    let url_safe = GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT);
    standard
        .decode(text)
        .or_else(|_| url_safe.decode(text))
        .map_err(|_| wrong())
}

fn enum_number(descriptor: &EnumDescriptor, json: &Value) -> Result<i32, JsonError> {
    match json {
        Value::Null => Ok(0),
        Value::Number(_) => integer(json, "the name or number of an enum value"),
        Value::String(name) => {
            let found = descriptor
                .get_value_by_name(name)
                .map(|value| value.number());
            found.or_else(|| name.parse().ok()).ok_or_else(|| {
                let known: Vec<_> = descriptor.values().map(|v| v.name().to_owned()).collect();
                JsonError::new(Problem::UnknownEnumValue {
                    value: name.clone(),
                    of: descriptor.full_name().to_owned(),
                    known: known.join(", "),
                })
            })
        }
        other => Err(JsonError::kind(
            "the name or number of an enum value",
            other,
        )),
    }
}

/// Writes a value that is not a message, list or map; 64-bit integers become text.
pub(super) fn write(kind: &Kind, value: &Reflected) -> Value {
    match value {
        Reflected::Bool(value) => json!(value),
        Reflected::I32(number) => json!(number),
        Reflected::U32(number) => json!(number),
        Reflected::I64(number) => json!(number.to_string()),
        Reflected::U64(number) => json!(number.to_string()),
        Reflected::F32(number) => short_float(*number),
        Reflected::F64(number) => write_float(*number),
        Reflected::String(text) => json!(text),
        Reflected::Bytes(bytes) => json!(base64_text(bytes)),
        Reflected::EnumNumber(number) => enum_name(kind, *number),
        Reflected::Message(_) | Reflected::List(_) | Reflected::Map(_) => Value::Null,
    }
}

/// The standard alphabet with padding.
pub(super) fn base64_text(bytes: &[u8]) -> String {
    general_purpose::STANDARD.encode(bytes)
}

/// Through the shortest text, so that 0.1 does not become 0.10000000149.
fn short_float(number: f32) -> Value {
    write_float(
        number
            .to_string()
            .parse()
            .unwrap_or_else(|_| f64::from(number)),
    )
}

/// A number without a fraction is written as an integer, as every other JSON writer does.
pub(crate) fn write_float(number: f64) -> Value {
    // 2^53: up to here every integer is exact.
    if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 {
        return json!(number as i64);
    }
    match Number::from_f64(number) {
        Some(number) => Value::Number(number),
        None if number.is_nan() => json!("NaN"),
        None if number > 0.0 => json!("Infinity"),
        None => json!("-Infinity"),
    }
}

fn enum_name(kind: &Kind, number: i32) -> Value {
    let Kind::Enum(descriptor) = kind else {
        return json!(number);
    };
    if descriptor.full_name() == "google.protobuf.NullValue" {
        return Value::Null;
    }
    match descriptor.get_value(number) {
        Some(value) => json!(value.name()),
        None => json!(number),
    }
}

/// `fooBar` to `foo_bar`, as in the paths of a field mask.
pub(super) fn snake_case(camel: &str) -> String {
    let mut snake = String::with_capacity(camel.len() + 4);
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// `foo_bar` to `fooBar`.
pub(super) fn camel_case(snake: &str) -> String {
    let mut camel = String::with_capacity(snake.len());
    let mut raise = false;
    for letter in snake.chars() {
        if letter == '_' {
            raise = true;
        } else if std::mem::take(&mut raise) {
            camel.push(letter.to_ascii_uppercase());
        } else {
            camel.push(letter);
        }
    }
    camel
}
