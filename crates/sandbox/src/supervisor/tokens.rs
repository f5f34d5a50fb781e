//! The sandbox as issuer of service-account tokens, in the API server's place.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use ferromesh_ca::token::{TokenIssuer, TokenRequest};
use time::OffsetDateTime;

use crate::kubernetes::Pod;
use crate::plan::volumes::IssueToken;
use crate::state_dir::StateDir;

/// Issues tokens with the sandbox's own key.
#[derive(Debug)]
pub(super) struct SandboxTokens {
    issuer: TokenIssuer,
}

impl SandboxTokens {
    /// Takes the key of an earlier run, or makes one; writes the public half for the verifier.
    pub(super) fn open(state: &StateDir) -> Result<Self, String> {
        let issuer = match fs::read_to_string(state.token_key()) {
            Ok(pem) => TokenIssuer::from_pem(&pem).map_err(|error| {
                let path = state.token_key();
                format!(
                    "{}: {error}; delete the file to get a new key",
                    path.display()
                )
            })?,
            Err(_) => Self::generate(state)?,
        };
        fs::write(state.token_public_key(), issuer.public_key_pem())
            .map_err(|error| format!("{}: {error}", state.token_public_key().display()))?;
        Ok(Self { issuer })
    }

    fn generate(state: &StateDir) -> Result<TokenIssuer, String> {
        let issuer = TokenIssuer::generate().map_err(|error| error.to_string())?;
        let path = state.token_key();
        let mut options = fs::OpenOptions::new();
        let file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path);
        file.and_then(|mut file| file.write_all(issuer.private_key_pem().as_bytes()))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(issuer)
    }
}

impl IssueToken for SandboxTokens {
    fn issue(&self, pod: &Pod, audience: &str, seconds: u64) -> Result<String, String> {
        let metadata = &pod.metadata;
        let request = TokenRequest {
            namespace: &metadata.namespace,
            service_account: pod.service_account(),
            pod: Some((&metadata.name, &metadata.uid)),
            audiences: &[audience],
            lifetime: Duration::from_secs(seconds),
        };
        self.issuer
            .issue(&request, OffsetDateTime::now_utc())
            .map_err(|error| error.to_string())
    }
}
