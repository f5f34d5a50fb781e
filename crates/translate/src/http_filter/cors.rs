//! Cross-origin resource sharing of a route, as settings of the CORS filter.

use ferromesh_config::kind::virtual_service::{CorsPolicy as Written, UnmatchedPreflights};
use ferromesh_config::value::StringMatch;
use ferromesh_proto::envoy::config::core::v3::RuntimeFractionalPercent;
use ferromesh_proto::envoy::extensions::filters::http::cors::v3::CorsPolicy;
use ferromesh_proto::envoy::r#type::matcher::v3::StringMatcher;
use ferromesh_proto::envoy::r#type::v3::FractionalPercent;
use ferromesh_proto::google::protobuf::Any;
use ferromesh_types::Str;

use crate::value;

/// The filter's name, under which a route carries its settings.
pub(crate) const NAME: &str = "envoy.filters.http.cors";

/// The settings of a route.
pub(crate) fn settings(written: &Written) -> Any {
    let origins = if written.allow_origins.is_empty() {
        written.allow_origin.iter().map(older_origin).collect()
    } else {
        written.allow_origins.iter().map(origin).collect()
    };
    let forward = match written.unmatched_preflights {
        UnmatchedPreflights::Unspecified => None,
        UnmatchedPreflights::Forward => value::flag(true),
        UnmatchedPreflights::Ignore => value::flag(false),
    };
    value::any(&CorsPolicy {
        allow_origin_string_match: origins,
        allow_methods: joined(&written.allow_methods),
        allow_headers: joined(&written.allow_headers),
        expose_headers: joined(&written.expose_headers),
        max_age: written
            .max_age
            .map(|age| age.as_secs().to_string())
            .unwrap_or_default(),
        allow_credentials: written.allow_credentials.and_then(value::flag),
        filter_enabled: Some(RuntimeFractionalPercent {
            default_value: Some(FractionalPercent {
                numerator: 100,
                ..Default::default()
            }),
            ..Default::default()
        }),
        forward_not_matching_preflights: forward,
        ..Default::default()
    })
}

fn joined(items: &[Str]) -> String {
    items.iter().map(Str::as_str).collect::<Vec<_>>().join(",")
}

fn origin(wanted: &StringMatch) -> StringMatcher {
    match wanted {
        StringMatch::Present => value::regex(".*"),
        StringMatch::Exact(text) => older_origin(text),
        // Every origin begins with nothing, which proxies refuse to be asked for.
        StringMatch::Prefix(text) if text.is_empty() => value::regex(".*"),
        StringMatch::Prefix(text) => value::prefix(text.as_str()),
        StringMatch::Regex(text) => value::regex(text.as_str()),
    }
}

/// `*` stands for every origin.
fn older_origin(text: &Str) -> StringMatcher {
    if *text == "*" {
        value::regex(".*")
    } else {
        value::exact(text.as_str())
    }
}
