//! Parser events → trees.
//!
//! Bounded on purpose: nesting at most `DEPTH`, copies by aliases at most `ALIASED` nodes, so that
//! no file can make the process recurse or grow without end.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use serde_json::Value;
use thiserror::Error;

use super::node::{Node, NodeValue};
use super::scalar::{resolve, resolve_tagged};
use super::split::Segment;

/// JSON readers stop at 128 levels; what we accept must survive them.
const DEPTH: usize = 100;
/// Far beyond any real use of aliases, far below what would hurt.
const ALIASED: usize = 100_000;

/// A document.
#[derive(Debug)]
pub(crate) struct Document {
    /// Its value.
    pub(crate) root: Node,
    /// Keys that a map of it holds twice, with the line of the second.
    pub(crate) repeated: Vec<(String, u32)>,
}

/// Why a text is not YAML.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub(crate) struct SyntaxError {
    /// What is wrong.
    pub(crate) message: String,
    /// The line of the file.
    pub(crate) line: u32,
}

/// Reads the documents of a segment: one, except where `...` ends a document inside it.
pub(crate) fn load(segment: Segment<'_>) -> Result<Vec<Document>, SyntaxError> {
    let mut loader = Loader {
        parser: Parser::new_from_str(segment.text),
        first_line: segment.first_line,
        anchors: HashMap::new(),
        aliased: 0,
        repeated: Vec::new(),
    };
    let mut documents = Vec::new();
    loop {
        let (event, span) = loader.next()?;
        match event {
            Event::StreamEnd => return Ok(documents),
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            event => {
                let root = loader.node(event, span, 0)?;
                let repeated = std::mem::take(&mut loader.repeated);
                documents.push(Document { root, repeated });
            }
        }
    }
}

struct Loader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    first_line: u32,
    anchors: HashMap<usize, Node>,
    aliased: usize,
    repeated: Vec<(String, u32)>,
}

