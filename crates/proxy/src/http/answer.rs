//! Passing an answer on: its head, its body, and the tunnel that it may open.

use std::time::Instant;

use ferromesh_http::{Method, ResponseHead, Version};

use super::attempt::{Answer, Ends, Failure};
use super::exchange::{End, Exchange};
use super::local_reply::LocalReply;
use super::stream::asks_for_tunnel;
use super::upload::Upload;
use crate::access_log::ResponseFlags;
use crate::cluster::{ActiveRequestGuard, Endpoint};
use crate::compiled::Cluster;
use crate::upstream::ResetReason;

impl Exchange<'_> {
    /// Sends the answer on, to its end. Its head goes out before there is a future, which would keep
    /// room for it as long as the body takes.
    pub(super) fn pass_on(
        &mut self,
        answer: Answer,
        cluster: &Cluster,
        (endpoint, active): (&Endpoint, ActiveRequestGuard),
        ends: &mut Ends<'_, '_>,
    ) -> impl Future<Output = End> {
        let Answer {
            mut head,
            framing,
            mut upstream,
            mut upload,
            slot,
        } = answer;
        endpoint.counters.request_ended(Some(head.status));
        cluster.stats.completed(head.status);
        ends.deadlines.per_try = None;
        ends.body.forget();
        self.outcome.details = "via_upstream".into();
        self.outcome.answered = Some(Instant::now());
        let tunnel = self.opens_tunnel(&mut head, ends.downstream.is_http2());
        let asked_for_tunnel = asks_for_tunnel(&self.head);
        let completed = ends.body.completed.filter(|_| !asked_for_tunnel);
        self.prepare_answer(&mut head, completed);
        if let Some(side) = ends.downstream.http1_side() {
            // The rest of the request may never come, or be the beginning of a tunnel that the
            // client takes for open: nothing after it could be told from it.
            let rest = !ends.body.is_complete() || (asked_for_tunnel && !tunnel);
            side.close |= rest || self.connection.is_draining();
        }
        let sent = if tunnel {
            ends.body.become_tunnel();
            upload = Upload::default();
            upstream.become_tunnel();
            ends.deadlines.become_tunnel();
            ends.downstream.send_tunnel_head(&head)
        } else {
            ends.downstream.send_head(&head, framing)
        };
        self.outcome.response = Some(head);
        async move {
            if sent.is_err() {
                self.outcome.give_up(upstream);
                return End::Gone;
            }
            let result = self
                .stream_answer(&mut upstream, &mut upload, tunnel, ends)
                .await;
            drop((active, slot));
            let ended = Instant::now();
            self.outcome.ended = Some(ended);
            if let Some(tried) = self.outcome.tried {
                let took = ended.saturating_duration_since(tried);
                cluster.stats.upstream_rq_time().record_duration(took);
            }
            self.outcome.upstream_wire += upstream.wire();
            if result.is_ok() && upload.done && !tunnel {
                upstream.finish(ended);
            } else {
                upstream.give_up();
            }
            match result {
                Ok(()) => {
                    if tunnel && ends.body.is_complete() && !ends.downstream.is_http2() {
                        // The client ended it first, whatever came back after that.
                        let flag = ResponseFlags::DOWNSTREAM_TERMINATION;
                        self.explain(flag, "downstream_remote_disconnect");
                    } else if tunnel {
                        let reason = ResetReason::ConnectionTermination;
                        self.explain(reason.flag(), ended_after_begin(reason));
                    }
                    if let Some(side) = ends.downstream.http1_side() {
                        side.close |= !ends.body.is_complete();
                    }
                    End::Complete
                }
                Err(failure) => self.broke_off(&failure, cluster, ends.body.is_complete()),
            }
        }
    }

    fn broke_off(&mut self, failure: &Failure, cluster: &Cluster, complete: bool) -> End {
        match failure {
            Failure::Gone => cluster.stats.upstream_rq_cancelled().inc(),
            Failure::Reset { reason, .. } => {
                cluster.stats.upstream_rq_rx_reset().inc();
                self.explain(reason.flag(), ended_after_begin(*reason));
            }
            Failure::Expired(expired) => {
                let reply = LocalReply::expired(*expired, complete);
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
        if to_http2 {
            head.headers.remove("upgrade");
            head.status = 200;
        } else {
            head.status = 101;
            head.headers.append("connection", "Upgrade");
            if !head.headers.contains("upgrade") {
                head.headers.append("upgrade", protocol);
            }
        }
        true
    }
}

/// Why an answer that had begun came to no proper end; a tunnel has no other.
fn ended_after_begin(reason: ResetReason) -> String {
    let reason = reason.text().replace(' ', "_");
    format!("upstream_reset_after_response_started{{{reason}}}")
}
