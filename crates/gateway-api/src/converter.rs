//! Keeps what was written and what was made of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use ferromesh_config::Object;
use ferromesh_types::{ResourceKey, Str};

use crate::table::Tables;
use crate::written::Written;
use crate::{backend_tls, grpc, http, layer4, listener};

/// A made object that came, went or changed.
#[derive(Clone, Debug)]
pub struct Change {
    /// What was in force.
    pub old: Option<Arc<Object>>,
    /// What is in force now.
    pub new: Option<Arc<Object>>,
}

/// Turns batches of changes of written objects into changes of made ones.
#[derive(Debug)]
pub struct Converter {
    written: Written,
    made: BTreeMap<ResourceKey, Arc<Object>>,
}

impl Converter {
    /// A converter that knows nothing yet. `domain` is the DNS domain of the cluster.
    pub fn new(domain: Str) -> Self {
        Self {
            written: Written::new(domain),
            made: BTreeMap::new(),
        }
    }

    /// Takes in a batch, each change as the object before and after.
    pub fn apply<'a>(
        &mut self,
        changes: impl Iterator<Item = (Option<&'a Arc<Object>>, Option<&'a Arc<Object>>)>,
    ) -> Vec<Change> {
        let mut concerned = false;
        for (old, new) in changes {
            concerned |= self.written.take(old, new);
        }
        if !concerned || (self.written.is_empty() && self.made.is_empty()) {
            return Vec::new();
        }
        let made = convert(&self.written);
        self.adopt(made)
    }

    /// Puts the objects in place of those before; an object that is the same stays.
    fn adopt(&mut self, made: Vec<Object>) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut next = BTreeMap::new();
        for object in made {
            let old = self.made.remove(&object.key);
            if let Some(same) = old.as_ref().filter(|old| is_same(old, &object)) {
                next.insert(object.key, Arc::clone(same));
                continue;
            }
            let new = Arc::new(object);
            next.insert(new.key.clone(), Arc::clone(&new));
            changes.push(Change {
                old,
                new: Some(new),
            });
        }
        let gone = std::mem::replace(&mut self.made, next).into_values();
        changes.extend(gone.map(|old| Change {
            old: Some(old),
            new: None,
        }));
        changes
    }
}

fn is_same(old: &Object, new: &Object) -> bool {
    old.spec == new.spec && old.meta == new.meta
}

/// All objects that the written ones amount to; each key once.
fn convert(written: &Written) -> Vec<Object> {
    let listeners = listener::bound(written);
    let mut tables = Tables::default();
    let mut routes = http::rules(written);
    routes.extend(grpc::rules(written));
    routes.sort_by(|a, b| {
        let (a, b) = (a.attached.meta, b.attached.meta);
        a.age_order().cmp(&b.age_order())
    });
    for route in &routes {
        tables.add_http(written, &listeners, route);
    }
    layer4::add(written, &listeners, &mut tables);
    let mut made: Vec<Object> = listeners
        .iter()
        .flat_map(listener::BoundListener::objects)
        .collect();
    made.extend(tables.into_objects());
    made.extend(backend_tls::objects(written));
    let mut seen = std::collections::BTreeSet::new();
    made.retain(|object| seen.insert(object.key.clone()));
    made
}
