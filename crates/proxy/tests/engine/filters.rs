//! HTTP filters with settings on routes: faults and cross-origin resource sharing.

use std::sync::atomic::Ordering;

use crate::peers::{Client, Endpoint, Fixture, Setup, field};

const FAULT: &str = "{name: envoy.filters.http.fault, typed_config: {\"@type\": \
                     type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault}}, ";

const CORS: &str = "{name: envoy.filters.http.cors, typed_config: {\"@type\": \
                    type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors}}, ";

/// Sends a request without body and gives the head of the answer, and its body.
async fn ask(fixture: &Fixture, head: &str) -> (String, String) {
    let mut client = Client::connect(fixture.address).await;
    client.send(format!("{head}\r\n\r\n").as_bytes()).await;
    let answer = client.answer().await;
    (
        answer.head,
        String::from_utf8_lossy(&answer.body).into_owned(),
    )
}

const GET: &str = "GET / HTTP/1.1\r\nhost: a";

async fn with_fault(endpoint: &Endpoint, around: &'static str) -> Fixture {
    let setup = Setup {
        filters: FAULT,
        around,
        ..Setup::to(endpoint.address)
    };
    setup.start().await
}

#[tokio::test]
async fn an_abort_of_the_route_answers_instead_of_the_endpoint() {
    let endpoint = Endpoint::hello().await;
    let fixture = with_fault(
        &endpoint,
        ", typed_per_filter_config: {envoy.filters.http.fault: {\"@type\": \
         type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, abort: \
         {http_status: 418, percentage: {numerator: 100}}}}",
    )
    .await;
    let (head, body) = ask(&fixture, GET).await;
    assert!(head.starts_with("HTTP/1.1 418 "), "{head}");
    assert_eq!(body, "fault filter abort");
    assert_eq!(endpoint.requests.load(Ordering::SeqCst), 0);
    let counted = fixture.proxy.prometheus();
    assert!(
        counted
            .lines()
            .any(|line| line.contains("fault_aborts_injected") && line.ends_with(" 1")),
        "{counted}"
    );
}

#[tokio::test]
async fn a_grpc_abort_tells_a_grpc_client_its_status() {
    let endpoint = Endpoint::hello().await;
    let fixture = with_fault(
        &endpoint,
        ", typed_per_filter_config: {envoy.filters.http.fault: {\"@type\": \
         type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, abort: \
         {grpc_status: 5, percentage: {numerator: 100}}}}",
    )
    .await;
    let call = "POST /s/m HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\n\
                content-length: 0";
    let (head, _) = ask(&fixture, call).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(field(&head, "grpc-status"), Some("5"));
    assert_eq!(field(&head, "grpc-message"), Some("fault filter abort"));
}

#[tokio::test]
async fn a_header_asks_for_a_fault_where_the_config_lets_it() {
    let endpoint = Endpoint::hello().await;
    let fixture = with_fault(
        &endpoint,
        ", typed_per_filter_config: {envoy.filters.http.fault: {\"@type\": \
         type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, delay: \
         {header_delay: {}, percentage: {numerator: 100}}, abort: {header_abort: {}, percentage: \
         {numerator: 100}}}}",
    )
    .await;
    let (head, _) = ask(&fixture, GET).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let asked =
        format!("{GET}\r\nx-envoy-fault-delay-request: 1\r\nx-envoy-fault-abort-request: 503");
    let (head, _) = ask(&fixture, &asked).await;
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    let smaller = format!(
        "{GET}\r\nx-envoy-fault-abort-request: 503\r\n\
         x-envoy-fault-abort-request-percentage: 0"
    );
    let (head, _) = ask(&fixture, &smaller).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}

#[tokio::test]
async fn a_delayed_request_goes_on_to_its_endpoint() {
    let endpoint = Endpoint::hello().await;
    let fixture = with_fault(
        &endpoint,
        ", typed_per_filter_config: {envoy.filters.http.fault: {\"@type\": \
         type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, delay: \
         {fixed_delay: 0.02s, percentage: {numerator: 100}}}}",
    )
    .await;
    let begun = std::time::Instant::now();
    let (head, body) = ask(&fixture, GET).await;
    assert!(begun.elapsed() >= std::time::Duration::from_millis(20));
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(body, "hello");
}

