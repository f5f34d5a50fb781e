//! What the control plane serves to the proxy. The listeners that traffic uses stay; everything around
//! them differs between generations.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};

use super::upstreams::Upstreams;
use crate::control_plane::Generation;
use crate::ports::free_port;

/// The ports of the proxy's listeners.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    pub http: u16,
    pub tcp: u16,
    pub tls: u16,
    /// Into the client side of a pair of proxies, and between the two.
    pub mutual: [u16; 2],
    /// Of listeners that come and go.
    pub extra: [u16; 3],
}

impl Ports {
    /// Ports that are free now.
    pub fn free() -> anyhow::Result<Self> {
        Ok(Self {
            http: free_port()?,
            tcp: free_port()?,
            tls: free_port()?,
            mutual: [free_port()?, free_port()?],
            extra: [free_port()?, free_port()?, free_port()?],
        })
    }
}

/// One authority, and a certificate for both ends.
#[derive(Clone, Debug)]
pub struct Certificates {
    pub root: String,
    pub chain: String,
    pub key: String,
}

/// The host name that the certificate is for.
pub const HOST: &str = "soak.test";

impl Certificates {
    pub fn new() -> anyhow::Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let leaf = CertificateParams::new(vec![HOST.to_owned()])?.signed_by(&key, &root)?;
        Ok(Self {
            root: root.pem(),
            chain: leaf.pem(),
            key: key.serialize_pem(),
        })
    }

    fn pair(&self) -> Value {
        json!({
            "certificateChain": {"inlineString": self.chain},
            "privateKey": {"inlineString": self.key},
        })
    }

    fn server(&self, mutual: bool) -> Value {
        json!({"name": "envoy.transport_sockets.tls", "typedConfig": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "requireClientCertificate": mutual,
            "commonTlsContext": {
                "alpnProtocols": ["h2", "http/1.1"],
                "tlsCertificates": [self.pair()],
                "validationContext": {"trustedCa": {"inlineString": self.root}},
            },
        }})
    }

    fn client(&self) -> Value {
        json!({"name": "envoy.transport_sockets.tls", "typedConfig": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": HOST,
            "commonTlsContext": {
                "tlsCertificates": [self.pair()],
                "validationContext": {"trustedCa": {"inlineString": self.root}},
            },
        }})
    }
}

fn http_options(http2: bool) -> Value {
    let protocol = if http2 {
        json!({"http2ProtocolOptions": {}})
    } else {
        json!({"httpProtocolOptions": {}})
    };
    json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "commonHttpProtocolOptions": {"idleTimeout": "5s"},
        "explicitHttpConfig": protocol,
    }})
}

fn assignment(cluster: &str, ports: &[u16], weight: u64) -> Value {
    let endpoint = |port: &u16| {
        json!({
            "endpoint": {"address": {"socketAddress": {"address": "127.0.0.1", "portValue": port}}},
            "loadBalancingWeight": weight,
        })
    };
    let endpoints: Vec<Value> = ports.iter().map(endpoint).collect();
    json!({"clusterName": cluster, "endpoints": [{"lbEndpoints": endpoints}]})
}

