//! THE request engine: one exchange, independent of the protocol on either side.
//!
//! prepare → filters → route → tries → answer → log. A request is pinned to the config generation
//! that it began with.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ferromesh_http::{Framing, Method, RequestHead, ResponseHead, Version};
use ferromesh_route::action::{DirectResponse, Forward};
use ferromesh_route::hash_policy::HashSource;
use ferromesh_route::table::Outcome as Found;
use ferromesh_route::{Action, Redirect, Route};

use super::attempt::{Answer, Ends, Failure};
use super::deadline::{Deadlines, Expired};
use super::downstream::Downstream;
use super::exchange::{End, Exchange, Outcome};
use super::local_reply::{LocalReply, is_grpc};
use super::retry::{Retries, Verdict, is_idempotent};
use super::upload::{RequestBody, Upload};
use super::view::{RequestLookup, View};
use super::{filter, mutate, prepare};
use crate::access_log::ResponseFlags;
use crate::cluster::{ActiveRequestGuard, Endpoint, PickContext, Resource, Thresholds};
use crate::compiled::{Cluster, HttpManager};
use crate::listener::Connection;
use crate::upstream::{ResetReason, hash_address, hash_text};
use crate::worker::Worker;

/// Serves one request to its end.
pub(crate) async fn run(
    worker: &Rc<Worker>,
    connection: &Connection,
    manager: &HttpManager,
    head: RequestHead,
    framing: Framing,
    downstream: &mut Downstream<'_>,
) {
    let stats = &manager.stats;
    stats.downstream_rq_total().inc();
    stats.downstream_rq_active().inc();
    match downstream.is_http2() {
        true => stats.downstream_rq_http2_total().inc(),
        false => stats.downstream_rq_http1_total().inc(),
    }
    let tunnel = head.method == Method::CONNECT || head.protocol().is_some();
    let framing = if tunnel { Framing::None } else { framing };
    let limit = connection.listener.buffer_limit as usize;
    let mut body = RequestBody::new(framing, limit);
    let mut exchange = Exchange {
        worker,
        connection,
        manager,
        config: worker.config.current(),
        grpc: is_grpc(&head),
        head,
        started: Instant::now(),
        wall: SystemTime::now(),
        client: connection.peer,
        virtual_host: None,
        route: None,
        cluster: None,
        outcome: Outcome::default(),
    };
    let end = exchange.serve(&mut body, downstream).await;
    if end != End::Complete {
        downstream.abort();
    }
    if end == End::Gone {
        exchange.explain(
            ResponseFlags::DOWNSTREAM_TERMINATION,
            "downstream_remote_disconnect",
        );
        stats.downstream_rq_rx_reset().inc();
    }
    exchange.record(&body);
}

/// What the route says to do.
enum Decision {
    Reply(LocalReply),
    Forward(Arc<Route>, usize),
}

