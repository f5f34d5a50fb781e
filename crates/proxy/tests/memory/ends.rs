//! A fast side that sends as much as is taken, and a slow side that takes when it is told.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

/// Bytes of a body.
pub(super) const TOTAL: u64 = 100 << 20;
/// Bytes that are sent at a time.
pub(super) const BLOCK: usize = 64 << 10;
/// Bytes that are taken at a time.
const READ: usize = 4 << 10;
/// A write that takes longer is held back: the other side takes nothing any more.
const STALL: Duration = Duration::from_millis(700);

static ZEROS: [u8; BLOCK] = [0; BLOCK];

/// Where connections of the proxy arrive.
pub(super) async fn endpoint() -> (SocketAddr, mpsc::Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let (arrived, arrivals) = mpsc::channel(4);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if arrived.send(stream).await.is_err() {
                return;
            }
        }
    });
    (address, arrivals)
}

pub(super) async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.expect("connected")
}

pub(super) async fn send(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).await.expect("sent");
}

/// Reads to the end of a head and not a byte more.
pub(super) async fn read_head(stream: &mut TcpStream) {
    let mut last = [0; 4];
    while last != *b"\r\n\r\n" {
        last.rotate_left(1);
        last[3] = stream.read_u8().await.expect("a head");
    }
}

/// Sends the whole body; tells how far it came when it is held back for the first time.
pub(super) fn flood(mut stream: TcpStream) -> oneshot::Receiver<u64> {
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        let (mut sent, mut tell) = (0, Some(tell));
        while sent < TOTAL {
            let block = BLOCK.min((TOTAL - sent) as usize);
            tokio::select! {
                count = stream.write(&ZEROS[..block]) => sent += count.expect("taken") as u64,
                () = tokio::time::sleep(STALL), if tell.is_some() => {
                    tell.take().map(|tell| tell.send(sent));
                }
            }
        }
        // An end of the body that is an end of the bytes, too.
        let _ = stream.shutdown().await;
        let _ = stream.read(&mut [0]).await;
    });
    told
}

/// What the slow side takes from.
pub(super) trait Source {
    /// Takes some bytes of the body; `None` at its end.
    async fn take(&mut self) -> Option<u64>;
}

/// A body that is all that comes, or as long as the test knows it to be.
impl Source for TcpStream {
    async fn take(&mut self) -> Option<u64> {
        let mut block = [0; READ];
        // What is kept open after the whole body has no end to wait for.
        let read = tokio::time::timeout(STALL, self.read(&mut block)).await;
        let count = read.ok()?.expect("read");
        (count > 0).then_some(count as u64)
    }
}

/// A body in chunks, of which only the bytes inside count.
pub(super) struct Chunks {
    stream: TcpStream,
    left: u64,
}

impl Chunks {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, left: 0 }
    }

    async fn size(&mut self) -> u64 {
        let mut line = String::new();
        loop {
            match self.stream.read_u8().await.expect("a size") {
                b'\n' if !line.is_empty() => break,
                b'\r' | b'\n' => {}
                byte => line.push(char::from(byte)),
            }
        }
        u64::from_str_radix(&line, 16).expect("a size")
    }
}

impl Source for Chunks {
    async fn take(&mut self) -> Option<u64> {
        if self.left == 0 {
            self.left = self.size().await;
            if self.left == 0 {
                return None;
            }
        }
        let mut block = [0; READ];
        let most = READ.min(self.left as usize);
        let count = self.stream.read(&mut block[..most]).await.expect("read");
        self.left -= count as u64;
        Some(count as u64)
    }
}

/// A client's HTTP/2 connection.
pub(super) struct Http2(SendRequest<Bytes>);

pub(super) async fn http2(address: SocketAddr) -> Http2 {
    let stream = connect(address).await;
    let (sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    tokio::spawn(connection);
    Http2(sender.ready().await.expect("open"))
}

impl Http2 {
    /// Asks for an answer.
    pub(super) async fn ask(mut self) -> (ResponseFuture, Self) {
        let request = Request::get("http://a/").body(()).expect("valid");
        let (answer, _) = self.0.send_request(request, true).expect("sent");
        (answer, self)
    }

    /// Begins a request with a body.
    pub(super) async fn post(mut self) -> (SendStream<Bytes>, Self) {
        let request = Request::post("http://a/").body(()).expect("valid");
        let (_, body) = self.0.send_request(request, false).expect("sent");
        (body, self)
    }
}

/// The body of an answer.
pub(super) struct Http2Reader {
    body: RecvStream,
    _client: Http2,
}

impl Http2Reader {
    pub(super) async fn new((answer, client): (ResponseFuture, Http2)) -> Self {
        Self {
            body: answer.await.expect("an answer").into_body(),
            _client: client,
        }
    }
}

impl Source for Http2Reader {
    async fn take(&mut self) -> Option<u64> {
        let data = self.body.data().await?.expect("data");
        let flow = self.body.flow_control();
        flow.release_capacity(data.len()).expect("taken");
        Some(data.len() as u64)
    }
}

/// The body of a request.
pub(super) struct Http2Body;

impl Http2Body {
    /// As [`flood`], as far as the windows allow.
    pub(super) fn flood((mut body, client): (SendStream<Bytes>, Http2)) -> oneshot::Receiver<u64> {
        let (tell, told) = oneshot::channel();
        tokio::spawn(async move {
            let (mut sent, mut tell) = (0, Some(tell));
            while sent < TOTAL {
                body.reserve_capacity(BLOCK.min((TOTAL - sent) as usize));
                tokio::select! {
                    room = poll_fn(|cx| body.poll_capacity(cx)) => {
                        let room = room.expect("open").expect("room").min(BLOCK);
                        sent += room as u64;
                        let data = Bytes::from_static(&ZEROS[..room]);
                        body.send_data(data, sent == TOTAL).expect("sent");
                    }
                    () = tokio::time::sleep(STALL), if tell.is_some() => {
                        tell.take().map(|tell| tell.send(sent));
                    }
                }
            }
            let _ = poll_fn(|cx| body.poll_reset(cx)).await;
            drop(client);
        });
        told
    }
}
