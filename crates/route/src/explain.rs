//! Why a filter chain or a route is not for a connection or a request.
//!
//! In: one candidate and what it was compared with. Out: the first condition that does not hold, as
//! a sentence, or nothing. Each condition is put to the very matcher that decides about traffic, one
//! at a time, so that an explanation never contradicts the decision.

use crate::filter_chain::{ChainIndex, ChainMatch, ConnectionView, SourceType};
use crate::path_match::PathMatch;
use crate::request::RequestView;
use crate::table::RouteMatch;

impl ChainMatch {
    /// The first condition, in the order of precedence, that the connection does not meet. `None`
    /// if it meets all; then a chain that is not chosen lost to a more specific one.
    pub fn unmet(&self, connection: &ConnectionView<'_>) -> Option<String> {
        self.conditions()
            .into_iter()
            .find(|(condition, _)| !holds_alone(condition, connection))
            .map(|(_, wanted)| wanted)
    }

    /// Each condition by itself, with its words.
    fn conditions(&self) -> Vec<(Self, String)> {
        let mut all = Vec::new();
        let mut add = |condition: Self, wanted: String| all.push((condition, wanted));
        let none = Self::default;
        if let Some(port) = self.destination_port {
            let alone = Self {
                destination_port: Some(port),
                ..none()
            };
            add(alone, format!("the port is not {port}"));
        }
        if !self.destination_prefixes.is_empty() {
            let alone = Self {
                destination_prefixes: self.destination_prefixes.clone(),
                ..none()
            };
            let list = list(&self.destination_prefixes);
            add(alone, format!("the destination is not in {list}"));
        }
        if !self.server_names.is_empty() {
            let alone = Self {
                server_names: self.server_names.clone(),
                ..none()
            };
            let list = list(&self.server_names);
            add(alone, format!("the server name is not {list}"));
        }
        if !self.transport_protocol.is_empty() {
            let alone = Self {
                transport_protocol: self.transport_protocol.clone(),
                ..none()
            };
            let wanted = format!("the transport is not {}", self.transport_protocol);
            add(alone, wanted);
        }
        if !self.application_protocols.is_empty() {
            let alone = Self {
                application_protocols: self.application_protocols.clone(),
                ..none()
            };
            let list = list(&self.application_protocols);
            add(alone, format!("the application protocol is not {list}"));
        }
        self.source_conditions(&mut all);
        all
    }

    fn source_conditions(&self, all: &mut Vec<(Self, String)>) {
        let none = Self::default;
        if !self.direct_source_prefixes.is_empty() {
            let alone = Self {
                direct_source_prefixes: self.direct_source_prefixes.clone(),
                ..none()
            };
            let list = list(&self.direct_source_prefixes);
            all.push((alone, format!("the peer of the socket is not in {list}")));
        }
        let kind = match self.source_type {
            SourceType::Any => None,
            SourceType::Local => Some("the source is not this host"),
            SourceType::External => Some("the source is this host"),
        };
        if let Some(wanted) = kind {
            let alone = Self {
                source_type: self.source_type,
                ..none()
            };
            all.push((alone, wanted.to_owned()));
        }
        if !self.source_prefixes.is_empty() {
            let alone = Self {
                source_prefixes: self.source_prefixes.clone(),
                ..none()
            };
            let list = list(&self.source_prefixes);
            all.push((alone, format!("the source is not in {list}")));
        }
        if !self.source_ports.is_empty() {
            let alone = Self {
                source_ports: self.source_ports.clone(),
                ..none()
            };
            let list = list(&self.source_ports);
            all.push((alone, format!("the source port is not {list}")));
        }
    }
}

fn holds_alone(condition: &ChainMatch, connection: &ConnectionView<'_>) -> bool {
    ChainIndex::new(std::slice::from_ref(condition))
        .is_ok_and(|index| index.find(connection).is_some())
}

fn list<T: ToString>(values: &[T]) -> String {
    let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
    texts.join(" or ")
}

impl RouteMatch {
    /// The first condition that a request which drew `random` does not meet; `None` if it meets all.
    pub fn unmet(&self, request: &impl RequestView, random: u64) -> Option<String> {
        if self.matched_length(request, random).is_some() {
            return None;
        }
        if self
            .path
            .matched_length(request.path(), self.case_sensitive)
            .is_none()
        {
            return Some(self.path.describe());
        }
        if let Some(header) = self.headers.iter().find(|header| !header.is_match(request)) {
            return Some(format!("header {} does not match", header.name));
        }
        let mut query = self.query.iter();
        if let Some(query) = query.find(|query| !query.is_match(request.path())) {
            return Some(format!("query parameter {} does not match", query.name));
        }
        if self.fraction.is_some_and(|share| !share.holds(random)) {
            return Some("the request is not of the share".to_owned());
        }
        let rest = if self.grpc {
            "the request is not gRPC or the client's certificate does not match"
        } else if matches!(self.path, PathMatch::Connect) {
            "the method is not CONNECT"
        } else {
            "the client's certificate does not match"
        };
        Some(rest.to_owned())
    }
}

impl PathMatch {
    /// What a path must look like, said of one that does not.
    fn describe(&self) -> String {
        match self {
            Self::Exact(text) => format!("the path is not {text}"),
            Self::Prefix(text) => format!("the path does not begin with {text}"),
            Self::SegmentPrefix(text) => format!("the path is not {text} nor below it"),
            Self::Regex(_) => "the path does not match the expression".to_owned(),
            Self::Connect => "the method is not CONNECT".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header_match::{HeaderCondition, HeaderMatch};
    use crate::request::PlainRequest;

    #[test]
    fn the_first_unmet_condition_of_a_chain_is_named() {
        let chain = ChainMatch {
            destination_port: Some(443),
            server_names: vec!["a.example".into(), "*.b.example".into()],
            ..ChainMatch::default()
        };
        let view = |port: u16, server_name| ConnectionView {
            destination: Some(([10, 0, 0, 1], port).into()),
            server_name,
            transport_protocol: "tls",
            application_protocols: &[],
            source: None,
            direct_source: None,
        };
        let unmet = |port, name| chain.unmet(&view(port, name));
        assert_eq!(unmet(80, "").as_deref(), Some("the port is not 443"));
        assert_eq!(
            unmet(443, "c").as_deref(),
            Some("the server name is not a.example or *.b.example")
        );
        assert_eq!(unmet(443, "x.b.example"), None);
    }

    #[test]
    fn the_first_unmet_condition_of_a_route_is_named() {
        let route = RouteMatch {
            path: PathMatch::Prefix("/api".to_owned()),
            headers: vec![HeaderMatch {
                name: "x".into(),
                condition: HeaderCondition::Present(true),
                invert: false,
                missing_is_empty: false,
            }],
            ..RouteMatch::default()
        };
        let unmet = |request: &PlainRequest| route.unmet(request, 0);
        let other = PlainRequest::new("h", "/");
        assert_eq!(
            unmet(&other).as_deref(),
            Some("the path does not begin with /api")
        );
        let bare = PlainRequest::new("h", "/api/1");
        assert_eq!(unmet(&bare).as_deref(), Some("header x does not match"));
        assert_eq!(unmet(&bare.with_header("x", "1")), None);
    }
}
