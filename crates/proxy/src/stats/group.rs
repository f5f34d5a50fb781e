//! A group of numbers under one prefix, and the handles through which they are counted.
//!
//! The names of a group are a static table; only the prefix is stored per group. A typed group
//! (see `stat_group!`) gives each number a method, so that the request path never sees a name.

use std::sync::Arc;

use ferromesh_types::Str;

use super::cells::Cells;
use super::codes;
use super::histogram::{self, HistogramSample};
use super::registry::Registration;

/// What kind of number a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution.
    Histogram,
    /// One counter per HTTP status, under the name with the status appended.
    Codes,
}

/// A name in a group's table.
#[derive(Clone, Copy, Debug)]
pub struct Stat {
    /// The name behind the prefix.
    pub name: &'static str,
    /// Its kind.
    pub kind: StatKind,
}

impl Stat {
    /// How many cells the number takes.
    pub(crate) const fn width(&self) -> usize {
        match self.kind {
            StatKind::Counter | StatKind::Gauge => 1,
            StatKind::Histogram => histogram::WIDTH,
            StatKind::Codes => codes::KNOWN.len(),
        }
    }
}

/// The first cell of each number of a table.
pub(crate) const fn offsets<const N: usize>(table: &[Stat; N]) -> [usize; N] {
    let mut out = [0; N];
    let mut index = 1;
    while index < N {
        out[index] = out[index - 1] + table[index - 1].width();
        index += 1;
    }
    out
}

/// The numbers under one prefix. Cheap to clone; they are forgotten with the last handle.
#[derive(Clone, Debug)]
pub struct StatGroup {
    core: Arc<GroupCore>,
}

#[derive(Debug)]
pub(crate) struct GroupCore {
    pub(crate) prefix: Str,
    pub(crate) table: &'static [Stat],
    pub(crate) cells: Cells,
    /// Takes the group off the registry when the last handle is dropped.
    pub(crate) _registration: Registration,
}

impl StatGroup {
    pub(crate) fn new(core: Arc<GroupCore>) -> Self {
        Self { core }
    }

    /// The prefix, with its dot.
    pub fn prefix(&self) -> &str {
        &self.core.prefix
    }

    pub(crate) fn cells(&self) -> &Cells {
        &self.core.cells
    }
}

/// A number that only grows.
#[derive(Clone, Copy, Debug)]
pub struct Counter<'a> {
    pub(crate) cells: &'a Cells,
    pub(crate) cell: usize,
}

impl Counter<'_> {
    /// Counts one.
    pub fn inc(self) {
        self.cells.add(self.cell, 1);
    }

    /// Counts `amount`.
    pub fn add(self, amount: u64) {
        self.cells.add(self.cell, amount);
    }

    /// The sum over all workers.
    pub fn value(self) -> u64 {
        self.cells.sum(self.cell)
    }
}

/// A number that goes up and down.
#[derive(Clone, Copy, Debug)]
pub struct Gauge<'a> {
    pub(crate) cells: &'a Cells,
    pub(crate) cell: usize,
}

impl Gauge<'_> {
    /// One more.
    pub fn inc(self) {
        self.cells.add(self.cell, 1);
    }

    /// One less; on whichever thread.
    pub fn dec(self) {
        self.cells.add(self.cell, u64::MAX);
    }

    /// Makes it `value`; for gauges that no worker counts.
    pub fn set(self, value: u64) {
        self.cells.set(self.cell, value);
    }

    /// The sum over all workers; never below zero.
    pub fn value(self) -> u64 {
        let value = self.cells.sum(self.cell);
        // A decrement seen before its increment would show as a huge number.
        if value > u64::MAX / 2 { 0 } else { value }
    }
}

/// A distribution.
#[derive(Clone, Copy, Debug)]
pub struct Histogram<'a> {
    pub(crate) cells: &'a Cells,
    pub(crate) cell: usize,
}

