//! HTTP/1.1 on both sides.

use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::peers::{Client, Endpoint, Setup, field};

#[tokio::test]
async fn connections_are_kept_on_both_sides() {
    let endpoint = Endpoint::hello().await;
    let fixture = Setup::to(endpoint.address).start().await;
    let mut client = Client::connect(fixture.address).await;
    for _ in 0..3 {
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let answer = client.answer().await;
        assert!(
            answer.head.starts_with("HTTP/1.1 200 OK\n"),
            "{}",
            answer.head
        );
        assert_eq!(answer.body, b"hello");
        assert!(field(&answer.head, "x-envoy-upstream-service-time").is_some());
        assert_eq!(field(&answer.head, "server"), Some("envoy"));
        assert!(field(&answer.head, "date").is_some());
    }
    assert_eq!(endpoint.connections.load(Ordering::SeqCst), 1);
    assert_eq!(endpoint.requests.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let endpoint = Endpoint::start(|seen| {
        let path = seen.head.split(' ').nth(1).expect("a target").to_owned();
        format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{path}",
            path.len()
        )
        .into_bytes()
    })
    .await;
    let fixture = Setup::to(endpoint.address).start().await;
    let mut client = Client::connect(fixture.address).await;
    let requests: String = (0..5)
        .map(|n| format!("GET /{n} HTTP/1.1\r\nhost: a\r\n\r\n"))
        .collect();
    client.send(requests.as_bytes()).await;
    for n in 0..5 {
        assert_eq!(client.answer().await.body, format!("/{n}").into_bytes());
    }
}

#[tokio::test]
async fn large_bodies_pass_whole_in_both_directions() {
    let endpoint = Endpoint::start(|seen| {
        let mut answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
            seen.body.len()
        );
        answer.push_str(&String::from_utf8_lossy(&seen.body));
        answer.into_bytes()
    })
    .await;
    let fixture = Setup::to(endpoint.address).start().await;
    let body: Vec<u8> = (0..3_000_000).map(|n| b'a' + (n % 26) as u8).collect();
    let client = Client::connect(fixture.address).await;
    let (mut read, mut write) = client.0.into_inner().into_split();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let sent = body.clone();
    let upload = async move {
        write.write_all(head.as_bytes()).await.expect("sent");
        write.write_all(&sent).await.expect("sent");
        write
    };
    let download = async {
        let mut all = Vec::new();
        let mut head = 0;
        while head == 0 || all.len() < head + body.len() {
            let mut chunk = vec![0; 65536];
            let count = read.read(&mut chunk).await.expect("read");
            assert!(count > 0, "closed after {} bytes", all.len());
            all.extend_from_slice(&chunk[..count]);
            let end = all.windows(4).position(|window| window == b"\r\n\r\n");
            head = end.map_or(0, |end| end + 4);
        }
        all
    };
    let (_write, all) = tokio::join!(upload, download);
    assert!(all.ends_with(&body), "the body came back changed");
}

#[tokio::test]
async fn chunked_requests_and_answers_pass() {
    let endpoint = Endpoint::start(|seen| {
        assert_eq!(field(&seen.head, "transfer-encoding"), Some("chunked"));
        assert_eq!(seen.body, b"hello world");
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
            .to_vec()
    })
    .await;
    let fixture = Setup::to(endpoint.address).start().await;
    let mut client = Client::connect(fixture.address).await;
    let request = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\
                    5;x\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    client.send(request).await;
    assert_eq!(client.answer().await.body, b"abcde");
}

