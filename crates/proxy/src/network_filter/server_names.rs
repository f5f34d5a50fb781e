//! Looks up the server name of a connection before it goes on (`sni_dynamic_forward_proxy`).

use std::time::Duration;

use super::admission::Refused;
use crate::cluster::NoAddress;
use crate::compiled::ServerNames;
use crate::listener::Connection;

/// Waits for the address of the server name. A name without address goes on and finds no endpoint;
/// a connection without name goes on as it is.
pub(super) async fn look_up(
    filter: &ServerNames,
    connection: &mut Connection,
) -> Result<(), Refused> {
    if connection.server_name.is_empty() {
        return Ok(());
    }
    connection.named_port = Some(filter.port);
    let found = filter.names.find(&connection.server_name, filter.port);
    match found.await {
        Ok(_) | Err(NoAddress::NotFound(_)) => Ok(()),
        Err(NoAddress::Full | NoAddress::TooManyWaiting) => Err(Refused {
            delay: Duration::ZERO,
            details: String::new(),
        }),
    }
}
