//! The Gateway API (`gateway.networking.k8s.io`), as of its version 1.5: Gateways, routes, grants
//! and the TLS of backends.
//!
//! The types hold all fields of the experimental channel. What the objects mean together is the
//! concern of the crate `gateway-api`, which turns them into Istio's kinds.

mod backend_tls_policy;
mod filter;
mod filter_check;
mod gateway;
mod gateway_check;
mod gateway_class;
mod grpc_route;
mod http_route;
mod http_route_check;
mod layer4_route;
mod reference;
mod reference_check;
mod reference_grant;
mod rule;

pub use backend_tls_policy::{
    BackendTlsPolicy, BackendTlsValidation, SubjectAltName, SubjectAltNameType,
};
pub use filter::{
    CorsFilter, FilterType, Fraction, HeaderModifier, HttpHeader, PathModifier, PathModifierType,
    RequestMirror, RequestRedirect, RouteFilter, UrlRewrite,
};
pub use gateway::{
    AddressType, AllowedRoutes, ClientValidationMode, Expression, From, Frontend, FrontendTls,
    FrontendValidation, Gateway, GatewayAddress, GatewayTls, Infrastructure, Listener, ListenerTls,
    ListenerTlsMode, NamespaceSelector, Operator, PortTls, RouteGroupKind, RouteNamespaces,
};
pub use gateway_class::{GatewayClass, ParametersReference};
pub use grpc_route::{GrpcMethodMatch, GrpcRoute, GrpcRouteMatch, GrpcRule};
pub use http_route::{
    HttpPathMatch, HttpRoute, HttpRouteMatch, HttpRule, HttpTimeouts, PathMatchType, ValueMatch,
    ValueMatchType,
};
pub use layer4_route::{Layer4Rule, TcpRoute, TlsRoute};
pub use reference::{
    BackendReference, GROUP, LocalReference, ObjectReference, ParentReference, PolicyTarget,
    ServiceReference,
};
pub use reference_grant::{GrantFrom, GrantTo, ReferenceGrant};
pub use rule::{CookieConfig, CookieLifetime, HttpRetry, SessionPersistence, SessionType};
