//! The allocator of the program, and the return of unused memory to the operating system.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use traitortrack::background::{Driver, Schedule};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const INTERVAL: Duration = Duration::from_secs(2);
/// Below this processor time per interval, the process is idle: then all free memory is returned.
const IDLE: Duration = Duration::from_millis(20);

/// Registers the task that returns freed memory to the operating system. The allocator does this by
/// itself only during allocations, so an idle server would hold the memory that its busiest second
/// needed.
pub fn register(driver: &mut Driver) {
    let mut before = processor_time();
    let schedule = Schedule::every(INTERVAL).starting_at_once().at_fixed_rate();
    driver.register("return_free_memory", schedule, move || {
        let now = processor_time();
        collect(now.saturating_sub(before) < IDLE);
        before = now;
        std::future::ready(Ok(String::new()))
    });
}

/// Processor time of the process since its start.
fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// Returns all free memory, or only memory that has been free for a while.
fn collect(everything: bool) {
    // SAFETY: takes no pointers, and any thread may call it at any time.
    #[allow(unsafe_code, reason = "the allocator's crate has no safe function for this")]
    unsafe {
        libmimalloc_sys::mi_collect(everything);
    }
}
