//! The condition of a route: path, method, headers and query parameters of a VirtualService match.

use std::collections::BTreeMap;

use ferromesh_config::kind::virtual_service::{HttpMatchRequest, RouteSemantics};
use ferromesh_config::value::StringMatch;
use ferromesh_proto::envoy::config::route::v3::{
    HeaderMatcher, QueryParameterMatcher, RouteMatch, header_matcher::HeaderMatchSpecifier,
    query_parameter_matcher::QueryParameterMatchSpecifier, route_match::PathSpecifier,
};
use ferromesh_proto::envoy::r#type::matcher::v3::{
    ListMatcher, MetadataMatcher, StringMatcher, ValueMatcher, list_matcher, metadata_matcher,
    value_matcher,
};

use ferromesh_types::Str;

use crate::value;

/// The header names that stand for a claim of a verified token: `@request.auth.claims.sub` or
/// `@request.auth.claims[sub]`.
const CLAIM_PREFIX: &str = "@request.auth.claims";

/// Where the verified token's payload lies.
const TOKEN_METADATA: &str = "envoy.filters.http.jwt_authn";

/// Everything.
pub(crate) fn any_request() -> RouteMatch {
    RouteMatch {
        path_specifier: Some(PathSpecifier::Prefix("/".to_owned())),
        ..Default::default()
    }
}

/// The condition as Envoy's; `None` is a rule without conditions.
pub(crate) fn route_match(
    condition: Option<&HttpMatchRequest>,
    semantics: RouteSemantics,
) -> RouteMatch {
    let Some(condition) = condition else {
        return any_request();
    };
    let (claims, headers) = split_claims(&condition.headers);
    let (absent_claims, absent_headers) = split_claims(&condition.without_headers);
    let mut matchers: Vec<HeaderMatcher> =
        headers.map(|(name, wanted)| header(name, wanted)).collect();
    matchers.extend(absent_headers.map(absent_header));
    matchers.extend(request_line(condition));
    let absent_claims = absent_claims.map(|(name, wanted)| MetadataMatcher {
        invert: true,
        ..claim(name, wanted)
    });
    RouteMatch {
        path_specifier: Some(path(condition.uri.as_ref(), semantics)),
        case_sensitive: value::flag(!condition.ignore_uri_case),
        headers: matchers,
        query_parameters: condition.query_params.iter().map(query_parameter).collect(),
        dynamic_metadata: claims
            .map(|(name, wanted)| claim(name, wanted))
            .chain(absent_claims)
            .collect(),
        ..Default::default()
    }
}

type Conditions<'a> = Box<dyn Iterator<Item = (&'a Str, &'a StringMatch)> + 'a>;

/// Conditions on claims and conditions on headers.
fn split_claims(all: &BTreeMap<Str, StringMatch>) -> (Conditions<'_>, Conditions<'_>) {
    let is_claim = |(name, _): &(&Str, &StringMatch)| name.starts_with(CLAIM_PREFIX);
    (
        Box::new(all.iter().filter(is_claim)),
        Box::new(all.iter().filter(move |pair| !is_claim(pair))),
    )
}

/// Whether no request escapes the condition, so that routes after it are never reached.
pub(crate) fn is_catch_all(condition: &RouteMatch) -> bool {
    let every_path = match &condition.path_specifier {
        Some(PathSpecifier::Prefix(prefix)) => prefix == "/",
        Some(PathSpecifier::SafeRegex(expression)) => {
            matches!(expression.regex.as_str(), ".*" | "/.*" | "*")
        }
        _ => false,
    };
    every_path
        && condition.headers.is_empty()
        && condition.query_parameters.is_empty()
        && condition.dynamic_metadata.is_empty()
}

fn path(wanted: Option<&StringMatch>, semantics: RouteSemantics) -> PathSpecifier {
    match wanted {
        None | Some(StringMatch::Present) => PathSpecifier::Prefix("/".to_owned()),
        Some(StringMatch::Exact(path)) => PathSpecifier::Path(path.to_string()),
        Some(StringMatch::Prefix(prefix)) if semantics == RouteSemantics::GatewayApi => {
            PathSpecifier::PathSeparatedPrefix(prefix.to_string())
        }
        Some(StringMatch::Prefix(prefix)) => PathSpecifier::Prefix(prefix.to_string()),
        Some(StringMatch::Regex(expression)) => {
            PathSpecifier::SafeRegex(value::regex_matcher(expression.as_str()))
        }
    }
}

/// Method, authority and scheme are headers to Envoy.
fn request_line(condition: &HttpMatchRequest) -> impl Iterator<Item = HeaderMatcher> + '_ {
    [
        (":method", &condition.method),
        (":authority", &condition.authority),
        (":scheme", &condition.scheme),
    ]
    .into_iter()
    .filter_map(|(name, wanted)| wanted.as_ref().map(|wanted| header(name, wanted)))
}

