//! `meshctl convert`: documents of Istio 0.1 as objects of today.

use std::process::ExitCode;

use ferromesh_config::legacy::Converter;
use serde_json::json;

use crate::cli::{ConvertArgs, Format};
use crate::objects::inputs;
use crate::output::{Output, Tone, write_out};

/// Prints the objects; what could not be converted goes to standard error.
pub(crate) fn run(arguments: &ConvertArgs) -> anyhow::Result<ExitCode> {
    let mut converter = Converter::default();
    for (label, text) in inputs(&arguments.files)? {
        converter.read(&text, &label);
    }
    let converted = converter.finish();
    if arguments.output == Format::Json {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": converted.objects});
        Output::line(&serde_json::to_string_pretty(&list)?);
    } else {
        for object in &converted.objects {
            write_out(&format!("---\n{}", serde_yaml_ng::to_string(object)?));
        }
    }
    for problem in &converted.problems {
        let (tone, word) = if problem.is_error() {
            (Tone::Bad, "not converted")
        } else {
            (Tone::Doubtful, "warning")
        };
        Output::remark(tone, word, &problem.to_string());
    }
    let failed = converted
        .problems
        .iter()
        .any(ferromesh_config::Problem::is_error);
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
