//! Our proxy and a stock Envoy side by side: the same bootstrap, the same requests, the same
//! misbehaving endpoints; what clients, endpoints and access logs see must be the same.
//!
//! | file | part |
//! |---|---|
//! | `row` | what a row says: config, endpoint, client, what must show, known differences |
//! | `endpoint` | the endpoint of a row: answers or misbehaves by its script, keeps what it saw |
//! | `client` | the client of a row: sends raw bytes, keeps what came back |
//! | `way` | how the client gets to the listener: in the clear, over TLS, by HTTP/2 |
//! | `http2` | client and endpoint that speak HTTP/2 |
//! | `tls` | both ends of TLS: the way to the listener, and an endpoint |
//! | `message` | raw HTTP/1.1 messages as both ends see them |
//! | `bootstrap` | one static bootstrap of all rows, a listener and a cluster each |
//! | `program` | endpoints, logs and listeners of one proxy |
//! | `observation` | what was seen, made comparable |
//! | `verdict` | comparing, with the notes of the row |

mod bootstrap;
mod client;
mod endpoint;
mod http2;
mod message;
mod observation;
mod program;
mod row;
mod tls;
mod verdict;
mod way;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;

pub use endpoint::Act;
pub use row::{Row, row};
pub use way::Way;

use super::proxy::Proxy;
use super::{Case, certificates};
use observation::{Observation, Seen};
use program::Stage;

/// Rows that run at a time: most of their time is waiting for timeouts.
const AT_A_TIME: usize = 12;

/// Runs all rows against both proxies and compares.
pub fn run(set: &str, rows: &[Row]) -> anyhow::Result<Vec<Case>> {
    let folder = crate::shell::target().join("conformance").join(set);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).context("clearing the last run")?;
    }
    // The same for both: certificates show in what is compared.
    let certificates = folder.join("certificates");
    std::fs::create_dir_all(&certificates)?;
    certificates::write(&certificates)?;
    let Some(envoy) = observe(&folder.join("envoy"), &certificates, rows, Proxy::envoy)? else {
        return Ok(Vec::new());
    };
    let ours = observe(&folder.join("ours"), &certificates, rows, |bootstrap| {
        Proxy::ours(bootstrap).map(Some)
    })?;
    let cases = rows
        .iter()
        .zip(envoy.iter().zip(ours.iter().flatten()))
        .map(|(row, (envoy, ours))| Case {
            name: row.name.to_owned(),
            differences: verdict::judge(row, envoy, ours),
        });
    Ok(cases.collect())
}

/// Starts one proxy with a listener per row and runs every row once. `None` where that proxy is not
/// to be had.
fn observe(
    folder: &Path,
    certificates: &Path,
    rows: &[Row],
    start: impl FnOnce(serde_json::Value) -> anyhow::Result<Option<Proxy>>,
) -> anyhow::Result<Option<Vec<Observation>>> {
    std::fs::create_dir_all(folder)?;
    let stage = Stage::prepare(folder, rows, certificates)?;
    let Some(proxy) = start(stage.bootstrap(rows, certificates))? else {
        return Ok(None);
    };
    let listeners = program::listeners(&proxy, rows)?;
    let next = AtomicUsize::new(0);
    let seen: Vec<Mutex<Option<Seen>>> = rows.iter().map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME.min(rows.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(row) = rows.get(index) else { return };
                    let answers = row.way.play(&row.client, listeners[index], certificates);
                    let log = observation::read_log(&stage.logs[index], row.lines);
                    let requests = stage.endpoints[index].seen();
                    *seen[index].lock().expect("no panic while held") = Some(Seen {
                        answers,
                        requests,
                        log,
                    });
                }
            });
        }
    });
    let observations = seen.into_iter().enumerate().map(|(index, seen)| {
        let seen = seen.into_inner().ok().flatten();
        let seen = seen.with_context(|| format!("row {} did not run", rows[index].name))?;
        let observation = Observation::new(&seen, &stage.names(index, listeners[index]));
        let shown = format!("{}\n{observation}", rows[index].name);
        std::fs::write(folder.join(format!("row-{index}.txt")), shown)?;
        Ok(observation)
    });
    observations.collect::<anyhow::Result<_>>().map(Some)
}
