//! Transparent interception: marks instead of address translation, so that addresses survive.
//!
//! A captured packet gets the mark and is delivered to the proxy's socket; a packet from the proxy
//! to its own application through loopback gets the mark plus one, so that it is not captured
//! again while other loopback traffic is left alone.

use crate::config::InterceptionMode;
use crate::plan::{INBOUND, Step};
use crate::ruleset::Table;

const DIVERT: &str = "ISTIO_DIVERT";
const TPROXY: &str = "ISTIO_TPROXY";

pub(crate) fn divert_chains(step: &mut Step<'_>) {
    let mark = step.config.inbound_tproxy_mark;
    let port = step.config.inbound_capture_port;
    let loopback = step.loopback();
    step.rules.append(
        Table::mangle(),
        DIVERT,
        format!("-j MARK --set-mark {mark}"),
    );
    step.rules.append(Table::mangle(), DIVERT, "-j ACCEPT");
    step.rules.append(
        Table::mangle(),
        TPROXY,
        format!(
            "! -d {loopback} -p tcp -j TPROXY --tproxy-mark {mark}/0xffffffff --on-port {port}"
        ),
    );
}

pub(crate) fn capture_port(step: &mut Step<'_>, packets: &str) {
    let known = format!("{packets} -m conntrack --ctstate RELATED,ESTABLISHED -j {DIVERT}");
    step.rules.append(Table::mangle(), INBOUND, known);
    step.rules
        .append(Table::mangle(), INBOUND, format!("{packets} -j {TPROXY}"));
}

pub(crate) fn mark_loops(step: &mut Step<'_>) {
    if step.config.inbound_interception_mode != InterceptionMode::Tproxy {
        return;
    }
    let mark = step.config.inbound_tproxy_mark;
    let (loopback, source) = (step.loopback(), step.passthrough_source());
    let own_calls = mark + 1;
    let mangle = Table::mangle;
    let save = format!("-p tcp -m mark --mark {mark} -j CONNMARK --save-mark");
    step.rules.append(mangle(), "PREROUTING", save);
    step.rules.append(
        mangle(),
        "OUTPUT",
        format!("-p tcp -o lo -m mark --mark {mark} -j RETURN"),
    );
    for (kind, owners) in [
        ("uid", &step.config.proxy_uid),
        ("gid", &step.config.proxy_gid),
    ] {
        for owner in owners {
            step.rules.append(
                mangle(),
                "OUTPUT",
                format!(
                    "! -d {loopback} -p tcp -o lo -m owner --{kind}-owner {owner} \
                     -j MARK --set-mark {own_calls}"
                ),
            );
        }
    }
    let restore = format!("-p tcp -m connmark --mark {mark} -j CONNMARK --restore-mark");
    step.rules.append(mangle(), "OUTPUT", restore);
    for (number, arguments) in [
        (1, format!("-p tcp -m mark --mark {mark} -j RETURN")),
        (2, format!("-p tcp -s {source} -i lo -j RETURN")),
        (
            3,
            format!("-p tcp -i lo -m mark ! --mark {own_calls} -j RETURN"),
        ),
    ] {
        step.rules.insert(mangle(), INBOUND, number, arguments);
    }
}
