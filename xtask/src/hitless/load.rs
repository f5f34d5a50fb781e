//! Clients that ask without a pause, and the endpoint that answers them in the end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use anyhow::{Context, ensure};

const BODY: &str = "hello";
/// An answer that takes longer counts as lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// So many lost requests say what more would say.
const ENOUGH: u64 = 100;

/// Clients at work: half of them keep their connection, half open one per request.
pub struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    sent: AtomicU64,
    lost: AtomicU64,
}

impl Load {
    /// Starts eight clients.
    pub fn start(address: SocketAddr) -> anyhow::Result<Self> {
        let mut first = None;
        ask(&mut first, address).context("the first request")?;
        let shared = Arc::new(Shared::default());
        let client = |index: usize| {
            let shared = Arc::clone(&shared);
            spawn(move || work(&shared, address, index.is_multiple_of(2)))
        };
        let clients = (0..8).map(client).collect();
        Ok(Self { shared, clients })
    }

    /// Goes on until that many requests were sent, or too many were lost; how many were sent and
    /// lost.
    pub fn finish(self, requests: u64) -> (u64, u64) {
        while self.shared.sent.load(Ordering::Relaxed) < requests
            && self.shared.lost.load(Ordering::Relaxed) < ENOUGH
        {
            super::pause(Duration::from_millis(20));
        }
        self.shared.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            if client.join().is_err() {
                self.shared.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
        let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
        (count(&self.shared.sent), count(&self.shared.lost))
    }
}

fn work(shared: &Shared, address: SocketAddr, keeps: bool) {
    let mut connection = None;
    while !shared.stop.load(Ordering::Relaxed) {
        shared.sent.fetch_add(1, Ordering::Relaxed);
        if let Err(reason) = ask(&mut connection, address) {
            shared.lost.fetch_add(1, Ordering::Relaxed);
            eprintln!("a request failed: {reason:#}");
            connection = None;
        }
        if !keeps {
            connection = None;
        }
    }
}

type Connection = BufReader<TcpStream>;

/// One request on the connection that is kept, or on a new one.
fn ask(kept: &mut Option<Connection>, address: SocketAddr) -> anyhow::Result<()> {
    let mut connection = match kept.take() {
        Some(connection) => connection,
        None => {
            let stream = TcpStream::connect(address).context("connecting")?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            BufReader::new(stream)
        }
    };
    let request = b"GET / HTTP/1.1\r\nhost: hitless\r\n\r\n";
    connection.get_mut().write_all(request).context("sending")?;
    let head = read_head(&mut connection).context("the answer")?;
    ensure!(head.starts_with("http/1.1 200"), "the answer was {head:?}");
    let mut body = [0; BODY.len()];
    connection.read_exact(&mut body).context("the body")?;
    ensure!(body == BODY.as_bytes(), "another body");
    if !head.contains("connection: close") {
        *kept = Some(connection);
    }
    Ok(())
}

/// A head in lower case; an error at the end of the stream.
fn read_head(connection: &mut Connection) -> anyhow::Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let count = connection.read_line(&mut head)?;
        ensure!(count > 0, "the connection ended after {head:?}");
    }
    Ok(head.to_ascii_lowercase())
}

/// An HTTP/1.1 server for the life of this process; gives its address.
pub fn serve_hello() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("a loopback port")?;
    let address = listener.local_addr()?;
    spawn(move || {
        for stream in listener.incoming().flatten() {
            spawn(move || {
                // The proxy closes when it likes.
                let _ = answer(stream);
            });
        }
    });
    Ok(address)
}

fn answer(stream: TcpStream) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut connection = BufReader::new(stream);
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    loop {
        read_head(&mut connection)?;
        connection.get_mut().write_all(answer.as_bytes())?;
    }
}
