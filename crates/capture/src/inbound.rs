//! Inbound capture: which ports of the pod are served by the proxy.

use crate::config::{InterceptionMode, Ports};
use crate::plan::{IN_REDIRECT, INBOUND, Step};
use crate::ruleset::Table;
use crate::tproxy;

pub(crate) fn capture(step: &mut Step<'_>) {
    if step.config.inbound_ports_include == Ports::List(Vec::new()) {
        return;
    }
    let transparent = step.config.inbound_interception_mode == InterceptionMode::Tproxy;
    let table = if transparent {
        tproxy::divert_chains(step);
        Table::mangle()
    } else {
        Table::nat()
    };
    step.rules
        .append(table.clone(), "PREROUTING", format!("-p tcp -j {INBOUND}"));
    let matches = match &step.config.inbound_ports_include {
        Ports::List(ports) => ports
            .iter()
            .map(|port| format!("-p tcp --dport {port}"))
            .collect(),
        Ports::All => {
            leave_ports_alone(step, &table);
            vec!["-p tcp".to_owned()]
        }
    };
    for each in matches {
        if transparent {
            tproxy::capture_port(step, &each);
        } else {
            step.rules
                .append(table.clone(), INBOUND, format!("{each} -j {IN_REDIRECT}"));
        }
    }
}

fn leave_ports_alone(step: &mut Step<'_>, table: &Table) {
    if let Ports::List(ports) = &step.config.inbound_ports_exclude {
        for port in ports {
            let rule = format!("-p tcp --dport {port} -j RETURN");
            step.rules.append(table.clone(), INBOUND, rule);
        }
    }
}
