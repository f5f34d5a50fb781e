//! Scenarios on real traffic: one sandbox for all, whose shared workloads stay up while the objects
//! of one scenario after the other are put in place by saving a file.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;

use super::answer::{Outcome, Received, judge};
use super::console::Console;
use super::file::{Ask, Expectation, Scenario};
use super::pods::Pods;
use super::{NAMESPACE, curl, witness};
use crate::shell;

/// The sandbox's name: it keeps the scenarios apart from sandboxes of the user.
const NAME: &str = "scenarios";
/// How long a change may take until every proxy has it.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the first right answer may take after that: a listener drains, a connection is made.
const SETTLING: Duration = Duration::from_secs(2);
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
    pods: Pods,
    applied: u32,
    asked: u32,
    /// Shells that have been opened, by namespace and deployment.
    consoles: BTreeMap<(String, String), Console>,
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
            pods: Pods::new(environment)?,
            applied: 0,
            asked: 0,
            consoles: BTreeMap::new(),
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
        Ok(sandbox)
    }

    /// The address of the ingress gateway.
    pub fn gateway(&self) -> &str {
        &self.gateway
    }

    /// Takes it down.
    pub fn down(mut self) -> anyhow::Result<()> {
        self.consoles.clear();
        shell::output(&mut self.command("down")).map(drop)
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.meshctl);
        command.args(["sandbox", verb, "--name", NAME]);
        command
    }

    /// The shell in a pod of a deployment.
    fn console(&mut self, namespace: &str, deployment: &str) -> anyhow::Result<&mut Console> {
        let pod = format!("{namespace}/deploy/{deployment}");
        let mut enter = self.command("exec");
        let key = (namespace.to_owned(), deployment.to_owned());
        Ok(match self.consoles.entry(key) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(none) => none.insert(Console::open(enter.arg(pod))?),
        })
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
        let url = format!("http://127.0.0.1:8080/debug/{name}");
        let control = self.console("istio-system", "istiod")?;
        let text = control.run(&["curl", "-sf", &url])?;
        serde_json::from_str(&text).with_context(|| format!("the control plane has no page {name}"))
    }

    /// A counter of the ingress gateway for its cluster of a service; 0 where it has not counted yet.
    pub fn gateway_counter(&mut self, service: &str, counter: &str) -> anyhow::Result<u64> {
        let gateway = self.console("istio-system", "istio-ingressgateway")?;
        let text = gateway.run(&["curl", "-sf", "http://127.0.0.1:15000/stats"])?;
        let (cluster, counter) = (format!("||{service}."), format!(".{counter}: "));
        let lines = text.lines().filter(|line| line.contains(&cluster));
        lines
            .filter_map(|line| line.split_once(&counter))
            .map(|(_, value)| value.trim().parse::<u64>().context("a counter's value"))
            .sum()
    }

    /// Puts the objects in force and waits until every proxy has acknowledged them.
    pub fn apply(&mut self, objects: &str) -> anyhow::Result<()> {
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

    fn ask(&mut self, ask: &Ask) -> anyhow::Result<Outcome> {
        self.asked += 1;
        let mark = format!("scenario-{}", self.asked);
        let expect = &ask.expect;
        let mut extra = Vec::new();
        if !expect.receives.is_empty() {
            extra.push((witness::MARK.to_owned(), mark.clone()));
        }
        if expect.flags.is_some() {
            extra.push(("user-agent".to_owned(), mark.clone()));
        }
        let words = curl::words(ask, &self.gateway, &extra);
        let text = if ask.from == "gateway" {
            let output = shell::capture(Command::new(&words[0]).args(&words[1..]))?;
            String::from_utf8_lossy(&output.stdout).into_owned()
        } else {
            self.console(NAMESPACE, "client")?.run(&words)?
        };
        let mut outcome = Outcome {
            answers: curl::read_answers(&text, ask.times),
            received: None,
        };
        if !expect.receives.is_empty() {
            outcome.received = Some(self.received(expect, &mark)?);
        }
        if expect.flags.is_some() {
            let times = ask.times as usize;
            let flags = witness::flags(|| self.access_log(), &mark, times)?;
            for (number, answer) in outcome.answers.iter_mut().enumerate() {
                answer.flags = Some(flags.get(number).cloned().unwrap_or_default());
            }
        }
        Ok(outcome)
    }

    fn received(&mut self, expect: &Expectation, mark: &str) -> anyhow::Result<Vec<Received>> {
        let mut all = Vec::new();
        for receipt in &expect.receives {
            let namespace = self.namespace_of(&receipt.by)?;
            let console = self.console(&namespace, &receipt.by)?;
            let wanted = receipt.times as usize;
            all.extend(witness::received(console, &receipt.by, mark, wanted)?);
        }
        Ok(all)
    }

    fn namespace_of(&self, deployment: &str) -> anyhow::Result<String> {
        let pod = self.pods.of_asker(deployment);
        let pod = pod.with_context(|| format!("there is no deployment {deployment}"))?;
        Ok(pod.namespace.clone())
    }

    /// The newest lines of the client's proxy.
    fn access_log(&self) -> anyhow::Result<String> {
        let mut logs = self.command("logs");
        let pod = format!("{NAMESPACE}/deploy/client");
        shell::output(logs.args([&pod, "-c", "istio-proxy", "--tail", "100"]))
    }
}
