//! Three backends that answer each request with its target: nginx, HAProxy, and Python's
//! `http.server`.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::ports::free_address;
use crate::{setup, shell};

/// Gives a backend's arguments, from the folder of the table, a folder to write in, and the address.
type Arguments = fn(&Path, &Path, SocketAddr) -> anyhow::Result<Vec<String>>;

/// How long a backend may take to listen.
const START: Duration = Duration::from_secs(30);

/// A running backend; it ends with this value.
pub struct Backend {
    /// Its name.
    pub name: &'static str,
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
}

impl Drop for Backend {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts all that can be had; one line names what is missing, which is an error under `CI=true`.
pub fn start(folder: &Path) -> anyhow::Result<Vec<Backend>> {
    if let Err(error) = setup::backends() {
        if shell::is_ci() {
            return Err(error);
        }
        println!("some backends are missing: {error:#}");
    }
    let work = shell::target().join("conformance");
    fs::create_dir_all(&work)?;
    let mut running = Vec::new();
    for (name, program, arguments) in [
        ("nginx", "nginx", nginx as Arguments),
        ("HAProxy", "haproxy", haproxy),
        ("http.server", "python3", python),
    ] {
        let Some(program) = setup::find(program) else {
            continue;
        };
        let address = free_address()?;
        let child = Command::new(program)
            .args(arguments(folder, &work, address)?)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let mut backend = Backend {
            name,
            address,
            child,
        };
        backend.wait()?;
        running.push(backend);
    }
    Ok(running)
}

impl Backend {
    fn wait(&mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < START {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended: {status}", self.name);
            }
            if TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            // Another process cannot wake us; it is asked again.
            std::thread::park_timeout(Duration::from_millis(20));
        }
        bail!("{} does not listen", self.name)
    }
}

fn nginx(_: &Path, work: &Path, address: SocketAddr) -> anyhow::Result<Vec<String>> {
    let work = work.canonicalize()?;
    let (at, work) = (work.join("nginx.conf"), work.display());
    let text = format!(
        "daemon off; master_process off; pid {work}/nginx.pid; error_log /dev/null;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {work}/nginx-body; proxy_temp_path {work}/nginx-proxy;
  fastcgi_temp_path {work}/nginx-fastcgi; uwsgi_temp_path {work}/nginx-uwsgi;
  scgi_temp_path {work}/nginx-scgi;
  server {{ listen {address}; location / {{ return 200 $request_uri; }} }}
}}
"
    );
    fs::write(&at, text)?;
    Ok(vec!["-c".to_owned(), at.display().to_string()])
}

fn haproxy(_: &Path, work: &Path, address: SocketAddr) -> anyhow::Result<Vec<String>> {
    let at = work.join("haproxy.cfg");
    let text = format!(
        "global
  log /dev/null local0
defaults
  mode http
  option http-buffer-request
  timeout client 10s
  timeout http-request 10s
  timeout http-keep-alive 60s
frontend echo
  bind {address}
  http-request return status 200 content-type text/plain lf-string \"%[pathq]\"
"
    );
    fs::write(&at, text)?;
    Ok(vec![
        "-db".to_owned(),
        "-f".to_owned(),
        at.display().to_string(),
    ])
}

fn python(folder: &Path, _: &Path, address: SocketAddr) -> anyhow::Result<Vec<String>> {
    let script = folder.join("backend.py").display().to_string();
    Ok(vec![script, address.port().to_string()])
}
