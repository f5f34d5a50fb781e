//! How long connections are kept, interim answers, and streams that pass at once.

use serde_json::json;

use crate::conformance::beside::{Act, Row, row};

const ASK: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
const EVENT: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                     transfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n";
const WAITING: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\
                       Expect: 100-continue\r\n\r\n";

pub fn rows() -> Vec<Row> {
    let common = |options: serde_json::Value| json!({"common_http_protocol_options": options});
    vec![
        row("a connection that may carry two requests")
            .manager(common(json!({"max_requests_per_connection": 2})))
            .send(ASK)
            .answers(1)
            .send(ASK)
            .answers(1)
            .lines(2)
            .shows("client[1].connection", "close")
            .shows("client.end", "closed"),
        row("a connection that gets too old")
            .manager(json!({
                "common_http_protocol_options": {"max_connection_duration": "0.3s"},
                "drain_timeout": "0.1s",
            }))
            .send(ASK)
            .answers(1)
            .pause(600)
            .shows("client.end", "closed"),
        row("a client that asks to close")
            .get("/", &["connection: close"])
            .shows("client[0].connection", "close")
            .shows("client.end", "closed"),
        row("a client that says goodbye before its answer")
            .endpoint(vec![Act::Read, Act::Pause(200), Act::Send(HELLO)])
            .send(ASK)
            .pause(100)
            .half_close()
            .answers(1)
            .shows("log.lines", "1"),
        row("an expectation that the proxy answers")
            .send(WAITING)
            .until("100")
            .send("hello")
            .answers(1)
            .shows("client.interim[0].line", "HTTP/1.1 100 Continue")
            .shows("upstream[0].body", "hello"),
        row("an expectation that the endpoint answers")
            .manager(json!({"proxy_100_continue": true}))
            .endpoint(vec![
                Act::ReadHead,
                Act::Send("HTTP/1.1 100 Continue\r\n\r\n"),
                Act::Await,
                Act::Send(HELLO),
            ])
            .send(WAITING)
            .until("100")
            .send("hello")
            .answers(1)
            .shows("upstream[0].expect", "100-continue"),
        row("early hints where interim answers are not asked for")
            .endpoint(vec![
                Act::Read,
                Act::Send("HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n"),
                Act::Pause(100),
                Act::Send(HELLO),
            ])
            .get("/", &[])
            .reply("200", "", "via_upstream"),
        row("an event passes before the answer ends")
            .endpoint(vec![
                Act::Read,
                Act::Send(EVENT),
                Act::Pause(300),
                Act::Send("0\r\n\r\n"),
            ])
            .send(ASK)
            .until("data: 1")
            .answers(1)
            .shows("client[0].body", "data: 1\n\n"),
        row("answers in the order of the requests")
            .endpoint(vec![Act::Serve(HELLO)])
            .send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
            .answers(2)
            .lines(2)
            .shows("client.answers", "2"),
        row("HEAD and its length")
            .endpoint(vec![
                Act::Read,
                Act::Send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"),
            ])
            .send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            .answers(1)
            .shows("client[0].content-length", "5"),
        row("an answer that was not changed")
            .endpoint(vec![
                Act::Read,
                Act::Send("HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\n\r\n"),
            ])
            .get("/", &[])
            .shows("client[0].etag", "\"1\""),
    ]
}
