//! Who may read the debug pages.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ferromesh_types::Namespace;

use crate::xds::authenticate::Authenticator;

/// The rule for debug pages.
#[derive(Clone, Debug)]
pub(crate) struct DebugAccess {
    /// `None`: everybody may.
    pub(crate) authenticator: Option<Arc<Authenticator>>,
    /// The namespace whose accounts may.
    pub(crate) namespace: Namespace,
}

impl DebugAccess {
    /// Lets a request pass, or refuses it with what to do.
    pub(super) async fn check(
        State(access): State<Self>,
        ConnectInfo(peer): ConnectInfo<SocketAddr>,
        request: Request,
        next: Next,
    ) -> Response {
        match access.refusal(peer, &request) {
            None => next.run(request).await,
            Some(reason) => (StatusCode::UNAUTHORIZED, reason).into_response(),
        }
    }

    fn refusal(&self, peer: SocketAddr, request: &Request) -> Option<String> {
        let authenticator = self.authenticator.as_ref()?;
        if peer.ip().to_canonical().is_loopback() {
            return None;
        }
        match authenticator.caller(None, request.headers()) {
            Ok(caller) if caller.namespace == self.namespace => None,
            Ok(caller) => Some(format!(
                "debug pages are for accounts of {}; this is {caller}\n",
                self.namespace
            )),
            Err(error) => Some(format!(
                "debug pages are for callers on this machine or with a token: {error}\n"
            )),
        }
    }
}
