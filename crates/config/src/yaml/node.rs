//! A value of a document, with the line that it stands on.

use serde_json::{Map, Value};

/// A value with its line.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// The line of the file, from 1.
    pub(crate) line: u32,
    /// The value.
    pub(crate) value: NodeValue,
}

/// The value of a node.
#[derive(Clone, Debug)]
pub(crate) enum NodeValue {
    /// Null, boolean, number or text.
    Scalar(Value),
    /// A list.
    Sequence(Vec<Node>),
    /// A map in the order of the text, each key with its line.
    Mapping(Vec<(String, u32, Node)>),
}

impl Node {
    /// The value under `key` of a map.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            NodeValue::Mapping(pairs) => pairs
                .iter()
                .find(|(name, _, _)| name == key)
                .map(|(_, _, node)| node),
            _ => None,
        }
    }

    /// The text of a scalar.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.value {
            NodeValue::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// Whether the document is empty.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.value, NodeValue::Scalar(Value::Null))
    }

    /// The value as JSON. Nulls in maps are left out: to the API they are fields not set.
    pub(crate) fn to_json(&self) -> Value {
        match &self.value {
            NodeValue::Scalar(value) => value.clone(),
            NodeValue::Sequence(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            NodeValue::Mapping(pairs) => Value::Object(
                pairs
                    .iter()
                    .filter(|(_, _, node)| !node.is_null())
                    .map(|(key, _, node)| (key.clone(), node.to_json()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    /// The line of a field by its path (`spec.http[0].route[1].weight`); where the path leads
    /// beyond what is written, the line of the last part that is.
    pub(crate) fn line_of(&self, path: &str) -> u32 {
        let (mut node, mut line, mut rest) = (self, self.line, path);
        while !rest.is_empty() {
            let step = match &node.value {
                NodeValue::Mapping(pairs) => step_into_mapping(pairs, rest),
                NodeValue::Sequence(items) => step_into_sequence(items, rest),
                NodeValue::Scalar(_) => None,
            };
            let Some((next, next_line, remaining)) = step else {
                break;
            };
            (node, line, rest) = (next, next_line, remaining);
        }
        line
    }
}

type Step<'n, 'p> = Option<(&'n Node, u32, &'p str)>;

/// Keys may hold dots themselves (labels, header names), so the longest key that fits wins.
fn step_into_mapping<'n, 'p>(pairs: &'n [(String, u32, Node)], path: &'p str) -> Step<'n, 'p> {
    let path = path.strip_prefix('.').unwrap_or(path);
    let (key, line, node) = pairs
        .iter()
        .filter(|(key, _, _)| {
            path.strip_prefix(key.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
        .max_by_key(|(key, _, _)| key.len())?;
    Some((node, *line, &path[key.len()..]))
}

fn step_into_sequence<'n, 'p>(items: &'n [Node], path: &'p str) -> Step<'n, 'p> {
    let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
    let node = items.get(index.parse::<usize>().ok()?)?;
    Some((node, node.line, rest))
}

impl Node {
    /// The last line that a part of the value begins on.
    pub(crate) fn last_line(&self) -> u32 {
        match &self.value {
            NodeValue::Scalar(_) => self.line,
            NodeValue::Sequence(items) => items.last().map_or(self.line, Self::last_line),
            NodeValue::Mapping(pairs) => pairs
                .iter()
                .map(|(_, line, node)| node.last_line().max(*line))
                .max()
                .unwrap_or(self.line),
        }
    }
}
