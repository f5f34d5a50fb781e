//! Calling into a container once: the three ways that probes and lifecycle hooks share.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::exec::InitClient;
use crate::kubernetes::{Container, Handler, HttpAction, PortRef};

/// Where calls into one container go.
#[derive(Clone, Debug)]
pub(super) struct CallTarget {
    /// The pod's address.
    pub(super) pod_ip: IpAddr,
    /// The container.
    pub(super) container: Arc<Container>,
    /// The file of its plan.
    pub(super) plan: PathBuf,
    /// The way to pod init.
    pub(super) init: Arc<InitClient>,
}

impl CallTarget {
    /// Makes the call; the error says what was seen.
    pub(super) async fn call(&self, handler: &Handler, timeout: Duration) -> Result<(), String> {
        if let Some(exec) = &handler.exec {
            let name = &self.container.name;
            let command = exec.command.clone();
            let result = self
                .init
                .exec(name, self.plan.clone(), command, timeout)
                .await;
            return if result.succeeded {
                Ok(())
            } else {
                Err(result.output)
            };
        }
        let call = async {
            if let Some(http) = &handler.http_get {
                return self.http(http).await;
            }
            if let Some(tcp) = &handler.tcp_socket {
                let address = self.address(&tcp.host, &tcp.port)?;
                return connect(address).await.map(drop);
            }
            Err("there is nothing to call: give httpGet, tcpSocket or exec".to_owned())
        };
        match tokio::time::timeout(timeout, call).await {
            Ok(result) => result,
            Err(_) => Err(format!("no answer within {} s", timeout.as_secs())),
        }
    }

    fn address(&self, host: &str, port: &PortRef) -> Result<SocketAddr, String> {
        let host = match host {
            "" => self.pod_ip,
            host => host
                .parse()
                .map_err(|_| format!("host {host:?} is not an address"))?,
        };
        Ok(SocketAddr::new(host, port_number(port, &self.container)?))
    }

    async fn http(&self, action: &HttpAction) -> Result<(), String> {
        let address = self.address(&action.host, &action.port)?;
        let mut stream = connect(address).await?;
        let request = request_text(action, address);
        stream
            .write_all(request.as_bytes())
            .await
            .map_err(|error| error.to_string())?;
        let status = read_status(&mut stream).await?;
        if (200..400).contains(&status) {
            return Ok(());
        }
        Err(format!(
            "http://{address}{} answered {status}",
            path_of(action)
        ))
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    TcpStream::connect(address)
        .await
        .map_err(|error| format!("{address}: {error}"))
}

fn port_number(port: &PortRef, container: &Container) -> Result<u16, String> {
    match port {
        PortRef::Number(number) => Ok(*number),
        PortRef::Name(name) => {
            let declared = container
                .ports
                .iter()
                .find(|declared| declared.name == *name);
            declared
                .map(|declared| declared.container_port)
                .or_else(|| name.parse().ok())
                .ok_or_else(|| format!("the container declares no port named {name:?}"))
        }
    }
}

fn path_of(action: &HttpAction) -> String {
    format!("/{}", action.path.trim_start_matches('/'))
}

fn request_text(action: &HttpAction, address: SocketAddr) -> String {
    let own = |name: &str| {
        action
            .http_headers
            .iter()
            .any(|h| h.name.eq_ignore_ascii_case(name))
    };
    let mut text = format!("GET {} HTTP/1.1\r\n", path_of(action));
    if !own("host") {
        text.push_str(&format!("Host: {address}\r\n"));
    }
    if !own("user-agent") {
        text.push_str("User-Agent: kube-probe/ferromesh\r\n");
    }
    for header in &action.http_headers {
        text.push_str(&format!("{}: {}\r\n", header.name, header.value));
    }
    text.push_str("Accept: */*\r\nConnection: close\r\n\r\n");
    text
}

/// Reads the status line; the rest of the answer does not matter to a probe.
async fn read_status(stream: &mut TcpStream) -> Result<u16, String> {
    let mut head = Vec::new();
    // A status line is short; whoever sends more without a line end does not speak HTTP.
    let mut limited = stream.take(1024);
    while !head.contains(&b'\n') {
        let read = limited
            .read_buf(&mut head)
            .await
            .map_err(|error| error.to_string())?;
        if read == 0 {
            break;
        }
    }
    let line = String::from_utf8_lossy(&head);
    let mut words = line.split_whitespace();
    match (words.next(), words.next().map(str::parse)) {
        (Some(version), Some(Ok(status))) if version.starts_with("HTTP/") => Ok(status),
        _ => Err("the answer is not HTTP".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_s_own_headers_replace_the_usual_ones() {
        let action = HttpAction {
            path: "ready?x=1".into(),
            http_headers: vec![crate::kubernetes::HttpHeader {
                name: "host".into(),
                value: "shop".into(),
            }],
            ..HttpAction::default()
        };
        let text = request_text(&action, ([10, 0, 0, 2], 80).into());
        assert!(text.starts_with("GET /ready?x=1 HTTP/1.1\r\n"), "{text}");
        assert!(
            text.contains("host: shop\r\n") && !text.contains("Host: 10"),
            "{text}"
        );
    }

    #[test]
    fn a_port_is_found_by_the_name_that_the_container_declares() {
        let container: Container = serde_json::from_value(serde_json::json!(
            {"name": "c", "ports": [{"name": "web", "containerPort": 8080}]}
        ))
        .expect("a readable container");
        assert_eq!(
            port_number(&PortRef::Name("web".into()), &container),
            Ok(8080)
        );
        assert_eq!(port_number(&PortRef::Name("81".into()), &container), Ok(81));
        assert!(port_number(&PortRef::Name("none".into()), &container).is_err());
    }
}
