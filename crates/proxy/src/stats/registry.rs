//! The registry of all groups: who scrapes walks it; who counts never touches it.
//!
//! The lock is taken when a group is made or dropped and when somebody scrapes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ferromesh_types::Str;

use super::cells::Cells;
use super::codes;
use super::group::{Counter, Gauge, GroupCore, Histogram, Stat, StatGroup, StatKind};
use super::histogram::HistogramSample;

/// All numbers of one proxy. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stats {
    registry: Arc<Registry>,
}

#[derive(Debug)]
struct Registry {
    workers: usize,
    groups: Mutex<Groups>,
}

/// By prefix, and by the first name of the table: several tables may share a prefix.
type Groups = BTreeMap<(Str, &'static str), Weak<GroupCore>>;

/// Takes a group off the registry when it is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    registry: Arc<Registry>,
    key: (Str, &'static str),
}

/// A number as a reader sees it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of a counter.
    Counter(u64),
    /// Of a gauge.
    Gauge(u64),
    /// Of a histogram.
    Histogram(HistogramSample),
}

/// A name with its number.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The full name.
    pub name: String,
    /// The number.
    pub value: Value,
}

impl Sample {
    /// Whether anything was ever counted, as far as the number still shows it.
    pub fn is_used(&self) -> bool {
        match &self.value {
            Value::Counter(value) | Value::Gauge(value) => *value != 0,
            Value::Histogram(sample) => sample.count() != 0,
        }
    }
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Groups> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut groups = self.registry.lock();
        // A new group of the same name may have taken the place already.
        if groups
            .get(&self.key)
            .is_some_and(|group| group.strong_count() == 0)
        {
            groups.remove(&self.key);
        }
    }
}

impl Stats {
    /// For a proxy with `workers` workers.
    pub fn new(workers: usize) -> Self {
        Self {
            registry: Arc::new(Registry {
                workers,
                groups: Mutex::new(BTreeMap::new()),
            }),
        }
    }

    /// The group under `prefix`; the present one if there is one.
    pub fn group(&self, prefix: &str, table: &'static [Stat]) -> StatGroup {
        let key = (
            Str::from(prefix),
            table.first().map_or("", |first| first.name),
        );
        let mut groups = self.registry.lock();
        if let Some(present) = groups.get(&key).and_then(Weak::upgrade)
            && std::ptr::eq(present.table, table)
        {
            return StatGroup::new(present);
        }
        let core = Arc::new(GroupCore {
            prefix: key.0.clone(),
            table,
            cells: Cells::new(self.registry.workers, table.iter().map(Stat::width).sum()),
            _registration: Registration {
                registry: Arc::clone(&self.registry),
                key: key.clone(),
            },
        });
        groups.insert(key, Arc::downgrade(&core));
        StatGroup::new(core)
    }

    /// All numbers, sorted by group.
    pub fn samples(&self) -> Vec<Sample> {
        let groups: Vec<_> = self
            .registry
            .lock()
            .values()
            .filter_map(Weak::upgrade)
            .collect();
        let mut out = Vec::new();
        for group in groups {
            sample_group(&group, &mut out);
        }
        out
    }

    /// Sets all counters to zero; gauges and histograms stay.
    pub fn reset_counters(&self) {
        let groups: Vec<_> = self
            .registry
            .lock()
            .values()
            .filter_map(Weak::upgrade)
            .collect();
        for group in groups {
            let mut cell = 0;
            for stat in group.table {
                if matches!(stat.kind, StatKind::Counter | StatKind::Codes) {
                    (cell..cell + stat.width()).for_each(|cell| group.cells.set(cell, 0));
                }
                cell += stat.width();
            }
        }
    }
}

fn sample_group(group: &GroupCore, out: &mut Vec<Sample>) {
    let cells = &group.cells;
    let mut cell = 0;
    for stat in group.table {
        let name = || format!("{}{}", group.prefix, stat.name);
        match stat.kind {
            StatKind::Counter => out.push(Sample {
                name: name(),
                value: Value::Counter(Counter { cells, cell }.value()),
            }),
            StatKind::Gauge => out.push(Sample {
                name: name(),
                value: Value::Gauge(Gauge { cells, cell }.value()),
            }),
            StatKind::Histogram => out.push(Sample {
                name: name(),
                value: Value::Histogram(Histogram { cells, cell }.sample()),
            }),
            StatKind::Codes => {
                for (position, status) in codes::KNOWN.iter().enumerate() {
                    let value = cells.sum(cell + position);
                    // As in Envoy, a status exists from its first answer on.
                    if value != 0 {
                        out.push(Sample {
                            name: format!("{}{status}", name()),
                            value: Value::Counter(value),
                        });
                    }
                }
            }
        }
        cell += stat.width();
    }
}
