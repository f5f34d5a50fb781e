//! The one task that owns a sandbox's state, and the state.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ferromesh_config::Problem;
use ferromesh_ingest::Batch;
use ferromesh_runtime::Publisher;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tracing::warn;

use super::objects::Objects;
use super::report::{PodReportRow, ServiceReportRow, StatusReport};
use super::schedule;
use super::services::ServiceAddresses;
use super::start::SandboxSettings;
use super::status_dir::StatusDir;
use crate::address::{Pool, Ranges};
use crate::dns::Zone;
use crate::keyed::KeyedObjects;
use crate::kubernetes::{Pod, PortRef, Service};
use crate::network::balancer::BalancerAddress;
use crate::network::services::ServiceRoutes;
use crate::pod::{PodOrder, PodReport, PodStatus, Pods};
use crate::state_dir::StateDir;

/// How often the control plane's root certificate is looked for until it is there.
const ROOT_EAGER: Duration = Duration::from_millis(20);
/// How often it is looked at afterwards: it changes when a root is rotated.
const ROOT_LAZY: Duration = Duration::from_secs(1);

/// A question from the control socket.
pub(crate) enum Question {
    /// How does it stand?
    Status(oneshot::Sender<StatusReport>),
    /// End everything; the answer comes when nothing is left.
    Stop(oneshot::Sender<()>),
}

/// A pod that the sandbox runs.
pub(super) struct PodEntry {
    pub(super) pod: Pod,
    /// The pod as JSON, without status.
    pub(super) object: Value,
    /// Deployment and template hash; none for a pod on its own.
    pub(super) deployment: Option<(String, String)>,
    /// What it was made from, to notice edits of a pod on its own.
    pub(super) source: Value,
    pub(super) ip: Ipv4Addr,
    pub(super) node: String,
    pub(super) netns: String,
    pub(super) dir: PathBuf,
    pub(super) captured: bool,
    pub(super) orders: mpsc::UnboundedSender<PodOrder>,
    pub(super) status: Option<PodStatus>,
    pub(super) balancers: Vec<BalancerAddress>,
    /// It has been told to stop.
    pub(super) stopping: bool,
    /// When it was told to stop, as Kubernetes writes it.
    pub(super) deletion: Option<String>,
}

impl PodEntry {
    pub(super) fn is_ready(&self) -> bool {
        !self.stopping && self.status.as_ref().is_some_and(|status| status.ready)
    }

    pub(super) fn namespace(&self) -> &str {
        &self.pod.metadata.namespace
    }
}

/// Everything that the task owns.
pub(super) struct Cluster {
    pub(super) settings: SandboxSettings,
    pub(super) state: StateDir,
    pub(super) ranges: Ranges,
    pub(super) objects: Objects,
    pub(super) shared: Arc<Pods>,
    pub(super) keyed: watch::Sender<Arc<KeyedObjects>>,
    pub(super) routes: watch::Sender<Arc<ServiceRoutes>>,
    pub(super) zone: Publisher<Zone>,
    pub(super) zone_generation: u64,
    pub(super) status_dir: StatusDir,
    /// By uid.
    pub(super) pods: BTreeMap<String, PodEntry>,
    pub(super) pod_ips: Pool,
    pub(super) next_veth: u32,
    pub(super) addresses: ServiceAddresses,
    pub(super) root_certificate: Option<Vec<u8>>,
    pub(super) config_problems: Arc<Vec<Problem>>,
    pub(super) own_problems: Vec<String>,
    pub(super) pod_reports: mpsc::UnboundedSender<PodReport>,
    pub(super) reports: watch::Sender<Arc<StatusReport>>,
    /// The first batch of config has been acted on.
    pub(super) begun: bool,
}

/// What the task listens to.
pub(super) struct Inputs {
    pub(super) batches: mpsc::Receiver<Batch>,
    pub(super) pod_reports: mpsc::UnboundedReceiver<PodReport>,
    pub(super) questions: mpsc::Receiver<Question>,
}

