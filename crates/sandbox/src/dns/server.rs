//! The server: UDP and TCP on port 53, answers from the zone or from the host's resolvers.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use ferromesh_runtime::Published;
use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use super::forward;
use super::zone::{Answer, Zone};

/// Addresses move with pods, so nobody should keep them for long.
const TTL: u32 = 5;
/// The largest answer that every client takes by UDP (RFC 1035 §4.2.1); EDNS clients name theirs.
const UDP_MIN: usize = 512;
/// How many questions may be in work at a time.
const PARALLEL: usize = 256;
/// How long a TCP client may be silent.
const IDLE: Duration = Duration::from_secs(10);

/// The server cannot listen.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot serve DNS on {address}: {source}; is another name server listening on every address \
     of this machine?"
)]
pub struct DnsError {
    address: SocketAddr,
    source: io::Error,
}

/// Serves on `address` until one of the sockets fails.
///
/// # Errors
/// When the port is taken.
pub async fn serve(address: Ipv4Addr, zone: Published<Zone>) -> Result<DnsServer, DnsError> {
    let address = SocketAddr::new(address.into(), 53);
    let fail = |source| DnsError { address, source };
    let udp = UdpSocket::bind(address).await.map_err(fail)?;
    let tcp = TcpListener::bind(address).await.map_err(fail)?;
    Ok(DnsServer {
        udp: Arc::new(udp),
        tcp,
        resolver: Resolver {
            zone,
            upstream: Arc::new(forward::host_resolvers()),
            places: Arc::new(Semaphore::new(PARALLEL)),
        },
    })
}

/// A server that is bound.
#[derive(Debug)]
pub struct DnsServer {
    udp: Arc<UdpSocket>,
    tcp: TcpListener,
    resolver: Resolver,
}

#[derive(Clone, Debug)]
struct Resolver {
    zone: Published<Zone>,
    upstream: Arc<Vec<SocketAddr>>,
    places: Arc<Semaphore>,
}

impl DnsServer {
    /// Answers until a socket fails.
    ///
    /// # Errors
    /// When a socket fails.
    pub async fn run(self) -> io::Result<()> {
        let datagrams = serve_udp(Arc::clone(&self.udp), self.resolver.clone());
        let streams = serve_tcp(self.tcp, self.resolver);
        tokio::select! {
            result = datagrams => result,
            result = streams => result,
        }
    }
}

async fn serve_udp(socket: Arc<UdpSocket>, resolver: Resolver) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let (length, client) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            // A client that is gone shows as an error of the next read.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
            Err(error) => return Err(error),
        };
        let Ok(place) = Arc::clone(&resolver.places).try_acquire_owned() else {
            warn!("too many DNS questions at a time; one is dropped");
            continue;
        };
        let (socket, resolver) = (Arc::clone(&socket), resolver.clone());
        let question = buffer[..length].to_vec();
        tokio::spawn(async move {
            let _place = place;
            if let Some(answer) = resolver.answer(&question, client.ip(), false).await {
                // A client that is gone asks again if it cares.
                let _ = socket.send_to(&answer, client).await;
            }
        });
    }
}

async fn serve_tcp(listener: TcpListener, resolver: Resolver) -> io::Result<()> {
    loop {
        let (stream, client) = listener.accept().await?;
        let Ok(place) = Arc::clone(&resolver.places).try_acquire_owned() else {
            continue;
        };
        let resolver = resolver.clone();
        tokio::spawn(async move {
            let _place = place;
            if let Err(error) = serve_stream(stream, client.ip(), &resolver).await {
                debug!(%client, %error, "DNS connection ended");
            }
        });
    }
}

async fn serve_stream(
    mut stream: TcpStream,
    client: IpAddr,
    resolver: &Resolver,
) -> io::Result<()> {
    loop {
        let length = match tokio::time::timeout(IDLE, stream.read_u16()).await {
            Ok(Ok(length)) => usize::from(length),
            Ok(Err(_)) | Err(_) => return Ok(()),
        };
        let mut question = vec![0; length];
        tokio::time::timeout(IDLE, stream.read_exact(&mut question)).await??;
        let Some(answer) = resolver.answer(&question, client, true).await else {
            return Ok(());
        };
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        stream.write_all(&length.to_be_bytes()).await?;
        stream.write_all(&answer).await?;
    }
}

impl Resolver {
    /// The answer to `question`; `None` when it deserves none.
    async fn answer(&self, question: &[u8], client: IpAddr, tcp: bool) -> Option<Vec<u8>> {
        let request = Message::from_vec(question).ok()?;
        if request.metadata.message_type != MessageType::Query {
            return None;
        }
        let mut reply = reply_to(&request);
        let Some(query) = request.queries.first() else {
            reply.metadata.response_code = ResponseCode::FormErr;
            return reply.to_vec().ok();
        };
        if request.metadata.op_code != OpCode::Query {
            reply.metadata.response_code = ResponseCode::NotImp;
            return reply.to_vec().ok();
        }
        let asked = query.name().to_ascii().to_ascii_lowercase();
        let asking = match client {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        };
        let found = self
            .zone
            .load()
            .resolve(asked.trim_end_matches('.'), asking);
        match found {
            Answer::Foreign => return self.forward(question, reply, tcp).await,
            Answer::Unknown => {
                reply.metadata.authoritative = true;
                reply.metadata.response_code = ResponseCode::NXDomain;
            }
            Answer::Addresses(addresses) => {
                reply.metadata.authoritative = true;
                if query.query_type() == RecordType::A {
                    for address in addresses {
                        let data = RData::A(A(address));
                        reply.add_answer(Record::from_rdata(query.name().clone(), TTL, data));
                    }
                }
            }
            Answer::Alias(target) => {
                self.alias(
                    &mut reply,
                    query.name(),
                    &target,
                    query.query_type(),
                    asking,
                )
                .await;
            }
        }
        let limit = usize::from(request.max_payload()).max(UDP_MIN);
        fitting(reply, if tcp { usize::from(u16::MAX) } else { limit })
    }

