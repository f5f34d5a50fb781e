//! Taking away everything that a sandbox has, or had, on the host's network. Everything is found
//! by name, so it does not matter how the sandbox ended.

use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{Pid, Signal, kill_process};
use tracing::warn;

use super::command::{CommandError, ip_batch, run};
use super::host::forward_rule;
use crate::names::SandboxName;

/// Removes namespaces (with what runs in them), interfaces and rules of the sandbox.
///
/// # Errors
/// When something is still there afterwards.
pub async fn clean(name: &SandboxName) -> Result<(), CommandError> {
    let prefix = name.netns_prefix();
    let listed = run("ip", &["netns", "list"], "").await?;
    let namespaces: Vec<_> = first_words(&listed)
        .filter(|ns| ns.starts_with(&prefix))
        .collect();
    for namespace in &namespaces {
        kill_inside(namespace).await;
    }
    let lines: Vec<_> = namespaces
        .iter()
        .map(|ns| format!("netns del {ns}"))
        .collect();
    if !lines.is_empty() {
        ip_batch(None, &lines).await?;
    }
    remove_links(name).await?;
    remove_rule(&name.bridge()).await?;
    leave_netns_dir();
    Ok(())
}

/// Only a rule that is there is deleted: the mere try would make tables that were not there.
async fn remove_rule(bridge: &str) -> Result<(), CommandError> {
    let rule = forward_rule(bridge);
    let mut args = vec!["-w", "-D"];
    args.extend(rule.iter().map(String::as_str));
    // A run that was killed early may have added it more than once.
    for _ in 0..16 {
        let Ok(rules) = run("iptables-save", &["-t", "filter"], "").await else {
            return Ok(());
        };
        if !rules
            .lines()
            .any(|line| line.contains(&format!("-i {bridge} ")))
        {
            return Ok(());
        }
        run("iptables", &args, "").await?;
    }
    Ok(())
}

/// `ip netns` makes its directory a mount point and leaves it so. With no namespace in it, it is
/// nobody's; whoever needs it makes it again.
fn leave_netns_dir() {
    let is_empty =
        |dir: &str| std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none());
    for _ in 0..2 {
        if !is_empty("/run/netns") || unmount("/run/netns", UnmountFlags::empty()).is_err() {
            return;
        }
    }
}

async fn remove_links(name: &SandboxName) -> Result<(), CommandError> {
    let veth_prefix = name.veth(0);
    let veth_prefix = &veth_prefix[..veth_prefix.len() - 5];
    let bridge = name.bridge();
    let listed = run("ip", &["-o", "link", "show"], "").await?;
    for link in listed.lines().filter_map(link_name) {
        if link == bridge || link.starts_with(veth_prefix) {
            // A veth may go by itself at this moment, with its namespace.
            if let Err(error) = run("ip", &["link", "del", link], "").await {
                warn!(link, %error, "cannot delete the interface");
            }
        }
    }
    Ok(())
}

/// The name in a line of `ip -o link`: `7: name@peer: <…`.
fn link_name(line: &str) -> Option<&str> {
    let name = line.split(": ").nth(1)?;
    name.split('@').next()
}

fn first_words(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter_map(|line| line.split_whitespace().next())
}

/// Processes that somebody started in the namespace by hand would keep it alive.
async fn kill_inside(namespace: &str) {
    let Ok(pids) = run("ip", &["netns", "pids", namespace], "").await else {
        return;
    };
    for pid in first_words(&pids).filter_map(|pid| Pid::from_raw(pid.parse().ok()?)) {
        // It may have ended meanwhile.
        let _ = kill_process(pid, Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_names_are_read_without_their_peer() {
        let line = "3: fm0011223300000@if2: <BROADCAST> mtu 1500";
        assert_eq!(link_name(line), Some("fm0011223300000"));
        assert_eq!(link_name("1: lo: <LOOPBACK> mtu 65536"), Some("lo"));
    }
}
