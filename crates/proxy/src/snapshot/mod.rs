//! From accepted resources to the published config: warming, publication, what to subscribe to.
//!
//! In: updates of the control plane, a static bootstrap, arrivals of secrets and DNS answers. Out: a
//! new [`Config`](crate::compiled::Config) whenever something became ready, verdicts for ACK and NACK,
//! and the names to subscribe to. All of it runs off the workers, under one lock that no worker takes.
//!
//! * A bad resource rejects only itself; its last good version stays in force.
//! * A cluster is warm when its endpoints and secrets have come; a listener when its routes and
//!   secrets have; a route table waits, for a bounded time, for clusters that are still warming.
//! * A removed cluster stays while something in force still names it, for a bounded time.

mod assignments;
mod file_secrets;
mod live;
mod slot;
mod subscriptions;
#[cfg(test)]
mod tests;
mod warming;

pub(crate) use live::names_others;
pub use live::{Live, Verdict};
pub use slot::{Received, Rejected, Slot, Versioned};
pub use subscriptions::Subscriptions;
