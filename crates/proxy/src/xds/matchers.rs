//! Matchers: strings, headers, query parameters, fractions.

use ferromesh_authz::ValueMatch;
use ferromesh_proto::envoy::config::core::v3::RuntimeFractionalPercent;
use ferromesh_proto::envoy::config::route::v3 as route;
use ferromesh_proto::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
use ferromesh_proto::envoy::config::route::v3::query_parameter_matcher::QueryParameterMatchSpecifier;
use ferromesh_proto::envoy::r#type::matcher::v3 as matcher;
use ferromesh_proto::envoy::r#type::matcher::v3::double_matcher::MatchPattern as DoublePattern;
use ferromesh_proto::envoy::r#type::matcher::v3::list_matcher::MatchPattern as ListPattern;
use ferromesh_proto::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use ferromesh_proto::envoy::r#type::matcher::v3::value_matcher::MatchPattern as ValuePattern;
use ferromesh_proto::envoy::r#type::v3::FractionalPercent;
use ferromesh_proto::envoy::r#type::v3::fractional_percent::DenominatorType;
use ferromesh_route::header_match::HeaderCondition;
use ferromesh_route::query_match::QueryMatch;
use ferromesh_route::rewrite::Substitution;
use ferromesh_route::{Fraction, HeaderMatch, Pattern, StringMatch};

use super::refusal::{At, Refusal};

/// A regular expression that must match the whole text.
pub(super) fn regex(value: &matcher::RegexMatcher) -> Result<Pattern, Refusal> {
    Pattern::new(&value.regex).at("regex")
}

/// A regular expression with its replacement.
pub(super) fn substitution(
    value: matcher::RegexMatchAndSubstitute,
) -> Result<Substitution, Refusal> {
    let pattern = value.pattern.unwrap_or_default().regex;
    Substitution::new(&pattern, &value.substitution).at("pattern")
}

/// A string matcher.
pub(super) fn string(value: matcher::StringMatcher) -> Result<StringMatch, Refusal> {
    let plain = match value.match_pattern {
        Some(MatchPattern::Exact(text)) => StringMatch::Exact(text),
        Some(MatchPattern::Prefix(text)) => StringMatch::Prefix(text),
        Some(MatchPattern::Suffix(text)) => StringMatch::Suffix(text),
        Some(MatchPattern::Contains(text)) => StringMatch::Contains(text),
        Some(MatchPattern::SafeRegex(pattern)) => {
            StringMatch::Regex(regex(&pattern).at("safe_regex")?)
        }
        Some(MatchPattern::Custom(_)) => {
            return Err(Refusal::field("custom", "is not supported"));
        }
        None => return Err(Refusal::new("a string matcher needs a pattern")),
    };
    Ok(if value.ignore_case {
        plain.ignoring_case()
    } else {
        plain
    })
}

/// A header matcher.
pub(super) fn header(value: route::HeaderMatcher) -> Result<HeaderMatch, Refusal> {
    if value.name.is_empty() {
        return Err(Refusal::field("name", "a header name is needed"));
    }
    let text = |matcher| HeaderCondition::Value(matcher);
    let condition = match value.header_match_specifier {
        None => HeaderCondition::Present(true),
        Some(HeaderMatchSpecifier::PresentMatch(present)) => HeaderCondition::Present(present),
        Some(HeaderMatchSpecifier::ExactMatch(wanted)) => text(StringMatch::Exact(wanted)),
        Some(HeaderMatchSpecifier::PrefixMatch(wanted)) => text(StringMatch::Prefix(wanted)),
        Some(HeaderMatchSpecifier::SuffixMatch(wanted)) => text(StringMatch::Suffix(wanted)),
        Some(HeaderMatchSpecifier::ContainsMatch(wanted)) => text(StringMatch::Contains(wanted)),
        Some(HeaderMatchSpecifier::SafeRegexMatch(pattern)) => {
            text(StringMatch::Regex(regex(&pattern).at("safe_regex_match")?))
        }
        Some(HeaderMatchSpecifier::StringMatch(matcher)) => {
            text(string(matcher).at("string_match")?)
        }
        Some(HeaderMatchSpecifier::RangeMatch(range)) => HeaderCondition::Range {
            start: range.start,
            end: range.end,
        },
    };
    Ok(HeaderMatch {
        name: value.name.to_ascii_lowercase().into(),
        condition,
        invert: value.invert_match,
        missing_is_empty: value.treat_missing_header_as_empty,
    })
}

