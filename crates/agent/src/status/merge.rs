//! Metrics of agent, data plane and application as one answer, in this order.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::http::{Method, header};
use tracing::debug;

use super::StatusState;
use crate::http_client::{Peer, request};

/// Prometheus' text format.
pub(super) const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// How long the application has; Prometheus itself gives ten seconds for everything.
const APPLICATION_TIMEOUT: Duration = Duration::from_secs(5);
/// The application's metrics are cut off as a whole beyond this.
const APPLICATION_LIMIT: usize = 10 << 20;

/// Content type and text. What cannot be had is left out: a broken application must not hide the
/// proxy's numbers.
pub(super) async fn all(state: &StatusState) -> (&'static str, String) {
    let (data_plane, application) = tokio::join!(state.data_plane.metrics(), of_application(state));
    let mut text = state.metrics.render();
    match data_plane {
        Ok(metrics) => append(&mut text, &metrics),
        Err(error) => debug!(error, "no metrics of the data plane"),
    }
    if let Some(metrics) = application {
        append(&mut text, &metrics);
    }
    (TEXT, text)
}

/// An end mark would hide everything after it.
fn append(text: &mut String, more: &str) {
    let more = more.trim_end().trim_end_matches("# EOF");
    text.push_str(more);
    if !text.ends_with('\n') {
        text.push('\n');
    }
}

async fn of_application(state: &StatusState) -> Option<String> {
    let scrape = state.settings.scrape.as_ref()?;
    let peer = Peer {
        address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), scrape.port),
        source: None,
        unverified_tls: false,
        timeout: APPLICATION_TIMEOUT,
        limit: APPLICATION_LIMIT,
    };
    let answer = match request(&peer, Method::GET, &scrape.path).await {
        Ok(answer) => answer,
        Err(error) => {
            debug!(%error, "no metrics of the application");
            return None;
        }
    };
    let kind = answer
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let text =
        kind.is_none_or(|kind| kind.starts_with("text/") || kind.contains("openmetrics-text"));
    if !answer.status().is_success() || !text {
        debug!(status = %answer.status(), kind, "metrics of the application are not usable");
        return None;
    }
    String::from_utf8(answer.into_body().into()).ok()
}

#[cfg(test)]
mod tests {
    use super::append;

    #[test]
    fn an_end_mark_in_the_middle_is_taken_out() {
        let mut text = "a 1\n".to_owned();
        append(&mut text, "b 2\n# EOF\n");
        append(&mut text, "c 3");
        assert_eq!(text, "a 1\nb 2\nc 3\n");
    }
}
