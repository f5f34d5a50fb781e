//! Starting the containers of a pod: their plans, as files that pod init reads, and their watchers.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::time::Instant;

use super::containers::{self, ContainerRun};
use super::hooks::CallTarget;
use super::life::{Life, SETUP_AGAIN};
use super::probes;
use super::status::ContainerState;
use crate::launch::protocol::{ContainerPlan, MountPlan, Request};
use crate::plan::container::{self, ContainerError, PlanSources};

impl Life {
    /// What has to be run for a container, as things are now.
    pub(super) fn plan(&self, run: &ContainerRun) -> Result<ContainerPlan, ContainerError> {
        let objects = self.objects.borrow().clone();
        container::plan(
            &run.spec,
            &PlanSources {
                pod: &self.start.pod,
                placement: &self.start.placement,
                objects: &objects,
                images: &self.shared.images,
                programs: &self.shared.programs,
                dir: &self.start.dir,
                volumes: &self.volumes,
                domain: &self.shared.domain,
            },
        )
    }

    /// Starts every container whose time has come.
    pub(super) fn begin_due_containers(&mut self) {
        for index in containers::next_starts(&self.containers, Instant::now()) {
            if let Err(message) = self.begin(index) {
                let container = &mut self.containers[index];
                container.state = ContainerState::waiting("CreateContainerConfigError", message);
                container.due = Some(Instant::now() + SETUP_AGAIN);
            }
        }
    }

    pub(super) fn begin(&mut self, index: usize) -> Result<(), String> {
        let Some(init) = self.init.clone() else {
            return Ok(());
        };
        let plan = self
            .plan(&self.containers[index])
            .map_err(|error| error.to_string())?;
        let plan_file = plan_path(&self.start.dir, &plan.name);
        make_nested_mount_points(&plan.mounts).map_err(|error| error.to_string())?;
        write_private(&plan_file, &plan).map_err(|error| error.to_string())?;
        self.containers[index].begins();
        init.send(Request::Start {
            container: plan.name,
            plan: plan_file,
            log_file: plan.log_file,
        });
        Ok(())
    }

    /// A container's command runs: watch it.
    pub(super) fn has_started(&mut self, name: &str, pid: i32) {
        let Some(init) = self.init.clone() else {
            return;
        };
        let found = self.containers.iter_mut().find(|run| run.spec.name == name);
        let Some(run) = found else { return };
        let target = CallTarget {
            pod_ip: self.start.network.address.into(),
            container: Arc::clone(&run.spec),
            plan: plan_path(&self.start.dir, name),
            init,
        };
        let watching = probes::watch(target, run.run, self.probe_sender.clone());
        run.has_started(pid, tokio::spawn(Box::pin(watching)).abort_handle());
    }
}

/// Where the plan of a container of the pod at `dir` is kept.
pub(super) fn plan_path(dir: &Path, container: &str) -> PathBuf {
    dir.join(format!("{container}.plan"))
}

/// The plan holds the environment, and so secrets.
fn write_private(path: &Path, plan: &ContainerPlan) -> io::Result<()> {
    let text = serde_json::to_vec(plan).map_err(io::Error::other)?;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(&text)
}

/// A volume mounted inside another one needs a directory there; it is made in the outer volume,
/// which the container may only be able to read. A part of a volume (`subPath`) likewise.
fn make_nested_mount_points(mounts: &[MountPlan]) -> io::Result<()> {
    for inner in mounts {
        if !inner.source.exists() {
            fs::create_dir_all(&inner.source)?;
        }
        let target = Path::new(&inner.target);
        let outer = mounts
            .iter()
            .filter(|outer| outer.target != inner.target && target.starts_with(&outer.target))
            .max_by_key(|outer| outer.target.len());
        if let Some(outer) = outer {
            let below = target.strip_prefix(&outer.target).unwrap_or(Path::new(""));
            let place = outer.source.join(below);
            if inner.source.is_dir() {
                fs::create_dir_all(place)?;
            } else if !place.exists() {
                fs::write(place, "")?;
            }
        }
    }
    Ok(())
}