impl<'a> Loader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), SyntaxError> {
        match self.parser.next_event() {
            Some(Ok(pair)) => Ok(pair),
            Some(Err(error)) => Err(self.syntax(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn line(&self, span: Span) -> u32 {
        let inside = u32::try_from(span.start.line()).unwrap_or(u32::MAX);
        self.first_line.saturating_add(inside.saturating_sub(1))
    }

    fn syntax(&self, error: &ScanError) -> SyntaxError {
        let inside = u32::try_from(error.marker().line()).unwrap_or(u32::MAX);
        SyntaxError {
            message: format!(
                "not valid YAML: {}, column {}",
                error.info(),
                error.marker().col() + 1
            ),
            line: self.first_line.saturating_add(inside.saturating_sub(1)),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, SyntaxError> {
        let line = self.line(span);
        if depth > DEPTH {
            return Err(SyntaxError {
                message: format!("nested deeper than {DEPTH} levels"),
                line,
            });
        }
        let (value, anchor) = match event {
            Event::Alias(anchor) => return self.alias(anchor, line),
            Event::Scalar(text, style, anchor, tag) => (
                NodeValue::Scalar(scalar(&text, style, tag.as_deref())),
                anchor,
            ),
            Event::SequenceStart(anchor, _) => (self.sequence(depth)?, anchor),
            Event::MappingStart(anchor, _) => (self.mapping(depth)?, anchor),
            _ => {
                return Err(SyntaxError {
                    message: "the document ends too early".into(),
                    line,
                });
            }
        };
        let node = Node { line, value };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: usize, line: u32) -> Result<Node, SyntaxError> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(SyntaxError {
                message: "an alias stands inside its own value".into(),
                line,
            });
        };
        self.aliased += size(node);
        if self.aliased > ALIASED {
            let message = format!("aliases stand for more than {ALIASED} values");
            return Err(SyntaxError { message, line });
        }
        Ok(node.clone())
    }

    fn sequence(&mut self, depth: usize) -> Result<NodeValue, SyntaxError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(NodeValue::Sequence(items)),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<NodeValue, SyntaxError> {
        let mut pairs: Vec<(String, u32, Node)> = Vec::new();
        let mut merged = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let line = self.line(span);
            let is_merge =
                matches!(&event, Event::Scalar(t, ScalarStyle::Plain, _, _) if t == "<<");
            let key = self.key(event, span)?;
            let (event, span) = self.next()?;
            let node = self.node(event, span, depth + 1)?;
            if is_merge {
                merged.push(node);
            } else if pairs.iter().any(|(name, _, _)| *name == key) {
                self.repeated.push((key, line));
            } else {
                pairs.push((key, line, node));
            }
        }
        for node in merged {
            merge(&mut pairs, node);
        }
        Ok(NodeValue::Mapping(pairs))
    }

    /// Keys are texts as they are written: `80:` and `true:` are the texts `80` and `true`.
    fn key(&mut self, event: Event<'a>, span: Span) -> Result<String, SyntaxError> {
        let line = self.line(span);
        let node = match event {
            Event::Scalar(text, _, 0, _) => return Ok(text.into_owned()),
            other => self.node(other, span, DEPTH)?,
        };
        match node.value {
            NodeValue::Scalar(Value::String(text)) => Ok(text),
            NodeValue::Scalar(value) => Ok(value.to_string()),
            _ => Err(SyntaxError {
                message: "a key must be a text".into(),
                line,
            }),
        }
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    match tag {
        Some(tag) if tag.is_yaml_core_schema() => resolve_tagged(&tag.suffix, text),
        None if style == ScalarStyle::Plain => resolve(text),
        _ => Value::String(text.to_owned()),
    }
}

/// `<<: *defaults`: pairs of the map (or maps) that are not there yet.
fn merge(pairs: &mut Vec<(String, u32, Node)>, from: Node) {
    match from.value {
        NodeValue::Mapping(more) => {
            for pair in more {
                if !pairs.iter().any(|(key, _, _)| *key == pair.0) {
                    pairs.push(pair);
                }
            }
        }
        NodeValue::Sequence(items) => items.into_iter().for_each(|item| merge(pairs, item)),
        NodeValue::Scalar(_) => {}
    }
}

fn size(node: &Node) -> usize {
    match &node.value {
        NodeValue::Scalar(_) => 1,
        NodeValue::Sequence(items) => 1 + items.iter().map(size).sum::<usize>(),
        NodeValue::Mapping(pairs) => 1 + pairs.iter().map(|(_, _, n)| size(n)).sum::<usize>(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::split;
    use super::*;

    fn one(text: &str) -> Document {
        let segments = split(text);
        load(segments[0]).expect("valid YAML").remove(0)
    }

    #[test]
    fn anchors_merges_and_block_texts_are_read() {
        let text = "base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\nlist: [*b]\ntext: |\n  a\n  b\n";
        assert_eq!(
            one(text).root.to_json(),
            json!({
                "base": {"x": 1, "y": 2},
                "use": {"x": 1, "y": 3},
                "list": [{"x": 1, "y": 2}],
                "text": "a\nb\n",
            })
        );
    }

    #[test]
    fn every_field_knows_its_line() {
        let root = one("---\nspec:\n  http:\n  - route:\n    - weight: 1\n  a.b/c: 2\n").root;
        assert_eq!(root.line_of("spec.http[0].route[0].weight"), 5);
        assert_eq!(root.line_of("spec.a.b/c"), 6);
        assert_eq!(root.line_of("spec.http[0].missing"), 4);
    }

    #[test]
    fn keys_that_come_twice_are_reported() {
        assert_eq!(one("a: 1\nb: 2\na: 3\n").repeated, [("a".to_owned(), 3)]);
    }

    #[test]
    fn aliases_cannot_explode_and_nesting_is_bounded() {
        let mut bomb = String::from("a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n");
        for level in 1..9 {
            let items = vec![format!("*a{}", level - 1); 10].join(",");
            bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
        }
        assert!(load(split(&bomb)[0]).is_err());
        let deep = "[".repeat(5000);
        assert!(load(split(&deep)[0]).is_err());
    }
}
