//! One check of one endpoint, on a connection of its own.

use std::future::poll_fn;

use bytes::{Bytes, BytesMut};
use ferromesh_http::http1::{Connection, Limits};
use ferromesh_http::{Frame, Framing, Method, RequestHead, ResponseHead, http2};
use ferromesh_net::{Address, ConnectSettings, connect, proxy_header};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::progress::Verdict;
use super::{HealthCheckSettings, HttpQuestion, Question};
use crate::cluster::Endpoint;
use crate::compiled::Cluster;
use crate::worker::Transport;

/// The largest answer to a TCP or gRPC check that is looked at.
const MOST: usize = 64 * 1024;

/// Asks once.
pub(super) async fn probe(
    cluster: &Cluster,
    endpoint: &Endpoint,
    settings: &HealthCheckSettings,
) -> Verdict {
    let asking = Box::pin(ask(cluster, endpoint, settings));
    let result = tokio::time::timeout(settings.timeout, asking).await;
    match result {
        Ok(Some(verdict)) => verdict,
        Ok(None) | Err(_) => Verdict::Unreachable,
    }
}

async fn ask(
    cluster: &Cluster,
    endpoint: &Endpoint,
    settings: &HealthCheckSettings,
) -> Option<Verdict> {
    let stream = open(cluster, endpoint, settings.port).await?;
    match &settings.question {
        Question::Tcp { send, receive } => tcp(stream, send, receive).await,
        Question::Http(question) => {
            let head = request(cluster, endpoint, question);
            let answer = if question.http2 {
                over_http2(stream, &head, None).await?.0
            } else {
                over_http1(stream, &head).await?
            };
            Some(judge(question, &answer))
        }
        Question::Grpc { service, authority } => {
            let authority = [authority, &named(endpoint), &cluster.name]
                .into_iter()
                .find(|name| !name.is_empty())?
                .clone();
            let mut head =
                RequestHead::new(Method::POST, &authority, "/grpc.health.v1.Health/Check");
            head.headers.append("content-type", "application/grpc");
            head.headers.append("te", "trailers");
            head.headers.append("user-agent", "Envoy/HC");
            let question = grpc_question(service);
            let (answer, body) = over_http2(stream, &head, Some(question)).await?;
            let serving = answer.status == 200 && is_serving(&body);
            Some(if serving { Verdict::Well } else { Verdict::Ill })
        }
    }
}

fn named(endpoint: &Endpoint) -> ferromesh_types::Str {
    let check = endpoint.check.as_ref();
    check
        .map(|check| check.hostname.clone())
        .unwrap_or_default()
}

async fn open(cluster: &Cluster, endpoint: &Endpoint, port: Option<u16>) -> Option<Transport> {
    let own = endpoint.check.as_ref().and_then(|check| check.port);
    let address = match (&endpoint.address, own.or(port)) {
        (Address::Ip(address), Some(port)) => Address::Ip((address.ip(), port).into()),
        (address, _) => address.clone(),
    };
    let settings = ConnectSettings {
        source: cluster.bind_source,
        ..ConnectSettings::default()
    };
    let mut stream = connect(&address, &settings).await.ok()?;
    if let Some(version) = endpoint.transport.proxy_header() {
        // There is no client: the header says that the connection is the proxy's own.
        stream.write_all(&proxy_header(version, None)).await.ok()?;
    }
    let Some(tls) = endpoint.transport.tls() else {
        return Some(Transport::Plain(stream));
    };
    let secured = tls.client.connect(stream, None, None).await.ok()?;
    Some(Transport::Client(Box::new(secured)))
}

fn request(cluster: &Cluster, endpoint: &Endpoint, question: &HttpQuestion) -> RequestHead {
    let named = named(endpoint);
    let authority = [&named, &question.host, &cluster.name];
    let authority = authority.into_iter().find(|name| !name.is_empty());
    let authority = authority.map_or("", |name| name.as_str());
    let mut head = RequestHead::new(question.method.clone(), authority, &question.path);
    head.headers.append("user-agent", "Envoy/HC");
    if !question.http2 {
        head.headers.append("connection", "close");
    }
    for (name, value) in &question.add {
        if name.as_str() == "host" {
            head.set_authority(value);
        } else {
            head.headers.append(name, value.as_str());
        }
    }
    for name in &question.remove {
        head.headers.remove(name);
    }
    head
}

