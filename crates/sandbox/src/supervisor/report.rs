//! How the sandbox stands: what `meshctl sandbox status` shows, and its JSON form.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::pod::{ContainerStatus, Phase};

/// The whole sandbox.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusReport {
    /// The sandbox's name.
    pub name: String,
    /// The process that runs it.
    pub pid: u32,
    /// Where the user's config is.
    pub config_dirs: Vec<PathBuf>,
    /// Its directory on the host.
    pub state_dir: PathBuf,
    /// What carries the traffic: `meshproxy` or `envoy`.
    pub data_plane: String,
    /// The range of the pods.
    pub pod_cidr: String,
    /// The address of the bridge: gateway and name server of the pods.
    pub bridge_address: String,
    /// Whether the first reading of the config has been acted on and every pod is ready.
    pub ready: bool,
    /// The pods, by namespace and name.
    pub pods: Vec<PodReportRow>,
    /// The services, by namespace and name.
    pub services: Vec<ServiceReportRow>,
    /// The nodes.
    pub nodes: Vec<String>,
    /// What is wrong with the config, and what keeps objects from running.
    pub problems: Vec<String>,
}

/// One pod.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodReportRow {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its deployment, if it has one.
    pub deployment: Option<String>,
    /// Its address.
    pub ip: String,
    /// Its network namespace, as `ip netns` names it.
    pub netns: String,
    /// Its node.
    pub node: String,
    /// Its service account.
    pub service_account: String,
    /// Whether it takes traffic.
    pub ready: bool,
    /// Whether it is on its way out.
    pub leaving: bool,
    /// Where it is in its life.
    pub phase: Phase,
    /// Why it does not get further, in one word.
    pub reason: String,
    /// The same in a sentence.
    pub message: String,
    /// How often its containers were started again.
    pub restarts: u32,
    /// Milliseconds from its start until it was ready; absent while it is not.
    pub startup_ms: Option<u64>,
    /// Its containers, init containers first.
    pub containers: Vec<ContainerStatus>,
    /// Its directory on the host.
    pub dir: PathBuf,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceReportRow {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its type.
    pub r#type: String,
    /// Its address in the mesh; `None` for a headless service, empty for an alias.
    #[serde(rename = "clusterIP")]
    pub cluster_ip: String,
    /// Its address for the host, if it is a load balancer.
    #[serde(rename = "loadBalancerIP")]
    pub load_balancer_ip: Option<String>,
    /// The pod that holds this address now.
    pub load_balancer_pod: Option<String>,
    /// Its ports, as `80→8080/TCP`.
    pub ports: Vec<String>,
}

impl StatusReport {
    /// Pods that have not become ready: what a user who waits wants to know about.
    pub fn unready(&self) -> impl Iterator<Item = &PodReportRow> {
        self.pods
            .iter()
            .filter(|pod| !pod.ready && !pod.leaving && pod.phase != Phase::Succeeded)
    }

    /// The pod that `reference` means: `NAMESPACE/POD` or `NAMESPACE/deploy/NAME`.
    ///
    /// # Errors
    /// Says what there is instead.
    pub fn find_pod(&self, reference: &str) -> Result<&PodReportRow, String> {
        let parts: Vec<&str> = reference.split('/').collect();
        let found = match parts.as_slice() {
            [namespace, name] => self
                .pods
                .iter()
                .find(|pod| pod.namespace == *namespace && pod.name == *name),
            [namespace, "deploy" | "deployment" | "deployments", name] => {
                let mut own: Vec<_> = self
                    .pods
                    .iter()
                    .filter(|pod| pod.namespace == *namespace)
                    .filter(|pod| pod.deployment.as_deref() == Some(*name))
                    .collect();
                own.sort_by_key(|pod| (!pod.ready, pod.leaving));
                own.into_iter().next()
            }
            _ => {
                return Err(format!(
                    "{reference:?}: write NAMESPACE/POD or NAMESPACE/deploy/NAME"
                ));
            }
        };
        found.ok_or_else(|| {
            let names: Vec<_> = self
                .pods
                .iter()
                .map(|pod| format!("{}/{}", pod.namespace, pod.name))
                .collect();
            format!(
                "there is no pod {reference:?}; there are: {}",
                names.join(", ")
            )
        })
    }
}
