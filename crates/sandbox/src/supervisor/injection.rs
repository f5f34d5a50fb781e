//! From a template to the pod that runs: identity, Kubernetes' own labels, the mesh's sidecar.

use ferromesh_inject::{Decision, InjectError, InjectSettings, Owner, Target, decide, inject};
use ferromesh_types::Labels;
use serde_json::{Value, json};

use crate::values::SetValues;

/// Where a pod comes from.
#[derive(Clone, Debug)]
pub(super) struct PodOrigin {
    /// Its namespace.
    pub(super) namespace: String,
    /// Its name.
    pub(super) name: String,
    /// Its unique id.
    pub(super) uid: String,
    /// The deployment that it belongs to, and the hash of its template.
    pub(super) deployment: Option<(String, String)>,
}

/// The settings of injection under the mesh config `mesh` (the YAML of ConfigMap `istio`).
pub(super) fn settings(mesh: Option<&str>, values: &SetValues) -> InjectSettings {
    let mut settings = InjectSettings::default();
    let mesh: Value = mesh
        .and_then(|text| serde_yaml_ng::from_str(text).ok())
        .unwrap_or_default();
    if let Some(domain) = mesh.get("trustDomain").and_then(Value::as_str) {
        domain.clone_into(&mut settings.trust_domain);
        domain.clone_into(&mut settings.mesh_id);
    }
    if let Some(config) = mesh
        .get("defaultConfig")
        .filter(|config| config.is_object())
    {
        settings.default_config = config.clone();
        if let Some(id) = config.get("meshId").and_then(Value::as_str) {
            id.clone_into(&mut settings.mesh_id);
        }
    }
    if let Some(merge) = mesh.get("enablePrometheusMerge").and_then(Value::as_bool) {
        settings.merge_metrics = merge;
    }
    values.overlay_injection(&mut settings);
    settings
}

/// The pod that `template` (a pod, or a deployment's template) stands for, injected if it is to be.
pub(super) fn pod_of(
    template: &Value,
    origin: &PodOrigin,
    namespace_labels: &Labels,
    settings: &InjectSettings,
) -> Result<Value, InjectError> {
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": template.get("metadata").cloned().unwrap_or_else(|| json!({})),
        "spec": template.get("spec").cloned().unwrap_or_else(|| json!({})),
    });
    let metadata = &mut pod["metadata"];
    metadata["name"] = json!(origin.name);
    metadata["namespace"] = json!(origin.namespace);
    metadata["uid"] = json!(origin.uid);
    if let Some((deployment, hash)) = &origin.deployment {
        let replica_set = format!("{deployment}-{hash}");
        metadata["generateName"] = json!(format!("{replica_set}-"));
        metadata["labels"]["pod-template-hash"] = json!(hash);
        metadata["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet",
            "name": replica_set, "controller": true}]);
    }
    let spec = &mut pod["spec"];
    if spec.get("serviceAccountName").is_none() {
        spec["serviceAccountName"] = json!("default");
    }
    match decide(&origin.namespace, namespace_labels, &pod, settings) {
        Decision::Skip { .. } => Ok(pod),
        Decision::Inject => {
            let owner = origin.deployment.as_ref().map(|(name, _)| Owner {
                api_version: "apps/v1".to_owned(),
                kind: "Deployment".to_owned(),
                name: name.clone(),
            });
            let target = Target {
                namespace: &origin.namespace,
                owner: owner.as_ref(),
            };
            inject(&pod, target, settings)
        }
    }
}

/// Whether an init container of the pod redirects its traffic to a proxy.
pub(super) fn is_captured(pod: &Value) -> bool {
    let containers = pod
        .pointer("/spec/initContainers")
        .and_then(Value::as_array);
    containers.into_iter().flatten().any(|container| {
        container.pointer("/args/0").and_then(Value::as_str) == Some("istio-iptables")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> PodOrigin {
        PodOrigin {
            namespace: "shop".into(),
            name: "web-abc-xyz".into(),
            uid: "u".into(),
            deployment: Some(("web".into(), "abc".into())),
        }
    }

    fn template() -> Value {
        json!({"metadata": {"labels": {"app": "web"}},
               "spec": {"containers": [{"name": "web", "image": "webapp"}]}})
    }

    #[test]
    fn a_labelled_namespace_gets_sidecars_and_others_do_not() {
        let settings = settings(None, &SetValues::default());
        let enabled: Labels = [("istio-injection", "enabled")].into_iter().collect();
        let pod = pod_of(&template(), &origin(), &enabled, &settings).expect("injected");
        assert!(is_captured(&pod), "{pod}");
        let pod = pod_of(&template(), &origin(), &Labels::default(), &settings).expect("plain");
        assert!(!is_captured(&pod));
        assert_eq!(pod["metadata"]["labels"]["pod-template-hash"], "abc");
        assert_eq!(pod["metadata"]["ownerReferences"][0]["name"], "web-abc");
    }

    #[test]
    fn the_mesh_config_reaches_the_sidecar() {
        let mesh = "trustDomain: example.org\ndefaultConfig: {concurrency: 3}";
        let settings = settings(Some(mesh), &SetValues::default());
        assert_eq!(settings.trust_domain, "example.org");
        assert_eq!(settings.default_config["concurrency"], 3);
    }
}
