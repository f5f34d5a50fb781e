//! Edits of a request on its way upstream.

use std::sync::Arc;
use std::time::Duration;

use ferromesh_http::ResponseHead;
use ferromesh_route::action::Forward;

use super::downstream::Downstream;
use super::exchange::{End, Exchange};
use super::mutate;
use super::view::{RequestLookup, View};

/// Fields by which a request asks for something of this proxy; they end here.
const ASKED: [&str; 10] = [
    "x-envoy-retry-on",
    "x-envoy-retry-grpc-on",
    "x-envoy-max-retries",
    "x-envoy-retriable-status-codes",
    "x-envoy-retriable-header-names",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-upstream-alt-stat-name",
];

impl Exchange<'_> {
    /// The edits of route, virtual host and table; path and authority.
    pub(super) fn edit_request(
        &mut self,
        forward: &Forward,
        matched: usize,
        weighted_host: Option<&str>,
        limit: Option<Duration>,
        per_try: Option<Duration>,
    ) {
        let config = Arc::clone(&self.config);
        let (route, host) = (self.route.clone(), self.virtual_host.clone());
        let table = config.route_table(self.manager);
        let levels = [
            route.as_ref().map(|route| &route.headers),
            host.as_ref().map(|host| &host.headers),
            table.map(|table| &table.headers),
        ];
        if !levels.iter().flatten().all(|edits| edits.is_empty()) {
            let before = self.head.clone();
            let lookup = RequestLookup(&before);
            let mut head = self.head.clone();
            let record = self.base_record(&lookup);
            let mut edit = |edits| mutate::request(edits, &mut head, &record);
            if table.is_some_and(|table| table.most_specific_headers_win) {
                levels.into_iter().rev().flatten().for_each(&mut edit);
            } else {
                levels.into_iter().flatten().for_each(&mut edit);
            }
            self.head = head;
        }
        self.rewrite(forward, matched, weighted_host);
        let headers = &self.head.headers;
        if headers.may_ask_envoy() {
            self.alt_response = headers.contains("x-envoy-upstream-rq-timeout-alt-response");
            for name in ASKED {
                self.head.headers.remove(name);
            }
        }
        self.expect_timeout(forward, per_try.or(limit));
    }

    /// Tells the endpoint how long this try may take.
    pub(super) fn expect_timeout(&mut self, forward: &Forward, limit: Option<Duration>) {
        let Some(limit) = limit else { return };
        if !self.manager.router.suppress_envoy_headers {
            let mut digits = itoa::Buffer::new();
            let millis = digits.format(limit.as_millis().max(1) as u64);
            let headers = &mut self.head.headers;
            headers.set_own("x-envoy-expected-rq-timeout-ms", millis.as_bytes());
        }
        let timeouts = &forward.timeouts;
        if self.grpc && !timeouts.limits_streams && timeouts.grpc_timeout_max.is_some() {
            self.tell_grpc_timeout(limit);
        }
    }

    fn rewrite(&mut self, forward: &Forward, matched: usize, weighted_host: Option<&str>) {
        if let Some(rewrite) = &forward.path_rewrite {
            let old = self.head.path().to_owned();
            let new = rewrite.apply(&old, matched);
            if new != old {
                if !self.manager.router.suppress_envoy_headers {
                    self.head.headers.set("x-envoy-original-path", &old);
                }
                self.head.set_path(&new);
            }
        }
        let view = View {
            head: &self.head,
            connection: self.connection,
        };
        let rewrite = forward.host_rewrite.as_ref();
        let new = weighted_host
            .map(str::to_owned)
            .or_else(|| rewrite.and_then(|rewrite| rewrite.apply(&view, None)));
        if let Some(new) = new {
            self.rewrite_authority(forward, &new);
        }
    }

    /// Replaces the authority; the old one is kept where others look for it.
    pub(super) fn rewrite_authority(&mut self, forward: &Forward, new: &str) {
        let old = self.head.authority().to_owned();
        let headers = &mut self.head.headers;
        if !self.manager.router.suppress_envoy_headers {
            headers.set("x-envoy-original-host", &old);
        }
        if forward.append_x_forwarded_host {
            let value = match headers.joined("x-forwarded-host") {
                Some(before) => format!("{before},{old}"),
                None => old,
            };
            headers.set("x-forwarded-host", value);
        }
        self.head.set_authority(new);
    }

    /// A client that waits for `100 Continue` gets it from us, unless it is left to the endpoint.
    pub(super) fn answer_expectation(
        &mut self,
        downstream: &mut Downstream<'_>,
    ) -> Result<(), End> {
        let expects = self.head.headers.find("expect");
        let expects = expects.is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"));
        if !expects || self.manager.proxy_100_continue {
            return Ok(());
        }
        self.head.headers.remove("expect");
        let interim = ResponseHead::new(100);
        downstream.send_interim(&interim).map_err(|_| End::Gone)
    }
}
