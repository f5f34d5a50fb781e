//! Tasks that serve the streams of HTTP/2 connections, one stream after the other.
//!
//! The future of a stream is several kilobytes large, and a task of its own for each stream would
//! copy it eight times on its way to the heap and back: a third of all instructions of a small
//! exchange. So a task that has served its stream waits for another one, of whichever connection
//! of the worker, and what it needs is built where it stands.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// Tasks that may wait for streams; those above end with their stream. One holds less than 10 KiB.
const MOST_WAITING: usize = 1024;

/// The tasks of one worker, for jobs of type `J`.
#[derive(Debug)]
pub(crate) struct StreamTasks<J> {
    jobs: RefCell<VecDeque<J>>,
    /// Last in, first out: the memory of the last one is still in the processor's caches.
    waiting: RefCell<Vec<(Rc<Seat>, Waker)>>,
    /// How few were waiting at any time since the last sweep: so many were not needed.
    fewest: Cell<usize>,
    /// How many of the woken are to end.
    ending: Cell<usize>,
}

/// A task's place among those that wait.
#[derive(Debug, Default)]
pub(crate) struct Seat {
    /// Whether it is among them now.
    taken: Cell<bool>,
}

impl<J> Default for StreamTasks<J> {
    fn default() -> Self {
        Self {
            jobs: RefCell::default(),
            waiting: RefCell::default(),
            fewest: Cell::new(0),
            ending: Cell::new(0),
        }
    }
}

