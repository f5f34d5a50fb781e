//! The objects that every sandbox begins with: the control plane and the ingress gateway.
//!
//! A user's object of the same kind, namespace and name takes the place of one of these.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::values::SetValues;

/// The namespace of the mesh itself.
pub const SYSTEM_NAMESPACE: &str = "istio-system";

const NAMESPACE: &str = include_str!("namespace.yaml");
const ISTIOD: &str = include_str!("istiod.yaml");
const GATEWAY: &str = include_str!("ingressgateway.yaml");

/// Where the control plane finds what it reads and keeps; the same paths on the host and in its
/// pod, so that messages name files as the user knows them.
#[derive(Clone, Debug)]
pub struct ControlPlanePaths {
    /// The user's directories.
    pub config: Vec<PathBuf>,
    /// What the sandbox tells about pods, services and nodes.
    pub status: PathBuf,
    /// What it keeps: the certificate authority.
    pub state: PathBuf,
    /// The public key that service-account tokens are verified with.
    pub token_key: PathBuf,
}

/// All system objects, as JSON.
pub fn objects(paths: &ControlPlanePaths, values: &SetValues) -> Vec<Value> {
    let mut objects = Vec::new();
    for text in [NAMESPACE, ISTIOD, GATEWAY] {
        for document in serde_yaml_ng::Deserializer::from_str(text) {
            let value: Value = serde::Deserialize::deserialize(document)
                .expect("the embedded documents are valid YAML");
            objects.push(value);
        }
    }
    for object in &mut objects {
        if object["kind"] == "Deployment" && object["metadata"]["name"] == "istiod" {
            complete_istiod(object, paths, values);
        }
    }
    objects.push(mesh_config(values));
    objects
}

fn complete_istiod(deployment: &mut Value, paths: &ControlPlanePaths, values: &SetValues) {
    let text = |path: &Path| path.display().to_string();
    let mut args = vec!["discovery".to_owned()];
    let mut mounted: Vec<(PathBuf, bool)> = Vec::new();
    for config in &paths.config {
        args.extend(["--config-dir".to_owned(), text(config)]);
        mounted.push((config.clone(), true));
    }
    for (flag, path, read_only) in [
        ("--status-dir", &paths.status, true),
        ("--state-dir", &paths.state, false),
        ("--token-public-key", &paths.token_key, true),
    ] {
        args.extend([flag.to_owned(), text(path)]);
        mounted.push((path.clone(), read_only));
    }
    args.extend(["--listen-address", "0.0.0.0", "--domain", "cluster.local"].map(str::to_owned));
    let spec = &mut deployment["spec"]["template"]["spec"];
    let volumes: Vec<_> = mounted
        .iter()
        .enumerate()
        .map(
            |(n, (path, _))| json!({"name": format!("host-{n}"), "hostPath": {"path": text(path)}}),
        )
        .collect();
    let mounts: Vec<_> = mounted
        .iter()
        .enumerate()
        .map(|(n, (path, read_only))| {
            json!({"name": format!("host-{n}"), "mountPath": text(path), "readOnly": read_only})
        })
        .collect();
    spec["volumes"] = json!(volumes);
    let container = &mut spec["containers"][0];
    container["args"] = json!(args);
    container["volumeMounts"] = json!(mounts);
    if let Some(env) = container["env"].as_array_mut() {
        let more = values.control_plane_env.iter();
        env.extend(more.map(|(name, value)| json!({"name": name, "value": value})));
    }
}

/// The mesh config that a user who brings none gets.
fn mesh_config(values: &SetValues) -> Value {
    let mut mesh = Map::new();
    mesh.insert("accessLogFile".to_owned(), json!("/dev/stdout"));
    mesh.insert("trustDomain".to_owned(), json!("cluster.local"));
    let mut mesh = Value::Object(mesh);
    values.overlay_mesh_config(&mut mesh);
    let text = serde_yaml_ng::to_string(&mesh).expect("JSON values always serialise");
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "istio", "namespace": SYSTEM_NAMESPACE,
                     "labels": {"istio.io/rev": "default"}},
        "data": {"mesh": text},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::Deployment;

    fn paths() -> ControlPlanePaths {
        ControlPlanePaths {
            config: vec!["/srv/mesh".into()],
            status: "/run/ferromesh/demo/status".into(),
            state: "/run/ferromesh/demo/istiod".into(),
            token_key: "/run/ferromesh/demo/token.pub".into(),
        }
    }

    #[test]
    fn the_control_plane_sees_the_user_s_directory_under_its_own_path() {
        let objects = objects(&paths(), &SetValues::default());
        let istiod = objects
            .iter()
            .find(|object| object["kind"] == "Deployment" && object["metadata"]["name"] == "istiod")
            .expect("the control plane is there");
        let container = &istiod["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["args"][2], "/srv/mesh");
        assert_eq!(container["volumeMounts"][0]["mountPath"], "/srv/mesh");
        let deployment: Result<Deployment, _> = serde_json::from_value(istiod.clone());
        assert!(deployment.is_ok());
    }

    #[test]
    fn settings_reach_the_mesh_config() {
        let values =
            SetValues::parse(&["meshConfig.outboundTrafficPolicy.mode=REGISTRY_ONLY".into()])
                .expect("valid");
        let config = mesh_config(&values);
        let text = config["data"]["mesh"].as_str().unwrap_or_default();
        assert!(text.contains("mode: REGISTRY_ONLY"), "{text}");
    }
}
