//! The mesh config: reading it, and what follows from it for registry and indices.

use std::sync::Arc;

use ferromesh_config::mesh::MeshConfig;
use ferromesh_config::{Severity, Spec};
use ferromesh_registry::{ObjectChange, RegistrySettings, Visibility};
use ferromesh_types::{Namespace, Str};

use crate::index::destination_rule::RuleDefaults;
use crate::index::virtual_service::VirtualServiceIndex;
use crate::snapshot::{Indices, MeshSettings};

/// The name of the ConfigMap that holds the mesh config, and its key.
const MESH_CONFIG_MAP: &str = "istio";
const MESH_CONFIG_KEY: &str = "mesh";

impl Indices {
    pub(super) fn empty(settings: MeshSettings, mesh: Arc<MeshConfig>) -> Self {
        Self {
            root: root_namespace(&settings, &mesh),
            settings: Arc::new(settings),
            mesh,
            services: Arc::default(),
            virtual_services: Arc::default(),
            destination_rules: Arc::default(),
            gateways: Arc::default(),
            sidecars: Arc::default(),
            peer_authentications: Arc::default(),
            secrets: Arc::default(),
            distinction: Arc::default(),
        }
    }

    /// The mesh config that a change brings, if the change is about it and it is another one.
    pub(super) fn mesh_config_of(&self, change: &ObjectChange<'_>) -> Option<Arc<MeshConfig>> {
        let subject = change.object()?;
        if !matches!(subject.spec, Spec::ConfigMap(_))
            || subject.key.name != *MESH_CONFIG_MAP
            || subject.key.namespace != self.settings.control_plane_namespace
        {
            return None;
        }
        let mesh = match change.new.map(|new| &new.spec) {
            Some(Spec::ConfigMap(map)) => match map.data.get(MESH_CONFIG_KEY) {
                Some(text) => readable_mesh_config(text)?,
                None => MeshConfig::default(),
            },
            _ => MeshConfig::default(),
        };
        (mesh != *self.mesh).then(|| Arc::new(mesh))
    }

    /// Who sees a VirtualService without `exportTo`.
    pub(super) fn virtual_service_visibility(&self) -> Visibility {
        default_visibility(&self.mesh.default_virtual_service_export_to)
    }

    /// Who sees a DestinationRule without `exportTo`.
    pub(super) fn destination_rule_visibility(&self) -> Visibility {
        default_visibility(&self.mesh.default_destination_rule_export_to)
    }

    pub(super) fn adopt_mesh_config(&mut self, mesh: Arc<MeshConfig>) {
        self.root = root_namespace(&self.settings, &mesh);
        self.mesh = mesh;
        let domain = self.settings.domain.clone();
        let fallback = self.virtual_service_visibility();
        self.virtual_services = Arc::new(VirtualServiceIndex::rebuilt(
            &self.virtual_services,
            &domain,
            &fallback,
        ));
        let visibility = self.destination_rule_visibility();
        let defaults = RuleDefaults {
            domain: &domain,
            visibility: &visibility,
        };
        Arc::make_mut(&mut self.destination_rules).rebuild(&defaults);
    }
}

fn root_namespace(settings: &MeshSettings, mesh: &MeshConfig) -> Namespace {
    if mesh.root_namespace.is_empty() {
        settings.control_plane_namespace.clone()
    } else {
        Namespace::from(mesh.root_namespace.clone())
    }
}

pub(super) fn registry_settings(settings: &MeshSettings, mesh: &MeshConfig) -> RegistrySettings {
    RegistrySettings {
        domain: settings.domain.clone(),
        cluster: settings.cluster.clone(),
        trust_domain: mesh.trust_domain.clone(),
        service_visibility: default_visibility(&mesh.default_service_export_to),
    }
}

/// The mesh config in a text; `None` if it cannot be read at all, so that the one in force stays.
/// What is wrong with it was reported when the object was read.
fn readable_mesh_config(text: &str) -> Option<MeshConfig> {
    let (mesh, problems) = MeshConfig::parse(text);
    problems
        .iter()
        .all(|problem| problem.severity != Severity::Error)
        .then_some(mesh)
}

/// A mesh default for `exportTo`; `.` is kept until an object's namespace is known.
fn default_visibility(entries: &[Str]) -> Visibility {
    let placeholder = Namespace::from(".");
    Visibility::parse(
        entries.iter().map(Str::as_str),
        &placeholder,
        &Visibility::Public,
    )
}
