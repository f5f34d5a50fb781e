//! Handshakes between our own server and client over memory.

use ferromesh_tls::{
    ClientAuth, ClientSettings, Identity, SanKind, SanMatcher, SanPattern, SecretStore,
    ServerSettings, ServerTrust, Session, TlsClient, TlsError, TlsServer, TrustedRoots,
};
use ferromesh_types::Str;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a root"))
    }

    fn roots(&self) -> TrustedRoots {
        TrustedRoots::from_pem(self.0.pem().as_bytes()).expect("a root")
    }

    fn svid(&self, id: &str) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.subject_alt_names = vec![SanType::URI(id.try_into().expect("ASCII"))];
        let key = KeyPair::generate().expect("a key");
        let leaf = params.signed_by(&key, &self.0).expect("a leaf");
        let chain = leaf.pem();
        Identity::from_pem(chain.as_bytes(), key.serialize_pem().as_bytes()).expect("a pair")
    }
}

fn store(authority: &Authority, id: &str) -> SecretStore {
    let store = SecretStore::new();
    store.set("default", authority.svid(id));
    store.set("ROOTCA", authority.roots());
    store
}

fn mesh_server(store: SecretStore) -> TlsServer {
    let mut settings = ServerSettings::new("default");
    settings.client_roots = Some("ROOTCA".into());
    settings.client_auth = ClientAuth::Required;
    settings.client_names = vec![SanMatcher {
        kind: SanKind::Uri,
        pattern: SanPattern::Prefix("spiffe://cluster.local/".into()),
    }];
    settings.alpn = vec!["h2".into(), "http/1.1".into()];
    TlsServer::new(settings, store)
}

fn mesh_client(store: SecretStore, server: &str) -> TlsClient {
    let mut settings = ClientSettings::new("ROOTCA");
    settings.identity = Some("default".into());
    settings.trust = ServerTrust::Roots("ROOTCA".into());
    settings.verify_host = false;
    settings.server_names = vec![SanMatcher {
        kind: SanKind::Uri,
        pattern: SanPattern::Exact(server.into()),
    }];
    settings.sni = Some("outbound_.80_._.catalog.shop.svc.cluster.local".into());
    settings.alpn = vec!["istio".into(), "http/1.1".into()];
    TlsClient::new(settings, store)
}

const CATALOG: &str = "spiffe://cluster.local/ns/shop/sa/catalog";
const WEBAPP: &str = "spiffe://cluster.local/ns/shop/sa/webapp";

/// What both sides saw: ids of the peers, ALPN and SNI at the server.
type Seen = (Option<Str>, Option<Str>, Option<Vec<u8>>, Option<String>);

fn spiffe_id(session: Session) -> Option<Str> {
    session.peer?.spiffe_id().cloned()
}

async fn shake(server: &TlsServer, client: &TlsClient) -> Result<Seen, TlsError> {
    let (near, far) = duplex(64 * 1024);
    let serve = async {
        let mut stream = server.accept(far).await?;
        let mut byte = [0];
        stream
            .read_exact(&mut byte)
            .await
            .map_err(TlsError::Handshake)?;
        stream.write_all(&byte).await.map_err(TlsError::Handshake)?;
        stream.flush().await.map_err(TlsError::Handshake)?;
        let id = spiffe_id(stream.session());
        let alpn = stream.alpn().map(<[u8]>::to_vec);
        Ok::<_, TlsError>((id, alpn, stream.server_name().map(str::to_owned)))
    };
    let call = async {
        let mut stream = client.connect(near, None, None).await?;
        let mut byte = [7];
        stream.write_all(&byte).await.map_err(TlsError::Handshake)?;
        stream.flush().await.map_err(TlsError::Handshake)?;
        stream
            .read_exact(&mut byte)
            .await
            .map_err(TlsError::Handshake)?;
        Ok(spiffe_id(stream.session("")))
    };
    let (served, called) = tokio::join!(serve, call);
    let (client_id, alpn, sni) = served?;
    Ok((client_id, called?, alpn, sni))
}

