//! The call `CreateCertificate`.

use std::time::{Duration, SystemTime};

use ferromesh_proto::istio::auth::{IstioCertificateRequest, IstioCertificateResponse};
use ferromesh_tls::TlsError;
use http::uri::PathAndQuery;
use thiserror::Error;
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use super::{KeyError, SigningRequest, WorkloadCertificate};
use crate::control_plane::ControlPlane;
use crate::settings::CertificateSettings;

const PATH: &str = "/istio.v1.auth.IstioCertificateService/CreateCertificate";
/// A signer that takes longer is treated as gone; the keeper tries again.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Why no certificate was issued.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// No key or request.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Token, roots or connection.
    #[error("calling the certificate authority {authority}: {reason}")]
    Connect {
        /// `host:port`.
        authority: String,
        /// What failed.
        reason: std::io::Error,
    },
    /// The authority refused or did not answer.
    #[error("the certificate authority {authority} answered {code:?}: {message}")]
    Refused {
        /// `host:port`.
        authority: String,
        /// gRPC code.
        code: tonic::Code,
        /// In its words, or the transport's.
        message: String,
    },
    /// The answer lacks the root.
    #[error("the certificate authority sent {0} certificates: expected a leaf and a root at least")]
    ShortChain(usize),
    /// The answer cannot be used.
    #[error("the certificate authority sent an unusable certificate: {0}")]
    Unusable(#[from] TlsError),
}

/// The authority that signs.
#[derive(Debug)]
pub struct CertificateAuthority {
    server: ControlPlane,
    settings: CertificateSettings,
}

impl CertificateAuthority {
    /// The authority of these settings.
    pub fn new(settings: CertificateSettings) -> Self {
        Self {
            server: ControlPlane::new(settings.authority.clone()),
            settings,
        }
    }

    /// Makes a key and has it signed.
    ///
    /// # Errors
    /// See [`AuthorityError`].
    pub async fn issue(&self) -> Result<WorkloadCertificate, AuthorityError> {
        let algorithm = self.settings.key_algorithm;
        let made = SigningRequest::new(&self.settings.spiffe_id, algorithm)?;
        let mut parts = self.sign(made.request).await?;
        if parts.len() < 2 {
            return Err(AuthorityError::ShortChain(parts.len()));
        }
        let roots = parts.pop().unwrap_or_default();
        let chain = joined(&parts);
        Ok(WorkloadCertificate::new(
            chain,
            made.key,
            roots,
            SystemTime::now(),
        )?)
    }

    async fn sign(&self, csr: String) -> Result<Vec<String>, AuthorityError> {
        let connect = |reason| AuthorityError::Connect {
            authority: self.server.authority(),
            reason,
        };
        let mut request = Request::new(IstioCertificateRequest {
            csr,
            validity_duration: self.settings.lifetime.as_secs() as i64,
            metadata: None,
        });
        let headers = (self.server.metadata())().map_err(connect)?;
        *request.metadata_mut() = MetadataMap::from_headers(headers);
        request.set_timeout(CALL_TIMEOUT);
        let mut grpc = tonic::client::Grpc::new(self.server.channel().map_err(connect)?);
        let call = async {
            let unready = |error: tonic::transport::Error| Status::from_error(Box::new(error));
            grpc.ready().await.map_err(unready)?;
            let path = PathAndQuery::from_static(PATH);
            let codec = ProstCodec::<IstioCertificateRequest, IstioCertificateResponse>::default();
            grpc.unary(request, path, codec).await
        };
        let timed_out = |_| Status::deadline_exceeded("no answer in time");
        let answer = tokio::time::timeout(CALL_TIMEOUT, call)
            .await
            .map_err(timed_out)
            .flatten();
        match answer {
            Ok(answer) => Ok(answer.into_inner().cert_chain),
            Err(status) => Err(AuthorityError::Refused {
                authority: self.server.authority(),
                code: status.code(),
                message: ferromesh_xds::transport::client::describe(&status),
            }),
        }
    }
}

/// PEM blocks one after the other, each ended by a line break.
fn joined(parts: &[String]) -> String {
    let mut chain = String::new();
    for part in parts {
        chain.push_str(part.trim_end());
        chain.push('\n');
    }
    chain
}
