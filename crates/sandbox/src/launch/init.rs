//! Pod init: process 1 of a pod. Starts containers, reaps every process that ends, writes logs,
//! runs probes' commands. It keeps the host's mount namespace; containers have their own.
//!
//! It leaves when its socket ends, and the kernel then kills everything in its process-id
//! namespace. So no process of a pod outlives the sandbox, however that ended.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, wait};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::pipe::Receiver;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing::warn;

use super::POD_COMMAND;
use super::log_file::LogFile;
use super::protocol::{Event, ProcessEnd, Request, StartNote, StopSignal};
use super::streams::{ExecOutcome, collect, read_notes, write_log};

/// Runs pod init until its socket, the standard input, ends.
///
/// # Errors
/// When the socket or the signal handler cannot be set up.
pub fn run(host_name: &str) -> io::Result<()> {
    prepare(host_name);
    let socket = StdUnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    socket.set_nonblocking(true)?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async { PodInit::new()?.serve(UnixStream::from_std(socket)?).await })
}

/// Both only make life easier inside: a failure is no reason not to run the pod.
fn prepare(host_name: &str) {
    if let Err(error) = rustix::system::sethostname(host_name.as_bytes()) {
        warn!(%error, "cannot set the host name");
    }
    // As container engines do: a server that runs as a plain user may listen on port 80.
    if let Err(error) = fs::write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0") {
        warn!(%error, "ports below 1024 stay reserved to root");
    }
}

struct PodInit {
    program: PathBuf,
    children: HashMap<Pid, Child>,
    running: HashMap<String, Pid>,
    events: mpsc::UnboundedSender<Event>,
    outgoing: mpsc::UnboundedReceiver<Event>,
    ended_execs: mpsc::UnboundedReceiver<(Pid, ExecOutcome)>,
    exec_outcomes: mpsc::UnboundedSender<(Pid, ExecOutcome)>,
    starts: mpsc::UnboundedReceiver<(Pid, StartNote)>,
    start_notes: mpsc::UnboundedSender<(Pid, StartNote)>,
}

enum Child {
    Container {
        name: String,
        end: Option<ProcessEnd>,
        note: Option<StartNote>,
    },
    Exec {
        id: u64,
        end: Option<ProcessEnd>,
        output: Option<String>,
    },
}

impl PodInit {
    fn new() -> io::Result<Self> {
        let (events, outgoing) = mpsc::unbounded_channel();
        let (exec_outcomes, ended_execs) = mpsc::unbounded_channel();
        let (start_notes, starts) = mpsc::unbounded_channel();
        Ok(Self {
            program: std::env::current_exe()?,
            children: HashMap::new(),
            running: HashMap::new(),
            events,
            outgoing,
            ended_execs,
            exec_outcomes,
            starts,
            start_notes,
        })
    }

    async fn serve(mut self, socket: UnixStream) -> io::Result<()> {
        let mut ended = signal(SignalKind::child())?;
        let (incoming, mut outgoing) = socket.into_split();
        let mut lines = BufReader::new(incoming).lines();
        self.tell(Event::Up);
        loop {
            tokio::select! {
                line = lines.next_line() => match line? {
                    Some(line) => self.handle(&line),
                    None => return Ok(()),
                },
                _ = ended.recv() => self.reap(),
                Some((pid, outcome)) = self.ended_execs.recv() => self.exec_output(pid, outcome),
                Some((pid, note)) = self.starts.recv() => self.has_noted(pid, note),
                Some(event) = self.outgoing.recv() => {
                    let mut line = serde_json::to_vec(&event).map_err(io::Error::other)?;
                    line.push(b'\n');
                    outgoing.write_all(&line).await?;
                }
            }
        }
    }

    fn tell(&self, event: Event) {
        // The receiver lives as long as `self`.
        let _ = self.events.send(event);
    }

    fn handle(&mut self, line: &str) {
        match serde_json::from_str(line) {
            Ok(Request::Start {
                container,
                plan,
                log_file,
            }) => {
                if let Err(error) = self.start(&container, &plan, &log_file) {
                    self.tell(Event::Exited {
                        container,
                        end: ProcessEnd::Code(128),
                        message: error.to_string(),
                    });
                }
            }
            Ok(Request::Signal { container, signal }) => self.signal(&container, signal),
            Ok(Request::Exec {
                id,
                container,
                plan,
                argv,
                timeout_ms,
            }) => {
                let timeout = Duration::from_millis(timeout_ms);
                if let Err(reason) = self.exec(id, &container, &plan, &argv, timeout) {
                    self.tell(Event::ExecDone {
                        id,
                        end: None,
                        output: reason,
                    });
                }
            }
            Ok(Request::Announce { address, nobody }) => {
                // Any packet will do: it makes the kernel ask all neighbours for `nobody`, and the
                // question itself tells them who has `address` now.
                let sent = UdpSocket::bind((address, 0)).and_then(|s| s.send_to(&[0], (nobody, 9)));
                if let Err(error) = sent {
                    warn!(%address, %error, "cannot announce the address");
                }
            }
            Err(error) => warn!(%error, "cannot read a request"),
        }
    }

