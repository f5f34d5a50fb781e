//! `cargo xtask slowloris`: thousands of clients that send a byte a second, and what others feel.
//!
//! Half of them never finish the head of their request, half send a long body. Beside them a few
//! clients ask at a fixed rate, in phases with and without the slow ones that alternate, so that
//! what the machine does besides falls on both.

mod others;
mod slow;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use ferromesh_bench::process::resident_bytes;
use serde_json::{Value, json};

use self::others::{Latencies, ask_at_a_rate};
use self::slow::Crowd;
use crate::conformance::{Endpoint, free_port, socket_address};
use crate::{build, shell};

/// Settings of `cargo xtask slowloris`.
#[derive(clap::Args)]
#[command(after_help = "\
Prints the 99th percentile of the others' answers with and without the slow clients, and the memory
that a slow client costs. Fails when a request of the others does, when a slow client costs more than
64 KiB, or, with --strict, when the percentile grows by more than 10 %. Run it on a quiet machine.")]
pub struct Settings {
    /// How many slow clients.
    #[arg(long, default_value_t = 5000)]
    clients: usize,
    /// Phases with the slow clients; one more is without.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Seconds of a phase.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Requests per second of the others.
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// Fail when the others' 99th percentile grows by more than 10 %.
    #[arg(long)]
    strict: bool,
    /// A meshproxy to use instead of building one.
    #[arg(long)]
    program: Option<std::path::PathBuf>,
}

/// What a slow client may cost the proxy, and what is allowed to the others' 99th percentile.
const MOST_BYTES: u64 = 64 * 1024;
const MOST_RATIO: f64 = 1.1;

pub fn run(settings: &Settings) -> anyhow::Result<()> {
    let program = build::given_or(settings.program.as_deref(), build::release_meshproxy)?;
    allow_descriptors(settings.clients)?;
    let endpoint = Endpoint::http()?;
    // The slow clients have a thread of their own: what they cost each other is not measured.
    let threads = || {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build();
        runtime.context("starting a runtime")
    };
    let (others, slow) = (threads()?, threads()?);
    let measuring = measure(settings, &program, endpoint.address, slow.handle());
    others.block_on(measuring)
}

/// Both this process and the proxy, which inherits the limit, hold thousands of sockets: a slow client
/// is one here, and its request's body another one at the endpoint.
fn allow_descriptors(clients: usize) -> anyhow::Result<()> {
    let needed = 2 * clients + 1000;
    let limits =
        std::fs::read_to_string("/proc/self/limits").context("the limits of this process")?;
    let open_files = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let allowed = open_files.and_then(|line| line.split_whitespace().next()?.parse().ok());
    if allowed.is_some_and(|allowed: usize| allowed >= needed) {
        return Ok(());
    }
    let (own, limit) = (
        std::process::id().to_string(),
        format!("--nofile={needed}:{needed}"),
    );
    shell::run(Command::new("prlimit").args(["--pid", &own, &limit]))
        .with_context(|| format!("allowing {needed} open files, as `ulimit -n {needed}` does"))
}

/// The proxy; killed when the measurement ends, however it ends.
struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn measure(
    settings: &Settings,
    program: &Path,
    endpoint: SocketAddr,
    slow: &tokio::runtime::Handle,
) -> anyhow::Result<()> {
    let address = free_port()?;
    let bootstrap = bootstrap(address, endpoint).to_string();
    let child = Command::new(program)
        .args(["--concurrency", "1", "--log-level", "error"])
        .args(["--config-yaml", &bootstrap])
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let proxy = Proxy(child);
    let pid = proxy.0.id();
    others::wait_until_served(address).await?;
    let phase = Duration::from_secs(settings.seconds);
    let (mut calm, mut pressed) = (Phases::default(), Phases::default());
    let mut dearest = 0;
    println!(
        "{:>14}  {:>9}  {:>9}  {:>9}",
        "slow clients", "p50 ms", "p99 ms", "RSS MiB"
    );
    calm.add(told(
        0,
        pid,
        ask_at_a_rate(address, settings.rate, phase).await?,
    ));
    for _ in 0..settings.rounds {
        let before = resident_bytes(pid).context("the proxy is gone")?;
        let crowd = slow.spawn(Crowd::gather(address, settings.clients));
        let crowd = crowd.await.context("the slow clients")??;
        pressed.add(told(
            settings.clients,
            pid,
            ask_at_a_rate(address, settings.rate, phase).await?,
        ));
        let grown = resident_bytes(pid).unwrap_or(0).saturating_sub(before);
        dearest = dearest.max(grown / settings.clients.max(1) as u64);
        let stayed = crowd.leave().await;
        if stayed < settings.clients {
            bail!("{} slow clients were cut off", settings.clients - stayed);
        }
        calm.add(told(
            0,
            pid,
            ask_at_a_rate(address, settings.rate, phase).await?,
        ));
    }
    report(settings, &calm, &pressed, dearest)
}

