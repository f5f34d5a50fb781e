//! A response and its encoding, in pieces.
//!
//! The encoder writes the gRPC frame around the shared resource bytes piece by piece, so that a
//! connection holds one piece in memory and not a copy of the whole mesh: a thousand slow readers
//! cost a thousand pieces.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use ferromesh_types::Str;
use prost::encoding::{encode_varint, encoded_len_varint};

use crate::{EncodedResource, ResourceSet, Variant};

/// One piece of an encoded response. HTTP/2 frames are this long unless the peer allows more.
const PIECE: usize = 16 * 1024;

/// The resources of a response.
#[derive(Clone, Debug)]
pub enum Payload {
    /// Every resource of the set.
    All(Arc<ResourceSet>),
    /// These.
    Some(Vec<Arc<EncodedResource>>),
}

impl Payload {
    /// How many resources there are.
    pub fn len(&self) -> usize {
        match self {
            Self::All(set) => set.len(),
            Self::Some(list) => list.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The resources by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<EncodedResource>> {
        let (all, some) = match self {
            Self::All(set) => (Some(set.iter()), None),
            Self::Some(list) => (None, Some(list.iter())),
        };
        all.into_iter().flatten().chain(some.into_iter().flatten())
    }

    fn at(&self, index: usize) -> Option<&Arc<EncodedResource>> {
        match self {
            Self::All(set) => set.at(index),
            Self::Some(list) => list.get(index),
        }
    }
}

/// A response, not yet encoded.
#[derive(Clone, Debug)]
pub struct Response {
    /// Which message it will be.
    pub variant: Variant,
    /// The type of the resources.
    pub type_url: Str,
    /// Names this response in the client's answer.
    pub nonce: Str,
    /// The version of the whole.
    pub version: Str,
    /// The resources.
    pub payload: Payload,
    /// Delta: names that are gone.
    pub removed: Vec<Str>,
}

impl Response {
    /// The length of the encoded message in bytes.
    pub fn encoded_len(&self) -> usize {
        let resources: usize = self
            .payload
            .iter()
            .map(|resource| field_len(self.item_len(resource)))
            .sum();
        resources
            + self
                .text_fields()
                .map(|(_, text)| text_len(text))
                .sum::<usize>()
    }

    /// The fields around the resources: number and content.
    fn text_fields(&self) -> impl Iterator<Item = (u8, &str)> {
        // system_version_info 1, type_url 4, nonce 5, removed_resources 6; in state of the world
        // version_info 1, type_url 4, nonce 5.
        let fixed: [(u8, &str); 3] = [(1, &self.version), (4, &self.type_url), (5, &self.nonce)];
        let removed = self.removed.iter().map(|name| (6, name.as_str()));
        fixed.into_iter().chain(removed)
    }

    /// The length of one item of field `resources`: an `Any`, or in delta a `Resource` around it.
    fn item_len(&self, resource: &EncodedResource) -> usize {
        match self.variant {
            Variant::StateOfTheWorld => resource.body.len(),
            Variant::Delta => {
                field_len(VERSION_LEN) + field_len(resource.body.len()) + text_len(&resource.name)
            }
        }
    }

    fn put_item(&self, resource: &EncodedResource, buffer: &mut BytesMut) {
        put_key(buffer, 2, self.item_len(resource));
        if self.variant == Variant::Delta {
            put_text(buffer, 1, &resource.version.to_string());
            put_text(buffer, 3, &resource.name);
            put_key(buffer, 2, resource.body.len());
        }
        // The body follows: the caller copies it, over several pieces when it is long.
    }
}

/// A `Version` is 16 digits.
const VERSION_LEN: usize = 16;

fn field_len(content: usize) -> usize {
    1 + encoded_len_varint(content as u64) + content
}

/// Empty strings are left out, as everywhere in protobuf.
fn text_len(text: &str) -> usize {
    if text.is_empty() {
        0
    } else {
        field_len(text.len())
    }
}

fn put_key(buffer: &mut BytesMut, number: u8, content: usize) {
    buffer.put_u8((number << 3) | 2);
    encode_varint(content as u64, buffer);
}

fn put_text(buffer: &mut BytesMut, number: u8, text: &str) {
    if !text.is_empty() {
        put_key(buffer, number, text.len());
        buffer.put_slice(text.as_bytes());
    }
}

/// Writes one response as a gRPC message, piece by piece.
#[derive(Debug)]
pub struct ResponseEncoder {
    response: Response,
    next: usize,
    /// The rest of the resource that the last piece ended in.
    rest: Bytes,
    begun: bool,
}

impl ResponseEncoder {
    /// Begins with the gRPC header.
    pub fn new(response: Response) -> Self {
        Self {
            response,
            next: 0,
            rest: Bytes::new(),
            begun: false,
        }
    }

    /// The next piece; `None` at the end.
    pub fn next_piece(&mut self) -> Option<Bytes> {
        let mut buffer = BytesMut::new();
        if !self.begun {
            self.begun = true;
            let length = self.response.encoded_len();
            buffer.reserve((length + 5).min(PIECE + 512));
            buffer.put_u8(0);
            buffer.put_u32(length as u32);
            for (number, text) in self.response.text_fields() {
                put_text(&mut buffer, number, text);
            }
        } else if self.rest.is_empty() && self.response.payload.at(self.next).is_none() {
            return None;
        } else {
            buffer.reserve(PIECE + 512);
        }
        while buffer.len() < PIECE {
            if self.rest.is_empty() {
                let Some(resource) = self.response.payload.at(self.next) else {
                    break;
                };
                self.response.put_item(resource, &mut buffer);
                self.rest = resource.body.clone();
                self.next += 1;
            }
            let room = PIECE.saturating_sub(buffer.len());
            let part = self.rest.split_to(room.min(self.rest.len()));
            buffer.put_slice(&part);
        }
        Some(buffer.freeze())
    }
}
