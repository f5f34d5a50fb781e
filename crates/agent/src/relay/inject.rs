//! Messages that the agent adds to Envoy's stream.

use ferromesh_proto::any;
use ferromesh_proto::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest};
use ferromesh_proto::google::protobuf::Any;
use ferromesh_proto::google::rpc::Status;
use ferromesh_proto::istio::nds::NameTable;
use ferromesh_proto::type_url;
use ferromesh_xds::client::Reply;
use ferromesh_xds::{Request, Variant};

/// gRPC's INVALID_ARGUMENT.
const INVALID_ARGUMENT: i32 = 3;

/// The subscription to the name table.
pub(super) fn subscription(variant: Variant) -> Request {
    match variant {
        Variant::Delta => Request::Delta(Box::new(DeltaDiscoveryRequest {
            type_url: type_url::NAME_TABLE.to_owned(),
            ..DeltaDiscoveryRequest::default()
        })),
        Variant::StateOfTheWorld => Request::StateOfTheWorld(Box::new(DiscoveryRequest {
            type_url: type_url::NAME_TABLE.to_owned(),
            ..DiscoveryRequest::default()
        })),
    }
}

/// The type of a reply.
pub(super) fn type_of(reply: &Reply) -> &str {
    match reply {
        Reply::Delta(reply) => &reply.type_url,
        Reply::StateOfTheWorld(reply) => &reply.type_url,
    }
}

/// The table in a reply: `Ok(None)` when it brings none.
pub(super) fn table(reply: &Reply) -> Result<Option<NameTable>, String> {
    let bodies: Vec<&Any> = match reply {
        Reply::Delta(reply) => reply
            .resources
            .iter()
            .filter_map(|resource| resource.resource.as_ref())
            .collect(),
        Reply::StateOfTheWorld(reply) => reply.resources.iter().collect(),
    };
    let Some(body) = bodies.first() else {
        return Ok(None);
    };
    any::unpack(body)
        .map(Some)
        .map_err(|error| error.to_string())
}

/// The answer to a reply: agreement, or why not.
pub(super) fn answer(reply: &Reply, refusal: Option<String>) -> Request {
    let error_detail = refusal.map(|message| Status {
        code: INVALID_ARGUMENT,
        message,
        ..Status::default()
    });
    match reply {
        Reply::Delta(reply) => Request::Delta(Box::new(DeltaDiscoveryRequest {
            type_url: reply.type_url.clone(),
            response_nonce: reply.nonce.clone(),
            error_detail,
            ..DeltaDiscoveryRequest::default()
        })),
        Reply::StateOfTheWorld(reply) => Request::StateOfTheWorld(Box::new(DiscoveryRequest {
            // A refused version is not told as the one in force.
            version_info: if error_detail.is_some() {
                String::new()
            } else {
                reply.version_info.clone()
            },
            type_url: reply.type_url.clone(),
            response_nonce: reply.nonce.clone(),
            error_detail,
            ..DiscoveryRequest::default()
        })),
    }
}
