//! Edits of a request on its way upstream.

use std::sync::Arc;
use std::time::Duration;

use ferromesh_http::ResponseHead;
use ferromesh_route::action::Forward;

use super::downstream::Downstream;
use super::exchange::{End, Exchange};
use super::mutate;
use super::view::{RequestLookup, View};

impl Exchange<'_> {
    /// The edits of route, virtual host and table; path and authority.
    pub(super) fn edit_request(
        &mut self,
        forward: &Forward,
        matched: usize,
        weighted_host: Option<&str>,
        limit: Option<Duration>,
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
        for name in [
            "x-envoy-retry-on",
            "x-envoy-retry-grpc-on",
            "x-envoy-max-retries",
            "x-envoy-upstream-rq-timeout-ms",
            "x-envoy-upstream-rq-per-try-timeout-ms",
        ] {
            self.head.headers.remove(name);
        }
        if !self.manager.router.suppress_envoy_headers
            && let Some(limit) = limit
        {
            let mut digits = itoa::Buffer::new();
            let millis = digits.format(limit.as_millis());
            let headers = &mut self.head.headers;
            headers.set("x-envoy-expected-rq-timeout-ms", millis);
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
        if let Some(new) = new
            && new != self.head.authority()
        {
            if forward.append_x_forwarded_host {
                let old = self.head.authority().to_owned();
                self.head.headers.append("x-forwarded-host", old);
            }
            self.head.set_authority(&new);
        }
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
