//! All listening sockets of a process: those it inherited, those it opened, those it hands on.
//!
//! A second handle of every socket stays here, by address. It lets a listener keep its socket when
//! its name or its owner changes, so that no connection in its queue is lost, and it lets the next
//! process take the sockets over. Who closes a listener must [close](SocketShelf::close) it here.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use socket2::{Socket, Type};
use tokio::sync::watch;

use crate::listen::{ListenError, ListenSettings, Listener};

/// Where the process is in the line of processes that have the same sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// It holds the sockets of a predecessor that still serves.
    Waiting,
    /// It serves.
    Serving,
    /// A successor serves.
    Released,
}

/// The sockets. Clones share them.
#[derive(Clone, Debug)]
pub struct SocketShelf {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    held: Mutex<Held>,
    stage: watch::Sender<Stage>,
}

#[derive(Debug, Default)]
struct Held {
    streams: HashMap<SocketAddr, Vec<Listener>>,
    datagrams: HashMap<SocketAddr, Socket>,
    /// Inherited and not yet asked for.
    unclaimed: Vec<SocketAddr>,
}

impl Default for SocketShelf {
    fn default() -> Self {
        Self::new()
    }
}

impl SocketShelf {
    /// An empty one, of a process that has no predecessor.
    pub fn new() -> Self {
        Self::at(Stage::Serving, Held::default())
    }

