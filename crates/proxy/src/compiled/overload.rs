//! What a process does when it carries too much, by the bootstrap's overload manager and limits.

use std::collections::HashMap;
use std::time::Duration;

use ferromesh_types::Str;

/// What is done under pressure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OverloadAction {
    /// New requests are answered with 503.
    StopAcceptingRequests,
    /// Connections wait in the kernel's queue.
    StopAcceptingConnections,
    /// Connections are accepted and closed at once.
    RejectIncomingConnections,
    /// Answers over HTTP/1.1 end their connection.
    DisableKeepAlive,
}

impl OverloadAction {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::StopAcceptingRequests,
        Self::StopAcceptingConnections,
        Self::RejectIncomingConnections,
        Self::DisableKeepAlive,
    ];

    /// Envoy's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::StopAcceptingRequests => "envoy.overload_actions.stop_accepting_requests",
            Self::StopAcceptingConnections => "envoy.overload_actions.stop_accepting_connections",
            Self::RejectIncomingConnections => "envoy.overload_actions.reject_incoming_connections",
            Self::DisableKeepAlive => "envoy.overload_actions.disable_http_keepalive",
        }
    }
}

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Monitor {
    /// The memory of the process, as a part of `max_heap`.
    Heap,
    /// Its downstream connections, as a part of `max_connections`.
    Connections,
}

/// When an action is on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trigger {
    /// What is looked at.
    pub monitor: Monitor,
    /// From this pressure on, 1.0 being all that there is.
    pub from: f64,
}

/// Limits and actions of the process.
#[derive(Clone, Debug, PartialEq)]
pub struct OverloadSettings {
    /// How often pressure is looked at.
    pub refresh: Duration,
    /// Downstream connections at a time.
    pub max_connections: Option<u64>,
    /// Bytes of memory.
    pub max_heap: Option<u64>,
    /// One trigger of an action is enough.
    pub actions: Vec<(OverloadAction, Vec<Trigger>)>,
    /// Connections at a time by listener
    /// (runtime key `envoy.resource_limits.listener.<name>.connection_limit`).
    pub listeners: HashMap<Str, u64>,
    /// Connections of one source at a time that have not yet got through inspection and TLS
    /// (runtime key `ferromesh.resource_limits.handshakes_per_source`).
    pub handshakes_per_source: Option<u32>,
}

impl Default for OverloadSettings {
    fn default() -> Self {
        Self {
            refresh: Duration::from_secs(1),
            max_connections: None,
            max_heap: None,
            actions: Vec::new(),
            listeners: HashMap::new(),
            handshakes_per_source: None,
        }
    }
}

impl OverloadSettings {
    /// Whether an action is to be on, with that many bytes of memory and open connections.
    pub fn demands(&self, action: OverloadAction, heap: u64, connections: u64) -> bool {
        let part = |used: u64, of: Option<u64>| of.map_or(0.0, |of| used as f64 / of as f64);
        let pressure = |monitor| match monitor {
            Monitor::Heap => part(heap, self.max_heap),
            Monitor::Connections => part(connections, self.max_connections),
        };
        self.actions.iter().any(|(each, triggers)| {
            *each == action
                && triggers
                    .iter()
                    .any(|trigger| pressure(trigger.monitor) >= trigger.from)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_on_from_its_threshold() {
        let action = OverloadAction::StopAcceptingRequests;
        let trigger = Trigger {
            monitor: Monitor::Heap,
            from: 0.9,
        };
        let settings = OverloadSettings {
            max_heap: Some(1000),
            actions: vec![(action, vec![trigger])],
            ..OverloadSettings::default()
        };
        assert!(!settings.demands(action, 899, 0));
        assert!(settings.demands(action, 900, 0));
        assert!(!settings.demands(OverloadAction::DisableKeepAlive, 1000, 0));
    }
}
