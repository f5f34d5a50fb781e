//! Between our heads and those of the `http` crate, which `h2` speaks.

use bytes::BytesMut;
use http::header::{HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, Method, Request, Response, Uri};

use crate::headers::{Entry, Headers, Span};
use crate::message::{RequestHead, ResponseHead, Scheme, Version};
use crate::spare_fields;

/// A request that was received. Cookie crumbs are put together (RFC 9113 section 8.2.3).
pub(super) fn request_in(parts: http::request::Parts) -> RequestHead {
    let host = parts.headers.get(http::header::HOST);
    let host = host.and_then(|host| std::str::from_utf8(host.as_bytes()).ok());
    let named = parts.uri.authority().map(Authority::as_str);
    let authority = named.or(host).unwrap_or_default();
    let path = parts.uri.path_and_query().map(PathAndQuery::as_str);
    let path = path.unwrap_or_default();
    let scheme = match parts.uri.scheme_str() {
        Some("https") => Scheme::Https,
        _ => Scheme::Http,
    };
    let protocol = parts.extensions.get::<h2::ext::Protocol>();
    let mut block = Block::with_room(&parts.headers, authority.len() + path.len());
    let authority = block.put(authority.as_bytes());
    let path = block.put(path.as_bytes());
    let mut head = RequestHead {
        headers: block.fields(&parts.headers, |name| name != http::header::HOST),
        method: parts.method,
        version: Version::Http2,
        scheme,
        authority,
        path,
        protocol: Span::default(),
    };
    head.set_protocol(protocol.map(h2::ext::Protocol::as_str));
    head
}

/// A request to send; `None` when authority or path cannot be expressed in HTTP/2.
pub(super) fn request_out(head: &RequestHead) -> Option<Request<()>> {
    let mut request = Request::new(());
    *request.version_mut() = http::Version::HTTP_2;
    let upgrade = head.protocol();
    *request.method_mut() = if upgrade.is_some() {
        Method::CONNECT
    } else {
        head.method.clone()
    };
    let mut uri = http::uri::Parts::default();
    if !head.authority().is_empty() {
        let authority = head.headers.shared_bytes(head.authority);
        uri.authority = Some(Authority::from_maybe_shared(authority).ok()?);
    }
    if upgrade.is_some() || head.method != Method::CONNECT {
        uri.scheme = Some(match head.scheme {
            Scheme::Http => http::uri::Scheme::HTTP,
            Scheme::Https => http::uri::Scheme::HTTPS,
        });
        let path = head.headers.shared_bytes(head.path);
        uri.path_and_query = Some(PathAndQuery::from_maybe_shared(path).ok()?);
    }
    *request.uri_mut() = Uri::from_parts(uri).ok()?;
    if let Some(protocol) = upgrade {
        let protocol = h2::ext::Protocol::from(protocol);
        request.extensions_mut().insert(protocol);
    }
    *request.headers_mut() = headers_out(&head.headers);
    Some(request)
}

/// A response that was received.
pub(super) fn response_in(status: http::StatusCode, headers: &HeaderMap) -> ResponseHead {
    ResponseHead {
        status: status.as_u16(),
        version: Version::Http2,
        headers: headers_in(headers),
    }
}

/// A response to send.
pub(super) fn response_out(head: &ResponseHead) -> Response<()> {
    let mut response = Response::new(());
    // Statuses outside 100..1000 are refused by the parsers and not made by the proxy.
    *response.status_mut() =
        http::StatusCode::from_u16(head.status).unwrap_or(http::StatusCode::BAD_GATEWAY);
    *response.headers_mut() = headers_out(&head.headers);
    response
}

/// The fields of trailers or of an answer.
pub(super) fn headers_in(map: &HeaderMap) -> Headers {
    Block::with_room(map, 0).fields(map, |_| true)
}

/// The bytes of a head in one piece, so that they can be sent on as slices of it.
struct Block(BytesMut);

