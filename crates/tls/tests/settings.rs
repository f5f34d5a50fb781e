//! What settings ask of a handshake: certificates by name and kind, revocation, pins, resumption,
//! versions, suites and groups.

use ferromesh_tls::{
    ClientAuth, ClientSettings, Identity, Pins, SecretStore, ServerSettings, TlsClient, TlsError,
    TlsServer, TlsVersion, TrustedRoots,
};
use ferromesh_types::Str;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, IsCa,
    KeyIdMethod, KeyPair, KeyUsagePurpose, PublicKeyData, RevokedCertParams, SerialNumber,
    SignatureAlgorithm,
};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a root"))
    }

    fn roots(&self) -> TrustedRoots {
        TrustedRoots::from_pem(self.0.pem().as_bytes()).expect("a root")
    }

    /// A certificate for `name` with that serial number, and its DER.
    fn leaf(&self, name: &str, serial: u64, kind: &'static SignatureAlgorithm) -> Leaf {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.serial_number = Some(SerialNumber::from(serial));
        let key = KeyPair::generate_for(kind).expect("a key");
        let leaf = params.signed_by(&key, &self.0).expect("a leaf");
        let (chain, pem) = (leaf.pem(), key.serialize_pem());
        let identity = Identity::from_pem(chain.as_bytes(), pem.as_bytes()).expect("a pair");
        Leaf {
            identity,
            der: leaf.der().to_vec(),
            key: key.subject_public_key_info(),
        }
    }

    fn p256(&self, name: &str, serial: u64) -> Identity {
        self.leaf(name, serial, &rcgen::PKCS_ECDSA_P256_SHA256)
            .identity
    }

    /// A list that revokes one serial number.
    fn revoking(&self, serial: u64) -> String {
        let day = |offset| time::OffsetDateTime::now_utc() + time::Duration::days(offset);
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: day(-1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: day(-1),
            next_update: day(1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&self.0).expect("a list");
        list.pem().expect("text")
    }
}

struct Leaf {
    identity: Identity,
    der: Vec<u8>,
    key: Vec<u8>,
}

fn store(secrets: &[(&str, Identity)], roots: TrustedRoots) -> SecretStore {
    let store = SecretStore::new();
    for (name, identity) in secrets {
        store.set(name, identity.clone());
    }
    store.set("roots", roots);
    store
}

/// What a handshake came to.
struct Shaken {
    server_certificate: Vec<u8>,
    resumed: bool,
    version: &'static str,
}

async fn shake(server: &TlsServer, client: &TlsClient, name: &str) -> Result<Shaken, TlsError> {
    let (near, far) = duplex(64 * 1024);
    let serve = async {
        let mut stream = server.accept(far).await?;
        let mut byte = [0];
        let read = stream.read_exact(&mut byte).await;
        read.map_err(TlsError::Handshake)?;
        stream.write_all(&byte).await.map_err(TlsError::Handshake)?;
        stream.flush().await.map_err(TlsError::Handshake)?;
        Ok::<_, TlsError>((stream.is_resumed(), stream.session().version))
    };
    let call = async {
        let mut stream = client.connect(near, Some(name), None).await?;
        let mut byte = [7];
        stream.write_all(&byte).await.map_err(TlsError::Handshake)?;
        stream.flush().await.map_err(TlsError::Handshake)?;
        let read = stream.read_exact(&mut byte).await;
        read.map_err(TlsError::Handshake)?;
        let peer = stream
            .session(name)
            .peer
            .expect("servers show certificates");
        let leaf = peer.chain().next().expect("a leaf").to_vec();
        Ok::<_, TlsError>(leaf)
    };
    let (served, called) = tokio::join!(serve, call);
    // The side that refuses is the one that says why.
    let server_certificate = called?;
    let (resumed, version) = served?;
    Ok(Shaken {
        server_certificate,
        resumed,
        version,
    })
}

fn client(authority: &Authority) -> (ClientSettings, SecretStore) {
    let roots = store(&[], authority.roots());
    (ClientSettings::new("roots"), roots)
}

#[tokio::test]
async fn the_certificate_follows_the_server_name_and_the_kind_that_the_client_knows() {
    let authority = Authority::new();
    let kinds = [
        ("other", "other.test", &rcgen::PKCS_ECDSA_P256_SHA256),
        ("edwards", "shop.test", &rcgen::PKCS_ED25519),
        ("ecdsa", "shop.test", &rcgen::PKCS_ECDSA_P256_SHA256),
        ("wildcard", "*.shop.test", &rcgen::PKCS_ECDSA_P256_SHA256),
    ];
    let leaves: Vec<(&str, Leaf)> = kinds
        .into_iter()
        .map(|(id, name, kind)| (id, authority.leaf(name, 1, kind)))
        .collect();
    let secrets: Vec<_> = leaves
        .iter()
        .map(|(id, leaf)| (*id, leaf.identity.clone()))
        .collect();
    let mut settings = ServerSettings::new("other");
    settings.identities = leaves.iter().map(|(id, _)| Str::from(*id)).collect();
    let server = TlsServer::new(settings, store(&secrets, authority.roots()));
    let (mut settings, roots) = client(&authority);
    settings.verify_host = false;
    let client = TlsClient::new(settings, roots);
    for (name, expected) in [
        ("shop.test", "ecdsa"),
        ("www.shop.test", "wildcard"),
        ("elsewhere.test", "other"),
    ] {
        let shaken = shake(&server, &client, name).await.expect("a handshake");
        let (_, leaf) = leaves.iter().find(|(id, _)| *id == expected).expect("one");
        assert!(shaken.server_certificate == leaf.der, "{name}");
    }
}