    /// With the sockets of a predecessor, which serves until [`Self::serve`] is called here.
    /// Descriptors that are no IP sockets are closed.
    pub fn inherit(sockets: Vec<OwnedFd>) -> Self {
        let mut held = Held::default();
        for socket in sockets.into_iter().map(Socket::from) {
            let Some(address) = socket.local_addr().ok().and_then(|it| it.as_socket()) else {
                continue;
            };
            held.unclaimed.push(address);
            match socket.r#type() {
                Ok(Type::STREAM) => held
                    .streams
                    .entry(address)
                    .or_default()
                    .push(Listener::from_socket(socket)),
                Ok(Type::DGRAM) => drop(held.datagrams.insert(address, socket)),
                _ => {}
            }
        }
        Self::at(Stage::Waiting, held)
    }

    fn at(stage: Stage, held: Held) -> Self {
        Self {
            shared: Arc::new(Shared {
                held: Mutex::new(held),
                stage: watch::Sender::new(stage),
            }),
        }
    }

    /// Listening sockets on one address: those that are here already, and new ones until there are
    /// `count`. There are more when they were more before: all must be accepted from.
    pub fn listeners(
        &self,
        settings: &ListenSettings,
        count: usize,
    ) -> Result<Vec<Listener>, ListenError> {
        let mut held = self.lock();
        let mut settings = settings.clone();
        held.unclaimed.retain(|each| *each != settings.address);
        let mut sockets = held.streams.remove(&settings.address).unwrap_or_default();
        for socket in &mut sockets {
            socket.adopt(&settings)?;
        }
        while sockets.len() < count {
            let socket = Listener::bind(&settings)?;
            // With port 0, the first socket tells the port of the others.
            if let Ok(address) = socket.local_address() {
                settings.address = address;
            }
            sockets.push(socket);
        }
        let copies = sockets.iter().map(Listener::try_clone).collect();
        let copies: io::Result<Vec<_>> = copies;
        let copies = copies.map_err(|reason| settings.failed("copy", reason))?;
        held.streams.insert(settings.address, sockets);
        Ok(copies)
    }

    /// One listening socket, for services of the process itself.
    pub fn listener(&self, address: SocketAddr) -> Result<Listener, ListenError> {
        let mut settings = ListenSettings::new(address);
        settings.reuse_port = false;
        settings.dual_stack = true;
        let mut sockets = self.listeners(&settings, 1)?;
        Ok(sockets.swap_remove(0))
    }

    /// A UDP socket.
    pub fn datagrams(&self, address: SocketAddr) -> io::Result<std::net::UdpSocket> {
        let mut held = self.lock();
        held.unclaimed.retain(|each| *each != address);
        let socket = match held.datagrams.remove(&address) {
            Some(socket) => socket,
            None => std::net::UdpSocket::bind(address)?.into(),
        };
        socket.set_nonblocking(true)?;
        let bound = socket.local_addr()?.as_socket().unwrap_or(address);
        let copy = socket.try_clone()?;
        held.datagrams.insert(bound, socket);
        Ok(copy.into())
    }

    /// Lets go of the TCP sockets on an address: they close when their users close them.
    pub fn close(&self, address: SocketAddr) {
        self.lock().streams.remove(&address);
    }

    /// Copies of all sockets, for the next process.
    pub fn copies(&self) -> io::Result<Vec<OwnedFd>> {
        let held = self.lock();
        let streams = held.streams.values().flatten();
        let streams = streams.map(|socket| socket.try_clone().map(OwnedFd::from));
        let datagrams = held.datagrams.values();
        let datagrams = datagrams.map(|socket| socket.try_clone().map(OwnedFd::from));
        streams.chain(datagrams).collect()
    }

    /// From now on this process serves. Inherited sockets that nobody asked for are closed.
    pub fn serve(&self) {
        let mut held = self.lock();
        for address in std::mem::take(&mut held.unclaimed) {
            held.streams.remove(&address);
            held.datagrams.remove(&address);
        }
        drop(held);
        self.shared.stage.send_replace(Stage::Serving);
    }

    /// A successor serves; this process is to accept nothing more.
    pub fn release(&self) {
        *self.lock() = Held::default();
        self.shared.stage.send_replace(Stage::Released);
    }

    /// Resolves when this process serves: at once without a predecessor.
    pub async fn serving(&self) {
        self.reached(Stage::Serving).await;
    }

    /// Resolves when a successor serves.
    pub async fn released(&self) {
        self.reached(Stage::Released).await;
    }

    async fn reached(&self, stage: Stage) {
        let mut stages = self.shared.stage.subscribe();
        // The sender lives in `self`.
        let _ = stages.wait_for(|now| *now >= stage).await;
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        let held = self.shared.held.lock();
        held.unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    fn any_port() -> ListenSettings {
        ListenSettings::new(([127, 0, 0, 1], 0).into())
    }

    #[test]
    fn connections_that_wait_at_a_closing_process_are_accepted_by_the_next() {
        let old = SocketShelf::new();
        let sockets = old.listeners(&any_port(), 2).expect("bound");
        let address = sockets[0].local_address().expect("bound");
        let mut clients: Vec<_> = (0..16)
            .map(|_| TcpStream::connect(address).expect("queued"))
            .collect();
        let new = SocketShelf::inherit(old.copies().expect("copies"));
        let mut settings = any_port();
        settings.address = address;
        // One worker less than before: it gets both sockets.
        let inherited = new.listeners(&settings, 1).expect("adopted");
        assert_eq!(inherited.len(), 2);
        new.serve();
        old.release();
        drop((sockets, old));
        for listener in inherited {
            let listener: std::net::TcpListener = OwnedFd::from(listener).into();
            while let Ok((mut accepted, _)) = listener.accept() {
                accepted.write_all(b"!").expect("written");
            }
        }
        for client in &mut clients {
            client.read_exact(&mut [0]).expect("an answer");
        }
    }

    #[tokio::test]
    async fn what_the_next_process_does_not_ask_for_is_closed_when_it_serves() {
        let old = SocketShelf::new();
        let listener = old.listener(any_port().address).expect("bound");
        let address = listener.local_address().expect("bound");
        let datagrams = old.datagrams(address).expect("bound");
        let new = SocketShelf::inherit(old.copies().expect("copies"));
        old.release();
        old.released().await;
        drop((listener, datagrams));
        TcpStream::connect(address).expect("the next process still has it");
        new.serve();
        new.serving().await;
        TcpStream::connect(address).expect_err("closed");
        std::net::UdpSocket::bind(address).expect("closed");
    }

    #[test]
    fn a_listener_that_was_closed_is_gone() {
        let shelf = SocketShelf::new();
        let sockets = shelf.listeners(&any_port(), 1).expect("bound");
        let address = sockets[0].local_address().expect("bound");
        drop(sockets);
        TcpStream::connect(address).expect("the shelf keeps it open");
        shelf.close(address);
        TcpStream::connect(address).expect_err("closed");
    }
}
