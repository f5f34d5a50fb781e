//! Route configurations: the clusters per host.

use std::path::Path;

use anyhow::Context;
use ferromesh_route::Action;
use ferromesh_translate::sidecar_routes;
use ferromesh_types::Str;
use prost::Message;
use serde_json::Value;

use super::{mesh, proxy_of};

pub(super) fn compare(folder: &Path, case: &Value) -> anyhow::Result<Vec<String>> {
    let mesh = mesh(folder, case)?;
    let mut differences = mesh.problems().to_vec();
    let snapshot = mesh.snapshot();
    let view = snapshot.view_of(&proxy_of(case)?);
    let view = view
        .route
        .as_ref()
        .context("a gateway has no such routes")?;
    let name = case["routeConfig"]
        .as_str()
        .context("no route configuration")?;
    let generated = sidecar_routes(&snapshot, view, &[Str::from(name)]);
    let encoded = generated.first().context("no route table")?;
    let table = ferromesh_proxy::xds::rds::compile(Message::decode(encoded.message.clone())?, "")?;
    for (host, expected) in case["expected"].as_object().into_iter().flatten() {
        let found = table
            .virtual_hosts()
            .iter()
            .find(|each| each.domains.iter().any(|domain| *domain == **host));
        let clusters = found.map(|host| {
            let names = host.routes.iter().flat_map(|route| match &route.action {
                Action::Forward(forward) => forward.cluster.names(),
                Action::Redirect(_) | Action::Respond(_) => Vec::new(),
            });
            names.map(ToString::to_string).collect::<Vec<_>>()
        });
        let clusters = serde_json::to_value(clusters)?;
        if clusters != *expected {
            differences.push(format!("{host}: {clusters}, not {expected}"));
        }
    }
    Ok(differences)
}
