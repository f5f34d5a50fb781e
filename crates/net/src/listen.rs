//! Listening sockets: one per worker on the same address, so that the kernel spreads connections
//! over the workers (`SO_REUSEPORT`) and no worker hands a connection to another.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use socket2::{Domain, Protocol, SockFilter, SockRef, Socket, Type};
use thiserror::Error;
use tokio::net::TcpListener;

use crate::stream::KeepAlive;

/// How to open a listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenSettings {
    /// The address; port 0 lets the kernel choose.
    pub address: SocketAddr,
    /// Several sockets on one address (one per worker).
    pub reuse_port: bool,
    /// Accept connections to any address (`IP_TRANSPARENT`, TPROXY redirection).
    pub transparent: bool,
    /// Bind even when the address is not (yet) local (`IP_FREEBIND`).
    pub freebind: bool,
    /// A wildcard IPv6 address also takes IPv4 connections.
    pub dual_stack: bool,
    /// Length of the kernel's accept queue.
    pub backlog: i32,
    /// TCP keep-alive of accepted connections.
    pub keep_alive: Option<KeepAlive>,
}

impl ListenSettings {
    /// The defaults: `SO_REUSEPORT`, a backlog of 4096 (the kernel's own upper bound,
    /// `net.core.somaxconn`), nothing else.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            reuse_port: true,
            transparent: false,
            freebind: false,
            dual_stack: false,
            backlog: 4096,
            keep_alive: None,
        }
    }

    pub(crate) fn failed(&self, step: &'static str, source: io::Error) -> ListenError {
        ListenError {
            address: self.address,
            step,
            source,
        }
    }
}

/// A listening socket could not be opened.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {step}: {source}")]
pub struct ListenError {
    address: SocketAddr,
    step: &'static str,
    #[source]
    source: io::Error,
}

/// A bound, listening socket that is not yet tied to a runtime.
///
/// What accepted connections need is set here once: they inherit `TCP_NODELAY` and keep-alive from
/// the socket that accepted them (tcp(7) of Linux).
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
}

impl Listener {
    /// Opens, binds and listens.
    pub fn bind(settings: &ListenSettings) -> Result<Self, ListenError> {
        let fail = |step| move |source| settings.failed(step, source);
        let domain = Domain::for_address(settings.address);
        let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))
            .map_err(fail("open a socket"))?;
        socket
            .set_reuse_address(true)
            .map_err(fail("set SO_REUSEADDR"))?;
        if settings.reuse_port {
            socket
                .set_reuse_port(true)
                .map_err(fail("set SO_REUSEPORT"))?;
        }
        if settings.address.is_ipv6() {
            socket
                .set_only_v6(!settings.dual_stack)
                .map_err(fail("set IPV6_V6ONLY"))?;
        }
        let mut listener = Self { socket };
        listener.apply(settings)?;
        let socket = &listener.socket;
        socket
            .bind(&settings.address.into())
            .map_err(fail("bind"))?;
        socket.listen(settings.backlog).map_err(fail("listen"))?;
        Ok(listener)
    }

    /// A socket that listens already.
    pub(crate) fn from_socket(socket: Socket) -> Self {
        Self { socket }
    }

    /// Brings a socket that listens already, perhaps for somebody else until now, to `settings`.
    ///
    /// # Errors
    /// When it was bound with what cannot be changed any more.
    pub(crate) fn adopt(&mut self, settings: &ListenSettings) -> Result<(), ListenError> {
        let fail = |step| move |source| settings.failed(step, source);
        let only_v6 = settings.address.is_ipv6()
            && self.socket.only_v6().map_err(fail("read IPV6_V6ONLY"))?;
        let same_family = !settings.address.is_ipv6() || only_v6 != settings.dual_stack;
        let reuse_port = self
            .socket
            .reuse_port()
            .map_err(fail("read SO_REUSEPORT"))?;
        if !same_family || reuse_port != settings.reuse_port {
            let reason = "the socket that is there was bound with other options; restart to change";
            return Err(settings.failed("adopt", io::Error::other(reason)));
        }
        self.apply(settings)?;
        self.socket
            .listen(settings.backlog)
            .map_err(fail("listen"))?;
        Ok(())
    }

    /// Sets what can be set at any time.
    fn apply(&mut self, settings: &ListenSettings) -> Result<(), ListenError> {
        let fail = |step| move |source| settings.failed(step, source);
        let (socket, is_v6) = (&self.socket, settings.address.is_ipv6());
        if settings.transparent {
            set_transparent(socket, is_v6).map_err(fail("set IP_TRANSPARENT"))?;
        }
        if settings.freebind {
            set_freebind(socket, is_v6).map_err(fail("set IP_FREEBIND"))?;
        }
        socket
            .set_tcp_nodelay(true)
            .map_err(fail("set TCP_NODELAY"))?;
        match &settings.keep_alive {
            Some(keep_alive) => keep_alive.apply(&SockRef::from(socket)),
            None => socket.set_keepalive(false),
        }
        .map_err(fail("set SO_KEEPALIVE"))
    }

    /// The bound address, with the port that the kernel chose.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket
            .local_addr()?
            .as_socket()
            .ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))
    }

    /// Ties the socket to the current tokio runtime.
    pub fn into_tokio(self) -> io::Result<TcpListener> {
        TcpListener::from_std(self.socket.into())
    }

    /// Another handle on the same socket (and the same accept queue).
    pub fn try_clone(&self) -> io::Result<Self> {
        let socket = self.socket.try_clone()?;
        Ok(Self { socket })
    }
}

