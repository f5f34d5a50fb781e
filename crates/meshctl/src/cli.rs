//! The arguments. Help texts teach: each command shows how it is used.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Runs and inspects a Ferromesh service mesh.
#[derive(Debug, Parser)]
#[command(
    name = "meshctl",
    version,
    arg_required_else_help = true,
    after_help = "Start here:\n  \
        sudo meshctl sandbox up samples/coolstore    # a mesh on this machine, until Ctrl-C\n  \
        sudo meshctl sandbox status                  # its pods and services, in another terminal\n  \
        meshctl analyze samples/coolstore            # is the config right?"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// A whole mesh on this machine, without a cluster and without containers.
    #[command(subcommand, arg_required_else_help = true)]
    Sandbox(SandboxCommand),
    /// Put objects into a sandbox's config directory, as `kubectl apply` does.
    #[command(after_help = "Examples:\n  \
        meshctl apply -f route.yaml\n  \
        cat route.yaml | meshctl apply -f -")]
    Apply(ApplyArgs),
    /// Take objects out of a sandbox's config directory, as `kubectl delete` does.
    #[command(after_help = "Examples:\n  \
        meshctl delete virtualservice catalog -n shop\n  \
        meshctl delete -f route.yaml")]
    Delete(DeleteArgs),
    /// Show objects of a sandbox, as `kubectl get` does.
    #[command(after_help = "Examples:\n  \
        meshctl get pods -A\n  \
        meshctl get vs catalog -n shop -o yaml")]
    Get(GetArgs),
    /// Look for mistakes in config, without running anything.
    ///
    /// Exits with 79 when there are errors.
    #[command(after_help = "Examples:\n  \
        meshctl analyze samples/coolstore\n  \
        meshctl analyze gateway.yaml routes/ -o json")]
    Analyze(AnalyzeArgs),
    /// Turn documents of Istio 0.1 (`type: route-rule`, `type: destination-policy`) into
    /// VirtualServices and DestinationRules.
    ///
    /// What comes out goes to standard output. A document that today's API cannot express is named
    /// on standard error, with the reason, and the exit code is 1; the others are converted.
    #[command(after_help = "Examples:\n  \
        meshctl convert -f route-rules.yaml > routes.yaml\n  \
        meshctl convert -f old/ | meshctl apply -f -")]
    Convert(ConvertArgs),
    /// Show the version.
    Version(VersionArgs),
    /// Print the completion script of a shell.
    #[command(after_help = "Example:\n  source <(meshctl completion bash)")]
    Completion(CompletionArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum SandboxCommand {
    /// Bring a sandbox up from a directory of Kubernetes and Istio YAML.
    ///
    /// Every pod gets a network namespace with an address of its own; its containers run as
    /// processes. The directory is watched: saving a file is applying it. Needs root.
    #[command(after_help = "Examples:\n  \
        sudo meshctl sandbox up samples/coolstore\n  \
        sudo meshctl sandbox up samples/coolstore --detach --name shop\n  \
        sudo meshctl sandbox up mesh/ --data-plane envoy --envoy-path /usr/bin/envoy\n  \
        sudo meshctl sandbox up mesh/ --set meshConfig.outboundTrafficPolicy.mode=REGISTRY_ONLY")]
    Up(UpArgs),
    /// Show pods, services and problems of a sandbox.
    Status(StatusArgs),
    /// Run a command in a container of a pod.
    #[command(after_help = "Examples:\n  \
        sudo meshctl sandbox exec shop/deploy/webapp -- curl -s http://catalog/items\n  \
        sudo meshctl sandbox exec shop/webapp-6d8f-x2k4q -c istio-proxy -- sh")]
    Exec(ExecArgs),
    /// Show what a container has written.
    #[command(after_help = "Examples:\n  \
        sudo meshctl sandbox logs shop/deploy/webapp -f\n  \
        sudo meshctl sandbox logs shop/deploy/webapp -c istio-proxy --tail 20")]
    Logs(LogsArgs),
    /// End a sandbox, and remove what there is of it, also after a crash.
    Down(DownArgs),
    /// List the sandboxes of this machine.
    List(ListArgs),
}

/// Which sandbox.
#[derive(Args, Clone, Debug)]
pub(crate) struct Which {
    /// The sandbox's name.
    #[arg(long, default_value = "default", env = "MESHCTL_SANDBOX")]
    pub(crate) name: String,
    /// Where sandboxes keep their directories.
    #[arg(long, value_name = "DIR", default_value = ferromesh_sandbox::state_dir::DEFAULT_BASE,
          env = "MESHCTL_STATE_DIR", hide_short_help = true)]
    pub(crate) state_dir: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct UpArgs {
    /// Directories of YAML files.
    #[arg(required = true, value_name = "DIR")]
    pub(crate) dirs: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) which: Which,
    /// What carries the traffic of the pods.
    #[arg(long, value_enum, default_value_t = DataPlaneArg::Meshproxy)]
    pub(crate) data_plane: DataPlaneArg,
    /// The Envoy program, for `--data-plane envoy`.
    #[arg(long, value_name = "FILE", env = "ENVOY_PATH")]
    pub(crate) envoy_path: Option<PathBuf>,
    /// Return when the pods are ready; the sandbox goes on in the background.
    #[arg(long, short)]
    pub(crate) detach: bool,
    /// Which command stands for which image: YAML, a list of `{image: GLOB, command: [PROGRAM, …]}`.
    #[arg(long, value_name = "FILE")]
    pub(crate) image_map: Option<PathBuf>,
    /// An installation value, as `meshConfig.PATH=VALUE` or `values.pilot.env.NAME=VALUE`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) values: Vec<String>,
    /// Addresses of pods; chosen if not given.
    #[arg(long, value_name = "CIDR")]
    pub(crate) pod_cidr: Option<String>,
    /// Addresses of load balancers; chosen if not given.
    #[arg(long, value_name = "CIDR")]
    pub(crate) lb_cidr: Option<String>,
    /// How many seconds to wait for the pods to become ready.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub(crate) wait: u64,
    /// What to log, as in `RUST_LOG`.
    #[arg(
        long,
        value_name = "FILTER",
        default_value = "warn",
        env = "MESHCTL_LOG"
    )]
    pub(crate) log: String,
    /// Set by `--detach` for the process that stays.
    #[arg(long, hide = true)]
    pub(crate) background: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DataPlaneArg {
    /// Ferromesh's own proxy.
    Meshproxy,
    /// A stock Envoy under Ferromesh's agent.
    Envoy,
}

