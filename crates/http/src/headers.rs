//! A list of header fields over one shared block of bytes.
//!
//! What was read stays together: a field is two ranges into the block. What is added goes into a side
//! buffer, so that editing a head costs at most the growth of that buffer; a small head is copied
//! there as a whole, so that the memory that was read into is free for the next. Names are
//! lower case; values are bytes without line breaks. Both hold by construction: parsers check, and
//! `set` and `append` clean what the proxy itself writes.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

use crate::http1::Written;
use crate::name_filter::NameFilter;
use crate::spare_fields;

/// A range of the block, or of the side buffer when the top bit of `start` is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    len: u32,
}

const EXTRA: u32 = 1 << 31;

impl Span {
    pub(crate) fn of_block(start: usize, len: usize) -> Self {
        Self {
            start: start as u32,
            len: len as u32,
        }
    }

    pub(crate) fn of_extra(start: usize, len: usize) -> Self {
        Self {
            start: start as u32 | EXTRA,
            len: len as u32,
        }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.len == 0
    }

    pub(crate) fn len(self) -> usize {
        self.len as usize
    }

    /// Where it begins in the block or the side buffer.
    fn begin(self) -> usize {
        (self.start & !EXTRA) as usize
    }

    /// Its bytes in the block that it belongs to.
    pub(crate) fn of(self, block: &[u8]) -> &[u8] {
        let start = self.begin();
        &block[start..start + self.len as usize]
    }

    /// Whether it stands right after `before` in the block that it belongs to.
    pub(crate) fn follows(self, before: &[u8], block: &[u8]) -> bool {
        block[..self.begin()].ends_with(before)
    }

    /// Makes its letters lower case in the block that it belongs to.
    pub(crate) fn lower_case(self, block: &mut [u8]) {
        let start = self.begin();
        block[start..start + self.len as usize].make_ascii_lowercase();
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) name: Span,
    pub(crate) value: Span,
}

impl Entry {
    /// Bytes of name and value, the colon and the line end.
    pub(crate) fn line_length(&self) -> u32 {
        self.name.len + self.value.len + 3
    }
}

/// Header fields in their order.
#[derive(Default)]
pub struct Headers {
    block: Bytes,
    extra: Vec<u8>,
    entries: Vec<Entry>,
    /// Which names there may be: most questions are about fields that a message does not have.
    names: NameFilter,
    /// What is to be written as it came.
    pub(crate) written: Option<Box<Written>>,
}

impl Clone for Headers {
    fn clone(&self) -> Self {
        let (mut entries, mut extra) = spare_fields::take();
        entries.extend_from_slice(&self.entries);
        extra.extend_from_slice(&self.extra);
        Self {
            block: self.block.clone(),
            extra,
            entries,
            names: self.names,
            written: self.written.clone(),
        }
    }
}

impl Drop for Headers {
    fn drop(&mut self) {
        if self.entries.capacity() > 0 {
            let entries = std::mem::take(&mut self.entries);
            spare_fields::give(entries, std::mem::take(&mut self.extra));
        }
    }
}

impl Headers {
    /// No fields.
    pub fn new() -> Self {
        let (entries, extra) = spare_fields::take();
        Self::from_block(Bytes::new(), entries, extra)
    }

    /// Over a block whose names are in lower case. Entries and side buffer come from
    /// [`spare_fields`].
    pub(crate) fn from_block(block: Bytes, entries: Vec<Entry>, extra: Vec<u8>) -> Self {
        let mut headers = Self {
            block,
            extra,
            entries,
            names: NameFilter::default(),
            written: None,
        };
        let mut names = NameFilter::default();
        for entry in &headers.entries {
            names.add(headers.slice(entry.name));
        }
        headers.names = names;
        headers
    }

    /// Whether one of these names may be there; false is certain.
    #[inline]
    pub(crate) fn may_have(&self, names: NameFilter) -> bool {
        self.names.may_share(names)
    }

    /// Whether a name may begin with `x-envoy-`; false is certain.
    pub fn may_ask_envoy(&self) -> bool {
        self.names.may_ask_envoy()
    }

    pub(crate) fn slice(&self, span: Span) -> &[u8] {
        span.of(self.part(span))
    }

    /// Block or side buffer, whichever the span is of.
    fn part(&self, span: Span) -> &[u8] {
        if span.start & EXTRA == 0 {
            &self.block
        } else {
            &self.extra
        }
    }

