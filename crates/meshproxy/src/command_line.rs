//! The command line. Flags of the proxy and redirection commands are those of Istio's agent, so
//! that a pod written for it runs unchanged.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

const EXAMPLES: &str = "Examples:
  meshproxy sidecar                        beside one workload; settings come from the environment
  meshproxy router                         as a gateway
  meshproxy sidecar --data-plane envoy --envoy-path /usr/local/bin/envoy
                                           the agent with a stock Envoy
  meshproxy -c envoy.yaml                  a static Envoy configuration, no control plane
  meshproxy -c envoy.yaml --hot-upgrade /run/meshproxy.sock
                                           the same line again, with a new configuration or a new
                                           binary, replaces the running process without a loss
  meshproxy request GET config_dump        ask the running proxy's admin interface
  meshproxy istio-iptables --dry-run       print the redirection rules

Environment of `sidecar` and `router` (the names of Istio's agent):
  POD_NAME, POD_NAMESPACE, INSTANCE_IP, SERVICE_ACCOUNT   who the workload is
  PROXY_CONFIG        ProxyConfig in YAML or JSON, for example discoveryAddress
  CA_ADDR             certificate authority, host:port
  TRUST_DOMAIN        trust domain of the SPIFFE id (cluster.local)
  ISTIO_META_*        text for the node's metadata; ISTIO_METAJSON_* for JSON
  FERROMESH_DATA_PLANE, ENVOY_PATH   as the flags --data-plane and --envoy-path
  FERROMESH_ROOT      folder that ./var/run/secrets and ./etc/istio are looked for in (/)
  FERROMESH_LOG       log filter, for example info,ferromesh_proxy=debug";

/// The mesh's data plane: sidecar, gateway, or a static proxy.
#[derive(Debug, Parser)]
#[command(name = "meshproxy", version, after_help = EXAMPLES, arg_required_else_help = true)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) fixed: StaticOptions,
}

/// A static configuration.
#[derive(Args, Debug)]
pub(crate) struct StaticOptions {
    /// Envoy v3 bootstrap, YAML or JSON
    #[arg(short = 'c', long = "config-path", value_name = "FILE")]
    pub(crate) config_path: Option<PathBuf>,
    /// Bootstrap as text; laid over the file when both are given
    #[arg(long, value_name = "YAML")]
    pub(crate) config_yaml: Option<String>,
    /// Worker threads; 0 for one per core
    #[arg(long, default_value_t = 0)]
    pub(crate) concurrency: u32,
    /// Log level: trace, debug, info, warning, error, off
    #[arg(short = 'l', long, default_value = "info")]
    pub(crate) log_level: String,
    /// Most seconds that a drain may take after SIGTERM
    #[arg(long, default_value_t = 5, value_name = "SECONDS")]
    pub(crate) drain_time_s: u64,
    /// Take the sockets of the meshproxy that was started with the same FILE (a Unix socket), and
    /// let the next one take ours: no connection is refused or cut
    #[arg(long, value_name = "FILE")]
    pub(crate) hot_upgrade: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) upgrade: UpgradeOptions,
}

/// What a hot upgrade leaves to the process that is replaced.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct UpgradeOptions {
    /// Most seconds that the replaced process goes on with its open connections
    #[arg(long, default_value_t = 900, value_name = "SECONDS")]
    pub(crate) parent_shutdown_time_s: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run beside one workload
    Sidecar(ProxyOptions),
    /// Run as a gateway
    Router(ProxyOptions),
    /// Run as `sidecar` or `router`, spelled as Istio's agent does
    Proxy {
        #[command(subcommand)]
        role: ProxyRole,
    },
    /// Redirect the traffic of this network namespace to the proxy
    IstioIptables(Box<RedirectionOptions>),
    /// Ask the running proxy's admin interface
    Request(RequestOptions),
    /// Wait until the running proxy is ready
    Wait(WaitOptions),
    /// Print the version
    Version,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProxyRole {
    /// Run beside one workload
    Sidecar(ProxyOptions),
    /// Run as a gateway
    Router(ProxyOptions),
}

