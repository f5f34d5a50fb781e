//! The hidden sub-command under which the program runs itself inside a pod. It is no part of the
//! command line that users see, so it is read by hand, before anything starts a thread.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use ferromesh_sandbox::launch::{POD_COMMAND, enter, init};

use crate::output::Output;

/// Runs the sub-command if `arguments` begin with it.
pub(crate) fn run_if_asked(arguments: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let arguments: Vec<String> = arguments
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let (first, rest) = arguments.split_first()?;
    if first != POD_COMMAND {
        return None;
    }
    Some(run(rest))
}

fn run(arguments: &[String]) -> ExitCode {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let cannot_run = ExitCode::from(enter::CANNOT_RUN as u8);
    match words.as_slice() {
        ["init", host_name] => match init::run(host_name) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&format!("pod init: {error}"), ExitCode::FAILURE),
        },
        // Both return only when the command could not be run; `start` has told the sandbox.
        ["start", plan] => {
            enter::start(&PathBuf::from(plan));
            cannot_run
        }
        ["join", plan, pid, "--", command @ ..] => {
            let error = enter::join(&PathBuf::from(plan), number(pid), &owned(command));
            fail(&error.to_string(), cannot_run)
        }
        ["attach", plan, pid, "--", command @ ..] => {
            match enter::attach(&PathBuf::from(plan), number(pid), &owned(command)) {
                Ok(code) => ExitCode::from(code as u8),
                Err(error) => fail(&error.to_string(), cannot_run),
            }
        }
        _ => fail(
            &format!("`meshctl {POD_COMMAND}` is what a sandbox runs inside its pods"),
            ExitCode::from(2),
        ),
    }
}

fn number(text: &str) -> i32 {
    text.parse().unwrap_or(0)
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn fail(message: &str, code: ExitCode) -> ExitCode {
    Output::error(message);
    code
}
