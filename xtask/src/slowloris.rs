//! `cargo xtask slowloris`: thousands of clients that send a byte a second, and what others feel.
//!
//! Half of them never finish the head of their request, half send a long body. Beside them a few
//! clients ask at a fixed rate, in phases with and without the slow ones that alternate, so that
//! what the machine does besides falls on both. The proxy has a core of its own; the slow clients get
//! what the others leave of the other one, so that they cannot be what the others wait for.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use ferromesh_bench::process::{resident_bytes, tree_cpu_time};
use ferromesh_bench::traffic::crowd::Present;
use ferromesh_bench::traffic::rate::Latencies;
use serde_json::{Value, json};

use crate::cores::{Awake, LOAD_CORE, PROXY_CORE, Running, check_cores, drive, idly};
use crate::ports::{address, free_port, wait_for};
use crate::spread::lower_quarter;
use crate::{build, shell};

/// Settings of `cargo xtask slowloris`.
#[derive(clap::Args)]
#[command(after_help = "\
Prints the 99th percentile of the others' answers with and without the slow clients, and the memory
that a slow client costs; seconds in which the machine's host took the cores away are disturbed, and
count only where there are no others. Fails when a request of the others does, when a slow client is cut off or
costs more than 64 KiB, or, with --strict, when the percentile grows by more than 10 %. Run it on a
quiet machine with two cores at least.")]
pub struct Settings {
    /// How many slow clients.
    #[arg(long, default_value_t = 5000)]
    clients: usize,
    /// Phases with the slow clients; one more is without.
    #[arg(long, default_value_t = 9)]
    rounds: u32,
    /// Seconds of a phase.
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Requests per second of the others.
    #[arg(long, default_value_t = 1000)]
    rate: u32,
    /// Fail when the others' 99th percentile grows by more than 10 %.
    #[arg(long)]
    strict: bool,
    /// A meshproxy, or an Envoy to compare with, instead of building one.
    #[arg(long)]
    program: Option<PathBuf>,
}

/// What a slow client may cost the proxy, and what is allowed to the others' 99th percentile.
const MOST_BYTES: u64 = 64 * 1024;
const MOST_RATIO: f64 = 1.1;

/// The ports in play.
struct Ports {
    proxy: u16,
    /// Answers the others.
    quick: u16,
    /// Reads what the slow clients send.
    slow: u16,
}

pub fn run(settings: &Settings) -> anyhow::Result<()> {
    check_cores()?;
    let measured = match &settings.program {
        Some(program) => build::Measured::Program(program.clone()),
        None => build::Measured::Profile("release".to_owned()),
    };
    let (program, driver) = build::measured(&measured)?;
    allow_descriptors(settings.clients)?;
    let folder = shell::target().join("slowloris");
    std::fs::create_dir_all(&folder)?;
    let ports = Ports {
        proxy: free_port()?,
        quick: free_port()?,
        slow: free_port()?,
    };
    let log = |name: &str| folder.join(name);
    // The driver's upstream has two more doors, which nobody uses here.
    let others = [free_port()?, free_port()?].map(address);
    let words = ["upstream", &address(ports.quick), &others[0], &others[1]];
    let _upstream = Running::start(LOAD_CORE, &driver, &words, &log("upstream.log"))?;
    let config = bootstrap(&ports).to_string();
    let words = [
        "--concurrency",
        "1",
        "--log-level",
        "error",
        "--config-yaml",
        &config,
    ];
    let proxy = Running::start(PROXY_CORE, &program, &words, &log("proxy.log"))?;
    wait_for(ports.proxy).with_context(|| format!("see {}", log("proxy.log").display()))?;
    let _awake = Awake::keep(PROXY_CORE, &driver)?;
    measure(settings, &driver, &ports, &proxy)
}

/// Both the slow clients' process and the proxy, which inherit the limit, hold thousands of sockets: a
/// slow client is one, and its request's body another one at the endpoint.
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

