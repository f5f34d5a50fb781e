//! Delegation: routes of one VirtualService that another one supplies.
//!
//! A route with `delegate` is replaced by the routes of that object. A request must meet the
//! conditions of both; pairs of conditions that no request can meet are left out. What the
//! delegate's route does not say is taken from the root's. Delegates do not delegate further.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::sync::Arc;

use ferromesh_config::StringMatch;
use ferromesh_config::kind::virtual_service::{HttpMatchRequest, HttpRoute, VirtualService};
use ferromesh_registry::Visibility;
use ferromesh_types::{Hostname, Labels, Namespace, ResourceKey, Selector, Str};

use crate::declared::Declared;

/// The objects that a VirtualService delegates to.
pub(super) fn delegates(root: &Declared<VirtualService>) -> BTreeSet<ResourceKey> {
    root.spec
        .http
        .iter()
        .filter_map(|route| delegate_of(route, root.namespace()))
        .collect()
}

fn delegate_of(route: &HttpRoute, home: &Namespace) -> Option<ResourceKey> {
    let delegate = route.delegate.as_ref()?;
    let namespace = Some(&delegate.namespace).filter(|namespace| !namespace.is_empty());
    let namespace = namespace
        .cloned()
        .map_or_else(|| home.clone(), Namespace::from);
    Some(ResourceKey {
        kind: "VirtualService".into(),
        namespace,
        name: delegate.name.clone(),
    })
}

/// The root with the routes of its delegates in place. A delegate that is missing, has hosts of its
/// own, or is not visible to the root gives no routes.
pub(super) fn resolve(
    root: &Declared<VirtualService>,
    all: &BTreeMap<ResourceKey, Declared<VirtualService>>,
    domain: &str,
    fallback: &Visibility,
) -> Arc<VirtualService> {
    let home = root.namespace();
    let mut spec = VirtualService::clone(&root.spec);
    spec.http = root
        .spec
        .http
        .iter()
        .flat_map(|route| {
            let Some(key) = delegate_of(route, home) else {
                return vec![route.clone()];
            };
            let delegate = all.get(&key).filter(|delegate| {
                let export_to = delegate.spec.export_to.iter().map(Str::as_str);
                delegate.spec.hosts.is_empty()
                    && Visibility::parse(export_to, &key.namespace, fallback).reaches(home)
            });
            let supplied = delegate
                .into_iter()
                .flat_map(|delegate| &delegate.spec.http);
            supplied
                .filter(|supplied| supplied.delegate.is_none())
                .filter_map(|supplied| merge(route, supplied, &key.namespace, domain))
                .collect()
        })
        .collect();
    Arc::new(spec)
}

/// The delegate's route under the conditions of both; `None` if these exclude each other.
fn merge(
    root: &HttpRoute,
    supplied: &HttpRoute,
    supplied_from: &Namespace,
    domain: &str,
) -> Option<HttpRoute> {
    let conditions = merge_conditions(&root.r#match, &supplied.r#match)?;
    let mut route = supplied.clone();
    route.r#match = conditions;
    route.name = join_names(&root.name, &supplied.name);
    let full = |host: &mut Hostname| *host = host.expand(supplied_from, domain);
    route
        .route
        .iter_mut()
        .for_each(|to| full(&mut to.destination.host));
    route.mirror.iter_mut().for_each(|to| full(&mut to.host));
    route
        .mirrors
        .iter_mut()
        .for_each(|to| full(&mut to.destination.host));
    inherit(&mut route.rewrite, root.rewrite.as_ref());
    inherit(&mut route.timeout, root.timeout.as_ref());
    inherit(&mut route.retries, root.retries.as_ref());
    inherit(&mut route.fault, root.fault.as_ref());
    inherit(&mut route.cors_policy, root.cors_policy.as_ref());
    inherit(&mut route.headers, root.headers.as_ref());
    inherit(&mut route.mirror, root.mirror.as_ref());
    inherit(
        &mut route.mirror_percentage,
        root.mirror_percentage.as_ref(),
    );
    if route.mirrors.is_empty() {
        route.mirrors.clone_from(&root.mirrors);
    }
    Some(route)
}

fn inherit<T: Clone>(own: &mut Option<T>, outer: Option<&T>) {
    if own.is_none() {
        *own = outer.cloned();
    }
}

fn join_names(root: &Str, supplied: &Str) -> Str {
    match (root.is_empty(), supplied.is_empty()) {
        (true, _) => supplied.clone(),
        (_, true) => root.clone(),
        _ => format!("{root}-{supplied}").into(),
    }
}

/// Every pair of conditions that a request can meet; `None` if there is none.
fn merge_conditions(
    root: &[HttpMatchRequest],
    supplied: &[HttpMatchRequest],
) -> Option<Vec<HttpMatchRequest>> {
    if root.is_empty() || supplied.is_empty() {
        return Some([root, supplied].concat());
    }
    let pairs = root
        .iter()
        .flat_map(|outer| supplied.iter().map(move |own| (outer, own)));
    let merged: Vec<_> = pairs.filter_map(|(outer, own)| both(outer, own)).collect();
    (!merged.is_empty()).then_some(merged)
}

/// The conditions of both; `None` if they exclude each other.
fn both(outer: &HttpMatchRequest, own: &HttpMatchRequest) -> Option<HttpMatchRequest> {
    Some(HttpMatchRequest {
        name: join_names(&outer.name, &own.name),
        uri: narrower(outer.uri.as_ref(), own.uri.as_ref())?,
        scheme: narrower(outer.scheme.as_ref(), own.scheme.as_ref())?,
        method: narrower(outer.method.as_ref(), own.method.as_ref())?,
        authority: narrower(outer.authority.as_ref(), own.authority.as_ref())?,
        headers: narrower_each(&outer.headers, &own.headers)?,
        query_params: narrower_each(&outer.query_params, &own.query_params)?,
        without_headers: narrower_each(&outer.without_headers, &own.without_headers)?,
        port: same_or_only(outer.port.as_ref(), own.port.as_ref())?,
        source_labels: labels_of_both(&outer.source_labels, &own.source_labels)?,
        source_namespace: same_or_only(
            Some(&outer.source_namespace).filter(|name| !name.is_empty()),
            Some(&own.source_namespace).filter(|name| !name.is_empty()),
        )?
        .unwrap_or_default(),
        gateways: gateways_of_both(&outer.gateways, &own.gateways)?,
        ignore_uri_case: outer.ignore_uri_case || own.ignore_uri_case,
        stat_prefix: if own.stat_prefix.is_empty() {
            outer.stat_prefix.clone()
        } else {
            own.stat_prefix.clone()
        },
    })
}

/// Of two conditions on one text the narrower one; `None` if they exclude each other, or if a
/// regular expression makes that impossible to tell.
#[expect(
    clippy::option_option,
    reason = "outside: possible at all; inside: a condition"
)]
fn narrower(outer: Option<&StringMatch>, own: Option<&StringMatch>) -> Option<Option<StringMatch>> {
    let (Some(outer), Some(own)) = (outer, own) else {
        return Some(own.or(outer).cloned());
    };
    let fits = outer == own
        || match (outer, own) {
            (StringMatch::Present, _) => true,
            (StringMatch::Prefix(prefix), StringMatch::Prefix(text) | StringMatch::Exact(text)) => {
                text.starts_with(prefix.as_str())
            }
            _ => false,
        };
    fits.then(|| Some(own.clone()))
}

