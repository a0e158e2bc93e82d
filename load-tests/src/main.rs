//! Measures TraitorTrack: against PostgreSQL alone and others (`bench`), and as a warehouse at work (`day`, `spike`, …).

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
    /// Measure everything that is claimed of speed, side by side with what it is compared with
    Bench(Box<bench::Options>),
    /// A short look at the ratios, against the stored ones
    BenchCheck(bench::CheckOptions),
    /// A warehouse day: packers, billers, dashboards, integrators
    Day(load::Options),
    /// Five times as many people at once, and back
    Spike(load::Options),
    /// A day that does not end: does memory or anything else grow?
    Soak(load::Options),
    /// Devices that come back and send what they collected, each twice
    Rush(load::Options),
    /// Requests at a fixed rate whether or not those before are answered: latencies as they are felt
    Open(load::Options),
    /// The server that does no work, for `bench`
    #[command(hide = true)]
    Floor,
}

/// Runs what waits for the network, on this thread alone: the server needs the other processors.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

#[expect(clippy::print_stdout, reason = "a command-line tool talks to its terminal")]
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
