//! How the workload's certificate is come by.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::environment::wrong;
use super::{ControlPlaneSettings, Environment, ProxyConfig, SettingsError};

/// The kind of key that a workload makes for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAlgorithm {
    /// ECDSA on P-256: small, and a hundred times cheaper to make than RSA.
    P256,
    /// ECDSA on P-384.
    P384,
    /// RSA with 2048 bits.
    Rsa2048,
    /// RSA with 4096 bits.
    Rsa4096,
}

/// Settings of the certificate's life.
#[derive(Clone, Debug, PartialEq)]
pub struct CertificateSettings {
    /// The authority.
    pub authority: ControlPlaneSettings,
    /// `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`.
    pub spiffe_id: String,
    /// Lifetime to ask for.
    pub lifetime: Duration,
    /// Part of the lifetime that is kept as a reserve.
    pub grace_ratio: f64,
    /// How far the reserve may be off, at random, to either side.
    pub grace_jitter: f64,
    /// The workload's own key.
    pub key_algorithm: KeyAlgorithm,
    /// Folder that the certificate is also written to.
    pub output: Option<PathBuf>,
    /// Folders that may hold a certificate from elsewhere, which then is used instead.
    pub mounted: Vec<PathBuf>,
}

impl CertificateSettings {
    pub(super) fn read(
        environment: &Environment,
        root: &Path,
        config: &ProxyConfig,
    ) -> Result<Self, SettingsError> {
        let ratio = |name: &str, default: f64| -> Result<f64, SettingsError> {
            let given = environment.parse(name, "a number from 0 to 1")?;
            Ok(given.unwrap_or(default).clamp(0.0, 1.0))
        };
        let output = environment.find("OUTPUT_CERTS");
        let below = |path: &str| root.join(path.trim_start_matches("./"));
        Ok(Self {
            authority: ControlPlaneSettings::authority(environment, root, config)?,
            spiffe_id: format!(
                "spiffe://{}/ns/{}/sa/{}",
                environment.text("TRUST_DOMAIN", "cluster.local"),
                environment.text("POD_NAMESPACE", "default"),
                environment.text("SERVICE_ACCOUNT", "default"),
            ),
            lifetime: environment.duration("SECRET_TTL", Duration::from_hours(24))?,
            grace_ratio: ratio("SECRET_GRACE_PERIOD_RATIO", 0.5)?,
            grace_jitter: ratio("SECRET_GRACE_PERIOD_RATIO_JITTER", 0.01)?,
            key_algorithm: key_algorithm(environment)?,
            output: output.map(below),
            mounted: [
                "./var/run/secrets/workload-spiffe-credentials",
                "./etc/certs",
            ]
            .map(below)
            .to_vec(),
        })
    }
}

fn key_algorithm(environment: &Environment) -> Result<KeyAlgorithm, SettingsError> {
    const RSA_SIZE: &str = "WORKLOAD_RSA_KEY_SIZE";
    match environment.find("ECC_SIGNATURE_ALGORITHM") {
        Some("ECDSA") if environment.find("ECC_CURVE") == Some("P384") => Ok(KeyAlgorithm::P384),
        Some("ECDSA") => Ok(KeyAlgorithm::P256),
        Some(other) => Err(wrong("ECC_SIGNATURE_ALGORITHM", other, "ECDSA or nothing")),
        None => match environment.find(RSA_SIZE) {
            None => Ok(KeyAlgorithm::P256),
            Some("2048") => Ok(KeyAlgorithm::Rsa2048),
            Some("4096") => Ok(KeyAlgorithm::Rsa4096),
            Some(other) => Err(wrong(RSA_SIZE, other, "2048 or 4096")),
        },
    }
}
