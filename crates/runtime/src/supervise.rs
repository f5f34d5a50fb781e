//! Tasks that must not die unseen: each has a name; the first one that ends early, by returning an
//! error or by a panic, is reported to whoever waits.

use std::fmt::Display;
use std::future::Future;

use tokio::sync::mpsc;
use tracing::{debug, error};

/// Collects the ends of the process's long-running tasks.
#[derive(Debug)]
pub struct Supervisor {
    handle: SupervisorHandle,
    failures: mpsc::UnboundedReceiver<String>,
}

/// Starts tasks under a supervisor; clone it freely.
#[derive(Clone, Debug)]
pub struct SupervisorHandle {
    failures: mpsc::UnboundedSender<String>,
}

impl Default for Supervisor {
    fn default() -> Self {
        Self::new()
    }
}

impl Supervisor {
    /// Watches nothing yet.
    pub fn new() -> Self {
        let (sender, failures) = mpsc::unbounded_channel();
        Self {
            handle: SupervisorHandle { failures: sender },
            failures,
        }
    }

    /// A handle to start tasks with.
    pub fn handle(&self) -> SupervisorHandle {
        self.handle.clone()
    }

    /// Resolves with the description of the first task that failed.
    pub async fn failed(&mut self) -> String {
        match self.failures.recv().await {
            Some(failure) => failure,
            // The supervisor itself holds a sender, so the channel cannot end.
            None => std::future::pending().await,
        }
    }
}

impl SupervisorHandle {
    /// Runs `task`; an error or a panic is logged and reported under `name`.
    pub fn spawn<E>(
        &self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) where
        E: Display + Send + 'static,
    {
        let failures = self.failures.clone();
        let running = tokio::spawn(task);
        tokio::spawn(async move {
            let reason = match running.await {
                Ok(Ok(())) => {
                    debug!(task = name, "task ended");
                    return;
                }
                Ok(Err(reason)) => reason.to_string(),
                Err(join) if join.is_panic() => "panicked".to_owned(),
                Err(_) => return,
            };
            error!(task = name, %reason, "task failed");
            // Nobody waits any more: the process is leaving, and the log line above is enough.
            let _ = failures.send(format!("{name}: {reason}"));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_failure_is_reported_by_name() {
        let mut supervisor = Supervisor::new();
        supervisor
            .handle()
            .spawn("well", async { Ok::<(), String>(()) });
        supervisor
            .handle()
            .spawn("ill", async { Err::<(), _>("no disk") });
        assert_eq!(supervisor.failed().await, "ill: no disk");
    }
}