impl Histogram<'_> {
    /// Records a value, in milliseconds for times.
    pub fn record(self, value: f64) {
        self.cells.add(self.cell + histogram::bucket(value), 1);
        let scaled = (value * histogram::SCALE).max(0.0) as u64;
        self.cells.add(self.cell + histogram::SUM, scaled);
    }

    /// Records a time span.
    pub fn record_duration(self, span: std::time::Duration) {
        self.record(span.as_secs_f64() * 1000.0);
    }

    /// What it has seen.
    pub fn sample(self) -> HistogramSample {
        HistogramSample {
            buckets: (0..=histogram::BOUNDS.len())
                .map(|bucket| self.cells.sum(self.cell + bucket))
                .collect(),
            sum: self.cells.sum(self.cell + histogram::SUM) as f64 / histogram::SCALE,
        }
    }
}

/// One counter per HTTP status.
#[derive(Clone, Copy, Debug)]
pub struct CodeCounters<'a> {
    pub(crate) cells: &'a Cells,
    pub(crate) cell: usize,
}

impl CodeCounters<'_> {
    /// Counts an answer with `status`; a status that no RFC names is counted in its class alone.
    pub fn inc(self, status: u16) {
        if let Some(position) = codes::position(status) {
            self.cells.add(self.cell + position, 1);
        }
    }

    /// How many answers had `status`.
    pub fn value(self, status: u16) -> u64 {
        codes::position(status).map_or(0, |position| self.cells.sum(self.cell + position))
    }
}

/// Declares a typed group: a struct with one method per number.
macro_rules! stat_group {
    (
        $(#[$doc:meta])*
        pub struct $group:ident {
            $( $kind:ident $method:ident = $name:literal ),* $(,)?
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $group {
            group: $crate::stats::StatGroup,
        }

        impl $group {
            const TABLE: &'static [$crate::stats::Stat; [$($name),*].len()] = &[
                $( $crate::stats::Stat { name: $name, kind: $crate::stats::group::kind!($kind) } ),*
            ];
            const OFFSETS: [usize; [$($name),*].len()] = $crate::stats::group::offsets(Self::TABLE);

            /// Registers the group under `prefix`, which ends with a dot; the numbers of a group
            /// of the same prefix that is still in use go on.
            pub fn new(stats: &$crate::stats::Stats, prefix: &str) -> Self {
                Self { group: stats.group(prefix, Self::TABLE) }
            }

            /// The prefix of the group's names.
            pub fn prefix(&self) -> &str {
                self.group.prefix()
            }

            $crate::stats::group::methods! { 0usize; $( $kind $method = $name ),* }
        }
    };
}

macro_rules! kind {
    (counter) => {
        $crate::stats::StatKind::Counter
    };
    (gauge) => {
        $crate::stats::StatKind::Gauge
    };
    (histogram) => {
        $crate::stats::StatKind::Histogram
    };
    (codes) => {
        $crate::stats::StatKind::Codes
    };
}

macro_rules! handle {
    (counter) => {
        $crate::stats::Counter<'_>
    };
    (gauge) => {
        $crate::stats::Gauge<'_>
    };
    (histogram) => {
        $crate::stats::Histogram<'_>
    };
    (codes) => {
        $crate::stats::CodeCounters<'_>
    };
}

macro_rules! make {
    (counter, $cells:expr, $cell:expr) => {
        $crate::stats::Counter {
            cells: $cells,
            cell: $cell,
        }
    };
    (gauge, $cells:expr, $cell:expr) => {
        $crate::stats::Gauge {
            cells: $cells,
            cell: $cell,
        }
    };
    (histogram, $cells:expr, $cell:expr) => {
        $crate::stats::Histogram {
            cells: $cells,
            cell: $cell,
        }
    };
    (codes, $cells:expr, $cell:expr) => {
        $crate::stats::CodeCounters {
            cells: $cells,
            cell: $cell,
        }
    };
}

macro_rules! methods {
    ($index:expr; ) => {};
    ($index:expr; $kind:ident $method:ident = $name:literal $(, $($rest:tt)*)?) => {
        #[doc = concat!("`", $name, "`.")]
        pub fn $method(&self) -> $crate::stats::group::handle!($kind) {
            const INDEX: usize = $index;
            $crate::stats::group::make!($kind, self.group.cells(), Self::OFFSETS[INDEX])
        }
        $crate::stats::group::methods! { $index + 1usize; $($($rest)*)? }
    };
}

pub(crate) use {handle, kind, make, methods, stat_group};
