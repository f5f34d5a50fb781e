//! Server name and ALPN of a ClientHello, without consuming it (Envoy `tls_inspector`).
//!
//! In: the first bytes of a connection, from the first one on. Out: whether this is TLS, and the
//! two lists that filter chains match on. The handshake message may be spread over several
//! records (RFC 8446 section 5.1). Nothing is judged here: a hello that rustls will refuse later
//! only has to be recognised.

use ferromesh_types::Str;

/// Longest hello that is looked at. Envoy's limit is 16 KiB; post-quantum key shares need 2 KiB.
const MAX_HELLO: usize = 16 * 1024;
const RECORD_HANDSHAKE: u8 = 22;
const HANDSHAKE_CLIENT_HELLO: u8 = 1;
const EXTENSION_SERVER_NAME: u16 = 0;
const EXTENSION_ALPN: u16 = 16;
const NAME_TYPE_HOST: u8 = 0;

/// What a ClientHello offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// The host name of the server name extension, in lower case.
    pub server_name: Option<Str>,
    /// The protocols of the ALPN extension, in the client's order.
    pub alpn: Vec<Str>,
}

/// The verdict on the first bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inspected {
    /// More bytes are needed to tell.
    Incomplete,
    /// This is not a TLS handshake.
    NotTls,
    /// A TLS handshake begins here.
    Tls(ClientHello),
}

/// Looks at the first bytes of a connection.
pub fn inspect_client_hello(bytes: &[u8]) -> Inspected {
    let mut message = Vec::new();
    let mut rest = bytes;
    loop {
        match next_record(rest) {
            Record::NotTls => return Inspected::NotTls,
            Record::Complete { body, after } => {
                message.extend_from_slice(body);
                rest = after;
            }
            Record::Partial { body } => {
                message.extend_from_slice(body);
                rest = &[];
            }
        }
        match hello_body(&message) {
            Body::NotHello => return Inspected::NotTls,
            Body::Complete(body) => {
                return parse_hello(body).map_or(Inspected::NotTls, Inspected::Tls);
            }
            Body::Partial if rest.is_empty() => return Inspected::Incomplete,
            Body::Partial => {}
        }
    }
}

enum Record<'a> {
    NotTls,
    Partial { body: &'a [u8] },
    Complete { body: &'a [u8], after: &'a [u8] },
}

fn next_record(bytes: &[u8]) -> Record<'_> {
    // Content type, then the major version 3; what is missing cannot be wrong yet.
    let looks_right = bytes.first().is_none_or(|kind| *kind == RECORD_HANDSHAKE)
        && bytes.get(1).is_none_or(|major| *major == 3);
    if !looks_right {
        return Record::NotTls;
    }
    let Some((header, rest)) = bytes.split_first_chunk::<5>() else {
        return Record::Partial { body: &[] };
    };
    let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
    if length == 0 {
        return Record::NotTls;
    }
    match rest.split_at_checked(length) {
        Some((body, after)) => Record::Complete { body, after },
        None => Record::Partial { body: rest },
    }
}

enum Body<'a> {
    NotHello,
    Partial,
    Complete(&'a [u8]),
}

fn hello_body(message: &[u8]) -> Body<'_> {
    let Some((kind, rest)) = message.split_first() else {
        return Body::Partial;
    };
    if *kind != HANDSHAKE_CLIENT_HELLO {
        return Body::NotHello;
    }
    let Some((length, rest)) = rest.split_first_chunk::<3>() else {
        return Body::Partial;
    };
    let length = u32::from_be_bytes([0, length[0], length[1], length[2]]) as usize;
    if length > MAX_HELLO {
        return Body::NotHello;
    }
    rest.get(..length).map_or(Body::Partial, Body::Complete)
}

fn parse_hello(body: &[u8]) -> Option<ClientHello> {
    let mut reader = Reader(body);
    reader.take(2 + 32)?; // version and random
    reader.vector_u8()?; // session id
    reader.vector_u16()?; // cipher suites
    reader.vector_u8()?; // compression methods
    let mut hello = ClientHello::default();
    if reader.0.is_empty() {
        return Some(hello);
    }
    let mut extensions = Reader(reader.vector_u16()?);
    while !extensions.0.is_empty() {
        let kind = extensions.number_u16()?;
        let body = extensions.vector_u16()?;
        match kind {
            EXTENSION_SERVER_NAME => read_server_name(body, &mut hello)?,
            EXTENSION_ALPN => hello.alpn = protocols(body)?,
            _ => {}
        }
    }
    Some(hello)
}

