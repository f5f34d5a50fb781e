//! From what is asked for to what runs: pods made and taken away, addresses given, names and
//! status published. Called after every change; does nothing when nothing is missing.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};
use time::OffsetDateTime;
use tracing::{info, warn};

use super::cluster::{Cluster, PodEntry};
use super::injection::{self, PodOrigin};
use super::objects::strip_nulls;
use super::schedule;
use super::services::{self, Backend};
use crate::dns::Zone;
use crate::kubernetes::{Deployment, Pod, Service};
use crate::names::{new_uid, pod_name, template_hash};
use crate::network::balancer;
use crate::network::pod::PodNetwork;
use crate::network::services::ServiceRoutes;
use crate::plan::fields::Placement;
use crate::plan::rollout::{Replica, Steps, next_steps};
use crate::pod::{PodOrder, PodStart, spawn_pod};

impl Cluster {
    /// Does what is missing.
    pub(super) async fn reconcile(&mut self) {
        if !self.begun {
            return;
        }
        self.own_problems.clear();
        self.reconcile_deployments();
        self.reconcile_plain_pods();
        let services: Vec<Service> = self
            .objects
            .read("Service")
            .into_iter()
            .map(|(_, service)| service)
            .collect();
        let problems = self.addresses.update(&services);
        self.own_problems.extend(problems);
        self.place_balancers(&services).await;
        self.publish_names(&services);
        let objects = self.status_objects();
        if let Err(error) = self.status_dir.sync(&objects) {
            self.own_problems.push(error.to_string());
        }
        let report = self.report();
        for problem in &self.own_problems {
            if !self.reports.borrow().problems.contains(problem) {
                warn!("{problem}");
            }
        }
        self.reports.send_replace(report.into());
    }

    fn reconcile_deployments(&mut self) {
        let deployments = self.objects.read::<Deployment>("Deployment");
        let mut wanted = HashSet::new();
        for (key, deployment) in deployments {
            let namespace = key.namespace.as_str();
            wanted.insert((namespace.to_owned(), key.name.to_string()));
            let hash = template_hash(&deployment.spec.template);
            let replicas = self.replicas(namespace, &key.name, &hash);
            let steps = next_steps(&deployment, &replicas);
            self.take_steps(namespace, &key.name, &hash, &deployment, steps);
        }
        let orphans: Vec<_> = self
            .pods
            .iter()
            .filter(|(_, entry)| {
                let owner = entry.deployment.as_ref().map(|(name, _)| name.clone());
                owner.is_some_and(|name| !wanted.contains(&(entry.namespace().to_owned(), name)))
            })
            .map(|(uid, _)| uid.clone())
            .collect();
        for uid in &orphans {
            self.stop(uid);
        }
    }

    /// The pods of a deployment, named by uid.
    fn replicas(&self, namespace: &str, name: &str, hash: &str) -> Vec<Replica> {
        let own = self.pods.iter().filter_map(|(uid, entry)| {
            let (deployment, own_hash) = entry.deployment.as_ref()?;
            (entry.namespace() == namespace && deployment == name).then(|| Replica {
                name: uid.clone(),
                current: own_hash == hash,
                ready: entry.is_ready(),
                leaving: entry.stopping,
            })
        });
        own.collect()
    }

    fn take_steps(
        &mut self,
        namespace: &str,
        name: &str,
        hash: &str,
        deployment: &Deployment,
        steps: Steps,
    ) {
        for _ in 0..steps.create {
            let origin = PodOrigin {
                namespace: namespace.to_owned(),
                name: pod_name(name, hash, random()),
                uid: random_uid(),
                deployment: Some((name.to_owned(), hash.to_owned())),
            };
            if let Err(reason) = self.create(&deployment.spec.template, origin) {
                self.own_problems
                    .push(format!("Deployment {namespace}/{name}: {reason}"));
                break;
            }
        }
        for uid in &steps.remove {
            self.stop(uid);
        }
    }

    fn reconcile_plain_pods(&mut self) {
        let wanted: BTreeMap<(String, String), Value> = self
            .objects
            .of_kind("Pod")
            .map(|(key, object)| {
                (
                    (key.namespace.to_string(), key.name.to_string()),
                    object.clone(),
                )
            })
            .collect();
        let mut present = HashSet::new();
        let mut leaving = Vec::new();
        for (uid, entry) in self
            .pods
            .iter()
            .filter(|(_, entry)| entry.deployment.is_none())
        {
            let name = (
                entry.namespace().to_owned(),
                entry.pod.metadata.name.clone(),
            );
            let unchanged = wanted
                .get(&name)
                .is_some_and(|object| *object == entry.source);
            if !unchanged {
                leaving.push(uid.clone());
            }
            // Two pods of one name would share a network namespace: the old one goes first.
            present.insert(name);
        }
        for uid in &leaving {
            self.stop(uid);
        }
        for ((namespace, name), object) in wanted {
            if present.contains(&(namespace.clone(), name.clone())) {
                continue;
            }
            let origin = PodOrigin {
                namespace: namespace.clone(),
                name: name.clone(),
                uid: random_uid(),
                deployment: None,
            };
            if let Err(reason) = self.create(&object, origin) {
                self.own_problems
                    .push(format!("Pod {namespace}/{name}: {reason}"));
            }
        }
    }

