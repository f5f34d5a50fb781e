//! Which Gateways are served here.

use ferromesh_types::Str;

use crate::written::Written;

/// The controller that this control plane is.
const CONTROLLER: &str = "istio.io/gateway-controller";

/// The class that is there without an object.
const DEFAULT_CLASS: &str = "istio";

/// Whether Gateways of a class are served here.
pub(crate) fn is_served(written: &Written, class: &Str) -> bool {
    match written.class(class) {
        Some(class) => class.controller_name == CONTROLLER,
        None => *class == DEFAULT_CLASS,
    }
}
