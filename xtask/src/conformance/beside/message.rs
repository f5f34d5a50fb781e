//! Raw HTTP/1.1 messages, read as leniently as it takes to show what a proxy sent.

/// A message as it was on the wire.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// The first line.
    pub line: String,
    /// Names and values, in their order.
    pub fields: Vec<(String, String)>,
    /// The body without its framing, with trailers behind it.
    pub body: String,
}

impl Message {
    /// The first value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut found = self.fields.iter();
        let found = found.find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The status of an answer.
    pub fn status(&self) -> u16 {
        let status = self.line.split(' ').nth(1).unwrap_or_default();
        status.parse().unwrap_or_default()
    }

    /// Whether another head follows for the same request.
    pub fn is_interim(&self) -> bool {
        (100..200).contains(&self.status()) && self.status() != 101
    }
}

/// Takes a head off the bytes; `None` when it is not there yet.
pub fn take_head(bytes: &mut Vec<u8>) -> Option<Message> {
    let end = find(bytes, b"\r\n\r\n")? + 4;
    let head: Vec<u8> = bytes.drain(..end).collect();
    let text = String::from_utf8_lossy(&head).into_owned();
    let mut lines = text.trim_end().split("\r\n");
    let line = lines.next().unwrap_or_default().to_owned();
    let fields = lines.map(|line| {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        (name.to_owned(), value.trim().to_owned())
    });
    Some(Message {
        line,
        fields: fields.collect(),
        body: String::new(),
    })
}

/// Takes a request with its body off the bytes.
pub fn take_request(bytes: &mut Vec<u8>) -> Option<Message> {
    let mut rest = bytes.clone();
    let mut message = take_head(&mut rest)?;
    // An upgrade or CONNECT has no body before its answer.
    take_body(&mut message, &mut rest, false)?;
    *bytes = rest;
    Some(message)
}

/// Takes an answer off the bytes. `head_only`: to a HEAD request; `ended`: nothing more comes.
pub fn take_answer(bytes: &mut Vec<u8>, head_only: bool, ended: bool) -> Option<Message> {
    let mut rest = bytes.clone();
    let mut message = take_head(&mut rest)?;
    let bodiless = head_only || matches!(message.status(), 100..200 | 204 | 304);
    if !bodiless {
        let unframed = message.field("content-length").is_none()
            && message.field("transfer-encoding").is_none();
        if unframed && !ended {
            return None;
        }
        take_body(&mut message, &mut rest, unframed)?;
    }
    *bytes = rest;
    Some(message)
}

fn take_body(message: &mut Message, rest: &mut Vec<u8>, until_close: bool) -> Option<()> {
    if message.field("transfer-encoding").is_some() {
        return take_chunks(message, rest);
    }
    let length = match message.field("content-length") {
        _ if until_close => rest.len(),
        Some(length) => length.parse().ok()?,
        None => 0,
    };
    if rest.len() < length {
        return None;
    }
    let body: Vec<u8> = rest.drain(..length).collect();
    message.body = String::from_utf8_lossy(&body).into_owned();
    Some(())
}

fn take_chunks(message: &mut Message, rest: &mut Vec<u8>) -> Option<()> {
    loop {
        let end = find(rest, b"\r\n")?;
        let size = String::from_utf8_lossy(&rest[..end]).into_owned();
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        rest.drain(..end + 2);
        if size == 0 {
            break;
        }
        if rest.len() < size + 2 {
            return None;
        }
        let chunk: Vec<u8> = rest.drain(..size + 2).collect();
        message.body += &String::from_utf8_lossy(&chunk[..size]);
    }
    loop {
        let end = find(rest, b"\r\n")?;
        let line: Vec<u8> = rest.drain(..end + 2).collect();
        if end == 0 {
            return Some(());
        }
        message.body += &format!(" [{}]", String::from_utf8_lossy(&line[..end]));
    }
}

/// Where `part` begins.
pub fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_off_one_by_one() {
        let mut bytes = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\
                          t: 1\r\n\r\nHTTP/1.1 204 No Content\r\n\r\nrest"
            .to_vec();
        let first = take_answer(&mut bytes, false, false).expect("complete");
        assert_eq!(first.body, "ab [t: 1]");
        let second = take_answer(&mut bytes, false, false).expect("complete");
        assert_eq!(second.line, "HTTP/1.1 204 No Content");
        assert_eq!(bytes, b"rest");
        assert!(take_answer(&mut bytes, false, true).is_none());
    }
}