fn narrower_each(
    outer: &BTreeMap<Str, StringMatch>,
    own: &BTreeMap<Str, StringMatch>,
) -> Option<BTreeMap<Str, StringMatch>> {
    let keys: BTreeSet<&Str> = outer.keys().chain(own.keys()).collect();
    let mut merged = BTreeMap::new();
    for key in keys {
        if let Some(condition) = narrower(outer.get(key), own.get(key))? {
            merged.insert(key.clone(), condition);
        }
    }
    Some(merged)
}

#[expect(
    clippy::option_option,
    reason = "outside: possible at all; inside: a condition"
)]
fn same_or_only<T: Clone + PartialEq>(outer: Option<&T>, own: Option<&T>) -> Option<Option<T>> {
    match (outer, own) {
        (Some(outer), Some(own)) if outer != own => None,
        _ => Some(own.or(outer).cloned()),
    }
}

fn labels_of_both(outer: &Selector, own: &Selector) -> Option<Selector> {
    let contradicts = outer
        .0
        .iter()
        .any(|(key, value)| own.0.get(key).is_some_and(|v| v != value));
    let all = outer.0.iter().chain(own.0.iter());
    let labels: Labels = all
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    (!contradicts).then_some(Selector(labels))
}

/// The delegate may name fewer gateways than the root, not others.
fn gateways_of_both<T: Clone + Eq + Hash>(outer: &[T], own: &[T]) -> Option<Vec<T>> {
    if own.is_empty() || outer.is_empty() {
        return Some([outer, own].concat());
    }
    own.iter()
        .all(|gateway| outer.contains(gateway))
        .then(|| own.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Option<StringMatch> {
        Some(StringMatch::Prefix(text.into()))
    }

    fn exact(text: &str) -> Option<StringMatch> {
        Some(StringMatch::Exact(text.into()))
    }

    #[test]
    fn the_narrower_of_two_conditions_holds() {
        let check = |outer: Option<StringMatch>, own: Option<StringMatch>| {
            narrower(outer.as_ref(), own.as_ref())
        };
        assert_eq!(check(prefix("/a"), prefix("/a/b")), Some(prefix("/a/b")));
        assert_eq!(check(prefix("/a"), exact("/a/b")), Some(exact("/a/b")));
        assert_eq!(check(prefix("/a"), None), Some(prefix("/a")));
        assert_eq!(check(prefix("/a"), prefix("/b")), None);
        assert_eq!(check(exact("/a"), prefix("/a")), None);
        let regex = Some(StringMatch::Regex("/a.*".into()));
        assert_eq!(check(prefix("/a"), regex.clone()), None);
        assert_eq!(check(None, regex.clone()), Some(regex));
    }

    #[test]
    fn pairs_that_exclude_each_other_are_left_out() {
        let on = |uri: Option<StringMatch>, port| HttpMatchRequest {
            uri,
            port,
            ..HttpMatchRequest::default()
        };
        let root = [on(prefix("/a"), Some(80)), on(prefix("/b"), None)];
        let own = [on(prefix("/b/c"), Some(81)), on(None, Some(80))];
        let merged = merge_conditions(&root, &own).expect("some pairs are possible");
        let expected = [
            on(prefix("/a"), Some(80)),
            on(prefix("/b/c"), Some(81)),
            on(prefix("/b"), Some(80)),
        ];
        assert_eq!(merged, expected);
        assert_eq!(merge_conditions(&root[..1], &own[..1]), None);
    }
}
