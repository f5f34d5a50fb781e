//! PeerAuthentication objects, merged for a workload or a namespace.

use std::collections::BTreeMap;

use ferromesh_config::kind::peer_authentication::{MutualTlsMode, PeerAuthentication};
use ferromesh_types::{Labels, Namespace, ResourceKey, Selector};

use crate::authentication::{MergedAuthentication, MtlsMode};
use crate::declared::Declared;

/// All PeerAuthentication objects.
#[derive(Clone, Debug, Default)]
pub struct PeerAuthenticationIndex {
    /// Per namespace, oldest first.
    by_namespace: BTreeMap<Namespace, Vec<Declared<PeerAuthentication>>>,
}

impl PeerAuthenticationIndex {
    pub(crate) fn replace(
        &mut self,
        key: &ResourceKey,
        object: Option<Declared<PeerAuthentication>>,
    ) {
        let list = self.by_namespace.entry(key.namespace.clone()).or_default();
        list.retain(|known| known.key != *key);
        list.extend(object);
        list.sort_by(Declared::precedence);
        if list.is_empty() {
            self.by_namespace.remove(&key.namespace);
        }
    }

    /// The mode of a namespace, without regard to single workloads.
    pub fn of_namespace(&self, namespace: &Namespace, root: &Namespace) -> MtlsMode {
        let mesh = self.level(root).unwrap_or_default();
        if namespace == root {
            mesh
        } else {
            self.level(namespace).unwrap_or(mesh)
        }
    }

    /// The modes of a workload.
    pub fn of_workload(
        &self,
        namespace: &Namespace,
        labels: &Labels,
        root: &Namespace,
    ) -> MergedAuthentication {
        let outer = self.of_namespace(namespace, root);
        let own = (namespace != root)
            .then(|| self.selecting(namespace, labels))
            .flatten();
        let Some(own) = own else {
            return MergedAuthentication {
                mode: outer,
                ports: BTreeMap::new(),
            };
        };
        let mode = mode_of(own).unwrap_or(outer);
        let ports = own
            .port_level_mtls
            .iter()
            .map(|(port, mtls)| (*port, translate(mtls.mode).unwrap_or(mode)))
            .filter(|(_, port_mode)| *port_mode != mode)
            .collect();
        MergedAuthentication { mode, ports }
    }

    /// Whether an object of the namespace concerns single workloads.
    pub fn selects_workloads(&self, namespace: &Namespace) -> bool {
        self.objects(namespace)
            .any(|object| selector(object).is_some())
    }

    /// The mode that the objects without selector say; the oldest one counts.
    fn level(&self, namespace: &Namespace) -> Option<MtlsMode> {
        self.objects(namespace)
            .find(|object| selector(object).is_none())
            .and_then(mode_of)
    }

    fn selecting(&self, namespace: &Namespace, labels: &Labels) -> Option<&PeerAuthentication> {
        self.objects(namespace)
            .find(|object| selector(object).is_some_and(|selector| selector.matches(labels)))
    }

    fn objects(&self, namespace: &Namespace) -> impl Iterator<Item = &PeerAuthentication> {
        self.by_namespace
            .get(namespace)
            .into_iter()
            .flatten()
            .map(|object| &*object.spec)
    }
}

/// The selector, if it selects anything less than the namespace.
fn selector(object: &PeerAuthentication) -> Option<&Selector> {
    object
        .selector
        .as_ref()
        .map(|s| &s.match_labels)
        .filter(|labels| !labels.is_empty())
}

fn mode_of(object: &PeerAuthentication) -> Option<MtlsMode> {
    object.mtls.and_then(|mtls| translate(mtls.mode))
}

fn translate(mode: MutualTlsMode) -> Option<MtlsMode> {
    match mode {
        MutualTlsMode::Unset => None,
        MutualTlsMode::Disable => Some(MtlsMode::Disable),
        MutualTlsMode::Permissive => Some(MtlsMode::Permissive),
        MutualTlsMode::Strict => Some(MtlsMode::Strict),
    }
}
