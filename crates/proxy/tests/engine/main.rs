//! The request engine between real sockets: clients and endpoints in this process, the proxy in
//! between, configured by a static bootstrap.

mod access_control;
mod churn;
mod filters;
mod frames;
mod grpc_web;
mod health_checks;
mod hedging;
mod http1;
mod http2;
mod http2_endpoints;
mod http2_floods;
mod http2_lifetimes;
mod limits;
mod mirroring;
mod mutual_tls;
mod outliers;
mod overload;
mod peers;
mod preconnect;
mod resilience;
#[path = "../running/mod.rs"]
mod running;
mod server_first;
mod subsets;
mod tcp;
mod tunnels;
mod upgrades;