    /// Keeps a copy of `bytes` beside the block.
    pub(crate) fn store(&mut self, bytes: &[u8]) -> Span {
        let span = Span::of_extra(self.extra.len(), bytes.len());
        self.extra.extend_from_slice(bytes);
        span
    }

    /// How many fields.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries
            .iter()
            .map(|entry| (self.slice(entry.name), self.slice(entry.value)))
    }

    /// How long names and values are, in order.
    pub fn lengths(&self) -> impl Iterator<Item = (usize, usize)> {
        let entries = self.entries.iter();
        entries.map(|entry| (entry.name.len(), entry.value.len()))
    }

    /// Bytes of all fields, as [`Entry::line_length`] counts them: as Envoy does, without the spaces
    /// around values.
    pub(crate) fn line_lengths(&self) -> u32 {
        let lengths = self.entries.iter().map(Entry::line_length);
        lengths.fold(0, u32::saturating_add)
    }

    /// The first value of a field; `name` in lower case.
    #[inline]
    pub fn find(&self, name: &str) -> Option<&[u8]> {
        let at = self.position(name)?;
        Some(self.slice(self.entries[at].value))
    }

    /// Where the first value of a field is.
    #[inline]
    pub(crate) fn span(&self, name: &str) -> Option<Span> {
        self.position(name).map(|at| self.entries[at].value)
    }

    /// The first value as text; `None` also when it is not UTF-8.
    #[inline]
    pub fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.find(name)?).ok()
    }

    /// All values of a field in order.
    pub fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.entries
            .iter()
            .filter(move |entry| self.is_named(entry, name))
            .map(|entry| self.slice(entry.value))
    }

    /// All values of a field joined by commas; bytes that are not UTF-8 become U+FFFD.
    pub fn joined(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut values = self.all(name).map(String::from_utf8_lossy);
        let first = values.next()?;
        Some(values.fold(first, |mut joined, value| {
            let text = joined.to_mut();
            text.push(',');
            text.push_str(&value);
            joined
        }))
    }

    /// Whether one of the values of a field is one that `matches` takes; `None` when it is missing.
    pub fn any_value(&self, name: &str, matches: &mut dyn FnMut(&str) -> bool) -> Option<bool> {
        let mut values = self.all(name).map(String::from_utf8_lossy);
        let first = values.next()?;
        Some(matches(&first) || values.any(|value| matches(&value)))
    }

    /// Whether the field is there.
    #[inline]
    pub fn contains(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// Adds a field that the proxy itself has written: `name` in lower case, `value` without
    /// control characters.
    #[inline]
    pub fn append_own(&mut self, name: &'static str, value: &[u8]) {
        debug_assert!(
            !name.bytes().any(|byte| byte.is_ascii_uppercase()),
            "{name}"
        );
        debug_assert!(!value.iter().any(|byte| is_control(*byte)), "{name}");
        let start = self.extra.len();
        self.extra.reserve(name.len() + value.len() + 4);
        self.extra.extend_from_slice(name.as_bytes());
        self.extra.extend_from_slice(b": ");
        self.extra.extend_from_slice(value);
        self.extra.extend_from_slice(b"\r\n");
        self.names.add(name.as_bytes());
        self.entries.push(Entry {
            name: Span::of_extra(start, name.len()),
            value: Span::of_extra(start + name.len() + 2, value.len()),
        });
    }

    /// Makes such a field the only one of its name.
    #[inline]
    pub fn set_own(&mut self, name: &'static str, value: &[u8]) {
        if self.names.may_have(name.as_bytes()) {
            self.set(name, value);
        } else {
            self.append_own(name, value);
        }
    }

    /// Adds a field after the others. Line breaks and other control characters of the value become
    /// spaces, so that no value can begin another field.
    pub fn append(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let entry = self.store_line(name, value.as_ref());
        self.entries.push(entry);
    }

    /// Makes `value` the only value of the field.
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) {
        // Asked before the name is stored: after that the filter could not say no.
        let Some(first) = self.position(name) else {
            return self.append(name, value);
        };
        let entry = self.store_line(name, value.as_ref());
        self.entries[first] = entry;
        self.remove_from(first + 1, name);
    }

    /// Stores a field as the line that it will be written as, so that neighbours are written with
    /// one copy.
    fn store_line(&mut self, name: &str, value: &[u8]) -> Entry {
        let name = self.store_name(name);
        let (start, len) = ((name.start & !EXTRA) as usize, name.len as usize);
        self.names.add(&self.extra[start..start + len]);
        self.extra.extend_from_slice(b": ");
        let value = self.store_value(value);
        self.extra.extend_from_slice(b"\r\n");
        Entry { name, value }
    }

    /// Calls `put` with the bytes of all fields for which `keep` holds of the name, as lines.
    ///
    /// Fields that follow each other in the same buffer, which is how they came and how they are
    /// stored, are handed over in one piece; others in their parts.
    pub(crate) fn lines(&self, keep: impl Fn(&[u8]) -> bool, mut put: impl FnMut(&[u8])) {
        // Where the piece that is being collected begins, and its length.
        let mut piece = Span::default();
        for entry in &self.entries {
            if !keep(self.slice(entry.name)) {
                continue;
            }
            let Some(line) = self.line(entry) else {
                put(self.slice(std::mem::take(&mut piece)));
                put(self.slice(entry.name));
                put(b": ");
                put(self.slice(entry.value));
                put(b"\r\n");
                continue;
            };
            if !piece.is_empty() && piece.start + piece.len == line.start {
                piece.len += line.len;
            } else {
                put(self.slice(std::mem::replace(&mut piece, line)));
            }
        }
        put(self.slice(piece));
    }

    /// The field's line where it stands in its buffer in just the form that is written.
    fn line(&self, entry: &Entry) -> Option<Span> {
        let Entry { name, value } = *entry;
        let part = self.part(name);
        let name_end = name.begin() + name.len();
        let value_end = value.begin() + value.len();
        let stands = value.start == name.start + name.len + 2
            && part.get(name_end..name_end + 2) == Some(b": ")
            && part.get(value_end..value_end + 2) == Some(b"\r\n");
        stands.then(|| Span {
            start: name.start,
            len: name.len + value.len + 4,
        })
    }

    /// An upper bound of the bytes that the fields take as lines.
    pub(crate) fn lines_bound(&self) -> usize {
        self.block.len() + self.extra.len() + 4 * self.entries.len()
    }

    /// Removes the field; true when it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        match self.position(name) {
            Some(first) => {
                self.remove_from(first, name);
                true
            }
            None => false,
        }
    }

    /// Keeps the fields for which `keep` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) {
        let mut entries = std::mem::take(&mut self.entries);
        entries.retain(|entry| keep(self.slice(entry.name), self.slice(entry.value)));
        self.entries = entries;
    }

    /// Adds all fields of `other` after the own ones.
    pub fn extend(&mut self, other: &Headers) {
        for (name, value) in other.iter() {
            self.push_checked(name, value);
        }
    }

    /// Bytes of all names and values, as limits count them.
    pub fn byte_size(&self) -> usize {
        self.entries
            .iter()
            .map(|entry| (entry.name.len + entry.value.len) as usize)
            .sum()
    }

    /// Adds a field that was checked by a parser.
    fn push_checked(&mut self, name: &[u8], value: &[u8]) {
        self.names.add(name);
        let entry = Entry {
            name: self.store(name),
            value: self.store(value),
        };
        self.entries.push(entry);
    }

    /// Bytes that a span stands for, shared where they are part of the block.
    pub(crate) fn shared_bytes(&self, span: Span) -> Bytes {
        if span.start & EXTRA == 0 {
            let start = span.start as usize;
            self.block.slice(start..start + span.len as usize)
        } else {
            Bytes::copy_from_slice(self.slice(span))
        }
    }

    /// Names and values in order, values as slices of what they all share.
    pub(crate) fn shared(&self) -> impl Iterator<Item = (&[u8], Bytes)> {
        let extra = Bytes::copy_from_slice(&self.extra);
        self.entries.iter().map(move |entry| {
            let value = entry.value;
            let part = if value.start & EXTRA == 0 {
                &self.block
            } else {
                &extra
            };
            let start = value.begin();
            let value = part.slice(start..start + value.len as usize);
            (self.slice(entry.name), value)
        })
    }

    fn is_named(&self, entry: &Entry, name: &str) -> bool {
        entry.name.len as usize == name.len() && self.slice(entry.name) == name.as_bytes()
    }

    #[inline]
    fn position(&self, name: &str) -> Option<usize> {
        if self.names.may_have(name.as_bytes()) {
            self.search(name)
        } else {
            None
        }
    }

    fn search(&self, name: &str) -> Option<usize> {
        self.entries
            .iter()
            .position(|entry| self.is_named(entry, name))
    }

    fn remove_from(&mut self, first: usize, name: &str) {
        let mut index = first;
        while index < self.entries.len() {
            if self.is_named(&self.entries[index], name) {
                self.entries.remove(index);
            } else {
                index += 1;
            }
        }
    }

    fn store_name(&mut self, name: &str) -> Span {
        let span = self.store(name.as_bytes());
        let start = (span.start & !EXTRA) as usize;
        self.extra[start..].make_ascii_lowercase();
        span
    }

    pub(crate) fn store_value(&mut self, value: &[u8]) -> Span {
        let span = self.store(value);
        let start = (span.start & !EXTRA) as usize;
        let value = &mut self.extra[start..];
        // Without a branch per byte, which the compiler turns into a few wide comparisons.
        let unclean = value
            .iter()
            .fold(false, |any, byte| any | is_control(*byte));
        if unclean {
            for byte in value.iter_mut().filter(|byte| is_control(**byte)) {
                *byte = b' ';
            }
        }
        span
    }
}

