//! The rows of the Gateway API.

use super::Row;

const GC: &str = "gateway.networking.k8s.io/v1 GatewayClass";
const KG: &str = "gateway.networking.k8s.io/v1 Gateway";
const HR: &str = "gateway.networking.k8s.io/v1 HTTPRoute";
const GR: &str = "gateway.networking.k8s.io/v1 GRPCRoute";
const TL: &str = "gateway.networking.k8s.io/v1 TLSRoute";
const TC: &str = "gateway.networking.k8s.io/v1alpha2 TCPRoute";
const RG: &str = "gateway.networking.k8s.io/v1 ReferenceGrant";
const BT: &str = "gateway.networking.k8s.io/v1 BackendTLSPolicy";

pub(crate) const ROWS: &[Row] = &[
    (GC, "{}", "spec.controllerName", "Required"),
    (
        GC,
        "{controllerName: istio}",
        "spec.controllerName",
        "should match",
    ),
    (
        KG,
        "{listeners: [{name: a, port: 80, protocol: HTTP}]}",
        "spec.gatewayClassName",
        "Required",
    ),
    (
        KG,
        "{gatewayClassName: istio}",
        "spec.listeners",
        "Required",
    ),
    (
        KG,
        "{gatewayClassName: istio, listeners: [{name: a, port: 0, protocol: HTTP}]}",
        "spec.listeners[0].port",
        "between 1",
    ),
    (
        KG,
        "{gatewayClassName: istio, listeners: [{name: a, port: 1, protocol: HTTP, tls: {}}]}",
        "spec.listeners[0].tls",
        "must not be specified",
    ),
    (
        KG,
        "{gatewayClassName: istio, listeners: [{name: a, port: 1, protocol: TLS}]}",
        "spec.listeners[0].tls",
        "must be set",
    ),
    (
        KG,
        "{gatewayClassName: istio, listeners: [{name: a, port: 1, protocol: HTTPS, tls: {}}]}",
        "spec.listeners[0].tls",
        "certificateRefs",
    ),
    (
        KG,
        "{gatewayClassName: istio, listeners: [{name: a, port: 1, protocol: HTTPS, tls: {mode: Passthrough}}]}",
        "spec.listeners[0].tls.mode",
        "must be Terminate",
    ),
    (
        KG,
        "{gatewayClassName: istio, listeners: [{name: a, port: 1, protocol: TCP, hostname: a.b}]}",
        "spec.listeners[0].hostname",
        "TCP",
    ),
    (
        KG,
        "{gatewayClassName: istio, listeners: [{name: a, port: 1, protocol: HTTP, hostname: '*'}]}",
        "spec.listeners[0].hostname",
        "every host",
    ),
    (
        KG,
        "{gatewayClassName: istio, listeners: [{name: a, port: 1, protocol: HTTP}, {name: a, port: 2, protocol: HTTP}]}",
        "spec.listeners[1].name",
        "unique",
    ),
    (
        KG,
        "{gatewayClassName: istio, listeners: [{name: a, port: 1, protocol: HTTP}, {name: b, port: 1, protocol: HTTP}]}",
        "spec.listeners[1]",
        "unique",
    ),
    (
        KG,
        "{gatewayClassName: istio, listeners: [{name: a, port: 1, protocol: HTTP, allowedRoutes: {namespaces: {from: Selector}}}]}",
        "spec.listeners[0].allowedRoutes.namespaces.selector",
        "Required",
    ),
    (
        KG,
        "{gatewayClassName: istio, listeners: [{name: a, port: 1, protocol: HTTP, allowedRoutes: {namespaces: {from: Some}}}]}",
        "spec.listeners[0].allowedRoutes.namespaces.from",
        "Unsupported value",
    ),
    (
        HR,
        "{parentRefs: [{}]}",
        "spec.parentRefs[0].name",
        "Required",
    ),
    (
        HR,
        "{parentRefs: [{name: a}, {name: a}]}",
        "spec.parentRefs[1]",
        "must be unique",
    ),
    (
        HR,
        "{parentRefs: [{name: a}, {name: a, port: 80}]}",
        "spec.parentRefs[1]",
        "must be specified",
    ),
    (
        HR,
        "{hostnames: [192.0.2.1]}",
        "spec.hostnames[0]",
        "no address",
    ),
    (HR, "{hostnames: [A.b]}", "spec.hostnames[0]", "lower case"),
    (HR, "{rules: []}", "spec.rules", "Required"),
    (
        HR,
        "{rules: [{backendRefs: [{name: a}]}]}",
        "spec.rules[0].backendRefs[0].port",
        "must have port",
    ),
    (
        HR,
        "{rules: [{backendRefs: [{name: a, port: 80, weight: 1000001}]}]}",
        "spec.rules[0].backendRefs[0].weight",
        "at most",
    ),
    (
        HR,
        "{rules: [{matches: [{path: {value: a}}]}]}",
        "spec.rules[0].matches[0].path.value",
        "absolute",
    ),
    (
        HR,
        "{rules: [{matches: [{path: {type: Exact, value: /a/../b}}]}]}",
        "spec.rules[0].matches[0].path.value",
        "must not contain",
    ),
    (
        HR,
        "{rules: [{matches: [{path: {type: RegularExpression, value: '('}}]}]}",
        "spec.rules[0].matches[0].path.value",
        "not a regular expression",
    ),
    (
        HR,
        "{rules: [{matches: [{method: get}]}]}",
        "spec.rules[0].matches[0].method",
        "Unsupported value",
    ),
    (
        HR,
        "{rules: [{matches: [{headers: [{name: a, value: b}, {name: A, value: c}]}]}]}",
        "spec.rules[0].matches[0].headers[1].name",
        "Duplicate",
    ),
    (
        HR,
        "{rules: [{filters: [{type: URLRewrite}]}]}",
        "spec.rules[0].filters[0].urlRewrite",
        "must be set",
    ),
    (
        HR,
        "{rules: [{filters: [{type: CORS, cors: {maxAge: 0}}]}]}",
        "spec.rules[0].filters[0].cors.maxAge",
        "at least 1",
    ),
    (
        HR,
        "{rules: [{filters: [{type: RequestRedirect, requestRedirect: {port: 1}}, {type: URLRewrite, urlRewrite: {hostname: a}}]}]}",
        "spec.rules[0].filters",
        "not both",
    ),
    (
        HR,
        "{rules: [{filters: [{type: RequestRedirect, requestRedirect: {statusCode: 200}}]}]}",
        "spec.rules[0].filters[0].requestRedirect.statusCode",
        "supported values",
    ),
    (
        HR,
        "{rules: [{filters: [{type: RequestRedirect, requestRedirect: {}}], backendRefs: [{name: a, port: 1}]}]}",
        "spec.rules[0]",
        "must not be used together",
    ),
    (
        HR,
        "{rules: [{matches: [{path: {type: Exact, value: /a}}], filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /b}}}]}]}",
        "spec.rules[0].filters[0]",
        "exactly one PathPrefix",
    ),
    (
        HR,
        "{rules: [{filters: [{type: RequestMirror, requestMirror: {backendRef: {name: a, port: 1}, percent: 1, fraction: {numerator: 1}}}]}]}",
        "spec.rules[0].filters[0].requestMirror",
        "at most one",
    ),
    (
        HR,
        "{rules: [{filters: [{type: RequestMirror, requestMirror: {backendRef: {name: a, port: 1}, fraction: {numerator: 101}}}]}]}",
        "spec.rules[0].filters[0].requestMirror.fraction",
        "less than or equal",
    ),
    (
        HR,
        "{rules: [{timeouts: {request: 1s, backendRequest: 2s}}]}",
        "spec.rules[0].timeouts",
        "cannot be longer",
    ),
    (
        HR,
        "{rules: [{timeouts: {request: 0.5s}}]}",
        "spec.rules[0].timeouts.request",
        "should match",
    ),
    (
        HR,
        "{rules: [{retry: {codes: [200]}}]}",
        "spec.rules[0].retry.codes[0]",
        "between 400 and 599",
    ),
    (
        HR,
        "{rules: [{sessionPersistence: {cookieConfig: {lifetimeType: Permanent}}}]}",
        "spec.rules[0].sessionPersistence",
        "AbsoluteTimeout",
    ),
    (
        GR,
        "{rules: [{matches: [{method: {}}]}]}",
        "spec.rules[0].matches[0].method",
        "one or both",
    ),
    (
        GR,
        "{rules: [{matches: [{method: {service: a/b}}]}]}",
        "spec.rules[0].matches[0].method.service",
        "not the name",
    ),
    (
        GR,
        "{rules: [{filters: [{type: URLRewrite, urlRewrite: {hostname: a}}]}]}",
        "spec.rules[0].filters[0].type",
        "no such filter",
    ),
    (TL, "{rules: [{}]}", "spec.rules[0].backendRefs", "Required"),
    (
        TC,
        "{rules: [{backendRefs: [{name: a, port: 1, filters: []}]}]}",
        "spec.rules[0].backendRefs[0].filters",
        "unknown field",
    ),
    (TC, "{rules: []}", "spec.rules", "Required"),
    (
        RG,
        "{from: [{group: a, kind: b, namespace: c}]}",
        "spec.to",
        "Required",
    ),
    (
        RG,
        "{from: [{group: a, kind: b}], to: [{group: '', kind: Secret}]}",
        "spec.from[0].namespace",
        "Invalid",
    ),
    (
        BT,
        "{targetRefs: [{group: '', kind: Service, name: a}]}",
        "spec.validation.hostname",
        "Required",
    ),
    (
        BT,
        "{targetRefs: [{group: '', kind: Service, name: a}], validation: {hostname: a}}",
        "spec.validation",
        "either",
    ),
    (
        BT,
        "{validation: {hostname: a, wellKnownCACertificates: Mine}}",
        "spec.validation.wellKnownCACertificates",
        "System",
    ),
];