#[tokio::test]
async fn malformed_requests_get_400_and_never_reach_the_endpoint() {
    let endpoint = Endpoint::hello().await;
    let fixture = Setup::to(endpoint.address).start().await;
    for request in [
        "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nhost : a\r\n\r\n",
        "GET / HTTP/1.1\nhost: a\n\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
    ] {
        let mut client = Client::connect(fixture.address).await;
        client.send(request.as_bytes()).await;
        let answer = client.answer().await;
        assert!(
            answer.head.starts_with("HTTP/1.1 400 "),
            "{request:?}: {}",
            answer.head
        );
    }
    let mut client = Client::connect(fixture.address).await;
    client.send(b"GET / HTTP/1.0\r\n\r\n").await;
    assert!(client.answer().await.head.starts_with("HTTP/1.1 426 "));
    assert_eq!(endpoint.requests.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_expectation_is_answered_by_the_proxy() {
    let endpoint = Endpoint::hello().await;
    let fixture = Setup::to(endpoint.address).start().await;
    let mut client = Client::connect(fixture.address).await;
    let head = b"POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n";
    client.send(head).await;
    assert!(client.answer().await.head.starts_with("HTTP/1.1 100 "));
    client.send(b"abc").await;
    assert_eq!(client.answer().await.body, b"hello");
}

#[tokio::test]
async fn an_upgrade_opens_a_tunnel() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.expect("a byte"));
        }
        let head = String::from_utf8_lossy(&request).to_lowercase();
        assert!(head.contains("upgrade: websocket\r\n"), "{head}");
        assert!(head.contains("connection: upgrade\r\n"), "{head}");
        let answer = b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\n\
                       upgrade: websocket\r\n\r\n";
        stream.write_all(answer).await.expect("sent");
        let mut bytes = [0; 4];
        stream.read_exact(&mut bytes).await.expect("read");
        bytes.reverse();
        stream.write_all(&bytes).await.expect("sent");
    });
    let setup = Setup {
        manager: ", upgrade_configs: [{upgrade_type: websocket}]",
        ..Setup::to(address)
    };
    let fixture = setup.start().await;
    let mut client = Client::connect(fixture.address).await;
    let request =
        b"GET /chat HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
    client.send(request).await;
    let answer = client.answer().await;
    assert!(answer.head.starts_with("HTTP/1.1 101 "), "{}", answer.head);
    assert_eq!(field(&answer.head, "upgrade"), Some("websocket"));
    client.send(b"ping").await;
    assert_eq!(client.rest().await, "gnip");
}

#[tokio::test]
async fn an_upgrade_that_is_not_allowed_gets_403() {
    let endpoint = Endpoint::hello().await;
    let fixture = Setup::to(endpoint.address).start().await;
    let mut client = Client::connect(fixture.address).await;
    let request =
        b"GET /chat HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
    client.send(request).await;
    assert!(client.answer().await.head.starts_with("HTTP/1.1 403 "));
}

#[tokio::test]
async fn forwarding_headers_reach_the_endpoint() {
    let endpoint = Endpoint::start(|seen| {
        let body = &seen.head;
        format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    })
    .await;
    let setup = Setup {
        manager: ", use_remote_address: true",
        ..Setup::to(endpoint.address)
    };
    let fixture = setup.start().await;
    let mut client = Client::connect(fixture.address).await;
    let request = b"GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 9.9.9.9\r\n\
                    x-envoy-retry-on: 5xx\r\nconnection: x-secret\r\nx-secret: 1\r\n\r\n";
    client.send(request).await;
    let head = String::from_utf8(client.answer().await.body).expect("text");
    // A client on this host is told to others by the host's own address, whichever that is.
    let forwarded = field(&head, "x-forwarded-for").expect("set");
    let (before, own) = forwarded.split_once(',').expect("appended");
    assert_eq!(before, "9.9.9.9");
    own.parse::<std::net::IpAddr>().expect("an address");
    assert_eq!(field(&head, "x-forwarded-proto"), Some("http"));
    assert_eq!(field(&head, "x-request-id").map(str::len), Some(36));
    assert_eq!(
        field(&head, "x-envoy-expected-rq-timeout-ms"),
        Some("15000")
    );
    assert_eq!(field(&head, "x-envoy-retry-on"), None);
    assert_eq!(field(&head, "x-secret"), None);
}

#[tokio::test]
async fn an_answer_until_close_is_chunked_for_the_client() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nall of it").await;
    });
    let fixture = Setup::to(address).start().await;
    let mut client = Client::connect(fixture.address).await;
    client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let answer = client.answer().await;
    assert_eq!(field(&answer.head, "transfer-encoding"), Some("chunked"));
    assert_eq!(answer.body, b"all of it");
}
