//! The proxy over real loopback sockets, with another server behind it.

use ferromesh_proto::istio::nds::NameTable;
use ferromesh_proto::istio::nds::name_table::NameInfo;
use ferromesh_runtime::Publisher;
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::super::answer::empty;
use super::*;

fn query(name: &str) -> Message {
    let mut query = Message::query();
    query.add_query(Query::query(
        Name::from_ascii(name).expect("a name"),
        RecordType::A,
    ));
    query
}

/// A server that knows every name as 192.0.2.1.
async fn other_server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("bound");
    let address = socket.local_addr().expect("bound");
    tokio::spawn(async move {
        let mut buffer = vec![0; QUERY];
        while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
            let query = Message::from_vec(&buffer[..length]).expect("a query");
            let mut answer = empty(&query, ResponseCode::NoError);
            let data = RData::A(A([192, 0, 2, 1].into()));
            answer.add_answer(Record::from_rdata(query.queries[0].name().clone(), 5, data));
            let bytes = answer.to_vec().expect("encoded");
            socket.send_to(&bytes, client).await.expect("sent");
        }
    });
    address
}

async fn proxy(servers: Vec<SocketAddr>) -> (SocketAddr, Arc<DnsCounters>) {
    let entry = NameInfo {
        ips: (1..=60).map(|last| format!("10.0.0.{last}")).collect(),
        ..NameInfo::default()
    };
    let table = NameTable {
        table: [("many.test".to_owned(), entry)].into(),
    };
    let names = Publisher::new(NameIndex::new(&table, "a", &[]));
    let counters = Arc::new(DnsCounters::default());
    let address = "127.0.0.1:0".parse().expect("an address");
    let forwarder = Forwarder::new(servers, false, Duration::from_secs(5));
    let reader = names.reader();
    let shelf = SocketShelf::new();
    let server = DnsServer::bind(address, &shelf, reader, forwarder, Arc::clone(&counters));
    let server = server.expect("bound");
    let address = server.local_address().expect("bound");
    tokio::spawn(async move {
        // The publisher lives as long as the server.
        let _names = names;
        server.run().await
    });
    (address, counters)
}

async fn ask_udp(server: SocketAddr, query: &Message) -> Message {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("bound");
    let bytes = query.to_vec().expect("encoded");
    socket.send_to(&bytes, server).await.expect("sent");
    let mut buffer = vec![0; 65_535];
    let (length, _) = socket.recv_from(&mut buffer).await.expect("answered");
    Message::from_vec(&buffer[..length]).expect("an answer")
}

#[tokio::test]
async fn unknown_names_are_forwarded() {
    let (address, counters) = proxy(vec![other_server().await]).await;
    let answer = ask_udp(address, &query("elsewhere.org.")).await;
    assert_eq!(answer.answers.len(), 1);
    assert_eq!(counters.forwarded.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn without_another_server_the_client_hears_of_the_failure() {
    let (address, counters) = proxy(Vec::new()).await;
    let answer = ask_udp(address, &query("elsewhere.org.")).await;
    assert_eq!(answer.metadata.response_code, ResponseCode::ServFail);
    assert_eq!(counters.failures.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_long_answer_is_cut_off_over_udp_and_whole_over_tcp() {
    let (address, _) = proxy(Vec::new()).await;
    let query = query("many.test.");
    let answer = ask_udp(address, &query).await;
    assert!(answer.metadata.truncation);
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let bytes = query.to_vec().expect("encoded");
    write_framed(&mut stream, &bytes).await.expect("sent");
    let bytes = read_framed(&mut stream).await.expect("answered");
    let answer = Message::from_vec(&bytes).expect("an answer");
    assert_eq!(answer.answers.len(), 60);
}