    fn create(&mut self, template: &Value, origin: PodOrigin) -> Result<(), String> {
        let labels = self.objects.namespace_labels(&origin.namespace);
        let settings = injection::settings(self.mesh_config().as_deref(), &self.settings.values);
        let mut object = injection::pod_of(template, &origin, &labels, &settings)
            .map_err(|error| error.to_string())?;
        strip_nulls(&mut object);
        let mut pod: Pod =
            serde_json::from_value(object.clone()).map_err(|error| error.to_string())?;
        let node = schedule::choose(&pod, &self.nodes(), |name| self.pods_on(name))?;
        pod.spec.node_name.clone_from(&node);
        object["spec"]["nodeName"] = json!(node);
        object["metadata"]["creationTimestamp"] =
            json!(crate::pod::timestamp(OffsetDateTime::now_utc()));
        let ip = self.pod_ips.take().map_err(|error| error.to_string())?;
        self.next_veth += 1;
        let network = PodNetwork::plan(
            &self.settings.name,
            (&origin.namespace, &origin.name),
            self.next_veth,
            ip,
            self.ranges,
        );
        let dir = self
            .state
            .pods()
            .join(format!("{}_{}", origin.namespace, origin.name));
        let captured = injection::is_captured(&object);
        let start = PodStart {
            pod: pod.clone(),
            placement: Placement {
                pod_ip: ip,
                host_ip: self.ranges.bridge(),
                node: node.clone(),
            },
            network: network.clone(),
            dir: dir.clone(),
            captured,
        };
        info!(pod = pod.key(), %ip, node, "starting pod");
        let orders = spawn_pod(self.shared.clone(), start, self.pod_reports.clone());
        let entry = PodEntry {
            captured,
            source: template.clone(),
            pod,
            object,
            deployment: origin.deployment,
            ip,
            node,
            netns: network.netns,
            dir,
            orders,
            status: None,
            balancers: Vec::new(),
            stopping: false,
            deletion: None,
        };
        self.pods.insert(origin.uid, entry);
        Ok(())
    }

    fn mesh_config(&self) -> Option<String> {
        let object = self
            .objects
            .find("ConfigMap", crate::system::SYSTEM_NAMESPACE, "istio")?;
        object.pointer("/data/mesh")?.as_str().map(str::to_owned)
    }

    fn pods_on(&self, node: &str) -> usize {
        self.pods
            .values()
            .filter(|entry| entry.node == node && !entry.stopping)
            .count()
    }

    fn stop(&mut self, uid: &str) {
        let Some(entry) = self.pods.get_mut(uid) else {
            return;
        };
        if entry.stopping {
            return;
        }
        info!(pod = entry.pod.key(), "stopping pod");
        entry.stopping = true;
        entry.deletion = Some(crate::pod::timestamp(OffsetDateTime::now_utc()));
        // A pod that ended by itself tells so.
        let _ = entry.orders.send(PodOrder::Stop { now: false });
    }

    fn backends(pods: &BTreeMap<String, PodEntry>) -> Vec<Backend<'_>> {
        pods.iter()
            .map(|(uid, entry)| Backend {
                uid,
                pod: &entry.pod,
                ip: entry.ip,
                ready: entry.is_ready(),
                leaving: entry.stopping,
            })
            .collect()
    }

    async fn place_balancers(&mut self, services: &[Service]) {
        let placed = self
            .addresses
            .place_balancers(services, &Self::backends(&self.pods));
        let ranges = self.ranges;
        let nobody = ranges.load_balancers.at(ranges.load_balancers.size() - 2);
        // First away, then there: an address must not be in two places.
        let (mut orders, mut problems) = (Vec::new(), Vec::new());
        for (uid, entry) in &mut self.pods {
            let wanted = placed.get(uid).cloned().unwrap_or_default();
            if wanted != entry.balancers {
                orders.push((wanted.len() > entry.balancers.len(), uid.clone(), wanted));
            }
        }
        orders.sort_by_key(|(gains, uid, _)| (*gains, uid.clone()));
        for (_, uid, wanted) in orders {
            let Some(entry) = self.pods.get_mut(&uid) else {
                continue;
            };
            match balancer::assign(&entry.netns, &ranges, &entry.balancers, &wanted).await {
                Ok(()) => {
                    for balancer in &wanted {
                        let address = balancer.address;
                        // A pod that is gone already needs no announcement.
                        let _ = entry.orders.send(PodOrder::Announce { address, nobody });
                    }
                    entry.balancers = wanted;
                }
                // The namespace of a pod that is leaving may be gone already, rules and all.
                Err(_) if entry.stopping => entry.balancers.clear(),
                Err(error) => {
                    problems.push(format!("load balancer on {}: {error}", entry.pod.key()));
                }
            }
        }
        self.own_problems.extend(problems);
    }

    fn publish_names(&mut self, services: &[Service]) {
        let backends = Self::backends(&self.pods);
        let names = services
            .iter()
            .map(|service| services::names(service, self.addresses.cluster_ip(service), &backends))
            .collect();
        let routes = ServiceRoutes {
            routes: services::routes(services, &self.addresses, &backends),
            range: self.ranges.services,
        };
        self.routes.send_if_modified(|old| {
            let differs = **old != routes;
            if differs {
                *old = routes.into();
            }
            differs
        });
        let captured = self
            .pods
            .values()
            .filter(|entry| entry.captured)
            .map(|entry| entry.ip)
            .collect();
        self.zone_generation += 1;
        let zone = Zone::new(&self.shared.domain, names, captured, self.zone_generation);
        self.zone.publish(zone.into());
    }
}

fn random() -> u64 {
    fastrand::u64(..)
}

fn random_uid() -> String {
    new_uid(fastrand::u128(..))
}
