//! The head and body of an answer of the proxy's own: `local_reply_config`, then the form that the
//! client understands.

use std::borrow::Cow;

use bytes::Bytes;
use ferromesh_http::ResponseHead;
use ferromesh_types::Str;

use super::local_reply::{LocalReply, grpc_message, grpc_status};
use super::mutate;
use crate::access_log::LogRecord;
use crate::compiled::{LocalReplies, ReplyFormat};

/// What the client understands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Audience {
    /// It looks for `grpc-status`.
    pub(crate) grpc: bool,
    /// It asked for the head alone.
    pub(crate) head_only: bool,
}

impl LocalReply {
    /// Makes the answer. `head`: its fields so far; `record`: what is known of the exchange.
    pub(crate) fn complete(
        self,
        mut head: ResponseHead,
        config: Option<&LocalReplies>,
        record: &LogRecord<'_>,
        audience: Audience,
    ) -> (ResponseHead, Bytes) {
        let custom_type = head.headers.contains("content-type");
        head.status = self.status;
        let mut text = self.body;
        let mut content_type = Str::from("text/plain");
        if let Some(config) = config {
            let mapped = map(config, &mut head, text, record);
            (text, content_type) = mapped;
        }
        if audience.grpc {
            let status = self.grpc_status.unwrap_or_else(|| grpc_status(head.status));
            if !self.keeps_status {
                head.status = 200;
            }
            head.headers.set("content-type", "application/grpc");
            head.headers.set("grpc-status", status.to_string());
            if !text.is_empty() && !audience.head_only {
                head.headers.set("grpc-message", grpc_message(&text));
            }
            return (head, Bytes::new());
        }
        if text.is_empty() {
            head.headers.remove("content-type");
        } else {
            head.headers.set("content-length", text.len().to_string());
            if !custom_type {
                head.headers.set("content-type", content_type.as_str());
            }
        }
        let body = match text {
            Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
            Cow::Owned(text) => Bytes::from(text),
        };
        (head, body)
    }
}

/// Lets the first mapper that takes the answer change it, and formats its body.
fn map(
    config: &LocalReplies,
    head: &mut ResponseHead,
    mut text: Cow<'static, str>,
    record: &LogRecord<'_>,
) -> (Cow<'static, str>, Str) {
    let mut record = *record;
    record.status = head.status;
    let mut format: Option<&ReplyFormat> = config.format.as_ref();
    if let Some(mapper) = config
        .mappers
        .iter()
        .find(|each| each.filter.wants(&record))
    {
        if let Some(body) = &mapper.body {
            text = body.clone().into();
        }
        head.status = mapper.status.unwrap_or(head.status);
        record.status = head.status;
        mutate::response(&mapper.headers, &mut head.headers, &record);
        format = mapper.format.as_ref().or(format);
    }
    let Some(format) = format else {
        return (text, "text/plain".into());
    };
    let mut body = String::new();
    let record = LogRecord {
        local_reply_body: &text,
        ..record
    };
    format.body.write(&record, &mut body);
    (body.into(), format.content_type.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_log::{Comparison, LogFilter};
    use crate::compiled::ReplyMapper;
    use ferromesh_route::HeaderMutations;

    fn mapper(of: u64, to: u16) -> ReplyMapper {
        ReplyMapper {
            filter: LogFilter::Status(Comparison::Equal(of)),
            status: Some(to),
            body: Some("later".to_owned()),
            format: None,
            headers: HeaderMutations::default(),
        }
    }

    fn sent(mappers: Vec<ReplyMapper>, grpc: bool) -> (ResponseHead, Bytes) {
        let config = LocalReplies {
            mappers,
            format: None,
        };
        let audience = Audience {
            grpc,
            head_only: false,
        };
        LocalReply::no_healthy_upstream().complete(
            ResponseHead::new(503),
            Some(&config),
            &LogRecord::default(),
            audience,
        )
    }

    #[test]
    fn the_first_mapper_that_takes_the_answer_changes_it() {
        let (head, body) = sent(
            vec![mapper(404, 400), mapper(503, 429), mapper(503, 500)],
            false,
        );
        assert_eq!((head.status, &body[..]), (429, &b"later"[..]));
        assert_eq!(head.headers.text("content-type"), Some("text/plain"));
        let (head, body) = sent(vec![mapper(404, 400)], false);
        assert_eq!((head.status, &body[..]), (503, &b"no healthy upstream"[..]));
    }

    #[test]
    fn a_grpc_client_gets_the_status_of_the_mapped_answer() {
        let (head, body) = sent(vec![mapper(503, 403)], true);
        assert_eq!((head.status, body.len()), (200, 0));
        assert_eq!(head.headers.text("grpc-status"), Some("7"));
        assert_eq!(head.headers.text("grpc-message"), Some("later"));
    }
}
