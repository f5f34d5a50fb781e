//! Memory that was freed goes back to the system once a burst is over.
//!
//! The C library keeps what a burst of requests or a large configuration took, in case that it comes
//! again; a process that lives for months would hold its peak for ever. A process that is calm gives
//! it back, and pays with page faults when the next burst comes.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tracing::debug;

/// Time between two looks at the process.
const INTERVAL: Duration = Duration::from_secs(2);

/// CPU time in an interval that is as good as none.
const IDLE: Duration = Duration::from_millis(40);

/// Growth that is worth going through the heap for.
const WORTHWHILE: u64 = 1 << 20;

/// The process's resident memory in bytes, from `/proc`; `None` where that cannot be read.
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// Gives freed memory back to the system whenever the process has become calm after it grew. Run
/// once per process; ends only where `/proc` cannot be read.
pub async fn release_freed_memory_when_calm() -> Result<(), Infallible> {
    let mut tick = tokio::time::interval(INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.tick().await;
    let mut watch = Watch::default();
    let mut before = Duration::ZERO;
    loop {
        tick.tick().await;
        let (Some(now), Some(resident)) = (cpu_time(), resident_bytes()) else {
            debug!("freed memory is not given back: /proc cannot be read");
            return Ok(());
        };
        let used = now.saturating_sub(before);
        before = now;
        if watch.is_due(resident, used) {
            release_freed_memory();
            watch.released(resident_bytes().unwrap_or(resident));
            before = cpu_time().unwrap_or(now);
        }
    }
}

/// User and system time of the process so far, in the kernel's steps of 10 ms; `None` where `/proc`
/// cannot be read.
fn cpu_time() -> Option<Duration> {
    cpu_time_in(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

/// The times in a line of `/proc/PID/stat`: the 14th and the 15th value. The second is the
/// program's name in parentheses, which may contain anything.
fn cpu_time_in(line: &str) -> Option<Duration> {
    let (_, values) = line.rsplit_once(')')?;
    let mut times = values.split_ascii_whitespace().skip(11);
    let mut next = || times.next()?.parse::<u64>().ok();
    let ticks = next()? + next()?;
    Some(Duration::from_millis(ticks * 10))
}

/// Decides when going through the heap is worth it.
#[derive(Debug, Default)]
struct Watch {
    /// What was resident after the last time.
    floor: u64,
    /// The busiest interval since.
    busiest: Duration,
}

impl Watch {
    /// Whether the process has grown and is calm: it rests, or its load fell to a quarter.
    fn is_due(&mut self, resident: u64, used: Duration) -> bool {
        self.busiest = self.busiest.max(used);
        self.floor = self.floor.min(resident);
        let calm = used <= IDLE || used * 4 <= self.busiest;
        let grown = resident - self.floor;
        calm && grown >= WORTHWHILE.max(self.floor / 16)
    }

    fn released(&mut self, resident: u64) {
        *self = Self {
            floor: resident,
            busiest: Duration::ZERO,
        };
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn release_freed_memory() {
    // SAFETY: no pointer crosses. The function takes the allocator's own locks and touches only
    // pages without live allocations, so it may run beside any other use of the heap.
    #[expect(unsafe_code, reason = "the C library has no safe interface for it")]
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Other C libraries give back by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn release_freed_memory() {}

#[cfg(test)]
mod tests {
    use super::*;

    const BUSY: Duration = Duration::from_secs(1);

    #[test]
    fn memory_is_released_when_a_process_that_grew_rests() {
        let mut watch = Watch::default();
        assert!(!watch.is_due(100 << 20, BUSY), "it is busy");
        assert!(watch.is_due(100 << 20, BUSY / 4), "the load fell");
        watch.released(50 << 20);
        assert!(!watch.is_due(50 << 20, IDLE), "it has not grown");
        assert!(!watch.is_due(52 << 20, IDLE), "it has hardly grown");
        assert!(watch.is_due(54 << 20, IDLE), "it grew and rests");
    }

    #[test]
    fn a_steady_load_is_not_disturbed() {
        let mut watch = Watch::default();
        watch.released(10 << 20);
        for _ in 0..10 {
            assert!(!watch.is_due(30 << 20, BUSY));
        }
    }

    #[test]
    fn memory_that_the_system_took_lowers_the_floor() {
        let mut watch = Watch::default();
        watch.released(50 << 20);
        assert!(!watch.is_due(20 << 20, IDLE));
        assert!(watch.is_due(30 << 20, IDLE));
    }

    #[test]
    fn the_time_of_a_process_is_read_whatever_its_name() {
        let line = "7 (a) 1 (b) S 1 7 7 0 -1 4194560 9 8 7 6 120 34 5 6 20 0 1 0";
        assert_eq!(cpu_time_in(line), Some(Duration::from_millis(1540)));
        assert_eq!(cpu_time_in("7 (short) S 1 7"), None);
        assert!(cpu_time().is_some());
    }

    #[test]
    fn a_process_knows_its_size_and_releasing_keeps_what_is_in_use() {
        let kept = vec![7_u8; 1 << 16];
        let before = resident_bytes().expect("a size");
        assert!(before > 1 << 16, "{before}");
        release_freed_memory();
        assert!(kept.iter().all(|byte| *byte == 7));
    }
}
