//! Answers to requests that are refused before there is an exchange.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use ferromesh_http::{ResponseHead, Version, WireBytes};

use crate::access_log::{LogRecord, log_all};
use crate::compiled::{HttpManager, ServerHeader};
use crate::http::{Audience, LocalReply};
use crate::listener::Connection;
use crate::worker::Worker;

/// Answers a request that was not understood; counts and logs it. `send` queues the answer and says
/// what the exchange takes on the wire.
pub(super) fn refuse(
    connection: &Connection,
    manager: &HttpManager,
    worker: &Worker,
    (reply, version): (LocalReply, Version),
    send: impl FnOnce(&ResponseHead, Bytes) -> WireBytes,
) {
    let stats = &manager.stats;
    stats.downstream_rq_total().inc();
    let details = reply.details.clone();
    let mut record = LogRecord {
        kind: "DownstreamEnd",
        start: Some(SystemTime::now()),
        duration: Some(Duration::ZERO),
        reply_begin: Some(Duration::ZERO),
        protocol: version.as_str(),
        status: reply.status,
        status_details: &details,
        flags: reply.flags,
        ..connection.record()
    };
    let empty = ResponseHead::new(reply.status);
    let config = manager.local_replies.as_deref();
    let (mut head, body) = reply.complete(empty, config, &record, Audience::default());
    worker.with_date(Instant::now(), |date| head.headers.append("date", date));
    if manager.server_header != ServerHeader::PassThrough {
        head.headers.append("server", manager.server_name.as_str());
    }
    record.status = head.status;
    record.bytes_sent = body.len() as u64;
    record.downstream_wire = send(&head, body);
    stats.completed(head.status);
    log_all(&manager.access_logs, &record);
}
