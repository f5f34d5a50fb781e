//! The rules of filters.

use std::fmt::Debug;

use ferromesh_types::Str;

use super::reference_check::{exact_hostname, local, port, service};
use super::{
    CorsFilter, FilterType, HeaderModifier, HttpHeader, PathModifier, PathModifierType,
    RequestMirror, RequestRedirect, RouteFilter, UrlRewrite,
};
use crate::check::{Findings, format, text};
use crate::problem::Code;

/// Who has the filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    HttpRule,
    HttpBackend,
    GrpcRule,
    GrpcBackend,
}

impl Owner {
    /// Whether its API knows filters of this type.
    fn knows(self, kind: FilterType) -> bool {
        let http = matches!(self, Self::HttpRule | Self::HttpBackend);
        match kind {
            FilterType::RequestRedirect
            | FilterType::UrlRewrite
            | FilterType::Cors
            | FilterType::ExternalAuth => http,
            FilterType::RequestHeaderModifier
            | FilterType::ResponseHeaderModifier
            | FilterType::RequestMirror
            | FilterType::ExtensionRef => true,
        }
    }

    /// Whether its filters of this type are served.
    fn serves(self, kind: FilterType) -> bool {
        let rule = matches!(self, Self::HttpRule | Self::GrpcRule);
        match kind {
            FilterType::RequestHeaderModifier | FilterType::ResponseHeaderModifier => true,
            FilterType::ExternalAuth | FilterType::ExtensionRef => false,
            FilterType::RequestRedirect
            | FilterType::UrlRewrite
            | FilterType::Cors
            | FilterType::RequestMirror => rule,
        }
    }
}

/// The rules of a list of filters.
pub(super) fn filters(findings: &mut Findings<'_>, filters: &[RouteFilter], owner: Owner) {
    findings.max_items("filters", filters.len(), 16);
    findings.each("filters", filters, |findings, value| {
        filter(findings, value, owner);
    });
    let has = |kind| filters.iter().any(|filter| filter.r#type == Some(kind));
    if has(FilterType::RequestRedirect) && has(FilterType::UrlRewrite) {
        findings.error_at(
            "filters",
            "Invalid value: May specify either requestRedirect or urlRewrite, but not both",
        );
    }
    for (index, filter) in filters.iter().enumerate() {
        let once = !matches!(
            filter.r#type,
            None | Some(FilterType::RequestMirror | FilterType::ExtensionRef)
        );
        if once
            && filters[..index]
                .iter()
                .any(|before| before.r#type == filter.r#type)
        {
            findings.error_at(
                &format!("filters[{index}]"),
                "Invalid value: a filter of this type cannot be repeated",
            );
        }
    }
}

fn filter(findings: &mut Findings<'_>, filter: &RouteFilter, owner: Owner) {
    let Some(kind) = filter.r#type else {
        findings.required("type", false);
        return;
    };
    let fields = [
        (FilterType::RequestHeaderModifier, "requestHeaderModifier"),
        (FilterType::ResponseHeaderModifier, "responseHeaderModifier"),
        (FilterType::RequestMirror, "requestMirror"),
        (FilterType::RequestRedirect, "requestRedirect"),
        (FilterType::UrlRewrite, "urlRewrite"),
        (FilterType::Cors, "cors"),
        (FilterType::ExternalAuth, "externalAuth"),
        (FilterType::ExtensionRef, "extensionRef"),
    ];
    for (of, field) in fields {
        exactly_if(findings, (field, findings.is_written(field)), (of, kind));
    }
    if !owner.knows(kind) {
        findings.error_at("type", "Unsupported value: this route has no such filter");
    } else if !owner.serves(kind) {
        findings.warn_at(
            "type",
            Code::NoEffect,
            "this filter is not served in this version; requests of the rule are answered with 500",
        );
    }
    findings.some(
        "requestHeaderModifier",
        filter.request_header_modifier.as_ref(),
        headers,
    );
    findings.some(
        "responseHeaderModifier",
        filter.response_header_modifier.as_ref(),
        headers,
    );
    findings.some("requestMirror", filter.request_mirror.as_ref(), mirror);
    findings.some(
        "requestRedirect",
        filter.request_redirect.as_ref(),
        redirect,
    );
    findings.some("urlRewrite", filter.url_rewrite.as_ref(), rewrite);
    findings.some("cors", filter.cors.as_ref(), cors);
    findings.some("extensionRef", filter.extension_ref.as_ref(), local);
}

/// Takes a field to be set for objects of type `of`, and only for them.
fn exactly_if<T: PartialEq + Debug>(
    findings: &mut Findings<'_>,
    (field, is_set): (&str, bool),
    (of, kind): (T, T),
) {
    if (of == kind) != is_set {
        findings.error_at(
            field,
            format!("Invalid value: {field} must be set exactly if the type is {of:?}"),
        );
    }
}

fn headers(findings: &mut Findings<'_>, value: &HeaderModifier) {
    header_list(findings, "set", &value.set);
    header_list(findings, "add", &value.add);
    findings.max_items("remove", value.remove.len(), 16);
    for (index, name) in value.remove.iter().enumerate() {
        findings.rule(&format!("remove[{index}]"), header_name(name));
    }
}

fn header_list(findings: &mut Findings<'_>, field: &str, headers: &[HttpHeader]) {
    findings.max_items(field, headers.len(), 16);
    findings.each(field, headers, |findings, header| {
        findings.rule("name", header_name(&header.name));
        findings.rule("value", format::header_value(&header.value));
    });
    unique_names(findings, field, headers.iter().map(|header| &header.name));
}

/// Takes the names of a list to be there once each, whatever their case.
pub(super) fn unique_names<'a>(
    findings: &mut Findings<'_>,
    field: &str,
    names: impl Iterator<Item = &'a Str>,
) {
    let mut seen = std::collections::HashSet::new();
    for (index, name) in names.enumerate() {
        if !seen.insert(name.to_ascii_lowercase()) {
            let message = format!("Duplicate value: \"{name}\"");
            findings.error_at(&format!("{field}[{index}].name"), message);
        }
    }
}

