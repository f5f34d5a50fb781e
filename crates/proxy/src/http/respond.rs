//! An answer on its way back: fields of the proxy, and sending an answer of the proxy's own.

use std::future::poll_fn;
use std::time::Instant;

use bytes::Bytes;
use ferromesh_http::{Framing, Method, ResponseHead};

use super::downstream::Downstream;
use super::exchange::{End, Exchange};
use super::local_reply::LocalReply;
use super::reply_head::Audience;
use super::stream::asks_for_tunnel;
use super::upload::RequestBody;
use super::view::RequestLookup;
use super::{filter, mutate};
use crate::compiled::ServerHeader;

impl Exchange<'_> {
    /// Edits the head of an answer from upstream. `completed`: when the whole request was there,
    /// which is what the endpoint's time counts from.
    pub(super) fn prepare_answer(&self, head: &mut ResponseHead, completed: Option<Instant>) {
        if !self.manager.router.suppress_envoy_headers
            && let Some(completed) = completed
        {
            let answered = self.outcome.answered.unwrap_or(completed);
            let millis = answered.saturating_duration_since(completed).as_millis();
            let mut digits = itoa::Buffer::new();
            let value = digits.format(millis as u64);
            head.headers
                .set_own("x-envoy-upstream-service-time", value.as_bytes());
        }
        self.edit_by_route(head);
        filter::on_response(self, head);
        self.put_own_fields(head);
    }

    /// What the route does to answers: its edits, and the number of tries.
    fn edit_by_route(&self, head: &mut ResponseHead) {
        self.edit_answer(head);
        let count = self.virtual_host.as_ref();
        if self.outcome.attempts > 0 && count.is_some_and(|host| host.response_attempt_count) {
            let attempts = self.outcome.attempts.to_string();
            head.headers.set("x-envoy-attempt-count", attempts);
        }
    }

    /// The fields of every answer, from upstream or the proxy's own.
    fn put_own_fields(&self, head: &mut ResponseHead) {
        self.answer_operation(head);
        for cookie in &self.outcome.cookies {
            head.headers.append("set-cookie", cookie);
        }
        let server = &self.manager.server_name;
        match self.manager.server_header {
            ServerHeader::PassThrough => {}
            ServerHeader::AppendIfAbsent if head.headers.contains("server") => {}
            _ => head.headers.set("server", server.as_str()),
        }
        if !head.headers.contains("date") {
            let now = self.outcome.answered.unwrap_or(self.started);
            self.worker
                .with_date(now, |date| head.headers.append_own("date", date.as_bytes()));
        }
        if !self.manager.via.is_empty() {
            head.headers.append("via", self.manager.via.as_str());
        }
        if self.id_in_response
            && let Some(id) = self.head.headers.find("x-request-id")
        {
            head.headers.set("x-request-id", id);
        }
    }

    /// Head and body of an answer of the proxy's own.
    fn own_answer(&self, reply: LocalReply) -> (ResponseHead, Bytes) {
        let mut head = ResponseHead::new(reply.status);
        for (name, value) in &reply.headers {
            let suppressed = self.manager.router.suppress_envoy_headers
                && name.starts_with("x-envoy-overloaded");
            if !suppressed {
                head.headers.append(name, value);
            }
        }
        if self.route.is_some() {
            self.edit_by_route(&mut head);
        }
        let audience = Audience {
            grpc: self.grpc,
            head_only: self.head.method == Method::HEAD,
        };
        let config = self.manager.local_replies.as_deref();
        let request = RequestLookup(&self.head);
        let (mut head, body) = reply.complete(head, config, &self.base_record(&request), audience);
        filter::on_response(self, &mut head);
        self.put_own_fields(&mut head);
        (head, body)
    }

    /// Edits that the route table asks for, the most specific level first unless it is to win.
    fn edit_answer(&self, head: &mut ResponseHead) {
        let Some(table) = self.config.route_table(self.manager) else {
            return;
        };
        let levels = [
            self.route.as_ref().map(|route| &route.headers),
            self.virtual_host.as_ref().map(|host| &host.headers),
            Some(&table.headers),
        ];
        if levels.iter().flatten().all(|edits| edits.is_empty()) {
            return;
        }
        let request = RequestLookup(&self.head);
        let mut record = self.base_record(&request);
        // As in Envoy, an answer of the proxy's own has no status yet.
        record.status = if self.outcome.own { 0 } else { head.status };
        let mut edit = |edits| mutate::response(edits, &mut head.headers, &record);
        if table.most_specific_headers_win {
            levels.into_iter().rev().flatten().for_each(&mut edit);
        } else {
            levels.into_iter().flatten().for_each(&mut edit);
        }
    }

    /// Sends an answer of the proxy's own.
    pub(super) async fn reply(
        &mut self,
        reply: LocalReply,
        body: &RequestBody,
        downstream: &mut Downstream<'_>,
    ) -> End {
        self.explain(reply.flags, reply.details.clone());
        self.outcome.own = true;
        let closing = reply.closing || asks_for_tunnel(&self.head);
        let (head, content) = self.own_answer(reply);
        if let Some(side) = downstream.http1_side() {
            // What is left of the request cannot be told from the next one.
            side.close |= closing || !body.is_complete() || self.connection.is_draining();
        }
        self.outcome.answered = Some(Instant::now());
        let head_only = self.head.method == Method::HEAD;
        let framing = match content.len() {
            // RFC 9110 section 8.6: these have no Content-Length.
            _ if head_only || matches!(head.status, 204 | 304) => Framing::None,
            length => Framing::Length(length as u64),
        };
        let mut sent = downstream.send_head(&head, framing);
        if sent.is_ok() && !head_only && !content.is_empty() {
            self.outcome.bytes_sent = content.len() as u64;
            sent = downstream.send_data(content, false);
        }
        if sent.is_ok() {
            sent = downstream.send_end(None);
        }
        if sent.is_ok() {
            sent = poll_fn(|cx| downstream.poll_flush(cx)).await;
        }
        self.outcome.response = Some(head);
        match sent {
            Ok(()) => End::Complete,
            Err(_) => End::Gone,
        }
    }
}
