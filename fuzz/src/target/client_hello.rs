//! The look into a ClientHello, against the reader of rustls.

use ferromesh_tls::{ClientHello, Inspected, inspect_client_hello};
use rustls::server::Acceptor;

use crate::Target;
use crate::prefix::verdict_stays;

pub(crate) const TARGET: Target = Target {
    name: "client_hello",
    about: "more bytes never change a verdict; what rustls accepts is seen, with the same names",
    run,
    seeds,
    words: &[
        "\u{16}\u{3}\u{1}",
        "\0\0",
        "\0\u{10}",
        "\u{2}h2",
        "\u{8}http/1.1",
        "\u{1}\0\0",
        "shop.example",
        "\0\u{2b}",
        "\u{3}\u{4}",
    ],
};

fn run(bytes: &[u8]) {
    let verdict = verdict_stays(bytes, &Inspected::Incomplete, inspect_client_hello);
    let Some(accepted) = rustls_reads(bytes) else {
        return;
    };
    match verdict {
        Inspected::Tls(hello) => {
            // rustls knows names that are names; ours may also be an address or nonsense.
            if accepted.server_name.is_some() {
                assert_eq!(hello.server_name, accepted.server_name);
            }
            assert_eq!(hello.alpn, accepted.alpn);
        }
        // rustls forgives damaged lists of names, or refuses them later; BoringSSL does not. Long
        // hellos are left to whoever terminates TLS.
        verdict => {
            let whole = accepted
                .server_name
                .is_some_and(|name| has_extension(bytes, &name));
            assert!(
                !whole || bytes.len() > 16 * 1024,
                "rustls accepts it, ours: {verdict:?}"
            );
        }
    }
}

/// Whether the bytes hold a well-formed server name extension with that one name.
fn has_extension(bytes: &[u8], name: &str) -> bool {
    let Ok(length) = u8::try_from(name.len() + 5).map(|length| length - 5) else {
        return false;
    };
    let mut wanted = vec![0, 0, 0, length + 5, 0, length + 3, 0, 0, length];
    wanted.extend_from_slice(name.as_bytes());
    bytes
        .windows(wanted.len())
        .any(|window| window.eq_ignore_ascii_case(&wanted))
}

/// What rustls finds in a complete hello.
fn rustls_reads(bytes: &[u8]) -> Option<ClientHello> {
    let mut acceptor = Acceptor::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        acceptor.read_tls(&mut rest).ok()?;
        if let Some(accepted) = acceptor.accept().ok()? {
            let hello = accepted.client_hello();
            return Some(ClientHello {
                server_name: hello
                    .server_name()
                    .map(|name| name.to_ascii_lowercase().into()),
                alpn: hello
                    .alpn()
                    .into_iter()
                    .flatten()
                    .map(|name| String::from_utf8_lossy(name).into_owned().into())
                    .collect(),
            });
        }
    }
    None
}

/// What rustls itself sends, with and without names, and cut into records.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![
        hello("shop.example", &[b"h2", b"http/1.1"]),
        hello("a.b", &[]),
    ];
    let mut records = Vec::new();
    for piece in seeds[0][5..].chunks(200) {
        records.extend([22, 3, 1, 0, piece.len() as u8]);
        records.extend(piece);
    }
    seeds.push(records);
    seeds
}

fn hello(name: &'static str, alpn: &[&[u8]]) -> Vec<u8> {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions of the provider")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let name = name.try_into().expect("a host name");
    let mut client = rustls::ClientConnection::new(config.into(), name).expect("a client");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("memory");
    bytes
}
