//! The keeper against a certificate authority of our own, over TLS.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ferromesh_proto::istio::auth::{IstioCertificateRequest, IstioCertificateResponse};
use ferromesh_tls::{ClientAuth, TlsServer};
use ferromesh_xds::transport::server::{Routes, serve_connection};
use rcgen::{BasicConstraints, CertificateParams, CertificateSigningRequestParams, IsCa};
use rcgen::{CertifiedIssuer, KeyPair};
use tokio::net::TcpListener;
use tonic::{Request, Status};

use super::*;
use crate::settings::{Arguments, Role, Settings};

const PATH: &str = "/istio.v1.auth.IstioCertificateService/CreateCertificate";

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn issuer() -> Issuer {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    CertifiedIssuer::self_signed(parameters, key).expect("a root")
}

fn sign(
    issuer: &Issuer,
    request: &Request<IstioCertificateRequest>,
) -> Result<IstioCertificateResponse, Status> {
    let token = request.metadata().get("authorization");
    if token.is_none_or(|token| token != "Bearer the-token") {
        return Err(Status::unauthenticated("no such token"));
    }
    let csr = CertificateSigningRequestParams::from_pem(&request.get_ref().csr);
    let csr = csr.map_err(|error| Status::invalid_argument(error.to_string()))?;
    let leaf = csr
        .signed_by(issuer)
        .map_err(|error| Status::internal(error.to_string()))?;
    Ok(IstioCertificateResponse {
        cert_chain: vec![leaf.pem(), issuer.pem()],
    })
}

/// Serves on a free port; returns it, and counts calls.
async fn authority(issuer: Arc<Issuer>, calls: Arc<AtomicU32>) -> u16 {
    let key = KeyPair::generate().expect("a key");
    let parameters = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    let server = parameters.signed_by(&key, &**issuer).expect("signed");
    let (chain, key) = (server.pem(), key.serialize_pem());
    let tls = TlsServer::from_pem(
        chain.as_bytes(),
        key.as_bytes(),
        None,
        ClientAuth::None,
        &["h2"],
    );
    let tls = Arc::new(tls.expect("usable"));
    let handler = move |request: Request<IstioCertificateRequest>| {
        calls.fetch_add(1, Ordering::Relaxed);
        std::future::ready(sign(&issuer, &request))
    };
    let routes = Arc::new(Routes::new().unary(PATH, handler));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (tls, routes) = (Arc::clone(&tls), Arc::clone(&routes));
            tokio::spawn(async move {
                let stream = tls.accept(stream).await.expect("a client that trusts us");
                let peer = http::Extensions::new();
                let _ = serve_connection(stream, routes, peer, std::future::pending()).await;
            });
        }
    });
    port
}

fn settings(root: &Path, port: u16) -> Settings {
    let variables = BTreeMap::from([
        ("CA_ADDR".to_owned(), format!("localhost:{port}")),
        ("FERROMESH_ROOT".to_owned(), root.display().to_string()),
    ]);
    Settings::read(Role::Sidecar, &Arguments::default(), variables).expect("readable")
}

fn write(root: &Path, path: &str, content: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    std::fs::write(path, content).expect("written");
}

#[tokio::test]
async fn a_certificate_is_issued_published_and_renewed_on_a_wish() {
    let (issuer, calls) = (Arc::new(issuer()), Arc::new(AtomicU32::new(0)));
    let port = authority(Arc::clone(&issuer), Arc::clone(&calls)).await;
    let folder = tempfile::tempdir().expect("a folder");
    write(
        folder.path(),
        "var/run/secrets/istio/root-cert.pem",
        &issuer.pem(),
    );
    write(
        folder.path(),
        "var/run/secrets/tokens/istio-token",
        "the-token\n",
    );
    let store = SecretStore::new();
    let settings = settings(folder.path(), port).certificates;
    let keeper = CertificateKeeper::new(settings, store.clone());
    let (mut reader, rotate) = (keeper.reader(), keeper.rotate_now());
    tokio::spawn(keeper.run());
    assert!(reader.changed().await);
    let first = reader.current().as_ref().clone().expect("issued");
    assert!(store.find(IDENTITY_SECRET).is_some());
    assert!(store.find(ROOTS_SECRET).is_some());
    rotate.send_modify(|count| *count += 1);
    assert!(reader.changed().await);
    let second = reader.current().as_ref().clone().expect("issued again");
    assert_ne!(first.key, second.key);
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_refusal_says_who_refused_and_why() {
    let issuer = Arc::new(issuer());
    let port = authority(Arc::clone(&issuer), Arc::default()).await;
    let folder = tempfile::tempdir().expect("a folder");
    write(
        folder.path(),
        "var/run/secrets/istio/root-cert.pem",
        &issuer.pem(),
    );
    write(
        folder.path(),
        "var/run/secrets/tokens/istio-token",
        "another",
    );
    let authority = CertificateAuthority::new(settings(folder.path(), port).certificates);
    let error = authority.issue().await.expect_err("refused").to_string();
    assert!(error.contains(&format!("localhost:{port}")), "{error}");
    assert!(error.contains("no such token"), "{error}");
    std::fs::remove_file(folder.path().join("var/run/secrets/tokens/istio-token")).expect("gone");
    let error = authority.issue().await.expect_err("no token").to_string();
    assert!(error.contains("istio-token"), "{error}");
}
