//! The least of an HTTP/1.1 client: one request out, one answer in, nothing kept of it.

use anyhow::{Context as _, bail};
use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// A connection that asks for one path.
#[derive(Debug)]
pub struct Asking<S> {
    stream: S,
    request: Vec<u8>,
    read: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Asking<S> {
    /// Asks `host` for `path` on `stream`; `close` ends the connection after the first answer.
    pub fn new(stream: S, host: &str, path: &str, close: bool) -> Self {
        let end = if close { "connection: close\r\n" } else { "" };
        let agent = "user-agent: ferromesh-bench\r\naccept: */*\r\n";
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n{agent}{end}\r\n");
        Self {
            stream,
            request: request.into_bytes(),
            read: BytesMut::with_capacity(16 * 1024),
        }
    }

    /// One request and its whole answer, which must be of status 200.
    pub async fn ask(&mut self) -> anyhow::Result<()> {
        self.stream.write_all(&self.request).await?;
        self.stream.flush().await?;
        self.read.clear();
        loop {
            let count = self.stream.read_buf(&mut self.read).await?;
            if count == 0 {
                bail!("the connection closed before the end of an answer");
            }
            if let Some(length) = whole_length(&self.read)?
                && self.read.len() >= length
            {
                return Ok(());
            }
        }
    }
}

/// The length of head and body, once the head is there. Bodies must have a length.
fn whole_length(read: &[u8]) -> anyhow::Result<Option<usize>> {
    let end = b"\r\n\r\n";
    let Some(at) = read.windows(end.len()).position(|window| window == end) else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&read[..at]).context("an answer that is not text")?;
    if !head.starts_with("HTTP/1.1 200") {
        bail!("an answer: {}", head.lines().next().unwrap_or_default());
    }
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok())
        .context("an answer without a length")?;
    Ok(Some(at + end.len() + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_with_its_body() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        let length = whole_length(answer).expect("good");
        assert_eq!(length, Some(answer.len()));
        assert_eq!(whole_length(&answer[..20]).expect("good"), None);
        whole_length(b"HTTP/1.1 503 no\r\ncontent-length: 0\r\n\r\n").expect_err("not 200");
    }
}
