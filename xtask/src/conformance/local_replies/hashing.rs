//! Consistent hashing: each key goes to the endpoint that Envoy chooses. Nobody listens at any of
//! them, so that the access log names the endpoint that was chosen.

use serde_json::{Value, json};

use crate::conformance::beside::{Row, row};

/// Keys of each row.
const KEYS: usize = 40;

pub fn rows() -> Vec<Row> {
    let by_header = json!([{"header": {"header_name": "x-key"}}]);
    let two = json!([
        {"query_parameter": {"name": "k"}},
        {"connection_properties": {"source_ip": true}},
    ]);
    let ring = |function: &str, least: u64| {
        json!({"lb_policy": "RING_HASH", "ring_hash_lb_config": {
            "hash_function": function, "minimum_ring_size": least,
        }})
    };
    let maglev =
        |size: u64| json!({"lb_policy": "MAGLEV", "maglev_lb_config": {"table_size": size}});
    let even = [1; 7];
    vec![
        chosen(
            "ring hash by default",
            &json!({"lb_policy": "RING_HASH"}),
            &by_header,
            &even,
        ),
        chosen(
            "ring hash by XXH64",
            &ring("XX_HASH", 64),
            &by_header,
            &even,
        ),
        chosen(
            "ring hash by MurmurHash2",
            &ring("MURMUR_HASH_2", 1024),
            &by_header,
            &even,
        ),
        chosen(
            "ring hash by weight",
            &ring("XX_HASH", 100),
            &by_header,
            &[1, 5, 3],
        ),
        chosen(
            "maglev by default",
            &json!({"lb_policy": "MAGLEV"}),
            &by_header,
            &even,
        ),
        chosen("maglev by weight", &maglev(503), &by_header, &[1, 5, 3]),
        chosen(
            "several keys of a request",
            &ring("XX_HASH", 256),
            &two,
            &even,
        ),
    ]
}

/// A row of requests with many keys to endpoints of these weights.
fn chosen(name: &'static str, policy: &Value, keys: &Value, weights: &[u32]) -> Row {
    let endpoints: Vec<Value> = weights
        .iter()
        .enumerate()
        .map(|(index, weight)| {
            let address = format!("127.0.0.{}", index + 1);
            json!({
                "load_balancing_weight": weight,
                "endpoint": {"address": {"socket_address": {"address": address, "port_value": 1}}},
            })
        })
        .collect();
    let mut cluster = policy.clone();
    cluster["load_assignment"] = json!({"endpoints": [{"lb_endpoints": endpoints}]});
    let mut row = row(name)
        .cluster(cluster)
        .action(json!({"route": {"hash_policy": keys}}));
    for number in 0..KEYS {
        let key = "key-".repeat(number % 9 + 1) + &number.to_string();
        row = row
            .send_made(format!(
                "GET /?k={key} HTTP/1.1\r\nHost: a\r\nx-key: {key}\r\n\r\n"
            ))
            .answers(1);
    }
    row.lines(KEYS).shows("log[0].flags", "UF")
}