/// Flags of the agent.
#[derive(Args, Debug, Default)]
pub(crate) struct ProxyOptions {
    /// DNS domain of the workload, as in shop.svc.cluster.local
    #[arg(long)]
    pub(crate) domain: Option<String>,
    /// Worker threads; 0 for one per core
    #[arg(long)]
    pub(crate) concurrency: Option<u32>,
    /// Log level of the data plane: trace, debug, info, warning, error, critical, off
    #[arg(long = "proxyLogLevel", default_value = "warning")]
    pub(crate) proxy_log_level: String,
    /// Levels of single components of a stock Envoy, as in misc:error
    #[arg(long = "proxyComponentLogLevel", default_value = "")]
    pub(crate) proxy_component_log_level: String,
    /// Log level of the agent, as in default:info or default:info,dns:debug
    #[arg(long = "log_output_level", default_value = "default:info")]
    pub(crate) log_output_level: String,
    /// Write log lines as JSON
    #[arg(long = "log_as_json")]
    pub(crate) log_as_json: bool,
    /// File that outlier events are written to
    #[arg(long = "outlierLogPath")]
    pub(crate) outlier_log_path: Option<String>,
    /// Data plane to run [default: meshproxy]
    #[arg(long, value_parser = ["meshproxy", "envoy"])]
    pub(crate) data_plane: Option<String>,
    /// Envoy's binary, for --data-plane envoy
    #[arg(long, value_name = "FILE")]
    pub(crate) envoy_path: Option<PathBuf>,
    /// Take the sockets of the meshproxy that runs here with this flag, and let the next one take
    /// ours: no connection is refused or cut. They meet at hot-upgrade.sock in the proxy's folder
    #[arg(long)]
    pub(crate) hot_upgrade: bool,
    #[command(flatten)]
    pub(crate) upgrade: UpgradeOptions,
}

/// Flags of the redirection.
#[derive(Args, Debug)]
pub(crate) struct RedirectionOptions {
    /// Port that outbound connections are sent to
    #[arg(short = 'p', long, default_value = "15001")]
    pub(crate) envoy_port: u16,
    /// Port that inbound connections are sent to
    #[arg(short = 'z', long, default_value = "15006")]
    pub(crate) inbound_capture_port: u16,
    /// Port of tunnels, which is never captured
    #[arg(short = 'e', long, default_value = "15008")]
    pub(crate) inbound_tunnel_port: u16,
    /// User ids whose connections are left alone
    #[arg(short = 'u', long, default_value = "1337")]
    pub(crate) proxy_uid: String,
    /// Group ids whose connections are left alone
    #[arg(short = 'g', long, default_value = "1337")]
    pub(crate) proxy_gid: String,
    /// REDIRECT or TPROXY
    #[arg(short = 'm', long, default_value = "REDIRECT")]
    pub(crate) istio_inbound_interception_mode: String,
    /// Packet mark of TPROXY
    #[arg(short = 't', long, default_value_t = 1337)]
    pub(crate) istio_inbound_tproxy_mark: u32,
    /// Routing table of TPROXY
    #[arg(short = 'r', long, default_value_t = 133)]
    pub(crate) istio_inbound_tproxy_route_table: u32,
    /// Inbound ports to capture, comma separated, or *
    #[arg(short = 'b', long, default_value = "")]
    pub(crate) istio_inbound_ports: String,
    /// Inbound ports to leave alone
    #[arg(short = 'd', long, default_value = "")]
    pub(crate) istio_local_exclude_ports: String,
    /// Outbound address ranges to capture, comma separated, or *
    #[arg(short = 'i', long, default_value = "")]
    pub(crate) istio_service_cidr: String,
    /// Outbound address ranges to leave alone
    #[arg(short = 'x', long, default_value = "")]
    pub(crate) istio_service_exclude_cidr: String,
    /// Outbound ports to capture whatever their address
    #[arg(short = 'q', long, default_value = "")]
    pub(crate) istio_outbound_ports: String,
    /// Outbound ports to leave alone
    #[arg(short = 'o', long, default_value = "")]
    pub(crate) istio_local_outbound_ports_exclude: String,
    /// Interfaces of virtual machines, whose inbound traffic counts as outbound
    #[arg(short = 'k', long, alias = "kube-virt-interfaces", default_value = "")]
    pub(crate) kubevirt_interfaces: String,
    /// Interfaces to leave alone
    #[arg(short = 'c', long, default_value = "")]
    pub(crate) istio_exclude_interfaces: String,
    /// Send DNS queries to the proxy [env: ISTIO_META_DNS_CAPTURE]
    #[arg(long)]
    pub(crate) redirect_dns: bool,
    /// All DNS queries, not only those to the pod's name servers
    #[arg(long)]
    pub(crate) capture_all_dns: bool,
    /// Drop packets that belong to no known connection [env: INVALID_DROP]
    #[arg(long)]
    pub(crate) drop_invalid: bool,
    /// Print the rules and change nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Take the rules away
    #[arg(long)]
    pub(crate) cleanup_only: bool,
    /// Log level
    #[arg(long = "log_output_level", default_value = "default:info")]
    pub(crate) log_output_level: String,
}

