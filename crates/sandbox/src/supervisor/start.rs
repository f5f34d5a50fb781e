//! Bringing a sandbox up, and leaving nothing of it behind.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ferromesh_ingest::{DirectorySettings, DirectorySource};
use ferromesh_runtime::Publisher;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tracing::error;

use super::cluster::{Cluster, Inputs, Question};
use super::objects::Objects;
use super::report::StatusReport;
use super::services::ServiceAddresses;
use super::status_dir::StatusDir;
use super::tokens::SandboxTokens;
use crate::address::{Pool, Ranges};
use crate::control;
use crate::dns::{self, DnsError, Zone};
use crate::images::{ImageRow, ImageTable};
use crate::keyed::KeyedObjects;
use crate::names::SandboxName;
use crate::network::CommandError;
use crate::network::clean::clean;
use crate::network::host::{RangesError, WantedRanges, choose_ranges, create_bridge};
use crate::network::services::ServiceRoutes;
use crate::pod::Pods;
use crate::state_dir::{Record, StateDir, StateDirError, StateLock};
use crate::system::{self, ControlPlanePaths};
use crate::values::SetValues;

/// How long a pod that is to go keeps serving after it has been taken out of the endpoints: the
/// control plane's debounce, the push, and some air.
const WITHDRAWAL: Duration = Duration::from_millis(800);
/// The programs of the mesh that pods find in [`crate::images::PROGRAMS_DIR`].
const PROGRAMS: &[&str] = &["meshd", "meshproxy", "mesh-apps", "meshctl"];

/// What carries the traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataPlane {
    /// Our own proxy.
    Meshproxy,
    /// A stock Envoy under our agent.
    Envoy {
        /// The program.
        path: PathBuf,
    },
}

impl DataPlane {
    /// Its name on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Meshproxy => "meshproxy",
            Self::Envoy { .. } => "envoy",
        }
    }

    fn proxy_arguments(&self) -> Vec<String> {
        match self {
            Self::Meshproxy => Vec::new(),
            Self::Envoy { .. } => {
                let path = format!("{}/envoy", crate::images::PROGRAMS_DIR);
                ["--data-plane", "envoy", "--envoy-path", &path]
                    .map(str::to_owned)
                    .to_vec()
            }
        }
    }
}

/// What a sandbox is started with.
#[derive(Clone, Debug)]
pub struct SandboxSettings {
    /// Its name.
    pub name: SandboxName,
    /// The user's directories of config; absolute.
    pub config_dirs: Vec<PathBuf>,
    /// Where sandboxes keep their directories.
    pub state_base: PathBuf,
    /// Address ranges that the user asks for.
    pub ranges: WantedRanges,
    /// What carries the traffic.
    pub data_plane: DataPlane,
    /// The user's rows of the image table.
    pub images: Vec<ImageRow>,
    /// Our own executable.
    pub program: PathBuf,
    /// Where the other programs of the mesh are.
    pub programs_dir: PathBuf,
    /// Installation values.
    pub values: SetValues,
}

