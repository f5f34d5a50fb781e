//! Stand-ins of the applications that Istio's users know, in one binary, one sub-command each.
//!
//! They behave like the originals where a mesh can tell the difference: paths, statuses, bodies,
//! forwarded headers, connection handling. Settings come from the same environment variables.

mod catalog;
mod client;
mod echo;
mod fake_service;
mod forum;
mod grpc_echo;
mod helloworld;
mod http_echo;
mod httpbin;
mod server;
mod tcp_echo;
mod webapp;
mod whoami;

use clap::{Parser, Subcommand};

/// Sample applications to try a mesh with.
#[derive(Parser)]
#[command(name = "mesh-apps", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    app: App,
}

#[derive(Subcommand)]
enum App {
    /// The shop's catalog: `GET /items`, `GET /items/ID`, `POST /items`, `/blowup`.
    Catalog(catalog::Settings),
    /// The shop's front end, which calls catalog and forum.
    Webapp(webapp::Settings),
    /// The shop's forum: `GET /api/users`.
    Forum(forum::Settings),
    /// A service with configurable upstreams, delays and errors.
    FakeService(Box<fake_service::Settings>),
    /// Echoes requests: `/headers`, `/get`, `/ip`, `/status/CODE`, `/delay/SECONDS`, `/post`,
    /// `/anything`.
    Httpbin(httpbin::Settings),
    /// Greets, then echoes lines.
    TcpEcho(tcp_echo::Settings),
    /// Answers every request with one text.
    HttpEcho(http_echo::Settings),
    /// Echoes each gRPC message of any method, unary or streaming.
    GrpcEcho(grpc_echo::Settings),
    /// Says who it is and what it was asked.
    Whoami(whoami::Settings),
    /// Like whoami; fails or waits on demand, and remembers what it received.
    Echo(echo::Settings),
    /// The demo application of Istio's first release.
    Helloworld(helloworld::Settings),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    ferromesh_telemetry::init_logging("info", ferromesh_telemetry::LogFormat::Text)?;
    match Arguments::parse().app {
        App::Catalog(settings) => catalog::run(settings).await,
        App::Webapp(settings) => webapp::run(settings).await,
        App::Forum(settings) => forum::run(settings).await,
        App::FakeService(settings) => fake_service::run(*settings).await,
        App::Httpbin(settings) => httpbin::run(settings).await,
        App::TcpEcho(settings) => tcp_echo::run(settings).await,
        App::HttpEcho(settings) => http_echo::run(settings).await,
        App::GrpcEcho(settings) => grpc_echo::run(settings).await,
        App::Whoami(settings) => whoami::run(settings).await,
        App::Echo(settings) => echo::run(settings).await,
        App::Helloworld(settings) => helloworld::run(settings).await,
    }
}
