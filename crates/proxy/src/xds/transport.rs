//! Transport sockets: raw buffers and TLS, downstream and upstream.

use ferromesh_net::ProxyVersion;
use ferromesh_proto::envoy::config::core::v3::TransportSocket;
use ferromesh_proto::envoy::config::core::v3::proxy_protocol_config::Version;
use ferromesh_proto::envoy::config::core::v3::transport_socket::ConfigType;
use ferromesh_proto::envoy::extensions::transport_sockets::proxy_protocol::v3::ProxyProtocolUpstreamTransport;
use ferromesh_proto::envoy::extensions::transport_sockets::tls::v3 as pb;
use ferromesh_proto::envoy::extensions::transport_sockets::tls::v3::downstream_tls_context::{
    OcspStaplePolicy, SessionTicketKeysType,
};
use ferromesh_proto::envoy::extensions::transport_sockets::tls::v3::tls_parameters::TlsProtocol;
use ferromesh_proto::google::protobuf::Any;
use ferromesh_proto::{any, type_url};
use ferromesh_tls::{
    ClientAuth, ClientSettings, ServerSettings, ServerTrust, TlsClient, TlsParameters, TlsServer,
    TlsVersion,
};
use ferromesh_types::Str;

use super::context::Context;
use super::fields::{Source, config_source, flag, number};
use super::refusal::{At, Refusal, nothing_left};
use super::validation::Validation;
use super::{sds, validation};
use crate::compiled::{DownstreamTransport, UpstreamTls, UpstreamTransport};

/// The ALPN name of Istio's TCP metadata exchange. Who negotiates it must send a frame before its
/// bytes; we do not, so it is never offered nor chosen.
const METADATA_EXCHANGE: &str = "istio-peer-exchange";

/// The transport socket that writes a PROXY protocol header.
const PROXY_HEADER: &str =
    "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport";

/// Options of a cluster that belong to its TLS.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AutoNames {
    /// The request's authority is the server name.
    pub(super) sni: bool,
    /// The certificate must be valid for the server name.
    pub(super) san_validation: bool,
}

enum Socket<T> {
    Raw,
    Tls(T),
}

/// Tells plain from TLS; anything else is refused.
fn socket<T>(socket: Option<TransportSocket>, tls_type: &str) -> Result<Socket<T>, Refusal>
where
    T: prost::Message + prost::Name + Default,
{
    let Some(socket) = socket else {
        return Ok(Socket::Raw);
    };
    let Some(ConfigType::TypedConfig(config)) = &socket.config_type else {
        return match socket.name.as_str() {
            "envoy.transport_sockets.raw_buffer" | "raw_buffer" => Ok(Socket::Raw),
            _ => Err(Refusal::field("typed_config", "is needed")),
        };
    };
    let resolved: std::borrow::Cow<'_, Any> = any::resolve(config).at("typed_config")?;
    match type_url::message_name(&resolved.type_url) {
        "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer" => Ok(Socket::Raw),
        name if name == type_url::message_name(tls_type) => {
            any::unpack(&resolved).map(Socket::Tls).at("typed_config")
        }
        name => {
            let reason = format!("the transport socket {name} is not supported");
            Err(Refusal::field("typed_config", reason))
        }
    }
}

/// Compiles the transport of a filter chain.
pub(super) fn downstream(
    value: Option<TransportSocket>,
    context: &mut Context<'_>,
) -> Result<DownstreamTransport, Refusal> {
    match socket::<pb::DownstreamTlsContext>(value, type_url::DOWNSTREAM_TLS)? {
        Socket::Raw => Ok(DownstreamTransport::Raw),
        Socket::Tls(tls) => {
            let settings = server_settings(tls, context).at("typed_config")?;
            let store = context.compiler.secrets.clone();
            let server = Box::new(TlsServer::new(settings, store));
            Ok(DownstreamTransport::Tls(server))
        }
    }
}

/// Compiles a transport of a cluster.
pub(super) fn upstream(
    value: Option<TransportSocket>,
    auto: AutoNames,
    context: &mut Context<'_>,
) -> Result<UpstreamTransport, Refusal> {
    if let Some(ConfigType::TypedConfig(config)) = value
        .as_ref()
        .and_then(|socket| socket.config_type.as_ref())
    {
        let resolved = any::resolve(config).at("typed_config")?;
        if type_url::message_name(&resolved.type_url) == PROXY_HEADER {
            let outer = any::unpack(&resolved).at("typed_config")?;
            return announced(outer, auto, context).at("typed_config");
        }
    }
    match socket::<pb::UpstreamTlsContext>(value, type_url::UPSTREAM_TLS)? {
        Socket::Raw => Ok(UpstreamTransport::Raw),
        Socket::Tls(tls) => {
            let settings = client_settings(tls, auto, context).at("typed_config")?;
            let store = context.compiler.secrets.clone();
            Ok(UpstreamTransport::Tls(Box::new(UpstreamTls {
                client: TlsClient::new(settings, store),
                auto_sni: auto.sni,
            })))
        }
    }
}

