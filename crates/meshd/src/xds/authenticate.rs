//! Who calls: a client certificate of the connection, else a bearer token of the call.

use std::sync::Arc;

use ferromesh_ca::token::TokenVerifier;
use ferromesh_ca::{AuthenticationError, Caller};
use ferromesh_model::Proxy;
use ferromesh_types::Str;
use http::{Extensions, HeaderMap};
use time::OffsetDateTime;

use crate::control_plane::ControlPlane;

/// What the acceptor of a connection knows of the peer.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Its address.
    pub(crate) address: Str,
    /// The SPIFFE id in its verified client certificate.
    pub(crate) spiffe_id: Option<Str>,
    /// Whether calls on this port must be authenticated.
    pub(crate) must_authenticate: bool,
}

impl Peer {
    /// The peer of a call.
    pub(crate) fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get::<Self>()
    }
}

/// Verifies callers.
#[derive(Debug)]
pub(crate) struct Authenticator {
    plane: Arc<ControlPlane>,
    verifier: Option<TokenVerifier>,
}

impl Authenticator {
    /// Without a verifier only client certificates count.
    pub(crate) fn new(plane: Arc<ControlPlane>, verifier: Option<TokenVerifier>) -> Self {
        Self { plane, verifier }
    }

    /// The caller's proven identity.
    pub(crate) fn caller(
        &self,
        peer: Option<&Peer>,
        headers: &HeaderMap,
    ) -> Result<Caller, AuthenticationError> {
        let outcome = self.identify(peer, headers);
        if outcome.is_err() {
            self.plane.metrics.authentication_failure();
        }
        outcome
    }

    fn identify(
        &self,
        peer: Option<&Peer>,
        headers: &HeaderMap,
    ) -> Result<Caller, AuthenticationError> {
        if let Some(id) = peer.and_then(|peer| peer.spiffe_id.as_ref()) {
            return Caller::from_spiffe_id(id);
        }
        let token = bearer(headers).ok_or(AuthenticationError::Missing)?;
        let verifier = self
            .verifier
            .as_ref()
            .ok_or(AuthenticationError::NoVerifier)?;
        let mut caller = verifier.verify(token, OffsetDateTime::now_utc())?;
        // The mesh config may have changed since the start.
        caller.trust_domain = self
            .plane
            .cache
            .current()
            .snapshot
            .mesh()
            .trust_domain
            .clone();
        Ok(caller)
    }
}

/// The token of an `authorization` header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim())
        .filter(|token| !token.is_empty())
}

/// Whether the caller may speak for this proxy; the error says what differs.
pub(crate) fn may_speak_for(caller: &Caller, proxy: &Proxy) -> Result<(), String> {
    if caller.namespace != proxy.namespace {
        return Err(format!(
            "the caller {caller} is of another namespace than the proxy, {}",
            proxy.namespace
        ));
    }
    if !proxy.service_account.is_empty() && caller.service_account != proxy.service_account {
        return Err(format!(
            "the caller {caller} is not the service account of the proxy, {}",
            proxy.service_account
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_bearer_token_is_found_whatever_the_case_of_its_scheme() {
        let mut headers = HeaderMap::new();
        assert_eq!(bearer(&headers), None);
        headers.insert("authorization", HeaderValue::from_static("bearer abc"));
        assert_eq!(bearer(&headers), Some("abc"));
        headers.insert("authorization", HeaderValue::from_static("Basic abc"));
        assert_eq!(bearer(&headers), None);
    }

    #[test]
    fn a_caller_speaks_only_for_proxies_of_its_own_account() {
        let caller = Caller::from_spiffe_id("spiffe://cluster.local/ns/shop/sa/web").expect("id");
        let mut proxy =
            Proxy::from_id("sidecar~10.0.0.1~a.shop~shop.svc.cluster.local").expect("an id");
        assert_eq!(may_speak_for(&caller, &proxy), Ok(()));
        proxy.service_account = "web".into();
        assert_eq!(may_speak_for(&caller, &proxy), Ok(()));
        proxy.service_account = "other".into();
        assert!(may_speak_for(&caller, &proxy).is_err());
        proxy.service_account = "web".into();
        proxy.namespace = "bank".into();
        assert!(may_speak_for(&caller, &proxy).is_err());
    }
}
