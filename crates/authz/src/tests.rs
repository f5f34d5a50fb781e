use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use ferromesh_route::header_match::{HeaderCondition, HeaderMatch};
use ferromesh_route::request::PlainRequest;
use ferromesh_route::{RequestView, StringMatch};
use ferromesh_types::Str;
use serde_json::{Value, json};

use crate::{Action, AddressOf, Condition, Facts, MetadataMatch, Policy, RuleSet, ValueMatch};

struct Call {
    request: PlainRequest,
    tls: bool,
    uris: Vec<&'static str>,
    metadata: Value,
}

impl Call {
    fn new(path: &str) -> Self {
        Self {
            request: PlainRequest::new("shop.example", path),
            tls: true,
            uris: vec!["spiffe://mesh/ns/a/sa/b"],
            metadata: json!({"jwt": {"payload": {"aud": ["x", "y"], "level": 3, "ok": true}}}),
        }
    }
}

impl RequestView for Call {
    fn method(&self) -> &str {
        self.request.method()
    }
    fn scheme(&self) -> &str {
        self.request.scheme()
    }
    fn authority(&self) -> &str {
        self.request.authority()
    }
    fn path(&self) -> &str {
        self.request.path()
    }
    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.request.header(name)
    }
}

impl Facts for Call {
    fn destination(&self) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 9], 8080))
    }
    fn remote(&self) -> IpAddr {
        IpAddr::from([1, 1, 1, 1])
    }
    fn connection_remote(&self) -> IpAddr {
        IpAddr::from([2, 2, 2, 2])
    }
    fn direct_remote(&self) -> IpAddr {
        // As a dual-stack socket shows it.
        "::ffff:3.3.3.3".parse().expect("an address")
    }
    fn server_name(&self) -> &'static str {
        "shop.example"
    }
    fn is_tls(&self) -> bool {
        self.tls
    }
    fn peer_name(&self, matches: &mut dyn FnMut(&str) -> bool) -> bool {
        self.uris.iter().any(|uri| matches(uri))
    }
    fn metadata(&self, namespace: &str, path: &[Str]) -> Option<Cow<'_, Value>> {
        let mut at = self.metadata.get(namespace)?;
        for key in path {
            at = at.get(key.as_str())?;
        }
        Some(Cow::Borrowed(at))
    }
}

fn exact(text: &str) -> StringMatch {
    StringMatch::Exact(text.to_owned())
}

fn policy(name: &str, path: &str) -> Policy {
    Policy {
        name: name.into(),
        permissions: Condition::Path(exact(path)),
        principals: Condition::Always,
    }
}

#[test]
fn allow_needs_a_match_deny_must_have_none_and_log_lets_all_pass() {
    for (action, on_match, without) in [
        (Action::Allow, true, false),
        (Action::Deny, false, true),
        (Action::Log, true, true),
    ] {
        let rules = RuleSet::new(action, vec![policy("p", "/in")]);
        assert_eq!(rules.decide(&Call::new("/in?q=1")).allowed, on_match);
        assert_eq!(rules.decide(&Call::new("/out")).allowed, without);
    }
}

#[test]
fn the_first_match_by_name_is_the_one_that_is_named() {
    let rules = RuleSet::new(Action::Deny, vec![policy("z", "/x"), policy("a", "/x")]);
    let verdict = rules.decide(&Call::new("/x"));
    assert_eq!(rules.policy_name(verdict), "a");
    let verdict = rules.decide(&Call::new("/y"));
    assert_eq!(rules.policy_name(verdict), "none");
}

#[test]
fn permission_and_principal_must_both_hold() {
    let mut policy = policy("p", "/x");
    policy.principals = Condition::Authenticated(Some(exact("spiffe://mesh/ns/a/sa/b")));
    let rules = RuleSet::new(Action::Allow, vec![policy]);
    let mut call = Call::new("/x");
    assert!(rules.decide(&call).allowed);
    call.uris = vec!["spiffe://mesh/ns/a/sa/other"];
    assert!(!rules.decide(&call).allowed);
    call.uris = vec!["spiffe://mesh/ns/a/sa/b"];
    call.tls = false;
    assert!(!rules.decide(&call).allowed);
}