/// A transport behind a PROXY protocol header.
fn announced(
    mut value: ProxyProtocolUpstreamTransport,
    auto: AutoNames,
    context: &mut Context<'_>,
) -> Result<UpstreamTransport, Refusal> {
    let mut config = value.config.take().unwrap_or_default();
    let version = match config.version() {
        Version::V1 => ProxyVersion::V1,
        Version::V2 => ProxyVersion::V2,
    };
    config.version = 0;
    nothing_left(&config).at("config")?;
    // Without addresses the header says so (UNKNOWN, LOCAL), which is allowed in any case.
    value.allow_unspecified_address = false;
    let inner = upstream(value.transport_socket.take(), auto, context).at("transport_socket")?;
    nothing_left(&value)?;
    if inner.proxy_header().is_some() {
        let reason = "one PROXY protocol header is enough";
        return Err(Refusal::field("transport_socket", reason));
    }
    Ok(UpstreamTransport::Announced(version, Box::new(inner)))
}

fn server_settings(
    mut tls: pb::DownstreamTlsContext,
    context: &mut Context<'_>,
) -> Result<ServerSettings, Refusal> {
    let common = common(tls.common_tls_context.take(), context).at("common_tls_context")?;
    let required = flag(tls.require_client_certificate.take(), false);
    if common.identities.is_empty() {
        let reason = "a certificate is needed (tls_certificates or an SDS secret)";
        return Err(Refusal::field("common_tls_context", reason));
    }
    let client_auth = match (required, common.validation.is_some()) {
        (true, true) => ClientAuth::Required,
        (false, true) => ClientAuth::Optional,
        (false, false) => ClientAuth::None,
        (true, false) => {
            return Err(Refusal::field(
                "require_client_certificate",
                "needs a validation context, else any certificate would do",
            ));
        }
    };
    let validation = common.validation.unwrap_or_default();
    if client_auth != ClientAuth::None && validation.roots.is_none() {
        return Err(Refusal::field(
            "common_tls_context",
            "a validation context without trusted roots is not supported",
        ));
    }
    // Sessions are resumed without state on the server, as long as their certificates live.
    tls.disable_stateful_session_resumption = false;
    tls.session_timeout = None;
    if tls.ocsp_staple_policy() == OcspStaplePolicy::MustStaple {
        let reason = "MUST_STAPLE is not supported: no OCSP response is ever stapled";
        return Err(Refusal::field("ocsp_staple_policy", reason));
    }
    tls.ocsp_staple_policy = 0;
    tls.full_scan_certs_on_sni_mismatch = None;
    let resumption = match tls.session_ticket_keys_type.take() {
        Some(SessionTicketKeysType::DisableStatelessSessionResumption(disabled)) => !disabled,
        None => true,
        Some(_) => {
            let reason = "keys of one's own are not supported; they are made and rotated here";
            return Err(Refusal::field("session_ticket_keys", reason));
        }
    };
    let prefer_client_ciphers = std::mem::take(&mut tls.prefer_client_ciphers);
    let require_sni = flag(tls.require_sni.take(), false);
    nothing_left(&tls)?;
    Ok(ServerSettings {
        identities: common.identities,
        require_sni,
        client_pins: validation.pins,
        resumption,
        prefer_client_ciphers,
        client_roots: validation.roots,
        client_auth,
        client_names: validation.names,
        alpn: common.alpn,
        parameters: common.parameters,
    })
}

