//! Names that the base mesh has, and near misses.

pub(super) const NAMESPACES: &[&str] = &["shop", "data", "edge", "istio-system"];

pub(super) const HOSTS: &[&str] = &[
    "web",
    "web.shop.svc.cluster.local",
    "db.shop.svc.cluster.local",
    "db",
    "cache.data.svc.cluster.local",
    "*.data.svc.cluster.local",
    "headless.shop.svc.cluster.local",
    "grpc.shop.svc.cluster.local",
    "shop.example.com",
    "*.example.com",
    "*",
    "api.partner.example",
    "*.wild.example",
    "nobody.example",
    "10.96.0.10",
];

pub(super) const GATEWAYS: &[&str] = &["mesh", "edge/front", "edge/tls", "front", "shop/none"];

pub(super) const SUBSETS: &[&str] = &["v1", "v2", "v3", "none"];

pub(super) const PORTS: &[u64] = &[80, 443, 8080, 5432, 6379, 15_006, 9000, 1, 65_535];

pub(super) const PROTOCOLS: &[&str] = &[
    "HTTP", "HTTP", "HTTP2", "GRPC", "HTTPS", "TLS", "TCP", "MONGO", "MYSQL", "REDIS", "UDP",
];

pub(super) const HEADERS: &[&str] = &[
    "x-user",
    "X-Other",
    "cookie",
    "user-agent",
    ":authority",
    "host",
    "content-length",
    "x_y",
    "te",
    "x-envoy-original-path",
    "x-forwarded-for",
];
