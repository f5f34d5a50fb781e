//! The init container that redirects the pod's traffic before anything else runs.

use serde_json::{Value, json};

use crate::InjectError;
use crate::pod::Context;

const TRAFFIC: &str = "traffic.sidecar.istio.io";

pub(crate) fn container(context: &Context<'_>) -> Result<Value, InjectError> {
    Ok(json!({
        "name": "istio-init",
        "image": context.image,
        "args": arguments(context)?,
        "env": proxy_metadata(context),
        "resources": context.resources(),
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"add": ["NET_ADMIN", "NET_RAW"], "drop": ["ALL"]},
            "privileged": false,
            "readOnlyRootFilesystem": false,
            "runAsGroup": 0,
            "runAsNonRoot": false,
            "runAsUser": 0,
        },
    }))
}

fn arguments(context: &Context<'_>) -> Result<Vec<String>, InjectError> {
    let settings = context.settings;
    let notes = context.annotations;
    let name = |suffix: &str| format!("{TRAFFIC}/{suffix}");
    let include_ranges = notes.ranges(&name("includeOutboundIPRanges"), true)?;
    let exclude_ranges = notes.ranges(&name("excludeOutboundIPRanges"), false)?;
    let include_ports = notes.ports(&name("includeInboundPorts"), true)?;
    let exclude_ports = notes.ports(&name("excludeInboundPorts"), false)?;
    let mut arguments: Vec<String> = vec!["istio-iptables".to_owned()];
    let mut flag = |name: &str, value: &str| arguments.extend([name.to_owned(), value.to_owned()]);
    flag("-p", "15001");
    flag("-z", "15006");
    flag("-u", "1337");
    flag("-m", context.interception_mode);
    flag("-i", include_ranges.unwrap_or(&settings.include_ip_ranges));
    flag("-x", exclude_ranges.unwrap_or(&settings.exclude_ip_ranges));
    flag("-b", include_ports.unwrap_or("*"));
    let mut left_alone = format!("15090,15021,{}", context.status_port);
    if let Some(more) = exclude_ports.filter(|ports| !ports.is_empty()) {
        left_alone = format!("{left_alone},{more}");
    }
    flag("-d", &left_alone);
    if let Some(ports) = notes.ports(&name("includeOutboundPorts"), false)? {
        flag("-q", ports);
    }
    if let Some(ports) = notes.ports(&name("excludeOutboundPorts"), false)? {
        flag("-o", ports);
    }
    if let Some(interfaces) = notes.text("istio.io/reroute-virtual-interfaces") {
        flag("-k", interfaces);
    } else if let Some(interfaces) = notes.text(&name("kubevirtInterfaces")) {
        flag("-k", interfaces);
    }
    if let Some(interfaces) = notes.text(&name("excludeInterfaces")) {
        flag("-c", interfaces);
    }
    arguments.push("--log_output_level=default:info".to_owned());
    Ok(arguments)
}

/// The proxy's own environment settings, which also steer DNS capture.
pub(crate) fn proxy_metadata(context: &Context<'_>) -> Vec<Value> {
    context
        .proxy_config
        .get("proxyMetadata")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, value)| {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            json!({"name": name, "value": text})
        })
        .collect()
}