#[tokio::test]
async fn revoked_certificates_are_refused_on_both_sides() {
    let authority = Authority::new();
    for (revoked, accepted) in [(7, false), (8, true)] {
        let lists = authority.revoking(revoked);
        let roots = || {
            let roots = authority.roots().with_revocation(lists.as_bytes(), false);
            roots.expect("a list")
        };
        let secrets = [("id", authority.p256("shop.test", 7))];
        let plain = TlsServer::new(
            ServerSettings::new("id"),
            store(&secrets, authority.roots()),
        );
        for verify_host in [true, false] {
            let mut settings = ClientSettings::new("roots");
            settings.verify_host = verify_host;
            let client = TlsClient::new(settings, store(&[], roots()));
            let name = if verify_host {
                "shop.test"
            } else {
                "other.test"
            };
            let result = shake(&plain, &client, name).await;
            assert_eq!(result.is_ok(), accepted, "server {revoked}");
        }
        let mut settings = ServerSettings::new("id");
        settings.client_roots = Some("roots".into());
        settings.client_auth = ClientAuth::Required;
        let judging = TlsServer::new(settings, store(&secrets, roots()));
        let mut settings = ClientSettings::new("roots");
        settings.identity = Some("id".into());
        let client = TlsClient::new(settings, store(&secrets, authority.roots()));
        let result = shake(&judging, &client, "shop.test").await;
        assert_eq!(result.is_ok(), accepted, "client {revoked}");
    }
    let broken = authority.roots().with_revocation(b"nothing", false);
    let error = broken.expect_err("no list");
    assert!(error.to_string().contains("revocation list"), "{error}");
}

#[tokio::test]
async fn pins_accept_a_certificate_by_its_hash_or_that_of_its_key() {
    let authority = Authority::new();
    let leaf = authority.leaf("shop.test", 1, &rcgen::PKCS_ECDSA_P256_SHA256);
    let secrets = [("id", leaf.identity.clone())];
    let server = TlsServer::new(
        ServerSettings::new("id"),
        store(&secrets, authority.roots()),
    );
    let certificate: [u8; 32] = Sha256::digest(&leaf.der).into();
    let key: [u8; 32] = Sha256::digest(&leaf.key).into();
    for (certificates, keys, accepted) in [
        (vec![certificate], vec![], true),
        (vec![], vec![key], true),
        (vec![[0; 32]], vec![key], true),
        (vec![[0; 32]], vec![certificate], false),
    ] {
        let (mut settings, roots) = client(&authority);
        settings.server_pins = Pins { certificates, keys };
        let client = TlsClient::new(settings, roots);
        let result = shake(&server, &client, "shop.test").await;
        assert_eq!(result.is_ok(), accepted);
    }
}

#[tokio::test]
async fn sessions_are_resumed_in_both_versions_unless_that_is_turned_off() {
    let authority = Authority::new();
    let secrets = [("id", authority.p256("shop.test", 1))];
    for (max, version) in [(TlsVersion::V1_3, "TLSv1.3"), (TlsVersion::V1_2, "TLSv1.2")] {
        for resumption in [true, false] {
            let mut settings = ServerSettings::new("id");
            settings.parameters.max = max;
            settings.resumption = resumption;
            let server = TlsServer::new(settings, store(&secrets, authority.roots()));
            let (settings, roots) = client(&authority);
            let client = TlsClient::new(settings, roots);
            let mut resumed = Vec::new();
            for _ in 0..3 {
                let shaken = shake(&server, &client, "shop.test").await;
                let shaken = shaken.expect("a handshake");
                assert_eq!(shaken.version, version);
                resumed.push(shaken.resumed);
            }
            assert_eq!(resumed, [false, resumption, resumption], "{version}");
        }
    }
}

#[tokio::test]
async fn a_client_without_a_server_name_is_refused_where_one_is_required() {
    let authority = Authority::new();
    let secrets = [("id", authority.p256("shop.test", 1))];
    let mut settings = ServerSettings::new("id");
    settings.require_sni = true;
    let server = TlsServer::new(settings, store(&secrets, authority.roots()));
    let (mut settings, roots) = client(&authority);
    settings.verify_host = false;
    let client = TlsClient::new(settings, roots);
    shake(&server, &client, "shop.test").await.expect("named");
    // An address is not sent as a name.
    let result = shake(&server, &client, "127.0.0.1").await;
    assert!(result.is_err(), "not named");
}
