//! Retries, timeouts, broken endpoints, drain.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::peers::{Client, Endpoint, Fixture, Nobody, Setup, field, read_message};

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

#[tokio::test]
async fn a_refused_connection_gives_503_with_the_reason() {
    let nobody = Nobody::there();
    let fixture = Setup::to(nobody.address).start().await;
    let mut client = Client::connect(fixture.address).await;
    client.send(GET).await;
    let answer = client.answer().await;
    assert!(answer.head.starts_with("HTTP/1.1 503 "), "{}", answer.head);
    assert_eq!(
        String::from_utf8_lossy(&answer.body),
        "upstream connect error or disconnect/reset before headers. reset reason: remote \
         connection failure"
    );
}

#[tokio::test]
async fn a_refused_connection_is_tried_again_elsewhere() {
    let endpoint = Endpoint::hello().await;
    let nobody = Nobody::there();
    let setup = Setup {
        endpoints: vec![nobody.address, endpoint.address],
        route: ", retry_policy: {retry_on: connect-failure, num_retries: 3, \
                retry_host_predicate: [{name: envoy.retry_host_predicates.previous_hosts, typed_config: {\"@type\": \
                type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.\
                PreviousHostsPredicate}}], host_selection_retry_max_attempts: 5}",
        ..Setup::default()
    };
    let fixture = setup.start().await;
    for _ in 0..6 {
        let mut client = Client::connect(fixture.address).await;
        client.send(GET).await;
        assert!(client.answer().await.head.starts_with("HTTP/1.1 200 "));
    }
}

#[tokio::test]
async fn answers_are_tried_again_with_their_body() {
    let endpoint = Endpoint::start(|seen| {
        assert_eq!(seen.body, b"abc");
        match seen.number {
            0 | 1 => b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_vec(),
            _ => b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec(),
        }
    })
    .await;
    let setup = Setup {
        route: ", retry_policy: {retry_on: 5xx, num_retries: 2}",
        ..Setup::to(endpoint.address)
    };
    let fixture = setup.start().await;
    let mut client = Client::connect(fixture.address).await;
    client
        .send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc")
        .await;
    assert_eq!(client.answer().await.body, b"ok");
    assert_eq!(endpoint.requests.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_slow_answer_gives_504() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let setup = Setup {
        route: ", timeout: 0.05s",
        ..Setup::to(listener.local_addr().expect("bound"))
    };
    let fixture = setup.start().await;
    let mut client = Client::connect(fixture.address).await;
    client.send(GET).await;
    let answer = client.answer().await;
    assert!(answer.head.starts_with("HTTP/1.1 504 "), "{}", answer.head);
    assert_eq!(answer.body, b"upstream request timeout");
}

#[tokio::test]
async fn a_try_that_does_not_move_is_given_up_and_repeated() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = Endpoint::hello().await;
    let setup = Setup {
        endpoints: vec![silent.local_addr().expect("bound"), endpoint.address],
        route: ", timeout: 20s, retry_policy: {retry_on: 5xx, num_retries: 1, \
                per_try_idle_timeout: 0.05s, retry_host_predicate: [{name: \
                envoy.retry_host_predicates.previous_hosts}], \
                host_selection_retry_max_attempts: 20}",
        ..Setup::default()
    };
    let fixture = setup.start().await;
    let mut client = Client::connect(fixture.address).await;
    for _ in 0..2 {
        client.send(GET).await;
        assert_eq!(client.answer().await.body, b"hello");
    }
}

#[tokio::test]
async fn an_endpoint_that_closes_without_answer_gives_503() {
    let endpoint = Endpoint::start(|_| Vec::new()).await;
    let fixture = Setup::to(endpoint.address).start().await;
    let mut client = Client::connect(fixture.address).await;
    client.send(GET).await;
    let answer = client.answer().await;
    assert!(answer.head.starts_with("HTTP/1.1 503 "), "{}", answer.head);
    assert_eq!(
        String::from_utf8_lossy(&answer.body),
        "upstream connect error or disconnect/reset before headers. reset reason: connection \
         termination"
    );
}

