//! The process's authority: plugged in, or self-signed in the state directory.

use std::path::PathBuf;

use ferromesh_ca::{Authority, KeyMaterial, MaterialError};
use time::OffsetDateTime;
use tracing::info;

use crate::settings::Settings;

/// Loads the authority. `trust_domain` names a root that has to be made.
pub(crate) fn load(settings: &Settings, trust_domain: &str) -> Result<Authority, MaterialError> {
    let kept: PathBuf = settings.state.join("ca");
    let material = match &settings.ca {
        Some(directory) => KeyMaterial::plugged_in(directory)?,
        None => KeyMaterial::self_signed(&kept, trust_domain, OffsetDateTime::now_utc())?,
    };
    info!(
        origin = ?material.origin(),
        until = %material.not_after(),
        "certificate authority loaded"
    );
    Ok(Authority::new(material, settings.authority))
}
