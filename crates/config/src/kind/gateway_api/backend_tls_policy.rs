//! `BackendTLSPolicy`: TLS from a gateway to a Service.

use std::collections::BTreeMap;

use ferromesh_types::Str;
use serde::Deserialize;

use super::reference_check::{self, exact_hostname};
use super::{LocalReference, PolicyTarget};
use crate::check::{Findings, name};
use crate::parse::Body;
use crate::problem::Code;

/// TLS for the Services that it is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BackendTlsPolicy {
    /// The Services.
    pub target_refs: Vec<PolicyTarget>,
    /// How their certificates are verified.
    pub validation: BackendTlsValidation,
    /// Settings of implementations. Has no effect.
    pub options: BTreeMap<Str, Str>,
}

/// How a certificate is verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BackendTlsValidation {
    /// ConfigMaps with roots under `ca.crt`.
    pub ca_certificate_refs: Vec<LocalReference>,
    /// `System`: the roots of the system.
    #[serde(rename = "wellKnownCACertificates")]
    pub well_known_ca_certificates: Str,
    /// The server name, which the certificate must be for.
    pub hostname: Str,
    /// Names of which the certificate must carry one, instead of `hostname`.
    pub subject_alt_names: Vec<SubjectAltName>,
}

/// A name in a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SubjectAltName {
    /// Which of the fields holds it.
    pub r#type: SubjectAltNameType,
    /// As host name.
    pub hostname: Str,
    /// As URI.
    pub uri: Str,
}

/// The forms of names in certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum SubjectAltNameType {
    /// A host name.
    #[default]
    Hostname,
    /// A URI, as in SPIFFE identities.
    #[serde(rename = "URI")]
    Uri,
}

impl Body for BackendTlsPolicy {
    const STRICT: bool = true;

    fn check(&self, findings: &mut Findings<'_>) {
        findings.required("targetRefs", !self.target_refs.is_empty());
        findings.max_items("targetRefs", self.target_refs.len(), 16);
        findings.each("targetRefs", &self.target_refs, |findings, target| {
            findings.required("kind", !target.kind.is_empty());
            findings.required("name", !target.name.is_empty());
            if !target.section_name.is_empty() {
                findings.rule("sectionName", name::object_name(&target.section_name));
            }
            if !target.group.is_empty() || target.kind != "Service" {
                findings.warn_at("kind", Code::NoEffect, "only Services are served");
            }
        });
        findings.field("validation", |findings| {
            validation(findings, &self.validation);
        });
    }
}

fn validation(findings: &mut Findings<'_>, validation: &BackendTlsValidation) {
    let refs = &validation.ca_certificate_refs;
    match (
        refs.is_empty(),
        validation.well_known_ca_certificates.is_empty(),
    ) {
        (true, true) => findings.error(
            "Invalid value: must specify either caCertificateRefs or wellKnownCACertificates",
        ),
        (false, false) => findings.error(
            "Invalid value: must not contain both caCertificateRefs and wellKnownCACertificates",
        ),
        _ => {}
    }
    findings.max_items("caCertificateRefs", refs.len(), 8);
    if !refs.is_empty() {
        findings.warn_at(
            "caCertificateRefs",
            Code::NoEffect,
            "only gateways get roots from ConfigMaps; sidecars keep to automatic mutual TLS",
        );
    }
    findings.each("caCertificateRefs", refs, |findings, target| {
        reference_check::local(findings, target);
        if !target.group.is_empty() || target.kind != "ConfigMap" {
            findings.warn_at(
                "kind",
                Code::NoEffect,
                "roots are read from ConfigMaps only; nothing is trusted for this one",
            );
        }
    });
    let well_known = &validation.well_known_ca_certificates;
    if !well_known.is_empty() && *well_known != "System" {
        findings.error_at(
            "wellKnownCACertificates",
            format!("Unsupported value: \"{well_known}\": supported values: \"System\""),
        );
    }
    findings.required("hostname", !validation.hostname.is_empty());
    exact_hostname(findings, &validation.hostname);
    findings.max_items("subjectAltNames", validation.subject_alt_names.len(), 5);
    findings.each(
        "subjectAltNames",
        &validation.subject_alt_names,
        |findings, name| {
            let (field, other) = match name.r#type {
                SubjectAltNameType::Hostname => ("hostname", "uri"),
                SubjectAltNameType::Uri => ("uri", "hostname"),
            };
            findings.required(field, findings.is_written(field));
            if findings.is_written(other) {
                findings.error_at(other, "Invalid value: does not go with this type");
            }
        },
    );
}
