//! The last steps before a container's command: own mount namespace, root, user, `exec`. Also how
//! a further command joins a running container.
//!
//! Runs in a process with one thread that pod init has started. What fails before the command is
//! there is told to pod init over a pipe: the container's own output stays its own.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::process::{Gid, Pid, PidfdFlags, Uid, pidfd_open};
use rustix::thread::{
    ThreadNameSpaceType, UnshareFlags, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use super::namespaces::{enter_process, unshare};
use super::protocol::{ContainerPlan, StartNote};
use super::root::{RootError, enter_root};

/// Exit code of a container whose command could not be run, as shells have it.
pub const CANNOT_RUN: i32 = 127;

/// Why a command does not run.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// The plan cannot be read.
    #[error("cannot read the plan {path}: {reason}")]
    Plan {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// A namespace cannot be made or entered.
    #[error("cannot enter the container: {0}")]
    Namespace(#[source] io::Error),
    /// The root cannot be built.
    #[error("cannot build the container's root: {0}")]
    Root(String),
    /// The user cannot be taken on.
    #[error("cannot become user {uid} group {gid}: {source}")]
    User {
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
        /// Why.
        source: io::Error,
    },
    /// The working directory cannot be entered.
    #[error("cannot start in {path}: {source}")]
    WorkingDir {
        /// The directory.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The command cannot be run.
    #[error("cannot run {program:?}: {source}")]
    Exec {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
}

impl From<RootError> for EnterError {
    fn from(error: RootError) -> Self {
        Self::Root(error.to_string())
    }
}

/// Reads the plan of a container.
///
/// # Errors
/// When the file is missing or no plan.
pub fn read_plan(path: &Path) -> Result<ContainerPlan, EnterError> {
    let fail = |reason: String| EnterError::Plan {
        path: path.display().to_string(),
        reason,
    };
    let text = fs::read(path).map_err(|error| fail(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| fail(error.to_string()))
}

/// Becomes the container of the plan at `path`; returns only when that fails. What happens is
/// written to standard input, which pod init has made a pipe to itself.
pub fn start(path: &Path) -> EnterError {
    let mut notes = match take_notes() {
        Ok(notes) => notes,
        Err(error) => return EnterError::Namespace(error),
    };
    let error = match read_plan(path) {
        Ok(plan) => match prepare(&plan) {
            Ok(host_pid) => {
                note(&mut notes, &StartNote::Ready(host_pid));
                run(&plan, &plan.argv)
            }
            Err(error) => error,
        },
        Err(error) => error,
    };
    note(&mut notes, &StartNote::Failed(error.to_string()));
    error
}

/// Takes the pipe for notes out of the way: the copy closes when the command takes over, and the
/// command finds an empty input.
fn take_notes() -> io::Result<File> {
    let notes = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(notes)
}

fn note(notes: &mut File, note: &StartNote) {
    let text = serde_json::to_string(note).unwrap_or_default();
    // Without pod init there is nobody to tell, and nobody to run for.
    let _ = writeln!(notes, "{text}");
}

/// Everything up to the command; returns our process id as the host counts.
fn prepare(plan: &ContainerPlan) -> Result<i32, EnterError> {
    // `/proc` is still the host's: the link names us as the host counts.
    let own = fs::read_link("/proc/self").map_err(EnterError::Namespace)?;
    let host_pid = own.to_string_lossy().parse().unwrap_or(0);
    let _ = rustix::process::setsid();
    unshare(UnshareFlags::NEWNS).map_err(EnterError::Namespace)?;
    enter_root(plan)?;
    hand_over_output(plan);
    become_user(plan)?;
    Ok(host_pid)
}

/// A program that opens `/dev/stdout` needs to own the pipe behind it.
fn hand_over_output(plan: &ContainerPlan) {
    let owner = (Some(Uid::from_raw(plan.uid)), Some(Gid::from_raw(plan.gid)));
    for stream in [io::stdout().as_fd(), io::stderr().as_fd()] {
        // Fails where the output is no pipe of ours; then it is usable as it is.
        let _ = rustix::fs::fchown(stream, owner.0, owner.1);
    }
}

fn become_user(plan: &ContainerPlan) -> Result<(), EnterError> {
    let fail = |error: rustix::io::Errno| EnterError::User {
        uid: plan.uid,
        gid: plan.gid,
        source: match error {
            rustix::io::Errno::INVAL => {
                io::Error::other("it is not mapped into the user namespace of the sandbox")
            }
            error => error.into(),
        },
    };
    let groups: Vec<Gid> = plan
        .groups
        .iter()
        .map(|&group| Gid::from_raw(group))
        .collect();
    let (uid, gid) = (Uid::from_raw(plan.uid), Gid::from_raw(plan.gid));
    // Only one thread runs, so changing the thread's ids changes the process's.
    match set_thread_groups(&groups) {
        // A user namespace with a single user forbids any change, also to no groups at all.
        Err(rustix::io::Errno::PERM) if groups.is_empty() => {}
        result => result.map_err(fail)?,
    }
    set_thread_res_gid(gid, gid, gid).map_err(fail)?;
    set_thread_res_uid(uid, uid, uid).map_err(fail)
}

fn command(plan: &ContainerPlan, argv: &[String]) -> Result<Command, EnterError> {
    let dir = if plan.working_dir.is_empty() {
        "/"
    } else {
        &plan.working_dir
    };
    std::env::set_current_dir(dir).map_err(|source| EnterError::WorkingDir {
        path: dir.to_owned(),
        source,
    })?;
    let program = argv.first().cloned().unwrap_or_default();
    let mut command = Command::new(program);
    command
        .args(argv.iter().skip(1))
        .env_clear()
        .envs(&plan.env);
    Ok(command)
}

fn run(plan: &ContainerPlan, argv: &[String]) -> EnterError {
    match command(plan, argv) {
        Ok(mut command) => exec_failed(argv, command.exec()),
        Err(error) => error,
    }
}

fn exec_failed(argv: &[String], source: io::Error) -> EnterError {
    EnterError::Exec {
        program: argv.first().cloned().unwrap_or_default(),
        source,
    }
}

/// Inside the pod: runs `argv` in the container whose process is `pid`; returns only on failure.
pub fn join(path: &Path, pid: i32, argv: &[String]) -> EnterError {
    let joined = read_plan(path).and_then(|plan| {
        enter(pid, ThreadNameSpaceType::MOUNT)?;
        hand_over_output(&plan);
        become_user(&plan)?;
        Ok(plan)
    });
    match joined {
        Ok(plan) => run(&plan, argv),
        Err(error) => error,
    }
}

/// From the host: runs `argv` in the container whose process is `pid` as the host counts, and
/// waits for its exit code. Standard streams are the caller's.
///
/// # Errors
/// When the container cannot be entered or the command not run.
pub fn attach(path: &Path, pid: i32, argv: &[String]) -> Result<i32, EnterError> {
    let plan = read_plan(path)?;
    let all = ThreadNameSpaceType::MOUNT
        | ThreadNameSpaceType::PROCESS_ID
        | ThreadNameSpaceType::NETWORK
        | ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME
        | ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION;
    enter(pid, all)?;
    become_user(&plan)?;
    // The process-id namespace holds for children only, so the command must be one.
    let status = command(&plan, argv)?
        .status()
        .map_err(|source| exec_failed(argv, source))?;
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    Ok(status
        .code()
        .or_else(|| signal.map(|signal| 128 + signal))
        .unwrap_or(CANNOT_RUN))
}

fn enter(pid: i32, namespaces: ThreadNameSpaceType) -> Result<(), EnterError> {
    let gone = || EnterError::Namespace(io::Error::other("its process is gone"));
    let pid = Pid::from_raw(pid).ok_or_else(gone)?;
    let target = pidfd_open(pid, PidfdFlags::empty()).map_err(|_| gone())?;
    enter_process(target, namespaces).map_err(EnterError::Namespace)
}
