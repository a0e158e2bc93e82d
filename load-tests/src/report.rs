//! The figures as Markdown.

use std::fmt;

use crate::Bench;

/// One piece of work done in two ways, round by round.
pub struct Comparison {
    name: String,
    rounds: Vec<Round>,
}

struct Round {
    http: f64,
    pgbench: f64,
    median_ms: f64,
    p99_ms: f64,
}

impl Comparison {
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), rounds: Vec::new() }
    }

    /// Adds a round: rates per second, latencies over HTTP in milliseconds.
    pub fn add(&mut self, http: f64, pgbench: f64, median_ms: f64, p99_ms: f64) {
        self.rounds.push(Round { http, pgbench, median_ms, p99_ms });
    }

    fn median(&self, of: impl Fn(&Round) -> f64) -> f64 {
        let mut values: Vec<f64> = self.rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    }
}

/// All comparisons of a run.
pub struct Report<'a> {
    pub options: &'a Bench,
    pub acknowledged: u64,
    pub comparisons: [Comparison; 3],
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Bench { bags, seconds, rounds, packers, pgbench_clients, .. } = self.options;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        writeln!(f, "# Benchmarks\n\nWritten by `make bench`; `load-tests/README.md` says what is measured and how to read it.\n")?;
        writeln!(
            f,
            "{rounds} rounds of {seconds} s each way on {cores} cores shared by server, PostgreSQL and load; {bags} bags before; \
             {packers} packers over HTTP, {pgbench_clients} connections of pgbench. Medians of the rounds.\n"
        )?;
        writeln!(f, "| work | HTTP, per second | pgbench, per second | ratio | median, ms | 99 %, ms |")?;
        writeln!(f, "| --- | ---: | ---: | ---: | ---: | ---: |")?;
        for comparison in &self.comparisons {
            writeln!(
                f,
                "| {} | {:.0} | {:.0} | **{:.2}** | {:.1} | {:.1} |",
                comparison.name,
                comparison.median(|round| round.http),
                comparison.median(|round| round.pgbench),
                comparison.median(|round| round.http / round.pgbench),
                comparison.median(|round| round.median_ms),
                comparison.median(|round| round.p99_ms),
            )?;
        }
        writeln!(f, "\nAll {} acknowledged child scans were there afterwards, linked, and every count equal to its rows.", self.acknowledged)
    }
}
