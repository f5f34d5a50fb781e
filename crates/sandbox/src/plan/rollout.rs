//! How a deployment moves to its wanted state: which pods to make, which to take away.
//!
//! The rules are those of Kubernetes' rolling update: at most `maxSurge` pods more than wanted
//! exist, and at least `replicas - maxUnavailable` are ready, while pods are replaced.

use crate::kubernetes::{Deployment, PortRef};

/// A pod of the deployment as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Its name.
    pub name: String,
    /// Whether it was made from the wanted template.
    pub current: bool,
    /// Whether it is ready.
    pub ready: bool,
    /// Whether it is on its way out.
    pub leaving: bool,
}

/// What to do now; more may follow once that has taken effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// How many pods to make from the wanted template.
    pub create: usize,
    /// Pods to take away.
    pub remove: Vec<String>,
}

/// The next steps of `deployment`, whose pods are `replicas`.
pub fn next_steps(deployment: &Deployment, replicas: &[Replica]) -> Steps {
    let wanted = deployment.spec.replicas.unwrap_or(1) as usize;
    let staying = || replicas.iter().filter(|replica| !replica.leaving);
    let (current, old): (Vec<_>, Vec<_>) = staying().partition(|replica| replica.current);
    let bounds = Bounds::of(deployment, wanted);
    if deployment.spec.strategy.r#type == "Recreate" && replicas.iter().any(|r| !r.current) {
        return Steps {
            create: 0,
            remove: names(old.iter().copied()),
        };
    }
    let missing = wanted.saturating_sub(current.len());
    let room = (wanted + bounds.surge).saturating_sub(current.len() + old.len());
    let mut remove = Vec::new();
    // Scaling down: those that are not ready go first, as they serve nobody.
    let mut surplus: Vec<_> = current.clone();
    surplus.sort_by_key(|replica| replica.ready);
    remove.extend(names(
        surplus
            .into_iter()
            .take(current.len().saturating_sub(wanted)),
    ));
    // Old pods that are not ready do not count for availability.
    remove.extend(names(old.iter().copied().filter(|replica| !replica.ready)));
    let ready = staying().filter(|replica| replica.ready).count();
    let spare = ready.saturating_sub(wanted.saturating_sub(bounds.unavailable));
    remove.extend(names(
        old.iter()
            .copied()
            .filter(|replica| replica.ready)
            .take(spare),
    ));
    Steps {
        create: missing.min(room),
        remove,
    }
}

fn names<'a>(replicas: impl Iterator<Item = &'a Replica>) -> Vec<String> {
    replicas.map(|replica| replica.name.clone()).collect()
}

struct Bounds {
    surge: usize,
    unavailable: usize,
}

impl Bounds {
    fn of(deployment: &Deployment, wanted: usize) -> Self {
        let rolling = &deployment.spec.strategy.rolling_update;
        let surge = portion(rolling.max_surge.as_ref(), wanted, true);
        let unavailable = portion(rolling.max_unavailable.as_ref(), wanted, false);
        Self {
            // Both zero would stop every rollout; the API refuses it, and so nothing is lost here.
            surge: if surge == 0 && unavailable == 0 {
                1
            } else {
                surge
            },
            unavailable,
        }
    }
}

/// A number or a percentage of `wanted`; 25 % when absent.
fn portion(bound: Option<&PortRef>, wanted: usize, round_up: bool) -> usize {
    let percent = match bound {
        Some(PortRef::Number(number)) => return usize::from(*number),
        Some(PortRef::Name(text)) => text.trim_end_matches('%').parse().unwrap_or(25),
        None => 25,
    };
    let hundredths = wanted * percent;
    if round_up {
        hundredths.div_ceil(100)
    } else {
        hundredths / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(replicas: u32, strategy: &str) -> Deployment {
        serde_json::from_value(json!({"spec": {"replicas": replicas,
            "strategy": {"type": strategy}}}))
        .expect("a readable deployment")
    }

    fn replica(name: &str, current: bool, ready: bool) -> Replica {
        Replica {
            name: name.into(),
            current,
            ready,
            leaving: false,
        }
    }

    #[test]
    fn a_new_deployment_makes_all_its_pods_at_once() {
        let steps = next_steps(&deployment(3, ""), &[]);
        assert_eq!((steps.create, steps.remove.len()), (3, 0));
    }

    #[test]
    fn the_new_pod_is_ready_before_the_old_one_goes() {
        let deployment = deployment(1, "RollingUpdate");
        let old = replica("old", false, true);
        let steps = next_steps(&deployment, std::slice::from_ref(&old));
        assert_eq!((steps.create, steps.remove.len()), (1, 0));
        let steps = next_steps(&deployment, &[old.clone(), replica("new", true, false)]);
        assert_eq!(steps, Steps::default());
        let steps = next_steps(&deployment, &[old, replica("new", true, true)]);
        assert_eq!(steps.remove, ["old"]);
    }

    #[test]
    fn a_broken_old_pod_goes_at_once() {
        let steps = next_steps(&deployment(1, ""), &[replica("old", false, false)]);
        assert_eq!((steps.create, steps.remove), (1, vec!["old".to_owned()]));
    }

    #[test]
    fn scaling_down_takes_unready_pods_first() {
        let pods = [replica("a", true, true), replica("b", true, false)];
        assert_eq!(next_steps(&deployment(1, ""), &pods).remove, ["b"]);
        assert_eq!(next_steps(&deployment(0, ""), &pods).remove.len(), 2);
    }

    #[test]
    fn recreate_waits_until_the_old_pods_are_gone() {
        let deployment = deployment(1, "Recreate");
        let mut old = replica("old", false, true);
        let steps = next_steps(&deployment, std::slice::from_ref(&old));
        assert_eq!((steps.create, steps.remove.len()), (0, 1));
        old.leaving = true;
        assert_eq!(next_steps(&deployment, &[old]), Steps::default());
        assert_eq!(next_steps(&deployment, &[]).create, 1);
    }

    #[test]
    fn a_rollout_of_many_never_drops_below_three_quarters() {
        let deployment = deployment(8, "");
        let mut pods: Vec<_> = (0..8)
            .map(|n| replica(&format!("old{n}"), false, true))
            .collect();
        for round in 0..32 {
            let steps = next_steps(&deployment, &pods);
            pods.retain(|pod| !steps.remove.contains(&pod.name));
            assert!(pods.iter().filter(|pod| pod.ready).count() >= 6, "{pods:?}");
            for pod in &mut pods {
                pod.ready = true;
            }
            for n in 0..steps.create {
                pods.push(replica(&format!("new{round}-{n}"), true, false));
            }
            assert!(pods.len() <= 10, "{pods:?}");
        }
        assert!(pods.len() == 8 && pods.iter().all(|pod| pod.current && pod.ready));
    }
}
