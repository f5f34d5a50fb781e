//! Answers of access control.

use serde_json::{Value, json};

use crate::conformance::beside::{Row, row};

const RBAC: &str = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC";
const ROUTER: &str = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";

/// A manager with a filter for each of the settings, in that order.
fn guarded(settings: &[Value]) -> Value {
    let mut filters = Vec::new();
    for each in settings {
        let mut config = each.clone();
        config["@type"] = json!(RBAC);
        filters.push(json!({"name": "rbac", "typed_config": config}));
    }
    filters.push(json!({"name": "router", "typed_config": {"@type": ROUTER}}));
    json!({"http_filters": filters})
}

/// Rules of one policy.
fn rules(action: &str, name: &str, permission: &Value, principal: &Value) -> Value {
    json!({"action": action, "policies": {
        name: {"permissions": [permission], "principals": [principal]},
    }})
}

fn path(prefix: &str) -> Value {
    json!({"url_path": {"path": {"prefix": prefix}}})
}

pub fn rows() -> Vec<Row> {
    [policies(), principals(), permissions()]
        .into_iter()
        .flatten()
        .collect()
}

fn policies() -> Vec<Row> {
    let any = json!({"any": true});
    vec![
        row("no policy allows the request")
            .manager(guarded(&[
                json!({"rules": rules("ALLOW", "p", &path("/in"), &any)}),
            ]))
            .get("/out", &[])
            .shows("client[0].body", "RBAC: access denied")
            .reply("403", "", "rbac_access_denied_matched_policy[none]"),
        row("a policy allows the request")
            .manager(guarded(&[
                json!({"rules": rules("ALLOW", "p", &path("/in"), &any)}),
            ]))
            .get("/in?q", &[])
            .reply("200", "", "via_upstream"),
        row("a policy whose name has spaces denies the request")
            .manager(guarded(&[
                json!({"rules": rules("DENY", "no one", &path("/in"), &any)}),
            ]))
            .get("/in", &[])
            .reply("403", "", "rbac_access_denied_matched_policy[no_one]"),
        row("the first policy by name is the one that denies")
            .manager(guarded(&[json!({"rules": {"action": "DENY", "policies": {
                "z": {"permissions": [any], "principals": [any]},
                "a": {"permissions": [any], "principals": [any]},
            }}})]))
            .get("/in", &[])
            .reply("403", "", "rbac_access_denied_matched_policy[a]"),
        row("rules that log, rules that are tried out and rules that deny")
            .manager(guarded(&[
                json!({"rules": rules("LOG", "log", &any, &any)}),
                json!({"shadow_rules": rules("DENY", "dry", &any, &any)}),
                json!({"rules": rules("DENY", "deny", &path("/in"), &any)}),
            ]))
            .get("/in", &[])
            .reply("403", "", "rbac_access_denied_matched_policy[deny]"),
        row("a gRPC client is told by status")
            .manager(guarded(&[
                json!({"rules": rules("ALLOW", "p", &path("/in"), &any)}),
            ]))
            .get("/out", &["content-type: application/grpc"])
            .shows("client[0].grpc-status", "7")
            .reply("200", "", "rbac_access_denied_matched_policy[none]"),
        row("access control comes before a missing route")
            .host(json!({"routes": [
                {"match": {"path": "/only"}, "route": {"cluster": "$CLUSTER"}},
            ]}))
            .manager(guarded(&[json!({"rules": rules("DENY", "p", &any, &any)})]))
            .get("/", &[])
            .reply("403", "", "rbac_access_denied_matched_policy[p]"),
    ]
}

/// Rows of which each denies who is named.
fn denying(name: &'static str, permission: &Value, principal: &Value) -> Row {
    row(name).manager(guarded(&[json!({
        "rules": rules("DENY", "p", permission, principal),
    })]))
}

const DENIED: &str = "rbac_access_denied_matched_policy[p]";

