//! One secrets stream.

use std::sync::Arc;
use std::time::Duration;

use ferromesh_proto::type_url;
use ferromesh_types::Str;
use ferromesh_xds::server::{Response, ServerStream, ServerStreamSettings, Verdict};
use ferromesh_xds::transport::server::{OpenStream, Outgoing};
use ferromesh_xds::{NameInterner, NameSet};
use tracing::warn;

use super::{CertificateReader, resources};
use crate::certificate::WorkloadCertificate;

/// Files of secrets are looked at this often.
const FILE_INTERVAL: Duration = Duration::from_secs(5);

const SETTINGS: ServerStreamSettings = ServerStreamSettings {
    wildcard_by_default: |_| false,
    // A secret whose file is gone stays in force: dropping it would drop traffic.
    sends_removals: |_| false,
    dependent_type: |_| None,
};

/// Serves a stream until its end.
pub(super) async fn serve(
    mut open: OpenStream,
    mut certificates: CertificateReader,
) -> Result<(), String> {
    let mut stream = ServerStream::new(open.variant, SETTINGS, Arc::new(NameInterner::default()));
    let mut certificate = first(&mut certificates).await?;
    let mut files = tokio::time::interval(FILE_INTERVAL);
    loop {
        let response = tokio::select! {
            request = open.requests.next() => {
                let request = request.map_err(|status| status.to_string())?;
                let Some(request) = request else { return Ok(()) };
                let reaction = stream.receive(request);
                if let Some(Verdict::Rejected(reason)) = &reaction.verdict {
                    warn!(%reason, "Envoy refused a secret");
                }
                reaction.demand.and_then(|demand| {
                    let set = resources::find(&wanted(&stream), &certificate);
                    stream.answer(&demand, &set, &version(&certificate))
                })
            }
            alive = certificates.changed() => {
                if !alive {
                    return Err("the agent is leaving".to_owned());
                }
                if let Some(newer) = certificates.current().as_ref() {
                    certificate = Arc::clone(newer);
                }
                push(&mut stream, &certificate)
            }
            _ = files.tick() => {
                let any = wanted(&stream).iter().any(|name| resources::is_file(name));
                if any { push(&mut stream, &certificate) } else { None }
            }
        };
        if let Some(response) = response
            && open
                .responses
                .send(Outgoing::Response(response))
                .await
                .is_err()
        {
            return Ok(());
        }
    }
}

/// Waits for the first certificate.
async fn first(certificates: &mut CertificateReader) -> Result<Arc<WorkloadCertificate>, String> {
    loop {
        if let Some(certificate) = certificates.current().as_ref() {
            return Ok(Arc::clone(certificate));
        }
        if !certificates.changed().await {
            return Err("the agent is leaving".to_owned());
        }
    }
}

fn wanted(stream: &ServerStream) -> Arc<NameSet> {
    let watch = stream.watch(type_url::SECRET);
    watch
        .map(|watch| Arc::clone(watch.names()))
        .unwrap_or_default()
}

fn push(stream: &mut ServerStream, certificate: &WorkloadCertificate) -> Option<Response> {
    let set = resources::find(&wanted(stream), certificate);
    stream.push(type_url::SECRET, &set, &version(certificate))
}

fn version(certificate: &WorkloadCertificate) -> Str {
    let since = certificate
        .received
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Str::from(since.as_millis().to_string().as_str())
}
