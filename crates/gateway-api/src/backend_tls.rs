//! TLS towards Services, as DestinationRules.

use std::collections::BTreeMap;
use std::sync::Arc;

use ferromesh_config::kind::destination_rule::{
    ClientTlsMode, ClientTlsSettings, DestinationRule, PortTrafficPolicy, TrafficPolicy,
};
use ferromesh_config::kind::gateway_api::{
    BackendTlsPolicy, BackendTlsValidation, PolicyTarget, SubjectAltName, SubjectAltNameType,
};
use ferromesh_config::kind::virtual_service::PortSelector;
use ferromesh_config::{Kind, Object, Spec};
use ferromesh_types::{Hostname, Namespace, Str};
use time::OffsetDateTime;

use crate::roots;
use crate::synthetic::{Identity, MARK, object};
use crate::written::{Entry, Written};

/// What the policies of one Service say.
#[derive(Default)]
struct Rule {
    created: Option<OffsetDateTime>,
    policy: TrafficPolicy,
}

/// The rules of all policies, and the roots that they need. Of two policies for one port the older
/// one counts.
pub(crate) fn objects(written: &Written) -> Vec<Object> {
    let mut rules: BTreeMap<(Namespace, Str), Rule> = BTreeMap::new();
    let mut made = Vec::new();
    for policy in written.backend_tls_policies() {
        let (tls, roots) = settings(written, policy);
        made.extend(roots);
        let services = policy.spec.target_refs.iter();
        for target in services.filter(|t| t.group.is_empty() && t.kind == "Service") {
            let key = (policy.meta.namespace().clone(), target.name.clone());
            let rule = rules.entry(key).or_insert_with(|| Rule {
                created: policy.meta.created(),
                ..Rule::default()
            });
            rule.add(written, policy.meta.namespace(), target, &tls);
        }
    }
    for ((namespace, service), rule) in rules {
        made.push(rule.into_object(written, &namespace, &service));
    }
    made
}

impl Rule {
    /// Adds a policy for the Service, or for one of its ports.
    fn add(
        &mut self,
        written: &Written,
        namespace: &Namespace,
        target: &PolicyTarget,
        tls: &ClientTlsSettings,
    ) {
        if target.section_name.is_empty() {
            self.policy.tls.get_or_insert_with(|| tls.clone());
            return;
        }
        let service = written.service(namespace, &target.name);
        let ports = service.into_iter().flat_map(|service| &service.spec.ports);
        let named = ports.filter(|port| port.name == target.section_name);
        for port in named {
            let selector = PortSelector { number: port.port };
            let known = |port: &PortTrafficPolicy| port.port == Some(selector);
            if !self.policy.port_level_settings.iter().any(known) {
                self.policy.port_level_settings.push(PortTrafficPolicy {
                    port: Some(selector),
                    tls: Some(tls.clone()),
                    ..PortTrafficPolicy::default()
                });
            }
        }
    }

    fn into_object(self, written: &Written, namespace: &Namespace, service: &Str) -> Object {
        let rule = DestinationRule {
            host: Hostname::from(service.as_str()).expand(namespace, &written.domain),
            traffic_policy: Some(self.policy),
            export_to: vec!["*".into()],
            ..DestinationRule::default()
        };
        let name = format!("{service}~{MARK}");
        let identity = Identity::new(Kind::DestinationRule, namespace, name, self.created);
        object(identity, Spec::DestinationRule(Arc::new(rule)))
    }
}

fn settings(
    written: &Written,
    policy: Entry<'_, BackendTlsPolicy>,
) -> (ClientTlsSettings, Option<Object>) {
    let validation = &policy.spec.validation;
    let mut tls = ClientTlsSettings {
        mode: ClientTlsMode::Simple,
        sni: validation.hostname.clone(),
        subject_alt_names: names(validation),
        ..ClientTlsSettings::default()
    };
    if validation.ca_certificate_refs.is_empty() {
        return (tls, None);
    }
    let refs = &validation.ca_certificate_refs;
    let known = refs
        .iter()
        .all(|root| root.group.is_empty() && root.kind == "ConfigMap");
    let maps: Vec<&Str> = refs.iter().map(|root| &root.name).collect();
    let bundle = roots::of_config_maps(written, policy.meta.namespace(), &maps);
    tls.credential_name = bundle.credential;
    (tls, bundle.secret.filter(|_| known))
}

/// Names of which the certificate must carry one: `hostname` where no other is given.
fn names(validation: &BackendTlsValidation) -> Vec<Str> {
    if validation.subject_alt_names.is_empty() {
        return vec![validation.hostname.clone()];
    }
    let name = |name: &SubjectAltName| match name.r#type {
        SubjectAltNameType::Hostname => name.hostname.clone(),
        SubjectAltNameType::Uri => name.uri.clone(),
    };
    validation.subject_alt_names.iter().map(name).collect()
}
