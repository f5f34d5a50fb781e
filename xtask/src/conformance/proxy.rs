//! A proxy that runs for a check: our own or the stock Envoy, with a bootstrap of the check's.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::ports::free_address;
use crate::{setup, shell};

/// How long a proxy may take until its listeners are open; Envoy needs a second or two alone, and
/// more beside other work.
const START: Duration = Duration::from_secs(60);

/// A running proxy; it ends with this value.
pub struct Proxy {
    /// Its name, for messages.
    pub name: &'static str,
    /// Its listeners by name.
    pub listeners: BTreeMap<String, SocketAddr>,
    child: Child,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Proxy {
    /// Starts our own proxy, as `cargo build` makes it.
    pub fn ours(bootstrap: Value) -> anyhow::Result<Self> {
        let program = crate::build::meshproxy()?;
        let mut command = Command::new(program);
        command.args(["--concurrency", "1", "--log-level", "error"]);
        Self::start("meshproxy", command, bootstrap)
    }

    /// Starts the stock Envoy; `None`, with one line that says so, where there is none.
    pub fn envoy(bootstrap: Value) -> anyhow::Result<Option<Self>> {
        let given = std::env::var_os("FERROMESH_ENVOY").map(PathBuf::from);
        let program = match given.map_or_else(setup::envoy, Ok) {
            Ok(program) => program,
            Err(error) if shell::is_ci() => return Err(error),
            Err(error) => {
                println!("without Envoy, only our own proxy is checked: {error:#}");
                return Ok(None);
            }
        };
        let mut command = Command::new(program);
        command.args(["--concurrency", "1", "--disable-hot-restart"]);
        // Its access logs are read by checks that wait for their lines.
        command.args(["--log-level", "off", "--file-flush-interval-msec", "10"]);
        Self::start("Envoy", command, bootstrap).map(Some)
    }

    fn start(
        name: &'static str,
        mut command: Command,
        mut bootstrap: Value,
    ) -> anyhow::Result<Self> {
        let admin = free_address()?;
        bootstrap["admin"] = json!({"address": address(admin)});
        bootstrap["node"] = json!({"id": "conformance", "cluster": "conformance"});
        let expected = bootstrap["static_resources"]["listeners"]
            .as_array()
            .map_or(0, Vec::len);
        let file = written(name, &bootstrap)?;
        let child = command
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let mut proxy = Self {
            name,
            listeners: BTreeMap::new(),
            child,
        };
        proxy.wait(admin, expected, &file)?;
        Ok(proxy)
    }

    /// Waits until all listeners are open, and learns their ports.
    fn wait(&mut self, admin: SocketAddr, expected: usize, file: &Path) -> anyhow::Result<()> {
        let name = self.name;
        let begun = Instant::now();
        while begun.elapsed() < START {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "{name} ended ({status}); its configuration is {}",
                    file.display()
                );
            }
            if let Ok(listeners) = open_listeners(admin)
                && listeners.len() == expected
            {
                self.listeners = listeners;
                return Ok(());
            }
            // Another process cannot wake us; it is asked again.
            std::thread::park_timeout(Duration::from_millis(50));
        }
        bail!("{name} opened no listeners in {} s", START.as_secs())
    }
}

/// The form of an address in a bootstrap.
pub fn address(of: SocketAddr) -> Value {
    json!({"socket_address": {"address": of.ip().to_string(), "port_value": of.port()}})
}

fn written(name: &str, bootstrap: &Value) -> anyhow::Result<PathBuf> {
    let folder = shell::target().join("conformance");
    fs::create_dir_all(&folder)?;
    let file = folder.join(format!(
        "{}-{}.json",
        name.to_lowercase(),
        std::process::id()
    ));
    fs::write(&file, serde_json::to_vec_pretty(bootstrap)?)
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

fn open_listeners(admin: SocketAddr) -> anyhow::Result<BTreeMap<String, SocketAddr>> {
    let page = fetch(admin, "/listeners?format=json")?;
    let page: Value = serde_json::from_str(&page)?;
    let statuses = page["listener_statuses"].as_array().context("no list")?;
    let one = |status: &Value| {
        let socket = &status["local_address"]["socket_address"];
        let port = u16::try_from(socket["port_value"].as_u64()?).ok()?;
        let ip = socket["address"].as_str()?.parse().ok()?;
        (port != 0).then(|| {
            Some((
                status["name"].as_str()?.to_owned(),
                SocketAddr::new(ip, port),
            ))
        })?
    };
    Ok(statuses.iter().filter_map(one).collect())
}

/// Asks an admin interface.
fn fetch(admin: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect_timeout(&admin, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let message = super::http1::message::read(&mut answer.as_slice(), "GET")?;
    Ok(String::from_utf8_lossy(&message.context("no answer")?.body).into_owned())
}
