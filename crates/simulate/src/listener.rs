//! Which listener takes a connection.

use std::sync::Arc;

use ferromesh_proxy::compiled::{Listener, TrafficDirection};

use crate::call::{Call, Direction};
use crate::plane::Plane;
use crate::walk::{Stage, Walk};

/// Finds the listener: a redirected connection arrives at the capture listener of its direction, and
/// goes on to the listener of its original destination where there is one; any other connection
/// reaches whoever is bound there.
pub(crate) fn choose<'a>(
    plane: &'a Plane,
    call: &Call,
    walk: &mut Walk,
) -> Option<&'a Arc<Listener>> {
    let destination = call.destination;
    let listeners = &plane.config.listeners;
    let capture = capture(plane, call.direction);
    let bound = listeners.for_original_destination(destination);
    if call.direction == Direction::Inbound
        && let Some(capture) = capture
        && !capture.use_original_destination
    {
        let because = "inbound connections are redirected to it";
        walk.step(Stage::Listener, &capture.name, because);
        return Some(capture);
    }
    if let Some(found) = bound {
        let because = format!("it is the listener of {destination}");
        walk.step(Stage::Listener, &found.name, because);
        return Some(found);
    }
    match capture {
        Some(capture) => {
            let because =
                format!("no listener is for {destination}, and connections are redirected to it");
            walk.step(Stage::Listener, &capture.name, because);
            Some(capture)
        }
        None => {
            let because =
                format!("nothing listens on {destination} and connections are not redirected");
            walk.step(Stage::Listener, "", because);
            None
        }
    }
}

/// The listener that redirected connections of a direction reach.
fn capture(plane: &Plane, direction: Direction) -> Option<&Arc<Listener>> {
    let wanted = match direction {
        Direction::Outbound => TrafficDirection::Outbound,
        Direction::Inbound => TrafficDirection::Inbound,
    };
    let name = match direction {
        Direction::Outbound => "virtualOutbound",
        Direction::Inbound => "virtualInbound",
    };
    plane
        .config
        .listeners
        .named(name)
        .filter(|listener| listener.direction == wanted)
}
