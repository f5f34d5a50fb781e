//! The budgets of `bench/budgets.toml` for futures: what a connection and a stream hold while they
//! last. A future grows with everything that lives across a wait, and is copied where it is moved.

#[path = "../../tests/budgets/budget.rs"]
mod budget;

use std::rc::Rc;
use std::sync::Arc;

use bytes::BytesMut;

use super::http_manager::http_manager;
use super::http2::{Stream, serve_streams};
use crate::compiled::HttpManager;
use crate::listener::Connection;
use crate::worker::{StreamTasks, Transport, Worker};

/// The size of what an asynchronous function of a connection returns, without calling it.
fn of_connection<'a, F: Future>(
    _: impl Fn(&'a Rc<Worker>, Rc<Connection>, Arc<HttpManager>, Transport, BytesMut) -> F,
) -> usize {
    size_of::<F>()
}

fn of_streams<F: Future>(_: impl Fn(Rc<Worker>, Rc<StreamTasks<Stream>>) -> F) -> usize {
    size_of::<F>()
}

#[test]
fn futures_of_connections_and_streams_keep_to_their_budgets() {
    for (name, size) in [
        ("connection_future_bytes", of_connection(http_manager)),
        ("http2_stream_future_bytes", of_streams(serve_streams)),
    ] {
        budget::within(name, size);
    }
}
