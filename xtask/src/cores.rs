//! Measurements on cores of their own: the measured process has one, load and upstream another.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::de::DeserializeOwned;

use crate::shell;

/// The core of the measured proxy.
pub const PROXY_CORE: &str = "1";
/// The core of everything else.
pub const LOAD_CORE: &str = "0";

/// Whether the machine has them.
pub fn check_cores() -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores < 2 {
        bail!("the measured proxy needs a core of its own: this machine has only one");
    }
    Ok(())
}

/// A command that runs beside what is measured.
pub fn on_load_core(program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", LOAD_CORE, program]);
    command
}

/// Keeps a core from sleeping while it lives; see `ferromesh-bench`'s `spin`.
pub struct Awake(Child);

impl Awake {
    /// Whoever has work to do is preferred to this.
    pub fn keep(core: &str, driver: &Path) -> anyhow::Result<Self> {
        let spinning = idly(core, driver)
            .arg("spin")
            .stdin(Stdio::piped())
            .spawn()
            .context("cannot start `taskset`")?;
        Ok(Self(spinning))
    }

    /// Both the measured core and the other.
    pub fn keep_both(driver: &Path) -> anyhow::Result<[Self; 2]> {
        Ok([
            Self::keep(PROXY_CORE, driver)?,
            Self::keep(LOAD_CORE, driver)?,
        ])
    }
}

/// A command that gets what others leave of a core, and yields it at once.
pub fn idly(core: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command
        .args(["-c", core, "chrt", "--idle", "0"])
        .arg(program);
    command
}

impl Drop for Awake {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs one of our drivers and reads its line.
pub fn drive<T: DeserializeOwned>(driver: &Path, words: &[&str]) -> anyhow::Result<T> {
    let program = driver.display().to_string();
    let said = shell::output(on_load_core(&program).args(words))?;
    serde_json::from_str(said.trim()).with_context(|| format!("the driver said: {said}"))
}

/// A process that ends with its owner.
pub struct Running(Child);

impl Running {
    /// Starts `program` on `core`; what it says goes to `log`.
    pub fn start(core: &str, program: &Path, words: &[&str], log: &Path) -> anyhow::Result<Self> {
        let log = std::fs::File::create(log)?;
        let child = Command::new("taskset")
            .args(["-c", core])
            .arg(program)
            .args(words)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self(child))
    }

    /// Its number; taskset becomes the program, so that it is the program's.
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself. A polite signal first: nginx and HAProxy have children.
        let _ = shell::capture(Command::new("kill").arg(self.0.id().to_string()));
        let end = Instant::now() + Duration::from_secs(3);
        while matches!(self.0.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
