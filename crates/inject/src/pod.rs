//! Putting the injected pod together.

use serde_json::{Value, json};

use crate::annotations::Annotations;
use crate::{InjectError, InjectSettings, Owner, init, metadata, probes, proxy, volumes};

/// Which pod, and where it is.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The namespace of the pod.
    pub namespace: &'a str,
    /// Who made the pod; none for a pod on its own.
    pub owner: Option<&'a Owner>,
}

/// Everything that the parts of the pod are made from.
pub(crate) struct Context<'a> {
    pub(crate) pod: &'a Value,
    pub(crate) pod_name: String,
    pub(crate) namespace: &'a str,
    pub(crate) owner: Option<&'a Owner>,
    pub(crate) settings: &'a InjectSettings,
    pub(crate) annotations: Annotations<'a>,
    pub(crate) proxy_config: Value,
    pub(crate) image: String,
    pub(crate) interception_mode: &'static str,
    pub(crate) status_port: u16,
    pub(crate) native: bool,
    pub(crate) first_container: String,
    pub(crate) app_probes: Option<String>,
    pub(crate) prometheus_annotations: Option<String>,
    pub(crate) merged_metrics: bool,
}

/// Returns `pod` with a proxy: the sidecar, or what the annotation `inject.istio.io/templates`
/// asks for.
///
/// # Errors
/// When an annotation cannot be read or the pod has no containers.
pub fn inject(
    pod: &Value,
    target: Target<'_>,
    settings: &InjectSettings,
) -> Result<Value, InjectError> {
    if !pod.pointer("/spec/containers").is_some_and(Value::is_array) {
        return Err(InjectError::Incomplete("containers"));
    }
    let mut injected = pod.clone();
    let mut context = Context::new(pod, target, settings)?;
    let rewrite = context
        .annotations
        .boolean("sidecar.istio.io/rewriteAppHTTPProbers")?;
    if rewrite.unwrap_or(settings.rewrite_probes) && context.status_port != 0 {
        context.app_probes = probes::rewrite(&mut injected, context.status_port);
    }
    match context
        .annotations
        .text("inject.istio.io/templates")
        .unwrap_or("sidecar")
    {
        "sidecar" => sidecar(&mut injected, &context)?,
        "gateway" => gateway(&mut injected, &context)?,
        other => return Err(InjectError::UnknownTemplate(other.to_owned())),
    }
    Ok(injected)
}

fn sidecar(pod: &mut Value, context: &Context<'_>) -> Result<(), InjectError> {
    let mut own = proxy::sidecar(context);
    let user = take_container(pod, "istio-proxy");
    if let Some(user) = &user {
        proxy::merge(&mut own, user);
        if user["image"] == "auto" {
            own["image"] = json!(context.image);
        }
    }
    let mut initial = Vec::new();
    if context.interception_mode != "NONE" {
        list(pod, "initContainers").insert(0, init::container(context)?);
        initial.push("istio-init");
    }
    let mut running = Vec::new();
    if context.native {
        list(pod, "initContainers").insert(initial.len(), own);
        initial.push("istio-proxy");
    } else if context.hold_application() {
        list(pod, "containers").insert(0, own);
        running.push("istio-proxy");
    } else {
        list(pod, "containers").push(own);
        running.push("istio-proxy");
    }
    list(pod, "volumes").extend(volumes::volumes());
    metadata::takes_mutual_tls(pod);
    metadata::add(pod, context, &initial, &running);
    Ok(())
}

fn gateway(pod: &mut Value, context: &Context<'_>) -> Result<(), InjectError> {
    let containers = list(pod, "containers");
    let own = containers
        .iter_mut()
        .find(|container| container["name"] == "istio-proxy")
        .ok_or(InjectError::Incomplete("container named istio-proxy"))?;
    *own = proxy::gateway(context, own);
    list(pod, "volumes").extend(volumes::volumes());
    metadata::add(pod, context, &[], &["istio-proxy"]);
    Ok(())
}