#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) which: Which,
    /// The form of the output.
    #[arg(long, short, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

#[derive(Args, Debug)]
pub(crate) struct ExecArgs {
    /// `NAMESPACE/POD` or `NAMESPACE/deploy/NAME`.
    pub(crate) pod: String,
    /// The container; the first if not given.
    #[arg(long, short)]
    pub(crate) container: Option<String>,
    /// The command and its arguments.
    #[arg(last = true, required = true)]
    pub(crate) command: Vec<String>,
    #[command(flatten)]
    pub(crate) which: Which,
}

#[derive(Args, Debug)]
pub(crate) struct LogsArgs {
    /// `NAMESPACE/POD` or `NAMESPACE/deploy/NAME`.
    pub(crate) pod: String,
    /// The container; the first if not given.
    #[arg(long, short)]
    pub(crate) container: Option<String>,
    /// Go on as more is written.
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Only the last lines.
    #[arg(long, value_name = "LINES")]
    pub(crate) tail: Option<usize>,
    /// Show when each line was written.
    #[arg(long)]
    pub(crate) timestamps: bool,
    #[command(flatten)]
    pub(crate) which: Which,
}

#[derive(Args, Debug)]
pub(crate) struct DownArgs {
    #[command(flatten)]
    pub(crate) which: Which,
}

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// Where sandboxes keep their directories.
    #[arg(long, value_name = "DIR", default_value = ferromesh_sandbox::state_dir::DEFAULT_BASE,
          env = "MESHCTL_STATE_DIR")]
    pub(crate) state_dir: PathBuf,
    /// The form of the output.
    #[arg(long, short, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

#[derive(Args, Debug)]
pub(crate) struct ApplyArgs {
    /// A file, a directory, or `-` for standard input.
    #[arg(long = "filename", short, value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) which: Which,
}

#[derive(Args, Debug)]
pub(crate) struct DeleteArgs {
    /// The kind.
    #[arg(required_unless_present = "files", conflicts_with = "files")]
    pub(crate) kind: Option<String>,
    /// The names.
    #[arg(required_unless_present = "files")]
    pub(crate) names: Vec<String>,
    /// Delete the objects of a file, a directory, or standard input (`-`).
    #[arg(long = "filename", short, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The namespace.
    #[arg(long, short, default_value = "default")]
    pub(crate) namespace: String,
    #[command(flatten)]
    pub(crate) which: Which,
}

#[derive(Args, Debug)]
pub(crate) struct GetArgs {
    /// The kind: `pods`, `virtualservices`, `vs`, ….
    pub(crate) kind: String,
    /// One object.
    pub(crate) object: Option<String>,
    /// The namespace.
    #[arg(long, short, default_value = "default")]
    pub(crate) namespace: String,
    /// All namespaces.
    #[arg(long, short = 'A')]
    pub(crate) all_namespaces: bool,
    /// The form of the output.
    #[arg(long, short, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
    #[command(flatten)]
    pub(crate) which: Which,
}

#[derive(Args, Debug)]
pub(crate) struct AnalyzeArgs {
    /// Files and directories of YAML.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// The form of the output.
    #[arg(long, short, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
    /// Show what is at least this bad.
    #[arg(long, value_enum, default_value_t = Level::Info)]
    pub(crate) output_threshold: Level,
    /// Exit with 79 when something is at least this bad.
    #[arg(long, value_enum, default_value_t = Level::Error)]
    pub(crate) failure_threshold: Level,
}

#[derive(Args, Debug)]
pub(crate) struct ConvertArgs {
    /// A file, a directory, or `-` for standard input.
    #[arg(long = "filename", short, value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// The form of the output; YAML if not given.
    #[arg(long, short, value_enum, default_value_t = Format::Yaml)]
    pub(crate) output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Level {
    /// Worth knowing.
    Info,
    /// Not all of it does what it says.
    Warning,
    /// Not in force.
    Error,
}

#[derive(Args, Debug)]
pub(crate) struct VersionArgs {
    /// The form of the output.
    #[arg(long, short, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

#[derive(Args, Debug)]
pub(crate) struct CompletionArgs {
    /// The shell.
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_command_in_a_pod_keeps_its_own_flags() {
        let line = [
            "meshctl", "sandbox", "exec", "n/p", "-c", "x", "--", "ls", "-c",
        ];
        let cli = Cli::try_parse_from(line).expect("valid");
        let Command::Sandbox(SandboxCommand::Exec(arguments)) = cli.command else {
            panic!("another command");
        };
        assert_eq!(arguments.container.as_deref(), Some("x"));
        assert_eq!(arguments.command, ["ls", "-c"]);
    }
}
