//! Well-formed resources with odd values: the input is a list of choices that change one of the
//! golden resources by the descriptors of its messages, also inside of `Any`. Gets deeper than
//! damaged bytes, which mostly end in the decoder.

use ferromesh_proto::message_descriptor;
use prost_reflect::{
    Cardinality, DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage, Value,
};

use super::xds::{KINDS, check, golden};
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "xds_compile",
    about: "golden resources with odd values in any field: as xds_decode",
    run,
    seeds,
    words: &[],
};

const TEXTS: [&str; 20] = [
    "",
    "*",
    "a",
    "*.a",
    "a.*",
    "%",
    "%REQ(a)%",
    "(",
    "[",
    "0.0.0.0",
    "::",
    "10.0.0.1",
    "/",
    "a\nb",
    "type.googleapis.com/x",
    "outbound|80||a",
    ":path",
    "\u{fc}",
    "1s",
    "host",
];
const NUMBERS: [u64; 14] = [
    0,
    1,
    2,
    3,
    80,
    100,
    255,
    256,
    65_535,
    65_536,
    1_000_000,
    1 << 31,
    1 << 32,
    u64::MAX,
];
/// Steps down from the resource.
const DEEPEST: usize = 16;

/// The input, one choice after the other; 0 when it is used up.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn below(&mut self, end: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        usize::from(*first) % end.max(1)
    }

    fn are_over(&self) -> bool {
        self.0.is_empty()
    }
}

fn run(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let all = golden();
    let position = choices.below(256) * 256 + choices.below(256);
    let (kind, message) = &all[position % all.len()];
    let name = ferromesh_proto::type_url::message_name(KINDS[*kind]);
    let descriptor = message_descriptor(name).expect("an embedded message");
    let mut resource =
        DynamicMessage::decode(descriptor, message.as_slice()).expect("a golden message");
    for _ in 0..8 {
        if choices.are_over() {
            break;
        }
        change(&mut resource, &mut choices, DEEPEST);
    }
    check(KINDS[*kind], &prost::Message::encode_to_vec(&resource));
}

/// Goes down to some field and changes it.
fn change(message: &mut DynamicMessage, choices: &mut Choices<'_>, deepest: usize) {
    if message.descriptor().full_name() == "google.protobuf.Any" && choices.below(8) > 0 {
        change_any(message, choices, deepest);
        return;
    }
    let inner: Vec<FieldDescriptor> = message
        .descriptor()
        .fields()
        .filter(|field| matches!(field.kind(), Kind::Message(_)) && message.has_field(field))
        .collect();
    if deepest == 0 || inner.is_empty() || choices.below(4) == 0 {
        change_here(message, choices);
        return;
    }
    let field = &inner[choices.below(inner.len())];
    match message.get_field_mut(field) {
        Value::Message(inner) => change(inner, choices, deepest - 1),
        Value::List(list) => {
            let at = choices.below(list.len());
            match choices.below(8) {
                0 => list.push(list[at].clone()),
                1 => drop(list.remove(at)),
                _ => {
                    if let Value::Message(inner) = &mut list[at] {
                        change(inner, choices, deepest - 1);
                    }
                }
            }
        }
        Value::Map(map) => {
            let at = choices.below(map.len());
            if let Some(Value::Message(inner)) = map.values_mut().nth(at) {
                change(inner, choices, deepest - 1);
            }
        }
        _ => {}
    }
}

/// Changes the message inside of an `Any`, if its type is known.
fn change_any(any: &mut DynamicMessage, choices: &mut Choices<'_>, deepest: usize) {
    let url = any
        .get_field_by_name("type_url")
        .map(|url| url.into_owned());
    let bytes = any
        .get_field_by_name("value")
        .map(|bytes| bytes.into_owned());
    let (Some(Value::String(url)), Some(Value::Bytes(bytes))) = (url, bytes) else {
        return;
    };
    let name = ferromesh_proto::type_url::message_name(&url);
    let inner = message_descriptor(name).and_then(|it| DynamicMessage::decode(it, bytes).ok());
    if let Some(mut inner) = inner {
        change(&mut inner, choices, deepest.saturating_sub(1));
        let bytes = prost::Message::encode_to_vec(&inner);
        any.set_field_by_name("value", Value::Bytes(bytes.into()));
    }
}

fn change_here(message: &mut DynamicMessage, choices: &mut Choices<'_>) {
    let fields: Vec<FieldDescriptor> = message.descriptor().fields().collect();
    if fields.is_empty() {
        return;
    }
    // Two choices: some messages have more than 256 fields in sum of their oneofs.
    let at = choices.below(256) + choices.below(2) * 256;
    let field = &fields[at % fields.len()];
    if choices.below(5) == 0 {
        message.clear_field(field);
        return;
    }
    let value = if field.is_map() {
        map(field, choices)
    } else if field.cardinality() == Cardinality::Repeated {
        let count = choices.below(4);
        Value::List((0..count).map(|_| single(&field.kind(), choices)).collect())
    } else {
        single(&field.kind(), choices)
    };
    message.set_field(field, value);
}

fn map(field: &FieldDescriptor, choices: &mut Choices<'_>) -> Value {
    let Kind::Message(entry) = field.kind() else {
        return Value::Map(std::collections::HashMap::new());
    };
    let key = match entry.map_entry_key_field().kind() {
        Kind::String => MapKey::String(TEXTS[choices.below(TEXTS.len())].to_owned()),
        Kind::Uint32 => MapKey::U32(number(choices) as u32),
        // Other keys do not occur in these messages.
        _ => return Value::Map(std::collections::HashMap::new()),
    };
    let value = single(&entry.map_entry_value_field().kind(), choices);
    Value::Map([(key, value)].into())
}

fn number(choices: &mut Choices<'_>) -> u64 {
    NUMBERS[choices.below(NUMBERS.len())]
}

fn single(kind: &Kind, choices: &mut Choices<'_>) -> Value {
    match kind {
        Kind::Double => Value::F64([0.0, -1.0, 0.5, f64::NAN, f64::INFINITY][choices.below(5)]),
        Kind::Float => Value::F32([0.0, -1.0, 0.5, f32::NAN, f32::INFINITY][choices.below(5)]),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(number(choices) as i32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(number(choices) as i64),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(number(choices) as u32),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(number(choices)),
        Kind::Bool => Value::Bool(choices.below(2) == 1),
        Kind::String => Value::String(TEXTS[choices.below(TEXTS.len())].to_owned()),
        Kind::Bytes => Value::Bytes(TEXTS[choices.below(TEXTS.len())].into()),
        Kind::Enum(values) => {
            let values: Vec<i32> = values.values().map(|value| value.number()).collect();
            let at = choices.below(values.len() + 1);
            Value::EnumNumber(values.get(at).copied().unwrap_or(9999))
        }
        Kind::Message(inner) => {
            let mut message = DynamicMessage::new(inner.clone());
            for _ in 0..choices.below(3) {
                change_here(&mut message, choices);
            }
            Value::Message(message)
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    // One for each resource, with choices that are all different.
    let choices = |number: usize| (0..48).map(move |at| (number * 31 + at * 37) as u8);
    let count = golden().len();
    (0..count)
        .map(|number| {
            [(number / 256) as u8, number as u8]
                .into_iter()
                .chain(choices(number))
                .collect()
        })
        .collect()
}