fn client_settings(
    mut tls: pb::UpstreamTlsContext,
    auto: AutoNames,
    context: &mut Context<'_>,
) -> Result<ClientSettings, Refusal> {
    let common = common(tls.common_tls_context.take(), context).at("common_tls_context")?;
    let sni = std::mem::take(&mut tls.sni);
    let validation = common.validation.unwrap_or_default();
    if common.identities.len() > 1 {
        let reason = "a client shows one certificate";
        return Err(Refusal::field(
            "common_tls_context.tls_certificates",
            reason,
        ));
    }
    let trust = match validation.roots {
        Some(roots) => ServerTrust::Roots(roots),
        None if validation.names.is_empty() => ServerTrust::Unverified,
        None => {
            return Err(Refusal::field(
                "common_tls_context",
                "names of the certificate cannot be checked without trusted roots",
            ));
        }
    };
    let max_sessions = number(tls.max_session_keys.take());
    tls.enforce_rsa_key_usage = None;
    nothing_left(&tls)?;
    Ok(ClientSettings {
        identity: common.identities.into_iter().next(),
        server_pins: validation.pins,
        resumption: max_sessions != Some(0),
        verify_host: auto.san_validation && matches!(trust, ServerTrust::Roots(_)),
        trust,
        server_names: validation.names,
        sni: (!sni.is_empty()).then(|| sni.into()),
        alpn: common.alpn,
        parameters: common.parameters,
    })
}

struct Common {
    identities: Vec<Str>,
    validation: Option<Validation>,
    alpn: Vec<Str>,
    parameters: TlsParameters,
}

fn common(
    value: Option<pb::CommonTlsContext>,
    context: &mut Context<'_>,
) -> Result<Common, Refusal> {
    let mut value = value.unwrap_or_default();
    let compiled = Common {
        identities: identities(&mut value, context)?,
        validation: validation::compile(value.validation_context_type.take(), context)?,
        alpn: std::mem::take(&mut value.alpn_protocols)
            .into_iter()
            .filter(|name| name != METADATA_EXCHANGE)
            .map(Str::from)
            .collect(),
        parameters: parameters(value.tls_params.take()).at("tls_params")?,
    };
    nothing_left(&value)?;
    Ok(compiled)
}

fn identities(
    value: &mut pb::CommonTlsContext,
    context: &mut Context<'_>,
) -> Result<Vec<Str>, Refusal> {
    let mut names = Vec::new();
    let inline = std::mem::take(&mut value.tls_certificates);
    for (index, certificate) in inline.into_iter().enumerate() {
        let name = sds::inline_certificate(certificate, context);
        names.push(name.at_index("tls_certificates", index)?);
    }
    let named = std::mem::take(&mut value.tls_certificate_sds_secret_configs);
    for (index, config) in named.into_iter().enumerate() {
        let name = secret_name(config, context);
        names.push(name.at_index("tls_certificate_sds_secret_configs", index)?);
    }
    Ok(names)
}

/// The name of a secret; those of the aggregated stream are noted for subscription.
pub(super) fn secret_name(
    config: pb::SdsSecretConfig,
    context: &mut Context<'_>,
) -> Result<Str, Refusal> {
    let name = Str::from(config.name);
    if name.is_empty() {
        return Err(Refusal::field("name", "a secret needs a name"));
    }
    // Without a source it is one of the bootstrap's static secrets.
    if config.sds_config.is_some() {
        let source = config_source(config.sds_config.as_ref()).at("sds_config")?;
        if source == Source::Ads {
            context.ads_secrets.push(name.clone());
        }
    }
    Ok(name)
}

fn parameters(value: Option<pb::TlsParameters>) -> Result<TlsParameters, Refusal> {
    let defaults = TlsParameters::default();
    let Some(mut value) = value else {
        return Ok(defaults);
    };
    if matches!(
        value.tls_maximum_protocol_version(),
        TlsProtocol::TlSv10 | TlsProtocol::TlSv11
    ) {
        let reason = "TLS 1.0 and 1.1 are not spoken";
        return Err(Refusal::field("tls_maximum_protocol_version", reason));
    }
    let version = |version: TlsProtocol, default: TlsVersion| match version {
        TlsProtocol::TlsAuto => default,
        TlsProtocol::TlSv13 => TlsVersion::V1_3,
        // TLS 1.0 and 1.1 are not spoken; a range that begins there begins at 1.2.
        TlsProtocol::TlSv10 | TlsProtocol::TlSv11 | TlsProtocol::TlSv12 => TlsVersion::V1_2,
    };
    let compiled = TlsParameters {
        min: version(value.tls_minimum_protocol_version(), defaults.min),
        max: version(value.tls_maximum_protocol_version(), defaults.max),
        cipher_suites: std::mem::take(&mut value.cipher_suites)
            .into_iter()
            .map(Str::from)
            .collect(),
        groups: std::mem::take(&mut value.ecdh_curves)
            .into_iter()
            .map(Str::from)
            .collect(),
    };
    value.tls_minimum_protocol_version = 0;
    value.tls_maximum_protocol_version = 0;
    nothing_left(&value)?;
    compiled.check()?;
    Ok(compiled)
}
