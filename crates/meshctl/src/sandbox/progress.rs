//! What `sandbox up` shows while pods start: one line when a pod is ready, one when something
//! keeps it from getting further.

use std::collections::HashMap;

use ferromesh_sandbox::supervisor::{PodReportRow, StatusReport};

use crate::output::{Output, Tone};

/// Remembers what was shown.
#[derive(Debug)]
pub(super) struct Progress {
    output: Output,
    shown: HashMap<(String, String), String>,
}

impl Progress {
    pub(super) fn new(output: Output) -> Self {
        Self {
            output,
            shown: HashMap::new(),
        }
    }

    /// Shows what is new in `report`.
    pub(super) fn show(&mut self, report: &StatusReport) {
        let ready = report.pods.iter().filter(|pod| pod.ready).count();
        for pod in report.pods.iter().filter(|pod| !pod.leaving) {
            let key = (pod.namespace.clone(), pod.name.clone());
            let state = state_of(pod);
            if self.shown.get(&key) == Some(&state) || state.is_empty() {
                continue;
            }
            let tone = if pod.ready {
                Tone::Good
            } else {
                Tone::Doubtful
            };
            let state_text = self.output.tone(tone, &state);
            let count = self
                .output
                .tone(Tone::Quiet, &format!("[{ready}/{}]", report.pods.len()));
            Output::line(&format!("{count} {}/{}: {state_text}", key.0, key.1));
            self.shown.insert(key, state);
        }
        self.shown.retain(|(namespace, name), _| {
            report
                .pods
                .iter()
                .any(|pod| pod.namespace == *namespace && pod.name == *name)
        });
    }
}

fn state_of(pod: &PodReportRow) -> String {
    if pod.ready {
        let seconds = pod.startup_ms.unwrap_or(0) as f32 / 1000.0;
        return format!("ready after {seconds:.1} s");
    }
    // Waiting for the mesh's root certificate is how every pod begins.
    if pod.reason == "ContainerCreating" || pod.reason == "PodInitializing" {
        return String::new();
    }
    let text = format!("{} {}", pod.reason, pod.message);
    // The time until the next try changes with each of them.
    text.split("; next start")
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned()
}