    fn start(&mut self, container: &str, plan: &Path, log_file: &Path) -> io::Result<()> {
        let log = LogFile::open(log_file)?;
        let (notes, told) = io::pipe()?;
        let mut child = Command::new(&self.program)
            .args([POD_COMMAND, "start"])
            .arg(plan)
            .stdin(told)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().map(OwnedFd::from);
        let stderr = child.stderr.take().map(OwnedFd::from);
        if let (Some(stdout), Some(stderr)) = (stdout, stderr) {
            tokio::spawn(write_log(log, receiver(stdout)?, receiver(stderr)?));
        }
        let pid = pid_of(&child)?;
        let child = Child::Container {
            name: container.to_owned(),
            end: None,
            note: None,
        };
        self.children.insert(pid, child);
        let notes = receiver(OwnedFd::from(notes))?;
        tokio::spawn(read_notes(pid, notes, self.start_notes.clone()));
        self.running.insert(container.to_owned(), pid);
        Ok(())
    }

    fn signal(&self, container: &str, signal: StopSignal) {
        let Some(pid) = self.running.get(container) else {
            return;
        };
        let signal = match signal {
            StopSignal::Terminate => Signal::TERM,
            StopSignal::Kill => Signal::KILL,
        };
        // SIGTERM goes to the container's own process, as engines do; the rest of its group only
        // dies with it.
        let sent = match signal {
            Signal::TERM => rustix::process::kill_process(*pid, signal),
            _ => kill_process_group(*pid, signal),
        };
        if let Err(error) = sent {
            warn!(container, %error, "cannot signal the container");
        }
    }

    fn exec(
        &mut self,
        id: u64,
        container: &str,
        plan: &Path,
        argv: &[String],
        timeout: Duration,
    ) -> Result<(), String> {
        let target = self
            .running
            .get(container)
            .ok_or("the container is not running")?;
        let (reader, writer) = io::pipe().map_err(|error| error.to_string())?;
        let errors = writer.try_clone().map_err(|error| error.to_string())?;
        let child = Command::new(&self.program)
            .args([POD_COMMAND, "join"])
            .arg(plan)
            .arg(target.as_raw_nonzero().to_string())
            .arg("--")
            .args(argv)
            .stdin(Stdio::null())
            .stdout(writer)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(|error| error.to_string())?;
        let pid = pid_of(&child).map_err(|error| error.to_string())?;
        let output = receiver(OwnedFd::from(reader)).map_err(|error| error.to_string())?;
        self.children.insert(
            pid,
            Child::Exec {
                id,
                end: None,
                output: None,
            },
        );
        tokio::spawn(collect(pid, output, timeout, self.exec_outcomes.clone()));
        Ok(())
    }

    fn reap(&mut self) {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            let end = match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => ProcessEnd::Code(code),
                (None, Some(signal)) => ProcessEnd::Signal(signal),
                (None, None) => continue,
            };
            match self.children.get_mut(&pid) {
                Some(Child::Container {
                    name, end: ended, ..
                }) => {
                    *ended = Some(end);
                    self.running.remove(name);
                    // Whatever the container left running goes with it.
                    let _ = kill_process_group(pid, Signal::KILL);
                    self.finish_container(pid);
                }
                Some(Child::Exec { end: ended, .. }) => {
                    *ended = Some(end);
                    self.finish_exec(pid);
                }
                // An orphan that the kernel gave to process 1.
                None => {}
            }
        }
    }

    fn has_noted(&mut self, pid: Pid, told: StartNote) {
        let Some(Child::Container { name, note, .. }) = self.children.get_mut(&pid) else {
            return;
        };
        *note = Some(told.clone());
        if let StartNote::Ready(host_pid) = told {
            let started = Event::Started {
                container: name.clone(),
                pid: host_pid,
            };
            self.tell(started);
        }
        self.finish_container(pid);
    }

    /// A container is done when it has ended and its notes have been read.
    fn finish_container(&mut self, pid: Pid) {
        if let Some(Child::Container {
            name,
            end: Some(end),
            note: Some(note),
        }) = self.children.get_mut(&pid)
        {
            let exited = Event::Exited {
                container: std::mem::take(name),
                end: *end,
                message: match note {
                    StartNote::Ready(_) => String::new(),
                    StartNote::Failed(message) => std::mem::take(message),
                },
            };
            self.children.remove(&pid);
            self.tell(exited);
        }
    }

    fn exec_output(&mut self, pid: Pid, outcome: ExecOutcome) {
        match (self.children.get_mut(&pid), outcome) {
            (Some(Child::Exec { output, .. }), ExecOutcome::Output(text)) => {
                *output = Some(text);
                self.finish_exec(pid);
            }
            (Some(Child::Exec { id, .. }), ExecOutcome::TimedOut) => {
                let id = *id;
                let _ = kill_process_group(pid, Signal::KILL);
                self.children.remove(&pid);
                self.tell(Event::ExecDone {
                    id,
                    end: None,
                    output: "timed out".to_owned(),
                });
            }
            _ => {}
        }
    }

    /// A command is done when it has ended and its output has been read.
    fn finish_exec(&mut self, pid: Pid) {
        if let Some(Child::Exec {
            id,
            end: Some(end),
            output: Some(output),
        }) = self.children.get_mut(&pid)
        {
            let (id, end, output) = (*id, Some(*end), std::mem::take(output));
            self.children.remove(&pid);
            self.tell(Event::ExecDone { id, end, output });
        }
    }
}

fn pid_of(child: &std::process::Child) -> io::Result<Pid> {
    Pid::from_raw(child.id() as i32).ok_or_else(|| io::Error::other("the child has no process id"))
}

fn receiver(fd: OwnedFd) -> io::Result<Receiver> {
    Receiver::from_owned_fd(fd)
}
