//! `cargo xtask demo`: a sample mesh on this machine, and what it does shown on real traffic.
//!
//! Each check prints one line with the figures that it measured and leaves them in the report
//! (`target/demo/report.json`). With `--check` the mesh is taken down at the end, and the command
//! succeeds only if every check held.

mod checks;
mod churn;
mod edits;
mod machine;
mod mesh;
mod report;

use std::time::Instant;

use anyhow::bail;

use crate::{build, setup, shell};
use mesh::Mesh;
use report::Report;

/// Settings of `cargo xtask demo`.
#[derive(clap::Args)]
pub struct Settings {
    /// Take the mesh down at the end; fail unless every check held.
    #[arg(long)]
    check: bool,
    /// Who carries the traffic.
    #[arg(long, default_value = "meshproxy", value_parser = ["meshproxy", "envoy"])]
    data_plane: String,
    /// How long the load test with changes lasts, in seconds.
    #[arg(long, default_value_t = 60)]
    load_seconds: u64,
    /// Requests a second of the load tests.
    #[arg(long, default_value_t = 500)]
    rate: u32,
}

impl Settings {
    /// The demo as a check.
    pub fn check(data_plane: &str) -> Self {
        Self {
            check: true,
            data_plane: data_plane.to_owned(),
            load_seconds: 60,
            rate: 500,
        }
    }
}

pub fn run(settings: &Settings) -> anyhow::Result<()> {
    setup::sandbox()?;
    let envoy = (settings.data_plane == "envoy")
        .then(setup::envoy)
        .transpose()?;
    let programs = build::release()?;
    let folder = shell::target().join("demo");
    let mut report = Report::new(&settings.data_plane, settings.check);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;

    let began = Instant::now();
    let mesh = Mesh::up(&programs, &folder, &settings.data_plane, envoy.as_deref())?;
    report.held(
        "the mesh is up",
        &[("mesh_up_s", began.elapsed().as_secs_f64())],
    );

    let shown = runtime.block_on(checks::run(&mesh, settings, &mut report));
    if let Err(error) = &shown {
        report.failed("the demo ran to its end", &format!("{error:#}"));
    }
    if settings.check {
        checks::leaves_nothing_behind(&mesh, &mut report);
    }
    let path = folder.join("report.json");
    report.write(&path)?;
    println!("figures: {}", path.display());
    if !settings.check {
        print_what_to_try(&mesh);
        return shown;
    }
    if report.failures() > 0 {
        bail!("{} of {} checks failed", report.failures(), report.checks());
    }
    Ok(())
}

fn print_what_to_try(mesh: &Mesh) {
    let meshctl = mesh.meshctl_path().display().to_string();
    println!(
        "\nThe mesh stays up. Try:\n\
         \x20 curl -H 'Host: {}' http://{}/api/catalog\n\
         \x20 {meshctl} sandbox status\n\
         \x20 {meshctl} sandbox exec legacy/deploy/sleep -- curl -s http://webapp.istioinaction/api/catalog\n\
         \x20 edit the weights in {}\n\
         \x20 {meshctl} sandbox down",
        mesh::HOST,
        mesh.gateway(),
        mesh.config().join("routing.yaml").display(),
    );
}
