//! A new process takes the place of a running one while clients talk to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A meshproxy with one listener that answers `body`.
struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    fn start(address: SocketAddr, body: &str, meeting: &Path) -> Self {
        let config = format!(
            "static_resources:
  listeners:
  - name: web
    address: {{socket_address: {{address: {}, port_value: {}}}}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: web
          http_filters: [{{name: router, typed_config: {{\"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}}}]
          route_config: {{name: r, virtual_hosts: [{{name: v, domains: ['*'], routes: [{{match: {{prefix: /}}, direct_response: {{status: 200, body: {{inline_string: {body}}}}}}}]}}]}}
",
            address.ip(),
            address.port(),
        );
        let mut child = Command::new(env!("CARGO_BIN_EXE_meshproxy"))
            .args(["--config-yaml", &config, "--concurrency", "2"])
            .arg("--hot-upgrade")
            .arg(meeting)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let (sender, lines) = channel();
        let outputs: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().expect("piped")),
            Box::new(child.stderr.take().expect("piped")),
        ];
        for output in outputs {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        Self { child, lines }
    }

    /// The first line of the log that contains `text`.
    fn line(&self, text: &str) -> String {
        let limit = Duration::from_mins(1);
        loop {
            let line = self.lines.recv_timeout(limit).expect("a line of the log");
            if line.contains(text) {
                return line;
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in a line of the log, which may be coloured.
fn address_in(line: &str) -> SocketAddr {
    let start = line.find("127.0.0.1:").expect("an address");
    let rest = &line[start..];
    let end = rest
        .find(|letter: char| !letter.is_ascii_digit() && !".:".contains(letter))
        .unwrap_or(rest.len());
    rest[..end].parse().expect("an address")
}

/// One request; whether the connection may be used again, and the body.
fn ask(stream: &mut TcpStream) -> std::io::Result<(bool, String)> {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut chunk = [0; 1024];
    loop {
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&answer).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.len() == 3
        {
            return Ok((!head.contains("connection: close"), body.to_owned()));
        }
    }
}

/// Clients that ask without a pause until they are told to stop.
fn load(address: SocketAddr, stop: &Arc<AtomicBool>) -> Vec<std::thread::JoinHandle<usize>> {
    let client = |keeps: bool| {
        let stop = Arc::clone(stop);
        std::thread::spawn(move || {
            let mut answered = 0;
            let mut kept = None;
            while !stop.load(Ordering::Relaxed) {
                let mut stream = match kept.take() {
                    Some(stream) => stream,
                    None => TcpStream::connect(address).expect("connected"),
                };
                let (reusable, _) = ask(&mut stream).expect("an answer");
                answered += 1;
                kept = (keeps && reusable).then_some(stream);
            }
            answered
        })
    };
    [true, true, false, false].map(client).into()
}

#[test]
fn a_new_process_takes_over_and_no_request_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    let meeting = folder.path().join("upgrade.sock");
    let any_port = ([127, 0, 0, 1], 0).into();
    let mut running = Process::start(any_port, "aaa", &meeting);
    let address = address_in(&running.line("listening"));
    let stop = Arc::new(AtomicBool::new(false));
    let clients = load(address, &stop);
    for body in ["bbb", "ccc"] {
        let next = Process::start(address, body, &meeting);
        next.line("took over");
        let status = running.child.wait().expect("waited");
        assert!(status.success(), "{status}");
        let mut stream = TcpStream::connect(address).expect("connected");
        let (_, answer) = ask(&mut stream).expect("an answer");
        assert_eq!(answer, body);
        running = next;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        assert!(client.join().expect("no request failed") > 0);
    }
}

#[test]
fn a_successor_that_cannot_start_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let meeting = folder.path().join("upgrade.sock");
    let running = Process::start(([127, 0, 0, 1], 0).into(), "aaa", &meeting);
    let address = address_in(&running.line("listening"));
    // An address that is not ours cannot be listened on.
    let mut broken = Process::start(([192, 0, 2, 1], 80).into(), "bbb", &meeting);
    assert!(!broken.child.wait().expect("waited").success());
    for _ in 0..3 {
        let mut stream = TcpStream::connect(address).expect("connected");
        let (_, answer) = ask(&mut stream).expect("an answer");
        assert_eq!(answer, "aaa");
    }
    // And the next one still can.
    let next = Process::start(address, "ccc", &meeting);
    next.line("took over");
}
