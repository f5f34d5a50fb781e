//! Scenarios on real traffic: one sandbox for all, whose shared workloads stay up while the objects
//! of one scenario after the other are put in place by saving a file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;

use super::NAMESPACE;
use super::answer::{Answer, judge};
use super::console::Console;
use super::file::{Ask, Scenario};
use crate::shell;

/// The sandbox's name: it keeps the scenarios apart from sandboxes of the user.
const NAME: &str = "scenarios";
/// How long a change may take until every proxy has it.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the first right answer may take after that: a listener drains, a connection is made.
const SETTLING: Duration = Duration::from_secs(2);
/// What parts the answers of one program run.
const SEPARATOR: &str = "\u{1e}";

/// A change that no scenario is about: with it every scenario is a new generation, also where its
/// objects are those before.
const MARKER: &str = "---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: marker, namespace: west}
spec:
  hosts: [scenario-NUMBER.invalid]
  exportTo: ['.']
  resolution: NONE
  ports:
  - {number: 81, name: tcp, protocol: TCP}
";

/// A sandbox that is up.
pub struct Sandbox {
    meshctl: PathBuf,
    config: PathBuf,
    gateway: String,
    applied: u32,
    /// In the client's pod.
    client: Option<Console>,
    /// In the control plane's.
    control: Option<Console>,
}

impl Sandbox {
    /// Brings the environment up under a data plane.
    pub fn up(
        programs: &Path,
        environment: &str,
        data_plane: &str,
        envoy: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let config = shell::target().join("scenarios").join(data_plane);
        let _ = fs::remove_dir_all(&config);
        fs::create_dir_all(&config)?;
        let config = config.canonicalize()?;
        fs::write(config.join("environment.yaml"), environment)?;
        let mut sandbox = Self {
            meshctl: programs.join("meshctl"),
            config,
            gateway: String::new(),
            applied: 0,
            client: None,
            control: None,
        };
        // One of this name that an interrupted run left is in the way.
        let _ = shell::capture(&mut sandbox.command("down"));
        let mut up = Command::new(&sandbox.meshctl);
        up.args(["sandbox", "up"]).arg(&sandbox.config);
        up.args(["--detach", "--name", NAME, "--data-plane", data_plane]);
        if let Some(envoy) = envoy {
            up.arg("--envoy-path").arg(envoy);
        }
        shell::run(up.stdin(Stdio::null()))?;
        sandbox.gateway = sandbox.find_gateway()?;
        sandbox.client = Some(sandbox.console(&format!("{NAMESPACE}/deploy/client"))?);
        sandbox.control = Some(sandbox.console("istio-system/deploy/istiod")?);
        Ok(sandbox)
    }