/// What the proxy gets in generation `number`.
pub fn generation(
    number: u64,
    ports: &Ports,
    upstreams: &Upstreams,
    certificates: &Certificates,
) -> Generation {
    let eds = |name: &str, http2: bool| {
        json!({
            "name": name,
            "type": "EDS",
            "connectTimeout": "2s",
            "edsClusterConfig": {"edsConfig": {"ads": {}, "resourceApiVersion": "V3"}},
            "typedExtensionProtocolOptions": http_options(http2),
        })
    };
    let mut mutual = eds("mutual", false);
    mutual["transportSocket"] = certificates.client();
    let mut clusters = vec![
        eds("http", false),
        eds("http2", true),
        eds("tcp", false),
        mutual,
    ];
    let mut endpoints = vec![
        // The order and the weight change, now and then there is only one.
        assignment(
            "http",
            &upstreams.http[..1 + (number % 3).min(1) as usize],
            1 + number % 5,
        ),
        assignment("http2", &upstreams.http, 1 + number % 4),
        assignment("tcp", &[upstreams.tcp], 1),
        assignment("mutual", &[ports.mutual[1]], 1),
    ];
    // Clusters that nobody asks anything, some of them new each time.
    for extra in number..number + 5 {
        let name = format!("extra-{extra}");
        clusters.push(eds(&name, extra % 2 == 0));
        endpoints.push(assignment(&name, &upstreams.http, 1));
    }
    let mut listeners = vec![
        listener("http", ports.http, vec![http_filter()], None),
        listener("tcp", ports.tcp, vec![tcp_filter()], None),
        listener(
            "tls",
            ports.tls,
            vec![http_filter()],
            Some(certificates.server(false)),
        ),
        listener("outer", ports.mutual[0], vec![mutual_filter()], None),
        listener(
            "inner",
            ports.mutual[1],
            vec![http_filter()],
            Some(certificates.server(true)),
        ),
    ];
    let extra = ports.extra[(number % 3) as usize];
    let mut changing = listener("extra", extra, vec![http_filter()], None);
    changing["name"] = format!("extra-{}", number % 3).into();
    changing["perConnectionBufferLimitBytes"] = (32_768 + number % 100).into();
    listeners.push(changing);
    Generation {
        clusters,
        endpoints,
        listeners,
        routes: vec![routes(number)],
    }
}

fn listener(name: &str, port: u16, filters: Vec<Value>, tls: Option<Value>) -> Value {
    let mut chain = json!({"filters": filters});
    if let Some(tls) = tls {
        chain["transportSocket"] = tls;
    }
    json!({
        "name": name,
        "address": {"socketAddress": {"address": "127.0.0.1", "portValue": port}},
        "filterChains": [chain],
    })
}

fn manager(routes: &str, value: Value) -> Value {
    json!({"name": "envoy.filters.network.http_connection_manager", "typedConfig": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "statPrefix": "soak",
        routes: value,
        "upgradeConfigs": [{"upgradeType": "websocket"}],
        "httpFilters": [{"name": "envoy.filters.http.router", "typedConfig": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        }}],
    }})
}

fn http_filter() -> Value {
    let source = json!({"routeConfigName": "routes", "configSource": {"ads": {}, "resourceApiVersion": "V3"}});
    manager("rds", source)
}

fn mutual_filter() -> Value {
    let route = json!({"match": {"prefix": "/"}, "route": {"cluster": "mutual"}});
    let host = json!({"name": "all", "domains": ["*"], "routes": [route]});
    manager(
        "routeConfig",
        json!({"name": "mutual", "virtualHosts": [host]}),
    )
}

fn tcp_filter() -> Value {
    json!({"name": "envoy.filters.network.tcp_proxy", "typedConfig": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "statPrefix": "tcp",
        "cluster": "tcp",
    }})
}

fn routes(number: u64) -> Value {
    let mut routes: Vec<Value> = (0..50)
        .map(|at| {
            json!({
                "match": {"path": format!("/path-{}", (at + number) % 97)},
                "route": {"cluster": format!("extra-{}", number + at % 5)},
            })
        })
        .collect();
    let kind = json!([{"name": "content-type", "stringMatch": {"prefix": "application/grpc"}}]);
    routes.push(json!({
        "match": {"prefix": "/", "headers": kind},
        "route": {"cluster": "http2", "timeout": "20s"},
    }));
    routes.push(json!({
        "match": {"prefix": "/"},
        "route": {"cluster": "http", "timeout": "20s"},
        "requestHeadersToAdd": [{"header": {"key": "x-generation", "value": number.to_string()}}],
    }));
    let host = json!({"name": "all", "domains": ["*"], "routes": routes});
    json!({"name": "routes", "virtualHosts": [host]})
}
