//! `bench-check`: a short check of the same ratios that detects large regressions. The margins are
//! wide, because it runs on shared machines.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, bail};

use super::stage::Stage;
use super::table::{Aim, Line};
use super::{Options, export, lookups, scans, search, size};
use crate::say;

/// Location of the binary and the stored ratios.
#[derive(Debug, clap::Args)]
pub struct CheckOptions {
    /// The binary; the stored ratios are those of a debug build
    #[arg(long, default_value = "target/debug/api")]
    binary: PathBuf,
    /// Folder for the database
    #[arg(long, default_value = "target/bench")]
    folder: PathBuf,
    /// The stored ratios
    #[arg(long, default_value = "load-tests/bench-check.json")]
    stored: PathBuf,
    /// Store the measured ratios instead of comparing them
    #[arg(long)]
    store: bool,
    /// Factor beyond which a ratio counts as a regression
    #[arg(long, default_value_t = 2.5)]
    margin: f64,
}

/// Measures for at most a minute, and compares.
///
/// # Errors
/// Fails if a ratio is `margin` times worse than the stored one in two measurements.
pub fn check(options: &CheckOptions) -> anyhow::Result<()> {
    let bench = Options {
        binary: options.binary.clone(),
        folder: options.folder.clone(),
        keep: false,
        bags: 18_000,
        sizes: Vec::new(),
        seconds: 2,
        rounds: 3,
        packers: 64,
        pgbench_clients: 32,
        people: 0,
        import_rows: None,
        only: Vec::new(),
        report: None,
    };
    let mut stage = Stage::set(&bench, bench.bags)?;
    let lines = measure(&mut stage)?;
    if options.store {
        let ratios: BTreeMap<&str, f64> = lines.iter().map(|line| (line.key, (line.got * 100.0).round() / 100.0)).collect();
        std::fs::write(&options.stored, serde_json::to_string_pretty(&ratios)? + "\n")?;
        return Ok(());
    }
    let text = std::fs::read_to_string(&options.stored).with_context(|| options.stored.display().to_string())?;
    let stored: BTreeMap<String, f64> = serde_json::from_str(&text)?;
    let suspects = worse(&lines, &stored, options)?;
    if suspects.is_empty() {
        return Ok(());
    }
    say("measuring again: a real regression repeats, other load on the machine does not");
    let again = worse(&measure(&mut stage)?, &stored, options)?;
    let worse: Vec<String> = again.into_iter().filter(|(key, _)| suspects.contains_key(key)).map(|(_, sentence)| sentence).collect();
    if !worse.is_empty() {
        bail!(
            "{} (at {}): find the cause, or store the new ratios with --store and explain why in the commit",
            worse.join(", "),
            size::shown(bench.bags)
        );
    }
    Ok(())
}

fn measure(stage: &mut Stage) -> anyhow::Result<Vec<Line>> {
    let mut lines = lookups::measure(stage)?;
    lines.extend(search::measure(stage)?);
    lines.extend(scans::measure(stage)?);
    lines.extend(export::measure(stage)?);
    Ok(lines)
}

/// A sentence for each figure that is worse than the stored one by more than the margin.
fn worse(lines: &[Line], stored: &BTreeMap<String, f64>, options: &CheckOptions) -> anyhow::Result<BTreeMap<&'static str, String>> {
    let mut worse = BTreeMap::new();
    for line in lines {
        let before =
            *stored.get(line.key).with_context(|| format!("{} does not contain {}: store it with --store", options.stored.display(), line.key))?;
        let times = times_worse(line, before);
        say(&format!("{:18} {:8.2} {} (stored {before:.2}){}", line.key, line.got, line.unit, if times > options.margin { "  WORSE" } else { "" }));
        if times > options.margin {
            worse.insert(line.key, format!("{} is {times:.1} times worse", line.key));
        }
    }
    Ok(worse)
}

/// The factor by which a figure is worse than before; below 1 if it is better.
fn times_worse(line: &Line, before: f64) -> f64 {
    match line.aim {
        Aim::AtLeast(_) | Aim::Stated => before / line.got.max(f64::MIN_POSITIVE),
        // A small value below a limit is mostly noise: anything below half of the limit counts as
        // good.
        Aim::AtMost(limit) | Aim::Below(limit) => line.got / before.max(limit / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slower_is_worse_in_both_directions() {
        let line = |got, aim| Line::figure("k", "what", got, "×", aim);
        assert_eq!(times_worse(&line(1.0, Aim::AtLeast(1.5)), 3.0), 3.0);
        assert_eq!(times_worse(&line(6.0, Aim::AtLeast(1.5)), 3.0), 0.5);
        assert_eq!(times_worse(&line(30.0, Aim::AtMost(10.0)), 10.0), 3.0);
        assert_eq!(times_worse(&line(4.0, Aim::AtMost(10.0)), 1.0), 0.8);
    }
}
