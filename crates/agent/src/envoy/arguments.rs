//! Envoy's command line.

use std::ffi::OsString;
use std::path::Path;

use crate::settings::Settings;

pub(super) fn arguments(
    settings: &Settings,
    bootstrap: &Path,
    overlay: Option<&str>,
) -> Vec<OsString> {
    let v6_only = settings.addresses.iter().all(std::net::IpAddr::is_ipv6);
    let mut arguments: Vec<OsString> = vec!["-c".into(), bootstrap.into()];
    let mut add = |flag: &str, value: &str| {
        arguments.push(flag.into());
        arguments.push(value.into());
    };
    add("--drain-time-s", &settings.drain.as_secs().to_string());
    // At once instead of with rising probability: the pod is about to go.
    add("--drain-strategy", "immediate");
    add(
        "--local-address-ip-version",
        if v6_only { "v6" } else { "v4" },
    );
    add("--file-flush-interval-msec", "1000");
    add("-l", &settings.log_level);
    if !settings.component_log_level.is_empty() {
        add("--component-log-level", &settings.component_log_level);
    }
    add("--concurrency", &settings.concurrency.to_string());
    if let Some(overlay) = overlay {
        add("--config-yaml", overlay);
    }
    let switches = ["--disable-hot-restart", "--allow-unknown-static-fields"];
    arguments.extend(switches.map(OsString::from));
    arguments
}
