//! The checks, in the order in which the demo tells its story. Times are shown and reported, and
//! fail nothing: machines differ.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use ferromesh_bench::load::{self, Outcome, Plan, Target};
use ferromesh_bench::process;
use serde_json::Value;

use super::mesh::{HOST, Mesh, PATIENCE, list};
use super::report::Report;
use super::{Settings, churn, edits};

const SHOP: &str = "istioinaction";
const CLIENT: &str = "legacy/deploy/sleep";
/// Memory that an idle sidecar of ours may use.
const SIDECAR_MIB: f64 = 20.0;

pub async fn run(mesh: &Mesh, settings: &Settings, report: &mut Report) -> anyhow::Result<()> {
    through_the_shop(mesh, report).await?;
    encrypted_between_sidecars(mesh, report)?;
    outsiders(mesh, report).await?;
    canary(mesh, report).await?;
    edit_at_the_gateway(mesh, report).await?;
    pod_start(mesh, report).await?;
    memory(mesh, settings, report)?;
    churn::control_plane_restart(mesh, settings, report).await?;
    churn::certificates(mesh, settings, report).await?;
    churn::everything(mesh, settings, report).await?;
    no_rejections(mesh, report)
}

pub fn catalog_target(mesh: &Mesh) -> Target {
    Target {
        address: mesh.gateway(),
        host: HOST.to_owned(),
        path: "/api/catalog".to_owned(),
    }
}

async fn requests(mesh: &Mesh, count: usize) -> Outcome {
    let plan = Plan {
        connections: 8,
        rate: 0,
        duration: Duration::from_secs(60),
        requests: count,
    };
    load::run(
        catalog_target(mesh),
        plan,
        "imageUrl",
        Arc::new(AtomicBool::new(false)),
    )
    .await
}

pub fn failures(outcome: &Outcome) -> String {
    let reasons: Vec<String> = outcome
        .reasons
        .iter()
        .map(|(reason, count)| format!("{count}× {reason}"))
        .collect();
    format!(
        "{} of {} requests failed: {}",
        outcome.failed,
        outcome.sent,
        reasons.join(", ")
    )
}

