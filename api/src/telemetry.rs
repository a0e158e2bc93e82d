//! Logs: one line per event on standard output, written off the request threads.

use std::io::IsTerminal;

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Lines that wait to be written, a line each request: some seconds of the busiest server. Room is taken for all of them at the
/// start; with the default of 128,000 that is 4 MB.
const WAITING_LINES: usize = 16_384;

/// Starts logging. Lines are flushed when the returned guard is dropped.
///
/// `RUST_LOG` chooses what is logged (default `info`).
pub fn start(format: LogFormat) -> WorkerGuard {
    let (writer, guard) = NonBlockingBuilder::default().buffered_lines_limit(WAITING_LINES).finish(std::io::stdout());
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let json = match format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !std::io::stdout().is_terminal(),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_target(false);
    if json {
        builder.json().flatten_event(true).with_span_list(false).init();
    } else {
        builder.compact().init();
    }
    guard
}
