//! Endpoints that answer or misbehave by a script, and keep what they saw.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::client::pass;
use super::message::{self, Message};
use super::{http2, tls};
use crate::ports::free_address;

/// An answer of five bytes.
pub const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// Nobody waits longer than this for the next request: the proxy is gone by then.
const PATIENCE: Duration = Duration::from_secs(20);

/// What one connection of an endpoint does next.
#[derive(Clone, Debug)]
pub enum Act {
    /// Reads a request and keeps it.
    Read,
    /// Reads the head of a request and keeps it.
    ReadHead,
    /// Waits until something can be read, and reads nothing.
    Await,
    /// Sends bytes.
    Send(&'static str),
    /// Answers requests until the proxy closes.
    Serve(&'static str),
    /// Sends back what comes, in upper case, until the proxy ends.
    Echo,
    /// Lets time pass.
    Pause(u64),
    /// Closes in order.
    Close,
    /// Resets the connection.
    Reset,
}

/// What stands behind a cluster.
#[derive(Clone, Debug)]
pub enum Endpoint {
    /// What each connection does; the last script is for all further ones.
    Scripted(Vec<Vec<Act>>),
    /// HTTP/2, with this answer to every request.
    Http2(&'static str),
    /// HTTP/1.1 over TLS, with an answer of five bytes.
    Tls,
    /// Nobody listens.
    Refusing,
}

impl Default for Endpoint {
    fn default() -> Self {
        Self::Scripted(vec![vec![Act::Serve(HELLO)]])
    }
}

/// An endpoint at work.
pub struct Running {
    /// Where.
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Message>>>,
}

impl Running {
    /// Begins to listen.
    pub fn start(endpoint: &Endpoint, certificates: &Path) -> anyhow::Result<Self> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&seen);
        let address = match endpoint {
            Endpoint::Scripted(scripts) => {
                let scripts = scripts.clone();
                serve(move |listener| run_scripts(&listener, &scripts, &heard))?
            }
            Endpoint::Http2(answer) => {
                let answer = *answer;
                serve(move |listener| http2::serve(listener, answer, &heard))?
            }
            Endpoint::Tls => {
                let server = tls::server(certificates)?;
                serve(move |listener| tls::serve(listener, &server, &heard))?
            }
            // The port of a listener that is gone would soon be another row's.
            Endpoint::Refusing => free_address()?,
        };
        Ok(Self { address, seen })
    }

    /// The requests that came so far.
    pub fn seen(&self) -> Vec<Message> {
        self.seen.lock().expect("no panic while held").clone()
    }
}

/// Listens for as long as this process lives; gives the address.
fn serve(work: impl FnOnce(TcpListener) + Send + 'static) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || work(listener));
    Ok(address)
}

fn run_scripts(listener: &TcpListener, scripts: &[Vec<Act>], seen: &Arc<Mutex<Vec<Message>>>) {
    for (index, stream) in listener.incoming().flatten().enumerate() {
        let script = scripts.get(index).or(scripts.last()).cloned();
        let seen = Arc::clone(seen);
        std::thread::spawn(move || {
            // A connection that the proxy ends is the end of the script.
            let _ = play(stream, &script.unwrap_or_default(), &seen);
        });
    }
}

fn play(mut stream: TcpStream, script: &[Act], seen: &Mutex<Vec<Message>>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let mut unread = Vec::new();
    for act in script {
        match act {
            Act::Read => read(&mut stream, &mut unread, seen, true).map(drop)?,
            Act::ReadHead => read(&mut stream, &mut unread, seen, false).map(drop)?,
            Act::Await => stream.peek(&mut [0]).map(drop)?,
            Act::Send(bytes) => stream.write_all(bytes.as_bytes())?,
            Act::Serve(answer) => {
                while read(&mut stream, &mut unread, seen, true)? {
                    stream.write_all(answer.as_bytes())?;
                }
            }
            Act::Echo => echo(&mut stream, &mut unread)?,
            Act::Pause(millis) => pass(Duration::from_millis(*millis)),
            Act::Close => return Ok(()),
            Act::Reset => {
                let socket = socket2::Socket::from(stream);
                return socket.set_linger(Some(Duration::ZERO));
            }
        }
    }
    // Stays open until the proxy closes.
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE && stream.read(&mut [0; 4096])? > 0 {}
    Ok(())
}

/// Reads and keeps a request; false when the proxy closed before one began.
fn read(
    stream: &mut TcpStream,
    unread: &mut Vec<u8>,
    seen: &Mutex<Vec<Message>>,
    whole: bool,
) -> std::io::Result<bool> {
    loop {
        let complete = if whole {
            message::take_request(unread)
        } else {
            message::take_head(unread)
        };
        if let Some(request) = complete {
            seen.lock().expect("no panic while held").push(request);
            return Ok(true);
        }
        let mut chunk = [0; 16 * 1024];
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Ok(false);
        }
        unread.extend_from_slice(&chunk[..count]);
    }
}

fn echo(stream: &mut TcpStream, unread: &mut Vec<u8>) -> std::io::Result<()> {
    stream.write_all(&unread.split_off(0).to_ascii_uppercase())?;
    loop {
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&chunk[..count].to_ascii_uppercase())?;
    }
}
