//! The bootstrap's overload manager, and the limits among its runtime values.

use std::mem::take;
use std::time::Duration;

use ferromesh_proto::envoy::config::bootstrap::v3::LayeredRuntime;
use ferromesh_proto::envoy::config::bootstrap::v3::runtime_layer::LayerSpecifier;
use ferromesh_proto::envoy::config::overload::v3 as pb;
use ferromesh_proto::envoy::config::overload::v3::trigger::TriggerOneof;
use ferromesh_proto::envoy::extensions::resource_monitors::downstream_connections::v3::DownstreamConnectionsConfig;
use ferromesh_proto::envoy::extensions::resource_monitors::fixed_heap::v3::FixedHeapConfig;
use ferromesh_proto::{any, structs, type_url};
use ferromesh_types::Str;

use super::fields::limit;
use super::refusal::{At, Refusal, nothing_left};
use crate::compiled::{Monitor, OverloadAction, OverloadSettings, Trigger};

const HEAP: &str = "envoy.resource_monitors.fixed_heap";
const CONNECTIONS: &str = "envoy.resource_monitors.global_downstream_max_connections";

/// Of our own: Envoy has no such limit.
const HANDSHAKES: &str = "ferromesh.resource_limits.handshakes_per_source";

/// Actions that give memory back to the system, which the allocator does by itself.
const WITHOUT_EFFECT: &str = "envoy.overload_actions.shrink_heap";

/// Compiles the overload manager.
pub(crate) fn compile(mut value: pb::OverloadManager) -> Result<OverloadSettings, Refusal> {
    let mut settings = OverloadSettings::default();
    let refresh = limit(value.refresh_interval.take(), None).at("refresh_interval")?;
    // As in Envoy, but not so often that looking costs more than what is saved.
    settings.refresh = refresh.map_or(settings.refresh, |it| it.max(Duration::from_millis(10)));
    for (index, each) in take(&mut value.resource_monitors).into_iter().enumerate() {
        monitor(each, &mut settings).at_index("resource_monitors", index)?;
    }
    for (index, each) in take(&mut value.actions).into_iter().enumerate() {
        if each.name != WITHOUT_EFFECT {
            let action = action(each, &settings).at_index("actions", index)?;
            settings.actions.push(action);
        }
    }
    nothing_left(&value)?;
    Ok(settings)
}

fn monitor(value: pb::ResourceMonitor, settings: &mut OverloadSettings) -> Result<(), Refusal> {
    let Some(pb::resource_monitor::ConfigType::TypedConfig(config)) = value.config_type else {
        return Err(Refusal::field("typed_config", "is needed"));
    };
    let resolved = any::resolve(&config).at("typed_config")?;
    match type_url::message_name(&resolved.type_url) {
        "envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig" => {
            let mut config: FixedHeapConfig = any::unpack(&resolved).at("typed_config")?;
            settings.max_heap = Some(positive(take(&mut config.max_heap_size_bytes))?);
            nothing_left(&config).at("typed_config")
        }
        "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig" =>
        {
            let config: DownstreamConnectionsConfig = any::unpack(&resolved).at("typed_config")?;
            let most = u64::try_from(config.max_active_downstream_connections).unwrap_or(0);
            settings.max_connections = Some(positive(most)?);
            Ok(())
        }
        name => {
            let reason = format!("the resource monitor {name} is not supported");
            Err(Refusal::field("typed_config", reason))
        }
    }
}

fn positive(value: u64) -> Result<u64, Refusal> {
    if value == 0 {
        return Err(Refusal::new("the limit must be greater than zero"));
    }
    Ok(value)
}

fn action(
    mut value: pb::OverloadAction,
    settings: &OverloadSettings,
) -> Result<(OverloadAction, Vec<Trigger>), Refusal> {
    let name = take(&mut value.name);
    let action = OverloadAction::ALL
        .into_iter()
        .find(|action| action.name() == name)
        .ok_or_else(|| Refusal::field("name", format!("{name} is not supported")))?;
    let each = |(index, each)| trigger(each, settings).at_index("triggers", index);
    let triggers = take(&mut value.triggers).into_iter().enumerate().map(each);
    let triggers = triggers.collect::<Result<_, _>>()?;
    nothing_left(&value)?;
    Ok((action, triggers))
}

fn trigger(value: pb::Trigger, settings: &OverloadSettings) -> Result<Trigger, Refusal> {
    let (monitor, known) = match value.name.as_str() {
        HEAP => (Monitor::Heap, settings.max_heap.is_some()),
        CONNECTIONS => (Monitor::Connections, settings.max_connections.is_some()),
        _ => (Monitor::Heap, false),
    };
    if !known {
        let reason = format!("{:?} is none of the resource monitors", value.name);
        return Err(Refusal::field("name", reason));
    }
    let from = match value.trigger_oneof {
        Some(TriggerOneof::Threshold(threshold)) => threshold.value,
        // These actions know only off and on; Envoy turns them on at saturation.
        Some(TriggerOneof::Scaled(scaled)) => scaled.saturation_threshold,
        None => return Err(Refusal::new("threshold or scaled is needed")),
    };
    Ok(Trigger { monitor, from })
}