impl<'a> Context<'a> {
    fn new(
        pod: &'a Value,
        target: Target<'a>,
        settings: &'a InjectSettings,
    ) -> Result<Self, InjectError> {
        let annotations = Annotations::of(pod);
        let mut proxy_config = settings.default_config.clone();
        if let Some(own) = annotations.proxy_config()? {
            proxy::merge(&mut proxy_config, &own);
        }
        let merge_metrics = annotations.boolean("prometheus.istio.io/merge-metrics")?;
        let native = annotations.boolean("sidecar.istio.io/nativeSidecar")?;
        let image = annotations
            .text("sidecar.istio.io/proxyImage")
            .unwrap_or(&settings.image);
        let scrape = metadata::prometheus(pod);
        let wanted = scrape
            .as_ref()
            .is_none_or(|scrape| !scrape.contains("\"scrape\":\"false\""));
        let merged_metrics = merge_metrics.unwrap_or(settings.merge_metrics) && wanted;
        Ok(Self {
            pod,
            pod_name: pod
                .pointer("/metadata/name")
                .and_then(Value::as_str)
                .unwrap_or("pod")
                .into(),
            namespace: target.namespace,
            owner: target.owner,
            settings,
            annotations,
            interception_mode: interception_mode(annotations, &proxy_config)?,
            status_port: status_port(annotations, &proxy_config)?,
            native: native.unwrap_or(settings.native_sidecars),
            image: image.to_owned(),
            first_container: first_container(pod),
            app_probes: None,
            prometheus_annotations: scrape.filter(|_| merged_metrics),
            merged_metrics,
            proxy_config,
        })
    }

    /// Whether the application may start only once the proxy serves.
    pub(crate) fn hold_application(&self) -> bool {
        self.proxy_config["holdApplicationUntilProxyStarts"] == true
    }

    /// What the proxy asks of the node; annotations override each figure.
    pub(crate) fn resources(&self) -> Value {
        let figure = |name: &str, default: &str| {
            let own = self.annotations.text(&format!("sidecar.istio.io/{name}"));
            own.unwrap_or(default).to_owned()
        };
        json!({
            "requests": {"cpu": figure("proxyCPU", "10m"), "memory": figure("proxyMemory", "40Mi")},
            "limits": {"cpu": figure("proxyCPULimit", "2"),
                       "memory": figure("proxyMemoryLimit", "1Gi")},
        })
    }
}

fn interception_mode(notes: Annotations<'_>, config: &Value) -> Result<&'static str, InjectError> {
    const NAME: &str = "sidecar.istio.io/interceptionMode";
    let wanted = notes
        .text(NAME)
        .or_else(|| config["interceptionMode"].as_str());
    match wanted.unwrap_or("REDIRECT") {
        "REDIRECT" => Ok("REDIRECT"),
        "TPROXY" => Ok("TPROXY"),
        "NONE" => Ok("NONE"),
        other => Err(InjectError::Annotation {
            annotation: NAME.to_owned(),
            value: other.to_owned(),
            expected: "REDIRECT, TPROXY or NONE",
        }),
    }
}

fn status_port(notes: Annotations<'_>, config: &Value) -> Result<u16, InjectError> {
    const NAME: &str = "status.sidecar.istio.io/port";
    let configured = config["statusPort"]
        .as_u64()
        .and_then(|port| u16::try_from(port).ok());
    match notes.text(NAME) {
        None => Ok(configured.unwrap_or(15020)),
        Some(text) => text.parse().map_err(|_| InjectError::Annotation {
            annotation: NAME.to_owned(),
            value: text.to_owned(),
            expected: "a port number",
        }),
    }
}

fn first_container(pod: &Value) -> String {
    let names = pod
        .pointer("/spec/containers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    names
        .filter_map(|container| container["name"].as_str())
        .find(|name| *name != "istio-proxy")
        .unwrap_or("istio-proxy")
        .to_owned()
}

fn take_container(pod: &mut Value, name: &str) -> Option<Value> {
    let containers = list(pod, "containers");
    let index = containers
        .iter()
        .position(|container| container["name"] == name)?;
    Some(containers.remove(index))
}

fn list<'a>(pod: &'a mut Value, field: &str) -> &'a mut Vec<Value> {
    let slot = &mut pod["spec"][field];
    if !slot.is_array() {
        *slot = json!([]);
    }
    slot.as_array_mut().expect("just made a list")
}