/// A request to the admin interface.
#[derive(Args, Debug)]
pub(crate) struct RequestOptions {
    /// GET or POST
    #[arg(value_parser = ["GET", "POST"], ignore_case = true)]
    pub(crate) method: String,
    /// Path with query, for example stats?usedonly
    pub(crate) path: String,
    /// Port on the loopback address
    #[arg(long, alias = "debug_port", default_value_t = 15000)]
    pub(crate) debug_port: u16,
}

/// How long to wait for readiness.
#[derive(Args, Debug)]
pub(crate) struct WaitOptions {
    /// Give up after this many seconds
    #[arg(long = "timeoutSeconds", default_value_t = 60)]
    pub(crate) timeout_seconds: u64,
    /// Milliseconds between two tries
    #[arg(long = "periodMillis", default_value_t = 500)]
    pub(crate) period_millis: u64,
    /// Milliseconds for one try
    #[arg(long = "requestTimeoutMillis", default_value_t = 500)]
    pub(crate) request_timeout_millis: u64,
    /// Port of the readiness endpoint
    #[arg(long, default_value_t = 15021)]
    pub(crate) port: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<CommandLine, clap::Error> {
        CommandLine::try_parse_from(words.split_whitespace())
    }

    #[test]
    fn what_the_injector_writes_is_understood() {
        let line = "meshproxy proxy sidecar --domain shop.svc.cluster.local \
                    --proxyLogLevel=warning --proxyComponentLogLevel=misc:error \
                    --log_output_level=default:info";
        let parsed = parse(line).expect("the arguments of an injected container");
        let Some(Command::Proxy {
            role: ProxyRole::Sidecar(options),
        }) = parsed.command
        else {
            panic!("a sidecar");
        };
        assert_eq!(options.domain.as_deref(), Some("shop.svc.cluster.local"));
        let line = "meshproxy istio-iptables -p 15001 -z 15006 -u 1337 -m REDIRECT -i * -b * \
                    -d 15090,15021,15020 --log_output_level=default:info";
        assert!(parse(line).is_ok());
        // An empty list is an argument of its own.
        let words = [
            "meshproxy",
            "istio-iptables",
            "-i",
            "*",
            "-x",
            "",
            "-b",
            "*",
        ];
        assert!(CommandLine::try_parse_from(words).is_ok());
    }

    #[test]
    fn a_static_configuration_stands_alone() {
        assert!(parse("meshproxy -c a.yaml --concurrency 1").is_ok());
        assert!(parse("meshproxy -c a.yaml sidecar").is_err());
        assert!(parse("meshproxy sidecar --no-such-flag").is_err());
    }
}