impl Block {
    /// For the fields of `map`, and `more` bytes.
    fn with_room(map: &HeaderMap, more: usize) -> Self {
        let lengths = map
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 4);
        Self(BytesMut::with_capacity(lengths.sum::<usize>() + more))
    }

    fn put(&mut self, bytes: &[u8]) -> Span {
        let start = self.0.len();
        self.0.extend_from_slice(bytes);
        Span::of_block(start, bytes.len())
    }

    /// Adds a field in the form in which HTTP/1.1 writes it.
    fn put_line(&mut self, name: &[u8], value: &[u8]) -> Entry {
        let name = self.put(name);
        self.0.extend_from_slice(b": ");
        let value = self.put(value);
        self.0.extend_from_slice(b"\r\n");
        Entry { name, value }
    }

    /// Adds the fields for which `keep` holds.
    fn fields(mut self, map: &HeaderMap, keep: impl Fn(&HeaderName) -> bool) -> Headers {
        let (mut entries, extra) = spare_fields::take();
        let mut cookies = map.get_all(http::header::COOKIE).iter();
        if let Some(first) = cookies.next() {
            let mut crumbs = first.as_bytes().to_vec();
            for crumb in cookies {
                crumbs.extend_from_slice(b"; ");
                crumbs.extend_from_slice(crumb.as_bytes());
            }
            entries.push(self.put_line(b"cookie", &crumbs));
        }
        for (name, value) in map {
            if name != http::header::COOKIE && keep(name) {
                entries.push(self.put_line(name.as_str().as_bytes(), value.as_bytes()));
            }
        }
        Headers::from_block(self.0.freeze(), entries, extra)
    }
}

pub(super) fn headers_out(headers: &Headers) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(headers.len() + 4);
    for (name, value) in headers.shared() {
        let name = known_name(name).map_or_else(|| HeaderName::from_bytes(name), Ok);
        let value = HeaderValue::from_maybe_shared(value);
        // What HTTP/1.1 allows and HTTP/2 does not cannot be passed on.
        if let (Ok(name), Ok(mut value)) = (name, value) {
            value.set_sensitive(is_unique(name.as_str()));
            map.append(name, value);
        }
    }
    map
}

/// Whether a field has another value in each message: it would only push others out of the
/// peer's table of fields (RFC 7541 section 2.3.2), and cost a search there.
fn is_unique(name: &str) -> bool {
    matches!(
        name,
        "x-request-id" | "traceparent" | "x-b3-traceid" | "x-b3-spanid" | "x-b3-parentspanid"
    )
}

/// Names that a mesh adds to each message, made once: the `http` crate allocates all but the
/// names of its own list.
fn known_name(name: &[u8]) -> Option<HeaderName> {
    macro_rules! known {
        ($($text:literal),* $(,)?) => {
            match name {
                $(text if text == $text.as_bytes() => {
                    static NAME: HeaderName = HeaderName::from_static($text);
                    Some(NAME.clone())
                })*
                _ => None,
            }
        };
    }
    if !name.starts_with(b"x-") && !name.starts_with(b"grpc-") {
        return None;
    }
    known!(
        "x-request-id",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-client-cert",
        "x-envoy-upstream-service-time",
        "x-envoy-expected-rq-timeout-ms",
        "x-envoy-attempt-count",
        "x-envoy-decorator-operation",
        "x-envoy-peer-metadata",
        "x-envoy-peer-metadata-id",
        "x-envoy-external-address",
        "x-b3-traceid",
        "x-b3-spanid",
        "x-b3-parentspanid",
        "x-b3-sampled",
        "grpc-status",
        "grpc-message",
        "grpc-timeout",
        "grpc-encoding",
        "grpc-accept-encoding",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_survives_the_way_out_and_in() {
        let mut head = RequestHead::new(Method::GET, "shop:80", "/a?b=c");
        head.headers.append("x-user", "me");
        let request = request_out(&head).expect("expressible");
        let back = request_in(request.into_parts().0);
        assert_eq!((back.authority(), back.path()), ("shop:80", "/a?b=c"));
        assert_eq!(back.headers.text("x-user"), Some("me"));
    }

    #[test]
    fn an_upgrade_becomes_an_extended_connect() {
        let mut head = RequestHead::new(Method::GET, "shop", "/chat");
        head.set_protocol(Some("websocket"));
        let request = request_out(&head).expect("expressible");
        assert_eq!(request.method(), Method::CONNECT);
        let back = request_in(request.into_parts().0);
        assert_eq!(back.protocol(), Some("websocket"));
    }

    #[test]
    fn cookie_crumbs_are_put_together() {
        let mut map = HeaderMap::new();
        map.append("cookie", HeaderValue::from_static("a=1"));
        map.append("cookie", HeaderValue::from_static("b=2"));
        assert_eq!(headers_in(&map).text("cookie"), Some("a=1; b=2"));
    }
}
