//! `bench`: measures every published performance figure in one run, side by side with its
//! reference.

mod check;
mod cost;
mod crowd;
mod dashboard;
mod export;
mod flask;
mod floor;
mod import;
mod lookups;
mod page;
mod scans;
mod search;
mod size;
mod stage;
mod start;
mod table;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, ensure};

pub use check::{CheckOptions, check};
pub use floor::serve as serve_floor;
use stage::Stage;
use table::{HEAD, Line};

use crate::say;

/// The measurements in execution order: those that only read come before those that write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Measurement {
    Start,
    Lookups,
    Dashboard,
    Search,
    Export,
    Page,
    Crowd,
    Scans,
    Cost,
    Flask,
    Import,
}

const ALL: [Measurement; 11] = {
    use Measurement::*;
    [Start, Lookups, Dashboard, Search, Export, Page, Crowd, Scans, Cost, Flask, Import]
};

/// What to measure, and for how long.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// The release binary
    #[arg(long, default_value = "target/release/api")]
    binary: PathBuf,
    /// Folder for the databases, on the disk to measure
    #[arg(long, default_value = "target/bench")]
    folder: PathBuf,
    /// Retain the filled databases, and reuse existing ones
    #[arg(long)]
    keep: bool,
    /// Number of bags in the main database
    #[arg(long, default_value = "1.8m", value_parser = size::parse)]
    bags: u64,
    /// Database sizes at which the dashboard is measured
    #[arg(long, default_value = "18k,1.8m,18m", value_delimiter = ',', value_parser = size::parse)]
    sizes: Vec<u64>,
    /// Seconds per measurement
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Number of rounds; compared systems take turns in each, and the median ratio counts
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Packers that scan without a pause, each on a separate connection
    #[arg(long, default_value_t = 64)]
    packers: u32,
    /// Number of pgbench connections
    #[arg(long, default_value_t = 32)]
    pgbench_clients: u32,
    /// People who work at the same time, with human pauses
    #[arg(long, default_value_t = 1000)]
    people: u32,
    /// Rows of the import; by default as many as there are bags
    #[arg(long)]
    import_rows: Option<u64>,
    /// Run only these measurements
    #[arg(long, value_delimiter = ',')]
    only: Vec<Measurement>,
    /// Write the report to this file instead of printing it
    #[arg(long)]
    report: Option<PathBuf>,
}

/// Measures and reports.
///
/// # Errors
/// Fails if something could not be measured, or if a response was wrong. A missed target is a row
/// in the table, not an error.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let started = Instant::now();
    let is_wanted = |measurement| options.only.is_empty() || options.only.contains(&measurement);
    let mut stage = Stage::set(options, options.bags)?;
    let mut others = Vec::new();
    if is_wanted(Measurement::Dashboard) {
        for size in options.sizes.iter().filter(|size| **size != options.bags) {
            others.push(Stage::set(options, *size)?);
        }
    }
    let mut lines: Vec<Line> = Vec::new();
    let mut failures = Vec::new();
    for measurement in ALL.into_iter().filter(|measurement| is_wanted(*measurement)) {
        say(&format!("measuring: {measurement:?}"));
        let measured = match measurement {
            Measurement::Start => start::measure(&mut stage),
            Measurement::Lookups => lookups::measure(&stage),
            Measurement::Dashboard => {
                let mut stages: Vec<&Stage> = others.iter().collect();
                stages.push(&stage);
                stages.sort_by_key(|stage| stage.bags);
                dashboard::measure(&stages)
            }
            Measurement::Search => search::measure(&stage),
            Measurement::Export => export::measure(&mut stage),
            Measurement::Page => page::measure(&stage),
            Measurement::Crowd => crowd::measure(&mut stage),
            Measurement::Scans => scans::measure(&stage),
            Measurement::Cost => cost::measure(&stage),
            Measurement::Flask => flask::measure(&stage),
            Measurement::Import => import::measure(&stage),
        };
        if measurement == Measurement::Dashboard {
            // The other servers are no longer needed.
            others.clear();
        }
        match measured {
            Ok(measured) => {
                measured.iter().for_each(|line| say(line.to_string().trim_end()));
                lines.extend(measured);
            }
            Err(error) => {
                say(&format!("{measurement:?} FAILED: {error:#}"));
                failures.push(format!("{measurement:?}"));
            }
        }
    }
    let report = report(options, &lines, started.elapsed().as_secs() / 60);
    match &options.report {
        Some(path) if failures.is_empty() => std::fs::write(path, report).with_context(|| path.display().to_string())?,
        _ => say(&report),
    }
    ensure!(failures.is_empty(), "not measured: {}", failures.join(", "));
    Ok(())
}

fn report(options: &Options, lines: &[Line], minutes: u64) -> String {
    let Options { bags, seconds, rounds, packers, pgbench_clients, .. } = options;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let met = lines.iter().filter(|line| line.is_met() == Some(true)).count();
    let missed = lines.iter().filter(|line| line.is_met() == Some(false)).count();
    let rows: String = lines.iter().map(ToString::to_string).collect();
    format!(
        "# Benchmarks\n\nWritten by `make bench`; [load-tests/README.md](../load-tests/README.md) explains what is measured and how to read it.\n\n\
         {} bags, {rounds} rounds of {seconds} s per system, medians of the rounds; {cores} cores shared by server, PostgreSQL and load; \
         {packers} HTTP connections, {pgbench_clients} pgbench connections. {met} targets met, {missed} missed; the run took {minutes} minutes.\n\n{HEAD}{rows}",
        size::shown(*bags)
    )
}
