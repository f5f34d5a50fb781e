//! The request engine: one exchange from its head to its log line, whatever protocol is spoken on
//! either side.
//!
//! | file | step |
//! |---|---|
//! | `prepare`, `path`, `forwarding`, `request_id`, `client_cert`, `decorator` | what the connection manager does to a request first |
//! | `stream` | the exchange: route, filters, answer, log |
//! | `forward`, `choose`, `edit`, `timeout` | cluster, endpoint, edits, the tries |
//! | `answer` | passing an answer on |
//! | `attempt`, `start`, `upload` | one try on one endpoint |
//! | `hedge` | several tries side by side |
//! | `mirror` | copies to other clusters |
//! | `retry`, `deadline` | when to try again, when to give up |
//! | `local_reply`, `reply_head` | answers of the proxy's own |
//! | `respond` | what happens to an answer on its way back |
//! | `filter` | HTTP filters |
//! | `grpc_web` | bodies and trailers for clients that see no trailers |
//! | `grpc_messages` | counting messages in bodies |
//! | `keepalive` | whether the other side of an HTTP/2 connection is still there |
//! | `downstream`, `upstream` | the two ends, over HTTP/1.1 or HTTP/2 |

mod answer;
mod attempt;
mod by_name;
mod choose;
mod client_cert;
mod deadline;
mod decorator;
mod downstream;
mod edit;
mod exchange;
mod filter;
mod forward;
mod forwarding;
mod grpc_messages;
mod grpc_web;
mod hedge;
mod keepalive;
mod local_reply;
mod log;
mod mirror;
pub(crate) mod mutate;
mod path;
mod prepare;
mod reply_head;
mod request_id;
mod respond;
mod retry;
mod start;
mod stream;
mod timeout;
mod upload;
mod upstream;
mod view;

pub(crate) use downstream::{Downstream, Http1Side};
pub(crate) use keepalive::Keepalive;
pub(crate) use local_reply::{LocalReply, grpc_status, refuse_head};
pub(crate) use reply_head::Audience;
pub(crate) use start::{send_head, speak, take_place};
pub(crate) use stream::run;
pub(crate) use upstream::Upstream;
