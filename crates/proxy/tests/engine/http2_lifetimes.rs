//! How HTTP/2 connections of clients come to their end, frame by frame.

use crate::frames::{
    ACK, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, NO_ERROR, PING, frame, get,
};
use crate::peers::{Endpoint, Fixture, Setup};

/// What a GOAWAY says that refuses no stream yet (RFC 9113 section 6.8).
const NO_STREAM_YET: u32 = (1 << 31) - 1;

async fn proxy(manager: &'static str) -> Fixture {
    let endpoint = Endpoint::hello().await;
    let setup = Setup {
        manager,
        ..Setup::to(endpoint.address)
    };
    setup.start().await
}

/// Goes through both steps of the end; the last stream that counts.
async fn two_steps(client: &mut Frames) -> u32 {
    let first = client.next_of(GOAWAY).await.expect("the announcement");
    assert_eq!(first.goaway(), (NO_STREAM_YET, NO_ERROR));
    let ping = client.next_of(PING).await.expect("a ping after it");
    client.send(&frame(PING, ACK, 0, &ping.payload)).await;
    let second = client.next_of(GOAWAY).await.expect("the end");
    assert_eq!(second.goaway().1, NO_ERROR);
    second.goaway().0
}

#[tokio::test]
async fn an_idle_connection_is_ended_in_two_steps() {
    let fixture = proxy(", common_http_protocol_options: {idle_timeout: 0.05s}").await;
    let mut client = Frames::connect(fixture.address).await;
    let request = frame(HEADERS, END_HEADERS | END_STREAM, 1, &get());
    client.send(&request).await;
    assert!(client.next_of(HEADERS).await.is_some());
    assert_eq!(two_steps(&mut client).await, 1);
    assert_eq!(client.end().await, None);
}

#[tokio::test]
async fn a_connection_that_is_old_enough_is_ended_in_two_steps() {
    let fixture = proxy(", common_http_protocol_options: {max_connection_duration: 0.05s}").await;
    let mut client = Frames::connect(fixture.address).await;
    two_steps(&mut client).await;
    assert_eq!(client.end().await, None);
}

#[tokio::test]
async fn a_connection_that_had_its_requests_still_serves_what_is_on_its_way() {
    let fixture = proxy(", common_http_protocol_options: {max_requests_per_connection: 1}").await;
    let mut client = Frames::connect(fixture.address).await;
    // Both are sent before the announcement of the end can have come.
    for stream in [1, 3] {
        let request = frame(HEADERS, END_HEADERS | END_STREAM, stream, &get());
        client.send(&request).await;
    }
    let (mut answered, mut told) = (Vec::new(), Vec::new());
    while let Some(frame_in) = client.next().await {
        match frame_in.kind {
            HEADERS => answered.push(frame_in.stream),
            GOAWAY => told.push(frame_in.goaway()),
            PING => client.send(&frame(PING, ACK, 0, &frame_in.payload)).await,
            _ => {}
        }
    }
    answered.sort_unstable();
    assert_eq!(answered, [1, 3]);
    assert_eq!(told, [(NO_STREAM_YET, NO_ERROR), (3, NO_ERROR)]);
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_given_up() {
    let fixture = proxy(
        ", http2_protocol_options: {connection_keepalive: {interval: 0.05s, timeout: 0.05s}}",
    )
    .await;
    let mut client = Frames::connect(fixture.address).await;
    assert!(client.next_of(PING).await.is_some());
    assert_eq!(client.end().await, None);
}

#[tokio::test]
async fn a_client_that_answers_pings_is_kept() {
    let fixture =
        proxy(", http2_protocol_options: {connection_keepalive: {interval: 0.02s, timeout: 5s}}")
            .await;
    let mut client = Frames::connect(fixture.address).await;
    for _ in 0..5 {
        let ping = client.next_of(PING).await.expect("a ping");
        client.send(&frame(PING, ACK, 0, &ping.payload)).await;
    }
    let request = frame(HEADERS, END_HEADERS | END_STREAM, 1, &get());
    client.send(&request).await;
    assert!(client.next_of(HEADERS).await.is_some());
}

#[tokio::test]
async fn what_is_not_http2_is_hung_up_on_in_order() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let fixture = proxy(", codec_type: HTTP2").await;
    let mut stream = tokio::net::TcpStream::connect(fixture.address)
        .await
        .expect("connected");
    stream
        .write_all(b"INVALID CONNECTION PREFACE\r\n\r\n")
        .await
        .expect("sent");
    let mut rest = Vec::new();
    // An end and not a reset, which would be an error here.
    let read = stream.read_to_end(&mut rest).await.expect("an end");
    assert_eq!(read, 0);
}
