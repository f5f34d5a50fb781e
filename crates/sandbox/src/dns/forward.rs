//! Passing questions on to the resolvers of the host.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// How long one resolver may take.
const LIMIT: Duration = Duration::from_secs(2);

/// The resolvers of the host, as `/etc/resolv.conf` names them.
pub(super) fn host_resolvers() -> Vec<SocketAddr> {
    parse(&fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
}

fn parse(text: &str) -> Vec<SocketAddr> {
    let server = |line: &str| {
        let address = line.trim().strip_prefix("nameserver")?.trim();
        Some(SocketAddr::new(address.parse::<IpAddr>().ok()?, 53))
    };
    text.lines().filter_map(server).take(3).collect()
}

/// Asks each resolver in turn; `None` when nobody answers.
pub(super) async fn ask(resolvers: &[SocketAddr], question: &[u8], tcp: bool) -> Option<Vec<u8>> {
    for resolver in resolvers {
        let answer = async {
            if tcp {
                over_tcp(*resolver, question).await
            } else {
                over_udp(*resolver, question).await
            }
        };
        if let Ok(Ok(answer)) = tokio::time::timeout(LIMIT, answer).await {
            return Some(answer);
        }
    }
    None
}

async fn over_udp(resolver: SocketAddr, question: &[u8]) -> std::io::Result<Vec<u8>> {
    let any: SocketAddr = match resolver {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    // A connected socket takes answers from the resolver only.
    socket.connect(resolver).await?;
    socket.send(question).await?;
    let mut answer = vec![0; 4096];
    loop {
        let read = socket.recv(&mut answer).await?;
        // The first two bytes number the question.
        if answer.get(..2) == question.get(..2) {
            answer.truncate(read);
            return Ok(answer);
        }
    }
}

async fn over_tcp(resolver: SocketAddr, question: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(resolver).await?;
    let length = u16::try_from(question.len()).map_err(std::io::Error::other)?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(question).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_are_read_from_the_host_s_file() {
        let text = "# by hand\nsearch x\nnameserver 10.0.0.53\nnameserver ::1\nnameserver bad\n";
        let expected: Vec<SocketAddr> = vec![
            "10.0.0.53:53".parse().expect("valid"),
            "[::1]:53".parse().expect("valid"),
        ];
        assert_eq!(parse(text), expected);
    }
}
