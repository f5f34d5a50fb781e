//! Roots of trust from ConfigMaps, as Secrets that nobody wrote: proxies get them like any other.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ferromesh_config::kubernetes::Secret;
use ferromesh_config::{Kind, Object, Spec};
use ferromesh_types::{Namespace, Str};

use crate::synthetic::{Identity, object};
use crate::written::Written;

/// The scheme of the names of such roots: `configmap://ns/name`.
pub const SCHEME: &str = "configmap://";

/// The key that roots stand under.
const KEY: &str = "ca.crt";

/// Between the names of several ConfigMaps.
const JOINT: &str = "+";

/// The Secret that holds the roots of the ConfigMap called `config_map`.
pub fn secret_name(config_map: &str) -> Str {
    format!("configmap{JOINT}{config_map}").into()
}

/// Whether a Secret of this name holds roots of ConfigMaps.
pub fn is_roots_secret(name: &str) -> bool {
    name.contains(JOINT)
}

/// Roots for one or several ConfigMaps.
#[derive(Clone, Debug)]
pub(crate) struct Roots {
    /// The name for credentials; roots with this name exist only if all ConfigMaps do.
    pub(crate) credential: Str,
    /// The Secret; absent if a ConfigMap is missing or empty, so that nothing is trusted.
    pub(crate) secret: Option<Object>,
}

/// The roots in ConfigMaps of one namespace.
pub(crate) fn of_config_maps(written: &Written, namespace: &Namespace, names: &[&Str]) -> Roots {
    let joined: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    let joined = joined.join(JOINT);
    let texts: Option<Vec<String>> = names
        .iter()
        .map(|name| certificates(written, namespace, name))
        .collect();
    let secret = texts.filter(|texts| !texts.is_empty()).map(|texts| {
        let data = STANDARD.encode(texts.join("\n"));
        let secret = Secret {
            data: [(KEY.into(), data.into())].into(),
            ..Secret::default()
        };
        let identity = Identity::new(Kind::Secret, namespace, secret_name(&joined), None);
        object(identity, Spec::Secret(secret.into()))
    });
    Roots {
        credential: format!("{SCHEME}{namespace}/{joined}").into(),
        secret,
    }
}

fn certificates(written: &Written, namespace: &Namespace, name: &Str) -> Option<String> {
    let map = written.config_map(namespace, name)?;
    if let Some(text) = map.data.get(KEY) {
        return Some(text.to_string());
    }
    let bytes = STANDARD.decode(map.binary_data.get(KEY)?.as_bytes()).ok()?;
    String::from_utf8(bytes).ok()
}
