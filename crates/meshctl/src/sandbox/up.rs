//! `meshctl sandbox up`: in the foreground until Ctrl-C, or as a process of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use ferromesh_runtime::terminated_or_interrupted;
use ferromesh_sandbox::address::Range;
use ferromesh_sandbox::control;
use ferromesh_sandbox::images::{ImageRow, ImageTable};
use ferromesh_sandbox::network::host::WantedRanges;
use ferromesh_sandbox::state_dir::StateDir;
use ferromesh_sandbox::supervisor::{DataPlane, Sandbox, SandboxSettings, StatusReport};
use ferromesh_sandbox::values::SetValues;
use ferromesh_telemetry::{LogFormat, init_logging};
use tokio::time::Instant;

use super::progress::Progress;
use super::{LOOK_EVERY, is_running, state_of};
use crate::block_on;
use crate::cli::{DataPlaneArg, UpArgs};
use crate::output::{Output, Tone};

/// How long a sandbox in the background may take until it answers.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Brings a sandbox up.
pub(super) fn run(arguments: UpArgs) -> anyhow::Result<ExitCode> {
    let settings = settings(&arguments)?;
    if arguments.detach {
        return block_on(detached(arguments, settings));
    }
    if arguments.background {
        // Fails only for a process that leads a group already, and then there is no terminal.
        let _ = rustix::process::setsid();
    }
    init_logging(&arguments.log, LogFormat::Text)?;
    block_on(foreground(arguments, settings))
}

fn settings(arguments: &UpArgs) -> anyhow::Result<SandboxSettings> {
    let (name, _) = state_of(&arguments.which)?;
    let mut config_dirs = Vec::new();
    for dir in &arguments.dirs {
        let absolute = fs::canonicalize(dir);
        config_dirs.push(absolute.with_context(|| format!("cannot read {}", dir.display()))?);
    }
    let program = std::env::current_exe().context("cannot find our own program")?;
    let programs_dir = program.parent().unwrap_or(Path::new("/")).to_owned();
    let range = |text: &Option<String>| text.as_deref().map(Range::parse).transpose();
    Ok(SandboxSettings {
        name,
        config_dirs,
        state_base: arguments.which.state_dir.clone(),
        ranges: WantedRanges {
            pods: range(&arguments.pod_cidr)?,
            load_balancers: range(&arguments.lb_cidr)?,
        },
        data_plane: data_plane(arguments)?,
        images: image_rows(arguments.image_map.as_deref())?,
        program,
        programs_dir,
        values: SetValues::parse(&arguments.values)?,
    })
}

fn data_plane(arguments: &UpArgs) -> anyhow::Result<DataPlane> {
    match (arguments.data_plane, &arguments.envoy_path) {
        (DataPlaneArg::Meshproxy, _) => Ok(DataPlane::Meshproxy),
        (DataPlaneArg::Envoy, Some(path)) => {
            let absolute = fs::canonicalize(path);
            let path = absolute.with_context(|| format!("cannot read {}", path.display()))?;
            Ok(DataPlane::Envoy { path })
        }
        (DataPlaneArg::Envoy, None) => {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let found = std::env::split_paths(&path).map(|dir| dir.join("envoy"));
            match found.into_iter().find(|path| path.is_file()) {
                Some(path) => Ok(DataPlane::Envoy { path }),
                None => bail!("--data-plane envoy needs --envoy-path: there is no envoy in PATH"),
            }
        }
    }
}

fn image_rows(file: Option<&Path>) -> anyhow::Result<Vec<ImageRow>> {
    let Some(file) = file else {
        return Ok(Vec::new());
    };
    let name = file.display().to_string();
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
    Ok(ImageTable::parse_rows(&text, &name)?)
}

