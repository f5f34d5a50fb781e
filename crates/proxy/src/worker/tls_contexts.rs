//! TLS servers and clients for compiled transports, shared by the workers so that a session begun
//! on one worker can be resumed on another.
//!
//! Keyed by the identity of the compiled transport, which lives as long as its config does. Locked
//! once per TLS connection, for a lookup.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use ferromesh_route::StringMatch;
use ferromesh_tls::{
    ClientAuth, ClientSettings, SanKind, SanMatcher, SanPattern, SecretStore, ServerSettings,
    ServerTrust, TlsClient, TlsParameters, TlsServer, TlsVersion,
};
use ferromesh_types::Str;

use crate::compiled::{
    DownstreamTls, SanKind as CompiledKind, TlsVersion as CompiledVersion, UpstreamTls,
    UpstreamTransport, ValidationSettings,
};

/// The servers and clients that are in use.
#[derive(Debug)]
pub(crate) struct TlsContexts {
    secrets: SecretStore,
    servers: Cache<DownstreamTls, TlsServer>,
    clients: Cache<UpstreamTransport, TlsClient>,
}

impl TlsContexts {
    pub(crate) fn new(secrets: SecretStore) -> Self {
        Self {
            secrets,
            servers: Cache::default(),
            clients: Cache::default(),
        }
    }

    /// The server for a filter chain's transport.
    pub(crate) fn server(&self, settings: &Arc<DownstreamTls>) -> Arc<TlsServer> {
        self.servers.find_or_make(settings, || {
            TlsServer::new(server_settings(settings), self.secrets.clone())
        })
    }

    /// The client for an endpoint's transport; `None` when it is not TLS.
    pub(crate) fn client(&self, transport: &Arc<UpstreamTransport>) -> Option<Arc<TlsClient>> {
        let UpstreamTransport::Tls(settings) = &**transport else {
            return None;
        };
        Some(self.clients.find_or_make(transport, || {
            TlsClient::new(client_settings(settings), self.secrets.clone())
        }))
    }
}

#[derive(Debug)]
struct Cache<K, V> {
    entries: Mutex<HashMap<usize, (Weak<K>, Arc<V>)>>,
}

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self {
            entries: Mutex::default(),
        }
    }
}

impl<K, V> Cache<K, V> {
    fn find_or_make(&self, key: &Arc<K>, make: impl FnOnce() -> V) -> Arc<V> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let place = Arc::as_ptr(key) as usize;
        if let Some((owner, value)) = entries.get(&place)
            && owner.strong_count() > 0
        {
            return Arc::clone(value);
        }
        // The place was reused or is new: a good moment to forget what is gone.
        entries.retain(|_, (owner, _)| owner.strong_count() > 0);
        let value = Arc::new(make());
        entries.insert(place, (Arc::downgrade(key), Arc::clone(&value)));
        value
    }
}

fn server_settings(tls: &DownstreamTls) -> ServerSettings {
    let identity = tls.certificates.first().cloned().unwrap_or_default();
    let mut settings = ServerSettings::new(&identity);
    settings.alpn = protocols(&tls.alpn);
    settings.parameters = parameters(tls.min_version, tls.max_version);
    if let Some(validation) = &tls.validation {
        settings.client_auth = if tls.require_client_certificate {
            ClientAuth::Required
        } else {
            ClientAuth::Optional
        };
        settings.client_roots = Some(validation.trusted_roots.clone());
        settings.client_names = names(validation);
        settings
            .client_hashes
            .clone_from(&validation.certificate_hashes);
    }
    settings
}

fn client_settings(tls: &UpstreamTls) -> ClientSettings {
    let mut settings = ClientSettings::new("");
    settings.identity.clone_from(&tls.certificate);
    settings.verify_host = tls.auto_san_validation;
    settings.sni = (!tls.sni.is_empty()).then(|| tls.sni.clone());
    settings.alpn = protocols(&tls.alpn);
    settings.parameters = parameters(tls.min_version, tls.max_version);
    settings.trust = match &tls.validation {
        Some(validation) if !validation.trusted_roots.is_empty() => {
            ServerTrust::Roots(validation.trusted_roots.clone())
        }
        _ => ServerTrust::Unverified,
    };
    if let Some(validation) = &tls.validation {
        settings.server_names = names(validation);
        settings
            .server_hashes
            .clone_from(&validation.certificate_hashes);
    }
    settings
}

fn names(validation: &ValidationSettings) -> Vec<SanMatcher> {
    validation
        .subject_alt_names
        .iter()
        .map(|name| SanMatcher {
            kind: match name.kind {
                None => SanKind::Any,
                Some(CompiledKind::Dns) => SanKind::Dns,
                Some(CompiledKind::Uri) => SanKind::Uri,
                Some(CompiledKind::IpAddress) => SanKind::Ip,
                Some(CompiledKind::Email) => SanKind::Email,
            },
            pattern: pattern(&name.matcher),
        })
        .collect()
}

fn pattern(matcher: &StringMatch) -> SanPattern {
    match matcher {
        StringMatch::Exact(text) => SanPattern::Exact(text.as_str().into()),
        StringMatch::Prefix(text) => SanPattern::Prefix(text.as_str().into()),
        StringMatch::Suffix(text) => SanPattern::Suffix(text.as_str().into()),
        StringMatch::Contains(text) => SanPattern::Contains(text.as_str().into()),
        other => {
            let other = other.clone();
            SanPattern::Test(Arc::new(move |name| other.is_match(name)))
        }
    }
}

fn parameters(min: CompiledVersion, max: CompiledVersion) -> TlsParameters {
    let version = |version| match version {
        CompiledVersion::Tls12 => TlsVersion::V1_2,
        CompiledVersion::Tls13 => TlsVersion::V1_3,
    };
    TlsParameters {
        min: version(min),
        max: version(max),
        cipher_suites: Vec::new(),
    }
}

/// Protocol names are ASCII in every registry; others cannot be negotiated by name.
pub(crate) fn protocols(names: &[Bytes]) -> Vec<Str> {
    names
        .iter()
        .filter_map(|name| std::str::from_utf8(name).ok())
        .map(Str::from)
        .collect()
}