impl<J: 'static> StreamTasks<J> {
    /// Hands `job` to a waiting task, or to a new one that runs `body`: it takes jobs until there
    /// are none for it.
    pub(crate) fn submit<F>(self: &Rc<Self>, job: J, body: impl FnOnce(Rc<Self>) -> F)
    where
        F: Future<Output = ()> + 'static,
    {
        self.jobs.borrow_mut().push_back(job);
        let mut waiting = self.waiting.borrow_mut();
        let woken = waiting.pop().map(|(seat, task)| {
            seat.taken.set(false);
            task
        });
        self.fewest.set(self.fewest.get().min(waiting.len()));
        drop(waiting);
        match woken {
            Some(task) => task.wake(),
            None => drop(tokio::task::spawn_local(body(Rc::clone(self)))),
        }
    }

    /// The next job; `None` when the task is not needed any more. Each task has one `seat`.
    pub(crate) async fn next(&self, seat: &Rc<Seat>) -> Option<J> {
        let mut waited = false;
        poll_fn(|cx| {
            // What the stream before has left behind may wake a task too. It must not be counted
            // on twice, nor while it is busy.
            if seat.taken.replace(false) {
                let mut waiting = self.waiting.borrow_mut();
                waiting.retain(|(other, _)| !Rc::ptr_eq(other, seat));
            }
            if let Some(job) = self.jobs.borrow_mut().pop_front() {
                return Poll::Ready(Some(job));
            }
            let ending = self.ending.get();
            if waited && ending > 0 {
                self.ending.set(ending - 1);
                return Poll::Ready(None);
            }
            let mut waiting = self.waiting.borrow_mut();
            if waiting.len() >= MOST_WAITING {
                return Poll::Ready(None);
            }
            waiting.push((Rc::clone(seat), cx.waker().clone()));
            seat.taken.set(true);
            waited = true;
            Poll::Pending
        })
        .await
    }

    /// Ends the tasks that had nothing to do since the last call.
    pub(crate) fn sweep(&self) {
        let mut waiting = self.waiting.borrow_mut();
        let unneeded = self.fewest.get().min(waiting.len());
        // Who waited longest is at the front.
        let ended: Vec<(Rc<Seat>, Waker)> = waiting.drain(..unneeded).collect();
        self.fewest.set(waiting.len());
        drop(waiting);
        self.ending.set(self.ending.get() + ended.len());
        for (seat, task) in ended {
            seat.taken.set(false);
            task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::{LocalSet, yield_now};

    type Log = Rc<RefCell<Vec<(usize, u32)>>>;

    /// A task with its number that notes its jobs; a job of 0 waits forever.
    async fn note(tasks: Rc<StreamTasks<u32>>, number: usize, log: Log) {
        let seat = Rc::default();
        while let Some(job) = tasks.next(&seat).await {
            log.borrow_mut().push((number, job));
            match job {
                0 => std::future::pending().await,
                // Wakes itself once more after it has gone on to wait.
                WAKES_LATE => drop(tokio::task::spawn_local(wake_later(own_waker().await))),
                _ => {}
            }
        }
        log.borrow_mut().push((number, u32::MAX));
    }

    const WAKES_LATE: u32 = 1_000;

    async fn own_waker() -> Waker {
        poll_fn(|cx| Poll::Ready(cx.waker().clone())).await
    }

    async fn wake_later(task: Waker) {
        yield_now().await;
        task.wake();
    }

    struct Bench {
        tasks: Rc<StreamTasks<u32>>,
        log: Log,
        made: Cell<usize>,
    }

    impl Bench {
        fn new() -> Self {
            Self {
                tasks: Rc::default(),
                log: Rc::default(),
                made: Cell::new(0),
            }
        }

        async fn submit(&self, jobs: &[u32]) {
            for job in jobs {
                let log = Rc::clone(&self.log);
                self.tasks.submit(*job, |tasks| {
                    self.made.set(self.made.get() + 1);
                    note(tasks, self.made.get(), log)
                });
            }
            settle().await;
        }
    }

    async fn settle() {
        for _ in 0..20 {
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_task_serves_one_stream_after_the_other() {
        let run = async {
            let bench = Bench::new();
            for job in 1..=5 {
                bench.submit(&[job]).await;
            }
            let served: Vec<_> = (1..=5).map(|job| (1, job)).collect();
            assert_eq!(*bench.log.borrow(), served);
        };
        LocalSet::new().run_until(run).await;
    }

    #[tokio::test]
    async fn streams_side_by_side_have_tasks_of_their_own_and_none_is_lost() {
        let run = async {
            let bench = Bench::new();
            bench.submit(&[0, 0, 3]).await;
            assert_eq!(*bench.log.borrow(), [(1, 0), (2, 0), (3, 3)]);
            bench.submit(&[4, 5, 6]).await;
            let mut jobs: Vec<u32> = bench.log.borrow().iter().map(|(_, job)| *job).collect();
            jobs.sort_unstable();
            assert_eq!(jobs, [0, 0, 3, 4, 5, 6]);
        };
        LocalSet::new().run_until(run).await;
    }

    #[tokio::test]
    async fn a_task_that_is_woken_for_nothing_is_not_counted_on_twice() {
        let run = async {
            let bench = Bench::new();
            bench.submit(&[WAKES_LATE]).await;
            // Two that never end and one more: none may wait for another's task.
            bench.submit(&[0, 0, 7]).await;
            assert!(bench.log.borrow().iter().any(|(_, job)| *job == 7));
            assert_eq!(bench.tasks.waiting.borrow().len(), 1);
        };
        LocalSet::new().run_until(run).await;
    }

    #[tokio::test]
    async fn tasks_that_nobody_needs_end_at_the_second_sweep() {
        let run = async {
            let bench = Bench::new();
            bench.submit(&[1, 2, 3]).await;
            let ended = || {
                let log = bench.log.borrow();
                log.iter().filter(|(_, job)| *job == u32::MAX).count()
            };
            bench.tasks.sweep();
            settle().await;
            assert_eq!(ended(), 0, "they were needed since the sweep before");
            bench.tasks.sweep();
            settle().await;
            assert_eq!(ended(), bench.made.get());
            bench.submit(&[9]).await;
            assert!(bench.log.borrow().iter().any(|(_, job)| *job == 9));
        };
        LocalSet::new().run_until(run).await;
    }
}