impl Exchange<'_> {
    async fn serve(&mut self, body: &mut RequestBody, downstream: &mut Downstream<'_>) -> End {
        let prepared = prepare::prepare(self.worker, self.connection, self.manager, &mut self.head);
        match prepared {
            Ok(client) => self.client = client,
            Err(reply) => return self.reply(reply, body, downstream).await,
        }
        filter::on_request(&self.manager.filters, &mut self.head);
        match self.decide() {
            Decision::Reply(reply) => self.reply(reply, body, downstream).await,
            Decision::Forward(route, matched) => {
                let Action::Forward(forward) = &route.action else {
                    return End::Broken;
                };
                self.forward(forward, matched, body, downstream).await
            }
        }
    }

    /// Finds the route.
    fn decide(&mut self) -> Decision {
        let config = Arc::clone(&self.config);
        let Some(table) = config.route_table(self.manager) else {
            self.manager.stats.no_route().inc();
            return Decision::Reply(LocalReply::no_route());
        };
        let view = View {
            head: &self.head,
            connection: self.connection,
        };
        let (virtual_host, route, matched) = match table.find(&view, self.worker.random()) {
            Found::Route {
                virtual_host,
                route,
                matched,
            } => (virtual_host, route, matched),
            Found::TlsRequired(host) => {
                let location = Redirect::to_https().location(&view, 0);
                self.virtual_host = Some(Arc::clone(host));
                return Decision::Reply(redirect(301, location));
            }
            Found::NoRoute(host) => {
                self.virtual_host = Some(Arc::clone(host));
                self.manager.stats.no_route().inc();
                return Decision::Reply(LocalReply::no_route());
            }
            Found::NoVirtualHost => {
                self.manager.stats.no_route().inc();
                return Decision::Reply(LocalReply::no_route());
            }
        };
        let (virtual_host, route) = (Arc::clone(virtual_host), Arc::clone(route));
        self.virtual_host = Some(virtual_host);
        self.route = Some(Arc::clone(&route));
        match &route.action {
            Action::Forward(_) => Decision::Forward(route, matched),
            Action::Redirect(to) => {
                self.manager.stats.rq_redirect().inc();
                let location = to.location(&view, matched);
                Decision::Reply(redirect(to.status, location))
            }
            Action::Respond(direct) => {
                self.manager.stats.rq_direct_response().inc();
                Decision::Reply(direct_response(direct))
            }
        }
    }

    /// Sends the request to the route's cluster, as often as its policy allows.
    async fn forward(
        &mut self,
        forward: &Forward,
        matched: usize,
        body: &mut RequestBody,
        downstream: &mut Downstream<'_>,
    ) -> End {
        self.manager.stats.rq_total().inc();
        if let Err(reply) = self.check_upgrade(forward) {
            return self.reply(reply, body, downstream).await;
        }
        let (cluster, weighted_host) = match self.choose_cluster(forward) {
            Ok(chosen) => chosen,
            Err(reply) => return self.reply(reply, body, downstream).await,
        };
        let limits = match forward.high_priority {
            true => Arc::clone(&cluster.circuit_breakers.high),
            false => Arc::clone(&cluster.circuit_breakers.default),
        };
        let Some(_slot) = limits.take(Resource::Requests) else {
            cluster.stats.upstream_rq_pending_overflow().inc();
            let reply = LocalReply::reset(ResetReason::Overflow, "");
            return self.reply(reply, body, downstream).await;
        };
        let host = self.virtual_host.clone();
        let policy = forward.retry.as_ref();
        let policy = policy.or_else(|| host.as_ref().and_then(|host| host.retry.as_ref()));
        let mut retries = Retries::new(policy, &self.head);
        let mut deadlines = self.deadlines(forward, body);
        let hash = self.hash(forward, &cluster);
        self.edit_request(forward, matched, weighted_host.as_deref());
        if self.answer_expectation(downstream).is_err() {
            return End::Gone;
        }
        cluster.stats.upstream_rq_active().inc();
        let mut ends = Ends {
            body,
            downstream,
            deadlines: &mut deadlines,
        };
        let end = self
            .try_endpoints(forward, &cluster, &limits, hash, &mut retries, &mut ends)
            .await;
        cluster.stats.upstream_rq_active().dec();
        end
    }

    async fn try_endpoints(
        &mut self,
        forward: &Forward,
        cluster: &Arc<Cluster>,
        limits: &Arc<Thresholds>,
        hash: Option<u64>,
        retries: &mut Retries,
        ends: &mut Ends<'_, '_>,
    ) -> End {
        loop {
            let Some(endpoint) = self.pick(cluster, hash, retries) else {
                cluster.stats.upstream_cx_none_healthy().inc();
                let reply = LocalReply::no_healthy_upstream();
                return self.reply(reply, ends.body, ends.downstream).await;
            };
            self.begin_try(forward, cluster, &endpoint, retries, ends);
            let active = endpoint.counters.request_started();
            let result = self.attempt(cluster, &endpoint, limits, ends).await;
            match result {
                Ok(answer) => {
                    let verdict = retries.after_answer(&answer.head);
                    if verdict == Verdict::Retry
                        && ends.body.can_replay()
                        && self.may_retry(cluster, limits, retries)
                    {
                        endpoint.counters.request_ended(Some(answer.head.status));
                        cluster.stats.completed(answer.head.status);
                        answer.upstream.finish(false);
                        drop(active);
                        if let Err(failure) = self.back_off(retries, ends).await {
                            return self.give_up(failure, cluster, ends).await;
                        }
                        continue;
                    }
                    if verdict == Verdict::Exhausted {
                        cluster.stats.upstream_rq_retry_limit_exceeded().inc();
                        let flag = ResponseFlags::RETRY_LIMIT_EXCEEDED;
                        self.outcome.flags.insert(flag);
                    } else if retries.made > 0 {
                        cluster.stats.upstream_rq_retry_success().inc();
                    }
                    return self
                        .pass_on(answer, cluster, (&endpoint, active), ends)
                        .await;
                }
                Err(failure) => {
                    endpoint.counters.request_ended(None);
                    drop(active);
                    if !self.tries_again(&failure, cluster, limits, retries, ends) {
                        return self.give_up(failure, cluster, ends).await;
                    }
                    if let Err(failure) = self.back_off(retries, ends).await {
                        return self.give_up(failure, cluster, ends).await;
                    }
                }
            }
        }
    }

    fn begin_try(
        &mut self,
        forward: &Forward,
        cluster: &Cluster,
        endpoint: &Arc<Endpoint>,
        retries: &mut Retries,
        ends: &mut Ends<'_, '_>,
    ) {
        let now = Instant::now();
        self.outcome.attempts += 1;
        self.outcome.tried = Some(now);
        self.outcome.endpoint = Some(Arc::clone(endpoint));
        cluster.stats.upstream_rq_total().inc();
        retries.previous.push(endpoint.address.clone());
        ends.deadlines.per_try = self.per_try_timeout(retries).map(|limit| now + limit);
        if let Some(limit) = self.request_timeout(forward)
            && ends.deadlines.request.is_none()
            && ends.body.is_complete()
        {
            ends.deadlines.request = Some(now + limit);
        }
        let count = self.virtual_host.as_ref();
        if count.is_some_and(|host| host.request_attempt_count) {
            let attempts = self.outcome.attempts.to_string();
            self.head.headers.set("x-envoy-attempt-count", attempts);
        }
        if let Some(rewrite) = &forward.host_rewrite
            && matches!(rewrite, ferromesh_route::rewrite::HostRewrite::Endpoint)
            && !endpoint.hostname.is_empty()
        {
            self.head.set_authority(&endpoint.hostname);
        }
    }

    /// Whether a failure is tried again; takes what the next try needs.
    fn tries_again(
        &mut self,
        failure: &Failure,
        cluster: &Cluster,
        limits: &Arc<Thresholds>,
        retries: &mut Retries,
        ends: &Ends<'_, '_>,
    ) -> bool {
        let verdict = match failure {
            Failure::Gone => return false,
            Failure::Expired(expired) => {
                if *expired == Expired::Try {
                    cluster.stats.upstream_rq_per_try_timeout().inc();
                }
                retries.after_expiry(*expired)
            }
            Failure::Reset {
                reason,
                begun,
                dead_connection,
                ..
            } => {
                // A kept connection that had died is no try: the request never reached anyone.
                if *dead_connection
                    && !retries.replayed
                    && *reason == ResetReason::ConnectionTermination
                    && ends.body.can_replay()
                    && is_idempotent(&self.head.method)
                {
                    retries.replayed = true;
                    retries.previous.pop();
                    return true;
                }
                retries.after_reset(*reason, *begun)
            }
        };
        match verdict {
            Verdict::Final => false,
            Verdict::Exhausted => {
                cluster.stats.upstream_rq_retry_limit_exceeded().inc();
                self.outcome
                    .flags
                    .insert(ResponseFlags::RETRY_LIMIT_EXCEEDED);
                false
            }
            Verdict::Retry => ends.body.can_replay() && self.may_retry(cluster, limits, retries),
        }
    }

    /// Takes a unit of the retry circuit breaker.
    fn may_retry(
        &mut self,
        cluster: &Cluster,
        limits: &Arc<Thresholds>,
        retries: &mut Retries,
    ) -> bool {
        retries.slot = None;
        retries.slot = limits.take(Resource::Retries);
        if retries.slot.is_none() {
            cluster.stats.upstream_rq_retry_overflow().inc();
            self.outcome.flags.insert(ResponseFlags::UPSTREAM_OVERFLOW);
            return false;
        }
        retries.made += 1;
        cluster.stats.upstream_rq_retry().inc();
        true
    }

    async fn back_off(&self, retries: &Retries, ends: &mut Ends<'_, '_>) -> Result<(), Failure> {
        if retries.made == 0 {
            return Ok(());
        }
        ends.deadlines.per_try = None;
        let wait = retries.back_off(self.worker.random());
        let mut sleep = std::pin::pin!(tokio::time::sleep(wait));
        poll_fn(|cx| {
            if sleep.as_mut().poll(cx).is_ready() {
                return std::task::Poll::Ready(Ok(()));
            }
            ends.poll_interrupted(cx).map(Err)
        })
        .await
    }

    /// Answers after the last try failed.
    async fn give_up(
        &mut self,
        failure: Failure,
        cluster: &Cluster,
        ends: &mut Ends<'_, '_>,
    ) -> End {
        let reply = match failure {
            Failure::Gone => {
                cluster.stats.upstream_rq_cancelled().inc();
                return End::Gone;
            }
            Failure::Expired(expired) => {
                if expired == Expired::Request {
                    cluster.stats.upstream_rq_timeout().inc();
                }
                LocalReply::expired(expired, true)
            }
            Failure::Reset {
                reason,
                transport_failure,
                ..
            } => {
                if matches!(
                    reason,
                    ResetReason::RemoteReset | ResetReason::RemoteRefused
                ) {
                    cluster.stats.upstream_rq_rx_reset().inc();
                }
                let reply = LocalReply::reset(reason, &transport_failure);
                self.outcome.failure = transport_failure;
                reply
            }
        };
        cluster.stats.completed(reply.status);
        self.reply(reply, ends.body, ends.downstream).await
    }

    /// Sends the answer on, to its end.
    async fn pass_on(
        &mut self,
        answer: Answer,
        cluster: &Cluster,
        (endpoint, active): (&Endpoint, ActiveRequestGuard),
        ends: &mut Ends<'_, '_>,
    ) -> End {
        let Answer {
            mut head,
            framing,
            mut upstream,
            mut upload,
        } = answer;
        endpoint.counters.request_ended(Some(head.status));
        cluster.stats.completed(head.status);
        ends.deadlines.per_try = None;
        ends.body.forget();
        self.outcome.details = "via_upstream".into();
        self.outcome.answered = Some(Instant::now());
        let tunnel = self.opens_tunnel(&mut head, ends.downstream.is_http2());
        self.prepare_answer(&mut head);
        if let Downstream::Http1(side) = ends.downstream {
            side.close |= self.connection.is_draining();
        }
        let sent = if tunnel {
            ends.body.become_tunnel();
            upload = Upload::default();
            upstream.become_tunnel();
            // A tunnel lives as long as its ends want.
            *ends.deadlines = Deadlines::default();
            ends.downstream.send_tunnel_head(&head)
        } else {
            ends.downstream.send_head(&head, framing)
        };
        self.outcome.response = Some(head);
        if sent.is_err() {
            upstream.finish(false);
            return End::Gone;
        }
        let result = self
            .stream_answer(&mut upstream, &mut upload, tunnel, ends)
            .await;
        drop(active);
        if let Some(tried) = self.outcome.tried {
            cluster
                .stats
                .upstream_rq_time()
                .record_duration(tried.elapsed());
        }
        let complete = result.is_ok() && upload.done && !tunnel;
        upstream.finish(complete);
        match result {
            Ok(()) => {
                if let Downstream::Http1(side) = ends.downstream {
                    side.close |= !ends.body.is_complete();
                }
                End::Complete
            }
            Err(failure) => self.broke_off(&failure, cluster),
        }
    }

    fn broke_off(&mut self, failure: &Failure, cluster: &Cluster) -> End {
        match failure {
            Failure::Gone => cluster.stats.upstream_rq_cancelled().inc(),
            Failure::Reset { reason, .. } => {
                cluster.stats.upstream_rq_rx_reset().inc();
                let reason_text = reason.text().replace(' ', "_");
                let details = format!("upstream_reset_after_response_started{{{reason_text}}}");
                self.explain(reason.flag(), details);
            }
            Failure::Expired(expired) => {
                let reply = LocalReply::expired(*expired, true);
                self.explain(reply.flags, reply.details);
            }
        }
        failure.end()
    }

    /// Whether the answer turns the exchange into a tunnel; translates between the ways in which
    /// HTTP/1.1 and HTTP/2 say so.
    fn opens_tunnel(&self, head: &mut ResponseHead, to_http2: bool) -> bool {
        let success = head.status / 100 == 2;
        let Some(protocol) = self.head.protocol() else {
            return self.head.method == Method::CONNECT && success;
        };
        let opened = head.status == 101 || (head.version == Version::Http2 && success);
        if !opened {
            return false;
        }
        head.headers.remove("connection");
        head.headers.remove("upgrade");
        if to_http2 {
            head.status = 200;
        } else {
            head.status = 101;
            head.headers.append("connection", "Upgrade");
            head.headers.append("upgrade", protocol);
        }
        true
    }

    fn check_upgrade(&self, forward: &Forward) -> Result<(), LocalReply> {
        let name = match self.head.protocol() {
            Some(protocol) => protocol.to_ascii_lowercase(),
            None if self.head.method == Method::CONNECT => "connect".to_owned(),
            None => return Ok(()),
        };
        let by_route = forward
            .upgrades
            .iter()
            .find(|(upgrade, _)| *upgrade == name);
        let by_manager = self
            .manager
            .upgrades
            .iter()
            .find(|upgrade| upgrade.name == name);
        let allowed = match (by_route, by_manager) {
            (Some((_, allowed)), _) => *allowed,
            (None, Some(upgrade)) => upgrade.enabled,
            (None, None) => false,
        };
        match allowed {
            true => Ok(()),
            false => Err(LocalReply::upgrade_refused()),
        }
    }

    /// The cluster, and the authority that a weighted choice asks for.
    fn choose_cluster(
        &mut self,
        forward: &Forward,
    ) -> Result<(Arc<Cluster>, Option<String>), LocalReply> {
        let view = View {
            head: &self.head,
            connection: self.connection,
        };
        let chosen = forward.cluster.choose(&view, self.worker.random());
        let Some(cluster) = self.config.cluster(&chosen.name).cloned() else {
            self.manager.stats.no_cluster().inc();
            return Err(LocalReply::no_cluster(forward.cluster_not_found_status));
        };
        let weighted = chosen.weighted.cloned();
        self.cluster = Some(Arc::clone(&cluster));
        let mut host = None;
        if let Some(weighted) = weighted {
            host = weighted
                .host_rewrite
                .as_ref()
                .map(|host| host.as_str().to_owned());
            if !weighted.headers.is_empty() {
                let before = self.head.clone();
                let lookup = RequestLookup(&before);
                let mut head = self.head.clone();
                mutate::request(&weighted.headers, &mut head, &self.base_record(&lookup));
                self.head = head;
            }
        }
        Ok((cluster, host))
    }

    /// The edits of route, virtual host and table; path and authority.
    fn edit_request(&mut self, forward: &Forward, matched: usize, weighted_host: Option<&str>) {
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
            && let Some(limit) = self.request_timeout(forward)
        {
            let millis = limit.as_millis().to_string();
            self.head
                .headers
                .set("x-envoy-expected-rq-timeout-ms", millis);
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
    fn answer_expectation(&mut self, downstream: &mut Downstream<'_>) -> Result<(), End> {
        let expects = self.head.headers.find("expect");
        let expects = expects.is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"));
        if !expects || self.manager.proxy_100_continue {
            return Ok(());
        }
        self.head.headers.remove("expect");
        let interim = ResponseHead::new(100);
        downstream.send_interim(&interim).map_err(|_| End::Gone)
    }

    fn pick(
        &mut self,
        cluster: &Arc<Cluster>,
        hash: Option<u64>,
        retries: &Retries,
    ) -> Option<Arc<Endpoint>> {
        if cluster.is_original_destination() {
            return Some(cluster.original_destination(self.connection.destination));
        }
        let (previous, host_selection_attempts) = retries.avoid();
        self.worker.with_random(|random| {
            cluster.pick(&mut PickContext {
                random,
                hash,
                previous,
                host_selection_attempts,
            })
        })
    }

    fn hash(&self, forward: &Forward, cluster: &Cluster) -> Option<u64> {
        if !cluster.lb.is_hashing() {
            return None;
        }
        let mut hash = None;
        for policy in &forward.hash_policies {
            let input = match &policy.source {
                HashSource::Header(name) => {
                    let value = self.head.headers.joined(name);
                    value.map(|value| hash_text(&value))
                }
                HashSource::Cookie { name, .. } => self.cookie(name).map(hash_text),
                HashSource::SourceIp => Some(hash_address(self.client.ip())),
                HashSource::QueryParameter(name) => self.query_parameter(name).map(hash_text),
            };
            if let Some(input) = input {
                hash = Some(hash.map_or(input, |hash: u64| hash.rotate_left(1) ^ input));
                if policy.terminal {
                    break;
                }
            }
        }
        hash
    }

    fn cookie(&self, name: &str) -> Option<&str> {
        let cookies = self.head.headers.text("cookie")?;
        cookies
            .split(';')
            .filter_map(|cookie| cookie.trim().split_once('='))
            .find_map(|(key, value)| (key == name).then_some(value))
    }

    fn query_parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.head.path().split_once('?')?;
        query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .find_map(|(key, value)| (key == name).then_some(value))
    }

    fn deadlines(&self, forward: &Forward, body: &RequestBody) -> Deadlines {
        let timeouts = &self.manager.timeouts;
        let now = self.started;
        let mut deadlines = Deadlines::default();
        let idle = forward.timeouts.idle.unwrap_or(timeouts.stream_idle);
        deadlines.set_idle(idle, now);
        let stream = forward.timeouts.max_stream_duration;
        let stream = stream.unwrap_or(timeouts.max_stream_duration);
        deadlines.stream = stream.map(|limit| now + limit);
        if !body.is_complete() {
            deadlines.upload = timeouts.request.map(|limit| now + limit);
        }
        deadlines
    }

    /// The route's timeout, or what an internal header or `grpc-timeout` asks for.
    fn request_timeout(&self, forward: &Forward) -> Option<Duration> {
        if let Some(most) = forward.timeouts.grpc_timeout_max
            && self.grpc
            && let Some(asked) = self
                .head
                .headers
                .text("grpc-timeout")
                .and_then(grpc_timeout)
        {
            return Some(most.map_or(asked, |most| asked.min(most)));
        }
        let asked = self.head.headers.text("x-envoy-upstream-rq-timeout-ms");
        match asked.and_then(|millis| millis.parse().ok()) {
            Some(0) => None,
            Some(millis) => Some(Duration::from_millis(millis)),
            None => forward.timeouts.request,
        }
    }

    fn per_try_timeout(&self, retries: &Retries) -> Option<Duration> {
        retries.per_try_timeout()
    }
}

/// The value of `grpc-timeout`: up to eight digits and a unit.
fn grpc_timeout(value: &str) -> Option<Duration> {
    let unit = value.chars().last()?;
    let digits = value.strip_suffix(unit)?;
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        'H' => Duration::from_secs(amount * 3600),
        'M' => Duration::from_secs(amount * 60),
        'S' => Duration::from_secs(amount),
        'm' => Duration::from_millis(amount),
        'u' => Duration::from_micros(amount),
        'n' => Duration::from_nanos(amount),
        _ => return None,
    })
}

fn redirect(status: u16, location: String) -> LocalReply {
    let mut reply = LocalReply::new(status, "", "direct_response");
    reply.headers.push(("location", location));
    reply
}

fn direct_response(direct: &DirectResponse) -> LocalReply {
    let mut reply = LocalReply::new(direct.status, "", "direct_response");
    reply.body = String::from_utf8_lossy(&direct.body).into_owned().into();
    reply
}
