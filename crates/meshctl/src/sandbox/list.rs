//! `meshctl sandbox list`.

use std::process::ExitCode;

use ferromesh_sandbox::state_dir::{StateDir, sandboxes};
use serde::Serialize;

use super::need_access;
use crate::cli::ListArgs;
use crate::output::{Cell, Output, Tone};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    name: String,
    running: bool,
    pid: Option<u32>,
    config_dirs: Vec<String>,
    data_plane: String,
}

/// Prints the sandboxes of this machine.
pub(super) fn run(arguments: &ListArgs) -> anyhow::Result<ExitCode> {
    need_access(&arguments.state_dir)?;
    let rows: Vec<Row> = sandboxes(&arguments.state_dir)
        .into_iter()
        .map(|name| {
            let state = StateDir::new(&arguments.state_dir, &name);
            let record = state.read_record().unwrap_or_default();
            let running = state.is_running();
            Row {
                name: name.to_string(),
                running,
                pid: running.then_some(record.pid),
                config_dirs: record
                    .config_dirs
                    .iter()
                    .map(|d| d.display().to_string())
                    .collect(),
                data_plane: record.data_plane,
            }
        })
        .collect();
    let output = Output::new();
    if !Output::machine(arguments.output, &rows)? {
        let cells: Vec<Vec<Cell>> = rows.iter().map(cells).collect();
        output.table(
            &["NAME", "STATUS", "PROCESS", "DATA PLANE", "CONFIG"],
            &cells,
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn cells(row: &Row) -> Vec<Cell> {
    let status = if row.running {
        Cell::new("running", Tone::Good)
    } else {
        Cell::new("left behind", Tone::Bad)
    };
    vec![
        row.name.clone().into(),
        status,
        row.pid
            .map(|pid| pid.to_string())
            .unwrap_or_default()
            .into(),
        row.data_plane.clone().into(),
        row.config_dirs.join(", ").into(),
    ]
}
