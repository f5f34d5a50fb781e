//! Upgrades and CONNECT.

use serde_json::json;

use crate::conformance::beside::{Act, Row, row};

const ASK: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Key: abc\r\nSec-WebSocket-Version: 13\r\n\r\n";
const OPEN: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\n\
                    upgrade: websocket\r\nsec-websocket-accept: xyz\r\n\r\n";
const CONNECT: &str = "CONNECT db.example:5432 HTTP/1.1\r\nHost: db.example:5432\r\n\r\n";

pub fn rows() -> Vec<Row> {
    let mut rows = upgrades();
    rows.extend(tunnels());
    rows
}

fn upgrades() -> Vec<Row> {
    let websocket = json!({"upgrade_configs": [{"upgrade_type": "websocket"}]});
    vec![
        row("an upgrade that nobody allows")
            .send(ASK)
            .answers(1)
            .reply("403", "", "upgrade_failed"),
        row("a websocket")
            .manager(websocket.clone())
            .endpoint(vec![Act::ReadHead, Act::Send(OPEN), Act::Echo])
            .send(ASK)
            .until("101")
            .send("ping")
            .until("PING")
            .half_close()
            .shows("client.rest", "PING")
            .reply("101", "DC", "downstream_remote_disconnect"),
        row("a websocket that the endpoint refuses")
            .manager(websocket.clone())
            .endpoint(vec![
                Act::ReadHead,
                Act::Send("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno"),
            ])
            .send(ASK)
            .answers(1)
            .shows("client[0].body", "no"),
        row("a websocket whose endpoint closes")
            .manager(websocket.clone())
            .endpoint(vec![
                Act::ReadHead,
                Act::Send(OPEN),
                Act::Pause(100),
                Act::Send("bye"),
                Act::Close,
            ])
            .send(ASK)
            .until("bye")
            .shows("client.end", "closed"),
        row("a websocket that the route forbids")
            .manager(websocket.clone())
            .action(json!({"route": {"upgrade_configs": [
                {"upgrade_type": "websocket", "enabled": false},
            ]}}))
            .send(ASK)
            .answers(1)
            .reply("403", "", "upgrade_failed"),
        row("a websocket that the route allows over the manager")
            .manager(json!({"upgrade_configs": [
                {"upgrade_type": "websocket", "enabled": false},
            ]}))
            .action(json!({"route": {"upgrade_configs": [{"upgrade_type": "websocket"}]}}))
            .endpoint(vec![Act::ReadHead, Act::Send(OPEN), Act::Echo])
            .send(ASK)
            .until("101")
            .send("ping")
            .until("PING")
            .shows("client.rest", "PING"),
        row("an upgrade of another kind")
            .manager(websocket.clone())
            .send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: spdy\r\n\r\n")
            .answers(1)
            .reply("403", "", "upgrade_failed"),
        row("an upgrade to HTTP/2, which is not asked for")
            .manager(websocket)
            .send(
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n\
                 Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
            )
            .answers(1)
            .shows("log[0].code", "200"),
    ]
}

fn tunnels() -> Vec<Row> {
    let matcher = |config: serde_json::Value| {
        json!({"match": {"prefix": null, "connect_matcher": {}},
               "route": {"upgrade_configs": [config]}})
    };
    vec![
        row("CONNECT that nobody allows")
            .send(CONNECT)
            .answers(1)
            .shows("log[0].code", "404"),
        row("CONNECT that is passed on")
            .action(matcher(json!({"upgrade_type": "CONNECT"})))
            .endpoint(vec![
                Act::ReadHead,
                Act::Send("HTTP/1.1 200 OK\r\n\r\n"),
                Act::Echo,
            ])
            .send(CONNECT)
            .until("200")
            .send("ping")
            .until("PING")
            .shows("client[0].body", "PING"),
        row("CONNECT that ends here")
            .action(matcher(
                json!({"upgrade_type": "CONNECT", "connect_config": {}}),
            ))
            .endpoint(vec![Act::Echo])
            .send(CONNECT)
            .until("200")
            .send("ping")
            .until("PING")
            .half_close()
            .shows("log[0].code", "200"),
        row("CONNECT that ends here, to nobody")
            .action(matcher(
                json!({"upgrade_type": "CONNECT", "connect_config": {}}),
            ))
            .refusing()
            .send(CONNECT)
            .answers(1)
            .shows("log[0].code", "503"),
        row("CONNECT that the endpoint refuses")
            .action(matcher(json!({"upgrade_type": "CONNECT"})))
            .endpoint(vec![
                Act::ReadHead,
                Act::Send("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno"),
            ])
            .send(CONNECT)
            .answers(1)
            .shows("log[0].code", "403"),
    ]
}
