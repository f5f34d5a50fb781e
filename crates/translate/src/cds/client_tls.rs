//! TLS towards the endpoints of a cluster: what a DestinationRule asks for, else automatic mutual
//! TLS where an endpoint accepts it.
//!
//! Automatic means per endpoint: the cluster carries two transport sockets and each endpoint's
//! metadata picks one, so a service may be half inside the mesh. Clusters whose endpoints are not
//! known in advance (original destination) carry the one that all known endpoints accept.

use ferromesh_config::kind::destination_rule::{
    ClientTlsMode, ClientTlsSettings, ProxyProtocol, ProxyProtocolVersion,
};
use ferromesh_proto::envoy::config::cluster::v3::{Cluster, cluster::TransportSocketMatch};
use ferromesh_proto::envoy::config::core::v3::{
    DataSource, ProxyProtocolConfig, TransportSocket, UpstreamHttpProtocolOptions,
    data_source::Specifier, proxy_protocol_config::Version, transport_socket::ConfigType,
};
use ferromesh_proto::envoy::extensions::transport_sockets::proxy_protocol::v3::ProxyProtocolUpstreamTransport;
use ferromesh_proto::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, CommonTlsContext, SdsSecretConfig, UpstreamTlsContext,
    common_tls_context::ValidationContextType,
};
use ferromesh_proto::google::protobuf::{Struct, Value, value::Kind};
use ferromesh_types::Str;

use super::connection_pool::UpstreamProtocol;
use crate::tls::{self, alpn, sds, upstream};
use crate::value::{any, exact};

/// The metadata key by which an endpoint picks a transport socket.
pub(crate) const TLS_MODE: &str = "tlsMode";
/// The value of endpoints that accept mutual TLS.
pub(crate) const TLS_MODE_ISTIO: &str = "istio";

/// What the transport of a cluster depends on.
pub(crate) struct Transport<'a> {
    /// The settings of the rule.
    pub(crate) settings: Option<&'a ClientTlsSettings>,
    /// Whether mutual TLS may be used without being asked for.
    pub(crate) automatic: bool,
    /// Whether the endpoints carry metadata to choose by.
    pub(crate) per_endpoint: bool,
    /// The server name of mutual TLS.
    pub(crate) sni: String,
    /// The identities of the endpoints.
    pub(crate) identities: &'a [Str],
    /// How requests are sent.
    pub(crate) protocol: UpstreamProtocol,
    /// Whether the port is known to carry HTTP.
    pub(crate) http: bool,
    /// Whether Secrets of the control plane may be read for it.
    pub(crate) credentials: bool,
    /// A PROXY protocol header inside the connection.
    pub(crate) proxy_protocol: Option<ProxyProtocol>,
}

/// Sets the transport sockets. What comes back tells HTTP to take server name and expected names
/// from the request.
pub(crate) fn apply(
    cluster: &mut Cluster,
    transport: &Transport<'_>,
) -> Option<UpstreamHttpProtocolOptions> {
    let wrap = |socket| match transport.proxy_protocol {
        Some(header) => with_header(socket, header),
        None => socket,
    };
    if let Some(settings) = transport.settings.filter(|s| transport.honours(s)) {
        if settings.mode == ClientTlsMode::Disable {
            cluster.transport_socket = transport.proxy_protocol.map(|_| wrap(tls::raw_socket()));
            return None;
        }
        if settings.mode == ClientTlsMode::IstioMutual {
            cluster.transport_socket =
                Some(wrap(tls::tls_socket(&transport.mutual(Some(settings)))));
            return None;
        }
        cluster.transport_socket = Some(wrap(tls::tls_socket(&requested(
            settings,
            transport.protocol,
        ))));
        return names_from_request(settings);
    }
    if !transport.automatic {
        cluster.transport_socket = transport.proxy_protocol.map(|_| wrap(tls::raw_socket()));
    } else if transport.per_endpoint {
        let mutual = wrap(tls::tls_socket(&transport.mutual(None)));
        let plain = wrap(tls::raw_socket());
        cluster.transport_socket_matches = vec![
            choice("tlsMode-istio", Some((TLS_MODE, TLS_MODE_ISTIO)), mutual),
            choice("tlsMode-disabled", None, plain),
        ];
    } else {
        cluster.transport_socket = Some(wrap(tls::tls_socket(&transport.mutual(None))));
    }
    None
}