impl Cluster {
    /// Runs until told to stop, or until no config can come any more.
    pub(super) async fn run(mut self, mut inputs: Inputs) {
        let mut root_due = Instant::now();
        loop {
            let mut changed = true;
            tokio::select! {
                batch = inputs.batches.recv() => match batch {
                    Some(batch) => self.take_batch(batch),
                    None => break self.end_all(&mut inputs.pod_reports).await,
                },
                Some(report) = inputs.pod_reports.recv() => self.take_report(report),
                Some(question) = inputs.questions.recv() => match question {
                    Question::Status(answer) => {
                        changed = false;
                        // Who asked may have gone.
                        let _ = answer.send(self.report());
                    }
                    Question::Stop(answer) => {
                        self.end_all(&mut inputs.pod_reports).await;
                        let _ = answer.send(());
                        break;
                    }
                },
                () = tokio::time::sleep_until(root_due) => {
                    changed = self.look_for_root();
                    let wait = if self.root_certificate.is_none() { ROOT_EAGER } else { ROOT_LAZY };
                    root_due = Instant::now() + wait;
                }
            }
            // Reports come in groups; one look is enough for all of them.
            while let Ok(report) = inputs.pod_reports.try_recv() {
                changed = true;
                self.take_report(report);
            }
            if changed {
                self.reconcile().await;
            }
        }
    }

    fn take_batch(&mut self, batch: Batch) {
        for change in batch.changes {
            let object = change.new.map(|object| object.raw.to_value());
            self.objects.put(change.key, object);
        }
        self.config_problems = batch.problems;
        self.begun = true;
        self.publish_keyed();
    }

    /// Tells pods what ConfigMaps and Secrets hold now.
    pub(super) fn publish_keyed(&self) {
        let mut keyed = self.objects.keyed();
        if let Some(root) = &self.root_certificate {
            for namespace in self.objects.namespaces() {
                super::told::add_root(&mut keyed, &namespace, root);
            }
        }
        self.keyed.send_replace(Arc::new(keyed));
    }

    fn look_for_root(&mut self) -> bool {
        let found = self
            .plugged_in_root()
            .or_else(|| std::fs::read(self.state.root_certificate()).ok());
        let news = found.is_some() && found != self.root_certificate;
        if news {
            self.root_certificate = found;
            self.publish_keyed();
        }
        news
    }

    /// The root of a certificate authority that the user brings (Secret `cacerts`).
    fn plugged_in_root(&self) -> Option<Vec<u8>> {
        let keyed = self.keyed.borrow();
        let secret = crate::keyed::KeyedKind::Secret;
        let keys = keyed.find(secret, crate::system::SYSTEM_NAMESPACE, "cacerts")?;
        keys.get("root-cert.pem")
            .or_else(|| keys.get("ca.crt"))
            .cloned()
    }

    fn take_report(&mut self, report: PodReport) {
        match report {
            PodReport::Status(uid, status) => {
                if let Some(entry) = self.pods.get_mut(&uid) {
                    entry.status = Some(*status);
                }
            }
            PodReport::Gone(uid) => {
                if let Some(entry) = self.pods.remove(&uid) {
                    self.pod_ips.release(entry.ip);
                }
            }
        }
    }

    async fn end_all(&mut self, reports: &mut mpsc::UnboundedReceiver<PodReport>) {
        for entry in self.pods.values() {
            // A pod that is gone already has told so.
            let _ = entry.orders.send(PodOrder::Stop { now: true });
        }
        let limit = Instant::now() + Duration::from_secs(20);
        while !self.pods.is_empty() {
            match tokio::time::timeout_at(limit, reports.recv()).await {
                Ok(Some(report)) => self.take_report(report),
                Ok(None) | Err(_) => {
                    warn!(left = self.pods.len(), "pods did not end in time");
                    return;
                }
            }
        }
    }

