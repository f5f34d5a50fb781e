//! `meshctl sandbox status`.

use std::process::ExitCode;

use ferromesh_sandbox::pod::Phase;
use ferromesh_sandbox::supervisor::{PodReportRow, ServiceReportRow, StatusReport};

use super::ask_status;
use crate::cli::StatusArgs;
use crate::output::{Cell, Output, Tone};

/// Prints how the sandbox stands.
pub(super) async fn run(arguments: StatusArgs) -> anyhow::Result<ExitCode> {
    let report = ask_status(&arguments.which).await?;
    let output = Output::new();
    if Output::machine(arguments.output, &report)? {
        return Ok(ExitCode::SUCCESS);
    }
    head(&report);
    Output::line("");
    pods(output, report.pods.iter());
    Output::line("");
    services(output, report.services.iter());
    if !report.problems.is_empty() {
        Output::line("");
        Output::line(&output.tone(Tone::Doubtful, "Problems:"));
        report
            .problems
            .iter()
            .for_each(|problem| Output::line(&format!("  {problem}")));
    }
    Ok(ExitCode::SUCCESS)
}

fn head(report: &StatusReport) {
    let dirs: Vec<_> = report
        .config_dirs
        .iter()
        .map(|dir| dir.display().to_string())
        .collect();
    Output::line(&format!(
        "Sandbox:     {} (process {})",
        report.name, report.pid
    ));
    Output::line(&format!("Config:      {}", dirs.join(", ")));
    Output::line(&format!("Data plane:  {}", report.data_plane));
    Output::line(&format!(
        "Pods:        {}, name server {}",
        report.pod_cidr, report.bridge_address
    ));
}

/// Prints a table of pods.
pub(crate) fn pods<'a>(output: Output, pods: impl Iterator<Item = &'a PodReportRow>) {
    let rows: Vec<Vec<Cell>> = pods.map(pod_row).collect();
    let header = [
        "NAMESPACE",
        "NAME",
        "READY",
        "STATUS",
        "RESTARTS",
        "IP",
        "NODE",
        "NETNS",
    ];
    output.table(&header, &rows);
}

fn pod_row(pod: &PodReportRow) -> Vec<Cell> {
    let running: Vec<_> = pod
        .containers
        .iter()
        .filter(|container| !container.init || container.state.is_running())
        .collect();
    let ready = running.iter().filter(|container| container.ready).count();
    let (status, tone) = if pod.leaving {
        ("Terminating".to_owned(), Tone::Quiet)
    } else if !pod.reason.is_empty() {
        (pod.reason.clone(), Tone::Bad)
    } else {
        let tone = if pod.ready || pod.phase == Phase::Succeeded {
            Tone::Good
        } else {
            Tone::Doubtful
        };
        (format!("{:?}", pod.phase), tone)
    };
    vec![
        pod.namespace.clone().into(),
        pod.name.clone().into(),
        format!("{ready}/{}", running.len()).into(),
        Cell::new(status, tone),
        pod.restarts.to_string().into(),
        pod.ip.clone().into(),
        pod.node.clone().into(),
        Cell::new(pod.netns.clone(), Tone::Quiet),
    ]
}

/// Prints a table of services.
pub(crate) fn services<'a>(output: Output, services: impl Iterator<Item = &'a ServiceReportRow>) {
    let rows: Vec<Vec<Cell>> = services
        .map(|service| {
            let external = service
                .load_balancer_ip
                .clone()
                .unwrap_or_else(|| "<none>".to_owned());
            vec![
                service.namespace.clone().into(),
                service.name.clone().into(),
                service.r#type.clone().into(),
                service.cluster_ip.clone().into(),
                external.into(),
                service.ports.join(",").into(),
            ]
        })
        .collect();
    let header = [
        "NAMESPACE",
        "NAME",
        "TYPE",
        "CLUSTER-IP",
        "EXTERNAL-IP",
        "PORTS",
    ];
    output.table(&header, &rows);
}
