//! Setting a pod up: volumes, network, pod init; again and again until it works.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use super::exec::InitClient;
use super::life::{Life, Obstacle, PodOrder, SETUP_AGAIN, TOKEN_REFRESH};
use super::status::ContainerState;
use crate::kubernetes::{RestartPolicy, Volume};
use crate::launch::protocol::{Event, ProcessEnd};
use crate::launch::spawn::{InitSettings, start_init};
use crate::network::{CommandError, services};
use crate::plan::container::host_name;
use crate::plan::refuse;
use crate::plan::volumes::{self, VolumeSources};
use crate::volume_files::write_volume;

impl Life {
    /// Sets the pod up, trying again until it works. The error is an order to stop.
    pub(super) async fn bring_up(&mut self) -> Result<(), bool> {
        if let Some(message) = refuse::unsupported(&self.start.pod) {
            self.stuck("Unsupported", message);
            return Err(self.until_stopped().await);
        }
        loop {
            self.objects.mark_unchanged();
            match self.set_up().await {
                Ok(()) => {
                    self.obstacle = None;
                    self.begin_due_containers();
                    self.tell();
                    return Ok(());
                }
                Err(obstacle) => self.stuck(obstacle.reason, obstacle.message),
            }
            tokio::select! {
                order = self.orders.recv() => match order {
                    Some(PodOrder::Stop { now }) => return Err(now),
                    None => return Err(true),
                    Some(PodOrder::Announce { .. }) => {}
                },
                _ = self.objects.changed() => {}
                () = tokio::time::sleep(SETUP_AGAIN) => {}
            }
        }
    }

    pub(super) async fn until_stopped(&mut self) -> bool {
        loop {
            match self.orders.recv().await {
                Some(PodOrder::Stop { now }) => return now,
                None => return true,
                Some(PodOrder::Announce { .. }) => {}
            }
        }
    }

    pub(super) async fn set_up(&mut self) -> Result<(), Obstacle> {
        let failed = |reason| move |message: String| Obstacle { reason, message };
        let dir = self.start.dir.clone();
        fs::create_dir_all(dir.join("root"))
            .map_err(|error| format!("cannot create {}: {error}", dir.display()))
            .map_err(failed("CreatePodDirectoryError"))?;
        self.fill_volumes(|_| true)
            .map_err(failed("ContainerCreating"))?;
        // Before anything runs: an image that nobody knows is the user's most likely mistake.
        for index in 0..self.containers.len() {
            let container = &self.containers[index];
            if let Err(error) = self.plan(container) {
                let name = &container.spec.name;
                let message = format!("container {name}: {error}");
                let reason = error.reason();
                self.containers[index].state = ContainerState::waiting(reason, error.to_string());
                return Err(Obstacle { reason, message });
            }
        }
        self.start
            .network
            .create()
            .await
            .map_err(|error| Obstacle {
                reason: "NetworkError",
                message: error.to_string(),
            })?;
        let mut result = self
            .route_services(true)
            .await
            .map_err(|error| error.to_string())
            .map_err(failed("NetworkError"));
        if result.is_ok() {
            result = self.start_init().await.map_err(failed("PodInitError"));
        }
        if result.is_err() {
            // The next try makes it anew.
            let _ = self.start.network.delete().await;
        }
        result
    }

    /// Makes cluster addresses lead to pods, where no sidecar does that.
    pub(super) async fn route_services(&mut self, first: bool) -> Result<(), CommandError> {
        if self.start.captured {
            return Ok(());
        }
        let routes = self.routes.borrow_and_update().clone();
        services::apply(&self.start.network.netns, &routes, first).await
    }

    pub(super) async fn start_init(&mut self) -> Result<(), String> {
        let settings = InitSettings {
            program: self.shared.program.clone(),
            netns: self.start.network.netns_path(),
            host_name: host_name(&self.start.pod).to_owned(),
            log_file: self.start.dir.join("pod-init.log"),
        };
        let started = start_init(settings).await;
        let (handle, mut events) = started.map_err(|error| format!("cannot start: {error}"))?;
        match events.recv().await {
            Some(Event::Up) => {}
            _ => return Err("pod init ended at once; see pod-init.log".to_owned()),
        }
        self.init = Some(Arc::new(InitClient::new(handle)));
        self.events = Some(events);
        Ok(())
    }

    /// Writes the volumes that `chosen` picks.
    pub(super) fn fill_volumes(&mut self, chosen: impl Fn(bool) -> bool) -> Result<(), String> {
        let objects = self.objects.borrow().clone();
        let pod = &self.start.pod;
        let sources = VolumeSources {
            pod,
            placement: &self.start.placement,
            objects: &objects,
            tokens: &*self.shared.tokens,
        };
        let group = pod.spec.security_context.fs_group;
        for volume in &pod.spec.volumes {
            if !chosen(token_life(volume).is_some()) {
                continue;
            }
            let content = volumes::content(volume, &sources).map_err(|error| error.to_string())?;
            let dir = self.start.dir.join("volumes").join(&volume.name);
            let path = write_volume(&dir, &content, group).map_err(|error| error.to_string())?;
            self.volumes.insert(volume.name.clone(), path);
        }
        let shortest = pod.spec.volumes.iter().filter_map(token_life).min();
        self.tokens_due = Instant::now() + shortest.map_or(TOKEN_REFRESH, |life| life * 4 / 5);
        Ok(())
    }

    /// Pod init was killed from outside, and with it every container: start over in the same
    /// network namespace. The error is an order to stop.
    pub(super) async fn revive(&mut self) -> Result<(), bool> {
        warn!(
            pod = self.start.pod.key(),
            "pod init ended; starting the pod again"
        );
        self.init = None;
        self.events = None;
        for run in &mut self.containers {
            run.has_ended(
                ProcessEnd::Signal(9),
                "pod init was killed".to_owned(),
                RestartPolicy::Always,
            );
            // From the first init container on, as the pod's processes are all new.
            run.run = 0;
        }
        loop {
            match self.start_init().await {
                Ok(()) => return Ok(()),
                Err(message) => self.stuck("PodInitError", message),
            }
            tokio::select! {
                now = self.until_stopped() => return Err(now),
                () = tokio::time::sleep(SETUP_AGAIN) => {}
            }
        }
    }
}

fn token_life(volume: &Volume) -> Option<Duration> {
    let sources = volume
        .projected
        .iter()
        .flat_map(|projected| &projected.sources);
    let tokens = sources.filter_map(|source| source.service_account_token.as_ref());
    let lives = tokens.map(|token| match token.expiration_seconds {
        0 => Duration::from_hours(1),
        // Kubernetes does not issue for less than ten minutes, we for less than a minute.
        seconds => Duration::from_secs(seconds.max(60)),
    });
    lives.min()
}
