//! Commands in running containers, by way of pod init: requests out, answers matched by number.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::launch::protocol::{ProcessEnd, Request};
use crate::launch::spawn::InitHandle;

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExecResult {
    /// Exit with code 0.
    pub(super) succeeded: bool,
    /// What it printed, or why it did not run.
    pub(super) output: String,
}

/// Sends requests to pod init and waits for the answers to commands.
#[derive(Debug)]
pub(super) struct InitClient {
    handle: InitHandle,
    next: AtomicU64,
    // Taken for an insert or a remove only, never across an await.
    waiting: Mutex<HashMap<u64, oneshot::Sender<ExecResult>>>,
}

impl InitClient {
    pub(super) fn new(handle: InitHandle) -> Self {
        Self {
            handle,
            next: AtomicU64::new(1),
            waiting: Mutex::new(HashMap::new()),
        }
    }

    pub(super) fn send(&self, request: Request) {
        self.handle.send(request);
    }

    /// Runs `argv` in the container that was started from `plan`.
    pub(super) async fn exec(
        &self,
        container: &str,
        plan: PathBuf,
        argv: Vec<String>,
        timeout: Duration,
    ) -> ExecResult {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        self.waiting().insert(id, sender);
        self.handle.send(Request::Exec {
            id,
            container: container.to_owned(),
            plan,
            argv,
            timeout_ms: timeout.as_millis() as u64,
        });
        // Pod init has its own limit; the second more covers its way here.
        let waited = tokio::time::timeout(timeout + Duration::from_secs(1), answer).await;
        self.waiting().remove(&id);
        match waited {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => failed("the pod is going"),
            Err(_) => failed("timed out"),
        }
    }

    /// Delivers an answer.
    pub(super) fn answered(&self, id: u64, end: Option<ProcessEnd>, output: String) {
        if let Some(waiting) = self.waiting().remove(&id) {
            // Whoever asked may have given up.
            let _ = waiting.send(ExecResult {
                succeeded: end == Some(ProcessEnd::Code(0)),
                output,
            });
        }
    }

    /// Ends the pod's processes.
    pub(super) async fn end(self) {
        self.handle.end().await;
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<ExecResult>>> {
        self.waiting
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn failed(reason: &str) -> ExecResult {
    ExecResult {
        succeeded: false,
        output: reason.to_owned(),
    }
}
