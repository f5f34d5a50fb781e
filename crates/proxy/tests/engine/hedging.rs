//! A try that takes too long gets company.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::peers::{Client, Endpoint, Setup};

const HEDGED: &str = ", timeout: 20s, hedge_policy: {hedge_on_per_try_timeout: true}, \
                      retry_policy: {retry_on: 5xx, num_retries: 1, per_try_timeout: 0.05s, \
                      retry_host_predicate: [{name: envoy.retry_host_predicates.previous_hosts}], \
                      host_selection_retry_max_attempts: 20}";

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

#[tokio::test]
async fn the_second_try_wins_when_the_first_is_silent() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = Endpoint::hello().await;
    let setup = Setup {
        endpoints: vec![silent.local_addr().expect("bound"), endpoint.address],
        route: HEDGED,
        ..Setup::default()
    };
    let fixture = setup.start().await;
    let mut client = Client::connect(fixture.address).await;
    for _ in 0..4 {
        client.send(GET).await;
        assert_eq!(client.answer().await.body, b"hello");
    }
    assert_eq!(endpoint.requests.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn the_first_try_may_still_win() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let setup = Setup {
        endpoints: vec![address],
        route: HEDGED,
        ..Setup::default()
    };
    let fixture = setup.start().await;
    let server = tokio::spawn(async move {
        // The first connection is answered only once the second try has come.
        let (first, _) = listener.accept().await.expect("the first try");
        let (second, _) = listener.accept().await.expect("the second try");
        let mut first = BufReader::new(first);
        let mut line = String::new();
        first.read_line(&mut line).await.expect("a request");
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfirst";
        first.write_all(answer).await.expect("sent");
        // Both stay open until the client has its answer.
        (first, second)
    });
    let mut client = Client::connect(fixture.address).await;
    client.send(GET).await;
    let answer = tokio::time::timeout(Duration::from_secs(15), client.answer());
    assert_eq!(answer.await.expect("in time").body, b"first");
    drop(server.await.expect("served"));
}

#[tokio::test]
async fn a_bad_answer_waits_for_the_other_try() {
    let endpoint = Endpoint::start(|seen| match seen.number {
        0 => b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_vec(),
        _ => b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec(),
    })
    .await;
    let setup = Setup {
        route: HEDGED,
        ..Setup::to(endpoint.address)
    };
    let fixture = setup.start().await;
    let mut client = Client::connect(fixture.address).await;
    client.send(GET).await;
    assert_eq!(client.answer().await.body, b"ok");
}