    /// How everything stands.
    pub(super) fn report(&self) -> StatusReport {
        let mut pods: Vec<_> = self.pods.values().filter_map(pod_row).collect();
        pods.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        let services = self.objects.read::<Service>("Service");
        let mut rows: Vec<_> = services
            .iter()
            .map(|(_, service)| self.service_row(service))
            .collect();
        rows.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        let mut problems: Vec<_> = self
            .config_problems
            .iter()
            .map(ToString::to_string)
            .collect();
        problems.extend(self.own_problems.iter().cloned());
        let mut report = StatusReport {
            name: self.settings.name.to_string(),
            pid: std::process::id(),
            config_dirs: self.settings.config_dirs.clone(),
            state_dir: self.state.root().to_owned(),
            data_plane: self.settings.data_plane.name().to_owned(),
            pod_cidr: self.ranges.pods.to_string(),
            bridge_address: self.ranges.bridge().to_string(),
            ready: false,
            pods,
            services: rows,
            nodes: self.nodes().into_iter().map(|node| node.name).collect(),
            problems,
        };
        // A pod that has just been made has not told anything yet.
        let all_known = self.pods.values().all(|entry| entry.status.is_some());
        report.ready = self.begun
            && all_known
            && self.own_problems.is_empty()
            && report.unready().next().is_none();
        report
    }

    pub(super) fn nodes(&self) -> Vec<schedule::Node> {
        schedule::nodes(self.objects.read("Node"))
    }

    fn service_row(&self, service: &Service) -> ServiceReportRow {
        let spec = &service.spec;
        let balancer = self.addresses.balancer_ip(service);
        let holder = balancer.and_then(|address| self.addresses.holder(address));
        let holder = holder.and_then(|uid| self.pods.get(uid));
        ServiceReportRow {
            namespace: service.metadata.namespace.clone(),
            name: service.metadata.name.clone(),
            r#type: if spec.r#type.is_empty() {
                "ClusterIP".into()
            } else {
                spec.r#type.clone()
            },
            cluster_ip: match self.addresses.cluster_ip(service) {
                Some(address) => address.to_string(),
                None if spec.is_headless() => "None".to_owned(),
                None => String::new(),
            },
            load_balancer_ip: balancer.map(|address| address.to_string()),
            load_balancer_pod: holder.map(|entry| entry.pod.metadata.name.clone()),
            ports: spec.ports.iter().map(port_text).collect(),
        }
    }
}

fn port_text(port: &crate::kubernetes::ServicePort) -> String {
    let transport = if port.protocol.is_empty() {
        "TCP"
    } else {
        &port.protocol
    };
    match &port.target_port {
        Some(PortRef::Number(target)) if *target != port.port => {
            format!("{}→{target}/{transport}", port.port)
        }
        Some(PortRef::Name(target)) => format!("{}→{target}/{transport}", port.port),
        _ => format!("{}/{transport}", port.port),
    }
}

fn pod_row(entry: &PodEntry) -> Option<PodReportRow> {
    let status = entry.status.as_ref()?;
    let startup = status
        .ready_since
        .map(|since| (since - status.started).whole_milliseconds());
    Some(PodReportRow {
        namespace: entry.namespace().to_owned(),
        name: entry.pod.metadata.name.clone(),
        deployment: entry.deployment.as_ref().map(|(name, _)| name.clone()),
        ip: entry.ip.to_string(),
        netns: entry.netns.clone(),
        node: entry.node.clone(),
        service_account: entry.pod.service_account().to_owned(),
        ready: entry.is_ready(),
        leaving: entry.stopping,
        phase: status.phase,
        reason: status.reason.clone(),
        message: status.message.clone(),
        restarts: status.restarts(),
        startup_ms: startup.and_then(|ms| u64::try_from(ms).ok()),
        containers: status.containers.clone(),
        dir: entry.dir.clone(),
    })
}