/// Reads the connection limits of listeners out of the static layers; other values concern Envoy's
/// inner workings.
pub(crate) fn runtime_limits(runtime: LayeredRuntime, settings: &mut OverloadSettings) {
    for layer in runtime.layers {
        let Some(LayerSpecifier::StaticLayer(values)) = layer.layer_specifier else {
            continue;
        };
        let mut flat = Vec::new();
        flatten(String::new(), &structs::to_json(&values), &mut flat);
        for (key, value) in flat {
            let name = key
                .strip_prefix("envoy.resource_limits.listener.")
                .and_then(|rest| rest.strip_suffix(".connection_limit"));
            if let Some(name) = name {
                settings.listeners.insert(Str::from(name), value);
            } else if key == "overload.global_downstream_max_connections" {
                settings.max_connections.get_or_insert(value);
            } else if key == HANDSHAKES {
                let most = u32::try_from(value).unwrap_or(u32::MAX);
                settings.handshakes_per_source = Some(most);
            }
        }
    }
}

/// Runtime keys may be written with dots or as nested objects.
fn flatten(prefix: String, value: &serde_json::Value, out: &mut Vec<(String, u64)>) {
    match value {
        serde_json::Value::Object(members) => {
            for (name, member) in members {
                let key = if prefix.is_empty() {
                    name.clone()
                } else {
                    format!("{prefix}.{name}")
                };
                flatten(key, member, out);
            }
        }
        serde_json::Value::Number(number) => {
            let whole = number.as_u64();
            let number = whole.or_else(|| number.as_f64().map(|number| number as u64));
            out.extend(number.map(|number| (prefix, number)));
        }
        // Values may be given as text.
        serde_json::Value::String(text) => out.extend(text.parse().ok().map(|it| (prefix, it))),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferromesh_proto::yaml::bootstrap_from_yaml;

    fn bootstrap(text: &str) -> ferromesh_proto::envoy::config::bootstrap::v3::Bootstrap {
        bootstrap_from_yaml(text).expect("valid")
    }

    #[test]
    fn monitors_actions_and_limits_are_read() {
        let bootstrap = bootstrap(
            r#"
layered_runtime:
  layers:
  - name: a
    static_layer:
      envoy: {resource_limits: {listener: {web: {connection_limit: 7}}}}
      "envoy.resource_limits.listener.10.0.0.1_80.connection_limit": 8
      ferromesh.resource_limits.handshakes_per_source: 9
overload_manager:
  refresh_interval: 0.25s
  resource_monitors:
  - name: envoy.resource_monitors.fixed_heap
    typed_config: {"@type": type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig, max_heap_size_bytes: 1000}
  - name: envoy.resource_monitors.global_downstream_max_connections
    typed_config: {"@type": type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig, max_active_downstream_connections: 50}
  actions:
  - {name: envoy.overload_actions.shrink_heap, triggers: [{name: envoy.resource_monitors.fixed_heap, threshold: {value: 0.8}}]}
  - {name: envoy.overload_actions.stop_accepting_requests, triggers: [{name: envoy.resource_monitors.fixed_heap, threshold: {value: 0.9}}]}
"#,
        );
        let manager = bootstrap.overload_manager.expect("one");
        let mut settings = compile(manager).expect("supported");
        runtime_limits(bootstrap.layered_runtime.expect("one"), &mut settings);
        assert_eq!(settings.max_heap, Some(1000));
        assert_eq!(settings.max_connections, Some(50));
        assert_eq!(settings.refresh, Duration::from_millis(250));
        assert_eq!(settings.actions.len(), 1);
        assert_eq!(settings.listeners.get("web"), Some(&7));
        assert_eq!(settings.listeners.get("10.0.0.1_80"), Some(&8));
        assert_eq!(settings.handshakes_per_source, Some(9));
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        for (text, expected) in [
            (
                "{overload_manager: {actions: [{name: envoy.overload_actions.reduce_timeouts}]}}",
                "actions[0].name: envoy.overload_actions.reduce_timeouts is not supported",
            ),
            (
                "{overload_manager: {actions: [{name: envoy.overload_actions.stop_accepting_requests, \
                 triggers: [{name: other, threshold: {value: 1}}]}]}}",
                "actions[0].triggers[0].name: \"other\" is none of the resource monitors",
            ),
        ] {
            let manager = bootstrap(text).overload_manager.expect("one");
            let refusal = compile(manager).expect_err("refused");
            assert_eq!(refusal.to_string(), expected);
        }
    }
}
