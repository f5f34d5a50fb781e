//! Asking the application on the platform's behalf.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::Full;
use tonic_prost::ProstCodec;

use crate::http_client::{Peer, fetch, open};
use crate::settings::{AppProbe, HttpProbe, ProbeKind};

/// Requests from these addresses are not redirected, so that they reach the application itself.
const SOURCE_V4: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 6);
const SOURCE_V6: Ipv6Addr = Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6);
/// As much of an answer as a probe's event can show.
const LIMIT: usize = 10 << 10;

/// Status and body for the platform; an error in words when the application cannot be reached.
pub(super) async fn ask(
    probe: &AppProbe,
    application: IpAddr,
    headers: &HeaderMap,
) -> Result<(StatusCode, Bytes), String> {
    let peer = |port, tls| Peer {
        address: SocketAddr::new(application, port),
        source: source(application),
        unverified_tls: tls,
        timeout: probe.timeout,
        limit: LIMIT,
    };
    match &probe.kind {
        ProbeKind::Http(http) => over_http(http, &peer(http.port, http.https), headers).await,
        ProbeKind::Tcp { port } => {
            let peer = peer(*port, false);
            match tokio::time::timeout(probe.timeout, open(&peer)).await {
                Ok(Ok(_)) => Ok((StatusCode::OK, Bytes::new())),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err(format!(
                    "port {port} did not accept within {:?}",
                    probe.timeout
                )),
            }
        }
        ProbeKind::Grpc { port, service } => over_grpc(&peer(*port, false), service).await,
    }
}

/// On the loopback address no source is needed, and the other family's would not do.
fn source(application: IpAddr) -> Option<IpAddr> {
    match application {
        address if address.is_loopback() => None,
        IpAddr::V4(_) => Some(SOURCE_V4.into()),
        IpAddr::V6(_) => Some(SOURCE_V6.into()),
    }
}

async fn over_http(
    probe: &HttpProbe,
    peer: &Peer,
    headers: &HeaderMap,
) -> Result<(StatusCode, Bytes), String> {
    let mut request = Request::new(Full::default());
    let bad_path = |error| format!("the probe's path {:?}: {error}", probe.path);
    *request.uri_mut() = probe.path.parse().map_err(bad_path)?;
    let mut out = headers.clone();
    for name in [header::HOST, header::CONNECTION, header::ACCEPT_ENCODING] {
        out.remove(name);
    }
    let host = HeaderValue::try_from(peer.address.to_string());
    out.insert(header::HOST, host.map_err(|error| error.to_string())?);
    out.insert(header::CONNECTION, HeaderValue::from_static("close"));
    for (name, value) in &probe.headers {
        let bad = || format!("the probe's header {name:?} is not usable");
        let name_read = HeaderName::try_from(name).map_err(|_| bad())?;
        out.insert(name_read, HeaderValue::try_from(value).map_err(|_| bad())?);
    }
    *request.headers_mut() = out;
    let answer = fetch(peer, request)
        .await
        .map_err(|error| error.to_string())?;
    Ok((answer.status(), answer.into_body()))
}

#[derive(Clone, PartialEq, prost::Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct HealthCheckResponse {
    /// 1 means that it is serving.
    #[prost(int32, tag = "1")]
    status: i32,
}

async fn over_grpc(peer: &Peer, service: &str) -> Result<(StatusCode, Bytes), String> {
    const PATH: &str = "/grpc.health.v1.Health/Check";
    const SERVING: i32 = 1;
    let shared = Arc::new(peer.clone());
    let connector = move || {
        let peer = Arc::clone(&shared);
        async move { open(&peer).await.map_err(std::io::Error::other) }.boxed()
    };
    let authority = peer.address.to_string();
    let channel = ferromesh_xds::transport::client::channel(&authority, Arc::new(connector));
    let mut grpc = tonic::client::Grpc::new(channel.map_err(|error| error.to_string())?);
    let call = async {
        grpc.ready().await.map_err(|error| error.to_string())?;
        let request = tonic::Request::new(HealthCheckRequest {
            service: service.to_owned(),
        });
        let path = http::uri::PathAndQuery::from_static(PATH);
        let codec = ProstCodec::<HealthCheckRequest, HealthCheckResponse>::default();
        let answer = grpc.unary(request, path, codec).await;
        answer.map_err(|status| ferromesh_xds::transport::client::describe(&status))
    };
    let answer = tokio::time::timeout(peer.timeout, Box::pin(call)).await;
    let answer = answer.map_err(|_| format!("no answer within {:?}", peer.timeout))??;
    match answer.into_inner().status {
        SERVING => Ok((StatusCode::OK, Bytes::new())),
        other => Err(format!(
            "the application says that it is not serving (status {other})"
        )),
    }
}
