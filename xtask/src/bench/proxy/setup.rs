//! What all cases need: programs, certificates, an upstream, a folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cores::{LOAD_CORE, Running, check_cores};
use crate::ports::{address, free_port, wait_for};
use crate::{build, setup, shell};

/// Programs and files of a run.
pub struct Bench {
    /// Our proxy.
    pub meshproxy: PathBuf,
    /// Relay, upstream and drivers.
    pub driver: PathBuf,
    /// The stock Envoy, if there is one.
    pub envoy: Option<PathBuf>,
    /// For configs, logs and results.
    pub folder: PathBuf,
    /// For TLS.
    pub certificates: Certificates,
    /// The server behind the proxies.
    pub upstream: Upstream,
    _upstream: Running,
}

/// Files of one certificate, which both ends of mutual TLS show.
pub struct Certificates {
    /// The chain.
    pub chain: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The root.
    pub roots: PathBuf,
}

impl Certificates {
    /// Chain and key in one file.
    pub fn combined(&self) -> PathBuf {
        self.chain.with_file_name("combined.pem")
    }
}

/// The ports of the server behind the proxies, on loopback.
#[derive(Clone, Copy, Debug)]
pub struct Upstream {
    /// HTTP/1.1.
    pub http1: u16,
    /// HTTP/2.
    pub http2: u16,
    /// Bulk bytes.
    pub bulk: u16,
}

/// Builds and finds the programs, makes the certificates and starts the upstream.
pub fn prepare(measured: &build::Measured) -> anyhow::Result<Bench> {
    check_cores()?;
    let (meshproxy, driver) = build::measured(measured)?;
    let folder = shell::target().join("bench").join("proxy");
    std::fs::create_dir_all(&folder)?;
    let folder = folder.canonicalize()?;
    let certificates = certificates(&folder)?;
    let upstream = Upstream {
        http1: free_port()?,
        http2: free_port()?,
        bulk: free_port()?,
    };
    let ports = [upstream.http1, upstream.http2, upstream.bulk].map(address);
    let [http1, http2, bulk] = &ports;
    let words = ["upstream", http1, http2, bulk];
    let running = Running::start(LOAD_CORE, &driver, &words, &folder.join("upstream.log"))?;
    wait_for(upstream.bulk)?;
    let envoy = match std::env::var_os("FERROMESH_ENVOY") {
        Some(path) => Some(PathBuf::from(path)),
        None => setup::envoy().ok(),
    };
    Ok(Bench {
        meshproxy,
        driver,
        envoy,
        folder,
        certificates,
        upstream,
        _upstream: running,
    })
}

/// A root and a P-256 certificate for `bench.example`, made by OpenSSL.
fn certificates(folder: &Path) -> anyhow::Result<Certificates> {
    let path = |name: &str| folder.join(name);
    let made = Certificates {
        chain: path("chain.pem"),
        key: path("key.pem"),
        roots: path("root.pem"),
    };
    let curve = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ];
    let openssl = || {
        let mut command = Command::new("openssl");
        command
            .arg("req")
            .args(["-x509", "-days", "30"])
            .args(curve);
        command
    };
    shell::output(
        openssl()
            .args([
                "-subj",
                "/CN=bench root",
                "-addext",
                "basicConstraints=critical,CA:TRUE",
            ])
            .arg("-keyout")
            .arg(path("root-key.pem"))
            .arg("-out")
            .arg(&made.roots),
    )?;
    shell::output(
        openssl()
            .args(["-subj", "/CN=bench", "-addext", "basicConstraints=CA:FALSE"])
            .args(["-addext", "subjectAltName=DNS:bench.example"])
            .arg("-CA")
            .arg(&made.roots)
            .arg("-CAkey")
            .arg(path("root-key.pem"))
            .arg("-keyout")
            .arg(&made.key)
            .arg("-out")
            .arg(&made.chain),
    )?;
    let mut both = std::fs::read(&made.chain)?;
    both.extend(std::fs::read(&made.key)?);
    std::fs::write(made.combined(), both)?;
    Ok(made)
}