/// What no value may hold; a tab may stand in values (RFC 9110 section 5.5).
fn is_control(byte: u8) -> bool {
    (byte < b' ' && byte != b'\t') || byte == 0x7f
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes| String::from_utf8_lossy(bytes);
        f.debug_map()
            .entries(self.iter().map(|(name, value)| (text(name), text(value))))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Headers {
        let mut headers = Headers::new();
        headers.append("Accept", "a");
        headers.append("x-other", "1");
        headers.append("accept", "b");
        headers
    }

    #[test]
    fn names_are_lower_case_and_values_join() {
        let headers = sample();
        assert_eq!(headers.find("accept"), Some(&b"a"[..]));
        assert_eq!(headers.joined("accept").as_deref(), Some("a,b"));
        assert_eq!(headers.joined("nothing"), None);
        assert_eq!(headers.all("accept").count(), 2);
    }

    #[test]
    fn setting_leaves_one_value_in_the_first_place() {
        let mut headers = sample();
        headers.set("accept", "c");
        let all: Vec<_> = headers.iter().map(|(name, _)| name.to_vec()).collect();
        assert_eq!(all, [b"accept".to_vec(), b"x-other".to_vec()]);
        assert_eq!(headers.text("accept"), Some("c"));
        assert!(headers.remove("accept"));
        assert!(!headers.contains("accept"));
    }

    fn written(headers: &Headers) -> (String, usize) {
        let (mut text, mut pieces) = (String::new(), 0);
        headers.lines(
            |name| name != b"x-other",
            |piece| {
                text.push_str(std::str::from_utf8(piece).expect("ASCII"));
                pieces += usize::from(!piece.is_empty());
            },
        );
        (text, pieces)
    }

    #[test]
    fn neighbours_are_written_in_one_piece() {
        let mut headers = Headers::new();
        headers.append("a", "1");
        headers.append("b", "");
        headers.append("x-other", "2");
        headers.append("c", "3");
        let (text, pieces) = written(&headers);
        assert_eq!((text.as_str(), pieces), ("a: 1\r\nb: \r\nc: 3\r\n", 2));
    }

    #[test]
    fn a_line_that_came_in_another_form_is_written_in_ours() {
        let block = Bytes::from_static(b"a:1\r\nb:  2\r\nc: 3 \r\nd: 4\r\n");
        let place = |start, len| Span::of_block(start, len);
        let entries = [(0, 2, 1), (5, 9, 1), (12, 15, 1), (19, 22, 1)];
        let entries = entries.map(|(name, value, len)| Entry {
            name: place(name, 1),
            value: place(value, len),
        });
        let headers = Headers::from_block(block, entries.to_vec(), Vec::new());
        let (text, _) = written(&headers);
        assert_eq!(text, "a: 1\r\nb: 2\r\nc: 3\r\nd: 4\r\n");
    }

    #[test]
    fn a_value_cannot_begin_another_field() {
        let mut headers = Headers::new();
        headers.append("x-user", "a\r\nx-admin: 1");
        assert_eq!(headers.text("x-user"), Some("a  x-admin: 1"));
    }
}
