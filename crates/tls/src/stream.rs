//! Streams after the handshake. They expose what was negotiated and nothing of rustls.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use ferromesh_types::Str;
use rustls::HandshakeKind;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::session::Session;

macro_rules! delegate_io {
    ($stream:ident) => {
        impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for $stream<S> {
            fn poll_read(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                out: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                match Pin::new(&mut self.inner).poll_read(cx, out) {
                    // Many peers leave without close_notify; HTTP and the relay frame their own
                    // messages, so an end without it is an end.
                    Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                        Poll::Ready(Ok(()))
                    }
                    other => other,
                }
            }
        }

        impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for $stream<S> {
            fn poll_write(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.inner).poll_write(cx, bytes)
            }

            fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.inner).poll_flush(cx)
            }

            fn poll_shutdown(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                Pin::new(&mut self.inner).poll_shutdown(cx)
            }

            fn poll_write_vectored(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                slices: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
            }

            fn is_write_vectored(&self) -> bool {
                self.inner.is_write_vectored()
            }
        }
    };
}

/// The server's end.
#[derive(Debug)]
pub struct ServerStream<S> {
    pub(crate) inner: tokio_rustls::server::TlsStream<S>,
}

/// The client's end.
#[derive(Debug)]
pub struct ClientStream<S> {
    pub(crate) inner: tokio_rustls::client::TlsStream<S>,
}

delegate_io!(ServerStream);
delegate_io!(ClientStream);

impl<S> ServerStream<S> {
    /// The protocol that ALPN agreed on.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.inner.get_ref().1.alpn_protocol()
    }

    /// The server name that the client sent.
    pub fn server_name(&self) -> Option<&str> {
        self.inner.get_ref().1.server_name()
    }

    /// Whether an earlier session was resumed instead of a full handshake.
    pub fn is_resumed(&self) -> bool {
        self.inner.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// What the handshake established.
    pub fn session(&self) -> Session {
        let server_name = self.server_name().unwrap_or_default();
        Session::new(self.inner.get_ref().1, Str::from(server_name))
    }

    /// The stream below.
    pub fn stream(&self) -> &S {
        self.inner.get_ref().0
    }
}

impl<S> ClientStream<S> {
    /// The protocol that ALPN agreed on.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.inner.get_ref().1.alpn_protocol()
    }

    /// What the handshake established, for which this server name was sent.
    pub fn session(&self, server_name: &str) -> Session {
        Session::new(self.inner.get_ref().1, Str::from(server_name))
    }

    /// The stream below.
    pub fn stream(&self) -> &S {
        self.inner.get_ref().0
    }
}
