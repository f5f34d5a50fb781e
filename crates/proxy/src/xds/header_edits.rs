//! Header edits of routes.

use ferromesh_proto::envoy::config::core::v3 as core;
use ferromesh_proto::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use ferromesh_route::{AppendAction, HeaderMutation, HeaderMutations, Template};
use ferromesh_types::Str;

use super::refusal::{At, Refusal};
use crate::access_log::check_template;

/// The four lists of one level.
pub(super) fn mutations(
    request_add: Vec<core::HeaderValueOption>,
    request_remove: Vec<String>,
    response_add: Vec<core::HeaderValueOption>,
    response_remove: Vec<String>,
) -> Result<HeaderMutations, Refusal> {
    Ok(HeaderMutations {
        request_add: additions(request_add, "request_headers_to_add")?,
        request_remove: names(request_remove),
        response_add: additions(response_add, "response_headers_to_add")?,
        response_remove: names(response_remove),
    })
}

fn names(list: Vec<String>) -> Vec<Str> {
    list.into_iter()
        .map(|name| name.to_ascii_lowercase().into())
        .collect()
}

/// Fields that are set.
pub(super) fn additions(
    list: Vec<core::HeaderValueOption>,
    field: &str,
) -> Result<Vec<HeaderMutation>, Refusal> {
    let each = |(index, option)| addition(option).at_index(field, index);
    list.into_iter().enumerate().map(each).collect()
}

fn addition(option: core::HeaderValueOption) -> Result<HeaderMutation, Refusal> {
    let action = match (option.append, option.append_action()) {
        // The older field, where it is set, decides.
        (Some(append), _) if !append.value => AppendAction::OverwriteIfExistsOrAdd,
        (Some(_), _) | (None, HeaderAppendAction::AppendIfExistsOrAdd) => {
            AppendAction::AppendIfExistsOrAdd
        }
        (None, HeaderAppendAction::AddIfAbsent) => AppendAction::AddIfAbsent,
        (None, HeaderAppendAction::OverwriteIfExistsOrAdd) => AppendAction::OverwriteIfExistsOrAdd,
        (None, HeaderAppendAction::OverwriteIfExists) => AppendAction::OverwriteIfExists,
    };
    let header = option.header.unwrap_or_default();
    if header.key.is_empty() {
        return Err(Refusal::field("header.key", "a header name is needed"));
    }
    let text = if header.value.is_empty() {
        String::from_utf8(header.raw_value)
            .map_err(|_| Refusal::field("header.raw_value", "only UTF-8 is supported"))?
    } else {
        header.value
    };
    let value = Template::parse(&text).at("header.value")?;
    check_template(&value).at("header.value")?;
    Ok(HeaderMutation {
        name: header.key.to_ascii_lowercase().into(),
        value,
        action,
        keep_empty: option.keep_empty_value,
    })
}
