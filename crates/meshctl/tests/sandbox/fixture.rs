//! A sandbox for one test: a directory of config, and the program.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A server that answers everything with `ANSWER`, and a client. Perl and bash are on every Debian.
pub(crate) const SERVER: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: test/server
          env: [{name: TEXT, value: ANSWER}]
          securityContext: {runAsUser: 1000}
          readinessProbe: {tcpSocket: {port: http}}
          ports: [{name: http, containerPort: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  type: LoadBalancer
  selector: {app: web}
  ports: [{name: http, port: 8000, targetPort: http}]
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: shop}
spec:
  containers: [{name: main, image: sleep}]
";

const IMAGES: &str = r#"
- image: test/server
  command:
    - perl
    - -MIO::Socket::INET
    - -e
    - >-
      $SIG{PIPE} = 'IGNORE';
      my $s = IO::Socket::INET->new(LocalPort => 80, Listen => 16, ReuseAddr => 1) or die $!;
      while (my $c = $s->accept) { my $l = <$c>; print $c "$ENV{TEXT}\n"; close $c; }
"#;

/// The mesh's own pods are not wanted here: these tests are about plain ones.
const NO_MESH: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: istiod, namespace: istio-system}
spec:
  replicas: 0
  selector: {matchLabels: {app: istiod}}
  template:
    metadata: {labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: sleep}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: istio-ingressgateway, namespace: istio-system}
spec:
  replicas: 0
  selector: {matchLabels: {app: istio-ingressgateway}}
  template:
    metadata: {labels: {app: istio-ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: sleep}]}
";

/// How often something is looked at before the test gives up; each look runs a command.
const LOOKS: usize = 3000;

pub(crate) struct Fixture {
    dir: tempfile::TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let fixture = Self {
            dir: tempfile::tempdir().expect("a temporary directory"),
        };
        std::fs::create_dir(fixture.config()).expect("made");
        std::fs::write(fixture.images(), IMAGES).expect("written");
        fixture.write("no-mesh.yaml", NO_MESH);
        fixture
    }

    fn meshctl(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_meshctl"))
            .args(arguments)
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .output()
            .expect("meshctl can be run")
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("config")
    }

    fn images(&self) -> PathBuf {
        self.dir.path().join("images.yaml")
    }

    /// Writes a file of config, as an editor saves it.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let target = self.config().join(name);
        let temporary = self.config().join(format!(".{name}.new"));
        std::fs::write(&temporary, text).expect("written");
        std::fs::rename(temporary, target).expect("renamed");
    }

    /// Brings the sandbox up and waits until all pods are ready.
    pub(crate) fn up(&self) {
        self.try_up(&[]).expect("all pods become ready");
    }

    /// The same with more arguments; the error is what was printed.
    pub(crate) fn try_up(&self, more: &[&str]) -> Result<String, String> {
        let config = self.config();
        let images = self.images();
        let mut arguments = vec![
            "sandbox",
            "up",
            path(&config),
            "--detach",
            "--image-map",
            path(&images),
        ];
        arguments.extend(more);
        let output = self.meshctl(&arguments);
        let printed = text(&output);
        if output.status.success() {
            Ok(printed)
        } else {
            Err(printed)
        }
    }

    pub(crate) fn down(&self) {
        let output = self.meshctl(&["sandbox", "down"]);
        assert!(output.status.success(), "{}", text(&output));
    }

    pub(crate) fn status(&self) -> Value {
        let output = self.meshctl(&["sandbox", "status", "-o", "json"]);
        assert!(output.status.success(), "{}", text(&output));
        serde_json::from_slice(&output.stdout).expect("the status is JSON")
    }

    /// The pod of this name, or of this deployment.
    pub(crate) fn pod(&self, name: &str) -> Value {
        let status = self.status();
        let pods = status["pods"].as_array().expect("a list");
        let found = pods
            .iter()
            .find(|pod| pod["name"] == name || pod["deployment"] == name);
        found
            .cloned()
            .unwrap_or_else(|| panic!("no pod {name}: {status}"))
    }

    pub(crate) fn container_pids(&self) -> Vec<i64> {
        let status = self.status();
        let pods = status["pods"].as_array().expect("a list").iter();
        pods.flat_map(|pod| pod["containers"].as_array().cloned().unwrap_or_default())
            .filter_map(|container| container["pid"].as_i64())
            .collect()
    }

    /// What a command in a pod prints; it must succeed.
    pub(crate) fn exec(&self, pod: &str, command: &[&str]) -> String {
        let mut arguments = vec!["sandbox", "exec", pod, "--"];
        arguments.extend(command);
        let output = self.meshctl(&arguments);
        assert!(output.status.success(), "{command:?}: {}", text(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Looks at the status until `done` holds.
    pub(crate) fn until(&self, what: &str, done: impl Fn(&Value) -> bool) {
        let held = (0..LOOKS).any(|_| done(&self.status()));
        assert!(held, "{what}: {}", self.status());
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        // After a failed test; an orderly one has done so.
        let _ = self.meshctl(&["sandbox", "down"]);
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("temporary paths are plain text")
}

fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(err)
    )
}
