//! The allocator of the program, and giving back to the system what it keeps for later.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const INTERVAL: Duration = Duration::from_secs(2);
/// Processor time in an interval, below which nobody is working: then everything is given back.
const IDLE: Duration = Duration::from_millis(20);

/// Gives freed memory back again and again, as long as the program runs. The allocator does so by itself only while
/// somebody allocates: a server that has become idle would keep what its busiest second needed.
pub async fn give_back_forever() {
    let mut ticks = tokio::time::interval(INTERVAL);
    let mut before = processor_time();
    loop {
        ticks.tick().await;
        let now = processor_time();
        give_back(now.saturating_sub(before) < IDLE);
        before = now;
    }
}

/// Of the process, since it began.
fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// Everything that is free, or what has been free for a while.
fn give_back(everything: bool) {
    // SAFETY: takes no pointers, and may be called by any thread at any time.
    #[allow(unsafe_code, reason = "the crate of the allocator has no safe function for it")]
    unsafe {
        libmimalloc_sys::mi_collect(everything);
    }
}
