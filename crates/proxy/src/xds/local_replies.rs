//! `local_reply_config`.

use std::mem::take;

use ferromesh_proto::envoy::config::core::v3::SubstitutionFormatString;
use ferromesh_proto::envoy::extensions::filters::network::http_connection_manager::v3 as pb;

use super::access_logs;
use super::fields::{data, number};
use super::header_edits::mutations;
use super::refusal::{At, Refusal, nothing_left};
use crate::access_log::LogFormat;
use crate::compiled::{LocalReplies, ReplyFormat, ReplyMapper};

/// Compiles the mappers and the format.
pub(super) fn compile(config: pb::LocalReplyConfig) -> Result<LocalReplies, Refusal> {
    let mappers = config.mappers.into_iter().enumerate();
    Ok(LocalReplies {
        mappers: mappers
            .map(|(index, each)| mapper(each).at_index("mappers", index))
            .collect::<Result<_, _>>()?,
        format: config
            .body_format
            .map(format)
            .transpose()
            .at("body_format")?,
    })
}

fn mapper(mut value: pb::ResponseMapper) -> Result<ReplyMapper, Refusal> {
    let filter = value.filter.take();
    let filter = filter.ok_or_else(|| Refusal::field("filter", "is needed"))?;
    let status = number(value.status_code.take()).map(u16::try_from);
    let status = status.transpose();
    let body = value.body.take().map(data).transpose().at("body")?;
    let compiled = ReplyMapper {
        filter: access_logs::filter(filter).at("filter")?,
        status: status.map_err(|_| Refusal::field("status_code", "is not an HTTP status"))?,
        body: body.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        format: (value.body_format_override.take())
            .map(format)
            .transpose()
            .at("body_format_override")?,
        headers: mutations(
            Vec::new(),
            Vec::new(),
            take(&mut value.headers_to_add),
            Vec::new(),
        )?,
    };
    nothing_left(&value)?;
    Ok(compiled)
}

fn format(mut value: SubstitutionFormatString) -> Result<ReplyFormat, Refusal> {
    let content_type = take(&mut value.content_type);
    let body = access_logs::substitution(Some(value))?;
    let usual = match &body {
        LogFormat::Text { .. } => "text/plain",
        LogFormat::Json(_) => "application/json",
    };
    Ok(ReplyFormat {
        body,
        content_type: if content_type.is_empty() {
            usual.into()
        } else {
            content_type.into()
        },
    })
}
