//! THE request engine: one exchange, independent of the protocol on either side.
//!
//! prepare → filters → route → tries → answer → log. A request is pinned to the config generation
//! that it began with.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use ferromesh_http::{Framing, Method, RequestHead};
use ferromesh_route::action::DirectResponse;
use ferromesh_route::table::Outcome as Found;
use ferromesh_route::{Action, Redirect, Route};

use super::downstream::Downstream;
use super::exchange::{End, Exchange, Outcome};
use super::filter::{self, Verdict};
use super::local_reply::{LocalReply, is_grpc};
use super::prepare;
use super::upload::RequestBody;
use crate::access_log::ResponseFlags;
use crate::compiled::{HttpManager, OverloadAction};
use crate::listener::Connection;
use crate::metadata::Metadata;
use crate::worker::Worker;

/// What became of a request.
pub(crate) struct Served {
    /// Whether the client gave it up.
    pub(crate) gone: bool,
    /// When it was over.
    pub(crate) ended: Instant,
}

/// Serves one request to its end.
pub(crate) async fn run(
    worker: &Rc<Worker>,
    connection: &Connection,
    manager: &HttpManager,
    head: RequestHead,
    framing: Framing,
    downstream: &mut Downstream<'_>,
) -> Served {
    let stats = &manager.stats;
    stats.downstream_rq_total().inc();
    stats.downstream_rq_active().inc();
    if downstream.is_http2() {
        stats.downstream_rq_http2_total().inc();
    } else {
        stats.downstream_rq_http1_total().inc();
    }
    let tunnel = asks_for_tunnel(&head);
    let framing = if tunnel { Framing::None } else { framing };
    let limit = connection.listener.buffer_limit as usize;
    let started = Instant::now();
    let mut body = RequestBody::new(framing, limit, started);
    let mut exchange = Exchange {
        worker,
        connection,
        manager,
        config: worker.config.current(),
        grpc: is_grpc(&head),
        head,
        started,
        client: connection.peer,
        alt_response: false,
        id_in_response: false,
        operation_came: false,
        virtual_host: None,
        route: None,
        cluster: None,
        draw: worker.random(),
        wanted: None,
        outcome: Outcome::default(),
        metadata: Metadata::default(),
        filters: filter::Memory::default(),
    };
    let mut end = exchange.serve(&mut body, downstream).await;
    if end == End::Gone
        && exchange.outcome.answered.is_none()
        && let Some(reply) = downstream.refusal()
    {
        stats.downstream_cx_protocol_error().inc();
        end = exchange.reply(reply, &body, downstream).await;
    }
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
    Served {
        gone: end == End::Gone,
        ended: exchange.record(&body, || downstream.wire()),
    }
}

impl Exchange<'_> {
    async fn serve(&mut self, body: &mut RequestBody, downstream: &mut Downstream<'_>) -> End {
        let overload = &self.worker.overload;
        if overload.is_on(OverloadAction::StopAcceptingRequests) {
            self.manager.stats.downstream_rq_overload_close().inc();
            return self.reply(LocalReply::overloaded(), body, downstream).await;
        }
        let prepared = prepare::prepare(self.worker, self.connection, self.manager, &mut self.head);
        match prepared {
            Ok(prepared) => {
                self.client = prepared.client;
                self.id_in_response = prepared.id_in_response;
            }
            Err(reply) => return self.reply(reply, body, downstream).await,
        }
        let found = self.find_route();
        self.tell_operation();
        match filter::on_request(self, body, downstream).await {
            Verdict::Pass => {}
            Verdict::Reply(reply) => return self.reply(*reply, body, downstream).await,
            Verdict::Gone => return End::Gone,
        }
        let (route, matched) = match found {
            Ok(found) => found,
            Err(reply) => return self.reply(reply, body, downstream).await,
        };
        match &route.action {
            Action::Forward(forward) => self.forward(forward, matched, body, downstream).await,
            Action::Redirect(to) => {
                self.manager.stats.rq_redirect().inc();
                let view = self.view();
                let reply = redirect(to.status, to.location(&view, matched));
                self.reply(reply, body, downstream).await
            }
            Action::Respond(direct) => {
                self.manager.stats.rq_direct_response().inc();
                let mut reply = direct_response(direct);
                // RFC 9110 section 15.3.2 and Envoy: what was created is what was asked for.
                if direct.status == 201 || (300..400).contains(&direct.status) {
                    let location = Redirect::to_same(direct.status).location(&self.view(), matched);
                    reply.headers.push(("location", location));
                }
                self.reply(reply, body, downstream).await
            }
        }
    }

    /// Finds the route, and how many bytes of the path it matched; or the answer that says that
    /// there is none.
    fn find_route(&mut self) -> Result<(Arc<Route>, usize), LocalReply> {
        let config = Arc::clone(&self.config);
        let Some(table) = config.route_table(self.manager) else {
            self.manager.stats.no_route().inc();
            return Err(LocalReply::no_route());
        };
        let view = self.view();
        let (virtual_host, route, matched) = match table.find(&view, self.worker.random()) {
            Found::Route {
                virtual_host,
                route,
                matched,
            } => (virtual_host, route, matched),
            Found::TlsRequired(host) => {
                let location = Redirect::to_https().location(&view, 0);
                self.virtual_host = Some(Arc::clone(host));
                return Err(redirect(301, location));
            }
            Found::NoRoute(host) => {
                self.virtual_host = Some(Arc::clone(host));
                self.manager.stats.no_route().inc();
                return Err(LocalReply::no_route());
            }
            Found::NoVirtualHost => {
                self.manager.stats.no_route().inc();
                return Err(LocalReply::no_route());
            }
        };
        let (virtual_host, route) = (Arc::clone(virtual_host), Arc::clone(route));
        self.virtual_host = Some(virtual_host);
        self.route = Some(Arc::clone(&route));
        Ok((route, matched))
    }
}

/// Whether what follows the answer may be no HTTP.
pub(super) fn asks_for_tunnel(head: &RequestHead) -> bool {
    head.method == Method::CONNECT || head.protocol().is_some()
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