impl Transport<'_> {
    /// A Secret that the proxy may not read must never turn into plaintext: such settings are set
    /// aside, and automatic mutual TLS stays.
    fn honours(&self, settings: &ClientTlsSettings) -> bool {
        settings.credential_name.is_empty() || self.credentials
    }

    fn mutual(&self, settings: Option<&ClientTlsSettings>) -> UpstreamTlsContext {
        let sni = settings
            .map(|s| s.sni.as_str())
            .filter(|sni| !sni.is_empty());
        let names = settings
            .map(|s| s.subject_alt_names.as_slice())
            .filter(|n| !n.is_empty());
        upstream::mutual(
            sni.map_or_else(|| self.sni.clone(), str::to_owned),
            names.unwrap_or(self.identities).iter().map(Str::as_str),
            self.alpn(),
        )
    }

    /// Names that let the other side see which protocol is inside. Where the client's protocol is
    /// used, no one name is true for all connections.
    fn alpn(&self) -> &'static [&'static str] {
        match self.protocol {
            UpstreamProtocol::Http2 => &[alpn::ISTIO_H2, alpn::ISTIO, alpn::H2],
            UpstreamProtocol::Http1 if self.http => {
                &[alpn::ISTIO_HTTP11, alpn::ISTIO, alpn::HTTP11]
            }
            UpstreamProtocol::Http1 | UpstreamProtocol::Downstream => &[alpn::ISTIO],
        }
    }
}

fn choice(
    name: &str,
    wanted: Option<(&str, &str)>,
    socket: TransportSocket,
) -> TransportSocketMatch {
    let fields = wanted
        .into_iter()
        .map(|(key, value)| {
            let value = Value {
                kind: Some(Kind::StringValue(value.to_owned())),
            };
            (key.to_owned(), value)
        })
        .collect();
    TransportSocketMatch {
        name: name.to_owned(),
        r#match: Some(Struct { fields }),
        transport_socket: Some(socket),
    }
}

/// TLS with the certificates of the settings.
fn requested(settings: &ClientTlsSettings, protocol: UpstreamProtocol) -> UpstreamTlsContext {
    let certificate = (settings.mode == ClientTlsMode::Mutual)
        .then(|| client_certificate(settings))
        .flatten();
    let alpn_protocols = match protocol {
        UpstreamProtocol::Http2 => tls::strings(&[alpn::H2]),
        UpstreamProtocol::Http1 | UpstreamProtocol::Downstream => Vec::new(),
    };
    UpstreamTlsContext {
        common_tls_context: Some(CommonTlsContext {
            tls_params: Some(upstream::versions()),
            tls_certificate_sds_secret_configs: certificate.into_iter().collect(),
            alpn_protocols,
            validation_context_type: Some(verification(settings)),
            ..Default::default()
        }),
        sni: settings.sni.to_string(),
        ..Default::default()
    }
}

fn client_certificate(settings: &ClientTlsSettings) -> Option<SdsSecretConfig> {
    if !settings.credential_name.is_empty() {
        let name = credential(&settings.credential_name);
        return Some(sds::from_control_plane(name));
    }
    if settings.client_certificate.is_empty() {
        return None;
    }
    let (chain, key) = (&settings.client_certificate, &settings.private_key);
    Some(sds::from_files(format!("file-cert:{chain}~{key}")))
}

fn verification(settings: &ClientTlsSettings) -> ValidationContextType {
    if settings.insecure_skip_verify == Some(true) {
        return ValidationContextType::ValidationContext(CertificateValidationContext::default());
    }
    let crl = (!settings.ca_crl.is_empty()).then(|| DataSource {
        specifier: Some(Specifier::Filename(settings.ca_crl.to_string())),
        ..Default::default()
    });
    let context = CertificateValidationContext {
        match_subject_alt_names: settings
            .subject_alt_names
            .iter()
            .map(|n| exact(n.as_str()))
            .collect(),
        crl,
        ..Default::default()
    };
    let roots = if !settings.credential_name.is_empty() {
        let name = credential(&settings.credential_name);
        sds::from_control_plane(format!("{name}-cacert"))
    } else if settings.ca_certificates.is_empty() {
        sds::from_files("file-root:system")
    } else {
        sds::from_files(format!("file-root:{}", settings.ca_certificates))
    };
    sds::validation(context, roots)
}

/// The resource name of a Secret that a rule names.
pub(crate) fn credential(name: &str) -> String {
    if name.contains("://") {
        name.to_owned()
    } else {
        format!("kubernetes://{name}")
    }
}

/// Without a server name in the settings, the request's authority is sent; without expected names,
/// the certificate must be for it.
fn names_from_request(settings: &ClientTlsSettings) -> Option<UpstreamHttpProtocolOptions> {
    let auto_sni = settings.sni.is_empty();
    let verified = settings.insecure_skip_verify != Some(true);
    let auto_san_validation = auto_sni && verified && settings.subject_alt_names.is_empty();
    auto_sni.then(|| UpstreamHttpProtocolOptions {
        auto_sni,
        auto_san_validation,
        ..Default::default()
    })
}

fn with_header(socket: TransportSocket, header: ProxyProtocol) -> TransportSocket {
    let version = match header.version {
        ProxyProtocolVersion::V1 => Version::V1,
        ProxyProtocolVersion::V2 => Version::V2,
    };
    let config = ProxyProtocolUpstreamTransport {
        config: Some(ProxyProtocolConfig {
            version: version as i32,
            ..Default::default()
        }),
        transport_socket: Some(socket),
        ..Default::default()
    };
    TransportSocket {
        name: "envoy.transport_sockets.upstream_proxy_protocol".to_owned(),
        config_type: Some(ConfigType::TypedConfig(any(&config))),
    }
}
