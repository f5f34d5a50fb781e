//! The memory of header lists that this thread does not need for now.
//!
//! Each message has two lists, which are made and dropped within the same few microseconds; handing
//! their memory on spares the allocator four calls per exchange.

use std::cell::RefCell;

use crate::headers::Entry;

/// First number of fields: a usual request of a browser and what a proxy adds.
const FIRST_ENTRIES: usize = 24;
/// First size of the side buffer: a usual head and what a proxy adds to it fit.
const FIRST_EXTRA: usize = 1024;
/// Larger lists are not kept.
const MOST_ENTRIES: usize = 128;
const MOST_EXTRA: usize = 4096;
/// Kept at most, per thread: some 350 KiB. Two for each of so many exchanges that are served together.
const MOST: usize = 256;

type Fields = (Vec<Entry>, Vec<u8>);

thread_local! {
    static SPARE: RefCell<Vec<Fields>> = const { RefCell::new(Vec::new()) };
}

/// An empty list and an empty side buffer, both with room.
pub(crate) fn take() -> Fields {
    SPARE.with_borrow_mut(Vec::pop).unwrap_or_else(|| {
        let entries = Vec::with_capacity(FIRST_ENTRIES);
        (entries, Vec::with_capacity(FIRST_EXTRA))
    })
}

/// Keeps the memory of a list for [`take`].
pub(crate) fn give(mut entries: Vec<Entry>, mut extra: Vec<u8>) {
    if entries.capacity() > MOST_ENTRIES || extra.capacity() > MOST_EXTRA {
        return;
    }
    entries.clear();
    extra.clear();
    // A thread that ends has no list of spares any more; nor does it need one.
    let _ = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        if spare.len() < MOST {
            spare.push((entries, extra));
        }
    });
}
