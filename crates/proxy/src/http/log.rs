//! The end of an exchange: numbers and log lines.

use super::exchange::Exchange;
use super::upload::RequestBody;
use super::view::{FieldLookup, RequestLookup};
use crate::access_log::{LogRecord, log_all};

impl Exchange<'_> {
    /// Writes the log lines and counts the answer.
    pub(super) fn record(&self, body: &RequestBody) {
        let stats = &self.manager.stats;
        stats.downstream_rq_active().dec();
        stats
            .downstream_rq_time()
            .record_duration(self.started.elapsed());
        if let Some(response) = &self.outcome.response {
            stats.completed(response.status);
        }
        if self.manager.access_logs.is_empty() {
            return;
        }
        let request = RequestLookup(&self.head);
        let response = self.outcome.response.as_ref();
        let fields = response.map(|head| FieldLookup(&head.headers));
        let trailers = self.outcome.trailers.as_ref().map(FieldLookup);
        let mut record = self.base_record(&request);
        record.duration = Some(self.started.elapsed());
        let since = |instant: std::time::Instant| instant.duration_since(self.started);
        record.request_duration = body.completed.map(since);
        record.response_duration = self.outcome.answered.map(since);
        record.response = fields.as_ref().map(|fields| fields as _);
        record.trailers = trailers.as_ref().map(|fields| fields as _);
        record.status = response.map_or(0, |head| head.status);
        record.bytes_received = body.received;
        log_all(&self.manager.access_logs, &record);
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
            upstream_host: endpoint.map(|endpoint| &endpoint.address),
            upstream_local: outcome.upstream_local,
            upstream_remote: endpoint.and_then(|endpoint| endpoint.address.ip()),
            cluster: cluster.map_or("", |cluster| &cluster.name),
            cluster_observability_name: cluster.map_or("", |cluster| &cluster.observability_name),
            downstream_remote: Some(self.client),
            route: self.route.as_ref().map_or("", |route| &route.name),
            virtual_host: self.virtual_host.as_ref().map_or("", |host| &host.name),
            upstream_peer_uri_san: outcome.upstream_peer_uri.as_deref().unwrap_or_default(),
            metadata: Some(&self.metadata),
            ..self.connection.record()
        }
    }
}
