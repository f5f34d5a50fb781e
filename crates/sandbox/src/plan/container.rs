//! Everything about one container put together: the [`ContainerPlan`] that pod init runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::environment::{self, EnvironmentError};
use super::expand::expand;
use super::fields::Placement;
use crate::images::{ImageTable, PROGRAMS_DIR, UnknownImage};
use crate::keyed::KeyedObjects;
use crate::kubernetes::{Container, Pod, VolumeMount};
use crate::launch::protocol::{ContainerPlan, MountPlan};

/// Where a container's programs are looked for when it sets no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The user of a container that must not be root and names no user: an image would name one.
const PLAIN_USER: u32 = 65534;

/// Why a container cannot be planned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContainerError {
    /// Its image is unknown.
    #[error(transparent)]
    Image(#[from] UnknownImage),
    /// Its environment cannot be built.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// It has neither a command of its own nor one of its image.
    #[error("there is nothing to run: image {0:?} has no command of its own, so give `command`")]
    NoCommand(String),
    /// It asks for root and forbids it.
    #[error("runAsNonRoot is set, but runAsUser is 0")]
    RootForbidden,
    /// A part of a volume that would leave it.
    #[error("volumeMounts: the subPath {0:?} must be relative and without `..`")]
    BadSubPath(String),
}

impl ContainerError {
    /// The reason in the form that Kubernetes shows in a container's status.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Image(_) => "ErrImagePull",
            _ => "CreateContainerConfigError",
        }
    }

    /// Whether another object may make it right.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Environment(EnvironmentError::MissingObject { .. })
        )
    }
}

/// What planning reads.
pub struct PlanSources<'a> {
    /// The pod.
    pub pod: &'a Pod,
    /// Where it runs.
    pub placement: &'a Placement,
    /// ConfigMaps and Secrets.
    pub objects: &'a KeyedObjects,
    /// The image table.
    pub images: &'a ImageTable,
    /// Programs of the mesh: name in the container, path on the host.
    pub programs: &'a BTreeMap<String, PathBuf>,
    /// The pod's own directory on the host.
    pub dir: &'a Path,
    /// Where each volume is on the host.
    pub volumes: &'a BTreeMap<String, PathBuf>,
    /// The cluster's DNS suffix.
    pub domain: &'a str,
}

/// Plans `container`.
///
/// # Errors
/// When its image, environment or user do not work out.
pub fn plan(
    container: &Container,
    sources: &PlanSources<'_>,
) -> Result<ContainerPlan, ContainerError> {
    let pod = sources.pod;
    let line =
        sources
            .images
            .command_line(&container.image, &container.command, &container.args)?;
    let variables = environment::environment(container, pod, sources.placement, sources.objects)?;
    let argv: Vec<_> = line.iter().map(|word| expand(word, &variables)).collect();
    if argv.is_empty() {
        return Err(ContainerError::NoCommand(container.image.clone()));
    }
    let user = user(container, pod)?;
    Ok(ContainerPlan {
        name: container.name.clone(),
        argv,
        env: complete(variables, pod, user.uid),
        working_dir: container.working_dir.clone(),
        uid: user.uid,
        gid: user.gid,
        groups: user.groups,
        root_dir: sources.dir.join("root"),
        files: files(sources),
        mounts: mounts(container, sources)?,
        log_file: sources.dir.join(format!("{}.log", container.name)),
    })
}

struct User {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
}

fn user(container: &Container, pod: &Pod) -> Result<User, ContainerError> {
    let (own, whole) = (&container.security_context, &pod.spec.security_context);
    let uid = match (own.run_as_user.or(whole.run_as_user), own.run_as_non_root) {
        (Some(0), Some(true)) => return Err(ContainerError::RootForbidden),
        (Some(uid), _) => uid,
        (None, Some(true)) => PLAIN_USER,
        (None, _) => 0,
    };
    let mut groups = whole.supplemental_groups.clone();
    groups.extend(whole.fs_group);
    Ok(User {
        uid,
        gid: own.run_as_group.or(whole.run_as_group).unwrap_or(0),
        groups,
    })
}

/// Adds what every process expects to find.
fn complete(
    mut variables: BTreeMap<String, String>,
    pod: &Pod,
    uid: u32,
) -> BTreeMap<String, String> {
    let mut default = |name: &str, value: String| {
        variables.entry(name.to_owned()).or_insert(value);
    };
    default("PATH", format!("{PROGRAMS_DIR}:{DEFAULT_PATH}"));
    default("HOSTNAME", host_name(pod).to_owned());
    default("HOME", if uid == 0 { "/root" } else { "/" }.to_owned());
    variables
}

/// The pod's host name.
pub fn host_name(pod: &Pod) -> &str {
    match pod.spec.hostname.as_str() {
        "" => &pod.metadata.name,
        name => name,
    }
}

