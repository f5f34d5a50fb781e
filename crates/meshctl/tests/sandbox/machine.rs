//! A machine for one test: a network namespace and a mount namespace of its own.

use std::process::Command;

const INSIDE: &str = "FERROMESH_TEST_ALONE";

/// Runs `test`, which is the body of the test named `name`, alone in fresh namespaces.
pub(crate) fn alone(name: &str, test: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        prepare();
        return test();
    }
    if !rustix::process::geteuid().is_root() {
        let promised = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(
            !promised,
            "{name} needs root, and CI=true promises that it runs"
        );
        // The harness has no third outcome; the line is what tells.
        eprintln_skip(name);
        return;
    }
    let program = std::env::current_exe().expect("the test program has a path");
    let output = Command::new("unshare")
        .args(["--net", "--mount", "--propagation", "private"])
        .arg(program)
        .args(["--exact", name, "--nocapture", "--test-threads", "1"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare (util-linux) can be run");
    let printed = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{printed}");
    assert!(
        printed.contains("1 passed"),
        "the test did not run: {printed}"
    );
}

#[expect(clippy::print_stderr, reason = "a skipped test must say so")]
fn eprintln_skip(name: &str) {
    eprintln!("SKIPPED {name}: it makes network namespaces and needs root; run it with sudo");
}

fn prepare() {
    run("mount", &["-t", "tmpfs", "tmpfs", "/run"]);
    run("mkdir", &["-p", "/run/netns"]);
    run("ip", &["link", "set", "lo", "up"]);
}

/// Runs a command that must succeed; returns what it printed.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .expect("the command exists");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {printed}{complaint}"
    );
    printed
}

/// Whether the process runs.
pub(crate) fn runs(pid: i64) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

/// What a sandbox could leave behind: namespaces, interfaces, rules, mounts, directories.
pub(crate) fn look() -> Vec<String> {
    let words = |program: &str, arguments: &[&str]| run(program, arguments);
    let mut seen = vec![
        words("ip", &["netns", "list"]),
        words("ip", &["-o", "-4", "addr", "show"]),
        words("bash", &["-c", "ip -br link | awk '{print $1}'"]),
        words(
            "bash",
            &[
                "-c",
                "iptables-save | grep -v '^[#:*]' | grep -v COMMIT; true",
            ],
        ),
        words("bash", &["-c", "ls -A /run/ferromesh 2>/dev/null; true"]),
    ];
    let mounts = words("bash", &["-c", "cut -d' ' -f2 /proc/self/mounts | sort"]);
    seen.push(mounts);
    seen
}

/// Ends a process the hard way.
pub(crate) fn kill(pid: i64) {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    let pid = pid.expect("a process id");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it ran until now");
}

/// Looks at the machine until `done` holds.
pub(crate) fn until(what: &str, done: impl Fn() -> bool) {
    let held = (0..3000).any(|_| {
        run("true", &[]);
        done()
    });
    assert!(held, "{what}");
}
