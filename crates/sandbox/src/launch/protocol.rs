//! What the sandbox and pod init say to each other: one JSON object per line, over a socket that
//! is pod init's standard input. Plans are files, since they may be larger than a line should be.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Everything that is needed to run one container, written to a file that only root can read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerPlan {
    /// The container's name.
    pub name: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// Where the program starts.
    pub working_dir: String,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// An empty directory of the host over which the root is built, in the container's own mount
    /// namespace.
    pub root_dir: PathBuf,
    /// Files that the container sees instead of the host's, by path.
    pub files: BTreeMap<String, String>,
    /// What is mounted where, in order.
    pub mounts: Vec<MountPlan>,
    /// Where its output goes.
    pub log_file: PathBuf,
}

/// One bind mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountPlan {
    /// Path on the host.
    pub source: PathBuf,
    /// Path in the container.
    pub target: String,
    /// Without write access.
    pub read_only: bool,
}

/// Sandbox → pod init.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Start a container.
    Start {
        /// The container's name.
        container: String,
        /// File with its [`ContainerPlan`].
        plan: PathBuf,
        /// Where its output goes.
        log_file: PathBuf,
    },
    /// Send a signal to a container's process group.
    Signal {
        /// The container's name.
        container: String,
        /// The signal.
        signal: StopSignal,
    },
    /// Run a command in a running container.
    Exec {
        /// Repeated in the answer.
        id: u64,
        /// The container's name.
        container: String,
        /// File with the container's [`ContainerPlan`].
        plan: PathBuf,
        /// The command.
        argv: Vec<String>,
        /// When it is killed.
        timeout_ms: u64,
    },
    /// Tell the neighbours that `address` lives here now.
    Announce {
        /// An address of this pod.
        address: Ipv4Addr,
        /// An address of the same range that nobody has.
        nobody: Ipv4Addr,
    },
}

/// The signals that end a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopSignal {
    /// SIGTERM: finish.
    Terminate,
    /// SIGKILL: gone.
    Kill,
}

/// Pod init → sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// Pod init is up and takes requests.
    Up,
    /// A container's command runs.
    Started {
        /// The container's name.
        container: String,
        /// Its process as the host counts.
        pid: i32,
    },
    /// A container's process ended.
    Exited {
        /// The container's name.
        container: String,
        /// How.
        end: ProcessEnd,
        /// Why its command did not run; empty when it did.
        message: String,
    },
    /// A command has ended.
    ExecDone {
        /// From the request.
        id: u64,
        /// How; `None` when it could not be started or took too long.
        end: Option<ProcessEnd>,
        /// The end of its output, or why it did not run.
        output: String,
    },
}

/// What a process that is to become a container writes to its standard input, a pipe to pod init,
/// before the command takes its place; one JSON object per line. The pipe ends with the `exec`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartNote {
    /// All is set up; its process id as the host counts.
    Ready(i32),
    /// It failed.
    Failed(String),
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProcessEnd {
    /// By itself, with a code.
    Code(i32),
    /// By a signal.
    Signal(i32),
}

impl ProcessEnd {
    /// The code that a shell would show.
    pub fn exit_code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }
}
