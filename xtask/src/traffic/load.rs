//! Load on the ingress gateway: requests over kept HTTP/1.1 connections, each with what came of it.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// What came of one request.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status; 0 without an answer.
    pub status: u16,
    /// The pod that answered; empty if a proxy did.
    pub by: String,
    /// Whether the proxy said that it has too much to do.
    pub overloaded: bool,
    /// From the first byte of the request to the last of the answer.
    pub took: Duration,
}

/// Where the load goes.
#[derive(Clone, Debug)]
pub struct Target {
    /// The gateway.
    pub address: SocketAddr,
    /// The path that is asked for.
    pub path: String,
}

/// A request that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes `requests` in all, over as many connections as `connections` says, one after the other on
/// each.
pub fn burst(target: &Target, requests: usize, connections: usize) -> anyhow::Result<Vec<Reply>> {
    runtime()?.block_on(async {
        let mut tasks = JoinSet::new();
        for number in 0..connections {
            let target = target.clone();
            // The first ones take the remainder.
            let own = requests / connections + usize::from(number < requests % connections);
            tasks.spawn(async move {
                let mut connection = Connection::new(target);
                let mut replies = Vec::with_capacity(own);
                for _ in 0..own {
                    replies.push(connection.ask().await);
                }
                replies
            });
        }
        Ok(tasks.join_all().await.concat())
    })
}

/// Makes `rate` requests a second over `connections` until `stop` is set.
pub fn steady(
    target: &Target,
    rate: u32,
    connections: u32,
    stop: &'static AtomicBool,
) -> anyhow::Result<Vec<Reply>> {
    runtime()?.block_on(async {
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            let target = target.clone();
            tasks.spawn(async move {
                let mut connection = Connection::new(target);
                let mut ticks = tokio::time::interval(Duration::from_secs(1) * connections / rate);
                // Late requests are made up for: the rate holds on average.
                ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
                let mut replies = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    ticks.tick().await;
                    replies.push(connection.ask().await);
                }
                replies
            });
        }
        Ok(tasks.join_all().await.concat())
    })
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

struct Connection {
    target: Target,
    open: Option<SendRequest<Empty<Bytes>>>,
}

impl Connection {
    fn new(target: Target) -> Self {
        Self { target, open: None }
    }

    async fn ask(&mut self) -> Reply {
        let began = Instant::now();
        let asked = tokio::time::timeout(PATIENCE, self.try_to_ask()).await;
        let mut reply = match asked {
            Ok(Ok(reply)) => reply,
            Ok(Err(_)) | Err(_) => {
                self.open = None;
                Reply {
                    status: 0,
                    by: String::new(),
                    overloaded: false,
                    took: Duration::ZERO,
                }
            }
        };
        reply.took = began.elapsed();
        reply
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Empty<Bytes>>> {
        let stream = TcpStream::connect(self.target.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn try_to_ask(&mut self) -> anyhow::Result<Reply> {
        let mut sender = match self.open.take() {
            Some(sender) if !sender.is_closed() => sender,
            _ => self.connect().await?,
        };
        sender.ready().await?;
        let request = Request::get(self.target.path.as_str())
            .header("host", "load.example")
            .body(Empty::new())?;
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let overloaded = response.headers().contains_key("x-envoy-overloaded");
        let body = response.into_body().collect().await?.to_bytes();
        let text = String::from_utf8_lossy(&body);
        let named = text.strip_prefix("Hostname: ");
        let by = named.and_then(|rest| rest.lines().next());
        self.open = Some(sender);
        Ok(Reply {
            status,
            by: by.unwrap_or_default().to_owned(),
            overloaded,
            took: Duration::ZERO,
        })
    }
}
