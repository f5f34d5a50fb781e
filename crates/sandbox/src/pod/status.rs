//! How a pod stands, and the form in which Kubernetes writes that down.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How a pod stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodStatus {
    /// Where it is in its life.
    pub phase: Phase,
    /// Whether it may get traffic.
    pub ready: bool,
    /// Whether it is on its way out.
    pub leaving: bool,
    /// Why it does not get further, in one word; empty when it does.
    pub reason: String,
    /// The same in a sentence.
    pub message: String,
    /// Init containers, then containers.
    pub containers: Vec<ContainerStatus>,
    /// When the pod was started.
    #[serde(with = "time::serde::rfc3339")]
    pub started: OffsetDateTime,
    /// When it last became ready.
    #[serde(with = "time::serde::rfc3339::option")]
    pub ready_since: Option<OffsetDateTime>,
}

/// Where a pod is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Not all containers have been started yet.
    Pending,
    /// They have.
    Running,
    /// All have ended well and are not started again.
    Succeeded,
    /// One has ended badly and is not started again.
    Failed,
}

/// How a container stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerStatus {
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// Whether it is an init container.
    pub init: bool,
    /// What it is doing.
    pub state: ContainerState,
    /// Whether its startup probe, if any, has succeeded.
    pub started: bool,
    /// Whether it takes traffic.
    pub ready: bool,
    /// How often it was started again.
    pub restarts: u32,
    /// Its process as the host counts; absent while it does not run.
    pub pid: Option<i32>,
}

/// What a container is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "state"
)]
pub enum ContainerState {
    /// Nothing yet, or nothing for now.
    Waiting {
        /// One word.
        reason: String,
        /// A sentence.
        message: String,
    },
    /// It runs.
    Running {
        /// Since when.
        #[serde(with = "time::serde::rfc3339")]
        since: OffsetDateTime,
    },
    /// It has ended and stays so.
    Terminated {
        /// Its exit code; 128 and more for signals.
        exit_code: i32,
        /// `Completed` or `Error`.
        reason: String,
        /// Why, where that is known.
        message: String,
    },
}

impl ContainerState {
    /// Waiting with a reason.
    pub fn waiting(reason: &str, message: impl Into<String>) -> Self {
        Self::Waiting {
            reason: reason.to_owned(),
            message: message.into(),
        }
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Running { .. })
    }

    /// Whether it ended well.
    pub fn is_completed(&self) -> bool {
        matches!(self, Self::Terminated { exit_code: 0, .. })
    }

    fn to_kubernetes(&self) -> Value {
        match self {
            Self::Waiting { reason, message } => {
                json!({"waiting": {"reason": reason, "message": message}})
            }
            Self::Running { since } => json!({"running": {"startedAt": timestamp(*since)}}),
            Self::Terminated {
                exit_code,
                reason,
                message,
            } => json!({"terminated":
                {"exitCode": exit_code, "reason": reason, "message": message}}),
        }
    }
}

impl PodStatus {
    /// How often containers of the pod were started again.
    pub fn restarts(&self) -> u32 {
        self.containers
            .iter()
            .map(|container| container.restarts)
            .sum()
    }

    /// The `status` of the Pod object.
    pub fn to_kubernetes(&self, pod_ip: Ipv4Addr, host_ip: Ipv4Addr) -> Value {
        let of = |init: bool| -> Vec<Value> {
            let listed = self
                .containers
                .iter()
                .filter(|container| container.init == init);
            listed.map(container_status).collect()
        };
        let all_started = self
            .containers
            .iter()
            .filter(|c| c.init)
            .all(|c| c.state.is_completed() || (c.state.is_running() && c.started));
        let containers_ready = self.ready || (self.leaving && self.ready_since.is_some());
        let since = timestamp(self.ready_since.unwrap_or(self.started));
        let condition = |kind: &str, holds: bool| {
            json!({"type": kind, "status": if holds { "True" } else { "False" },
                   "lastTransitionTime": since})
        };
        json!({
            "phase": format!("{:?}", self.phase),
            "reason": self.reason,
            "message": self.message,
            "podIP": pod_ip.to_string(),
            "podIPs": [{"ip": pod_ip.to_string()}],
            "hostIP": host_ip.to_string(),
            "startTime": timestamp(self.started),
            "conditions": [
                condition("Initialized", all_started),
                condition("Ready", self.ready),
                condition("ContainersReady", containers_ready),
                condition("PodScheduled", true),
            ],
            "initContainerStatuses": of(true),
            "containerStatuses": of(false),
        })
    }
}

fn container_status(container: &ContainerStatus) -> Value {
    json!({
        "name": container.name,
        "image": container.image,
        "state": container.state.to_kubernetes(),
        "ready": container.ready,
        "started": container.started,
        "restartCount": container.restarts,
    })
}

/// Kubernetes' timestamps have whole seconds.
pub(crate) fn timestamp(at: OffsetDateTime) -> String {
    let whole = at.replace_nanosecond(0).unwrap_or(at);
    whole.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ready_pod_is_written_as_kubernetes_writes_it() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let status = PodStatus {
            phase: Phase::Running,
            ready: true,
            leaving: false,
            reason: String::new(),
            message: String::new(),
            containers: vec![ContainerStatus {
                name: "c".into(),
                image: "i".into(),
                init: false,
                state: ContainerState::Running { since: now },
                started: true,
                ready: true,
                restarts: 2,
                pid: None,
            }],
            started: now,
            ready_since: Some(now),
        };
        let written = status.to_kubernetes(Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 1));
        assert_eq!(written["phase"], "Running");
        assert_eq!(written["conditions"][1]["status"], "True");
        let container = &written["containerStatuses"][0];
        assert_eq!(container["restartCount"], 2);
        assert_eq!(
            container["state"]["running"]["startedAt"],
            "1970-01-01T00:00:00Z"
        );
    }
}