fn header(name: &str, wanted: &StringMatch) -> HeaderMatcher {
    HeaderMatcher {
        name: name.to_owned(),
        header_match_specifier: Some(match text(wanted) {
            None => HeaderMatchSpecifier::PresentMatch(true),
            Some(matcher) => HeaderMatchSpecifier::StringMatch(matcher),
        }),
        ..Default::default()
    }
}

/// The header must not match; a request without it passes. Where the header must not be there at
/// all, one that is missing must not count as an empty one.
fn absent_header((name, wanted): (&Str, &StringMatch)) -> HeaderMatcher {
    HeaderMatcher {
        invert_match: true,
        treat_missing_header_as_empty: text(wanted).is_some(),
        ..header(name, wanted)
    }
}

fn query_parameter((name, wanted): (&Str, &StringMatch)) -> QueryParameterMatcher {
    QueryParameterMatcher {
        name: name.to_string(),
        query_parameter_match_specifier: Some(match text(wanted) {
            None => QueryParameterMatchSpecifier::PresentMatch(true),
            Some(matcher) => QueryParameterMatchSpecifier::StringMatch(matcher),
        }),
    }
}

/// `None` where the value only has to be there: nothing is asked of it, or the expression `*`.
fn text(wanted: &StringMatch) -> Option<StringMatcher> {
    match wanted {
        StringMatch::Present => None,
        StringMatch::Exact(text) if text.is_empty() => None,
        StringMatch::Prefix(text) if text.is_empty() => None,
        StringMatch::Regex(text) if *text == "*" => None,
        StringMatch::Exact(text) => Some(value::exact(text.as_str())),
        StringMatch::Prefix(text) => Some(value::prefix(text.as_str())),
        StringMatch::Regex(text) => Some(value::regex(text.as_str())),
    }
}

/// A claim of the token that was verified; a claim that is a list matches by any member.
fn claim(name: &str, wanted: &StringMatch) -> MetadataMatcher {
    let keys = std::iter::once("payload").chain(claim_path(name));
    let expected = text(wanted).map_or(
        value_matcher::MatchPattern::PresentMatch(true),
        value_matcher::MatchPattern::StringMatch,
    );
    let one_of = ValueMatcher {
        match_pattern: Some(expected),
    };
    let list = ListMatcher {
        match_pattern: Some(list_matcher::MatchPattern::OneOf(Box::new(one_of.clone()))),
    };
    let either = ferromesh_proto::envoy::r#type::matcher::v3::OrMatcher {
        value_matchers: vec![
            one_of,
            ValueMatcher {
                match_pattern: Some(value_matcher::MatchPattern::ListMatch(Box::new(list))),
            },
        ],
    };
    MetadataMatcher {
        filter: TOKEN_METADATA.to_owned(),
        path: keys
            .map(|key| metadata_matcher::PathSegment {
                segment: Some(metadata_matcher::path_segment::Segment::Key(key.to_owned())),
            })
            .collect(),
        value: Some(ValueMatcher {
            match_pattern: Some(value_matcher::MatchPattern::OrMatch(either)),
        }),
        ..Default::default()
    }
}

/// `@request.auth.claims.a.b` is a claim inside a claim; `@request.auth.claims[a.b]` has a dot in
/// its name.
fn claim_path(name: &str) -> impl Iterator<Item = &str> {
    let rest = &name[CLAIM_PREFIX.len()..];
    let separator: &[char] = if rest.starts_with('[') {
        &['[', ']']
    } else {
        &['.']
    };
    rest.split(separator).filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_rule_that_nothing_escapes_is_a_catch_all() {
        fn route_match(condition: Option<&HttpMatchRequest>) -> RouteMatch {
            super::route_match(condition, RouteSemantics::Istio)
        }
        assert!(is_catch_all(&route_match(None)));
        assert!(is_catch_all(&route_match(Some(
            &HttpMatchRequest::default()
        ))));
        let with_method = HttpMatchRequest {
            method: Some(StringMatch::Exact("GET".into())),
            ..Default::default()
        };
        assert!(!is_catch_all(&route_match(Some(&with_method))));
        let with_path = HttpMatchRequest {
            uri: Some(StringMatch::Prefix("/a".into())),
            ..Default::default()
        };
        assert!(!is_catch_all(&route_match(Some(&with_path))));
    }

    #[test]
    fn claims_are_split_at_dots_unless_in_brackets() {
        let path = |name: &'static str| claim_path(name).collect::<Vec<_>>();
        assert_eq!(path("@request.auth.claims.a.b"), ["a", "b"]);
        assert_eq!(path("@request.auth.claims[a.b]"), ["a.b"]);
        assert_eq!(path("@request.auth.claims[a][b]"), ["a", "b"]);
    }
}