fn measure(
    settings: &Settings,
    driver: &Path,
    ports: &Ports,
    proxy: &Running,
) -> anyhow::Result<()> {
    let mut seen = Seen::default();
    println!(
        "{:>14}  {:>9}  {:>9}  {:>9}  {:>9}  {:>9}",
        "slow clients", "p50 ms", "p99 ms", "disturbed", "CPU %", "RSS MiB"
    );
    seen.calm.extend(phase(settings, driver, ports, proxy, 0)?);
    for _ in 0..settings.rounds {
        let before = resident_bytes(proxy.id()).context("the proxy is gone")?;
        let crowd = Crowd::gather(driver, ports, settings.clients)?;
        let clients = settings.clients;
        seen.pressed
            .extend(phase(settings, driver, ports, proxy, clients)?);
        let after = resident_bytes(proxy.id()).context("the proxy is gone")?;
        let each = after.saturating_sub(before) / clients.max(1) as u64;
        seen.dearest = seen.dearest.max(each);
        let stayed = crowd.leave()?;
        if stayed < clients {
            bail!("{} slow clients were cut off", clients - stayed);
        }
        seen.calm.extend(phase(settings, driver, ports, proxy, 0)?);
    }
    report(settings, &seen)
}

/// What the phases of each kind have seen, second by second.
#[derive(Default)]
struct Seen {
    calm: Vec<Second>,
    pressed: Vec<Second>,
    /// The most bytes of the proxy that a slow client took.
    dearest: u64,
}

/// What the others saw within a second.
struct Second {
    latencies: Latencies,
    /// The machine's host had the cores for some of it.
    disturbed: bool,
}

/// The others ask while `clients` slow ones are there; one that fails ends the run.
fn phase(
    settings: &Settings,
    driver: &Path,
    ports: &Ports,
    proxy: &Running,
    clients: usize,
) -> anyhow::Result<Vec<Second>> {
    // The slow clients keep it awake themselves.
    let awake = (clients == 0).then(|| Awake::keep(LOAD_CORE, driver));
    let _awake = awake.transpose()?;
    let (rate, at) = (settings.rate.to_string(), address(ports.proxy));
    let words = ["rate", &at, "--rate", &rate, "--seconds", "1"];
    let mut seconds = Vec::new();
    let (began, before) = (Instant::now(), tree_cpu_time(proxy.id()));
    for _ in 0..settings.seconds {
        let stolen = stolen_ticks();
        let latencies = drive(driver, &words).context("a request of the others failed")?;
        seconds.push(Second {
            latencies,
            disturbed: stolen_ticks() != stolen,
        });
    }
    let used = tree_cpu_time(proxy.id()).saturating_sub(before);
    let quarter = |part: fn(&Latencies) -> f64| quarter(&seconds, part).unwrap_or(f64::NAN);
    println!(
        "{clients:>14}  {:>9.3}  {:>9.3}  {:>9}  {:>9.1}  {:>9.1}",
        quarter(|seen| seen.p50_ms),
        quarter(|seen| seen.p99_ms),
        seconds.iter().filter(|second| second.disturbed).count(),
        100.0 * used.as_secs_f64() / began.elapsed().as_secs_f64(),
        resident_bytes(proxy.id()).unwrap_or(0) as f64 / f64::from(1 << 20),
    );
    Ok(seconds)
}

/// What a quarter of the seconds stay below: the machine does something else in most of them, and that
/// must not decide. Of the undisturbed ones, if there are any.
fn quarter(seconds: &[Second], part: impl Fn(&Latencies) -> f64) -> Option<f64> {
    let of = |disturbed: bool| {
        let seconds = seconds.iter().filter(|each| each.disturbed == disturbed);
        lower_quarter(seconds.map(|second| part(&second.latencies)))
    };
    of(false).or_else(|| of(true))
}

/// How long a virtual machine's host has had the cores while there was work to do, in clock ticks.
fn stolen_ticks() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    let cores = stat.lines().next()?;
    cores.split_whitespace().nth(8)?.parse().ok()
}

/// The process of the slow clients; killed when the measurement ends, however it ends.
struct Crowd {
    process: Child,
    said: BufReader<ChildStdout>,
}

