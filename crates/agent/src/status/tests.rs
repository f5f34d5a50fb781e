//! The status server over a real loopback socket.

use std::collections::BTreeMap;
use std::time::Duration;

use ferromesh_runtime::Publisher;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::*;
use crate::http_client::{Peer, request};
use crate::settings::{AppProbe, HttpProbe, ProbeKind, ScrapeSettings};

struct Unready;

impl DataPlaneControl for Unready {
    fn ready(&self) -> BoxFuture<'_, Result<(), String>> {
        async { Err("no listeners yet".to_owned()) }.boxed()
    }

    fn metrics(&self) -> BoxFuture<'_, Result<String, String>> {
        async { Ok("proxy_number 2\n".to_owned()) }.boxed()
    }

    fn drain(&self) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }
}

async fn start(router: Router) -> SocketAddr {
    let address = "127.0.0.1:0".parse().expect("an address");
    let shelf = ferromesh_net::SocketShelf::new();
    let (bound, serving) = serve("test", address, router, &shelf).expect("bound");
    tokio::spawn(serving);
    bound
}

async fn state(application: SocketAddr) -> Arc<StatusState> {
    let made = rcgen::generate_simple_self_signed(["a".to_owned()]).expect("made");
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let now = std::time::SystemTime::now();
    let made = crate::certificate::WorkloadCertificate::new(chain.clone(), key, chain, now);
    let certificate = Some(Arc::new(made.expect("usable")));
    let probe = AppProbe {
        kind: ProbeKind::Http(HttpProbe {
            port: application.port(),
            path: "/health".to_owned(),
            https: false,
            headers: vec![("x-probe".to_owned(), "yes".to_owned())],
        }),
        timeout: Duration::from_secs(5),
    };
    let tcp = AppProbe {
        kind: ProbeKind::Tcp {
            port: application.port(),
        },
        timeout: Duration::from_secs(5),
    };
    Arc::new(StatusState {
        settings: StatusSettings {
            port: 0,
            app_probes: BTreeMap::from([
                ("/app-health/app/readyz".to_owned(), probe),
                ("/app-health/app/livez".to_owned(), tcp),
            ]),
            scrape: Some(ScrapeSettings {
                port: application.port(),
                path: "/metrics".to_owned(),
            }),
        },
        data_plane: Arc::new(Unready),
        metrics: AgentMetrics {
            dns: Arc::default(),
            discovery: Arc::default(),
            certificate: Publisher::new(certificate).reader(),
        },
        names: Publisher::new(NameIndex::default()).reader(),
        application: application.ip(),
        quit: Arc::default(),
        rotate: watch::channel(0).0,
    })
}

async fn application() -> SocketAddr {
    let health = |headers: HeaderMap| async move {
        if headers.contains_key("x-probe") {
            StatusCode::OK
        } else {
            StatusCode::IM_A_TEAPOT
        }
    };
    let router = Router::new()
        .route("/health", get(health))
        .route("/metrics", get(|| async { "app_number 3\n# EOF\n" }));
    start(router).await
}

async fn ask(server: SocketAddr, path: &str) -> (u16, String) {
    let peer = Peer::local(server.port(), Duration::from_secs(5));
    let answer = request(&peer, http::Method::GET, path)
        .await
        .expect("answered");
    let text = String::from_utf8_lossy(answer.body()).into_owned();
    (answer.status().as_u16(), text)
}

#[tokio::test]
async fn an_unready_data_plane_says_why() {
    let server = start(status_router(state(application().await).await)).await;
    assert_eq!(
        ask(server, "/healthz/ready").await,
        (503, "no listeners yet\n".to_owned())
    );
}

#[tokio::test]
async fn metrics_of_all_three_come_as_one() {
    let server = start(status_router(state(application().await).await)).await;
    let (status, text) = ask(server, "/stats/prometheus").await;
    assert_eq!(status, 200);
    assert!(
        text.contains("istio_agent_dns_requests_total 0\n"),
        "{text}"
    );
    assert!(text.ends_with("proxy_number 2\napp_number 3\n"), "{text}");
}

#[tokio::test]
async fn probes_reach_the_application_and_unknown_ones_are_refused() {
    let server = start(status_router(state(application().await).await)).await;
    assert_eq!(ask(server, "/app-health/app/readyz").await.0, 200);
    assert_eq!(ask(server, "/app-health/app/livez").await.0, 200);
    let (status, text) = ask(server, "/app-health/other/readyz").await;
    assert_eq!(status, 404);
    assert!(text.contains("/app-health/app/readyz"), "{text}");
}

#[tokio::test]
async fn the_process_is_told_to_leave_from_the_same_host() {
    let state = state(application().await).await;
    let quit = Arc::clone(&state.quit);
    let server = start(status_router(state)).await;
    let peer = Peer::local(server.port(), Duration::from_secs(5));
    let answer = request(&peer, http::Method::POST, "/quitquitquit")
        .await
        .expect("answered");
    assert_eq!(answer.status(), 200);
    quit.notified().await;
}
