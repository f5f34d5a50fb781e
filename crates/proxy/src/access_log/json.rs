//! JSON lines: an object whose string values are templates.

use ferromesh_route::Template;
use ferromesh_route::template::{Operator, Segment, TemplateError};

use super::format::{cut, fill, write_operator};
use super::record::LogRecord;
use super::value::number;

/// A JSON object with templates for values.
#[derive(Clone, Debug)]
pub struct JsonFormat {
    members: Vec<(String, Member)>,
    omit_empty: bool,
}

#[derive(Clone, Debug)]
enum Member {
    Template(Template),
    Object(JsonFormat),
    List(Vec<Member>),
    Constant(String),
}

impl JsonFormat {
    /// Compiles an object; members keep the order of `object`.
    pub fn new(
        object: &serde_json::Map<String, serde_json::Value>,
        omit_empty: bool,
    ) -> Result<Self, TemplateError> {
        let members = object
            .iter()
            .map(|(name, value)| Ok((name.clone(), member(value, omit_empty)?)))
            .collect::<Result<_, TemplateError>>()?;
        Ok(Self {
            members,
            omit_empty,
        })
    }

    /// All templates inside, for checks at compile time.
    pub fn templates(&self) -> Vec<&Template> {
        let mut out = Vec::new();
        self.members
            .iter()
            .for_each(|(_, member)| member.collect(&mut out));
        out
    }

    /// Appends the object and a line end.
    pub fn write(&self, record: &LogRecord<'_>, out: &mut String) {
        self.write_object(record, out);
        out.push('\n');
    }

    fn write_object(&self, record: &LogRecord<'_>, out: &mut String) {
        out.push('{');
        let mut first = true;
        for (name, member) in &self.members {
            let begin = out.len();
            if !first {
                out.push(',');
            }
            push_json_string(name, out);
            out.push(':');
            if member.write(record, out) || !self.omit_empty {
                first = false;
            } else {
                out.truncate(begin);
            }
        }
        out.push('}');
    }
}

fn member(value: &serde_json::Value, omit_empty: bool) -> Result<Member, TemplateError> {
    Ok(match value {
        serde_json::Value::String(text) => Member::Template(Template::parse(text)?),
        serde_json::Value::Object(object) => Member::Object(JsonFormat::new(object, omit_empty)?),
        serde_json::Value::Array(list) => Member::List(
            list.iter()
                .map(|each| member(each, omit_empty))
                .collect::<Result<_, _>>()?,
        ),
        other => Member::Constant(other.to_string()),
    })
}

impl Member {
    fn collect<'a>(&'a self, out: &mut Vec<&'a Template>) {
        match self {
            Self::Template(template) => out.push(template),
            Self::Object(object) => out.extend(object.templates()),
            Self::List(list) => list.iter().for_each(|each| each.collect(out)),
            Self::Constant(_) => {}
        }
    }

    /// Appends the value; false when it is missing (then `null` was written).
    fn write(&self, record: &LogRecord<'_>, out: &mut String) -> bool {
        match self {
            Self::Template(template) => write_template(template, record, out),
            Self::Object(object) => {
                object.write_object(record, out);
                true
            }
            Self::List(list) => {
                out.push('[');
                for (index, each) in list.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    each.write(record, out);
                }
                out.push(']');
                true
            }
            Self::Constant(text) => {
                out.push_str(text);
                true
            }
        }
    }
}

/// A value that is one operator keeps its type; anything else is a string.
fn write_template(template: &Template, record: &LogRecord<'_>, out: &mut String) -> bool {
    let mut text = String::new();
    let present = match template.segments() {
        [Segment::Operator { operator, limit }] => {
            if limit.is_none() {
                if let Some(number) = number(operator, record) {
                    out.push_str(itoa::Buffer::new().format(number));
                    return true;
                }
                if let Operator::DynamicMetadata(namespace, path) = operator {
                    let found = record.metadata.and_then(|all| all.find(namespace, path));
                    out.push_str(&found.map_or_else(|| "null".to_owned(), ToString::to_string));
                    return found.is_some();
                }
            }
            let present = write_operator(operator, record, &mut text);
            if let Some(limit) = limit {
                cut(&mut text, *limit);
            }
            present
        }
        _ => {
            fill(template, record, "-", &mut text);
            true
        }
    };
    if present {
        push_json_string(&text, out);
    } else {
        out.push_str("null");
    }
    present
}

fn push_json_string(text: &str, out: &mut String) {
    // Writing a string to a string cannot fail.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_numbers_and_missing_values_are_null() {
        let object = serde_json::json!({
            "code": "%RESPONSE_CODE%",
            "route": "%ROUTE_NAME%",
            "text": "r=%ROUTE_NAME% \"x\"",
            "deep": {"bytes": "%BYTES_SENT%"},
        });
        let object = object.as_object().expect("an object");
        let record = LogRecord {
            status: 200,
            bytes_sent: 3,
            ..LogRecord::default()
        };
        let written = |omit| {
            let mut out = String::new();
            let format = JsonFormat::new(object, omit).expect("valid");
            format.write(&record, &mut out);
            serde_json::from_str::<serde_json::Value>(&out).expect("JSON")
        };
        let mut expected = serde_json::json!({
            "code": 200, "route": null, "text": "r=- \"x\"", "deep": {"bytes": 3},
        });
        assert_eq!(written(false), expected);
        expected.as_object_mut().expect("an object").remove("route");
        assert_eq!(written(true), expected);
    }
}