#[test]
fn empty_lists_and_negations_mean_what_logic_says() {
    let call = Call::new("/");
    assert!(Condition::all(Vec::new()).is_met(&call));
    assert!(!Condition::any(Vec::new()).is_met(&call));
    assert!(Condition::Not(Box::new(Condition::any(Vec::new()))).is_met(&call));
    let both = Condition::all(vec![Condition::Always, Condition::any(Vec::new())]);
    assert!(!both.is_met(&call));
    assert!(matches!(
        Condition::all(vec![Condition::Always]),
        Condition::Always
    ));
}

#[test]
fn each_address_is_its_own() {
    let call = Call::new("/");
    for (of, network) in [
        (AddressOf::Destination, "10.0.0.0/24"),
        (AddressOf::Remote, "1.0.0.0/8"),
        (AddressOf::ConnectionRemote, "2.2.2.2/32"),
        (AddressOf::DirectRemote, "3.3.0.0/16"),
    ] {
        let network = vec![network.parse().expect("a network")];
        assert!(Condition::Address(of, network.clone()).is_met(&call));
        for other in [AddressOf::Destination, AddressOf::Remote] {
            let seen = Condition::Address(other, network.clone()).is_met(&call);
            assert_eq!(seen, other == of);
        }
    }
}

#[test]
fn ports_names_and_headers_are_compared() {
    let call = Call::new("/");
    assert!(Condition::DestinationPort(8080..8081).is_met(&call));
    assert!(!Condition::DestinationPort(1..8080).is_met(&call));
    assert!(Condition::ServerName(exact("shop.example")).is_met(&call));
    let header = |name: &str, value: &str| {
        Condition::Header(HeaderMatch {
            name: name.into(),
            condition: HeaderCondition::Value(exact(value)),
            invert: false,
            missing_is_empty: false,
        })
    };
    assert!(header(":method", "GET").is_met(&call));
    assert!(!header(":authority", "other").is_met(&call));
}

#[test]
fn a_connection_has_no_path_to_match() {
    let call = Call::new("");
    let anything = StringMatch::Prefix(String::new());
    assert!(!Condition::Path(anything).is_met(&call));
}

#[test]
fn metadata_is_looked_up_by_path_and_matched_by_type() {
    let call = Call::new("/");
    let met = |path: &[&str], value: ValueMatch, invert: bool| {
        Condition::Metadata(Box::new(MetadataMatch {
            namespace: "jwt".into(),
            path: path.iter().map(|key| Str::from(*key)).collect(),
            value,
            invert,
        }))
        .is_met(&call)
    };
    let list = |text: &str| ValueMatch::ListHolds(Box::new(ValueMatch::Text(exact(text))));
    assert!(met(&["payload", "aud"], list("y"), false));
    assert!(!met(&["payload", "aud"], list("z"), false));
    assert!(met(&["payload", "aud"], list("z"), true));
    let level = ValueMatch::Range {
        start: 3.0,
        end: 4.0,
    };
    assert!(met(&["payload", "level"], level, false));
    assert!(met(&["payload", "level"], ValueMatch::Number(3.0), false));
    assert!(met(&["payload", "ok"], ValueMatch::Bool(true), false));
    assert!(met(&["payload", "ok"], ValueMatch::Present, false));
    assert!(!met(&["payload", "absent"], ValueMatch::Present, false));
    assert!(!met(&["payload", "absent"], ValueMatch::Null, false));
    let either = ValueMatch::Any(vec![ValueMatch::Bool(false), ValueMatch::Bool(true)]);
    assert!(met(&["payload", "ok"], either, false));
}