/// What several phases of a kind have seen.
#[derive(Default)]
struct Phases(Vec<Latencies>);

impl Phases {
    fn add(&mut self, seen: Latencies) {
        self.0.push(seen);
    }

    fn failed(&self) -> usize {
        self.0.iter().map(|seen| seen.failed).sum()
    }

    fn total(&self) -> usize {
        self.0.iter().map(Latencies::total).sum()
    }

    /// The middle of the phases' 99th percentiles: what the machine does in one of them does not
    /// decide.
    fn p99(&self) -> f64 {
        let mut each: Vec<_> = self.0.iter().map(|seen| seen.percentile(99.0)).collect();
        each.sort_by(f64::total_cmp);
        each.get(each.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

/// Prints what a phase has seen.
fn told(clients: usize, pid: u32, seen: Latencies) -> Latencies {
    let resident = resident_bytes(pid).unwrap_or(0) as f64 / (1 << 20) as f64;
    println!(
        "{clients:>14}  {:>9.2}  {:>9.2}  {resident:>9.1}",
        seen.percentile(50.0),
        seen.percentile(99.0),
    );
    seen
}

fn report(
    settings: &Settings,
    calm: &Phases,
    pressed: &Phases,
    dearest: u64,
) -> anyhow::Result<()> {
    let (without, with) = (calm.p99(), pressed.p99());
    let ratio = with / without;
    let failed = calm.failed() + pressed.failed();
    let checks = [
        (
            failed == 0,
            format!(
                "{failed} of {} requests of the others failed",
                calm.total() + pressed.total()
            ),
        ),
        (
            dearest <= MOST_BYTES,
            format!("a slow client costs {dearest} bytes of memory at most"),
        ),
        (
            ratio <= MOST_RATIO || !settings.strict,
            format!(
                "p99 of the others, the middle of the phases: {with:.2} ms with, {without:.2} ms \
                 without: {ratio:.2}"
            ),
        ),
    ];
    for (holds, what) in &checks {
        println!("{}  {what}", if *holds { "ok    " } else { "FAILED" });
    }
    let passed = checks.iter().filter(|(holds, _)| *holds).count();
    println!("{passed} passed, {} failed", checks.len() - passed);
    if passed < checks.len() {
        bail!("slow clients cost others too much");
    }
    Ok(())
}

fn bootstrap(address: SocketAddr, endpoint: SocketAddr) -> Value {
    let router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
    let manager = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.\
                   HttpConnectionManager";
    let route = json!({"match": {"prefix": "/"}, "route": {"cluster": "web", "timeout": "0s"}});
    json!({"static_resources": {
        "listeners": [{
            "name": "web",
            "address": socket_address(address),
            "filter_chains": [{"filters": [{"name": "hcm", "typed_config": {
                "@type": manager,
                "stat_prefix": "web",
                "http_filters": [{"name": "router", "typed_config": {"@type": router}}],
                "route_config": {"name": "r", "virtual_hosts": [
                    {"name": "v", "domains": ["*"], "routes": [route]},
                ]},
            }}]}],
        }],
        "clusters": [{
            "name": "web",
            "type": "STATIC",
            "connect_timeout": "5s",
            "circuit_breakers": {"thresholds": [
                {"max_connections": 20000, "max_requests": 20000, "max_pending_requests": 20000},
            ]},
            "load_assignment": {"cluster_name": "web", "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": socket_address(endpoint)}}]},
            ]},
        }],
    }})
}
