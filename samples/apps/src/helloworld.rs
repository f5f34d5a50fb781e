//! The demo application of Istio's first release: two pages that say which instance answered.

use std::time::Duration;

use http::StatusCode;

use crate::fake_service::own_addresses;
use crate::server::{self, Answer, Call};

/// Settings of the service.
#[derive(clap::Args)]
pub(crate) struct Settings {
    /// Where to listen.
    #[arg(long, env = "LISTEN_ADDR", default_value = "0.0.0.0:8080")]
    listen: String,
    /// The version on the pages.
    #[arg(long, env = "SERVICE_VERSION", default_value = "v1")]
    version: String,
    /// The host name on the pages.
    #[arg(long, env = "HOSTNAME", default_value = "unknown")]
    hostname: String,
}

/// How long the slow page takes.
const DELAY: Duration = Duration::from_secs(5);

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let page = std::sync::Arc::new(format!(
        "<html><body>\nHostAddress={}\nHostName={}\nSERVICE_VERSION={}\n</body></html>\n",
        own_addresses().join(","),
        settings.hostname,
        settings.version
    ));
    server::serve(&settings.listen, move |call: Call| {
        let page = std::sync::Arc::clone(&page);
        async move { answer(&call, &page).await }
    })
    .await
}

async fn answer(call: &Call, page: &str) -> Answer {
    match call.request.uri().path() {
        "/HelloWorld/index.jsp" => {
            server::reply(StatusCode::OK, "text/html; charset=utf-8", page.to_owned())
        }
        "/HelloWorld/delay.jsp" => {
            tokio::time::sleep(DELAY).await;
            server::reply(StatusCode::OK, "text/html; charset=utf-8", page.to_owned())
        }
        _ => server::reply(StatusCode::NOT_FOUND, "text/plain", "not found\n"),
    }
}
