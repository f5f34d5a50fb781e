//! Where numbers live: one block of cells per group and worker.
//!
//! A worker writes only its own blocks, so that counting is a plain load and store of a cache line
//! that no other core touches. Threads that are no worker share block 0 and pay for an atomic
//! addition. Readers add the blocks up and may see a request counted in one cell and not yet in
//! another; that is accepted.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

thread_local! {
    /// Zero for threads that are no worker.
    static WORKER: Cell<usize> = const { Cell::new(0) };
}

/// Makes this thread worker number `worker` (from 0) for all counting that it does from now on.
pub fn enter_worker(worker: usize) {
    WORKER.set(worker + 1);
}

/// Adds to a cell that no other thread writes.
#[inline]
fn add_alone(cell: &AtomicU64, amount: u64) {
    let value = cell.load(Ordering::Relaxed);
    cell.store(value.wrapping_add(amount), Ordering::Relaxed);
}

/// The cells of one group.
#[derive(Debug)]
pub(crate) struct Cells {
    /// Block 0, then one block per worker; made when first written.
    blocks: Box<[OnceLock<Box<[AtomicU64]>>]>,
    width: usize,
}

impl Cells {
    /// `width` cells for each of `workers` workers.
    pub(crate) fn new(workers: usize, width: usize) -> Self {
        Self {
            blocks: (0..=workers).map(|_| OnceLock::new()).collect(),
            width,
        }
    }

    fn block(&self, index: usize) -> &[AtomicU64] {
        self.blocks[index].get_or_init(|| (0..self.width).map(|_| AtomicU64::new(0)).collect())
    }

    /// Adds with wrap-around, so that a gauge goes down by adding the complement.
    #[inline]
    pub(crate) fn add(&self, cell: usize, amount: u64) {
        let worker = WORKER.get();
        match self.blocks.get(worker).and_then(OnceLock::get) {
            Some(block) if worker != 0 => add_alone(&block[cell], amount),
            _ => self.add_rarely(worker, cell, amount),
        }
    }

    /// For who shares a block, and for the first number that a worker writes.
    #[cold]
    fn add_rarely(&self, worker: usize, cell: usize, amount: u64) {
        if worker == 0 || worker >= self.blocks.len() {
            self.block(0)[cell].fetch_add(amount, Ordering::Relaxed);
        } else {
            add_alone(&self.block(worker)[cell], amount);
        }
    }

    /// Makes the sum of all blocks `value`.
    pub(crate) fn set(&self, cell: usize, value: u64) {
        let others: u64 = self.made().skip(1).fold(0, |sum, block| {
            sum.wrapping_add(block[cell].load(Ordering::Relaxed))
        });
        self.block(0)[cell].store(value.wrapping_sub(others), Ordering::Relaxed);
    }

    /// The sum over all blocks.
    pub(crate) fn sum(&self, cell: usize) -> u64 {
        self.made().fold(0, |sum, block| {
            sum.wrapping_add(block[cell].load(Ordering::Relaxed))
        })
    }

    /// Block 0 first, whether written or not, so that `skip(1)` leaves the workers' blocks.
    fn made(&self) -> impl Iterator<Item = &[AtomicU64]> {
        std::iter::once(self.block(0)).chain(
            self.blocks[1..]
                .iter()
                .filter_map(|block| block.get().map(AsRef::as_ref)),
        )
    }
}
