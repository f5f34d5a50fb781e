//! Letting others go first, so that like work is done together.
//!
//! Parsing and routing run through other code than sending does, and neither leaves room for the
//! other in the processor's caches. A task that has something to send therefore lets those that are
//! ready understand their messages first; then all of them send, one after the other, and whoever
//! receives on this machine is woken once for several messages.

use std::task::{Context, Poll};

/// Gives way once.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    given: bool,
}

impl Turn {
    /// Pending the first time, until all tasks that are ready now had their turn; ready ever after.
    pub(crate) fn poll_give_way(&mut self, cx: &Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.given, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::poll_fn;
    use std::rc::Rc;

    use tokio::runtime::{Builder, LocalOptions};
    use tokio::task::spawn_local;

    use super::*;

    #[test]
    fn all_prepare_before_one_sends() {
        let runtime = Builder::new_current_thread()
            .build_local(LocalOptions::default())
            .expect("a runtime");
        let done = Rc::new(RefCell::new(Vec::new()));
        runtime.block_on(async {
            let tasks = [1, 2, 3].map(|number| {
                let done = Rc::clone(&done);
                spawn_local(async move {
                    done.borrow_mut().push(("prepares", number));
                    let mut turn = Turn::default();
                    poll_fn(|cx| turn.poll_give_way(cx)).await;
                    done.borrow_mut().push(("sends", number));
                })
            });
            for task in tasks {
                task.await.expect("no panic");
            }
        });
        let words: Vec<_> = done.borrow().iter().map(|(what, _)| *what).collect();
        let expected = [
            "prepares", "prepares", "prepares", "sends", "sends", "sends",
        ];
        assert_eq!(words, expected);
    }
}
