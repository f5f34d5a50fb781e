//! Between our heads and those of the `http` crate, which `h2` speaks.

use http::header::{HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, Method, Request, Response, Uri};

use crate::headers::{Headers, Span};
use crate::message::{RequestHead, ResponseHead, Scheme, Version};

/// A request that was received. Cookie crumbs are put together (RFC 9113 section 8.2.3).
pub(super) fn request_in(parts: http::request::Parts) -> RequestHead {
    let mut headers = headers_in(&parts.headers);
    let host = headers.text("host").map(str::to_owned);
    headers.remove("host");
    let authority = match (parts.uri.authority(), host) {
        (Some(authority), _) => authority.as_str().to_owned(),
        (None, host) => host.unwrap_or_default(),
    };
    let path = match (parts.uri.path_and_query(), &parts.method) {
        (Some(path), _) => path.as_str(),
        (None, _) => "",
    };
    let scheme = match parts.uri.scheme_str() {
        Some("https") => Scheme::Https,
        _ => Scheme::Http,
    };
    let protocol = parts.extensions.get::<h2::ext::Protocol>();
    let mut head = RequestHead {
        method: parts.method,
        version: Version::Http2,
        scheme,
        authority: headers.store(authority.as_bytes()),
        path: headers.store(path.as_bytes()),
        protocol: Span::default(),
        headers,
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
        uri.authority = Some(Authority::try_from(head.authority()).ok()?);
    }
    if upgrade.is_some() || head.method != Method::CONNECT {
        uri.scheme = Some(match head.scheme {
            Scheme::Http => http::uri::Scheme::HTTP,
            Scheme::Https => http::uri::Scheme::HTTPS,
        });
        uri.path_and_query = Some(PathAndQuery::try_from(head.path()).ok()?);
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

pub(super) fn headers_in(map: &HeaderMap) -> Headers {
    let bytes = map
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len());
    let mut headers = Headers::with_room(map.len() + 8, bytes.sum::<usize>() + 256);
    let mut cookies = map.get_all(http::header::COOKIE).iter();
    if let Some(first) = cookies.next() {
        let mut crumbs = first.as_bytes().to_vec();
        for crumb in cookies {
            crumbs.extend_from_slice(b"; ");
            crumbs.extend_from_slice(crumb.as_bytes());
        }
        headers.push_checked(b"cookie", &crumbs);
    }
    for (name, value) in map {
        if name != http::header::COOKIE {
            headers.push_checked(name.as_str().as_bytes(), value.as_bytes());
        }
    }
    headers
}

pub(super) fn headers_out(headers: &Headers) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(headers.len() + 4);
    for index in 0..headers.len() {
        let name = HeaderName::from_bytes(headers.name_of(index));
        let value = HeaderValue::from_maybe_shared(headers.shared_value(index));
        // What HTTP/1.1 allows and HTTP/2 does not cannot be passed on.
        if let (Ok(name), Ok(value)) = (name, value) {
            map.append(name, value);
        }
    }
    map
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