/// Why a sandbox cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Not root.
    #[error(
        "a sandbox makes network namespaces, which needs root: run it with sudo, or inside a user \
         namespace with a `/run` of its own (`unshare --user --map-root-user --map-auto --net --mount`)"
    )]
    NotRoot,
    /// A directory of config is missing.
    #[error("{0} is not a directory: give a directory of YAML files")]
    NoConfig(PathBuf),
    /// Envoy is missing.
    #[error("{0} is not there: give the Envoy program with --envoy-path")]
    NoEnvoy(PathBuf),
    /// The sandbox's own directory.
    #[error(transparent)]
    StateDir(#[from] StateDirError),
    /// Address ranges.
    #[error(transparent)]
    Ranges(#[from] RangesError),
    /// The network.
    #[error(transparent)]
    Network(#[from] CommandError),
    /// The name server.
    #[error(transparent)]
    Dns(#[from] DnsError),
    /// The key for tokens.
    #[error("cannot keep the key for service account tokens: {0}")]
    Tokens(String),
    /// The control socket.
    #[error("cannot listen on {path}: {source}")]
    Control {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A running sandbox.
#[derive(Debug)]
pub struct Sandbox {
    name: SandboxName,
    state: StateDir,
    status: watch::Receiver<Arc<StatusReport>>,
    questions: mpsc::Sender<Question>,
    cluster: JoinHandle<()>,
    lock: StateLock,
}

impl Sandbox {
    /// Brings a sandbox up: cleans what an earlier run of the name left, then makes the bridge, the
    /// name server and the first pods. Pods become ready later; see [`Sandbox::status`].
    ///
    /// # Errors
    /// When something that the whole sandbox needs cannot be had. Nothing is left behind then.
    pub async fn start(settings: SandboxSettings) -> Result<Self, SandboxError> {
        check(&settings)?;
        let state = StateDir::new(&settings.state_base, &settings.name);
        let lock = state.lock(&settings.name)?;
        clean(&settings.name).await?;
        state.prepare()?;
        let ranges = choose_ranges(settings.ranges).await?;
        let (name, base) = (settings.name.clone(), settings.state_base.clone());
        match start_in(settings, &state, ranges).await {
            Ok((status, questions, cluster)) => Ok(Self {
                name,
                state,
                status,
                questions,
                cluster,
                lock,
            }),
            Err(error) => {
                drop(lock);
                // The first error is the one to tell.
                let _ = clean_up(&base, &name).await;
                Err(error)
            }
        }
    }

    /// How it stands, and every change of that.
    pub fn status(&self) -> watch::Receiver<Arc<StatusReport>> {
        self.status.clone()
    }

    /// Resolves when the sandbox was ended from outside (`meshctl sandbox down`).
    pub async fn ended(&mut self) {
        // The task ends by itself only then; a panic in it ends the sandbox as well.
        let _ = (&mut self.cluster).await;
    }

    /// Ends everything and removes what there is of it.
    ///
    /// # Errors
    /// When something could not be removed.
    pub async fn stop(self) -> Result<(), SandboxError> {
        let (answer, done) = oneshot::channel();
        if self.questions.send(Question::Stop(answer)).await.is_ok() {
            // The task may have ended between the two.
            let _ = done.await;
        }
        clean(&self.name).await?;
        drop(self.lock);
        self.state.remove()?;
        Ok(())
    }
}

/// Removes everything of a sandbox that nobody runs any more.
///
/// # Errors
/// When something could not be removed.
pub async fn clean_up(base: &Path, name: &SandboxName) -> Result<(), SandboxError> {
    let state = StateDir::new(base, name);
    if state.root().exists() {
        let _lock = state.lock(name)?;
        clean(name).await?;
        state.remove()?;
        return Ok(());
    }
    clean(name).await?;
    Ok(())
}

fn check(settings: &SandboxSettings) -> Result<(), SandboxError> {
    if !rustix::process::geteuid().is_root() {
        return Err(SandboxError::NotRoot);
    }
    if let Some(missing) = settings.config_dirs.iter().find(|dir| !dir.is_dir()) {
        return Err(SandboxError::NoConfig(missing.clone()));
    }
    match &settings.data_plane {
        DataPlane::Envoy { path } if !path.is_file() => Err(SandboxError::NoEnvoy(path.clone())),
        _ => Ok(()),
    }
}

type Started = (
    watch::Receiver<Arc<StatusReport>>,
    mpsc::Sender<Question>,
    JoinHandle<()>,
);

async fn start_in(
    settings: SandboxSettings,
    state: &StateDir,
    ranges: Ranges,
) -> Result<Started, SandboxError> {
    let tokens = Arc::new(SandboxTokens::open(state).map_err(SandboxError::Tokens)?);
    create_bridge(&settings.name, &ranges).await?;
    let zone = Publisher::new(Zone::default());
    let server = dns::serve(ranges.bridge(), zone.reader()).await?;
    let (questions, asked) = mpsc::channel(16);
    control::serve(&state.control_socket(), questions.clone()).map_err(|source| {
        SandboxError::Control {
            path: state.control_socket(),
            source,
        }
    })?;
    state.write_record(&Record {
        pid: std::process::id(),
        config_dirs: settings.config_dirs.clone(),
        data_plane: settings.data_plane.name().to_owned(),
    })?;
    tokio::spawn(async move {
        if let Err(error) = server.run().await {
            error!(%error, "the name server of the pods ended");
        }
    });
    let (pod_sender, pod_reports) = mpsc::unbounded_channel();
    let (keyed, objects) = watch::channel(Arc::new(KeyedObjects::default()));
    let no_routes = ServiceRoutes {
        routes: Vec::new(),
        range: ranges.services,
    };
    let (routes, routed) = watch::channel(Arc::new(no_routes));
    let (reports, status) = watch::channel(Arc::new(StatusReport::default()));
    let shared = Arc::new(Pods {
        program: settings.program.clone(),
        images: ImageTable::new(
            settings.images.clone(),
            settings.data_plane.proxy_arguments(),
        ),
        programs: programs(&settings),
        objects,
        routes: routed,
        tokens,
        domain: "cluster.local".to_owned(),
        withdrawal: WITHDRAWAL,
    });
    let paths = ControlPlanePaths {
        config: settings.config_dirs.clone(),
        status: state.status(),
        state: state.control_plane(),
        token_key: state.token_public_key(),
    };
    let batches = watch_config(&settings.config_dirs);
    let cluster = Cluster {
        objects: Objects::new(system::objects(&paths, &settings.values)),
        state: state.clone(),
        ranges,
        shared,
        keyed,
        routes,
        zone,
        zone_generation: 0,
        status_dir: StatusDir::new(state.status()),
        pods: BTreeMap::new(),
        pod_ips: Pool::new(ranges.pods),
        next_veth: 0,
        addresses: ServiceAddresses::new(ranges.services, ranges.load_balancers),
        root_certificate: None,
        config_problems: Arc::default(),
        own_problems: Vec::new(),
        pod_reports: pod_sender,
        reports,
        begun: false,
        settings,
    };
    let inputs = Inputs {
        batches,
        pod_reports,
        questions: asked,
    };
    Ok((
        status,
        questions,
        tokio::spawn(Box::pin(cluster.run(inputs))),
    ))
}

fn watch_config(dirs: &[PathBuf]) -> mpsc::Receiver<ferromesh_ingest::Batch> {
    let (sender, batches) = mpsc::channel(16);
    let source = DirectorySource::new(DirectorySettings::new(dirs.to_vec(), Vec::new()));
    tokio::spawn(async move {
        if let Err(error) = source.run(sender).await {
            error!(%error, "config is not read any more");
        }
    });
    batches
}

/// The mesh's programs as pods see them. What is not built is missing there too; a container that
/// needs it then says so.
fn programs(settings: &SandboxSettings) -> BTreeMap<String, PathBuf> {
    let mut programs: BTreeMap<String, PathBuf> = PROGRAMS
        .iter()
        .map(|name| ((*name).to_owned(), settings.programs_dir.join(name)))
        .filter(|(_, path)| path.is_file())
        .collect();
    // Injected hooks call the agent by the name that it has in Istio's image.
    if let Some(proxy) = programs.get("meshproxy").cloned() {
        programs.insert("pilot-agent".to_owned(), proxy);
    }
    if let DataPlane::Envoy { path } = &settings.data_plane {
        programs.insert("envoy".to_owned(), path.clone());
    }
    programs
}