    async fn forward(&self, question: &[u8], mut reply: Message, tcp: bool) -> Option<Vec<u8>> {
        if let Some(answer) = forward::ask(&self.upstream, question, tcp).await {
            return Some(answer);
        }
        reply.metadata.response_code = ResponseCode::ServFail;
        reply.to_vec().ok()
    }

    /// An alias is answered with its target's addresses, so that clients need not ask again.
    async fn alias(
        &self,
        reply: &mut Message,
        name: &Name,
        target: &str,
        wanted: RecordType,
        asking: Option<Ipv4Addr>,
    ) {
        let Ok(target_name) = Name::from_str(&format!("{}.", target.trim_end_matches('.'))) else {
            reply.metadata.response_code = ResponseCode::ServFail;
            return;
        };
        let data = RData::CNAME(CNAME(target_name.clone()));
        reply.add_answer(Record::from_rdata(name.clone(), TTL, data));
        if wanted == RecordType::CNAME {
            return;
        }
        let target = target.trim_end_matches('.').to_ascii_lowercase();
        let found = self.zone.load().resolve(&target, asking);
        match found {
            Answer::Addresses(addresses) if wanted == RecordType::A => {
                for address in addresses {
                    let data = RData::A(A(address));
                    reply.add_answer(Record::from_rdata(target_name.clone(), TTL, data));
                }
            }
            Answer::Foreign => {
                let mut question = Message::query();
                question.metadata.recursion_desired = true;
                question.add_query(hickory_proto::op::Query::query(target_name, wanted));
                let Ok(bytes) = question.to_vec() else { return };
                let answer = forward::ask(&self.upstream, &bytes, false).await;
                if let Some(answer) = answer.and_then(|bytes| Message::from_vec(&bytes).ok()) {
                    reply.add_answers(answer.answers);
                }
            }
            _ => {}
        }
    }
}

fn reply_to(request: &Message) -> Message {
    let mut reply = Message::response(request.metadata.id, request.metadata.op_code);
    reply.metadata.recursion_desired = request.metadata.recursion_desired;
    reply.metadata.recursion_available = true;
    reply.add_queries(request.queries.iter().cloned());
    reply
}

fn fitting(reply: Message, limit: usize) -> Option<Vec<u8>> {
    let bytes = reply.to_vec().ok()?;
    if bytes.len() <= limit {
        return Some(bytes);
    }
    reply.truncate().to_vec().ok()
}

#[cfg(test)]
mod tests {
    use ferromesh_runtime::Publisher;
    use hickory_proto::op::Query;

    use super::*;
    use crate::dns::ServiceNames;

    fn resolver() -> (Publisher<Zone>, Resolver) {
        let service = ServiceNames {
            name: "web".into(),
            namespace: "shop".into(),
            pods: vec![Ipv4Addr::new(10, 244, 0, 5)],
            ..ServiceNames::default()
        };
        let alias = ServiceNames {
            name: "alias".into(),
            namespace: "shop".into(),
            external_name: Some("web.shop.svc.cluster.local".into()),
            ..ServiceNames::default()
        };
        let zone = Zone::new("cluster.local", vec![service, alias], [].into(), 0);
        let publisher = Publisher::new(zone);
        let resolver = Resolver {
            zone: publisher.reader(),
            upstream: Arc::new(Vec::new()),
            places: Arc::new(Semaphore::new(1)),
        };
        (publisher, resolver)
    }

    async fn ask(name: &str, kind: RecordType) -> Message {
        let (_publisher, resolver) = resolver();
        let mut question = Message::query();
        question.add_query(Query::query(
            Name::from_str(name).expect("a valid name"),
            kind,
        ));
        let bytes = question.to_vec().expect("a valid question");
        let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let answer = resolver
            .answer(&bytes, client, false)
            .await
            .expect("an answer");
        Message::from_vec(&answer).expect("a valid answer")
    }

    #[tokio::test]
    async fn a_service_has_addresses_and_no_ipv6() {
        let answer = ask("Web.shop.svc.cluster.local.", RecordType::A).await;
        assert_eq!(answer.answers.len(), 1);
        let answer = ask("web.shop.svc.cluster.local.", RecordType::AAAA).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::NoError);
        assert!(answer.answers.is_empty());
    }

    #[tokio::test]
    async fn an_alias_comes_with_its_target() {
        let answer = ask("alias.shop.svc.cluster.local.", RecordType::A).await;
        let kinds: Vec<_> = answer.answers.iter().map(Record::record_type).collect();
        assert_eq!(kinds, [RecordType::CNAME, RecordType::A]);
    }

    #[tokio::test]
    async fn unknown_and_foreign_names_fail_differently() {
        let answer = ask("none.shop.svc.cluster.local.", RecordType::A).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::NXDomain);
        let answer = ask("example.com.", RecordType::A).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::ServFail);
    }
}
