//! Addresses and ports.

use std::net::IpAddr;

type Verdict = Result<(), String>;

/// A port.
pub(crate) fn port(number: u16) -> Verdict {
    if number == 0 {
        return Err("Invalid value: 0: port must be between 1-65535".into());
    }
    Ok(())
}

/// An IP address.
pub(crate) fn ip(text: &str) -> Verdict {
    match text.parse::<IpAddr>() {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("Invalid value: \"{text}\": not an IP address")),
    }
}

/// Whether the text is an address with a prefix length.
pub(crate) fn is_cidr(text: &str) -> bool {
    text.split_once('/').is_some_and(|(address, length)| {
        match (address.parse::<IpAddr>(), length.parse::<u8>()) {
            (Ok(IpAddr::V4(_)), Ok(length)) => length <= 32,
            (Ok(IpAddr::V6(_)), Ok(length)) => length <= 128,
            _ => false,
        }
    })
}

/// An IP address or a CIDR block.
pub(crate) fn ip_or_cidr(text: &str) -> Verdict {
    if is_cidr(text) || text.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    Err(format!(
        "Invalid value: \"{text}\": not an IP address or CIDR block"
    ))
}

/// `unix:///path` or `unix://@name`; other texts are let through.
pub(crate) fn unix_socket(text: &str) -> Verdict {
    let Some(path) = text.strip_prefix("unix://") else {
        return Ok(());
    };
    if !path.starts_with(['/', '@']) {
        return Err(format!(
            "Invalid value: \"{text}\": UDS must be an absolute path or abstract socket"
        ));
    }
    if path.ends_with('/') {
        return Err(format!("Invalid value: \"{text}\": UDS may not be a dir"));
    }
    Ok(())
}