async fn foreground(arguments: UpArgs, settings: SandboxSettings) -> anyhow::Result<ExitCode> {
    let output = Output::new();
    let begun = Instant::now();
    // Gives one that was killed a moment ago the time to go; `start` refuses one that runs.
    is_running(&state_of(&arguments.which)?.1).await;
    let mut sandbox = Sandbox::start(settings).await?;
    let mut status = sandbox.status();
    let mut progress = Progress::new(output);
    let deadline = begun + Duration::from_secs(arguments.wait);
    let mut told = false;
    let signal = terminated_or_interrupted();
    tokio::pin!(signal);
    loop {
        tokio::select! {
            result = &mut signal => {
                result?;
                break;
            }
            () = sandbox.ended() => break,
            Ok(()) = status.changed() => {
                let report = status.borrow_and_update().clone();
                progress.show(&report);
                if report.ready && !told {
                    told = true;
                    summary(output, &report, begun.elapsed(), arguments.background);
                }
            }
            () = tokio::time::sleep_until(deadline), if !told => {
                told = true;
                late(output, &status.borrow());
            }
        }
    }
    if !arguments.background {
        Output::line("ending the sandbox");
    }
    sandbox.stop().await?;
    Ok(ExitCode::SUCCESS)
}

fn summary(output: Output, report: &StatusReport, took: Duration, background: bool) {
    let ready = output.tone(Tone::Good, "ready");
    let pods = report.pods.len();
    Output::line(&format!(
        "sandbox {} {ready}: {pods} pods in {:.1} s",
        report.name,
        took.as_secs_f32()
    ));
    for service in &report.services {
        if let Some(address) = &service.load_balancer_ip {
            let (namespace, name) = (&service.namespace, &service.name);
            Output::line(&format!(
                "  {namespace}/{name} is at {address}, ports {}",
                service.ports.join(", ")
            ));
        }
    }
    for problem in &report.problems {
        Output::line(&output.tone(Tone::Doubtful, &format!("  {problem}")));
    }
    if !background {
        Output::line("Ctrl-C ends it; `meshctl sandbox status` in another terminal shows more");
    }
}

fn late(output: Output, report: &StatusReport) {
    Output::line(&output.tone(Tone::Bad, "not all pods are ready:"));
    for pod in report.unready() {
        Output::line(&format!(
            "  {}/{}: {} {}",
            pod.namespace, pod.name, pod.reason, pod.message
        ));
    }
    for problem in &report.problems {
        Output::line(&format!("  {problem}"));
    }
}

async fn detached(arguments: UpArgs, settings: SandboxSettings) -> anyhow::Result<ExitCode> {
    if !rustix::process::geteuid().is_root() {
        bail!(ferromesh_sandbox::supervisor::SandboxError::NotRoot);
    }
    let (name, state) = state_of(&arguments.which)?;
    if is_running(&state).await {
        bail!(
            "sandbox {name} is running already: end it with `meshctl sandbox down --name {name}`"
        );
    }
    let begun = Instant::now();
    fs::create_dir_all(state.root())
        .with_context(|| format!("cannot create {}", state.root().display()))?;
    let log = File::create(state.log()).context("cannot create the log of the sandbox")?;
    let mut child = Command::new(&settings.program)
        .args(
            std::env::args_os()
                .skip(1)
                .filter(|word| word != "--detach" && word != "-d"),
        )
        .arg("--background")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("cannot start the sandbox")?;
    let output = Output::new();
    let mut progress = Progress::new(output);
    let deadline = begun + Duration::from_secs(arguments.wait);
    let mut last = StatusReport::default();
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            bail!("the sandbox ended ({status}):\n{}", end_of(&state));
        }
        match control::status(&state.control_socket()).await {
            Ok(report) => {
                progress.show(&report);
                last = report;
            }
            Err(error) if begun.elapsed() > ANSWER_WITHIN => {
                give_up(&mut child);
                bail!("{error}\n{}", end_of(&state));
            }
            Err(_) => {}
        }
        if last.ready {
            summary(output, &last, begun.elapsed(), true);
            let of = if arguments.which.name == "default" {
                String::new()
            } else {
                format!(" --name {name}")
            };
            Output::line(&format!("`meshctl sandbox down{of}` ends it"));
            return Ok(ExitCode::SUCCESS);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    late(output, &last);
    Output::line("the sandbox goes on; see `meshctl sandbox status`");
    Ok(ExitCode::FAILURE)
}

fn give_up(child: &mut Child) {
    // It may have ended by itself meanwhile.
    let _ = child.kill();
    let _ = child.wait();
}

fn end_of(state: &StateDir) -> String {
    let path: PathBuf = state.log();
    let text = fs::read_to_string(&path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
