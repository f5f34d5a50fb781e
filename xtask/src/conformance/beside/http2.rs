//! The two ends of a row over HTTP/2. Rows write messages as HTTP/1.1; what was seen is told the
//! same way, with pseudo-header fields in the first line and as fields of their own.

use std::convert::Infallible;
use std::error::Error as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::client::{PATIENCE, Received, Step};
use super::message::{self, Message};

/// What drives one end.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// Plays the steps on one connection; each request is a stream.
pub fn play(steps: &[Step], listener: SocketAddr) -> Received {
    let mut received = Received {
        end: "open",
        complete: true,
        ..Received::default()
    };
    let played = runtime().map_err(anyhow::Error::from);
    let played =
        played.and_then(|runtime| runtime.block_on(steps_on(steps, listener, &mut received)));
    if played.is_err() {
        received.end = "refused";
    }
    received
}

async fn steps_on(
    steps: &[Step],
    listener: SocketAddr,
    received: &mut Received,
) -> anyhow::Result<()> {
    let stream = TcpStream::connect(listener).await?;
    let handshake =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (sender, connection) = handshake.await?;
    let connection = tokio::spawn(connection);
    let mut streams: Vec<JoinHandle<Message>> = Vec::new();
    for step in steps {
        match step {
            Step::Send(text) => streams.push(tokio::spawn(exchange(sender.clone(), text.clone()))),
            Step::Answers(count) => {
                for stream in streams.drain(..*count) {
                    let answer = tokio::time::timeout(PATIENCE, stream).await;
                    received.answers.push(answer??);
                }
            }
            Step::Pause(millis) => tokio::time::sleep(Duration::from_millis(*millis)).await,
            // Ends the sending by giving up what it sent.
            Step::HalfClose => streams.drain(..).for_each(|stream| stream.abort()),
            Step::Leave => received.end = "left",
            Step::Until(_) => {
                anyhow::bail!("an HTTP/2 client has no such step: {step:?}")
            }
        }
    }
    if connection.is_finished() {
        received.end = "closed";
    }
    connection.abort();
    Ok(())
}

async fn exchange(sender: SendRequest<Full<Bytes>>, text: String) -> Message {
    match answer(sender, text).await {
        Ok(answer) => answer,
        Err(error) => Message {
            line: format!("reset: {}", cause(&error)),
            ..Message::default()
        },
    }
}

async fn answer(mut sender: SendRequest<Full<Bytes>>, text: String) -> anyhow::Result<Message> {
    let answer = sender.send_request(request(text)?).await?;
    let (head, body) = answer.into_parts();
    let mut told = Message {
        line: format!("HTTP/2 {}", head.status.as_u16()),
        fields: fields(&head.headers),
        body: String::new(),
    };
    told.body = read(body).await;
    Ok(told)
}

/// The body as text, with trailers or its untimely end behind it.
async fn read(mut body: Incoming) -> String {
    let mut text = String::new();
    while let Some(frame) = body.frame().await {
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(data)) => text += &String::from_utf8_lossy(&data),
            Ok(Err(frame)) => {
                for (name, value) in fields(&frame.into_trailers().unwrap_or_default()) {
                    text += &format!(" [{name}: {value}]");
                }
            }
            // It would be told again and again.
            Err(error) => return format!("{text} [reset: {}]", cause(&error.into())),
        }
    }
    text
}

/// What the codec says about an error, without what hyper puts around it.
fn cause(error: &anyhow::Error) -> String {
    let inner = error.downcast_ref::<hyper::Error>();
    let inner = inner.and_then(|error| error.source());
    inner.map_or_else(|| error.to_string(), ToString::to_string)
}

fn request(text: String) -> anyhow::Result<Request<Full<Bytes>>> {
    let mut bytes = text.into_bytes();
    let message = message::take_request(&mut bytes);
    let message = message.ok_or_else(|| anyhow::anyhow!("a request is not whole"))?;
    let mut words = message.line.split(' ');
    let (method, path) = (words.next().unwrap_or("GET"), words.next().unwrap_or("/"));
    let mut authority = "";
    let mut request = Request::builder().method(method);
    for (name, value) in &message.fields {
        if name.eq_ignore_ascii_case("host") {
            authority = value;
        } else {
            request = request.header(name, value);
        }
    }
    let uri = format!("http://{authority}{path}");
    Ok(request.uri(uri).body(message.body.into())?)
}

fn fields(map: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let each = |(name, value): (&http::HeaderName, _)| (name.to_string(), text(value));
    map.iter().map(each).collect()
}

/// Serves HTTP/2 connections with one answer, and keeps the requests.
pub fn serve(listener: TcpListener, answer: &'static str, seen: &Arc<Mutex<Vec<Message>>>) {
    // An endpoint that cannot begin shows in every row that asks it.
    let Ok(runtime) = runtime() else { return };
    let _ = runtime.block_on(async {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).auto_date_header(false);
        loop {
            let (stream, _) = listener.accept().await?;
            let seen = Arc::clone(seen);
            let service = hyper::service::service_fn(move |request| {
                let seen = Arc::clone(&seen);
                async move {
                    let head_only = request.method() == http::Method::HEAD;
                    keep(request, &seen).await;
                    Ok::<_, Infallible>(written(answer, head_only))
                }
            });
            // One connection at a time: each row has one.
            let _ = builder
                .serve_connection(TokioIo::new(stream), service)
                .await;
        }
        #[allow(unreachable_code, reason = "names the type of the errors above")]
        std::io::Result::Ok(())
    });
}

async fn keep(request: Request<Incoming>, seen: &Mutex<Vec<Message>>) {
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().map_or("", |path| path.as_str());
    let mut told = Message {
        line: format!("{} {path} HTTP/2", head.method),
        fields: fields(&head.headers),
        body: read(body).await,
    };
    let pseudo = [
        (":authority", head.uri.authority().map(ToString::to_string)),
        (":scheme", head.uri.scheme_str().map(str::to_owned)),
    ];
    for (name, value) in pseudo {
        told.fields
            .extend(value.map(|value| (name.to_owned(), value)));
    }
    seen.lock().expect("no panic while held").push(told);
}

fn written(answer: &str, head_only: bool) -> Response<Full<Bytes>> {
    let mut bytes = answer.as_bytes().to_vec();
    let message = message::take_answer(&mut bytes, false, true).unwrap_or_default();
    let mut response = Response::builder().status(message.status());
    for (name, value) in &message.fields {
        response = response.header(name, value);
    }
    let body = if head_only {
        String::new()
    } else {
        message.body
    };
    response.body(body.into()).expect("rows hold valid fields")
}
