//! Measures TraitorTrack: against PostgreSQL alone and other systems (`bench`), and under the load
//! of a working warehouse (`day`, `spike`, …).

mod bench;
mod client;
mod load;
mod people;
mod postgres;
mod process;
mod server;

use clap::{Parser, Subcommand};

/// Load tests and benchmarks of TraitorTrack.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure every published performance figure, side by side with its reference
    Bench(Box<bench::Options>),
    /// Run a short check of the ratios against the stored ones
    BenchCheck(bench::CheckOptions),
    /// Simulate a warehouse day: packers, billers, dashboards, integrators
    Day(load::Options),
    /// Increase the number of people fivefold, and back
    Spike(load::Options),
    /// Run the day for a long time: does memory or anything else grow?
    Soak(load::Options),
    /// Simulate devices that reconnect and send their collected scans, each twice
    Rush(load::Options),
    /// Send requests at a fixed rate, whether or not earlier ones are answered: latencies as users
    /// experience them
    Open(load::Options),
    /// Run the server without application logic, for `bench`
    #[command(hide = true)]
    Floor,
}

/// Runs a future on this thread alone: the server needs the other processors.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

#[expect(clippy::print_stdout, reason = "a command-line tool prints to its terminal")]
fn say(text: &str) {
    println!("{text}");
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Bench(options) => bench::run(&options),
        Command::BenchCheck(options) => bench::check(&options),
        Command::Day(options) => load::run(load::Shape::Day, &options),
        Command::Spike(options) => load::run(load::Shape::Spike, &options),
        Command::Soak(options) => load::run(load::Shape::Soak, &options),
        Command::Rush(options) => load::run(load::Shape::Rush, &options),
        Command::Open(options) => load::run(load::Shape::Open, &options),
        Command::Floor => bench::serve_floor(),
    }
}