#[tokio::test]
async fn the_time_for_the_answer_does_not_run_while_a_request_is_delayed() {
    let endpoint = Endpoint::hello().await;
    let setup = Setup {
        filters: FAULT,
        route: ", timeout: 0.4s",
        around: ", typed_per_filter_config: {envoy.filters.http.fault: {\"@type\": \
                 type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, delay: \
                 {fixed_delay: 0.5s, percentage: {numerator: 100}}}}",
        ..Setup::to(endpoint.address)
    };
    let fixture = setup.start().await;
    let (head, body) = ask(&fixture, GET).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(body, "hello");
}

async fn with_cors(endpoint: &Endpoint) -> Fixture {
    let setup = Setup {
        filters: CORS,
        host: ", typed_per_filter_config: {envoy.filters.http.cors: {\"@type\": \
               type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy, \
               allow_methods: \"GET,PUT\", max_age: \"60\", allow_credentials: false}}",
        around: ", typed_per_filter_config: {envoy.filters.http.cors: {\"@type\": \
                 type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy, \
                 allow_origin_string_match: [{exact: \"http://good\"}], allow_credentials: true, \
                 expose_headers: x-shown, allow_private_network_access: true, \
                 forward_not_matching_preflights: false}}",
        ..Setup::to(endpoint.address)
    };
    setup.start().await
}

#[tokio::test]
async fn a_preflight_is_answered_with_what_route_and_virtual_host_allow() {
    let endpoint = Endpoint::hello().await;
    let fixture = with_cors(&endpoint).await;
    let preflight = "OPTIONS / HTTP/1.1\r\nhost: a\r\norigin: http://good\r\n\
                     access-control-request-method: PUT\r\n\
                     access-control-request-private-network: true";
    let (head, _) = ask(&fixture, preflight).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    for (name, value) in [
        ("access-control-allow-origin", "http://good"),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "GET,PUT"),
        ("access-control-max-age", "60"),
        ("access-control-expose-headers", "x-shown"),
        ("access-control-allow-private-network", "true"),
    ] {
        assert_eq!(field(&head, name), Some(value), "{name} of {head}");
    }
    let other = preflight.replace("good", "bad");
    let (head, _) = ask(&fixture, &other).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(field(&head, "access-control-allow-origin"), None);
    assert_eq!(
        field(&head, "access-control-allow-methods"),
        Some("GET,PUT")
    );
    assert_eq!(endpoint.requests.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn only_an_origin_that_is_allowed_may_use_the_answer() {
    let endpoint = Endpoint::hello().await;
    let fixture = with_cors(&endpoint).await;
    let (head, _) = ask(&fixture, &format!("{GET}\r\norigin: http://good")).await;
    assert_eq!(
        field(&head, "access-control-allow-origin"),
        Some("http://good")
    );
    assert_eq!(
        field(&head, "access-control-expose-headers"),
        Some("x-shown")
    );
    for origin in ["", "\r\norigin: http://bad"] {
        let (head, body) = ask(&fixture, &format!("{GET}{origin}")).await;
        assert_eq!(field(&head, "access-control-allow-origin"), None);
        assert_eq!(body, "hello");
    }
}

#[tokio::test]
async fn a_filter_that_the_route_disables_does_nothing() {
    let endpoint = Endpoint::hello().await;
    let setup = Setup {
        filters: "{name: f, typed_config: {\"@type\": \
                  type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, abort: \
                  {http_status: 500, percentage: {numerator: 100}}}}, ",
        around: ", typed_per_filter_config: {f: {\"@type\": \
                 type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}}",
        ..Setup::to(endpoint.address)
    };
    let fixture = setup.start().await;
    let (head, _) = ask(&fixture, GET).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}
