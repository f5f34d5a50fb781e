//! The mesh that some objects make, and a proxy in it.

use std::sync::Arc;

use ferromesh_config::{Object, parse_documents};
use ferromesh_model::{MeshSettings, ObjectChange, Proxy, ProxyIdError, Snapshot, SnapshotBuilder};
use ferromesh_proto::envoy::config::core::v3::Node;
use ferromesh_proto::json;
use ferromesh_translate::proxy_of;
use serde_json::{Value, json as value};
use thiserror::Error;

/// Input that makes no mesh or no proxy.
#[derive(Debug, Error)]
pub enum MeshError {
    /// The node cannot be read.
    #[error("the node is not valid: {0}")]
    Node(#[from] json::JsonError),
    /// The node's id cannot be read.
    #[error(transparent)]
    Id(#[from] ProxyIdError),
}

/// The mesh that some objects make.
#[derive(Clone, Debug, Default)]
pub struct Mesh {
    objects: Vec<Arc<Object>>,
    problems: Vec<String>,
}

impl Mesh {
    /// An empty mesh.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the objects of a YAML text. Those that cannot be in force become [`Self::problems`].
    pub fn add(&mut self, yaml: &str, file: &str) {
        for parsed in parse_documents(yaml, file) {
            match parsed {
                Ok(object) => self.objects.push(Arc::new(object)),
                Err(problem) => self.problems.push(problem.to_string()),
            }
        }
    }

    /// Puts a mesh config in force, as the ConfigMap that holds it.
    pub fn configure(&mut self, mesh_config: &str) {
        let map = value!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "istio", "namespace": "istio-system"},
            "data": {"mesh": mesh_config},
        });
        self.add(&map.to_string(), "mesh config");
    }

    /// Objects that are not in force, with the reason.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// The objects in force.
    pub fn objects(&self) -> &[Arc<Object>] {
        &self.objects
    }

    /// The mesh as the control plane sees it.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        let mut builder = SnapshotBuilder::new(MeshSettings::default());
        let changes: Vec<ObjectChange<'_>> = self
            .objects
            .iter()
            .map(|object| ObjectChange {
                old: None,
                new: Some(object),
            })
            .collect();
        builder.apply(&changes);
        Arc::clone(builder.snapshot())
    }
}

/// The proxy that introduces itself with this node (`id` and `metadata`, as JSON).
pub fn proxy(node: &Value) -> Result<Proxy, MeshError> {
    let node: Node = json::message_from_json(node)?;
    Ok(proxy_of(&node)?.0)
}
