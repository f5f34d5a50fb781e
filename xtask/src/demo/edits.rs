//! Edits of the demo's config folder, made as a user makes them: by saving a file.

use std::fs;
use std::path::Path;

/// Splits the catalog's traffic: `v1` and `v2` are weights that add up to 100.
pub fn catalog_weights(config: &Path, v1: u32, v2: u32) -> anyhow::Result<()> {
    save(
        config,
        "routing.yaml",
        &format!(
            "apiVersion: networking.istio.io/v1\n\
             kind: DestinationRule\n\
             metadata:\n\
             \x20 name: catalog\n\
             \x20 namespace: istioinaction\n\
             spec:\n\
             \x20 host: catalog\n\
             \x20 subsets:\n\
             \x20 - name: v1\n\
             \x20   labels:\n\
             \x20     version: v1\n\
             \x20 - name: v2\n\
             \x20   labels:\n\
             \x20     version: v2\n\
             ---\n\
             apiVersion: networking.istio.io/v1\n\
             kind: VirtualService\n\
             metadata:\n\
             \x20 name: catalog\n\
             \x20 namespace: istioinaction\n\
             spec:\n\
             \x20 hosts:\n\
             \x20 - catalog\n\
             \x20 http:\n\
             \x20 - route:\n\
             \x20   - destination:\n\
             \x20       host: catalog\n\
             \x20       subset: v1\n\
             \x20     weight: {v1}\n\
             \x20   - destination:\n\
             \x20       host: catalog\n\
             \x20       subset: v2\n\
             \x20     weight: {v2}\n"
        ),
    )
}

/// What the gateway does with the path `/edited`: a redirect to `target`.
pub fn gateway_redirect(config: &Path, target: &str) -> anyhow::Result<()> {
    save(
        config,
        "gateway-route.yaml",
        &format!(
            "apiVersion: networking.istio.io/v1\n\
             kind: VirtualService\n\
             metadata:\n\
             \x20 name: edited\n\
             \x20 namespace: istioinaction\n\
             spec:\n\
             \x20 hosts:\n\
             \x20 - edited.istioinaction.io\n\
             \x20 gateways:\n\
             \x20 - edited\n\
             \x20 http:\n\
             \x20 - redirect:\n\
             \x20     uri: {target}\n\
             ---\n\
             apiVersion: networking.istio.io/v1\n\
             kind: Gateway\n\
             metadata:\n\
             \x20 name: edited\n\
             \x20 namespace: istioinaction\n\
             spec:\n\
             \x20 selector:\n\
             \x20   istio: ingressgateway\n\
             \x20 servers:\n\
             \x20 - port:\n\
             \x20     number: 80\n\
             \x20     name: http\n\
             \x20     protocol: HTTP\n\
             \x20   hosts:\n\
             \x20   - edited.istioinaction.io\n"
        ),
    )
}

/// Demands mutual TLS of every client of the shop.
pub fn strict(config: &Path) -> anyhow::Result<()> {
    save(
        config,
        "strict.yaml",
        "apiVersion: security.istio.io/v1\n\
         kind: PeerAuthentication\n\
         metadata:\n\
         \x20 name: default\n\
         \x20 namespace: istioinaction\n\
         spec:\n\
         \x20 mtls:\n\
         \x20   mode: STRICT\n",
    )
}

/// Takes the demand back.
pub fn permissive(config: &Path) -> anyhow::Result<()> {
    Ok(fs::remove_file(config.join("strict.yaml"))?)
}

/// Sets the number of pods of the catalog's first version.
pub fn catalog_replicas(config: &Path, replicas: u32) -> anyhow::Result<()> {
    let text = fs::read_to_string(config.join("catalog.yaml"))?;
    // The first deployment of the file is that of version 1.
    let start = text.find("replicas: ").unwrap_or_default();
    let end = text[start..]
        .find('\n')
        .map_or(text.len(), |length| start + length);
    let edited = format!("{}replicas: {replicas}{}", &text[..start], &text[end..]);
    save(config, "catalog.yaml", &edited)
}

/// Written beside and renamed, as editors do.
fn save(config: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let partial = config.join(format!(".{name}.partial"));
    fs::write(&partial, text)?;
    Ok(fs::rename(partial, config.join(name))?)
}
