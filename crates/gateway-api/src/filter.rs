//! What a rule does with a request: filters and backends of one condition.

use std::collections::BTreeMap;

use ferromesh_config::StringMatch;
use ferromesh_config::kind::gateway_api::{
    BackendReference, CorsFilter, FilterType, HeaderModifier, HttpHeader, RequestMirror,
    RouteFilter,
};
use ferromesh_config::kind::virtual_service::{
    CorsPolicy, Destination, HeaderOperations, Headers, HttpDirectResponse, HttpMatchRequest,
    HttpMirrorPolicy, HttpRoute, HttpRouteDestination, Percent,
};
use ferromesh_types::Str;

use crate::backend::{self, Source};
use crate::rewrite;
use crate::written::Written;

/// The status for requests that no backend can serve.
const NO_BACKEND: u32 = 500;

/// How long a preflight answer may be kept where the filter does not say.
const DEFAULT_CORS_AGE: u32 = 5;

/// A rule without its conditions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule<'a> {
    pub(crate) filters: &'a [RouteFilter],
    pub(crate) backends: &'a [BackendReference],
}

impl Rule<'_> {
    /// The routes of this name, one for each condition; without any, one for all requests.
    pub(crate) fn routes(
        self,
        written: &Written,
        source: Source<'_>,
        name: &Str,
        mut conditions: Vec<HttpMatchRequest>,
    ) -> Vec<HttpRoute> {
        if conditions.is_empty() {
            conditions.push(HttpMatchRequest::default());
        }
        conditions
            .into_iter()
            .map(|condition| HttpRoute {
                name: name.clone(),
                ..self.route(written, source, condition)
            })
            .collect()
    }

    /// The route for one condition. A filter that is not served makes all its requests fail: what
    /// it asks for must not be skipped.
    fn route(
        self,
        written: &Written,
        source: Source<'_>,
        condition: HttpMatchRequest,
    ) -> HttpRoute {
        let mut route = HttpRoute::default();
        let served = self
            .filters
            .iter()
            .all(|filter| apply(&mut route, written, source, &condition, filter));
        if !served {
            route = HttpRoute::default();
            route.direct_response = Some(failure());
        } else if route.redirect.is_none() {
            route.route = backend::shares(written, source, self.backends)
                .into_iter()
                .map(|(destination, backend)| with_filters(destination, backend))
                .collect();
            if route.route.is_empty() {
                route.direct_response = Some(failure());
            }
        }
        route.r#match = vec![condition];
        route
    }
}

fn failure() -> HttpDirectResponse {
    HttpDirectResponse {
        status: NO_BACKEND,
        body: None,
    }
}

/// A destination with what happens on the way there.
fn with_filters(destination: Destination, backend: &BackendReference) -> HttpRouteDestination {
    let mut made = HttpRouteDestination {
        destination,
        weight: backend.weight,
        headers: None,
    };
    for filter in &backend.filters {
        if !change_headers(&mut made.headers, filter) {
            made.destination = backend::nowhere();
        }
    }
    made
}

/// Adds a filter to a route. Gives back whether it is served.
fn apply(
    route: &mut HttpRoute,
    written: &Written,
    source: Source<'_>,
    condition: &HttpMatchRequest,
    filter: &RouteFilter,
) -> bool {
    if let Some(redirect) = &filter.request_redirect {
        route.redirect = Some(rewrite::redirect(redirect, condition));
    } else if let Some(url) = &filter.url_rewrite {
        route.rewrite = Some(rewrite::url(url, condition));
    } else if let Some(copy) = &filter.request_mirror {
        // A copy that may not be sent is left out; the request itself is served.
        route.mirrors.extend(mirror(written, source, copy));
    } else if let Some(policy) = &filter.cors {
        route.cors_policy = Some(cors(policy));
    } else {
        return change_headers(&mut route.headers, filter);
    }
    true
}

/// Adds changes of headers. Gives back whether the filter is about headers.
fn change_headers(headers: &mut Option<Headers>, filter: &RouteFilter) -> bool {
    let is_request = match filter.r#type {
        Some(FilterType::RequestHeaderModifier) => true,
        Some(FilterType::ResponseHeaderModifier) => false,
        _ => return false,
    };
    let headers = headers.get_or_insert_default();
    if is_request {
        headers.request = filter.request_header_modifier.as_ref().map(operations);
    } else {
        headers.response = filter.response_header_modifier.as_ref().map(operations);
    }
    true
}

fn operations(modifier: &HeaderModifier) -> HeaderOperations {
    HeaderOperations {
        set: values(&modifier.set),
        add: values(&modifier.add),
        remove: modifier.remove.clone(),
    }
}

fn values(headers: &[HttpHeader]) -> BTreeMap<Str, Str> {
    headers
        .iter()
        .map(|header| (header.name.clone(), header.value.clone()))
        .collect()
}

fn mirror(written: &Written, source: Source<'_>, copy: &RequestMirror) -> Option<HttpMirrorPolicy> {
    let share = match (copy.percent, copy.fraction) {
        (Some(percent), _) => Some(f64::from(percent)),
        (None, Some(part)) => Some(f64::from(part.numerator) * 100.0 / f64::from(part.denominator)),
        (None, None) => None,
    };
    Some(HttpMirrorPolicy {
        destination: backend::destination(written, source, &copy.backend_ref)?,
        percentage: share.map(|value| Percent { value }),
    })
}

fn cors(written: &CorsFilter) -> CorsPolicy {
    let age = written.max_age.unwrap_or(DEFAULT_CORS_AGE);
    CorsPolicy {
        allow_origins: written.allow_origins.iter().map(origin).collect(),
        allow_methods: written.allow_methods.clone(),
        allow_headers: written.allow_headers.clone(),
        expose_headers: written.expose_headers.clone(),
        max_age: Some(std::time::Duration::from_secs(age.into()).into()),
        allow_credentials: written.allow_credentials,
        ..CorsPolicy::default()
    }
}

/// An origin; a wildcard stands for any text.
fn origin(written: &Str) -> StringMatch {
    if !written.contains('*') {
        return StringMatch::Exact(written.clone());
    }
    let parts: Vec<String> = written.split('*').map(regex_syntax::escape).collect();
    StringMatch::Regex(parts.join(".*").into())
}
