//! The program as a user meets it: what it prints and how it ends.

use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_meshproxy"))
        .args(arguments)
        .output()
        .expect("started")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn an_unknown_field_of_a_static_configuration_is_refused_by_name() {
    let output = run(&[
        "--config-yaml",
        "{static_resources: {clusters: [{name: a, colour: red}]}}",
    ]);
    assert!(!output.status.success());
    let message = text(&output.stderr);
    assert!(
        message.contains("static_resources.clusters[0]"),
        "{message}"
    );
    assert!(message.contains("\"colour\""), "{message}");
}

#[test]
fn a_missing_file_is_named() {
    let output = run(&["-c", "/nonexistent/envoy.yaml"]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("/nonexistent/envoy.yaml"));
}

#[test]
fn a_dry_run_prints_the_redirection_and_changes_nothing() {
    let output = run(&[
        "istio-iptables",
        "-i",
        "*",
        "-b",
        "*",
        "-d",
        "15020",
        "--dry-run",
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let rules = text(&output.stdout);
    for chain in [
        "ISTIO_INBOUND",
        "ISTIO_IN_REDIRECT",
        "ISTIO_OUTPUT",
        "ISTIO_REDIRECT",
    ] {
        assert!(rules.contains(chain), "{rules}");
    }
}

#[test]
fn a_wrong_setting_is_told_before_anything_starts() {
    let output = Command::new(env!("CARGO_BIN_EXE_meshproxy"))
        .arg("sidecar")
        .env("INSTANCE_IP", "nowhere")
        .output()
        .expect("started");
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("INSTANCE_IP is \"nowhere\""));
}

#[test]
fn help_shows_how_to_use_it() {
    let output = run(&["--help"]);
    let help = text(&output.stdout);
    assert!(
        help.contains("meshproxy sidecar --data-plane envoy"),
        "{help}"
    );
    assert!(help.contains("ISTIO_META_*"), "{help}");
}
