//! `request`, `wait` and `version`: short talks with a running proxy.

use std::io::{self, Write as _};
use std::time::Duration;

use anyhow::{Context as _, bail};
use ferromesh_agent::http_client::{Peer, request as ask};

use crate::command_line::{RequestOptions, WaitOptions};

const TIMEOUT: Duration = Duration::from_mins(1);

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.context("starting a runtime")
}

pub(crate) fn request(options: &RequestOptions) -> anyhow::Result<()> {
    let mut peer = Peer::local(options.debug_port, TIMEOUT);
    // A configuration dump of a large mesh is long, and this is a person's request.
    peer.limit = usize::MAX;
    let path = format!("/{}", options.path.trim_start_matches('/'));
    let method = options
        .method
        .to_ascii_uppercase()
        .parse()
        .context("the method")?;
    let answer = runtime()?.block_on(ask(&peer, method, &path))?;
    let text = String::from_utf8_lossy(answer.body()).into_owned();
    if !answer.status().is_success() {
        bail!("{} answered {}: {}", path, answer.status(), text.trim_end());
    }
    answer_with(&text)
}

pub(crate) fn wait(options: &WaitOptions) -> anyhow::Result<()> {
    let period = Duration::from_millis(options.period_millis.max(1));
    let peer = Peer::local(
        options.port,
        Duration::from_millis(options.request_timeout_millis),
    );
    let limit = Duration::from_secs(options.timeout_seconds);
    runtime()?.block_on(async {
        let mut last = String::from("no answer");
        let waiting = async {
            let mut tries = tokio::time::interval(period);
            loop {
                tries.tick().await;
                match ask(&peer, http::Method::GET, "/healthz/ready").await {
                    Ok(answer) if answer.status().is_success() => return,
                    Ok(answer) => last = String::from_utf8_lossy(answer.body()).into_owned(),
                    Err(error) => last = error.to_string(),
                }
            }
        };
        if tokio::time::timeout(limit, waiting).await.is_err() {
            bail!("not ready after {limit:?}: {}", last.trim_end());
        }
        Ok(())
    })
}

pub(crate) fn version() -> anyhow::Result<()> {
    answer_with(&format!("meshproxy {}\n", env!("CARGO_PKG_VERSION")))
}

/// Writes to standard output; a reader that has seen enough (`| head`) is no error.
fn answer_with(text: &str) -> anyhow::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("writing"),
        _ => Ok(()),
    }
}
