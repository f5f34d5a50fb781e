//! What stands around a measured proxy. Everything runs on one thread, so that it can share a core
//! with the other pieces while the proxy has one of its own.

pub mod bulk;
pub mod connect;
pub mod crowd;
pub mod hold;
pub mod http1;
pub mod rate;
pub mod relay;
pub mod spin;
pub mod upstream;

use std::io::Write as _;

use serde::Serialize;

/// Prints one line of JSON for who started the driver.
fn say(message: &impl Serialize) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&line)?;
    out.flush()?;
    Ok(())
}