fn judge(question: &HttpQuestion, answer: &ResponseHead) -> Verdict {
    let within = |ranges: &[(u16, u16)]| {
        let mut ranges = ranges.iter();
        ranges.any(|(start, end)| (*start..*end).contains(&answer.status))
    };
    if within(&question.expected) {
        if answer.headers.contains("x-envoy-degraded") {
            Verdict::Degraded
        } else {
            Verdict::Well
        }
    } else if within(&question.retriable) {
        Verdict::Unsure
    } else {
        Verdict::Ill
    }
}

async fn over_http1(stream: Transport, head: &RequestHead) -> Option<ResponseHead> {
    let mut connection = Connection::new(stream, BytesMut::new(), Limits::default());
    connection.send_request(head, Framing::None);
    poll_fn(|cx| connection.poll_flush(cx)).await.ok()?;
    loop {
        let read = poll_fn(|cx| connection.poll_response(cx, &head.method)).await;
        let head = read.ok()?.head;
        if !head.is_informational() {
            return Some(head);
        }
    }
}

/// Sends a request; gives the head of the answer and, where a body is sent, the answer's body.
async fn over_http2(
    stream: Transport,
    head: &RequestHead,
    body: Option<Bytes>,
) -> Option<(ResponseHead, Vec<u8>)> {
    let settings = http2::Settings::default();
    let (mut sender, driver) = http2::connect(stream, &settings).await.ok()?;
    let exchange = async {
        poll_fn(|cx| sender.poll_ready(cx)).await.ok()?;
        let mut stream = sender.send_request(head, body.is_none()).ok()??;
        let wants_body = body.is_some();
        if let Some(body) = body {
            stream.sending.send_data(body, true).ok()?;
        }
        let answer = poll_fn(|cx| stream.poll_response(cx)).await.ok()?;
        let mut content = Vec::new();
        while wants_body && content.len() < MOST {
            let Some(receiving) = stream.receiving() else {
                break;
            };
            match poll_fn(|cx| receiving.poll_frame(cx)).await.ok()? {
                Frame::Data(data) => content.extend_from_slice(&data),
                Frame::Trailers(_) | Frame::End => break,
            }
        }
        Some((answer, content))
    };
    // The connection works only while it is polled; its end is the end of the check.
    tokio::select! {
        result = exchange => result,
        _ = driver => None,
    }
}

async fn tcp(mut stream: Transport, send: &[u8], receive: &[Vec<u8>]) -> Option<Verdict> {
    if !send.is_empty() {
        stream.write_all(send).await.ok()?;
        stream.flush().await.ok()?;
    }
    let mut seen = BytesMut::new();
    while !contains_all(&seen, receive) {
        if seen.len() > MOST || stream.read_buf(&mut seen).await.ok()? == 0 {
            return None;
        }
    }
    Some(Verdict::Well)
}

/// Whether all parts come, one after the other, with anything between them.
fn contains_all(mut seen: &[u8], parts: &[Vec<u8>]) -> bool {
    parts.iter().all(|part| {
        let found = memchr::memmem::find(seen, part);
        found.is_some_and(|at| {
            seen = &seen[at + part.len()..];
            true
        })
    })
}

/// A `grpc.health.v1.HealthCheckRequest` in its gRPC frame: field 1 is the service's name.
fn grpc_question(service: &str) -> Bytes {
    let mut message = Vec::new();
    if !service.is_empty() {
        prost::encoding::string::encode(1, &service.to_owned(), &mut message);
    }
    let mut frame = vec![0];
    frame.extend_from_slice(&(message.len() as u32).to_be_bytes());
    frame.extend_from_slice(&message);
    frame.into()
}

/// Whether a `HealthCheckResponse` says `SERVING`: field 1 is the status, and 1 is serving.
fn is_serving(frame: &[u8]) -> bool {
    const SERVING: [u8; 2] = [1 << 3, 1];
    frame.get(5..).is_some_and(|message| message == SERVING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_must_come_in_their_order() {
        let parts = [b"ab".to_vec(), b"cd".to_vec()];
        assert!(contains_all(b"xabyycd", &parts));
        assert!(!contains_all(b"cdab", &parts));
        assert!(contains_all(b"", &[]));
    }

    #[test]
    fn grpc_messages_are_framed() {
        assert_eq!(grpc_question("s")[..], [0, 0, 0, 0, 3, 10, 1, b's']);
        assert_eq!(grpc_question("")[..], [0; 5]);
        assert!(is_serving(&[0, 0, 0, 0, 2, 8, 1]));
        assert!(!is_serving(&[0, 0, 0, 0, 2, 8, 2]));
        assert!(!is_serving(&[]));
    }
}
