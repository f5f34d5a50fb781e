//! Role-based access control: Envoy's policies to conditions.
//!
//! What a condition asks for and nothing here can ever say (a filter state, a CEL expression) is
//! refused: a rule that silently never matched would open what it was to close.

use std::mem::take;

use ferromesh_authz::{Action, AddressOf, Condition, MetadataMatch, Policy, RuleSet};
use ferromesh_proto::envoy::config::core::v3::{CidrRange, TypedExtensionConfig};
use ferromesh_proto::envoy::config::rbac::v3 as pb;
use ferromesh_proto::envoy::config::rbac::v3::permission::Rule;
use ferromesh_proto::envoy::config::rbac::v3::principal::Identifier;
use ferromesh_proto::envoy::config::route::v3::HeaderMatcher;
use ferromesh_proto::envoy::extensions::path::r#match::uri_template::v3::UriTemplateMatchConfig;
use ferromesh_proto::envoy::r#type::matcher::v3 as matcher;
use ferromesh_proto::envoy::r#type::matcher::v3::metadata_matcher::path_segment::Segment;
use ferromesh_proto::{any, type_url};
use ferromesh_route::path_template;
use ferromesh_route::request::PlainRequest;

use super::fields::network;
use super::matchers;
use super::refusal::{At, Refusal, nothing_left};
use crate::compiled::AccessRules;

/// What rules are asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// Requests.
    Request,
    /// Connections: they have no path and no headers.
    Connection,
}

/// The prefix of numbers of rules that have a prefix of their `own`, or an empty one.
pub(super) fn stat_prefix(filter: &str, own: &str) -> String {
    let dot = if own.is_empty() || own.ends_with('.') {
        ""
    } else {
        "."
    };
    format!("{filter}rbac.{own}{dot}")
}

/// Compiles what the filters of requests and of connections both have: the rules, those that are
/// only tried out, and the prefix of the names of those.
pub(super) fn rules(
    (enforced, shadow): (Option<pb::Rbac>, Option<pb::Rbac>),
    shadow_prefix: String,
    subject: Subject,
) -> Result<AccessRules, Refusal> {
    let compile = |value| rule_set(value, subject);
    Ok(AccessRules {
        enforced: enforced.map(compile).transpose().at("rules")?,
        shadow: shadow.map(compile).transpose().at("shadow_rules")?,
        shadow_prefix: shadow_prefix.into(),
    })
}

fn rule_set(mut value: pb::Rbac, subject: Subject) -> Result<RuleSet, Refusal> {
    let action = match value.action() {
        pb::rbac::Action::Allow => Action::Allow,
        pb::rbac::Action::Deny => Action::Deny,
        pb::rbac::Action::Log => Action::Log,
    };
    value.action = 0;
    let mut named: Vec<_> = take(&mut value.policies).into_iter().collect();
    // In a fixed order, so that the same rules are always refused for the same one of them.
    named.sort_by(|one, other| one.0.cmp(&other.0));
    let mut policies = Vec::with_capacity(named.len());
    for (name, policy) in named {
        let field = format!("policies[{name}]");
        policies.push(self::policy(name, policy, subject).at(&field)?);
    }
    nothing_left(&value)?;
    Ok(RuleSet::new(action, policies))
}

fn policy(name: String, mut value: pb::Policy, subject: Subject) -> Result<Policy, Refusal> {
    let permissions = take(&mut value.permissions);
    let principals = take(&mut value.principals);
    nothing_left(&value)?;
    let permissions = each(permissions, "permissions", |it| permission(it, subject))?;
    let principals = each(principals, "principals", |it| principal(it, subject))?;
    for (list, field) in [(&permissions, "permissions"), (&principals, "principals")] {
        if list.is_empty() {
            return Err(Refusal::field(field, "at least one is needed"));
        }
    }
    Ok(Policy {
        name: name.into(),
        permissions: Condition::any(permissions),
        principals: Condition::any(principals),
    })
}

fn each<T>(
    list: Vec<T>,
    field: &str,
    compile: impl Fn(T) -> Result<Condition, Refusal>,
) -> Result<Vec<Condition>, Refusal> {
    let list = list.into_iter().enumerate();
    list.map(|(index, one)| compile(one).at_index(field, index))
        .collect()
}

fn permission(value: pb::Permission, subject: Subject) -> Result<Condition, Refusal> {
    let inner = |one| permission(one, subject);
    Ok(match value.rule {
        Some(Rule::AndRules(set)) => {
            Condition::all(each(set.rules, "rules", inner).at("and_rules")?)
        }
        Some(Rule::OrRules(set)) => Condition::any(each(set.rules, "rules", inner).at("or_rules")?),
        Some(Rule::NotRule(rule)) => Condition::Not(Box::new(inner(*rule).at("not_rule")?)),
        Some(Rule::Any(true)) => Condition::Always,
        Some(Rule::Any(false)) => return Err(Refusal::field("any", "must be true")),
        Some(Rule::Header(value)) => header(value, subject)?,
        Some(Rule::UrlPath(value)) => url_path(value, subject)?,
        Some(Rule::UriTemplate(value)) => template(value, subject).at("uri_template")?,
        Some(Rule::DestinationIp(range)) => {
            address(AddressOf::Destination, &range).at("destination_ip")?
        }
        Some(Rule::DestinationPort(port)) => Condition::DestinationPort(port..port + 1),
        Some(Rule::DestinationPortRange(range)) => {
            let bound = |value: i32| u32::try_from(value);
            match (bound(range.start), bound(range.end)) {
                (Ok(start), Ok(end)) if start < end => Condition::DestinationPort(start..end),
                _ => {
                    let reason = "start must be below end, and neither negative";
                    return Err(Refusal::field("destination_port_range", reason));
                }
            }
        }
        Some(Rule::Metadata(value)) => metadata(value).at("metadata")?,
        Some(Rule::SourcedMetadata(value)) => sourced(value).at("sourced_metadata")?,
        Some(Rule::RequestedServerName(value)) => {
            Condition::ServerName(matchers::string(value).at("requested_server_name")?)
        }
        Some(Rule::Matcher(value)) => return Err(extension("matcher", &value)),
        None => return Err(Refusal::new("a rule is needed")),
    })
}

