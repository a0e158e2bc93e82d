//! Logs: one line per event on standard output, written outside the request threads.

use std::io::IsTerminal;

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Capacity of the log queue, at one line per request: some seconds of the busiest server. The
/// memory for all lines is allocated at the start; the default of 128,000 lines would need 4 MB.
const QUEUED_LINES: usize = 16_384;

/// Starts logging. Dropping the returned guard flushes the lines.
///
/// `RUST_LOG` selects what is logged (default `info`).
pub fn start(format: LogFormat) -> WorkerGuard {
    let (writer, guard) = NonBlockingBuilder::default().buffered_lines_limit(QUEUED_LINES).finish(std::io::stdout());
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