    /// Takes it down.
    pub fn down(mut self) -> anyhow::Result<()> {
        drop((self.client.take(), self.control.take()));
        shell::output(&mut self.command("down")).map(drop)
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.meshctl);
        command.args(["sandbox", verb, "--name", NAME]);
        command
    }

    fn console(&self, pod: &str) -> anyhow::Result<Console> {
        Console::open(self.command("exec").arg(pod))
    }

    fn find_gateway(&self) -> anyhow::Result<String> {
        let status = shell::output(self.command("status").args(["-o", "json"]))?;
        let status: Value = serde_json::from_str(&status)?;
        let mut services = status["services"].as_array().into_iter().flatten();
        let service = services.find(|service| service["name"] == "istio-ingressgateway");
        let address = service.and_then(|service| service["loadBalancerIP"].as_str());
        Ok(address.context("the gateway has no address")?.to_owned())
    }

    /// A debug page of the control plane.
    fn page(&mut self, name: &str) -> anyhow::Result<Value> {
        let control = self.control.as_mut().context("the sandbox is down")?;
        let url = format!("http://127.0.0.1:8080/debug/{name}");
        let text = control.run(&["curl", "-sf", &url])?;
        serde_json::from_str(&text).with_context(|| format!("the control plane has no page {name}"))
    }

    /// Puts the objects in force and waits until every proxy has acknowledged them.
    fn apply(&mut self, objects: &str) -> anyhow::Result<()> {
        let before = self.page("push_status")?["generation"].as_u64();
        self.applied += 1;
        let marker = MARKER.replace("NUMBER", &self.applied.to_string());
        // A rename, so that nobody reads half of a file.
        let staged = self.config.join(".scenario");
        fs::write(&staged, format!("{objects}\n{marker}"))?;
        fs::rename(staged, self.config.join("scenario.yaml"))?;
        let began = Instant::now();
        loop {
            let status = self.page("push_status")?;
            if status["rejected"].as_u64() != Some(0) {
                bail!("rejected by {}", self.rejections()?.join("; by "));
            }
            let newer = status["generation"].as_u64() > before;
            if newer && status["synced"] == status["proxies"] {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                bail!("not every proxy has the config after {PATIENCE:?}: {status}");
            }
        }
    }

    /// What proxies say about config that they do not take.
    fn rejections(&mut self) -> anyhow::Result<Vec<String>> {
        let proxies = self.page("syncz")?;
        let mut found = Vec::new();
        for proxy in proxies.as_array().into_iter().flatten() {
            for kind in proxy["types"].as_array().into_iter().flatten() {
                if let Some(error) = kind["error"].as_str() {
                    let name = proxy["proxy"].as_str().unwrap_or_default();
                    let kind = kind["type"].as_str().unwrap_or_default();
                    found.push(format!("{name} ({kind}): {error}"));
                }
            }
        }
        Ok(found)
    }

    /// Runs a scenario: what is wrong, per request.
    pub fn run(&mut self, scenario: &Scenario) -> anyhow::Result<Vec<Vec<String>>> {
        self.apply(&scenario.objects)?;
        let began = Instant::now();
        loop {
            let mut wrong = Vec::new();
            for ask in &scenario.plan.requests {
                wrong.push(judge(&ask.expect, &self.ask(ask)?));
            }
            if wrong.iter().all(Vec::is_empty) || began.elapsed() > SETTLING {
                return Ok(wrong);
            }
        }
    }

    fn ask(&mut self, ask: &Ask) -> anyhow::Result<Vec<Answer>> {
        let mut words: Vec<String> = ["curl", "-s", "-i", "--max-time", "10", "--path-as-is"]
            .map(str::to_owned)
            .to_vec();
        let mut add = |parts: [&str; 2]| words.extend(parts.map(str::to_owned));
        add(["-X", &ask.method]);
        add(["-w", SEPARATOR]);
        for (name, value) in &ask.headers {
            add(["-H", &format!("{name}: {value}")]);
        }
        let gateway = ask.from == "gateway";
        let port = ask.to.as_deref().and_then(|to| to.rsplit_once(':'));
        let port = port.map_or("80", |(_, port)| port);
        match &ask.to {
            _ if gateway => add(["--connect-to", &format!("::{}:{port}", self.gateway)]),
            Some(to) => add(["--connect-to", &format!("::{to}")]),
            None => {}
        }
        words.extend(std::iter::repeat_n(ask.url.clone(), ask.times as usize));
        let text = if gateway {
            let output = shell::capture(Command::new("curl").args(&words[1..]))?;
            String::from_utf8_lossy(&output.stdout).into_owned()
        } else {
            let client = self.client.as_mut().context("the sandbox is down")?;
            client.run(&words)?
        };
        let answers: Vec<Answer> = text
            .split(SEPARATOR)
            .filter(|part| !part.trim().is_empty())
            .map(read_answer)
            .collect();
        if answers.len() == ask.times as usize {
            return Ok(answers);
        }
        // A connection that was closed without an answer.
        Ok(vec![Answer {
            status: Some(0),
            ..Answer::default()
        }])
    }
}

/// Reads an HTTP answer with its head, as curl prints it, and the head that the echo repeats.
fn read_answer(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let mut answer = Answer {
        status,
        gets: Some(headers(head.lines().skip(1))),
        ..Answer::default()
    };
    let Some(hostname) = body.strip_prefix("Hostname: ") else {
        answer.body = Some(body.to_owned());
        return answer;
    };
    answer.by = hostname.lines().next().unwrap_or_default().to_owned();
    let seen: Vec<&str> = body.lines().collect();
    let request = seen.iter().position(|line| line.contains(" HTTP/"));
    if let Some(at) = request {
        answer.path = seen[at].split(' ').nth(1).map(str::to_owned);
        let sees = headers(seen[at + 1..].iter().copied());
        answer.host = sees.get("host").cloned();
        answer.sees = Some(sees);
    }
    answer
}

fn headers<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        found
            .entry(name.to_ascii_lowercase())
            .and_modify(|all| {
                all.push(',');
                all.push_str(value.trim());
            })
            .or_insert_with(|| value.trim().to_owned());
    }
    found
}
