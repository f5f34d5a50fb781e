//! Where the name table goes when it has come from the control plane.

use std::sync::Arc;

use ferromesh_proto::istio::nds::NameTable;
use ferromesh_runtime::{Published, Publisher};
use tracing::debug;

use crate::dns::NameIndex;

/// Takes name tables and publishes them for the DNS proxy. Clones share one table.
#[derive(Clone, Debug)]
pub struct NameTableSink {
    publisher: Arc<Publisher<NameIndex>>,
    namespace: String,
    search: Arc<[String]>,
}

impl NameTableSink {
    /// For a pod in `namespace` whose resolver adds these search domains.
    pub fn new(namespace: &str, search: Vec<String>) -> Self {
        Self {
            publisher: Arc::new(Publisher::new(NameIndex::default())),
            namespace: namespace.to_owned(),
            search: search.into(),
        }
    }

    /// Puts a new table in force.
    pub fn replace(&self, table: &NameTable) {
        debug!(hosts = table.table.len(), "new name table");
        let index = NameIndex::new(table, &self.namespace, &self.search);
        self.publisher.publish(Arc::new(index));
    }

    /// For readers.
    pub fn reader(&self) -> Published<NameIndex> {
        self.publisher.reader()
    }
}