/// RFC 6066 section 3: one entry, of type host_name. A second one is refused, as BoringSSL does:
/// two readers could take different names.
fn read_server_name(body: &[u8], hello: &mut ClientHello) -> Option<()> {
    let mut list = Reader(Reader(body).vector_u16()?);
    let kind = list.take(1)?[0];
    let name = list.vector_u16()?;
    if kind != NAME_TYPE_HOST || !list.0.is_empty() {
        return None;
    }
    let name = std::str::from_utf8(name).ok()?;
    hello.server_name = Some(Str::from(name.to_ascii_lowercase()));
    Some(())
}

/// RFC 7301 section 3.1.
fn protocols(body: &[u8]) -> Option<Vec<Str>> {
    let mut list = Reader(Reader(body).vector_u16()?);
    let mut protocols = Vec::new();
    while !list.0.is_empty() {
        let name = list.vector_u8()?;
        protocols.push(Str::from(String::from_utf8_lossy(name).into_owned()));
    }
    Some(protocols)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number_u16(&mut self) -> Option<u16> {
        let (taken, rest) = self.0.split_first_chunk::<2>()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*taken))
    }

    fn vector_u8(&mut self) -> Option<&'a [u8]> {
        let length = self.take(1)?[0];
        self.take(usize::from(length))
    }

    fn vector_u16(&mut self) -> Option<&'a [u8]> {
        let length = self.number_u16()?;
        self.take(usize::from(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClientSettings, SecretStore, ServerTrust, TlsClient};
    use tokio::io::AsyncReadExt;

    /// The bytes that our own client sends first.
    async fn hello(name: Option<&str>, alpn: &[&str]) -> Vec<u8> {
        let mut settings = ClientSettings::new("none");
        settings.trust = ServerTrust::Unverified;
        settings.alpn = alpn.iter().map(|name| Str::from(*name)).collect();
        let client = TlsClient::new(settings, SecretStore::new());
        let (near, mut far) = tokio::io::duplex(64 * 1024);
        let mut bytes = vec![0; 64 * 1024];
        tokio::select! {
            _ = client.connect(near, name, None) => panic!("nobody answers"),
            count = far.read(&mut bytes) => bytes.truncate(count.expect("memory")),
        }
        bytes
    }

    #[tokio::test]
    async fn name_and_protocols_are_found() {
        let name = "outbound_.80_.v1_.catalog.shop.svc.cluster.local";
        let bytes = hello(Some(name), &["istio-http/1.1", "istio"]).await;
        let expected = ClientHello {
            server_name: Some(name.into()),
            alpn: vec!["istio-http/1.1".into(), "istio".into()],
        };
        assert_eq!(inspect_client_hello(&bytes), Inspected::Tls(expected));
    }

    #[tokio::test]
    async fn every_shorter_prefix_is_incomplete() {
        let bytes = hello(None, &[]).await;
        for length in 0..bytes.len() {
            let verdict = inspect_client_hello(&bytes[..length]);
            assert_eq!(verdict, Inspected::Incomplete, "{length} bytes");
        }
        let whole = inspect_client_hello(&bytes);
        assert_eq!(whole, Inspected::Tls(ClientHello::default()));
    }

    #[tokio::test]
    async fn a_hello_in_many_records_is_put_together() {
        let bytes = hello(Some("shop.example"), &["h2"]).await;
        let mut split = Vec::new();
        for piece in bytes[5..].chunks(100) {
            split.extend_from_slice(&[RECORD_HANDSHAKE, 3, 1, 0, piece.len() as u8]);
            split.extend_from_slice(piece);
        }
        let Inspected::Tls(hello) = inspect_client_hello(&split) else {
            panic!("it is TLS");
        };
        assert_eq!(hello.server_name, Some("shop.example".into()));
    }

    #[test]
    fn other_protocols_are_told_at_their_first_bytes() {
        assert_eq!(inspect_client_hello(b"G"), Inspected::NotTls);
        assert_eq!(inspect_client_hello(b"PRI * HTTP/2.0"), Inspected::NotTls);
        assert_eq!(inspect_client_hello(&[22, 2]), Inspected::NotTls);
        assert_eq!(
            inspect_client_hello(&[22, 3, 1, 0, 4, 2]),
            Inspected::NotTls
        );
    }

    #[test]
    fn a_list_of_server_names_holds_one_host() {
        let read = |list: &[u8]| {
            let body = [&[0, list.len() as u8], list].concat();
            let mut hello = ClientHello::default();
            read_server_name(&body, &mut hello).and(hello.server_name)
        };
        assert_eq!(read(b"\0\0\x01A"), Some("a".into()));
        assert_eq!(read(b"\0\0\x01a\0\0\x01b"), None);
        assert_eq!(read(b"\x01\0\x01a"), None);
        assert_eq!(read(b""), None);
    }

    #[tokio::test]
    async fn damaged_hellos_never_panic() {
        let bytes = hello(Some("shop.example"), &["h2"]).await;
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 0xff;
            let _ = inspect_client_hello(&damaged);
        }
    }
}
