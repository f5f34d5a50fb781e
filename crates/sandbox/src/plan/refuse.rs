//! What a pod may ask for that the sandbox does not do. Such a pod is not run: running it without
//! would show behaviour that no cluster has.

use crate::kubernetes::{Container, Handler, Pod, Probe};

/// The first thing in `pod` that the sandbox does not support, as a sentence with the field.
pub fn unsupported(pod: &Pod) -> Option<String> {
    let spec = &pod.spec;
    if spec.host_network {
        return Some(
            "spec.hostNetwork: a pod of the sandbox always has its own network".to_owned(),
        );
    }
    if spec.containers.is_empty() {
        return Some("spec.containers: a pod needs at least one container".to_owned());
    }
    for volume in &spec.volumes {
        if let Some(kind) = volume.other.keys().next() {
            return Some(format!(
                "spec.volumes[{}].{kind}: the sandbox has emptyDir, configMap, secret, projected, \
                 downwardAPI and hostPath volumes",
                volume.name
            ));
        }
        let sources = volume
            .projected
            .iter()
            .flat_map(|projected| &projected.sources);
        if let Some(kind) = sources.flat_map(|source| source.other.keys()).next() {
            return Some(format!(
                "spec.volumes[{}].projected.{kind}: the sandbox projects serviceAccountToken, \
                 configMap, secret and downwardAPI",
                volume.name
            ));
        }
    }
    let all = spec.init_containers.iter().chain(&spec.containers);
    all.clone()
        .find_map(unsupported_handler)
        .or_else(|| all.clone().find_map(|c| unknown_mount(pod, c)))
}

fn unsupported_handler(container: &Container) -> Option<String> {
    let probe = |probe: &Option<Probe>| probe.as_ref().map(|probe| probe.handler.clone());
    let handlers = [
        ("livenessProbe", probe(&container.liveness_probe)),
        ("readinessProbe", probe(&container.readiness_probe)),
        ("startupProbe", probe(&container.startup_probe)),
        (
            "lifecycle.postStart",
            container.lifecycle.post_start.clone(),
        ),
        ("lifecycle.preStop", container.lifecycle.pre_stop.clone()),
    ];
    let (field, reason) = handlers
        .into_iter()
        .find_map(|(field, handler)| Some((field, handler_reason(&handler?)?)))?;
    Some(format!("container {}, {field}: {reason}", container.name))
}

fn handler_reason(handler: &Handler) -> Option<&'static str> {
    if handler.grpc.is_some() {
        return Some(
            "gRPC probes are not supported by the sandbox; use httpGet, tcpSocket or exec",
        );
    }
    let https = |scheme: &str| scheme.eq_ignore_ascii_case("https");
    if handler
        .http_get
        .as_ref()
        .is_some_and(|http| https(&http.scheme))
    {
        return Some("HTTPS probes are not supported by the sandbox; use HTTP, tcpSocket or exec");
    }
    None
}

fn unknown_mount(pod: &Pod, container: &Container) -> Option<String> {
    let known = |name: &str| pod.spec.volumes.iter().any(|volume| volume.name == name);
    let mount = container
        .volume_mounts
        .iter()
        .find(|mount| !known(&mount.name))?;
    Some(format!(
        "container {}, volumeMounts: there is no volume {:?} in spec.volumes",
        container.name, mount.name
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn reason(spec: Value) -> Option<String> {
        let pod = serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": spec}));
        unsupported(&pod.expect("a readable pod"))
    }

    #[test]
    fn an_ordinary_pod_is_supported() {
        let spec = json!({"containers": [{"name": "c", "readinessProbe": {"httpGet": {"port": 80}},
            "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
            "volumes": [{"name": "v", "emptyDir": {}}]});
        assert_eq!(reason(spec), None);
    }

    #[test]
    fn what_cannot_be_had_is_named_with_its_field() {
        for (spec, expected) in [
            (
                json!({"hostNetwork": true, "containers": [{"name": "c"}]}),
                "spec.hostNetwork",
            ),
            (json!({}), "spec.containers"),
            (
                json!({"containers": [{"name": "c"}], "volumes": [{"name": "v", "nfs": {}}]}),
                "spec.volumes[v].nfs",
            ),
            (
                json!({"containers": [{"name": "c", "livenessProbe": {"grpc": {"port": 1}}}]}),
                "container c, livenessProbe",
            ),
            (
                json!({"containers": [{"name": "c", "volumeMounts": [{"name": "x"}]}]}),
                "container c, volumeMounts",
            ),
        ] {
            let found = reason(spec).unwrap_or_default();
            assert!(found.starts_with(expected), "{found}");
        }
    }
}
