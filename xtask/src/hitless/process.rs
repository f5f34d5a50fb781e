//! Processes under test: a meshproxy with one listener and one cluster, and others.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

/// How long a process may take to serve, on a busy machine.
const START: Duration = Duration::from_secs(30);
/// How long it may take to leave; it is told to wait at most half as long for its connections.
const END: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);

/// The bootstrap, as text. Retries are those that a mesh configures: on another endpoint, and as many
/// at a time as needed.
pub struct Config {
    text: String,
    address: SocketAddr,
}

impl Config {
    /// A proxy that is told by a control plane what to do, at first at `address`.
    pub fn dynamic(address: SocketAddr, bootstrap: &serde_json::Value) -> Self {
        let text = bootstrap.to_string();
        Self { text, address }
    }

    pub fn new(address: SocketAddr, endpoints: &[SocketAddr]) -> Self {
        let endpoints: Vec<String> = endpoints
            .iter()
            .map(|at| {
                let (ip, port) = (at.ip(), at.port());
                format!(
                    "{{endpoint: {{address: {{socket_address: {{address: {ip}, port_value: {port}}}}}}}}}"
                )
            })
            .collect();
        let (ip, port, endpoints) = (address.ip(), address.port(), endpoints.join(", "));
        let text = format!(
            r#"static_resources:
  listeners:
  - name: web
    address: {{socket_address: {{address: {ip}, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: web
          http_filters: [{{name: router, typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}}}]
          route_config: {{name: r, virtual_hosts: [{{name: v, domains: ['*'], routes: [{{match: {{prefix: /}}, route: {{cluster: backend, retry_policy: {{retry_on: 'connect-failure,refused-stream,reset-before-request', num_retries: 3, retry_host_predicate: [{{name: envoy.retry_host_predicates.previous_hosts, typed_config: {{"@type": type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate}}}}], host_selection_retry_max_attempts: 5}}}}}}]}}]}}
  clusters:
  - {{name: backend, type: STATIC, circuit_breakers: {{thresholds: [{{max_retries: 1000}}]}}, load_assignment: {{cluster_name: backend, endpoints: [{{lb_endpoints: [{endpoints}]}}]}}}}
"#
        );
        Self { text, address }
    }
}

/// A running process; it is killed when it is dropped.
pub struct Proxy(Child);

impl Proxy {
    /// Starts it and waits until its address answers.
    pub fn start(binary: &Path, config: &Config, arguments: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(binary);
        command
            .args(["--config-yaml", &config.text, "--log-level", "warning"])
            .args(["--concurrency", "2", "--drain-time-s", "6"])
            .args(arguments);
        Self::spawn(&mut command, config.address)
    }

    /// Starts the command of a program that will listen on `address`, and waits until it does.
    pub fn spawn(command: &mut Command, address: SocketAddr) -> anyhow::Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::null()).spawn();
        let mut proxy = Self(child.with_context(|| format!("starting {name}"))?);
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = proxy.0.try_wait()? {
                bail!("{name} ended with {status}");
            }
            if began.elapsed() > START {
                bail!("{name} does not listen on {address}");
            }
            super::pause(LOOK);
        }
        std::io::stdout().flush()?;
        Ok(proxy)
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) -> anyhow::Result<()> {
        let pid = self.0.id().to_string();
        crate::shell::run(Command::new("kill").args(["-TERM", &pid]))
    }

    /// Waits until it has left in order.
    pub fn left(&mut self) -> anyhow::Result<()> {
        self.left_before(|| Ok(()))
    }

    /// Waits until it has left in order because `successor` took its place.
    pub fn left_to(&mut self, successor: &mut Self) -> anyhow::Result<()> {
        self.left_before(|| match successor.0.try_wait()? {
            Some(status) => bail!("the process that should replace it ended with {status}"),
            None => Ok(()),
        })
    }

    fn left_before(&mut self, mut look: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<()> {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.0.try_wait()? {
                break status;
            }
            look()?;
            ensure!(
                began.elapsed() < END,
                "the process still runs {} s after it was to leave",
                END.as_secs()
            );
            super::pause(LOOK);
        };
        ensure!(
            status.success(),
            "the process that left ended with {status}"
        );
        Ok(())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