impl Crowd {
    /// Waits until all are connected.
    fn gather(driver: &Path, ports: &Ports, clients: usize) -> anyhow::Result<Self> {
        // Whoever else wants the core has it at once.
        let mut process = idly(LOAD_CORE, driver)
            .args(["crowd", &address(ports.proxy), &address(ports.slow)])
            .args(["--clients", &clients.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the slow clients")?;
        let said = process.stdout.take().context("they have an output")?;
        let mut crowd = Self {
            process,
            said: BufReader::new(said),
        };
        let connected = crowd.present()?;
        if connected < clients {
            bail!("{connected} of {clients} slow clients are connected");
        }
        // Until each has begun to send.
        std::thread::park_timeout(Duration::from_secs(2));
        Ok(crowd)
    }

    /// Ends all; how many were still connected.
    fn leave(mut self) -> anyhow::Result<usize> {
        drop(self.process.stdin.take());
        let stayed = self.present()?;
        self.process.wait()?;
        // The proxy learns that they are gone.
        std::thread::park_timeout(Duration::from_secs(1));
        Ok(stayed)
    }

    fn present(&mut self) -> anyhow::Result<usize> {
        let mut line = String::new();
        self.said.read_line(&mut line)?;
        let present: Present =
            serde_json::from_str(&line).context("the slow clients could not go on")?;
        Ok(present.clients)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn report(settings: &Settings, seen: &Seen) -> anyhow::Result<()> {
    let p99 = |seconds: &[Second]| quarter(seconds, |seen| seen.p99_ms);
    let without = p99(&seen.calm).context("no phases")?;
    let with = p99(&seen.pressed).context("no phases with slow clients")?;
    let ratio = with / without;
    let seconds = seen.calm.iter().chain(&seen.pressed);
    let requests: usize = seconds.map(|second| second.latencies.requests).sum();
    println!("ok      {requests} requests of the others, 0 failed");
    let checks = [
        (
            seen.dearest <= MOST_BYTES,
            format!(
                "a slow client costs {} bytes of memory at most",
                seen.dearest
            ),
        ),
        (
            ratio <= MOST_RATIO || !settings.strict,
            format!(
                "p99 of the others, in the quietest quarter of the seconds: {with:.3} ms with, {without:.3} ms \
                 without: {ratio:.2}"
            ),
        ),
    ];
    for (holds, what) in &checks {
        println!("{}  {what}", if *holds { "ok    " } else { "FAILED" });
    }
    if checks.iter().any(|(holds, _)| !holds) {
        bail!("slow clients cost others too much");
    }
    Ok(())
}

fn bootstrap(ports: &Ports) -> Value {
    let router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
    let manager = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.\
                   HttpConnectionManager";
    let route = |prefix: &str, cluster: &str| json!({"match": {"prefix": prefix}, "route": {"cluster": cluster, "timeout": "0s"}});
    let socket =
        |port: u16| json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    let cluster = |name: &str, port: u16| {
        json!({
            "name": name,
            "type": "STATIC",
            "connect_timeout": "5s",
            "circuit_breakers": {"thresholds": [
                {"max_connections": 20000, "max_requests": 20000, "max_pending_requests": 20000},
            ]},
            "load_assignment": {"cluster_name": name, "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": socket(port)}}]},
            ]},
        })
    };
    json!({"static_resources": {
        "listeners": [{
            "name": "web",
            "address": socket(ports.proxy),
            "filter_chains": [{"filters": [{"name": "hcm", "typed_config": {
                "@type": manager,
                "stat_prefix": "web",
                "http_filters": [{"name": "router", "typed_config": {"@type": router}}],
                "route_config": {"name": "r", "virtual_hosts": [{
                    "name": "v",
                    "domains": ["*"],
                    "routes": [route("/slow", "slow"), route("/", "quick")],
                }]},
            }}]}],
        }],
        "clusters": [cluster("quick", ports.quick), cluster("slow", ports.slow)],
    }})
}
