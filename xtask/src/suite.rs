//! Everything that has to hold before a change lands, each step with its time.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::bail;

use crate::{conformance, demo, fuzz, hitless, layers, property, scenarios, setup, shell, size};

/// Settings of `cargo xtask test`.
#[derive(clap::Args)]
pub struct Settings {
    /// Leave out what needs root and network namespaces: the demos.
    #[arg(long)]
    no_sandbox: bool,
    /// Run only the steps whose name contains this.
    #[arg(long)]
    step: Option<String>,
}

type Step = (&'static str, fn() -> anyhow::Result<()>);

const STEPS: &[Step] = &[
    ("format", format),
    ("lints", lints),
    ("layers", layers::run),
    ("size", size::run),
    ("tests", tests),
    ("programs", || crate::build::release().map(drop)),
    ("conformance", || {
        conformance::run(&conformance::Settings::default())
    }),
    ("scenarios", || {
        scenarios::run(&scenarios::Settings::on("simulate"))
    }),
    ("sandbox scenarios meshproxy", || {
        scenarios::run(&scenarios::Settings::on("meshproxy"))
    }),
    ("sandbox scenarios envoy", || {
        scenarios::run(&scenarios::Settings::on("envoy"))
    }),
    ("fuzz", || fuzz::run(&fuzz::Settings::check())),
    ("property", || property::run(&property::Settings::check())),
    ("sandbox tests", sandbox_tests),
    ("hitless", || hitless::run(&hitless::Settings::check())),
    ("demo meshproxy", || {
        demo::run(&demo::Settings::check("meshproxy"))
    }),
    ("demo envoy", || demo::run(&demo::Settings::check("envoy"))),
    ("docs", docs),
];

pub fn run(settings: &Settings) -> anyhow::Result<()> {
    if !settings.no_sandbox {
        setup::sandbox()?;
    }
    let (mut passed, mut failed) = (0, Vec::new());
    for (name, step) in STEPS {
        let needs_root = name.starts_with("demo") || name.starts_with("sandbox");
        let unwanted = settings
            .step
            .as_ref()
            .is_some_and(|wanted| !name.contains(wanted.as_str()));
        if (settings.no_sandbox && needs_root) || unwanted {
            continue;
        }
        println!("── {name}");
        let began = Instant::now();
        let _watch = Watch::over(name);
        match step() {
            Ok(()) => passed += 1,
            Err(error) => {
                eprintln!("{name} failed: {error:#}");
                failed.push(*name);
            }
        }
        println!("   {name}: {:.0} s", began.elapsed().as_secs_f64());
    }
    println!("steps: {passed} passed, {} failed", failed.len());
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

/// A step may not take longer: something that never ends must not take the figures of the others
/// along.
const LONGEST: Duration = Duration::from_secs(45 * 60);

/// Ends this process with a message when the step goes on for too long; dropping it is the step's end.
struct Watch(#[expect(dead_code, reason = "its end is the message")] Sender<()>);

impl Watch {
    fn over(step: &'static str) -> Self {
        let (sender, ended) = channel();
        std::thread::spawn(move || {
            if ended.recv_timeout(LONGEST) == Err(RecvTimeoutError::Timeout) {
                let minutes = LONGEST.as_secs() / 60;
                eprintln!("{step} failed: it did not end within {minutes} minutes");
                std::process::exit(1);
            }
        });
        Self(sender)
    }
}

fn format() -> anyhow::Result<()> {
    shell::run(shell::cargo().args(["fmt", "--all", "--check"]))
}

fn lints() -> anyhow::Result<()> {
    let arguments = [
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    shell::run(shell::cargo().args(arguments))?;
    // The fuzz targets are a workspace of their own, which shares the folder of this one.
    let arguments = [
        "clippy",
        "--quiet",
        "--all-targets",
        "--manifest-path",
        "fuzz/Cargo.toml",
    ];
    let mut fuzz = shell::cargo();
    fuzz.args(arguments)
        .arg("--target-dir")
        .arg(shell::target());
    shell::run(fuzz.args(["--", "-D", "warnings"]))
}

fn tests() -> anyhow::Result<()> {
    let mut cargo = shell::cargo();
    if let Ok(envoy) = setup::envoy() {
        cargo.env("FERROMESH_ENVOY", envoy);
    } else if shell::is_ci() {
        bail!("Envoy cannot be fetched, and the tests compare with it");
    }
    shell::run(cargo.args(["test", "--quiet", "--workspace"]))
}

/// Tests that need root and network namespaces are marked as ignored for `cargo test`. The whole
/// workspace is named, as for the other tests, so that nothing is built for these alone.
fn sandbox_tests() -> anyhow::Result<()> {
    let arguments = [
        "test",
        "--quiet",
        "--workspace",
        "--test",
        "network_namespace",
        "--",
        "--ignored",
    ];
    shell::run(shell::cargo().args(arguments))
}

fn docs() -> anyhow::Result<()> {
    let arguments = [
        "doc",
        "--quiet",
        "--workspace",
        "--no-deps",
        "--document-private-items",
    ];
    shell::run(
        shell::cargo()
            .env(
                "RUSTDOCFLAGS",
                "-D warnings -A rustdoc::private-intra-doc-links",
            )
            .args(arguments),
    )
}
