//! Everything the agent is told, read once at start.

mod proxy_config;

pub use proxy_config::{ProxyConfig, parse_duration};
