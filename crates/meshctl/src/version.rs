//! `meshctl version`.

use std::process::ExitCode;

use serde::Serialize;

use crate::cli::VersionArgs;
use crate::output::Output;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    client_version: &'static str,
}

/// Prints the version.
pub(crate) fn run(arguments: &VersionArgs) -> anyhow::Result<ExitCode> {
    let version = Version {
        client_version: env!("CARGO_PKG_VERSION"),
    };
    if !Output::machine(arguments.output, &version)? {
        Output::line(&format!("client version: {}", version.client_version));
    }
    Ok(ExitCode::SUCCESS)
}
