//! Hot upgrade: taking the place of a running process, and giving way to the next one.
//!
//! The order keeps somebody accepting at every moment: this process gets its config and warms while
//! the predecessor serves; then it accepts too; only then the predecessor stops and drains. A
//! process that fails on the way ends, and the predecessor never stopped.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use ferromesh_net::{HandoverPoint, Inheritance, SocketShelf};
use ferromesh_proxy::{ProxyHandle, SocketState};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

/// How long a successor may take until its first config is in force.
const WARM_UP: Duration = Duration::from_mins(1);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// Pause after a process that could not take over.
const PAUSE: Duration = Duration::from_millis(100);

/// A process's place in the line.
#[derive(Debug)]
pub(crate) struct Upgrade {
    path: Option<PathBuf>,
    shelf: SocketShelf,
    inheritance: Option<Inheritance>,
    generation: u32,
    limit: Duration,
}

impl Upgrade {
    /// Asks the process that runs already, if there is one at `path`; it will have `limit` to finish
    /// its connections.
    pub(crate) async fn begin(path: Option<&Path>, limit: Duration) -> anyhow::Result<Self> {
        let mut inheritance = match path {
            Some(path) => Inheritance::ask(path).await?,
            None => None,
        };
        let shelf = match &mut inheritance {
            Some(inheritance) => {
                let sockets = std::mem::take(&mut inheritance.sockets);
                info!(
                    sockets = sockets.len(),
                    "taking over from the running process"
                );
                SocketShelf::inherit(sockets)
            }
            None => SocketShelf::new(),
        };
        Ok(Self {
            path: path.map(Path::to_owned),
            shelf,
            generation: inheritance.as_ref().map_or(0, |it| it.generation),
            inheritance,
            limit,
        })
    }

    /// Where all sockets of the process come from.
    pub(crate) fn shelf(&self) -> &SocketShelf {
        &self.shelf
    }

    /// Begins to serve, then waits for a successor; resolves, with the time that is left to us, when
    /// it serves.
    pub(crate) async fn run(&mut self, proxy: &ProxyHandle) -> anyhow::Result<Duration> {
        self.take_over(proxy).await?;
        let Some(path) = &self.path else {
            return std::future::pending().await;
        };
        let point = HandoverPoint::bind(path)?;
        loop {
            match self.give_way(&point, proxy).await {
                Ok(limit) => return Ok(limit),
                Err(reason) => {
                    warn!("{reason:#}; going on");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn take_over(&mut self, proxy: &ProxyHandle) -> anyhow::Result<()> {
        let Some(inheritance) = self.inheritance.take() else {
            proxy.listen();
            return Ok(());
        };
        let ready = async {
            while !proxy.is_ready() {
                sleep(LOOK).await;
            }
        };
        timeout(WARM_UP, ready)
            .await
            .context("not ready in time to take over; the running process goes on")?;
        proxy.listen();
        for (name, address, state) in proxy.sockets() {
            if let SocketState::Failed(reason) = state {
                bail!("listener {name} on {address}: {reason}; the running process goes on");
            }
        }
        self.shelf.serve();
        // A predecessor that died in between has left us its sockets all the same.
        if let Err(reason) = inheritance.confirm(self.limit).await {
            warn!("{reason}");
        }
        info!(generation = self.generation, "took over");
        Ok(())
    }

    async fn give_way(
        &self,
        point: &HandoverPoint,
        proxy: &ProxyHandle,
    ) -> anyhow::Result<Duration> {
        let mut successor = point.asked().await?;
        info!("another process is taking over");
        let sockets = self.shelf.copies().context("copying the sockets")?;
        let limit = successor.hand_over(&sockets, self.generation + 1).await?;
        proxy.leave_sockets();
        self.shelf.release();
        successor.released().await;
        Ok(limit)
    }
}
