//! Two proxies with mutual TLS between them.

use ferromesh_tls::{Identity, Secret, TrustedRoots};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};

use crate::peers::{Client, Endpoint, Fixture, Setup, field};

const SERVER_CHAIN: &str = "transport_socket: {name: envoy.transport_sockets.tls, typed_config: \
    {\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext, \
    require_client_certificate: true, common_tls_context: {alpn_protocols: [h2, http/1.1], \
    tls_certificate_sds_secret_configs: [{name: default, sds_config: {ads: {}}}], \
    combined_validation_context: {default_validation_context: {match_typed_subject_alt_names: \
    [{san_type: URI, matcher: {prefix: 'spiffe://cluster.local/'}}]}, \
    validation_context_sds_secret_config: {name: ROOTCA, sds_config: {ads: {}}}}}}}, ";

const CLIENT_CLUSTER: &str = "transport_socket: {name: envoy.transport_sockets.tls, typed_config: \
    {\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, \
    sni: outbound_.80_._.catalog, common_tls_context: {alpn_protocols: [istio, http/1.1], \
    tls_certificate_sds_secret_configs: [{name: default, sds_config: {ads: {}}}], \
    combined_validation_context: {default_validation_context: {match_typed_subject_alt_names: \
    [{san_type: URI, matcher: {exact: 'spiffe://cluster.local/ns/shop/sa/catalog'}}]}, \
    validation_context_sds_secret_config: {name: ROOTCA, sds_config: {ads: {}}}}}}}, ";

const FORWARD: &str = ", forward_client_cert_details: APPEND_FORWARD, \
    set_current_client_cert_details: {subject: true, uri: true, dns: true}";

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a root"))
    }

    /// What a workload with that service account holds.
    fn secrets(&self, account: &str) -> Vec<(&'static str, Secret)> {
        let id = format!("spiffe://cluster.local/ns/shop/sa/{account}");
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.subject_alt_names = vec![SanType::URI(id.as_str().try_into().expect("ASCII"))];
        let key = KeyPair::generate().expect("a key");
        let leaf = params.signed_by(&key, &self.0).expect("a leaf").pem();
        let identity = Identity::from_pem(leaf.as_bytes(), key.serialize_pem().as_bytes());
        let roots = TrustedRoots::from_pem(self.0.pem().as_bytes());
        vec![
            ("default", identity.expect("a pair").into()),
            ("ROOTCA", roots.expect("a root").into()),
        ]
    }
}

/// The proxy of the client and that of the server; the endpoint answers with the head it saw.
async fn pair(client: &Authority, server: &Authority, account: &str) -> (Fixture, Fixture) {
    let endpoint = Endpoint::start(|seen| {
        let body = &seen.head;
        format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    })
    .await;
    let inbound = Setup {
        chain: SERVER_CHAIN,
        manager: FORWARD,
        secrets: server.secrets(account),
        ..Setup::to(endpoint.address)
    };
    let inbound = inbound.start().await;
    let outbound = Setup {
        cluster: CLIENT_CLUSTER,
        secrets: client.secrets("webapp"),
        ..Setup::to(inbound.address)
    };
    (outbound.start().await, inbound)
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: catalog\r\n\r\n";

#[tokio::test]
async fn the_endpoint_learns_who_the_client_is() {
    let authority = Authority::new();
    let (outbound, _inbound) = pair(&authority, &authority, "catalog").await;
    let mut client = Client::connect(outbound.address).await;
    for _ in 0..2 {
        client.send(GET).await;
        let answer = client.answer().await;
        let head = String::from_utf8(answer.body).expect("text");
        let entry = field(&head, "x-forwarded-client-cert").expect("an entry");
        let own = "By=spiffe://cluster.local/ns/shop/sa/catalog;Hash=";
        assert!(entry.starts_with(own), "{entry}");
        let client = ";Subject=\"\";URI=spiffe://cluster.local/ns/shop/sa/webapp";
        assert!(entry.ends_with(client), "{entry}");
    }
}

#[tokio::test]
async fn a_server_that_is_someone_else_gets_no_request() {
    let authority = Authority::new();
    let (outbound, _inbound) = pair(&authority, &authority, "impostor").await;
    let mut client = Client::connect(outbound.address).await;
    client.send(GET).await;
    assert!(client.answer().await.head.starts_with("HTTP/1.1 503 "));
}

#[tokio::test]
async fn plain_text_is_refused_and_a_rotated_certificate_is_used() {
    let authority = Authority::new();
    let (outbound, inbound) = pair(&authority, &authority, "catalog").await;
    let mut plain = Client::connect(inbound.address).await;
    plain.send(GET).await;
    assert!(!plain.rest().await.contains("HTTP/1.1 200"));
    for (name, secret) in authority.secrets("catalog") {
        inbound.proxy.secrets().set(name, secret);
    }
    let mut client = Client::connect(outbound.address).await;
    client.send(GET).await;
    assert!(client.answer().await.head.starts_with("HTTP/1.1 200 "));
}
