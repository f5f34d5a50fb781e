//! TLS of a listener: its certificates, and the roots for those of clients.

use ferromesh_config::Object;
use ferromesh_config::kind::gateway::{ServerTlsMode, ServerTlsSettings};
use ferromesh_config::kind::gateway_api::{
    ClientValidationMode, FrontendValidation, Gateway, Listener, ListenerTls, ListenerTlsMode,
    ObjectReference,
};
use ferromesh_config::kubernetes::Secret;
use ferromesh_types::{Namespace, Str};

use crate::SECRET_SCHEME;
use crate::grant::{self, Referred, namespace_of};
use crate::roots;
use crate::written::{Entry, Written};

/// The option that asks for another mode than TLS with a certificate of the listener's own.
const TERMINATE_MODE: &str = "gateway.istio.io/tls-terminate-mode";

/// The option that makes a listener pass connections on by the server names of mutual TLS.
const LISTENER_PROTOCOL: &str = "gateway.istio.io/listener-protocol";

/// TLS of a server.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    pub(crate) settings: ServerTlsSettings,
    /// Roots that nobody wrote as a Secret.
    pub(crate) roots: Option<Object>,
}

/// The settings of a listener; `None` if a certificate is missing or not open to the Gateway.
pub(crate) fn settings(
    written: &Written,
    gateway: Entry<'_, Gateway>,
    listener: &Listener,
) -> Option<Tls> {
    let tls = listener.tls.as_ref()?;
    if tls.mode == ListenerTlsMode::Passthrough {
        let by_name = option(tls, LISTENER_PROTOCOL) == Some("auto-passthrough");
        let mode = if by_name {
            ServerTlsMode::AutoPassthrough
        } else {
            ServerTlsMode::Passthrough
        };
        return Some(of_mode(mode));
    }
    let asked = option(tls, TERMINATE_MODE);
    if asked == Some("ISTIO_MUTUAL") {
        return Some(of_mode(ServerTlsMode::IstioMutual));
    }
    let home = gateway.meta.namespace();
    let names: Option<Vec<Str>> = tls
        .certificate_refs
        .iter()
        .map(|reference| credential(written, home, reference))
        .collect();
    let names = names.filter(|names| !names.is_empty())?;
    let mut made = of_mode(match asked {
        Some("MUTUAL") => ServerTlsMode::Mutual,
        Some("OPTIONAL_MUTUAL") => ServerTlsMode::OptionalMutual,
        _ => ServerTlsMode::Simple,
    });
    match names.as_slice() {
        [only] => made.settings.credential_name = only.clone(),
        _ => made.settings.credential_names = names,
    }
    if let Some(validation) = client_validation(gateway.spec, listener) {
        verify_clients(&mut made, written, home, validation);
    }
    Some(made)
}

fn of_mode(mode: ServerTlsMode) -> Tls {
    Tls {
        settings: ServerTlsSettings {
            mode,
            ..ServerTlsSettings::default()
        },
        roots: None,
    }
}

fn option<'a>(tls: &'a ListenerTls, name: &str) -> Option<&'a str> {
    tls.options.get(name).map(Str::as_str)
}

/// The name of a certificate; `None` if there is none that the Gateway may use.
fn credential(written: &Written, home: &Namespace, reference: &ObjectReference) -> Option<Str> {
    if !reference.group.is_empty() || reference.kind != "Secret" {
        return None;
    }
    let namespace = namespace_of(&reference.namespace, home);
    let target = (&namespace, &reference.name);
    let open = grant::permits(written, ("Gateway", home), Referred::Secret, target);
    let secret = written.secret(&namespace, &reference.name)?;
    (open && is_certificate(secret))
        .then(|| format!("{SECRET_SCHEME}{namespace}/{}", reference.name).into())
}

fn is_certificate(secret: &Secret) -> bool {
    let has = |key: &str| secret.data.contains_key(key) || secret.string_data.contains_key(key);
    (has("tls.crt") && has("tls.key")) || (has("cert") && has("key"))
}

/// How a listener verifies clients: as its port says, else as all do.
fn client_validation<'a>(
    gateway: &'a Gateway,
    listener: &Listener,
) -> Option<&'a FrontendValidation> {
    let frontend = gateway.tls.as_ref()?.frontend.as_ref()?;
    let own = frontend
        .per_port
        .iter()
        .find(|port| port.port == listener.port);
    let tls = own.map_or(&frontend.default, |port| &port.tls);
    tls.validation.as_ref()
}

/// Asks for client certificates. Roots that are missing or not open leave a name without content:
/// nobody is let in then.
fn verify_clients(
    made: &mut Tls,
    written: &Written,
    home: &Namespace,
    validation: &FrontendValidation,
) {
    made.settings.mode = match validation.mode {
        ClientValidationMode::AllowValidOnly => ServerTlsMode::Mutual,
        ClientValidationMode::AllowInsecureFallback => ServerTlsMode::OptionalMutual,
    };
    let refs = &validation.ca_certificate_refs;
    let namespace = refs.first().map_or_else(
        || home.clone(),
        |first| namespace_of(&first.namespace, home),
    );
    let open = refs.iter().all(|reference| {
        let target = (&namespace, &reference.name);
        namespace_of(&reference.namespace, home) == namespace
            && reference.kind == "ConfigMap"
            && grant::permits(written, ("Gateway", home), Referred::ConfigMap, target)
    });
    let names: Vec<&Str> = refs.iter().map(|reference| &reference.name).collect();
    let bundle = roots::of_config_maps(written, &namespace, &names);
    made.settings.ca_cert_credential_name = format!("{}-cacert", bundle.credential).into();
    made.roots = bundle.secret.filter(|_| open);
}
