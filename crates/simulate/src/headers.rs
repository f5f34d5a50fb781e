//! The headers of a request after the edits of its route.

use std::collections::BTreeMap;

use ferromesh_route::{AppendAction, HeaderMutation, HeaderMutations};

/// Headers by name in lower case.
pub type Headers = BTreeMap<String, String>;

/// Applies the edits of each level in turn: within a level headers are removed, then added. Values
/// that only a real request can fill in are left as they are written.
pub(crate) fn edited(request: &[(String, String)], levels: &[&HeaderMutations]) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in request {
        append(&mut headers, name, value);
    }
    for level in levels {
        for name in &level.request_remove {
            headers.remove(name.as_str());
        }
        for each in &level.request_add {
            add(&mut headers, each);
        }
    }
    headers
}

fn add(headers: &mut Headers, edit: &HeaderMutation) {
    let name = edit.name.as_str();
    let value = edit.value.literal().unwrap_or_else(|| edit.value.source());
    let exists = headers.contains_key(name);
    match edit.action {
        AppendAction::AppendIfExistsOrAdd => append(headers, name, value),
        AppendAction::AddIfAbsent if exists => {}
        AppendAction::OverwriteIfExists if !exists => {}
        AppendAction::AddIfAbsent
        | AppendAction::OverwriteIfExistsOrAdd
        | AppendAction::OverwriteIfExists => {
            headers.insert(name.to_owned(), value.to_owned());
        }
    }
}

fn append(headers: &mut Headers, name: &str, value: &str) {
    headers
        .entry(name.to_owned())
        .and_modify(|all| *all = format!("{all},{value}"))
        .or_insert_with(|| value.to_owned());
}
