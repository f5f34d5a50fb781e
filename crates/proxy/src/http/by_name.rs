//! Requests whose endpoint is found by the name that they are for (dynamic forward proxy clusters).

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use super::attempt::Ends;
use super::exchange::{End, Exchange};
use super::local_reply::LocalReply;
use crate::cluster::{NameCache, NoAddress};
use crate::compiled::Cluster;

impl Exchange<'_> {
    /// Waits until the name of the request has an address. An error: it is answered, since there
    /// is none.
    pub(super) async fn await_address(
        &mut self,
        names: &Arc<NameCache>,
        cluster: &Arc<Cluster>,
        ends: &mut Ends<'_, '_>,
    ) -> Result<(), End> {
        let port = cluster.default_port();
        let found = {
            let mut finding = pin!(names.find(self.head.authority(), port));
            poll_fn(|cx| match finding.as_mut().poll(cx) {
                Poll::Ready(found) => Poll::Ready(Ok(found)),
                Poll::Pending => ends.poll_interrupted(cx).map(Err),
            })
            .await
        };
        match found {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(reason)) => {
                let mut reply = LocalReply::no_healthy_upstream();
                reply.details = details(&reason).into();
                Err(self.no_endpoint(reply, cluster, ends).await)
            }
            Err(failure) => Err(self.give_up(failure, cluster, ends).await),
        }
    }
}

fn details(reason: &NoAddress) -> String {
    match reason {
        NoAddress::Full => "dns_cache_overflow".to_owned(),
        NoAddress::TooManyWaiting => "dns_cache_pending_requests_overflow".to_owned(),
        NoAddress::NotFound(why) => format!("dns_resolution_failure{{{why}}}"),
    }
}