/// Lets nobody else into the queue of a listening socket that is about to close: the kernel drops the
/// packets of further clients, which ask again a second later. Without this, who connects between the
/// last accept and the close is connected, and then reset.
pub fn close_queue(listening: &impl AsFd) -> io::Result<()> {
    // `ret #0`: takes no byte of any packet (linux/filter.h, BPF_RET | BPF_K).
    let take_nothing = SockFilter::new(0x06, 0, 0, 0);
    SockRef::from(listening).attach_filter(&[take_nothing])
}

impl From<Listener> for OwnedFd {
    fn from(listener: Listener) -> Self {
        listener.socket.into()
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn set_transparent(socket: &Socket, is_v6: bool) -> io::Result<()> {
    if is_v6 {
        socket.set_ip_transparent_v6(true)
    } else {
        socket.set_ip_transparent_v4(true)
    }
}

fn set_freebind(socket: &Socket, is_v6: bool) -> io::Result<()> {
    if is_v6 {
        socket.set_freebind_v6(true)
    } else {
        socket.set_freebind_v4(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_sockets_share_one_address() {
        let first = Listener::bind(&ListenSettings::new(([127, 0, 0, 1], 0).into()))
            .expect("a loopback port");
        let address = first.local_address().expect("a bound socket");
        assert_ne!(address.port(), 0);
        Listener::bind(&ListenSettings::new(address)).expect("the same port again");
    }

    #[tokio::test]
    async fn accepted_connections_inherit_what_the_listener_sets() {
        let mut settings = ListenSettings::new(([127, 0, 0, 1], 0).into());
        settings.keep_alive = Some(KeepAlive {
            time: Some(std::time::Duration::from_secs(77)),
            ..KeepAlive::default()
        });
        let listener = Listener::bind(&settings).expect("a loopback port");
        let listener = listener.into_tokio().expect("a runtime");
        let address = listener.local_addr().expect("bound");
        let client = tokio::net::TcpStream::connect(address);
        let (client, accepted) = tokio::join!(client, listener.accept());
        let (accepted, _) = accepted.expect("the connection");
        assert!(accepted.nodelay().expect("an option"));
        let socket = SockRef::from(&accepted);
        assert!(socket.keepalive().expect("an option"));
        let time = socket.tcp_keepalive_time().expect("an option");
        assert_eq!(time.as_secs(), 77);
        drop(client);
    }

    #[tokio::test]
    async fn a_closed_queue_keeps_who_is_in_it_and_lets_nobody_else_in() {
        let settings = ListenSettings::new(([127, 0, 0, 1], 0).into());
        let listener = Listener::bind(&settings).expect("a loopback port");
        let listener = listener.into_tokio().expect("a runtime");
        let address = listener.local_addr().expect("bound");
        let _before = tokio::net::TcpStream::connect(address)
            .await
            .expect("connected");
        close_queue(&listener).expect("a filter");
        listener.accept().await.expect("who was there before");
        let mut late = Box::pin(tokio::net::TcpStream::connect(address));
        // The kernel handles the loopback's packets before connect(2) returns.
        let now = std::future::poll_fn(|cx| std::task::Poll::Ready(late.as_mut().poll(cx)));
        assert!(now.await.is_pending(), "nobody answers");
        drop(listener);
        assert!(
            late.await.is_err(),
            "the address is free when the client asks again"
        );
    }

    #[test]
    fn an_address_in_use_is_named_in_the_error() {
        let mut settings = ListenSettings::new(([127, 0, 0, 1], 0).into());
        settings.reuse_port = false;
        let first = Listener::bind(&settings).expect("a loopback port");
        settings.address = first.local_address().expect("a bound socket");
        let error = Listener::bind(&settings).expect_err("the port is taken");
        assert!(error.to_string().contains(&settings.address.to_string()));
        assert!(error.to_string().contains("bind"), "{error}");
    }
}
