//! Attacks on HTTP/2 from raw frames: each ends with the connection, or with an attacker that has
//! to wait, and never with memory that grows.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::frames::{
    ACK, CALM, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, PING, PRIORITY,
    RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, get, head,
};
use crate::peers::{Endpoint, Fixture, Setup};

/// What `cancel` of RFC 9113 section 7 looks like in a RST_STREAM.
const CANCEL: [u8; 4] = [0, 0, 0, 8];

/// An endpoint that takes requests and never answers.
async fn silent() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            kept.push(stream);
        }
    });
    address
}

async fn proxy() -> Fixture {
    Setup::to(silent().await).start().await
}

/// Whether another client is served by the same worker.
async fn serves_others(fixture: &Fixture) -> bool {
    let mut other = Frames::connect(fixture.address).await;
    other.send(&frame(PING, 0, 0, &[7; 8])).await;
    let answer = other.next_of(PING).await.expect("an answer");
    answer.flags & ACK != 0 && answer.payload == [7; 8]
}

/// The code of the GOAWAY after `attack` was sent many times behind an open stream.
async fn code_after(attack: &[u8]) -> Option<u32> {
    let fixture = proxy().await;
    let mut client = Frames::connect(fixture.address).await;
    client.send(&frame(HEADERS, END_HEADERS, 1, &get())).await;
    client.flood(attack, 50_000).await;
    let code = client.end().await;
    assert!(serves_others(&fixture).await);
    code
}

#[tokio::test]
async fn rapid_resets_end_the_connection() {
    let fixture = proxy().await;
    let mut client = Frames::connect(fixture.address).await;
    let mut attack = Vec::new();
    for number in 0..2_000 {
        let stream = 2 * number + 1;
        attack.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &get()));
        attack.extend(frame(RST_STREAM, 0, stream, &CANCEL));
    }
    client.flood(&attack, 1).await;
    assert_eq!(client.end().await, Some(CALM));
    assert!(serves_others(&fixture).await);
}

#[tokio::test]
async fn resets_of_streams_that_are_being_served_end_the_connection() {
    let fixture = proxy().await;
    let mut client = Frames::connect(fixture.address).await;
    let mut ended = None;
    for number in 0..1_000 {
        let stream = 2 * number + 1;
        let opened = frame(HEADERS, END_HEADERS | END_STREAM, stream, &get());
        client.flood(&opened, 1).await;
        // The answer to a ping shows that the stream was taken.
        client.flood(&frame(PING, 0, 0, &[1; 8]), 1).await;
        if client.next_of(PING).await.is_none() {
            ended = Some(number);
            break;
        }
        client
            .flood(&frame(RST_STREAM, 0, stream, &CANCEL), 1)
            .await;
    }
    let ended = ended.expect("the connection ends");
    assert!((249..=500).contains(&ended), "after {ended} streams");
    assert!(serves_others(&fixture).await);
}

#[tokio::test]
async fn empty_data_frames_end_the_connection() {
    assert_eq!(code_after(&frame(DATA, 0, 1, b"")).await, Some(CALM));
}

#[tokio::test]
async fn priority_frames_end_the_connection() {
    let attack = frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 16]);
    assert_eq!(code_after(&attack).await, Some(CALM));
}

#[tokio::test]
async fn window_updates_for_nothing_end_the_connection() {
    let attack = frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]);
    assert_eq!(code_after(&attack).await, Some(CALM));
}

#[tokio::test]
async fn endless_continuations_end_the_connection() {
    let fixture = proxy().await;
    let mut client = Frames::connect(fixture.address).await;
    client.send(&frame(HEADERS, 0, 1, &get())).await;
    let more = head(&[("x", "y")]);
    client
        .flood(&frame(CONTINUATION, 0, 1, &more), 50_000)
        .await;
    assert_eq!(client.end().await, Some(CALM));
    assert!(serves_others(&fixture).await);
}

#[tokio::test]
async fn a_head_that_grows_when_it_is_decoded_is_refused() {
    let endpoint = Endpoint::hello().await;
    let fixture = Setup::to(endpoint.address).start().await;
    let mut client = Frames::connect(fixture.address).await;
    // One field of 4,000 bytes goes into the table; each further byte (entry 62) stands for it
    // once more.
    let mut bomb = get();
    let value = [b'v'; 4000 - 32 - 1];
    bomb.extend_from_slice(&[0x40, 1, b'x', 0x7f]);
    let length = value.len() - 127;
    bomb.extend_from_slice(&[(length % 128) as u8 | 0x80, (length / 128) as u8]);
    bomb.extend_from_slice(&value);
    bomb.extend_from_slice(&[0b1011_1110; 12_000]);
    client
        .send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &bomb))
        .await;
    // 48 MB decoded from 16 kB: refused by an answer, or by the end of the connection.
    let answer = client.next_of(HEADERS).await;
    assert!(answer.is_none_or(|answer| answer.flags & END_STREAM != 0));
    assert_eq!(
        endpoint.requests.load(std::sync::atomic::Ordering::SeqCst),
        0
    );
    assert!(serves_others(&fixture).await);
}

#[tokio::test]
async fn pings_whose_answers_nobody_reads_stop_the_reading() {
    let fixture = proxy().await;
    let mut client = Frames::connect(fixture.address).await;
    let pings = frame(PING, 0, 0, &[1; 8]).repeat(1_000);
    let most = 128 << 20;
    let taken = client.taken_unread(&pings, most).await;
    assert!(
        taken < most,
        "the proxy takes {taken} bytes and answers into memory"
    );
    assert!(serves_others(&fixture).await);
}

#[tokio::test]
async fn settings_whose_answers_nobody_reads_stop_the_reading() {
    let fixture = proxy().await;
    let mut client = Frames::connect(fixture.address).await;
    let settings = frame(SETTINGS, 0, 0, &[]).repeat(1_000);
    let most = 128 << 20;
    let taken = client.taken_unread(&settings, most).await;
    assert!(
        taken < most,
        "the proxy takes {taken} bytes and answers into memory"
    );
    assert!(serves_others(&fixture).await);
}

#[tokio::test]
async fn more_fields_than_the_limit_are_refused_with_431() {
    let endpoint = Endpoint::hello().await;
    let fixture = Setup::to(endpoint.address).start().await;
    let mut client = Frames::connect(fixture.address).await;
    let mut fields = get();
    for number in 0..101 {
        fields.extend(head(&[(&format!("x-{number}"), "y")]));
    }
    client
        .send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields))
        .await;
    client.next_of(HEADERS).await.expect("an answer");
    let why = client.next_of(DATA).await.expect("its text");
    assert_eq!(why.flags & END_STREAM, END_STREAM);
    assert_eq!(
        endpoint.requests.load(std::sync::atomic::Ordering::SeqCst),
        0
    );
}
