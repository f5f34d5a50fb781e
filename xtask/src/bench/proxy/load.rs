//! Sending a case's load, and reading from the drivers what they did.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use ferromesh_bench::traffic::bulk::Received;
use ferromesh_bench::traffic::connect::Opened;
use ferromesh_bench::traffic::hold::Held;
use ferromesh_bench::traffic::rate::Latencies;

use super::case::{Case, Load};
use super::peer::Serving;
use super::setup::Bench;
use crate::cores::{drive, on_load_core};
use crate::ports::address;
use crate::shell;

/// Requests a second for latencies.
const RATE: &str = "1000";
/// Connections for the memory of idle ones.
const IDLE: &str = "1000";

/// Sends the load for `seconds`. Returns the CPU microseconds per request; for bulk bytes, per MiB.
pub fn cpu_micros(
    bench: &Bench,
    case: &Case,
    serving: &Serving,
    seconds: f64,
) -> anyhow::Result<f64> {
    let before = serving.cpu_time();
    let units = units(bench, case, serving.port, seconds)?;
    let used: Duration = serving.cpu_time().saturating_sub(before);
    anyhow::ensure!(units > 0.0, "no request was answered");
    Ok(used.as_secs_f64() * 1e6 / units)
}

fn units(bench: &Bench, case: &Case, port: u16, seconds: f64) -> anyhow::Result<f64> {
    match case.load {
        Load::Wrk { connections, path } => wrk(connections, port, path, seconds),
        Load::Http2 {
            connections,
            streams,
            grpc,
        } => h2load(bench, (connections, streams), grpc, port, seconds),
        Load::Connect { tls } => {
            let seconds = seconds.to_string();
            let address = address(port);
            let mut words = vec!["connect", &address, "--seconds", &seconds];
            words.extend(tls.iter().flat_map(|kind| ["--tls", kind]));
            let opened: Opened = drive(&bench.driver, &words)?;
            Ok(opened.requests as f64)
        }
        Load::Bulk => {
            let seconds = seconds.to_string();
            let address = address(port);
            let received: Received =
                drive(&bench.driver, &["bulk", &address, "--seconds", &seconds])?;
            Ok(received.bytes as f64 / f64::from(1 << 20))
        }
    }
}

fn wrk(connections: u32, port: u16, path: &str, seconds: f64) -> anyhow::Result<f64> {
    let connections = format!("-c{connections}");
    let duration = format!("-d{}s", seconds.ceil());
    let url = format!("http://{}{path}", address(port));
    let said = shell::output(on_load_core("wrk").args(["-t1", &connections, &duration, &url]))?;
    for wrong in ["Non-2xx", "Socket errors"] {
        if let Some(line) = said.lines().find(|line| line.contains(wrong)) {
            bail!("wrk: {}", line.trim());
        }
    }
    number_before(&said, " requests in ").context("wrk said nothing of its requests")
}

fn h2load(
    bench: &Bench,
    (connections, streams): (u32, u32),
    grpc: bool,
    port: u16,
    seconds: f64,
) -> anyhow::Result<f64> {
    let mut command = on_load_core("h2load");
    command
        .args([
            "-t",
            "1",
            "-c",
            &connections.to_string(),
            "-m",
            &streams.to_string(),
        ])
        .args(["-D", &seconds.ceil().to_string()]);
    if grpc {
        // One empty message: its header alone.
        let message = bench.folder.join("message");
        std::fs::write(&message, [0; 5])?;
        command.arg("-d").arg(message);
        command.args(["-H", "content-type: application/grpc", "-H", "te: trailers"]);
    }
    command.arg(format!("http://{}/bench.Echo/Unary", address(port)));
    let said = shell::output(&mut command)?;
    if number_before(&said, " failed,").is_none_or(|failed| failed > 0.0) {
        bail!(
            "h2load: {}",
            said.lines()
                .find(|line| line.contains("failed"))
                .unwrap_or("?")
        );
    }
    number_before(&said, " succeeded,").context("h2load said nothing of its requests")
}

/// Makes exactly `requests` requests of an HTTP case, whatever the time that takes.
pub fn http_requests(case: &Case, port: u16, requests: u64) -> anyhow::Result<()> {
    let mut command = on_load_core("h2load");
    command.args(["-t", "1", "-n", &requests.to_string()]);
    let path = match case.load {
        Load::Wrk { path, .. } => {
            command.args(["--h1", "-c", "16"]);
            path
        }
        Load::Http2 { .. } => {
            command.args(["-c", "4", "-m", "10"]);
            "/bench.Echo/Unary"
        }
        _ => bail!("{} has no HTTP requests", case.name),
    };
    let said = shell::output(command.arg(format!("http://{}{path}", address(port))))?;
    let succeeded = number_before(&said, " succeeded,");
    if succeeded != Some(requests as f64) {
        bail!("h2load: {succeeded:?} of {requests} requests succeeded");
    }
    Ok(())
}

/// The number in front of a text.
fn number_before(said: &str, text: &str) -> Option<f64> {
    let (before, _) = said.split_once(text)?;
    before.rsplit([' ', '\n']).next()?.trim().parse().ok()
}

/// Latencies at a fixed rate on `port`.
pub fn latencies(bench: &Bench, port: u16, path: &str, seconds: f64) -> anyhow::Result<Latencies> {
    let (address, seconds) = (address(port), seconds.to_string());
    let rate = ["--rate", RATE, "--seconds", &seconds, "--path", path];
    let words: Vec<&str> = ["rate", &address].into_iter().chain(rate).collect();
    drive(&bench.driver, &words)
}

/// The proxy's memory in MiB while it keeps idle connections.
pub fn idle_mib(bench: &Bench, serving: &Serving) -> anyhow::Result<f64> {
    let mut child = on_load_core(&bench.driver.display().to_string())
        .args(["hold", &address(serving.port), "--connections", IDLE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let out = child.stdout.take().context("the driver has an output")?;
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line)?;
    let held: Result<Held, _> = serde_json::from_str(&line);
    // What the load before needed is given back by and by.
    std::thread::park_timeout(Duration::from_secs(6));
    let resident = serving.resident_mib();
    drop(child.stdin.take());
    child.wait()?;
    held.context("the driver could not keep its connections")?;
    Ok(resident)
}
