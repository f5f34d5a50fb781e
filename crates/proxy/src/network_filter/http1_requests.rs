//! Requests on an HTTP/1.1 connection: waiting for the next one, and refusing one that cannot be
//! read or does not come in time.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use ferromesh_http::http1::{ConnectionError, HeadError, IncomingRequest};
use ferromesh_http::{Framing, Method, Version};
use tokio::time::Sleep;

use super::patience::{Over, Patience};
use super::refuse;
use crate::compiled::HttpManager;
use crate::http::{Http1Side, LocalReply, refuse_head};
use crate::listener::Connection;
use crate::worker::Worker;

/// What came of waiting for a request.
enum Arrival {
    Request(IncomingRequest),
    /// A request that is answered with this; the connection ends.
    Refused(Box<LocalReply>),
    /// No request will come.
    Nothing,
}

/// The next request on the connection; `None` when there will be none.
pub(super) async fn next_request(
    connection: &Connection,
    manager: &HttpManager,
    worker: &Worker,
    side: &mut Http1Side,
    patience: &mut Patience<'_>,
) -> Option<IncomingRequest> {
    let arrival = wait_for_request(manager, side, patience).await;
    match arrival {
        Arrival::Request(request) if !is_served(&request.head.method, manager) => {
            let reply = refuse_head(HeadError::Method);
            refuse(connection, manager, worker, side, reply).await;
            None
        }
        Arrival::Request(request) => Some(request),
        Arrival::Refused(reply) => {
            refuse(connection, manager, worker, side, *reply).await;
            None
        }
        Arrival::Nothing => None,
    }
}

/// Methods beside those of RFC 9110 that Envoy knows.
const MORE_METHODS: [&str; 25] = [
    "ACL",
    "BIND",
    "CHECKOUT",
    "COPY",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MOVE",
    "MSEARCH",
    "NOTIFY",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "REBIND",
    "REPORT",
    "SEARCH",
    "SOURCE",
    "SUBSCRIBE",
    "UNBIND",
    "UNLINK",
    "UNLOCK",
    "UNSUBSCRIBE",
];

fn is_served(method: &Method, manager: &HttpManager) -> bool {
    let registered = matches!(
        *method,
        Method::GET
            | Method::POST
            | Method::PUT
            | Method::DELETE
            | Method::HEAD
            | Method::OPTIONS
            | Method::CONNECT
            | Method::PATCH
            | Method::TRACE
    );
    registered || manager.http1.custom_methods || MORE_METHODS.contains(&method.as_str())
}

fn poll_arrival(cx: &mut Context<'_>, side: &mut Http1Side) -> Poll<Arrival> {
    side.connection.poll_request(cx).map(|result| match result {
        Ok(Some(request)) => Arrival::Request(request),
        Err(ConnectionError::Head(error)) => Arrival::Refused(Box::new(refuse_head(error))),
        Ok(None) | Err(_) => Arrival::Nothing,
    })
}

async fn wait_for_request(
    manager: &HttpManager,
    side: &mut Http1Side,
    patience: &mut Patience<'_>,
) -> Arrival {
    // Most often the request is there already, before anything else has to be armed.
    let mut begun = false;
    let mut head = HeadLimit::default();
    poll_fn(|cx| {
        if let Poll::Ready(arrival) = poll_arrival(cx, side) {
            return Poll::Ready(arrival);
        }
        if !std::mem::replace(&mut begun, true) {
            side.connection.release_buffers();
        }
        if side.connection.has_unread()
            && let Poll::Ready(reply) = head.poll(cx, manager)
        {
            return Poll::Ready(Arrival::Refused(Box::new(reply)));
        }
        patience.poll(cx, &mut side.timer).map(|over| {
            match over {
                Over::Idle => manager.stats.downstream_cx_idle_timeout().inc(),
                Over::Old => manager.stats.downstream_cx_max_duration_reached().inc(),
                Over::Drained => {}
            }
            Arrival::Nothing
        })
    })
    .await
}

/// From its first byte on, a head may take only so long, and so may the whole request.
#[derive(Default)]
struct HeadLimit {
    due: Option<Pin<Box<Sleep>>>,
}

impl HeadLimit {
    fn poll(&mut self, cx: &mut Context<'_>, manager: &HttpManager) -> Poll<LocalReply> {
        let (head, whole) = (manager.timeouts.request_headers, manager.timeouts.request);
        let forever = Duration::MAX;
        let by_head = head.unwrap_or(forever) <= whole.unwrap_or(forever);
        let Some(limit) = (if by_head { head } else { whole }) else {
            return Poll::Pending;
        };
        let due = self
            .due
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        due.as_mut().poll(cx).map(|()| {
            if by_head {
                manager.stats.downstream_rq_header_timeout().inc();
                LocalReply::slow_head()
            } else {
                manager.stats.downstream_rq_timeout().inc();
                LocalReply::slow_request()
            }
        })
    }
}

/// Answers a request that was not understood; the connection ends after it.
async fn refuse(
    connection: &Connection,
    manager: &HttpManager,
    worker: &Worker,
    side: &mut Http1Side,
    reply: LocalReply,
) {
    manager.stats.downstream_cx_protocol_error().inc();
    let reply = (reply, Version::Http11);
    refuse::refuse(connection, manager, worker, reply, |head, body| {
        let framing = Framing::Length(body.len() as u64);
        side.connection.send_response(head, framing, true);
        side.connection.send_data(body);
        side.connection.send_end(None);
        side.connection.wire()
    });
    // A client that does not read the refusal is its own concern.
    let _ = poll_fn(|cx| side.connection.poll_flush(cx)).await;
}