fn files(sources: &PlanSources<'_>) -> BTreeMap<String, String> {
    let pod = sources.pod;
    let (namespace, domain) = (&pod.metadata.namespace, sources.domain);
    let name = host_name(pod);
    let own_name = match pod.spec.subdomain.as_str() {
        "" => name.to_owned(),
        subdomain => format!("{name}.{subdomain}.{namespace}.svc.{domain}\t{name}"),
    };
    let resolver = format!(
        "search {namespace}.svc.{domain} svc.{domain} {domain}\nnameserver {}\noptions ndots:5\n",
        sources.placement.host_ip
    );
    let hosts = format!(
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n{}\t{own_name}\n",
        sources.placement.pod_ip
    );
    [
        ("/etc/resolv.conf", resolver),
        ("/etc/hosts", hosts),
        ("/etc/hostname", format!("{name}\n")),
    ]
    .into_iter()
    .map(|(path, content)| (path.to_owned(), content))
    .collect()
}

fn mounts(
    container: &Container,
    sources: &PlanSources<'_>,
) -> Result<Vec<MountPlan>, ContainerError> {
    let mut mounts = Vec::new();
    for (name, path) in sources.programs {
        mounts.push(MountPlan {
            source: path.clone(),
            target: format!("{PROGRAMS_DIR}/{name}"),
            read_only: true,
        });
    }
    for mount in &container.volume_mounts {
        // `refuse` has made sure that every mount has its volume.
        if let Some(volume) = sources.volumes.get(&mount.name) {
            mounts.push(mounted(mount, volume)?);
        }
    }
    // A mount inside another one must come after it.
    mounts.sort_by(|a, b| a.target.cmp(&b.target));
    Ok(mounts)
}

fn mounted(mount: &VolumeMount, volume: &Path) -> Result<MountPlan, ContainerError> {
    let part = Path::new(&mount.sub_path);
    let inside = part
        .components()
        .all(|component| matches!(component, std::path::Component::Normal(_)));
    if !inside {
        return Err(ContainerError::BadSubPath(mount.sub_path.clone()));
    }
    Ok(MountPlan {
        source: if mount.sub_path.is_empty() {
            volume.to_owned()
        } else {
            volume.join(part)
        },
        target: mount.mount_path.trim_end_matches('/').to_owned(),
        read_only: mount.read_only,
    })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use serde_json::{Value, json};

    fn planned(pod: Value) -> Result<ContainerPlan, ContainerError> {
        let pod: Pod = serde_json::from_value(pod).expect("a readable pod");
        let placement = Placement {
            pod_ip: Ipv4Addr::new(10, 0, 0, 2),
            host_ip: Ipv4Addr::new(10, 0, 0, 1),
            node: "node-1".into(),
        };
        let volumes = [("v".to_owned(), PathBuf::from("/state/v"))].into();
        plan(
            &pod.spec.containers[0],
            &PlanSources {
                pod: &pod,
                placement: &placement,
                objects: &KeyedObjects::default(),
                images: &ImageTable::new(Vec::new(), Vec::new()),
                programs: &BTreeMap::new(),
                dir: Path::new("/state"),
                volumes: &volumes,
                domain: "cluster.local",
            },
        )
    }

    #[test]
    fn arguments_see_the_environment_and_mounts_their_volumes() {
        let plan = planned(
            json!({"metadata": {"name": "p", "namespace": "n"}, "spec": {
            "securityContext": {"runAsUser": 5, "fsGroup": 7},
            "containers": [{"name": "c", "image": "busybox", "command": ["echo", "$(A)"],
                "env": [{"name": "A", "value": "b"}], "securityContext": {"runAsGroup": 6},
                "volumeMounts": [{"name": "v", "mountPath": "/data/", "subPath": "x"}]}]}}),
        )
        .expect("a complete plan");
        assert_eq!(plan.argv, ["echo", "b"]);
        assert_eq!(
            (plan.uid, plan.gid, plan.groups.as_slice()),
            (5, 6, &[7][..])
        );
        assert_eq!(plan.mounts[0].source, Path::new("/state/v/x"));
        assert_eq!(plan.mounts[0].target, "/data");
        assert!(plan.files["/etc/resolv.conf"].starts_with("search n.svc.cluster.local "));
    }

    #[test]
    fn a_sub_path_stays_in_its_volume() {
        let plan = planned(json!({"metadata": {"name": "p"}, "spec": {"containers": [
            {"name": "c", "image": "busybox", "volumeMounts":
                [{"name": "v", "mountPath": "/d", "subPath": "../x"}]}]}}));
        assert_eq!(plan, Err(ContainerError::BadSubPath("../x".into())));
    }

    #[test]
    fn an_unknown_image_shows_as_kubernetes_would_show_it() {
        let error = planned(json!({"metadata": {"name": "p"}, "spec": {"containers":
            [{"name": "c", "image": "acme/none"}]}}))
        .expect_err("unknown");
        assert_eq!(error.reason(), "ErrImagePull");
    }
}
