//! Header edits that routes ask for.

use ferromesh_http::{Headers, RequestHead};
use ferromesh_route::{AppendAction, HeaderMutation, HeaderMutations};

use crate::access_log::{LogRecord, render};

/// Edits the request. `record` fills templates in.
pub(crate) fn request(edits: &HeaderMutations, head: &mut RequestHead, record: &LogRecord<'_>) {
    for name in &edits.request_remove {
        head.headers.remove(name);
    }
    for edit in &edits.request_add {
        let value = value(edit, record);
        match edit.name.as_str() {
            ":authority" | "host" => head.set_authority(&value),
            ":path" => head.set_path(&value),
            _ => apply(edit, value, &mut head.headers),
        }
    }
}

/// Edits the response.
pub(super) fn response(edits: &HeaderMutations, headers: &mut Headers, record: &LogRecord<'_>) {
    for name in &edits.response_remove {
        headers.remove(name);
    }
    for edit in &edits.response_add {
        apply(edit, value(edit, record), headers);
    }
}

fn value(edit: &HeaderMutation, record: &LogRecord<'_>) -> String {
    match edit.value.literal() {
        Some(text) => text.to_owned(),
        None => render(&edit.value, record),
    }
}

fn apply(edit: &HeaderMutation, value: String, headers: &mut Headers) {
    if value.is_empty() && !edit.keep_empty {
        return;
    }
    let present = headers.contains(&edit.name);
    match edit.action {
        AppendAction::AppendIfExistsOrAdd => headers.append(&edit.name, value),
        AppendAction::AddIfAbsent if present => {}
        AppendAction::OverwriteIfExists if !present => {}
        _ => headers.set(&edit.name, value),
    }
}
