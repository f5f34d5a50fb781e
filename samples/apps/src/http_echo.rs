//! Answers every request with one text.

use http::StatusCode;

use crate::server;

/// Settings of the echo.
#[derive(clap::Args)]
pub(crate) struct Settings {
    /// Where to listen.
    #[arg(long, default_value = "0.0.0.0:5678")]
    listen: String,
    /// The answer; a line break is added.
    #[arg(long, env = "ECHO_TEXT", default_value = "hello")]
    text: String,
}

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let listen = if settings.listen.starts_with(':') {
        format!("0.0.0.0{}", settings.listen)
    } else {
        settings.listen
    };
    let text = bytes::Bytes::from(format!("{}\n", settings.text));
    server::serve(&listen, move |_| {
        let text = text.clone();
        async move { server::reply(StatusCode::OK, "text/plain; charset=utf-8", text) }
    })
    .await
}
