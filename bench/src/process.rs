//! What a process has used, from `/proc`.

use std::fs;
use std::time::Duration;

/// Clock ticks a second of `/proc/PID/stat`; fixed in Linux's interface on every architecture.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time of user and kernel that process `pid` has used so far.
pub fn cpu_time(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the name, may hold spaces; it ends at the last parenthesis.
    let rest = stat.rsplit_once(')')?.1;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis(
        (user + system) * 1000 / TICKS_PER_SECOND,
    ))
}

/// CPU time that `pid` and its living descendants have used so far, to the nanosecond. Threads that
/// ended are not in it: for programs with a fixed set of threads.
pub fn tree_cpu_time(pid: u32) -> Duration {
    tree(pid).into_iter().map(threads_cpu_time).sum()
}

/// Resident memory of `pid` and its living descendants, in bytes; pages that they share count for
/// each.
pub fn tree_resident_bytes(pid: u32) -> u64 {
    tree(pid).into_iter().filter_map(resident_bytes).sum()
}

fn threads_cpu_time(pid: u32) -> Duration {
    let nanos = thread_files(pid, "schedstat").filter_map(|stat| {
        let first = stat.split_whitespace().next()?;
        first.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// `pid` and all below it.
fn tree(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut next = 0;
    while let Some(parent) = all.get(next).copied() {
        let children = thread_files(parent, "children")
            .collect::<Vec<_>>()
            .join(" ");
        all.extend(
            children
                .split_whitespace()
                .filter_map(|child| child.parse::<u32>().ok()),
        );
        next += 1;
    }
    all
}

/// The file of that name of every thread of the process.
fn thread_files(pid: u32, name: &str) -> impl Iterator<Item = String> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    threads.filter_map(move |thread| fs::read_to_string(thread.path().join(name)).ok())
}

/// Resident memory of process `pid`, in bytes.
pub fn resident_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1024)
}
