//! Endpoints that fail.

use serde_json::json;

use crate::conformance::beside::{Act, Row, row};

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

pub fn rows() -> Vec<Row> {
    let mut rows = before_the_answer();
    rows.extend(during_the_answer());
    rows.extend(retried());
    rows
}

fn before_the_answer() -> Vec<Row> {
    vec![
        row("nobody listens")
            .refusing()
            .get("/", &[])
            .shows(
                "log[0].failure",
                "delayed_connect_error:_Connection_refused",
            )
            .reply(
                "503",
                "UF",
                "upstream_reset_before_response_started{remote_connection_failure|\
                 delayed_connect_error:_Connection_refused}",
            ),
        row("no endpoint")
            .cluster(json!({"load_assignment": {"endpoints": []}}))
            .get("/", &[])
            .reply("503", "UH", "no_healthy_upstream"),
        row("the endpoint closes before it answers")
            .endpoint(vec![Act::Read, Act::Close])
            .get("/", &[])
            .reply(
                "503",
                "UC",
                "upstream_reset_before_response_started{connection_termination}",
            ),
        row("the endpoint resets before it answers")
            .endpoint(vec![Act::Read, Act::Reset])
            .get("/", &[])
            .reply(
                "503",
                "UC",
                "upstream_reset_before_response_started{connection_termination}",
            ),
        row("the endpoint answers with garbage")
            .endpoint(vec![Act::Read, Act::Send("garbage\r\n\r\n"), Act::Close])
            .get("/", &[])
            .reply(
                "502",
                "UPE",
                "upstream_reset_before_response_started{protocol_error}",
            ),
        row("the endpoint answers with both framings")
            .endpoint(vec![
                Act::Read,
                Act::Send(
                    "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n\
                     0\r\n\r\n",
                ),
            ])
            .get("/", &[])
            .reply(
                "502",
                "UPE",
                "upstream_reset_before_response_started{protocol_error}",
            ),
        row("the endpoint answers with half a head")
            .endpoint(vec![
                Act::Read,
                Act::Send("HTTP/1.1 200 OK\r\nx-half: "),
                Act::Close,
            ])
            .get("/", &[])
            .reply(
                "502",
                "UPE",
                "upstream_reset_before_response_started{protocol_error}",
            ),
        row("no request is let through")
            .cluster(json!({"circuit_breakers": {"thresholds": [{"max_requests": 0}]}}))
            .get("/", &[])
            .shows("client[0].x-envoy-overloaded", "true")
            .reply(
                "503",
                "UO",
                "upstream_reset_before_response_started{overflow}",
            ),
        row("no connection is let through")
            .cluster(json!({"circuit_breakers": {"thresholds": [
                {"max_connections": 0, "max_pending_requests": 0},
            ]}}))
            .get("/", &[])
            .note(
                "log[0].upstream",
                "our log names the endpoint that was chosen",
            )
            .reply(
                "503",
                "UO",
                "upstream_reset_before_response_started{overflow}",
            ),
        row("the endpoint answers before the request is complete")
            .endpoint(vec![Act::ReadHead, Act::Send(HELLO)])
            .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
            .answers(1)
            .reply("200", "", "via_upstream"),
    ]
}

fn during_the_answer() -> Vec<Row> {
    vec![
        row("the endpoint closes within a body of known length")
            .endpoint(vec![
                Act::Read,
                Act::Send("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf"),
                Act::Close,
            ])
            .get("/", &[])
            .shows("client.end", "closed")
            .reply(
                "200",
                "UPE",
                "upstream_reset_after_response_started{protocol_error}",
            ),
        row("the endpoint resets within chunks")
            .endpoint(vec![
                Act::Read,
                Act::Send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
                Act::Pause(100),
                Act::Reset,
            ])
            .get("/", &[])
            .shows("client.end", "closed"),
        row("the endpoint sends a chunk that is none")
            .endpoint(vec![
                Act::Read,
                Act::Send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
                Act::Pause(100),
                Act::Send("zz\r\n"),
            ])
            .get("/", &[])
            .shows("client.end", "closed"),
        row("an answer that ends with the connection")
            .endpoint(vec![
                Act::Read,
                Act::Send("HTTP/1.1 200 OK\r\n\r\nto the end"),
                Act::Close,
            ])
            .get("/", &[])
            .shows("client[0].body", "to the end")
            .reply("200", "", "via_upstream"),
        row("a client that leaves in the middle of the answer")
            .endpoint(vec![
                Act::Read,
                Act::Send("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf"),
            ])
            .send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .until("half")
            .leave()
            .reply("200", "DC", "downstream_remote_disconnect"),
        row("a client that leaves before the answer")
            .endpoint(vec![Act::Read])
            .send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .pause(200)
            .leave()
            .reply("0", "DC", "downstream_remote_disconnect"),
    ]
}

fn retried() -> Vec<Row> {
    let retry = |on: &str, times: u32| {
        json!({"route": {"retry_policy": {
            "retry_on": on, "num_retries": times,
            "retry_back_off": {"base_interval": "0.01s"},
        }}})
    };
    vec![
        row("a retry after a refused connection, used up")
            .action(retry("connect-failure", 2))
            .refusing()
            .get("/", &[])
            .shows("log[0].attempts", "3")
            .shows("log[0].flags", "URX,UF"),
        row("a retry after a close that succeeds")
            .action(retry("reset", 1))
            .endpoints(vec![vec![Act::Read, Act::Close], vec![Act::Serve(HELLO)]])
            .get("/", &[])
            .shows("log[0].attempts", "2")
            .reply("200", "", "via_upstream"),
        row("a retry after 503, used up")
            .action(retry("5xx", 1))
            .endpoint(vec![Act::Serve(
                "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 3\r\n\r\nbad",
            )])
            .get("/", &[])
            .shows("log[0].attempts", "2")
            .reply("503", "URX", "via_upstream"),
        row("no retry once the answer has begun")
            .action(retry("5xx,reset", 3))
            .endpoint(vec![
                Act::Read,
                Act::Send("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf"),
                Act::Close,
            ])
            .get("/", &[])
            .shows("log[0].attempts", "1"),
        row("a kept connection that was closed under a POST")
            .endpoints(vec![
                vec![Act::Read, Act::Send(HELLO), Act::Await, Act::Close],
                vec![Act::Serve(HELLO)],
            ])
            .get("/first", &[])
            .send("POST /second HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
            .answers(1)
            .lines(2)
            .shows("log[1].code", "503")
            .shows("log[1].flags", "UC"),
    ]
}
