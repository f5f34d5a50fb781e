//! The rules of Telemetry beyond its types.

use super::{
    AccessLogging, CustomTag, Metrics, MetricsOverrides, NamedTag, ProviderRef, TagOperation,
    Telemetry, Tracing,
};
use crate::check::{Findings, scope, text};
use crate::parse::Body;
use crate::problem::Code;

impl Body for Telemetry {
    const STRICT: bool = true;

    fn check(&self, findings: &mut Findings<'_>) {
        scope::policy_target(
            findings,
            self.selector.as_ref(),
            self.target_ref.as_ref(),
            &self.target_refs,
        );
        findings.each("tracing", &self.tracing, tracing);
        findings.each("metrics", &self.metrics, metrics);
        findings.each(
            "accessLogging",
            &self.access_logging,
            |findings, logging: &AccessLogging| {
                providers(findings, &logging.providers);
            },
        );
        if self.tracing.len() > 1 {
            findings.warn_at(
                "tracing[1]",
                Code::Suspicious,
                "only the first tracing rule is used",
            );
        }
    }
}

fn providers(findings: &mut Findings<'_>, providers: &[ProviderRef]) {
    findings.each("providers", providers, |findings, _| {
        findings.required("name", findings.is_written("name"));
        findings.min_length("name", 1);
    });
}

fn tracing(findings: &mut Findings<'_>, value: &Tracing) {
    providers(findings, &value.providers);
    if value.providers.len() > 1 {
        findings.warn_at(
            "providers[1]",
            Code::Suspicious,
            "only the first provider is used",
        );
    }
    if let Some(share) = value.random_sampling_percentage {
        findings.rule("randomSamplingPercentage", text::percent(share));
    }
    findings.field("customTags", |findings| {
        for (name, tag) in &value.custom_tags {
            if name.is_empty() {
                findings.error("Invalid value: \"object\": a tag must have a name");
            }
            findings.field(name, |findings| custom_tag(findings, tag));
        }
    });
}

fn custom_tag(findings: &mut Findings<'_>, tag: &CustomTag) {
    findings.at_most_one(&["literal", "environment", "header", "formatter"]);
    findings.some("literal", tag.literal.as_ref(), |findings, _| {
        findings.required("value", findings.is_written("value"));
        findings.min_length("value", 1);
    });
    findings.some("environment", tag.environment.as_ref(), named_tag);
    findings.some("header", tag.header.as_ref(), named_tag);
    findings.some("formatter", tag.formatter.as_ref(), |findings, _| {
        findings.min_length("value", 1);
    });
}

fn named_tag(findings: &mut Findings<'_>, _: &NamedTag) {
    findings.required("name", findings.is_written("name"));
    findings.min_length("name", 1);
}

fn metrics(findings: &mut Findings<'_>, value: &Metrics) {
    providers(findings, &value.providers);
    if let Some(interval) = value.reporting_interval {
        findings.rule("reportingInterval", text::duration(interval));
    }
    findings.each("overrides", &value.overrides, overrides);
}

fn overrides(findings: &mut Findings<'_>, value: &MetricsOverrides) {
    findings.field("match", |findings| {
        findings.at_most_one(&["metric", "customMetric"]);
        findings.min_length("customMetric", 1);
    });
    findings.field("tagOverrides", |findings| {
        for (name, change) in &value.tag_overrides {
            findings.field(name, |findings| {
                let written = findings.is_written("value") && !change.value.is_empty();
                match change.operation {
                    TagOperation::Upsert if !written => findings.error(
                        "Invalid value: \"object\": value must be set when operation is UPSERT",
                    ),
                    TagOperation::Remove if findings.is_written("value") => findings.error(
                        "Invalid value: \"object\": value must not be set when operation is REMOVE",
                    ),
                    _ => {}
                }
            });
        }
    });
}
