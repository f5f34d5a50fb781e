//! Both ends of TLS, so that the client and the endpoint of a row can stay what they are.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};

use ferromesh_tls::{
    ClientAuth, ClientSettings, Identity, SecretStore, ServerTrust, TlsClient, TlsServer,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::endpoint::HELLO;
use super::http2;
use super::message::{self, Message};

/// A client that trusts whom it meets, with a certificate or without.
pub fn client(certificates: &Path, with_identity: bool) -> anyhow::Result<TlsClient> {
    let store = SecretStore::new();
    let mut settings = ClientSettings::new("");
    settings.trust = ServerTrust::Unverified;
    settings.verify_host = false;
    settings.sni = Some("shop.example".into());
    if with_identity {
        let chain = fs::read(certificates.join("client.pem"))?;
        let key = fs::read(certificates.join("client-key.pem"))?;
        store.set("identity", Identity::from_pem(&chain, &key)?);
        settings.identity = Some("identity".into());
    }
    Ok(TlsClient::new(settings, store))
}

/// Opens a port whose one connection goes to `listener` over TLS.
pub fn tunnel(tls: TlsClient, listener: SocketAddr) -> anyhow::Result<SocketAddr> {
    let entrance = TcpListener::bind("127.0.0.1:0")?;
    let address = entrance.local_addr()?;
    let runtime = http2::runtime()?;
    std::thread::spawn(move || {
        let Ok((near, _)) = entrance.accept() else {
            return;
        };
        // What fails here ends the client's connection, which the row shows.
        let _ = runtime.block_on(async {
            near.set_nonblocking(true)?;
            let mut near = tokio::net::TcpStream::from_std(near)?;
            let far = tokio::net::TcpStream::connect(listener).await?;
            let mut far = tls.connect(far, None, None).await?;
            tokio::io::copy_bidirectional(&mut near, &mut far).await?;
            anyhow::Ok(())
        });
    });
    Ok(address)
}

/// A server with the certificate of the run.
pub fn server(certificates: &Path) -> anyhow::Result<TlsServer> {
    let chain = fs::read(certificates.join("cert.pem"))?;
    let key = fs::read(certificates.join("key.pem"))?;
    Ok(TlsServer::from_pem(
        &chain,
        &key,
        None,
        ClientAuth::None,
        &["http/1.1"],
    )?)
}

/// Answers requests over TLS, and keeps them.
pub fn serve(listener: TcpListener, server: &TlsServer, seen: &Arc<Mutex<Vec<Message>>>) {
    // An endpoint that cannot begin shows in every row that asks it.
    let Ok(runtime) = http2::runtime() else {
        return;
    };
    runtime.block_on(async {
        while let Ok((stream, _)) = listener.accept() {
            // One connection at a time: each row has one.
            let _ = exchange(stream, server, seen).await;
        }
    });
}

async fn exchange(
    stream: std::net::TcpStream,
    server: &TlsServer,
    seen: &Arc<Mutex<Vec<Message>>>,
) -> anyhow::Result<()> {
    stream.set_nonblocking(true)?;
    let mut stream = server
        .accept(tokio::net::TcpStream::from_std(stream)?)
        .await?;
    let mut unread = Vec::new();
    while stream.read_buf(&mut unread).await? > 0 {
        while let Some(request) = message::take_request(&mut unread) {
            seen.lock().expect("no panic while held").push(request);
            stream.write_all(HELLO.as_bytes()).await?;
            stream.flush().await?;
        }
    }
    Ok(())
}
