//! Addresses of this machine that programs under test can be told to listen on.
//!
//! The system gives ports of a range to outgoing connections. A port of that range may be free when
//! we look and taken when the program that we start gets to it, so ours are below.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::bail;

/// Above the ports that Istio's programs listen on without being told.
const LOWEST: u16 = 20_000;
/// What the system gives to outgoing connections, unless it is told otherwise, begins here.
const FIRST_OF_SYSTEM: u16 = 32_768;

/// An address of loopback that is free now.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    free_address_on([127, 0, 0, 1])
}

/// The same on another address of the machine. No other call in this process gives the port, on
/// whichever address, and nobody uses it on another one now: programs may listen on all of them.
pub fn free_address_on(ip: [u8; 4]) -> anyhow::Result<SocketAddr> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let ports = ours();
    let count = u32::from(ports.end - ports.start);
    // Runs that start together begin at different places.
    let begin = std::process::id().wrapping_mul(7_919);
    for _ in 0..count {
        let turn = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = ports.start + (turn % count) as u16;
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return Ok((IpAddr::from(ip), port).into());
        }
    }
    bail!("every port from {} to {} is in use", ports.start, ports.end)
}

/// A port of loopback that is free now.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(free_address()?.port())
}

/// The port on loopback, as programs take it.
pub fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// Waits until something listens there.
pub fn wait_for(port: u16) -> anyhow::Result<()> {
    let end = Instant::now() + Duration::from_secs(60);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        if Instant::now() > end {
            bail!("nothing listens on port {port}");
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    Ok(())
}

fn ours() -> Range<u16> {
    let setting = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok();
    let first = setting.and_then(|text| text.split_whitespace().next()?.parse().ok());
    below(first.unwrap_or(FIRST_OF_SYSTEM))
}

/// The ports below the system's; where that leaves few, all that need no privilege, which is as good
/// as can be.
fn below(first_of_system: u16) -> Range<u16> {
    if first_of_system >= LOWEST + 1_000 {
        LOWEST..first_of_system
    } else {
        LOWEST..u16::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_below_those_of_outgoing_connections() {
        assert_eq!(below(FIRST_OF_SYSTEM), LOWEST..FIRST_OF_SYSTEM);
        assert_eq!(below(1_024), LOWEST..u16::MAX);
    }

    #[test]
    fn no_port_is_given_twice() -> anyhow::Result<()> {
        let ours = ours();
        let mut given = Vec::new();
        for _ in 0..50 {
            given.push(free_address_on([127, 0, 0, 2])?.port());
        }
        assert!(given.iter().all(|port| ours.contains(port)));
        given.sort_unstable();
        given.dedup();
        assert_eq!(given.len(), 50);
        Ok(())
    }
}
