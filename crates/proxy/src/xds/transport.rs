//! Transport sockets: raw buffers and TLS, downstream and upstream.

use ferromesh_net::ProxyVersion;
use ferromesh_proto::envoy::config::core::v3::TransportSocket;
use ferromesh_proto::envoy::config::core::v3::proxy_protocol_config::Version;
use ferromesh_proto::envoy::config::core::v3::transport_socket::ConfigType;
use ferromesh_proto::envoy::extensions::transport_sockets::proxy_protocol::v3::ProxyProtocolUpstreamTransport;
use ferromesh_proto::envoy::extensions::transport_sockets::tls::v3 as pb;
use ferromesh_proto::envoy::extensions::transport_sockets::tls::v3::tls_parameters::TlsProtocol;
use ferromesh_proto::google::protobuf::Any;
use ferromesh_proto::{any, type_url};
use ferromesh_tls::{
    ClientAuth, ClientSettings, ServerSettings, ServerTrust, TlsClient, TlsParameters, TlsServer,
    TlsVersion,
};
use ferromesh_types::Str;

use super::context::Context;
use super::fields::{Source, config_source, flag};
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
            Ok(DownstreamTransport::Tls(TlsServer::new(settings, store)))
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
    let identity = common.identity.ok_or_else(|| {
        let reason = "a certificate is needed (tls_certificates or an SDS secret)";
        Refusal::field("common_tls_context", reason)
    })?;
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
    tls.ocsp_staple_policy = 0;
    tls.full_scan_certs_on_sni_mismatch = None;
    tls.prefer_client_ciphers = false;
    if !flag(tls.require_sni, false) {
        tls.require_sni = None;
    }
    nothing_left(&tls)?;
    Ok(ServerSettings {
        identity,
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
    tls.max_session_keys = None;
    tls.enforce_rsa_key_usage = None;
    nothing_left(&tls)?;
    Ok(ClientSettings {
        identity: common.identity,
        verify_host: auto.san_validation && matches!(trust, ServerTrust::Roots(_)),
        trust,
        server_names: validation.names,
        sni: (!sni.is_empty()).then(|| sni.into()),
        alpn: common.alpn,
        parameters: common.parameters,
    })
}

struct Common {
    identity: Option<Str>,
    validation: Option<Validation>,
    alpn: Vec<Str>,
    parameters: TlsParameters,
}

fn common(
    value: Option<pb::CommonTlsContext>,
    context: &mut Context<'_>,
) -> Result<Common, Refusal> {
    let mut value = value.unwrap_or_default();
    let identity = identity(&mut value, context)?;
    let compiled = Common {
        identity,
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

fn identity(
    value: &mut pb::CommonTlsContext,
    context: &mut Context<'_>,
) -> Result<Option<Str>, Refusal> {
    let inline = std::mem::take(&mut value.tls_certificates);
    let named = std::mem::take(&mut value.tls_certificate_sds_secret_configs);
    if inline.len() + named.len() > 1 {
        let reason = "more than one certificate in one TLS context is not supported";
        return Err(Refusal::field("tls_certificates", reason));
    }
    if let Some(certificate) = inline.into_iter().next() {
        return sds::inline_certificate(certificate, context)
            .map(Some)
            .at_index("tls_certificates", 0);
    }
    named
        .into_iter()
        .next()
        .map(|config| secret_name(config, context))
        .transpose()
        .at_index("tls_certificate_sds_secret_configs", 0)
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
    };
    value.tls_minimum_protocol_version = 0;
    value.tls_maximum_protocol_version = 0;
    nothing_left(&value)?;
    Ok(compiled)
}
