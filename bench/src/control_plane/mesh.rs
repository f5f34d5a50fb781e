//! The mesh in a folder, and the edits to it.

use std::fs;
use std::io;
use std::path::Path;

use super::Size;

/// One edit, and the text by which a proxy's config shows it.
pub(super) struct Edit {
    pub(super) name: &'static str,
    pub(super) marker: &'static str,
    pub(super) apply: fn(&Path, Size) -> io::Result<()>,
}

/// One endpoint moves, one route's match changes, one service is new.
pub(super) fn edits() -> [Edit; 3] {
    [
        Edit {
            name: "endpoint",
            marker: "10.200.1.1",
            apply: |folder, size| put(folder, "service-3", &service(3, size, Some("10.200.1.1"))),
        },
        Edit {
            name: "route",
            marker: "platinum1",
            apply: |folder, size| put(folder, "route-10", &route(10, size, "platinum1")),
        },
        Edit {
            name: "service",
            marker: "svc7007.ns7.svc",
            apply: |folder, size| put(folder, "service-7007", &service(7007, size, None)),
        },
    ]
}

/// Writes the whole mesh.
///
/// # Errors
/// When the folder cannot be written.
pub fn write_mesh(folder: &Path, size: Size) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for index in 0..size.services {
        put(
            folder,
            &format!("service-{index}"),
            &service(index, size, None),
        )?;
        if index % 10 == 0 {
            put(
                folder,
                &format!("route-{index}"),
                &route(index, size, "gold"),
            )?;
        }
    }
    Ok(())
}

/// Written beside and renamed, so that nobody reads half a file.
fn put(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let partial = folder.join(format!("{name}.partial"));
    fs::write(&partial, text)?;
    fs::rename(partial, folder.join(format!("{name}.yaml")))
}

fn address(first: u8, index: usize) -> String {
    format!(
        "{first}.{}.{}.{}",
        100 + index / 65_536,
        index / 256 % 256,
        index % 256
    )
}

fn host(index: usize, size: Size) -> String {
    format!("svc{index}.ns{}.svc.cluster.local", index % size.namespaces)
}

fn service(index: usize, size: Size, moved: Option<&str>) -> String {
    let host = host(index, size);
    let namespace = index % size.namespaces;
    let first = moved.map_or_else(|| address(10, 2 * index), str::to_owned);
    let second = address(10, 2 * index + 1);
    let vip = address(172, index);
    format!(
        "apiVersion: networking.istio.io/v1\n\
         kind: ServiceEntry\n\
         metadata: {{name: svc{index}, namespace: ns{namespace}}}\n\
         spec:\n\
         \x20 hosts: [{host}]\n\
         \x20 addresses: [{vip}]\n\
         \x20 location: MESH_INTERNAL\n\
         \x20 resolution: STATIC\n\
         \x20 ports: [{{number: 80, name: http, protocol: HTTP, targetPort: 8080}}]\n\
         \x20 endpoints:\n\
         {}{}",
        endpoint(&first, index, "v1"),
        endpoint(&second, index, "v2"),
    )
}

fn endpoint(address: &str, index: usize, version: &str) -> String {
    format!(
        "  - address: {address}\n    serviceAccount: default\n    labels: {{app: svc{index}, \
         version: {version}, security.istio.io/tlsMode: istio}}\n"
    )
}

fn route(index: usize, size: Size, tier: &str) -> String {
    let host = host(index, size);
    let meta = format!(
        "{{name: svc{index}, namespace: ns{}}}",
        index % size.namespaces
    );
    format!(
        "apiVersion: networking.istio.io/v1\n\
         kind: DestinationRule\n\
         metadata: {meta}\n\
         spec:\n\
         \x20 host: {host}\n\
         \x20 subsets:\n\
         \x20 - {{name: v1, labels: {{version: v1}}}}\n\
         \x20 - {{name: v2, labels: {{version: v2}}}}\n\
         ---\n\
         apiVersion: networking.istio.io/v1\n\
         kind: VirtualService\n\
         metadata: {meta}\n\
         spec:\n\
         \x20 hosts: [{host}]\n\
         \x20 http:\n\
         \x20 - match: [{{headers: {{x-tier: {{exact: {tier}}}}}}}]\n\
         \x20   route: [{{destination: {{host: {host}, subset: v2}}}}]\n\
         \x20 - route:\n\
         \x20   - {{destination: {{host: {host}, subset: v1}}, weight: 90}}\n\
         \x20   - {{destination: {{host: {host}, subset: v2}}, weight: 10}}\n"
    )
}
