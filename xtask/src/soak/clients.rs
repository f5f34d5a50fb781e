//! The clients: one function for an exchange of each kind of traffic, repeated by a few tasks.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use ferromesh_tls::TlsClient;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::config::{Certificates, HOST, Ports};
use super::tally::Tally;

/// No exchange takes longer, not even one of a slow client.
const LONGEST: Duration = Duration::from_secs(40);
/// Between two exchanges of a task: the machine is also that of the upstreams and clients.
const PAUSE: Duration = Duration::from_millis(5);

/// What all clients know.
struct Clients {
    ports: Ports,
    tls: TlsClient,
}

type Exchange = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

/// Name, tasks at a time, and the exchange.
type Kind = (&'static str, usize, fn(Arc<Clients>) -> Exchange);

const KINDS: [Kind; 10] = [
    ("http/1.1", 4, |clients| {
        Box::pin(http1_kept(clients.ports.http))
    }),
    ("http/1.1 new", 2, |clients| {
        Box::pin(http1_new(clients.ports.http))
    }),
    ("http/2", 2, |clients| {
        Box::pin(http2_streams(clients.ports.http))
    }),
    ("grpc", 2, |clients| Box::pin(grpc(clients.ports.http))),
    ("websocket", 2, |clients| {
        Box::pin(websocket(clients.ports.http))
    }),
    ("tcp", 2, |clients| Box::pin(tcp(clients.ports.tcp))),
    ("tls", 2, |clients| Box::pin(tls(clients))),
    ("mutual tls", 2, |clients| {
        Box::pin(http1_kept(clients.ports.mutual[0]))
    }),
    ("broken off", 2, |clients| {
        Box::pin(broken_off(clients.ports.http))
    }),
    ("slow", 8, |clients| Box::pin(slow(clients.ports.http))),
];

/// Traffic that runs.
pub struct Traffic {
    stop: Arc<AtomicBool>,
    tallies: Vec<(&'static str, Arc<Mutex<Tally>>)>,
    tasks: JoinSet<()>,
}

impl Traffic {
    pub fn start(ports: Ports, certificates: &Certificates) -> anyhow::Result<Self> {
        let tls = TlsClient::from_pem(certificates.root.as_bytes(), None, &["http/1.1"])?;
        let clients = Arc::new(Clients { ports, tls });
        let stop = Arc::new(AtomicBool::new(false));
        let (mut tallies, mut tasks) = (Vec::new(), JoinSet::new());
        for (name, count, exchange) in KINDS {
            let tally = Arc::new(Mutex::new(Tally::default()));
            for _ in 0..count {
                let (clients, tally) = (Arc::clone(&clients), Arc::clone(&tally));
                let stop = Arc::clone(&stop);
                tasks.spawn(async move {
                    while !stop.load(Relaxed) {
                        let one = tokio::time::timeout(LONGEST, exchange(Arc::clone(&clients)));
                        let result = one.await.context("it took too long").flatten();
                        tally
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .count(result);
                        tokio::time::sleep(PAUSE).await;
                    }
                });
            }
            tallies.push((name, tally));
        }
        Ok(Self {
            stop,
            tallies,
            tasks,
        })
    }

    /// How many exchanges worked and failed so far.
    pub fn totals(&self) -> (u64, u64) {
        let tallies = self.tallies.iter().map(|(_, tally)| {
            let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            (tally.done, tally.failed)
        });
        tallies.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// Lets every task finish its exchange.
    pub async fn stop(mut self) -> Vec<(&'static str, Tally)> {
        self.stop.store(true, Relaxed);
        while self.tasks.join_next().await.is_some() {}
        let each = |(name, tally): &(&'static str, Arc<Mutex<Tally>>)| {
            (
                *name,
                tally.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            )
        };
        self.tallies.iter().map(each).collect()
    }
}

/// Waits until all listeners answer.
pub async fn wait_until_served(ports: &Ports) -> anyhow::Result<()> {
    let mut last = anyhow::anyhow!("not tried");
    for _ in 0..150 {
        let served = async {
            http1_new(ports.http).await?;
            tcp(ports.tcp).await?;
            http1_new(ports.mutual[0]).await
        };
        match tokio::time::timeout(Duration::from_secs(2), served).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => last = error,
            Err(_) => last = anyhow::anyhow!("no answer in time"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Err(last)
}

async fn connect(port: u16) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))
        .await
        .context("connecting")?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

type Body = Full<Bytes>;

fn get(path: &str) -> anyhow::Result<Request<Body>> {
    Ok(Request::get(path)
        .header(header::HOST, HOST)
        .body(Body::default())?)
}

fn post(length: usize) -> anyhow::Result<Request<Body>> {
    let body = Body::from(vec![b'p'; length]);
    Ok(Request::post("/echo")
        .header(header::HOST, HOST)
        .body(body)?)
}

/// The length of the body of an answer, which must be a good one and whole.
async fn received(response: Response<Incoming>) -> anyhow::Result<usize> {
    let status = response.status();
    ensure!(status.is_success(), "status {status}");
    let body = response.into_body().collect().await.context("cut off")?;
    Ok(body.to_bytes().len())
}

async fn exchange_http1<S>(stream: S, count: usize) -> anyhow::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    for number in 0..count {
        // The proxy may close between requests, when its listener changed.
        if sender.ready().await.is_err() {
            break;
        }
        let (request, length) = match number % 3 {
            0 => (get("/hello")?, 5),
            1 => (post(1000 * number)?, 1000 * number),
            _ => (get("/big")?, 512 * 1024),
        };
        let response = sender.send_request(request).await.context("no answer")?;
        let received = received(response).await?;
        ensure!(
            received == length,
            "a body of {received} bytes, not {length}"
        );
    }
    drop(sender);
    driver.abort();
    Ok(())
}

async fn http1_kept(port: u16) -> anyhow::Result<()> {
    exchange_http1(connect(port).await?, 20).await
}

async fn http1_new(port: u16) -> anyhow::Result<()> {
    exchange_http1(connect(port).await?, 1).await
}

async fn tls(clients: Arc<Clients>) -> anyhow::Result<()> {
    let stream = connect(clients.ports.tls).await?;
    let stream = clients
        .tls
        .connect(stream, Some(HOST), None)
        .await
        .context("TLS")?;
    exchange_http1(stream, 5).await
}

async fn http2_connection(port: u16) -> anyhow::Result<http2::SendRequest<Body>> {
    let stream = TokioIo::new(connect(port).await?);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
    tokio::spawn(connection);
    Ok(sender)
}

fn uri(request: Request<Body>) -> anyhow::Result<Request<Body>> {
    let (mut parts, body) = request.into_parts();
    parts.uri = format!("http://{HOST}{}", parts.uri.path()).parse()?;
    parts.headers.remove(header::HOST);
    Ok(Request::from_parts(parts, body))
}

async fn http2_streams(port: u16) -> anyhow::Result<()> {
    let sender = http2_connection(port).await?;
    let mut streams = JoinSet::new();
    for number in 0..20 {
        let mut sender = sender.clone();
        let request = uri(if number % 4 == 0 {
            get("/big")?
        } else {
            post(3000)?
        })?;
        streams.spawn(async move {
            let response = sender.send_request(request).await.context("no answer")?;
            let received = received(response).await?;
            ensure!(
                matches!(received, 3000 | 524_288),
                "a body of {received} bytes"
            );
            Ok(())
        });
    }
    while let Some(stream) = streams.join_next().await {
        stream.context("a stream")??;
    }
    Ok(())
}

async fn grpc(port: u16) -> anyhow::Result<()> {
    let mut sender = http2_connection(port).await?;
    for _ in 0..10 {
        let mut request = uri(post(100)?)?;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, "application/grpc".parse()?);
        headers.insert(header::TE, "trailers".parse()?);
        let response = sender.send_request(request).await.context("no answer")?;
        let body = response.into_body().collect().await.context("cut off")?;
        let status = body
            .trailers()
            .and_then(|trailers| trailers.get("grpc-status"));
        ensure!(
            status.is_some_and(|status| status == "0"),
            "grpc-status {status:?}"
        );
    }
    Ok(())
}

async fn websocket(port: u16) -> anyhow::Result<()> {
    let mut stream = connect(port).await?;
    let request = format!(
        "GET /ws HTTP/1.1\r\nhost: {HOST}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.context("the upgrade's answer")?);
    }
    ensure!(
        head.starts_with(b"HTTP/1.1 101 "),
        "{}",
        String::from_utf8_lossy(&head)
    );
    echoed(&mut stream, 20).await
}

async fn tcp(port: u16) -> anyhow::Result<()> {
    echoed(&mut connect(port).await?, 10).await
}

async fn echoed(stream: &mut TcpStream, times: u8) -> anyhow::Result<()> {
    let mut back = vec![0; 2000];
    for time in 0..times {
        let message = vec![time; back.len()];
        stream.write_all(&message).await?;
        stream.read_exact(&mut back).await.context("the echo")?;
        ensure!(back == message, "another message came back");
    }
    Ok(())
}

/// Leaves in the middle of a head, of a body, or of the answer, with a reset.
async fn broken_off(port: u16) -> anyhow::Result<()> {
    let parts: [&[u8]; 3] = [
        b"GET /hello HTTP/1.1\r\nhost: so",
        b"POST /echo HTTP/1.1\r\nhost: soak.test\r\ncontent-length: 100000\r\n\r\nabc",
        b"GET /big HTTP/1.1\r\nhost: soak.test\r\n\r\n",
    ];
    for part in parts {
        let mut stream = connect(port).await?;
        stream.write_all(part).await?;
        tokio::time::sleep(Duration::from_millis(10)).await;
        let mut some = [0; 1000];
        // There may be an answer by now, or none.
        let _ = stream.try_read(&mut some);
        stream.set_zero_linger()?;
    }
    Ok(())
}

/// A head in single bytes, and an answer that is read slowly.
async fn slow(port: u16) -> anyhow::Result<()> {
    let mut stream = connect(port).await?;
    let request = format!("GET /big HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n");
    for byte in request.bytes() {
        stream.write_all(&[byte]).await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (mut some, mut total) = (vec![0; 16 * 1024], 0);
    loop {
        let count = stream.read(&mut some).await.context("the answer")?;
        if count == 0 {
            break;
        }
        if total == 0 && !some.starts_with(b"HTTP/1.1 200") {
            bail!("{}", String::from_utf8_lossy(&some[..count.min(60)]));
        }
        total += count;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    ensure!(total > 512 * 1024, "only {total} bytes");
    Ok(())
}
