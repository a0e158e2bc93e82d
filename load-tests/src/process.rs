//! Processes: free addresses, termination, and the memory and processor time that Linux reports in
//! /proc.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;

/// Clock ticks per second in /proc/PID/stat; 100 on every supported Linux.
const TICKS: f64 = 100.0;
const SAMPLE: Duration = Duration::from_millis(20);

/// Terminates a process and waits until it has ended. A server stops the processes that it started.
pub fn end(process: &mut Child) {
    let _ = Command::new("kill").arg(process.id().to_string()).status();
    let _ = process.wait();
}

/// A `host:port` on this machine that no process listens on.
pub fn free_address() -> std::io::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// Current resident memory, in megabytes.
pub fn resident_mb(pid: u32) -> anyhow::Result<f64> {
    status(pid, "VmRSS:")
}

/// Peak resident memory since the start, in megabytes.
pub fn peak_mb(pid: u32) -> anyhow::Result<f64> {
    status(pid, "VmHWM:")
}

fn status(pid: u32, field: &str) -> anyhow::Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)).with_context(|| format!("no {field} of process {pid}"))?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}

/// Processor time since the start, in seconds.
pub fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    cpu_times(pid, 2)
}

/// Same as [`cpu_seconds`], including children that have ended.
pub fn cpu_seconds_with_ended_children(pid: u32) -> anyhow::Result<f64> {
    cpu_times(pid, 4)
}

/// Sums the first of the four times in /proc/PID/stat: user, system, and both for children that
/// were waited for.
fn cpu_times(pid: u32, times: usize) -> anyhow::Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in parentheses, may contain spaces.
    let (_, fields) = text.rsplit_once(") ").context("/proc/PID/stat is not as expected")?;
    let ticks: f64 = fields.split(' ').skip(11).take(times).filter_map(|field| field.parse::<f64>().ok()).sum();
    Ok(ticks / TICKS)
}

/// Monitors the resident memory of a process.
pub struct MemoryWatch {
    most: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl MemoryWatch {
    pub fn start(pid: u32) -> Self {
        let (most, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (seen, end) = (most.clone(), is_over.clone());
        let thread = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                seen.fetch_max(resident_mb(pid).unwrap_or_default() as u64, Ordering::Relaxed);
                std::thread::sleep(SAMPLE);
            }
        });
        Self { most, is_over, thread }
    }

    /// The peak value, in megabytes.
    pub fn most_mb(self) -> f64 {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = self.thread.join();
        self.most.load(Ordering::Relaxed) as f64
    }
}
