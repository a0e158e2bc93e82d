//! Measures TraitorTrack against PostgreSQL alone, on one machine in one run.

mod bench;
mod client;
mod pgbench;
mod report;
mod server;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Load tests of TraitorTrack.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Scans and lookups over HTTP against pgbench doing the same on the same durable database
    Bench(Bench),
}

/// What to measure, and how long.
#[derive(Debug, clap::Args)]
pub struct Bench {
    /// The release binary
    #[arg(long, default_value = "target/release/api")]
    pub binary: PathBuf,
    /// Folder for the database; on the disk to be measured
    #[arg(long, default_value = "target")]
    pub folder: PathBuf,
    /// Bags in the database before it starts
    #[arg(long, default_value_t = 180_000)]
    pub bags: u32,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// Rounds; what is compared takes turns in each, and the median ratio counts
    #[arg(long, default_value_t = 3)]
    pub rounds: u32,
    /// Packers scanning at the same time, each on a connection of its own
    #[arg(long, default_value_t = 64)]
    pub packers: u32,
    /// Connections of pgbench
    #[arg(long, default_value_t = 32)]
    pub pgbench_clients: u32,
    /// Write the report here instead of printing it
    #[arg(long)]
    pub report: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let Command::Bench(options) = Cli::parse().command;
    bench::run(&options)
}
