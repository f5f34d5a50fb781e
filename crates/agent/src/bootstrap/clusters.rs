//! Static clusters: Envoy's own admin port, the agent, its sockets, and the remote services that
//! the proxy configuration names.

use serde_json::{Map, Value, json};

use super::{Context, tls_context};

/// More than any proxy will ever need: the control plane must not be cut off by a default limit.
const NO_LIMIT: u32 = 100_000;

pub(super) fn all(context: &Context<'_>) -> Vec<Value> {
    let mut clusters = vec![
        local(context, "prometheus_stats", context.admin_port),
        local(context, "agent", context.status_port),
        socket("sds-grpc", &sds_path(context)),
    ];
    if context.flag("file-credential") {
        let path = "./var/run/secrets/credential-uds/files-socket";
        clusters.push(socket("sds-files-grpc", path));
    }
    clusters.push(discovery(context));
    clusters.extend(tracers(context));
    clusters.extend(remote_services(context));
    clusters
}

fn sds_path(context: &Context<'_>) -> String {
    let file = context.node.metadata.get("WORKLOAD_IDENTITY_SOCKET_FILE");
    let file = file.and_then(Value::as_str).unwrap_or("socket");
    format!("./var/run/secrets/workload-spiffe-uds/{file}")
}

fn base(name: &str, kind: &str, timeout: &str, address: &Value) -> Map<String, Value> {
    let cluster = json!({
        "name": name,
        "alt_stat_name": format!("{name};"),
        "type": kind,
        "connect_timeout": timeout,
        "lb_policy": "ROUND_ROBIN",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    });
    match cluster {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn local(context: &Context<'_>, name: &str, port: u16) -> Value {
    let address = json!({"socket_address": {
        "protocol": "TCP", "address": context.loopback, "port_value": port,
    }});
    Value::Object(base(name, "STATIC", "0.250s", &address))
}

fn socket(name: &str, path: &str) -> Value {
    let mut cluster = base(name, "STATIC", "1s", &json!({"pipe": {"path": path}}));
    speak_http2(&mut cluster);
    Value::Object(cluster)
}

fn speak_http2(cluster: &mut Map<String, Value>) {
    const OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let options = json!({OPTIONS: {
        "@type": ferromesh_proto::type_url::of(OPTIONS),
        "explicit_http_config": {"http2_protocol_options": {}},
    }});
    cluster.insert("typed_extension_protocol_options".to_owned(), options);
}

fn discovery(context: &Context<'_>) -> Value {
    let path = context.settings.xds_socket.to_string_lossy();
    let mut cluster = socket("xds-grpc", &path);
    let limits = |priority: &str| {
        json!({
            "priority": priority, "max_connections": NO_LIMIT,
            "max_pending_requests": NO_LIMIT, "max_requests": NO_LIMIT,
        })
    };
    cluster["circuit_breakers"] = json!({"thresholds": [limits("DEFAULT"), limits("HIGH")]});
    cluster["upstream_connection_options"] = json!({"tcp_keepalive": {"keepalive_time": 300}});
    cluster["max_requests_per_connection"] = json!(1);
    cluster
}

fn by_name(context: &Context<'_>, name: &str, address: &str) -> Option<Map<String, Value>> {
    let (host, port) = host_and_port(address)?;
    let address = json!({"socket_address": {"address": host, "port_value": port}});
    let mut cluster = base(name, "STRICT_DNS", "1s", &address);
    cluster.insert("respect_dns_ttl".to_owned(), json!(true));
    cluster.insert("dns_lookup_family".to_owned(), json!(context.dns_family));
    Some(cluster)
}

fn tracers(context: &Context<'_>) -> Option<Value> {
    let config = &context.settings.node.proxy_config;
    let address = |tracer: &str| {
        config
            .text(&format!("/tracing/{tracer}/address"))
            .to_owned()
    };
    let tls = config.at("/tracing/tlsSettings");
    if let Some(mut cluster) = by_name(context, "zipkin", &address("zipkin")) {
        cluster.insert("dns_refresh_rate".to_owned(), json!("30s"));
        add_tls(&mut cluster, tls, &[]);
        return Some(Value::Object(cluster));
    }
    if let Some(mut cluster) = by_name(context, "lightstep", &address("lightstep")) {
        speak_http2(&mut cluster);
        add_tls(&mut cluster, tls, &["h2"]);
        return Some(Value::Object(cluster));
    }
    let mut cluster = by_name(context, "datadog_agent", &address("datadog"))?;
    add_tls(&mut cluster, tls, &[]);
    Some(Value::Object(cluster))
}

fn remote_services(context: &Context<'_>) -> Vec<Value> {
    let config = &context.settings.node.proxy_config;
    let services = [
        ("envoy_metrics_service", "envoyMetricsService"),
        ("envoy_accesslog_service", "envoyAccessLogService"),
    ];
    let service = |(name, field): (&str, &str)| {
        let address = config.text(&format!("/{field}/address"));
        let mut cluster = by_name(context, name, address)?;
        speak_http2(&mut cluster);
        add_tls(
            &mut cluster,
            config.at(&format!("/{field}/tlsSettings")),
            &["h2"],
        );
        if let Some(keep_alive) = config.at(&format!("/{field}/tcpKeepalive")) {
            cluster.insert(
                "upstream_connection_options".to_owned(),
                tcp_keepalive(keep_alive),
            );
        }
        Some(Value::Object(cluster))
    };
    services.into_iter().filter_map(service).collect()
}

fn tcp_keepalive(settings: &Value) -> Value {
    let seconds = |key: &str| {
        let text = settings.get(key).and_then(Value::as_str)?;
        Some(crate::settings::parse_duration(text)?.as_secs())
    };
    let mut keep_alive = Map::new();
    for (field, value) in [
        (
            "keepalive_probes",
            settings.get("probes").and_then(Value::as_u64),
        ),
        ("keepalive_time", seconds("time")),
        ("keepalive_interval", seconds("interval")),
    ] {
        if let Some(value) = value {
            keep_alive.insert(field.to_owned(), json!(value));
        }
    }
    json!({"tcp_keepalive": keep_alive})
}

fn add_tls(cluster: &mut Map<String, Value>, settings: Option<&Value>, alpn: &[&str]) {
    if let Some(socket) = tls_context::upstream(settings, alpn) {
        cluster.insert("transport_socket".to_owned(), socket);
    }
}

/// Splits `host:port`, also with a bracketed IPv6 address.
pub(super) fn host_and_port(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    (!host.is_empty()).then_some((host, port.parse().ok()?))
}
