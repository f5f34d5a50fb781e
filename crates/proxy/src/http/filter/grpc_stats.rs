//! Counts gRPC requests, their statuses and their messages. What an exchange adds is added at its end.

use crate::compiled::GrpcStatsFilter;
use crate::http::exchange::Exchange;
use crate::http::upload::RequestBody;

/// Begins to count the messages of a gRPC exchange.
pub(super) fn on_request(exchange: &Exchange<'_>, body: &mut RequestBody) {
    if exchange.grpc {
        body.messages = Some(Box::default());
    }
}

/// Adds what the exchange came to; `status` is that of its answer.
pub(in crate::http) fn on_end(
    filter: &GrpcStatsFilter,
    exchange: &Exchange<'_>,
    body: &RequestBody,
    status: Option<u32>,
) {
    let (Some(messages), Some(cluster)) = (&body.messages, &exchange.cluster) else {
        return;
    };
    let Some(stats) = filter.of(&cluster.name, exchange.head.path()) else {
        return;
    };
    let counted = &stats.counted;
    counted
        .request_message_count()
        .add(messages.request.messages);
    counted
        .response_message_count()
        .add(messages.answer.messages);
    let Some(status) = status else { return };
    counted.of_status(status);
    counted.total().inc();
    if status == 0 {
        counted.success().inc();
    } else {
        counted.failure().inc();
    }
    if let (Some(times), Some(completed)) = (&stats.times, body.completed) {
        times
            .upstream_rq_time()
            .record_duration(completed.elapsed());
    }
}
