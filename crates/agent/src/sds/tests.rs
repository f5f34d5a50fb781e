//! The secret server over a real Unix socket, with our own client.

use std::time::SystemTime;

use ferromesh_proto::any;
use ferromesh_proto::envoy::extensions::transport_sockets::tls::v3::Secret;
use ferromesh_proto::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse,
};
use ferromesh_proto::type_url;
use ferromesh_runtime::Publisher;
use futures_util::FutureExt as _;
use tokio::net::UnixStream;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic_prost::ProstCodec;

use super::*;

fn certificate() -> Arc<WorkloadCertificate> {
    let made = rcgen::generate_simple_self_signed(["a".to_owned()]).expect("made");
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let made = WorkloadCertificate::new(chain.clone(), key, chain, SystemTime::now());
    Arc::new(made.expect("usable"))
}

fn names(response: &DeltaDiscoveryResponse) -> Vec<String> {
    let secret = |resource: &ferromesh_proto::envoy::service::discovery::v3::Resource| {
        let body = resource.resource.as_ref().expect("a body");
        any::unpack::<Secret>(body).expect("a secret").name
    };
    response.resources.iter().map(secret).collect()
}

#[tokio::test]
async fn secrets_are_sent_when_there_are_some_and_again_when_they_change() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = socket_path(folder.path(), "socket");
    let publisher = Publisher::new(None);
    let server = SecretServer::bind(&path, publisher.reader()).expect("bound");
    tokio::spawn(server.run());

    let connector = move || {
        let path = path.clone();
        async move {
            let stream = UnixStream::connect(path).await?;
            Ok(Box::new(stream) as ferromesh_xds::transport::client::BoxedStream)
        }
        .boxed()
    };
    let channel = ferromesh_xds::transport::client::channel("agent:1", Arc::new(connector));
    let mut grpc = tonic::client::Grpc::new(channel.expect("an authority"));
    grpc.ready().await.expect("connected");
    let (requests, receiver) = tokio::sync::mpsc::unbounded_channel();
    let subscribe = DeltaDiscoveryRequest {
        type_url: type_url::SECRET.to_owned(),
        resource_names_subscribe: vec!["default".to_owned(), "ROOTCA".to_owned()],
        ..DeltaDiscoveryRequest::default()
    };
    requests.send(subscribe).expect("open");
    publisher.publish(Arc::new(Some(certificate())));
    let path = http::uri::PathAndQuery::from_static(
        "/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets",
    );
    let codec = ProstCodec::<DeltaDiscoveryRequest, DeltaDiscoveryResponse>::default();
    let outgoing = tonic::Request::new(UnboundedReceiverStream::new(receiver));
    let mut replies = grpc
        .streaming(outgoing, path, codec)
        .await
        .expect("open")
        .into_inner();
    let reply = replies.message().await.expect("alive").expect("a response");
    assert_eq!(names(&reply), ["ROOTCA", "default"]);
    publisher.publish(Arc::new(Some(certificate())));
    let reply = replies.message().await.expect("alive").expect("a response");
    assert_eq!(names(&reply).len(), 2);
}
