//! The rules in a real network namespace: where packets go, and that a second run changes nothing.
//!
//! Needs root; `cargo xtask test` runs it, plain `cargo test` leaves it out.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use ferromesh_capture::{Config, InterceptionMode, Ports, Ranges, apply, plan};

/// A network namespace of one's own, gone when dropped.
struct Namespace(String);

impl Namespace {
    fn new(suffix: &str) -> Self {
        let namespace = Self(format!("fmt-{suffix}-{}", std::process::id()));
        ip(&["netns", "add", &namespace.0]);
        namespace
    }

    fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let path = PathBuf::from("/var/run/netns").join(&self.0);
        let inside = std::thread::spawn(move || {
            ferromesh_net::enter_network_namespace(&path).expect("root may enter it");
            ip(&["link", "set", "lo", "up"]);
            ip(&[
                "link", "add", "pod0", "type", "veth", "peer", "name", "pod1",
            ]);
            ip(&["address", "add", "10.9.9.1/24", "dev", "pod0"]);
            ip(&["link", "set", "pod0", "up"]);
            ip(&["link", "set", "pod1", "up"]);
            work()
        });
        inside.join().expect("the work inside succeeds")
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["netns", "delete", &self.0])
            .status();
    }
}

fn ip(arguments: &[&str]) {
    let status = Command::new("ip")
        .args(arguments)
        .status()
        .expect("iproute2 is installed");
    assert!(status.success(), "ip {}", arguments.join(" "));
}

fn saved(program: &str) -> Vec<String> {
    let output = Command::new(program)
        .output()
        .expect("iptables is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // Comments hold the time, and chain lines packet counters.
    let kept = text.lines().filter(|line| !line.starts_with('#'));
    kept.map(|line| line.split('[').next().unwrap_or_default().to_owned())
        .collect()
}

fn everything() -> Config {
    Config {
        inbound_ports_include: Ports::All,
        inbound_ports_exclude: Ports::List(vec![15020, 15021, 15090]),
        outbound_ip_ranges_include: Ranges::All,
        outbound_ports_exclude: Ports::List(vec![9999]),
        enable_inbound_ipv6: true,
        redirect_dns: true,
        capture_all_dns: true,
        ..Config::default()
    }
}

#[test]
#[ignore = "needs root and network namespaces"]
fn a_second_run_changes_nothing_and_removal_leaves_nothing() {
    Namespace::new("twice").run(|| {
        for mode in [InterceptionMode::Redirect, InterceptionMode::Tproxy] {
            let planned = plan(&Config {
                inbound_interception_mode: mode,
                ..everything()
            });
            apply::apply(&planned).expect("the rules are accepted");
            let once = (saved("iptables-save"), saved("ip6tables-save"));
            assert!(
                once.0.iter().any(|line| line.contains("ISTIO_OUTPUT")),
                "{once:?}"
            );
            apply::apply(&planned).expect("and again");
            assert_eq!(
                once,
                (saved("iptables-save"), saved("ip6tables-save")),
                "{mode:?}"
            );
            apply::remove(&planned).expect("and taken away");
            let rules = saved("iptables-save");
            let left = rules
                .iter()
                .filter(|line| line.starts_with("-A") || line.contains("ISTIO"));
            assert_eq!(left.collect::<Vec<_>>(), Vec::<&String>::new(), "{mode:?}");
        }
    });
}

#[test]
#[ignore = "needs root and network namespaces"]
fn outbound_connections_reach_the_proxy_except_those_to_excluded_ports() {
    Namespace::new("out").run(|| {
        apply::apply(&plan(&everything())).expect("the rules are accepted");
        let proxy = TcpListener::bind("127.0.0.1:15001").expect("a namespace of our own");
        let serving = std::thread::spawn(move || {
            let (mut stream, _) = proxy.accept().expect("a connection");
            stream.write_all(b"proxy").expect("it is open");
        });
        let mut stream = TcpStream::connect("10.9.9.2:80").expect("redirected");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert_eq!(answer, "proxy");
        serving.join().expect("the proxy served");
        let excluded = "10.9.9.2:9999".parse().expect("an address");
        let direct = TcpStream::connect_timeout(&excluded, Duration::from_millis(300));
        assert!(
            direct.is_err(),
            "nobody listens there, and the proxy is not asked"
        );
    });
}