/// A list of header matchers in field `field`.
pub(super) fn headers(
    values: Vec<route::HeaderMatcher>,
    field: &str,
) -> Result<Vec<HeaderMatch>, Refusal> {
    let each = |(index, value)| header(value).at_index(field, index);
    values.into_iter().enumerate().map(each).collect()
}

/// A query parameter matcher.
pub(super) fn query(value: route::QueryParameterMatcher) -> Result<QueryMatch, Refusal> {
    let (matcher, present) = match value.query_parameter_match_specifier {
        Some(QueryParameterMatchSpecifier::StringMatch(matcher)) => {
            (Some(string(matcher).at("string_match")?), true)
        }
        Some(QueryParameterMatchSpecifier::PresentMatch(present)) => (None, present),
        None => (None, true),
    };
    Ok(QueryMatch {
        name: value.name.into(),
        value: matcher,
        present,
    })
}

/// A matcher of metadata values.
pub(super) fn value(value: matcher::ValueMatcher) -> Result<ValueMatch, Refusal> {
    Ok(match value.match_pattern {
        Some(ValuePattern::NullMatch(_)) => ValueMatch::Null,
        Some(ValuePattern::DoubleMatch(number)) => match number.match_pattern {
            Some(DoublePattern::Exact(wanted)) => ValueMatch::Number(wanted),
            Some(DoublePattern::Range(range)) => ValueMatch::Range {
                start: range.start,
                end: range.end,
            },
            None => return Err(Refusal::field("double_match", "a pattern is needed")),
        },
        Some(ValuePattern::StringMatch(text)) => ValueMatch::Text(string(text).at("string_match")?),
        Some(ValuePattern::BoolMatch(wanted)) => ValueMatch::Bool(wanted),
        Some(ValuePattern::PresentMatch(true)) => ValueMatch::Present,
        // As in Envoy, where absence cannot be asked for this way.
        Some(ValuePattern::PresentMatch(false)) => ValueMatch::Never,
        Some(ValuePattern::ListMatch(list)) => match list.match_pattern {
            Some(ListPattern::OneOf(inner)) => {
                ValueMatch::ListHolds(Box::new(self::value(*inner).at("one_of")?))
            }
            None => return Err(Refusal::field("list_match", "a pattern is needed")),
        },
        Some(ValuePattern::OrMatch(list)) => {
            let matchers = list.value_matchers.into_iter().enumerate();
            let matchers = matchers
                .map(|(index, each)| self::value(each).at_index("or_match.value_matchers", index));
            ValueMatch::Any(matchers.collect::<Result<_, _>>()?)
        }
        None => return Err(Refusal::new("a pattern is needed")),
    })
}

/// A share of the requests. The runtime key has no effect: there is no runtime to override it.
pub(super) fn runtime_fraction(value: RuntimeFractionalPercent) -> Result<Fraction, Refusal> {
    value
        .default_value
        .map(fraction)
        .ok_or_else(|| Refusal::field("default_value", "is needed"))
}

/// A share.
pub(super) fn fraction(value: FractionalPercent) -> Fraction {
    let denominator = match value.denominator() {
        DenominatorType::Hundred => 100,
        DenominatorType::TenThousand => 10_000,
        DenominatorType::Million => 1_000_000,
    };
    Fraction {
        numerator: value.numerator,
        denominator,
    }
}