fn principal(value: pb::Principal, subject: Subject) -> Result<Condition, Refusal> {
    let inner = |one| principal(one, subject);
    Ok(match value.identifier {
        Some(Identifier::AndIds(set)) => Condition::all(each(set.ids, "ids", inner).at("and_ids")?),
        Some(Identifier::OrIds(set)) => Condition::any(each(set.ids, "ids", inner).at("or_ids")?),
        Some(Identifier::NotId(id)) => Condition::Not(Box::new(inner(*id).at("not_id")?)),
        Some(Identifier::Any(true)) => Condition::Always,
        Some(Identifier::Any(false)) => return Err(Refusal::field("any", "must be true")),
        Some(Identifier::Authenticated(value)) => {
            let name = value.principal_name.map(matchers::string);
            let name = name.transpose().at("principal_name");
            Condition::Authenticated(name.at("authenticated")?)
        }
        Some(Identifier::SourceIp(range)) => {
            address(AddressOf::ConnectionRemote, &range).at("source_ip")?
        }
        Some(Identifier::DirectRemoteIp(range)) => {
            address(AddressOf::DirectRemote, &range).at("direct_remote_ip")?
        }
        Some(Identifier::RemoteIp(range)) => address(AddressOf::Remote, &range).at("remote_ip")?,
        Some(Identifier::Header(value)) => header(value, subject)?,
        Some(Identifier::UrlPath(value)) => url_path(value, subject)?,
        Some(Identifier::Metadata(value)) => metadata(value).at("metadata")?,
        Some(Identifier::SourcedMetadata(value)) => sourced(value).at("sourced_metadata")?,
        Some(Identifier::FilterState(_)) => {
            return Err(Refusal::field("filter_state", "is not supported"));
        }
        Some(Identifier::Custom(value)) => return Err(extension("custom", &value)),
        None => return Err(Refusal::new("an identifier is needed")),
    })
}

fn extension(field: &str, value: &TypedExtensionConfig) -> Refusal {
    Refusal::field(
        field,
        format!("the extension {} is not supported", value.name),
    )
}

fn never() -> Condition {
    Condition::Any(Vec::new())
}

fn header(value: HeaderMatcher, subject: Subject) -> Result<Condition, Refusal> {
    let mut header = matchers::header(value).at("header")?;
    if subject == Subject::Request {
        return Ok(Condition::Header(header));
    }
    // No connection has a header: what it means that it is missing holds for all of them.
    header.name = "missing".into();
    let missing = header.is_match(&PlainRequest::default());
    Ok(if missing { Condition::Always } else { never() })
}

fn url_path(value: matcher::PathMatcher, subject: Subject) -> Result<Condition, Refusal> {
    let Some(matcher::path_matcher::Rule::Path(path)) = value.rule else {
        return Err(Refusal::field("url_path", "a path is needed"));
    };
    let path = matchers::string(path).at("path").at("url_path")?;
    Ok(match subject {
        Subject::Request => Condition::Path(path),
        Subject::Connection => never(),
    })
}

fn template(value: TypedExtensionConfig, subject: Subject) -> Result<Condition, Refusal> {
    let config = value.typed_config;
    let config = config.ok_or_else(|| Refusal::field("typed_config", "is needed"))?;
    let resolved = any::resolve(&config)?;
    let name = type_url::message_name(&resolved.type_url);
    if name != "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig" {
        let reason = format!("{name} is not supported");
        return Err(Refusal::field("typed_config", reason));
    }
    let value: UriTemplateMatchConfig = any::unpack(&resolved)?;
    let pattern = path_template::compile(&value.path_template).at("path_template")?;
    Ok(match subject {
        Subject::Request => Condition::PathTemplate(pattern),
        Subject::Connection => never(),
    })
}

fn address(of: AddressOf, range: &CidrRange) -> Result<Condition, Refusal> {
    Ok(Condition::Address(of, vec![network(range)?]))
}

fn sourced(value: pb::SourcedMetadata) -> Result<Condition, Refusal> {
    if value.metadata_source() == pb::MetadataSource::Route {
        let reason = "metadata of the route is not supported";
        return Err(Refusal::field("metadata_source", reason));
    }
    metadata(value.metadata_matcher.unwrap_or_default()).at("metadata_matcher")
}

fn metadata(value: matcher::MetadataMatcher) -> Result<Condition, Refusal> {
    let keys = value.path.into_iter().enumerate();
    let path = keys.map(|(index, segment)| match segment.segment {
        Some(Segment::Key(key)) => Ok(key.into()),
        None => Err(Refusal::new("a key is needed")).at_index("path", index),
    });
    let wanted = value.value;
    let wanted = wanted.ok_or_else(|| Refusal::field("value", "is needed"))?;
    Ok(Condition::Metadata(Box::new(MetadataMatch {
        namespace: value.filter.into(),
        path: path.collect::<Result<_, _>>()?,
        value: matchers::value(wanted).at("value")?,
        invert: value.invert,
    })))
}

#[cfg(test)]
mod tests;