async fn through_the_shop(mesh: &Mesh, report: &mut Report) -> anyhow::Result<()> {
    let began = Instant::now();
    while requests(mesh, 1).await.failed > 0 {
        if began.elapsed() > PATIENCE {
            bail!(
                "the shop does not answer at http://{}: {}",
                mesh.gateway(),
                failures(&requests(mesh, 1).await)
            );
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let outcome = requests(mesh, 200).await;
    let figures = [
        ("shop_p50_ms", outcome.percentile_ms(0.5)),
        ("shop_p99_ms", outcome.percentile_ms(0.99)),
    ];
    report.check(
        "gateway → webapp → catalog",
        outcome.failed == 0,
        &failures(&outcome),
        &figures,
    );
    Ok(())
}

/// The echo shows what its sidecar learnt of the caller: both identities are in one header.
fn encrypted_between_sidecars(mesh: &Mesh, report: &mut Report) -> anyhow::Result<()> {
    let name = "the hop between sidecars is mutual TLS";
    let webapp = format!("{SHOP}/deploy/webapp");
    let url = format!("http://httpbin.{SHOP}/headers");
    let text = mesh.exec_text(&webapp, &["curl", "-s", "--max-time", "10", &url])?;
    let answer: Value =
        serde_json::from_str(&text).with_context(|| format!("the echo said: {text}"))?;
    let xfcc = answer["headers"]["X-Forwarded-Client-Cert"]
        .as_str()
        .unwrap_or_default();
    let id = |account: &str| format!("spiffe://cluster.local/ns/{SHOP}/sa/{account}");
    let (by, uri) = (
        format!("By={}", id("httpbin")),
        format!("URI={}", id("webapp")),
    );
    let held = xfcc.contains(&by) && xfcc.contains(&uri) && xfcc.contains("Hash=");
    report.check(
        name,
        held,
        &format!("x-forwarded-client-cert is {xfcc:?}"),
        &[],
    );
    if held {
        println!("         {} → {}", id("webapp"), id("httpbin"));
    }
    Ok(())
}

fn outsider_status(mesh: &Mesh) -> anyhow::Result<String> {
    let url = format!("http://httpbin.{SHOP}/headers");
    let format = [
        "-s",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "--max-time",
        "5",
    ];
    let output = mesh.exec(CLIENT, &[&["curl"], &format[..], &[&url]].concat())?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

async fn outsiders(mesh: &Mesh, report: &mut Report) -> anyhow::Result<()> {
    let status = outsider_status(mesh)?;
    let name = "a client outside of the mesh is served (PERMISSIVE)";
    report.check(name, status == "200", &format!("status {status}"), &[]);
    edits::strict(mesh.config())?;
    let began = Instant::now();
    let mut status = outsider_status(mesh)?;
    while status != "000" && began.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(20)).await;
        status = outsider_status(mesh)?;
    }
    let figures = [("strict_effective_ms", ms(began))];
    let inside = requests(mesh, 50).await;
    let held = status == "000" && inside.failed == 0;
    let why = format!("status {status}; inside: {}", failures(&inside));
    report.check(
        "and refused under STRICT, while the mesh goes on",
        held,
        &why,
        &figures,
    );
    edits::permissive(mesh.config())
}

async fn canary(mesh: &Mesh, report: &mut Report) -> anyhow::Result<()> {
    let before = requests(mesh, 200).await;
    edits::catalog_weights(mesh.config(), 90, 10)?;
    let began = Instant::now();
    while requests(mesh, 10).await.marked == 0 && began.elapsed() < PATIENCE {}
    let effective = ms(began);
    let after = requests(mesh, 1000).await;
    let share = after.marked as f64 / 10.0;
    // 10 % of 1,000 with a standard deviation of 9.5: four of them either way.
    let held = before.marked == 0
        && before.failed + after.failed == 0
        && (62..=138).contains(&after.marked);
    let why = format!(
        "before {} to v2, after {}; {}",
        before.marked,
        after.marked,
        failures(&after)
    );
    let figures = [
        ("canary_percent", share),
        ("canary_first_seen_ms", effective),
    ];
    report.check(
        "a weight edit moves 10 % of 1,000 requests to v2",
        held,
        &why,
        &figures,
    );
    Ok(())
}

async fn edit_at_the_gateway(mesh: &Mesh, report: &mut Report) -> anyhow::Result<()> {
    let mut slowest: f64 = 0.0;
    let mut times = Vec::new();
    for round in 0..5 {
        let target = format!("/edit-{round}");
        edits::gateway_redirect(mesh.config(), &target)?;
        let began = Instant::now();
        while !redirects_to(mesh, &target)? {
            if began.elapsed() > PATIENCE {
                bail!("the gateway does not redirect to {target}");
            }
        }
        slowest = slowest.max(ms(began));
        times.push(ms(began));
    }
    times.sort_by(f64::total_cmp);
    let figures = [
        ("edit_to_gateway_ms", times[2]),
        ("edit_to_gateway_max_ms", slowest),
    ];
    report.held("an edit is effective at the gateway", &figures);
    Ok(())
}

fn redirects_to(mesh: &Mesh, target: &str) -> anyhow::Result<bool> {
    let url = format!("http://{}/", mesh.gateway());
    let output = crate::shell::capture(std::process::Command::new("curl").args([
        "-s",
        "-o",
        "/dev/null",
        "-w",
        "%{redirect_url}",
        "--max-time",
        "5",
        "-H",
        "Host: edited.istioinaction.io",
        &url,
    ]))?;
    Ok(String::from_utf8_lossy(&output.stdout)
        .trim()
        .ends_with(target))
}

async fn pod_start(mesh: &Mesh, report: &mut Report) -> anyhow::Result<()> {
    let mut times = Vec::new();
    for _ in 0..3 {
        edits::catalog_replicas(mesh.config(), 2)?;
        let began = Instant::now();
        wait_for_catalog(mesh, 2).await?;
        times.push(began.elapsed().as_secs_f64());
        edits::catalog_replicas(mesh.config(), 1)?;
        wait_for_catalog(mesh, 1).await?;
    }
    times.sort_by(f64::total_cmp);
    let figures = [("pod_start_s", times[1])];
    report.held("a pod starts", &figures);
    Ok(())
}

pub async fn wait_for_catalog(mesh: &Mesh, pods: usize) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let running = mesh.pods(SHOP, "catalog-v1")?;
        if running.len() == pods && running.iter().all(|pod| pod["ready"] == true) {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            bail!("catalog-v1 does not get to {pods} ready pods: {running:?}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn memory(mesh: &Mesh, settings: &Settings, report: &mut Report) -> anyhow::Result<()> {
    let pid = mesh.process(SHOP, "forum", "istio-proxy")?;
    let mib = |pid| process::resident_bytes(pid).unwrap_or_default() as f64 / 1_048_576.0;
    let sidecar = mib(pid);
    let meshd = mib(mesh.process("istio-system", "istiod", "discovery")?);
    let figures = [("sidecar_rss_mib", sidecar), ("meshd_rss_mib", meshd)];
    // A stock Envoy has a figure of its own, which is not ours to promise.
    let held = settings.data_plane == "envoy" || (sidecar > 0.0 && sidecar <= SIDECAR_MIB);
    report.check("an idle sidecar is small", held, "too large", &figures);
    Ok(())
}

fn no_rejections(mesh: &Mesh, report: &mut Report) -> anyhow::Result<()> {
    let status = mesh.debug("syncz")?;
    let (mut rejected, mut proxies, mut detail) = (0, 0, String::new());
    for proxy in status.as_array().into_iter().flatten() {
        proxies += 1;
        for kind in list(proxy, "types") {
            let count = kind["nacks"].as_u64().unwrap_or(0);
            rejected += count;
            if count > 0 {
                detail = format!("{} {}: {}", proxy["proxy"], kind["type"], kind["error"]);
            }
        }
    }
    let held = rejected == 0 && proxies >= 5;
    let figures = [("nacks", rejected as f64), ("proxies", f64::from(proxies))];
    report.check("no proxy rejected anything", held, &detail, &figures);
    Ok(())
}

/// Kills everything without warning, then looks at what `down` leaves.
pub fn leaves_nothing_behind(mesh: &Mesh, report: &mut Report) {
    let name = "killed without warning and taken down, nothing is left";
    let outcome = mesh
        .kill_everything()
        .and_then(|()| mesh.down())
        .and_then(|()| mesh.leftovers());
    match outcome {
        Ok(left) => report.check(
            name,
            left.is_empty(),
            &left.join("; "),
            &[("leftovers", left.len() as f64)],
        ),
        Err(error) => report.failed(name, &format!("{error:#}")),
    }
}

fn ms(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1000.0
}
