//! The end of an exchange: numbers and log lines.

use std::time::Instant;

use ferromesh_http::{Version, WireBytes};

use super::exchange::Exchange;
use super::filter;
use super::upload::RequestBody;
use super::view::{FieldLookup, RequestLookup};
use crate::access_log::{LogRecord, log_all};
use crate::compiled::HttpFilter;

impl Exchange<'_> {
    /// Writes the log lines and counts the answer; says when all was over. `wire`: the client's.
    pub(super) fn record(&self, body: &RequestBody, wire: impl FnOnce() -> WireBytes) -> Instant {
        let ended = self.outcome.ended.unwrap_or_else(Instant::now);
        let took = ended.saturating_duration_since(self.started);
        let stats = &self.manager.stats;
        stats.downstream_rq_active().dec();
        stats.downstream_rq_time().record_duration(took);
        if let Some(response) = &self.outcome.response {
            stats.completed(response.status);
        }
        let counts_messages = body.messages.is_some();
        if self.manager.access_logs.is_empty() && !counts_messages {
            return ended;
        }
        let request = RequestLookup(&self.head);
        let response = self.outcome.response.as_ref();
        let fields = response.map(|head| FieldLookup(&head.headers));
        let trailers = self.outcome.trailers.as_ref().map(FieldLookup);
        let mut record = self.base_record(&request);
        record.duration = Some(took);
        record.kind = "DownstreamEnd";
        let since = |instant: Instant| instant.saturating_duration_since(self.started);
        record.request_duration = body.completed.map(since);
        // The proxy passes a head on in the moment in which it is complete.
        record.reply_begin = self.outcome.answered.map(since);
        record.response_duration = record.reply_begin.filter(|_| !self.outcome.own);
        let connected = self.outcome.connected;
        record.sending_begin = connected.map(since);
        record.sending_end = connected
            .zip(body.completed)
            .map(|(begun, end)| since(begun.max(end)));
        let tried = self.outcome.tried.zip(connected);
        record.pool_wait = tried.map(|(tried, ready)| ready.saturating_duration_since(tried));
        record.response = fields.as_ref().map(|fields| fields as _);
        record.trailers = trailers.as_ref().map(|fields| fields as _);
        record.status = response.map_or(0, |head| head.status);
        record.bytes_received = body.received;
        record.downstream_wire = wire();
        if counts_messages {
            let status = record.grpc_status();
            for filter in &self.manager.filters {
                if let HttpFilter::GrpcStats(filter) = filter {
                    filter::grpc_stats::on_end(filter, self, body, status);
                }
            }
        }
        log_all(&self.manager.access_logs, &record);
        ended
    }

    /// What is known so far; also fills in the templates of header edits.
    pub(super) fn base_record<'a>(&'a self, request: &'a RequestLookup<'a>) -> LogRecord<'a> {
        let outcome = &self.outcome;
        let endpoint = outcome.endpoint.as_ref();
        let cluster = self.cluster.as_ref();
        LogRecord {
            start: Some(self.wall()),
            request: Some(request),
            protocol: self.head.version.as_str(),
            status_details: &outcome.details,
            flags: outcome.flags,
            upstream_failure: &outcome.failure,
            bytes_sent: outcome.bytes_sent,
            attempts: outcome.attempts,
            upstream_wire: outcome.upstream_wire,
            upstream_protocol: outcome.upstream_version.map_or("", Version::as_str),
            upstream_host: endpoint.map(|endpoint| &endpoint.address),
            upstream_name: endpoint.map_or("", |endpoint| &endpoint.hostname),
            tried_before: outcome.tried_before.as_deref(),
            upstream_local: outcome.upstream_local.address,
            upstream_connection: outcome.upstream_local.number,
            upstream_remote: endpoint
                .filter(|_| outcome.upstream_version.is_some())
                .and_then(|endpoint| endpoint.address.ip()),
            cluster: cluster.map_or("", |cluster| &cluster.name),
            cluster_observability_name: cluster.map_or("", |cluster| &cluster.observability_name),
            downstream_remote: Some(self.client),
            route: self.route.as_ref().map_or("", |route| &route.name),
            upstream_tls: outcome.upstream_tls.as_deref(),
            metadata: Some(&self.metadata),
            ..self.connection.record()
        }
    }
}
