//! Header edits that routes ask for. Values are templates; who holds the request fills them in.

use ferromesh_types::Str;

use crate::template::Template;

/// What happens when the header is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AppendAction {
    /// Adds one more value.
    #[default]
    AppendIfExistsOrAdd,
    /// Leaves the present value alone.
    AddIfAbsent,
    /// Replaces the present value, or adds.
    OverwriteIfExistsOrAdd,
    /// Replaces the present value; adds nothing.
    OverwriteIfExists,
}

/// One header to set.
#[derive(Clone, Debug)]
pub struct HeaderMutation {
    /// Lower-case name.
    pub name: Str,
    /// The value, which may hold `%OPERATORS%`.
    pub value: Template,
    /// What to do with a present value.
    pub action: AppendAction,
    /// Whether an empty value is set; else it is left out.
    pub keep_empty: bool,
}

/// The edits of one level (table, virtual host, route, weighted cluster).
#[derive(Clone, Debug, Default)]
pub struct HeaderMutations {
    /// Set on the request.
    pub request_add: Vec<HeaderMutation>,
    /// Removed from the request; lower case.
    pub request_remove: Vec<Str>,
    /// Set on the response.
    pub response_add: Vec<HeaderMutation>,
    /// Removed from the response; lower case.
    pub response_remove: Vec<Str>,
}

impl HeaderMutations {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.request_add.is_empty()
            && self.request_remove.is_empty()
            && self.response_add.is_empty()
            && self.response_remove.is_empty()
    }
}
