//! How answers of the proxy's own are changed before they are sent.

use ferromesh_route::HeaderMutations;
use ferromesh_types::Str;

use crate::access_log::{LogFilter, LogFormat};

/// The changes of one connection manager.
#[derive(Clone, Debug)]
pub struct LocalReplies {
    /// The first whose filter takes the answer changes it.
    pub mappers: Vec<ReplyMapper>,
    /// The body of answers whose mapper has no format of its own.
    pub format: Option<ReplyFormat>,
}

/// One change.
#[derive(Clone, Debug)]
pub struct ReplyMapper {
    /// Which answers.
    pub filter: LogFilter,
    /// Another status.
    pub status: Option<u16>,
    /// Another text, which the format then gets to see.
    pub body: Option<String>,
    /// Another format.
    pub format: Option<ReplyFormat>,
    /// Fields that are added.
    pub headers: HeaderMutations,
}

/// What a body looks like.
#[derive(Clone, Debug)]
pub struct ReplyFormat {
    /// Text or JSON with operators.
    pub body: LogFormat,
    /// Its type.
    pub content_type: Str,
}
