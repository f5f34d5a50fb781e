//! Says where it runs and repeats the request's head.

use http::StatusCode;

use crate::fake_service::{own_addresses, title_case};
use crate::server::{self, Call};

/// Settings of the service.
#[derive(clap::Args)]
pub(crate) struct Settings {
    /// Where to listen.
    #[arg(long, env = "LISTEN_ADDR", default_value = "0.0.0.0:80")]
    listen: String,
    /// The host name in the answer.
    #[arg(long, env = "HOSTNAME", default_value = "unknown")]
    hostname: String,
}

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let hostname = settings.hostname;
    server::serve(&settings.listen, move |call| {
        let text = text(&call, &hostname);
        async move { server::reply(StatusCode::OK, "text/plain; charset=utf-8", text) }
    })
    .await
}

/// Who answers, and the head of the request.
pub(crate) fn text(call: &Call, hostname: &str) -> String {
    let request = &call.request;
    let mut text = format!("Hostname: {hostname}\n");
    for address in own_addresses() {
        text.push_str(&format!("IP: {address}\n"));
    }
    text.push_str(&format!("RemoteAddr: {}\n", call.peer));
    text.push_str(&format!(
        "{} {} {:?}\n",
        request.method(),
        request.uri(),
        request.version()
    ));
    for (name, value) in request.headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        text.push_str(&format!("{}: {value}\n", title_case(name.as_str())));
    }
    text
}
