//! What every long-running process needs: supervised tasks, drain, signals, backoff, debounce and
//! the one swappable pointer.

mod backoff;
mod debounce;
mod drain;
mod signals;
mod snapshot;
mod supervise;

pub use backoff::Backoff;
pub use debounce::{Debounce, DebounceSettings};
pub use drain::{DrainSignal, DrainTrigger, drain_channel};
pub use signals::{terminated, terminated_or_interrupted};
pub use snapshot::{Published, Publisher};
pub use supervise::{Supervisor, SupervisorHandle};
