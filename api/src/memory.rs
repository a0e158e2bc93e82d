//! The allocator of the program, and giving back to the system what it keeps for later.

use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// After a start, an import or a shift, what they needed is given back this soon.
const INTERVAL: Duration = Duration::from_secs(2);

/// Gives freed memory back again and again, as long as the program runs. The allocator does so by itself only while
/// somebody allocates: a server that has become idle would keep what its busiest second needed.
pub async fn give_back_forever() {
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        ticks.tick().await;
        give_back();
    }
}

fn give_back() {
    // SAFETY: takes no pointers, and may be called by any thread at any time.
    #[allow(unsafe_code, reason = "the crate of the allocator has no safe function for it")]
    unsafe {
        libmimalloc_sys::mi_collect(false);
    }
}
