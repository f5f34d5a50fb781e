//! Sandboxes with the real program and plain pods: connectivity, names, restarts, rollouts, and
//! that nothing is left behind.
//!
//! Each test runs itself again in a network and a mount namespace of its own ([`machine`]), so
//! that tests neither meet each other nor touch the machine. That needs root: without it they are
//! skipped with a line that says so, and fail where `CI=true` promises that they run.

mod fixture;
mod machine;

use fixture::{Fixture, SERVER};
use machine::alone;

#[test]
fn pods_reach_each_other_by_name_and_nothing_is_left_behind() {
    alone(
        "pods_reach_each_other_by_name_and_nothing_is_left_behind",
        || {
            let fixture = Fixture::new();
            fixture.write("app.yaml", &server_and_client("hello"));
            let before = machine::look();
            fixture.up();
            let call = "exec 3<>/dev/tcp/web.shop/8000; echo 'GET /' >&3; cat <&3";
            for name in ["web.shop", "web", "web.shop.svc.cluster.local"] {
                let output = fixture.exec(
                    "shop/client",
                    &["bash", "-c", &call.replace("web.shop", name)],
                );
                assert!(output.contains("hello"), "{name}: {output}");
            }
            let address = fixture.status()["services"]
                .as_array()
                .and_then(|services| services.iter().find(|s| s["name"] == "web").cloned())
                .and_then(|service| service["loadBalancerIP"].as_str().map(str::to_owned))
                .expect("the load balancer has an address");
            let from_host = machine::run("bash", &["-c", &call.replace("web.shop", &address)]);
            assert!(from_host.contains("hello"), "{from_host}");
            fixture.down();
            assert_eq!(machine::look(), before);
        },
    );
}

#[test]
fn a_container_sees_its_own_files_and_user_and_leaves_the_host_alone() {
    alone(
        "a_container_sees_its_own_files_and_user_and_leaves_the_host_alone",
        || {
            let fixture = Fixture::new();
            fixture.write("app.yaml", FILES);
            fixture.up();
            let seen = fixture.exec(
                "default/files",
                &[
                    "sh",
                    "-c",
                    "id -u; cat /etc/made/up/level; echo; cat /scratch/note /etc/hostname; echo $LEVEL; \
                touch /tmp/x; touch /usr/x 2>/dev/null || echo protected; stat -c %u /scratch/note",
                ],
            );
            let lines: Vec<&str> = seen.lines().collect();
            assert_eq!(
                lines,
                [
                    "4711",
                    "debug",
                    "from init",
                    "files",
                    "debug",
                    "protected",
                    "0"
                ]
            );
            assert!(!std::path::Path::new("/etc/made").exists());
            fixture.write("app.yaml", &FILES.replace("level: debug", "level: trace"));
            fixture.until("the file follows the ConfigMap", |_| {
                fixture
                    .exec("default/files", &["cat", "/etc/made/up/level"])
                    .trim()
                    == "trace"
            });
            fixture.down();
        },
    );
}

#[test]
fn a_container_that_dies_is_started_again() {
    alone("a_container_that_dies_is_started_again", || {
        let fixture = Fixture::new();
        fixture.write("app.yaml", &server_and_client("hello"));
        fixture.up();
        let pid = fixture.pod("web")["containers"][0]["pid"]
            .as_i64()
            .expect("it runs");
        machine::kill(pid);
        fixture.until("the container runs again", |_| {
            let pod = fixture.pod("web");
            pod["restarts"] == 1 && pod["ready"] == true
        });
        fixture.down();
    });
}

#[test]
fn an_edited_template_brings_new_pods_before_the_old_ones_go() {
    alone(
        "an_edited_template_brings_new_pods_before_the_old_ones_go",
        || {
            let fixture = Fixture::new();
            fixture.write("app.yaml", &server_and_client("hello"));
            fixture.up();
            let old = fixture.pod("web")["name"].clone();
            fixture.write("app.yaml", &server_and_client("goodbye"));
            fixture.until("only the new pod is there", |status| {
                let pods = status["pods"].as_array().expect("a list");
                let web: Vec<_> = pods
                    .iter()
                    .filter(|pod| pod["deployment"] == "web")
                    .collect();
                assert!(
                    web.iter().any(|pod| pod["ready"] == true),
                    "never without a ready pod: {web:?}"
                );
                web.len() == 1 && web[0]["name"] != old
            });
            let output = fixture.exec(
                "shop/client",
                &["bash", "-c", "exec 3<>/dev/tcp/web/8000; echo >&3; cat <&3"],
            );
            assert!(output.contains("goodbye"), "{output}");
            fixture.down();
        },
    );
}

#[test]
fn an_unknown_image_stops_its_own_pod_only() {
    alone("an_unknown_image_stops_its_own_pod_only", || {
        let fixture = Fixture::new();
        let bad = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: bad, namespace: shop}\n\
                   spec: {containers: [{name: c, image: acme/none}]}\n";
        fixture.write("app.yaml", &(server_and_client("hello") + bad));
        let printed = fixture
            .try_up(&["--wait", "5"])
            .expect_err("one pod cannot be ready");
        assert!(printed.contains("acme/none"), "{printed}");
        assert_eq!(fixture.pod("web")["ready"], true);
        assert_eq!(fixture.pod("bad")["reason"], "ErrImagePull");
        fixture.down();
    });
}

#[test]
fn after_kill_9_no_process_goes_on_and_the_next_run_cleans_up() {
    alone(
        "after_kill_9_no_process_goes_on_and_the_next_run_cleans_up",
        || {
            let fixture = Fixture::new();
            fixture.write("app.yaml", &server_and_client("hello"));
            let before = machine::look();
            fixture.up();
            let pids: Vec<i64> = fixture.container_pids();
            assert!(!pids.is_empty());
            let sandbox = fixture.status()["pid"].as_i64().expect("it runs");
            machine::kill(sandbox);
            machine::until("every process of the pods is gone", || {
                pids.iter().all(|pid| !machine::runs(*pid))
            });
            fixture.up();
            assert_eq!(fixture.pod("web")["ready"], true);
            let sandbox = fixture.status()["pid"].as_i64().expect("it runs");
            machine::kill(sandbox);
            fixture.down();
            assert_eq!(machine::look(), before);
        },
    );
}

fn server_and_client(answer: &str) -> String {
    SERVER.replace("ANSWER", answer)
}

const FILES: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data:
  level: debug
---
apiVersion: v1
kind: Pod
metadata: {name: files}
spec:
  securityContext: {runAsUser: 4711}
  initContainers:
    - name: prepare
      image: busybox
      command: [sh, -c, 'echo from init > /scratch/note']
      securityContext: {runAsUser: 0}
      volumeMounts: [{name: scratch, mountPath: /scratch}]
  containers:
    - name: main
      image: sleep
      env: [{name: LEVEL, valueFrom: {configMapKeyRef: {name: settings, key: level}}}]
      volumeMounts:
        - {name: scratch, mountPath: /scratch}
        - {name: settings, mountPath: /etc/made/up}
  volumes:
    - {name: scratch, emptyDir: {}}
    - {name: settings, configMap: {name: settings, items: [{key: level, path: level}]}}
";
