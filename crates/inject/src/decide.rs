//! Istio's decision table: which pods get a proxy.
//!
//! First the namespace and revision labels say whether this control plane is asked at all, then
//! the pod's own label, annotation and the installation's selectors and policy decide.

use ferromesh_types::{Labels, Selector};
use serde_json::Value;

use crate::annotations::Annotations;
use crate::{InjectSettings, Policy};

/// The answer, with the rule that gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The pod gets a proxy.
    Inject,
    /// It stays as it is.
    Skip {
        /// Which rule said so, for people.
        reason: &'static str,
    },
}

const INJECT: &str = "sidecar.istio.io/inject";
const REVISION: &str = "istio.io/rev";
/// Namespaces of the cluster itself, where a proxy would stop the cluster from working.
const SYSTEM_NAMESPACES: [&str; 4] = [
    "kube-system",
    "kube-public",
    "kube-node-lease",
    "local-path-storage",
];

/// Whether `pod` (its JSON), in a namespace with the given name and labels, gets a proxy.
pub fn decide(
    namespace: &str,
    namespace_labels: &Labels,
    pod: &Value,
    settings: &InjectSettings,
) -> Decision {
    let labels = pod_labels(pod);
    let own_word = labels.get(INJECT).map(ferromesh_types::Str::as_str);
    if let Err(reason) = is_asked(namespace_labels, &labels, own_word, settings) {
        return Decision::Skip { reason };
    }
    if pod.pointer("/spec/hostNetwork").and_then(Value::as_bool) == Some(true) {
        return Decision::Skip {
            reason: "the pod uses the network of its host",
        };
    }
    if SYSTEM_NAMESPACES.contains(&namespace) {
        return Decision::Skip {
            reason: "the namespace belongs to the cluster itself",
        };
    }
    if has_proxy(pod) {
        return Decision::Skip {
            reason: "the pod has a proxy already",
        };
    }
    match own_word.or_else(|| Annotations::of(pod).text(INJECT)) {
        Some("true") => return Decision::Inject,
        Some("false") => {
            return Decision::Skip {
                reason: "the pod says sidecar.istio.io/inject: false",
            };
        }
        _ => {}
    }
    let any = |selectors: &[Selector]| {
        selectors
            .iter()
            .any(|selector| !selector.is_empty() && selector.matches(&labels))
    };
    if any(&settings.never) {
        return Decision::Skip {
            reason: "the installation never injects pods with these labels",
        };
    }
    if any(&settings.always) || settings.policy == Policy::Enabled {
        return Decision::Inject;
    }
    Decision::Skip {
        reason: "the installation's policy is disabled",
    }
}

/// Whether the cluster would call this control plane for the pod.
fn is_asked(
    namespace: &Labels,
    pod: &Labels,
    own_word: Option<&str>,
    settings: &InjectSettings,
) -> Result<(), &'static str> {
    let is_default = settings.revision == "default";
    match namespace
        .get("istio-injection")
        .map(ferromesh_types::Str::as_str)
    {
        Some("disabled") => return Err("the namespace says istio-injection: disabled"),
        Some("enabled") if own_word == Some("false") => {
            return Err("the pod says sidecar.istio.io/inject: false");
        }
        Some("enabled") if is_default => return Ok(()),
        Some("enabled") => return Err("the namespace belongs to the default revision"),
        _ => {}
    }
    if own_word == Some("false") {
        return Err("the pod says sidecar.istio.io/inject: false");
    }
    let ours = |revision: &str| revision == settings.revision;
    match (namespace.get(REVISION), pod.get(REVISION)) {
        (Some(revision), _) if ours(revision) => Ok(()),
        (Some(_), _) => Err("the namespace belongs to another revision"),
        (None, Some(revision)) if ours(revision) => Ok(()),
        (None, Some(_)) => Err("the pod belongs to another revision"),
        (None, None) if own_word == Some("true") && is_default => Ok(()),
        (None, None) if settings.every_namespace && is_default => Ok(()),
        (None, None) => Err("neither the namespace nor the pod asks for a proxy"),
    }
}

fn pod_labels(pod: &Value) -> Labels {
    let labels = pod.pointer("/metadata/labels").and_then(Value::as_object);
    labels
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
        .collect()
}

/// A pod that went through injection carries the status annotation.
fn has_proxy(pod: &Value) -> bool {
    Annotations::of(pod)
        .text("sidecar.istio.io/status")
        .is_some()
}