/// The name of a header that is no pseudo header.
pub(super) fn header_name(name: &str) -> Result<(), String> {
    text::header_name(name)?;
    if name.starts_with(':') {
        return Err(format!(
            "Invalid value: \"{name}\": pseudo headers are not allowed"
        ));
    }
    Ok(())
}

fn mirror(findings: &mut Findings<'_>, value: &RequestMirror) {
    findings.field("backendRef", |findings| {
        service(findings, &value.backend_ref);
    });
    findings.at_most_one(&["percent", "fraction"]);
    if value.percent.is_some_and(|percent| percent > 100) {
        findings.error_at("percent", "Invalid value: must be between 0 and 100");
    }
    findings.some("fraction", value.fraction.as_ref(), |findings, fraction| {
        if fraction.denominator == 0 {
            findings.error_at("denominator", "Invalid value: 0: must be at least 1");
        } else if fraction.numerator > fraction.denominator {
            findings.error("Invalid value: numerator must be less than or equal to denominator");
        }
    });
}

fn redirect(findings: &mut Findings<'_>, value: &RequestRedirect) {
    if !value.scheme.is_empty() && !matches!(value.scheme.as_str(), "http" | "https") {
        findings.error_at(
            "scheme",
            format!(
                "Unsupported value: \"{}\": supported values: \"http\", \"https\"",
                value.scheme
            ),
        );
    }
    exact_hostname(findings, &value.hostname);
    port(findings, value.port);
    if let Some(code) = value.status_code
        && !matches!(code, 301 | 302 | 303 | 307 | 308)
    {
        findings.error_at(
            "statusCode",
            format!("Unsupported value: {code}: supported values: 301, 302, 303, 307, 308"),
        );
    }
    findings.some("path", value.path.as_ref(), path);
}

fn rewrite(findings: &mut Findings<'_>, value: &UrlRewrite) {
    exact_hostname(findings, &value.hostname);
    findings.some("path", value.path.as_ref(), path);
}

fn path(findings: &mut Findings<'_>, value: &PathModifier) {
    let Some(kind) = value.r#type else {
        findings.required("type", false);
        return;
    };
    for (of, field, text) in [
        (
            PathModifierType::ReplaceFullPath,
            "replaceFullPath",
            &value.replace_full_path,
        ),
        (
            PathModifierType::ReplacePrefixMatch,
            "replacePrefixMatch",
            &value.replace_prefix_match,
        ),
    ] {
        exactly_if(findings, (field, text.is_some()), (of, kind));
        findings.max_length(field, text.as_deref().unwrap_or_default(), 1024);
    }
}

fn cors(findings: &mut Findings<'_>, value: &CorsFilter) {
    findings.max_items("allowOrigins", value.allow_origins.len(), 64);
    for (index, origin) in value.allow_origins.iter().enumerate() {
        let good = *origin == "*" || text::url_scheme(origin).is_some();
        if !good {
            findings.error_at(
                &format!("allowOrigins[{index}]"),
                format!("Invalid value: \"{origin}\": must be scheme://host[:port] or *"),
            );
        }
    }
    for (field, names) in [
        ("allowMethods", &value.allow_methods),
        ("allowHeaders", &value.allow_headers),
        ("exposeHeaders", &value.expose_headers),
    ] {
        findings.max_items(field, names.len(), 64);
        for (index, name) in names.iter().enumerate() {
            findings.rule(&format!("{field}[{index}]"), header_name(name));
        }
        if names.len() > 1 && names.iter().any(|name| *name == "*") {
            findings.error_at(
                field,
                "Invalid value: \"*\" cannot stand beside other values",
            );
        }
    }
    if value.max_age == Some(0) {
        findings.error_at("maxAge", "Invalid value: 0: must be at least 1");
    }
}
