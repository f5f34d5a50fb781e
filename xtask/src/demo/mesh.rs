//! The sandbox of the demo, through `meshctl` as a user would use it.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

use super::machine::{self, Machine};
use crate::shell;

/// The host name of the shop at the gateway.
pub const HOST: &str = "webapp.istioinaction.io";

/// The sandbox's name: it keeps the demo apart from sandboxes of the user.
const NAME: &str = "demo";

/// A running sandbox.
pub struct Mesh {
    meshctl: PathBuf,
    config: PathBuf,
    gateway: SocketAddr,
    programs: Vec<PathBuf>,
    before: Machine,
}

impl Mesh {
    /// Copies the sample's config and brings it up.
    pub fn up(
        programs: &Path,
        folder: &Path,
        data_plane: &str,
        envoy: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let config = folder.join("config");
        let _ = fs::remove_dir_all(&config);
        fs::create_dir_all(&config)?;
        for entry in fs::read_dir(shell::root().join("samples/coolstore"))? {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "yaml")
            {
                fs::copy(&path, config.join(path.file_name().unwrap_or_default()))?;
            }
        }
        let config = config.canonicalize()?;
        fs::write(config.join("mesh.yaml"), MESH_CONFIG)?;
        let meshctl = programs.join("meshctl");
        let names = ["meshctl", "meshd", "meshproxy", "mesh-apps"];
        let mut programs: Vec<PathBuf> = names.map(|name| programs.join(name)).to_vec();
        programs.extend(envoy.map(Path::to_owned));
        // A sandbox of this name that an interrupted demo left is not part of the picture.
        let mut down = Command::new(&meshctl);
        let _ = shell::capture(down.args(["sandbox", "down", "--name", NAME]));
        let before = Machine::look(&programs)?;
        let mut up = Command::new(&meshctl);
        up.args(["sandbox", "up"])
            .arg(&config)
            .args(["--detach", "--name", NAME]);
        up.args(["--data-plane", data_plane]);
        if let Some(envoy) = envoy {
            up.arg("--envoy-path").arg(envoy);
        }
        shell::run(up.stdin(Stdio::null()))?;
        let gateway = ([127, 0, 0, 1], 0).into();
        let mut mesh = Self {
            meshctl,
            config,
            gateway,
            programs,
            before,
        };
        mesh.gateway = mesh.find_gateway()?;
        Ok(mesh)
    }

    pub fn config(&self) -> &Path {
        &self.config
    }

    pub fn gateway(&self) -> SocketAddr {
        self.gateway
    }

    pub fn meshctl_path(&self) -> &Path {
        &self.meshctl
    }

    fn meshctl(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.meshctl);
        command.args(["sandbox", verb, "--name", NAME]);
        command
    }

    /// `meshctl sandbox status -o json`.
    pub fn status(&self) -> anyhow::Result<Value> {
        let text = shell::output(self.meshctl("status").args(["-o", "json"]))?;
        serde_json::from_str(&text).context("the status is no JSON")
    }

    fn find_gateway(&self) -> anyhow::Result<SocketAddr> {
        let status = self.status()?;
        let service = list(&status, "services")
            .find(|service| service["name"] == "istio-ingressgateway")
            .context("the sandbox has no service istio-ingressgateway")?;
        let address = service["loadBalancerIP"]
            .as_str()
            .context("the gateway has no address")?;
        Ok(SocketAddr::new(address.parse::<IpAddr>()?, 80))
    }

    /// The pods whose names begin with `prefix`, without those that are on their way out.
    pub fn pods(&self, namespace: &str, prefix: &str) -> anyhow::Result<Vec<Value>> {
        let status = self.status()?;
        let fits = |pod: &&Value| {
            pod["namespace"] == namespace
                && pod["leaving"] != true
                && pod["name"]
                    .as_str()
                    .is_some_and(|name| name.starts_with(prefix))
        };
        Ok(list(&status, "pods").filter(fits).cloned().collect())
    }

    /// The process of one container of the only pod of a deployment.
    pub fn process(
        &self,
        namespace: &str,
        deployment: &str,
        container: &str,
    ) -> anyhow::Result<u32> {
        let pods = self.pods(namespace, deployment)?;
        let pod = pods
            .first()
            .with_context(|| format!("no pod of {namespace}/{deployment}"))?;
        let container = list(pod, "containers")
            .find(|each| each["name"] == container)
            .with_context(|| format!("{deployment} has no container {container}"))?;
        let pid = container["pid"]
            .as_u64()
            .with_context(|| format!("{deployment} is not running"))?;
        Ok(u32::try_from(pid)?)
    }

    /// Runs a command in a pod.
    pub fn exec(&self, target: &str, command: &[&str]) -> anyhow::Result<Output> {
        shell::capture(self.meshctl("exec").args([target, "--"]).args(command))
    }

    /// The same; its output, if it succeeded.
    pub fn exec_text(&self, target: &str, command: &[&str]) -> anyhow::Result<String> {
        let output = self.exec(target, command)?;
        if !output.status.success() {
            bail!(
                "`{}` in {target} failed: {}: {}",
                command.join(" "),
                output.status,
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// A debug page of the control plane, as JSON.
    pub fn debug(&self, page: &str) -> anyhow::Result<Value> {
        let url = format!("http://127.0.0.1:8080/debug/{page}");
        let text = self.exec_text("istio-system/deploy/istiod", &["curl", "-sf", &url])?;
        serde_json::from_str(&text).with_context(|| format!("/debug/{page} is no JSON"))
    }

    /// Takes the sandbox down.
    pub fn down(&self) -> anyhow::Result<()> {
        shell::output(&mut self.meshctl("down")).map(drop)
    }

    /// Kills every process of the sandbox without warning.
    pub fn kill_everything(&self) -> anyhow::Result<()> {
        for pid in machine::processes(&self.programs)? {
            // It may be gone already, killed with its parent.
            let _ = shell::capture(Command::new("kill").args(["-9", &pid.to_string()]));
        }
        Ok(())
    }

    /// What the sandbox left on the machine, given what there was before it.
    pub fn leftovers(&self) -> anyhow::Result<Vec<String>> {
        Ok(Machine::look(&self.programs)?.since(&self.before))
    }
}

/// Short certificates, so that they rotate several times while the demo looks on.
const MESH_CONFIG: &str = "\
apiVersion: v1
kind: ConfigMap
metadata:
  name: istio
  namespace: istio-system
data:
  mesh: |
    accessLogFile: /dev/stdout
    defaultConfig:
      proxyMetadata:
        SECRET_TTL: 30s
";

/// How long anything may take to come about before it counts as failed.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// The items of a list in a JSON object.
pub fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value[field].as_array().into_iter().flatten()
}