#[tokio::test]
async fn both_sides_know_each_other_by_spiffe_id() {
    let authority = Authority::new();
    let server = mesh_server(store(&authority, CATALOG));
    let client = mesh_client(store(&authority, WEBAPP), CATALOG);
    let (client_id, server_id, alpn, sni) = shake(&server, &client).await.expect("a handshake");
    assert_eq!(client_id, Some(WEBAPP.into()));
    assert_eq!(server_id, Some(CATALOG.into()));
    assert_eq!(alpn.as_deref(), Some(&b"http/1.1"[..]));
    let expected = "outbound_.80_._.catalog.shop.svc.cluster.local";
    assert_eq!(sni.as_deref(), Some(expected));
}

#[tokio::test]
async fn a_client_that_offers_other_protocols_only_goes_on_without_one() {
    let authority = Authority::new();
    let server = mesh_server(store(&authority, CATALOG));
    let mut settings = mesh_client(store(&authority, WEBAPP), CATALOG)
        .settings()
        .clone();
    settings.alpn = vec!["istio".into()];
    let client = TlsClient::new(settings, store(&authority, WEBAPP));
    let (client_id, _, alpn, _) = shake(&server, &client).await.expect("a handshake");
    assert_eq!(client_id, Some(WEBAPP.into()));
    assert_eq!(alpn, None);
}

#[tokio::test]
async fn a_server_with_another_id_is_refused() {
    let authority = Authority::new();
    let server = mesh_server(store(&authority, "spiffe://cluster.local/ns/shop/sa/other"));
    let client = mesh_client(store(&authority, WEBAPP), CATALOG);
    shake(&server, &client).await.expect_err("the id differs");
}

#[tokio::test]
async fn a_client_of_another_trust_domain_is_refused() {
    let authority = Authority::new();
    let server = mesh_server(store(&authority, CATALOG));
    let client = mesh_client(store(&authority, "spiffe://elsewhere/ns/a/sa/b"), CATALOG);
    shake(&server, &client)
        .await
        .expect_err("the trust domain differs");
}

#[tokio::test]
async fn a_client_signed_by_another_authority_is_refused() {
    let authority = Authority::new();
    let server = mesh_server(store(&authority, CATALOG));
    let foreign = store(&Authority::new(), WEBAPP);
    foreign.set("ROOTCA", authority.roots());
    let client = mesh_client(foreign, CATALOG);
    shake(&server, &client)
        .await
        .expect_err("an unknown authority");
}

#[tokio::test]
async fn a_rotated_certificate_is_used_by_the_next_handshake() {
    let authority = Authority::new();
    let secrets = store(&authority, "spiffe://cluster.local/ns/shop/sa/before");
    let server = mesh_server(secrets.clone());
    let client = mesh_client(store(&authority, WEBAPP), CATALOG);
    shake(&server, &client)
        .await
        .expect_err("not yet the right id");
    secrets.set("default", authority.svid(CATALOG));
    shake(&server, &client).await.expect("the new certificate");
}

#[tokio::test]
async fn a_missing_secret_is_named() {
    let server = mesh_server(SecretStore::new());
    let error = server.check().expect_err("nothing is there");
    assert!(error.is_waiting_for_secret());
    assert!(error.to_string().contains("default"), "{error}");
}

#[tokio::test]
async fn optional_client_certificates_may_be_left_out() {
    let authority = Authority::new();
    let mut settings = ServerSettings::new("default");
    settings.client_roots = Some("ROOTCA".into());
    settings.client_auth = ClientAuth::Optional;
    let server = TlsServer::new(settings, store(&authority, CATALOG));
    let mut settings = ClientSettings::new("ROOTCA");
    settings.verify_host = false;
    let client = TlsClient::new(settings, store(&authority, WEBAPP));
    let (client_id, server_id, ..) = shake(&server, &client).await.expect("a handshake");
    assert_eq!(client_id, None);
    assert_eq!(server_id, Some(CATALOG.into()));
}
