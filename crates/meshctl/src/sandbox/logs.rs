//! `meshctl sandbox logs`.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use ferromesh_sandbox::launch::parse_log_line;

use super::ask_status;
use super::exec::container_of;
use crate::cli::LogsArgs;
use crate::output::write_out;

const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Prints what a container has written.
pub(super) async fn run(arguments: LogsArgs) -> anyhow::Result<ExitCode> {
    let report = ask_status(&arguments.which).await?;
    let pod = report
        .find_pod(&arguments.pod)
        .map_err(|reason| anyhow!(reason))?;
    let container = container_of(pod, arguments.container.as_deref())?;
    let path = pod.dir.join(format!("{}.log", container.name));
    let mut text = String::new();
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(_) if !arguments.follow => return Ok(ExitCode::SUCCESS),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    file.read_to_string(&mut text)?;
    let lines: Vec<&str> = text.lines().collect();
    let first = arguments
        .tail
        .map_or(0, |tail| lines.len().saturating_sub(tail));
    print(lines[first..].iter().copied(), arguments.timestamps);
    if arguments.follow {
        follow(file, &path, arguments.timestamps).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what is added to the file, until the pod is gone.
async fn follow(mut file: File, path: &Path, timestamps: bool) -> anyhow::Result<()> {
    while path.exists() {
        tokio::time::sleep(LOOK_EVERY).await;
        if was_replaced(&mut file, path)? {
            file = File::open(path)?;
        }
        let mut more = String::new();
        file.read_to_string(&mut more)?;
        print(more.lines(), timestamps);
    }
    Ok(())
}

/// Whether the file at `path` is shorter than what was read: it has been moved aside.
fn was_replaced(file: &mut File, path: &Path) -> anyhow::Result<bool> {
    let at = file.stream_position()?;
    Ok(std::fs::metadata(path).is_ok_and(|metadata| metadata.len() < at))
}

fn print<'a>(lines: impl Iterator<Item = &'a str>, timestamps: bool) {
    let mut out = String::new();
    for line in lines {
        match parse_log_line(line) {
            Some(parsed) => {
                if timestamps {
                    out.push_str(parsed.time);
                    out.push(' ');
                }
                out.push_str(parsed.text);
                if !parsed.partial {
                    out.push('\n');
                }
            }
            None => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    if !out.is_empty() {
        write_out(&out);
    }
}
