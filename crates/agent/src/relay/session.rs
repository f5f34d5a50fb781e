//! One stream of Envoy with its counterpart to the control plane.

use std::sync::atomic::Ordering;

use ferromesh_proto::type_url;
use ferromesh_xds::Variant;
use ferromesh_xds::client::Reply;
use ferromesh_xds::transport::client::{self, ReplyStream, RequestSender};
use ferromesh_xds::transport::server::{OpenStream, Outgoing, RequestStream};
use tokio::sync::mpsc;
use tonic::Status;

use super::{Shared, inject};

/// Runs until either side ends. `Err` says why the control plane's side did.
pub(super) async fn run(open: OpenStream, shared: &Shared) -> Result<(), String> {
    let OpenStream {
        variant,
        mut requests,
        responses,
        ..
    } = open;
    let Ok(Some(first)) = requests.next().await else {
        return Ok(());
    };
    let mut opening_requests = vec![first];
    add_subscription(shared, variant, &mut opening_requests);
    let subscribed = opening_requests.len() > 1;
    shared.counters.requests.fetch_add(1, Ordering::Relaxed);

    let opened = async {
        let headers = (shared.control_plane.metadata())().map_err(|error| error.to_string())?;
        let channel = shared
            .control_plane
            .channel()
            .map_err(|error| error.to_string())?;
        let (sender, call) = client::open(channel, variant, headers, opening_requests);
        Ok::<_, String>((sender, call))
    };
    let (sender, call) = match opened.await {
        Ok(opened) => opened,
        Err(reason) => return fail(&responses, reason).await,
    };
    let upwards = upwards(requests, &sender, variant, shared, subscribed);
    let downwards = async {
        match call.await {
            Ok(replies) => downwards(replies, &sender, &responses, shared).await,
            Err(status) => Err(client::describe(&status)),
        }
    };
    let ended = tokio::select! {
        () = upwards => return Ok(()),
        ended = downwards => ended,
    };
    match ended {
        Ok(()) => Ok(()),
        Err(reason) => fail(&responses, reason).await,
    }
}

/// Tells Envoy that the stream is over; it then tries again by itself.
async fn fail(responses: &mpsc::Sender<Outgoing>, reason: String) -> Result<(), String> {
    // Envoy may be gone already: then there is nobody to tell.
    let _ = responses
        .send(Outgoing::Failed(Status::unavailable(reason.clone())))
        .await;
    Err(reason)
}

fn add_subscription(shared: &Shared, variant: Variant, requests: &mut Vec<ferromesh_xds::Request>) {
    let listeners = requests
        .iter()
        .any(|request| request.type_url() == type_url::LISTENER);
    if listeners && shared.names.is_some() {
        requests.push(inject::subscription(variant));
    }
}

/// Envoy to the control plane; ends when Envoy ends.
async fn upwards(
    mut requests: RequestStream,
    sender: &RequestSender,
    variant: Variant,
    shared: &Shared,
    mut subscribed: bool,
) {
    while let Ok(Some(request)) = requests.next().await {
        shared.counters.requests.fetch_add(1, Ordering::Relaxed);
        let mut batch = vec![request];
        if !subscribed {
            add_subscription(shared, variant, &mut batch);
            subscribed = batch.len() > 1;
        }
        for request in batch {
            if sender.send(request).await.is_err() {
                // The other direction learns the reason from the stream's end.
                return std::future::pending().await;
            }
        }
    }
}

/// The control plane to Envoy; ends when either ends.
async fn downwards(
    mut replies: ReplyStream,
    sender: &RequestSender,
    responses: &mpsc::Sender<Outgoing>,
    shared: &Shared,
) -> Result<(), String> {
    loop {
        let reply = replies
            .next()
            .await
            .map_err(|status| client::describe(&status))?;
        let reply = reply.ok_or("the control plane ended the stream")?;
        shared.counters.responses.fetch_add(1, Ordering::Relaxed);
        if inject::type_of(&reply) == type_url::NAME_TABLE {
            sender.send(take_names(&reply, shared)).await?;
        } else if responses.send(Outgoing::Relayed(reply)).await.is_err() {
            return Ok(());
        }
    }
}

fn take_names(reply: &Reply, shared: &Shared) -> ferromesh_xds::Request {
    match (inject::table(reply), &shared.names) {
        (Ok(Some(table)), Some(names)) => {
            names.replace(&table);
            inject::answer(reply, None)
        }
        (Ok(_), _) => inject::answer(reply, None),
        (Err(reason), _) => inject::answer(reply, Some(reason)),
    }
}