fn principals() -> Vec<Row> {
    let any = json!({"any": true});
    let network = |length: u32| json!({"address_prefix": "127.0.0.1", "prefix_len": length});
    vec![
        denying("the peer's address", &any, &json!({"direct_remote_ip": network(32)}))
            .get("/", &["x-forwarded-for: 10.1.2.3"])
            .reply("403", "", DENIED),
        denying("the address of a trusted field", &any, &json!({
            "remote_ip": {"address_prefix": "10.1.0.0", "prefix_len": 16},
        }))
        .get("/", &["x-forwarded-for: 10.1.2.3"])
        .reply("403", "", DENIED),
        denying("the address of the connection", &any, &json!({"source_ip": network(8)}))
            .get("/", &["x-forwarded-for: 10.1.2.3"])
            .reply("403", "", DENIED),
        denying("nobody is authenticated without TLS", &any, &json!({"authenticated": {}}))
            .get("/", &[])
            .reply("200", "", "via_upstream"),
        denying("everybody who is not authenticated", &any, &json!({
            "not_id": {"authenticated": {"principal_name": {"prefix": "spiffe://"}}},
        }))
        .get("/", &[])
        .reply("403", "", DENIED),
        denying("each line of a field counts", &any, &json!({"and_ids": {"ids": [
            {"header": {"name": "x-a", "string_match": {"exact": "2"}}},
            {"not_id": {"header": {"name": "x-a", "string_match": {"exact": "1,2"}}}},
            {"header": {"name": "x-b", "string_match": {"contains": "CASE", "ignore_case": true}}},
        ]}}))
        .get("/", &["x-a: 1", "x-a: 2", "x-b: a case"])
        .reply("403", "", DENIED),
        denying("metadata that nobody noted", &any, &json!({"metadata": {
            "filter": "envoy.filters.http.jwt_authn",
            "path": [{"key": "payload"}, {"key": "iss"}],
            "value": {"string_match": {"safe_regex": {"regex": ".*"}}},
        }}))
        .get("/", &[])
        .reply("200", "", "via_upstream"),
        denying("metadata that nobody noted, inverted", &any, &json!({"metadata": {
            "filter": "f",
            "path": [{"key": "k"}],
            "value": {"present_match": true},
            "invert": true,
        }}))
        .get("/", &[])
        .reply("403", "", DENIED),
    ]
}

fn permissions() -> Vec<Row> {
    let any = json!({"any": true});
    let template = |text: &str| {
        json!({"uri_template": {"name": "template", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.\
                      UriTemplateMatchConfig",
            "path_template": text,
        }}})
    };
    vec![
        denying("a path below a template", &template("/a/*/c/**"), &any)
            .get("/a/b/c/d/e?q", &[])
            .reply("403", "", DENIED),
        denying("a path beside a template", &template("/a/*/c"), &any)
            .get("/a/b/x/c", &[])
            .reply("200", "", "via_upstream"),
        denying(
            "a template with names",
            &template("/a/{id}/{rest=**}"),
            &any,
        )
        .get("/a/7/x/y", &[])
        .reply("403", "", DENIED),
        denying(
            "a segment of a template is not empty",
            &template("/a/*/c"),
            &any,
        )
        .get("/a//c", &[])
        .reply("200", "", "via_upstream"),
        denying(
            "the address that is called",
            &json!({"and_rules": {"rules": [
                {"destination_ip": {"address_prefix": "127.0.0.0", "prefix_len": 8}},
                {"destination_port_range": {"start": 1, "end": 65536}},
                {"not_rule": {"destination_port": 1}},
            ]}}),
            &any,
        )
        .get("/", &[])
        .reply("403", "", DENIED),
        denying(
            "a server name that is not there",
            &json!({
                "requested_server_name": {"exact": "shop.example"},
            }),
            &any,
        )
        .get("/", &[])
        .reply("200", "", "via_upstream"),
        denying(
            "an empty server name",
            &json!({
                "requested_server_name": {"exact": ""},
            }),
            &any,
        )
        .get("/", &[])
        .reply("403", "", DENIED),
        denying(
            "a method and a host in any case",
            &json!({"and_rules": {"rules": [
                {"header": {"name": ":method", "string_match": {"exact": "GET"}}},
                {"header": {"name": ":authority", "string_match":
                    {"prefix": "SHOP.", "ignore_case": true}}},
            ]}}),
            &any,
        )
        .get("/", &[])
        .reply("403", "", DENIED),
    ]
}
