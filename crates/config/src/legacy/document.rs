//! The envelope of a document: `type`, `name`, `namespace`, `spec`.

use ferromesh_types::{ResourceKey, Str};
use serde::Deserialize;
use serde_json::Value;

use super::destination_policy::DestinationPolicy;
use super::route_rule::RouteRule;
use crate::check::Finding;
use crate::parse::typed;
use crate::problem::Code;

/// A document of Istio 0.1.
#[derive(Debug)]
pub(super) struct Legacy {
    /// The namespace that it was created in.
    pub(super) namespace: Str,
    /// Its content.
    pub(super) spec: Spec,
}

/// The content of a document.
#[derive(Debug)]
pub(super) enum Spec {
    /// Where requests to a destination go.
    RouteRule(Box<RouteRule>),
    /// How a destination is called.
    DestinationPolicy(DestinationPolicy),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Envelope {
    r#type: Str,
    #[serde(default, rename = "name")]
    _name: Str,
    #[serde(default)]
    namespace: Str,
    #[serde(default, rename = "resourceVersion")]
    _resource_version: Value,
    #[serde(default)]
    spec: Value,
}

/// Reads a document.
pub(super) fn read(json: &Value) -> Result<Legacy, Finding> {
    if json.get("type").is_none() {
        let message = "this is not a document of Istio 0.1, which says `type: route-rule` or \
                       `type: destination-policy`; documents of later versions need no conversion \
                       or are not convertible";
        return Err(Finding {
            code: Code::UnknownKind,
            ..Finding::error("type", message)
        });
    }
    let envelope: Envelope = typed(json, "")?;
    let spec = match envelope.r#type.as_str() {
        "route-rule" => Spec::RouteRule(Box::new(typed(&envelope.spec, "spec")?)),
        "destination-policy" => Spec::DestinationPolicy(typed(&envelope.spec, "spec")?),
        other => {
            let message = format!(
                "documents of type \"{other}\" have no counterpart; route-rule and \
                 destination-policy can be converted"
            );
            return Err(Finding {
                code: Code::UnknownKind,
                ..Finding::error("type", message)
            });
        }
    };
    Ok(Legacy {
        namespace: envelope.namespace,
        spec,
    })
}

/// What to call a document in a message.
pub(super) fn guess_key(json: &Value) -> ResourceKey {
    let text = |field: &str| json.get(field).and_then(Value::as_str).unwrap_or_default();
    let kind = match text("type") {
        "" => "document",
        kind => kind,
    };
    ResourceKey::new(kind, text("namespace"), text("name"))
}
