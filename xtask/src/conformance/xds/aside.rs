//! A recorded state without the filters that our proxy does not have: they are told as refused, and
//! do not decide where calls go, so that the rest can still be compared.

use serde_json::Value;

/// Message types of such filters, the end of their name.
const TYPES: &[&str] = &[
    ".ExtAuthz",
    ".JwtAuthentication",
    ".LocalRateLimit",
    ".Lua",
    ".OriginalSrc",
    ".Wasm",
];

/// Takes them out.
pub(super) fn lay_filters(state: &mut Value) {
    match state {
        Value::Object(fields) => {
            for (key, value) in fields {
                if matches!(key.as_str(), "filters" | "httpFilters" | "listenerFilters")
                    && let Value::Array(filters) = value
                {
                    filters.retain(|filter| !is_aside(filter));
                }
                lay_filters(value);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(lay_filters),
        _ => {}
    }
}

fn is_aside(filter: &Value) -> bool {
    let config = &filter["typedConfig"];
    let kind = config["typeUrl"].as_str().or(config["@type"].as_str());
    let kind = kind.unwrap_or_default();
    filter["configDiscovery"].is_object() || TYPES.iter().any(|aside| kind.ends_with(aside))
}
