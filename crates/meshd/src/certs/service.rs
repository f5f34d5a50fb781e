//! `IstioCertificateService/CreateCertificate`: a caller proves who it is and gets a certificate for
//! its own key under its own name.

use std::sync::Arc;
use std::time::Duration;

use ferromesh_ca::{Authority, ErrorKind};
use ferromesh_proto::istio::auth::{IstioCertificateRequest, IstioCertificateResponse};
use time::OffsetDateTime;
use tonic::{Request, Status};
use tracing::{debug, warn};

use crate::control_plane::ControlPlane;
use crate::xds::authenticate::{Authenticator, Peer};

/// The path of the call.
pub(crate) const CREATE_CERTIFICATE: &str =
    "/istio.v1.auth.IstioCertificateService/CreateCertificate";

/// Signs on behalf of the authority.
#[derive(Debug)]
pub(crate) struct CertificateService {
    pub(crate) plane: Arc<ControlPlane>,
    pub(crate) authority: Arc<Authority>,
    pub(crate) authenticator: Arc<Authenticator>,
}

impl CertificateService {
    /// Answers one request.
    pub(crate) fn create(
        &self,
        request: Request<IstioCertificateRequest>,
    ) -> Result<IstioCertificateResponse, Status> {
        let metrics = &self.plane.metrics;
        metrics.csr();
        let (metadata, extensions, request) = request.into_parts();
        let peer = Peer::of(&extensions);
        let caller = self
            .authenticator
            .caller(peer, &metadata.into_headers())
            .map_err(|error| {
                let peer = peer.map(|peer| peer.address.clone()).unwrap_or_default();
                warn!(%peer, %error, "certificate refused");
                Status::unauthenticated(format!("request authenticate failure: {error}"))
            })?;
        let seconds = u64::try_from(request.validity_duration).map_err(|_| {
            Status::invalid_argument("validity_duration is negative; write seconds, 0 for default")
        })?;
        let lifetime = (seconds > 0).then(|| Duration::from_secs(seconds));
        let now = OffsetDateTime::now_utc();
        match self.authority.sign(&request.csr, &caller, lifetime, now) {
            Ok(issued) => {
                metrics.issued();
                debug!(%caller, until = %issued.not_after, "certificate issued");
                Ok(IstioCertificateResponse {
                    cert_chain: issued.into_response(),
                })
            }
            Err(error) => {
                warn!(%caller, %error, "certificate refused");
                let reason = error.to_string();
                Err(match error.kind() {
                    ErrorKind::InvalidRequest => {
                        metrics.csr_unreadable();
                        Status::invalid_argument(reason)
                    }
                    ErrorKind::Unauthenticated => Status::unauthenticated(reason),
                    ErrorKind::Internal => Status::internal(reason),
                })
            }
        }
    }
}
