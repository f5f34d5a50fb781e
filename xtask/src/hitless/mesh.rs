//! A gateway and a sidecar of a mesh without a cluster, as on two machines: config, certificates and
//! ports are theirs, the control plane is meshd, and each process is replaced by its successor.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use serde_json::json;

use super::load::Load;
use super::process::Proxy;
use super::{BETWEEN, Settings, pause};
use crate::ports::{free_address, free_address_on};
use crate::shell;

/// The mesh: requests come to the gateway, go to the sidecar by mutual TLS, and from there to the
/// application.
const CONFIG: &str = include_str!("mesh.yaml");
/// Where the gateway and the sidecar are.
const GATEWAY: [u8; 4] = [127, 0, 0, 3];
const SIDECAR: [u8; 4] = [127, 0, 0, 2];

/// Replaces the sidecar and the gateway in turn.
pub fn upgrade(
    settings: &Settings,
    binary: &Path,
    endpoint: SocketAddr,
) -> anyhow::Result<(u64, u64)> {
    let programs = binary.parent().context("the program is in a folder")?;
    let folder = shell::target().join("hitless");
    let _ = fs::remove_dir_all(&folder);
    let address = free_address()?;
    let received = free_address_on(SIDECAR)?;
    let (_plane, discovery) = control_plane(programs, &folder, address, received, endpoint)?;
    let root = root()?;
    let member = |machine| Member::new(&folder, machine, discovery, &root);
    let sidecar = member(Machine {
        role: "sidecar",
        label: "app",
        app: "hello",
        ip: SIDECAR.into(),
        listens: received,
    })?;
    let gateway = member(Machine {
        role: "router",
        label: "istio",
        app: "edge",
        ip: GATEWAY.into(),
        listens: address,
    })?;
    let mut running = [sidecar.start(binary)?, gateway.start(binary)?];
    let load = Load::start(address)?;
    for _ in 0..settings.rounds {
        for (member, process) in [&sidecar, &gateway].into_iter().zip(&mut running) {
            pause(BETWEEN);
            let mut next = member.start(binary)?;
            process.left_to(&mut next).context(member.machine.role)?;
            *process = next;
        }
    }
    Ok(load.finish(settings.requests))
}

/// meshd over the mesh's config; gives its plaintext address.
fn control_plane(
    programs: &Path,
    folder: &Path,
    address: SocketAddr,
    received: SocketAddr,
    endpoint: SocketAddr,
) -> anyhow::Result<(Proxy, SocketAddr)> {
    let config = folder.join("config");
    fs::create_dir_all(&config)?;
    let mut text = CONFIG.to_owned();
    for (name, value) in [
        ("GATEWAY_PORT", address.port().to_string()),
        ("SIDECAR_ADDRESS", received.ip().to_string()),
        ("SIDECAR_PORT", received.port().to_string()),
        (
            "OUTBOUND_PORT",
            free_address_on(SIDECAR)?.port().to_string(),
        ),
        ("INBOUND_PORT", free_address_on(SIDECAR)?.port().to_string()),
        ("APPLICATION", endpoint.to_string()),
    ] {
        text = text.replace(name, &value);
    }
    fs::write(config.join("mesh.yaml"), text)?;
    let discovery = free_address()?;
    let mut command = Command::new(programs.join("meshd"));
    command.arg("discovery").arg("--config-dir").arg(config);
    command.arg("--state-dir").arg(folder.join("state"));
    command.args(["--listen-address", "127.0.0.1", "--log", "warn"]);
    command.args(["--plaintext-port", &discovery.port().to_string()]);
    for port in ["--tls-port", "--monitoring-port", "--debug-port"] {
        command.args([port, &free_address()?.port().to_string()]);
    }
    Ok((Proxy::spawn(&mut command, discovery)?, discovery))
}

/// What tells one machine of the mesh from the other.
struct Machine {
    role: &'static str,
    /// The label by which config selects it; `app` is its value.
    label: &'static str,
    app: &'static str,
    ip: IpAddr,
    /// Who listens here serves.
    listens: SocketAddr,
}

/// A machine that is set up.
struct Member {
    machine: Machine,
    environment: Vec<(&'static str, String)>,
}

impl Member {
    fn new(
        folder: &Path,
        machine: Machine,
        discovery: SocketAddr,
        authority: &Root,
    ) -> anyhow::Result<Self> {
        let Machine { role, app, .. } = machine;
        let root = folder.join(role);
        write_certificate(&root.join("etc/certs"), app, authority)?;
        fs::create_dir_all(root.join("etc/istio/proxy"))?;
        let port = || Ok::<_, anyhow::Error>(free_address()?.port());
        let config = json!({
            "discoveryAddress": discovery.to_string(),
            "controlPlaneAuthPolicy": "NONE",
            "proxyAdminPort": port()?,
            "statusPort": port()?,
            "configPath": "./etc/istio/proxy",
        });
        let labels = json!({machine.label: app}).to_string();
        let environment = vec![
            ("FERROMESH_ROOT", path_text(&root)?),
            ("INSTANCE_IP", machine.ip.to_string()),
            ("POD_NAME", app.to_owned()),
            ("POD_NAMESPACE", "shop".to_owned()),
            ("SERVICE_ACCOUNT", app.to_owned()),
            ("ISTIO_METAJSON_LABELS", labels),
            ("PROXY_CONFIG", config.to_string()),
            ("ENVOY_PROMETHEUS_PORT", port()?.to_string()),
            ("ENVOY_STATUS_PORT", port()?.to_string()),
            ("DNS_PROXY_ADDR", format!("127.0.0.1:{}", port()?)),
        ];
        Ok(Self {
            machine,
            environment,
        })
    }

    /// Starts a process that takes the place of the one before, if there is one.
    fn start(&self, binary: &Path) -> anyhow::Result<Proxy> {
        let mut command = Command::new(binary);
        command.args(["proxy", self.machine.role, "--hot-upgrade"]);
        command.args(["--parent-shutdown-time-s", "30"]);
        command.args([
            "--concurrency",
            "2",
            "--log_output_level",
            "default:warning",
        ]);
        command.envs(self.environment.iter().cloned());
        Proxy::spawn(&mut command, self.machine.listens).context(self.machine.role)
    }
}

fn path_text(path: &Path) -> anyhow::Result<String> {
    let path: PathBuf = path.canonicalize()?;
    Ok(path.to_str().context("a path that is text")?.to_owned())
}

type Root = CertifiedIssuer<'static, KeyPair>;

/// The authority that both machines' certificates come from.
fn root() -> anyhow::Result<Root> {
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.distinguished_name.push(DnType::CommonName, "mesh");
    Ok(CertifiedIssuer::self_signed(root, KeyPair::generate()?)?)
}

/// Writes a workload's certificate to where the agent looks for one that is there already.
fn write_certificate(folder: &Path, account: &str, root: &Root) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let mut leaf = CertificateParams::default();
    let name = format!("spiffe://cluster.local/ns/shop/sa/{account}");
    leaf.subject_alt_names
        .push(SanType::URI(name.as_str().try_into()?));
    leaf.distinguished_name.push(DnType::CommonName, account);
    let key = KeyPair::generate()?;
    let leaf = leaf.signed_by(&key, root)?;
    fs::write(folder.join("cert-chain.pem"), leaf.pem())?;
    fs::write(folder.join("key.pem"), key.serialize_pem())?;
    fs::write(folder.join("root-cert.pem"), root.pem())?;
    Ok(())
}