#[tokio::test]
async fn a_kept_connection_that_died_is_not_the_clients_problem() {
    // Answers the first request of each connection and closes at the second.
    let endpoint = Endpoint::start(|seen| match seen.number % 2 {
        0 => b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec(),
        _ => Vec::new(),
    })
    .await;
    let fixture = Setup::to(endpoint.address).start().await;
    let mut client = Client::connect(fixture.address).await;
    for _ in 0..3 {
        client.send(GET).await;
        assert_eq!(client.answer().await.body, b"ok");
    }
}

/// A proxy that keeps as many connections to this endpoint, each of which has answered once; the
/// one that is lent next is the last.
async fn with_kept(count: usize) -> (Fixture, Vec<Client>, TcpListener, Vec<Held>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let fixture = Setup::to(listener.local_addr().expect("bound"))
        .start()
        .await;
    let (mut clients, mut held) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let mut client = Client::connect(fixture.address).await;
        client.send(GET).await;
        let (stream, _) = listener.accept().await.expect("the proxy");
        let mut stream = BufReader::new(stream);
        read_message(&mut stream).await.expect("a request");
        clients.push(client);
        held.push(stream);
    }
    for (client, stream) in clients.iter_mut().zip(&mut held) {
        stream.write_all(OK).await.expect("sent");
        assert_eq!(client.answer().await.body, b"ok");
    }
    (fixture, clients, listener, held)
}

type Held = BufReader<TcpStream>;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Answers one request on the next connection.
async fn answer_once(listener: TcpListener) {
    let (stream, _) = listener.accept().await.expect("the proxy");
    let mut stream = BufReader::new(stream);
    read_message(&mut stream).await.expect("a request");
    stream.write_all(OK).await.expect("sent");
}

#[tokio::test]
async fn kept_connections_that_die_together_are_not_the_clients_problem() {
    let (_fixture, mut clients, listener, held) = with_kept(3).await;
    // Each of them takes a request and hangs up; only a new connection gets an answer.
    for mut stream in held {
        tokio::spawn(async move { read_message(&mut stream).await });
    }
    tokio::spawn(answer_once(listener));
    clients[0].send(GET).await;
    assert_eq!(clients[0].answer().await.body, b"ok");
}

#[tokio::test]
async fn once_one_kept_connection_is_dead_the_others_are_not_tried_blindly() {
    // More than a request is sent again on.
    let (_fixture, mut clients, listener, mut held) = with_kept(40).await;
    let mut next = held.pop().expect("forty");
    tokio::spawn(async move {
        read_message(&mut next).await.expect("a request");
        drop(held);
        drop(next);
    });
    tokio::spawn(answer_once(listener));
    clients[0].send(GET).await;
    assert_eq!(clients[0].answer().await.body, b"ok");
}

#[tokio::test]
async fn a_drain_lets_the_request_in_flight_end() {
    let (release, held) = tokio::sync::oneshot::channel::<()>();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let setup = Setup::to(listener.local_addr().expect("bound"));
    let fixture = setup.start().await;
    let (reached, arrived) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        use tokio::io::AsyncReadExt;
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).await;
        let _ = reached.send(());
        let _ = held.await;
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone";
        stream.write_all(answer).await.expect("sent");
    });
    let mut client = Client::connect(fixture.address).await;
    client.send(GET).await;
    arrived.await.expect("the endpoint has the request");
    let proxy = fixture.proxy.clone();
    let drain = tokio::spawn(async move { proxy.drain(Duration::from_secs(20)).await });
    while tokio::net::TcpStream::connect(fixture.address)
        .await
        .is_ok()
    {
        tokio::task::yield_now().await;
    }
    let _ = release.send(());
    let answer = client.answer().await;
    assert_eq!(answer.body, b"done");
    assert_eq!(field(&answer.head, "connection"), Some("close"));
    drain.await.expect("drained");
}
