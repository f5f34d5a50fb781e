//! Filter chain, virtual host and route matching as pure functions.
//!
//! In: tables compiled once per config generation, and plain views of a connection
//! ([`filter_chain::ConnectionView`]) or a request ([`RequestView`]). Out: which filter chain,
//! which route, which cluster. Time and randomness are parameters; nothing here does I/O or knows an
//! HTTP library, so that the control plane can answer offline what would happen to a request.

pub mod action;
pub mod endpoint_match;
mod explain;
pub mod filter_chain;
mod filter_settings;
pub mod fraction;
pub mod hash_policy;
pub mod header_match;
pub mod key_hash;
pub mod mirror;
pub mod mutation;
pub mod path_match;
pub mod path_template;
mod prefix_map;
pub mod query_match;
pub mod redirect;
pub mod request;
pub mod retry;
pub mod rewrite;
pub mod string_match;
pub mod table;
pub mod template;
pub mod virtual_host;
pub mod weighted;

pub use action::{Action, DirectResponse, Forward, Timeouts};
pub use endpoint_match::EndpointMatch;
pub use filter_chain::{ChainIndex, ChainMatch, ConnectionView};
pub use filter_settings::FilterSettings;
pub use fraction::Fraction;
pub use header_match::HeaderMatch;
pub use mirror::{MirrorCluster, MirrorPolicy};
pub use mutation::{AppendAction, HeaderMutation, HeaderMutations};
pub use path_match::PathMatch;
pub use redirect::Redirect;
pub use request::RequestView;
pub use retry::{RetryOn, RetryPolicy};
pub use string_match::{InvalidPattern, Pattern, StringMatch};
pub use table::{Decorator, Outcome, Route, RouteMatch, RouteTable, VirtualHost};
pub use template::Template;
pub use weighted::{ClusterChoice, WeightedCluster};
