//! Buffers that connections of this thread do not need for now.
//!
//! A connection that waits holds no read or write buffer; the one that is served next takes those
//! that the last one gave back, which are still in the processor's caches. Nothing is shared between
//! threads.

use std::cell::RefCell;

use bytes::BytesMut;

/// Size of a kept buffer: a request head of a browser fits. Larger ones are not kept.
pub(crate) const FIRST_READ: usize = 4 * 1024;
/// Kept at most, per thread: a mebibyte. More connections than that are seldom served between
/// two looks at the sockets.
const MOST: usize = 256;

thread_local! {
    static SPARE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// A buffer to read into or to write to; it may be smaller than [`FIRST_READ`] until room is reserved,
/// which brings it back to its full size.
pub(crate) fn take() -> BytesMut {
    SPARE
        .with_borrow_mut(Vec::pop)
        .unwrap_or_else(|| BytesMut::with_capacity(FIRST_READ))
}

/// Keeps an empty buffer for [`take`].
pub(crate) fn give(buffer: BytesMut) {
    debug_assert!(
        buffer.is_empty(),
        "only who has no bytes left gives a buffer back"
    );
    if buffer.capacity() == 0 {
        return;
    }
    SPARE.with_borrow_mut(|spare| {
        if spare.len() < MOST {
            spare.push(buffer);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_with_its_memory() {
        let mut buffer = take();
        buffer.extend_from_slice(b"head");
        let place = buffer.as_ptr();
        drop(buffer.split().freeze());
        give(buffer);
        let mut again = take();
        again.reserve(FIRST_READ);
        assert_eq!(again.as_ptr(), place, "nothing was allocated");
    }
}
