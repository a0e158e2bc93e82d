//! The cost of one scan and of one read: processor time of the server and of its PostgreSQL, and
//! bytes of write-ahead log. The capacity plan in `docs/scaling.md` uses these figures.

use std::fs;

use anyhow::Context;

use super::lookups::{repeated, spread};
use super::scans::Packing;
use super::stage::Stage;
use super::table::{Aim, Line};
use crate::client::{Call, Load, load};
use crate::process::{cpu_seconds, cpu_seconds_with_ended_children};

/// Numbers of concurrent packers, in addition to those of the other measurements. A single packer
/// waits for each response, so no scans share a transaction, and the cost per scan is at its
/// maximum.
const FEW: [(u32, &str); 3] = [(1, "cost_scan_1"), (4, "cost_scan_4"), (16, "cost_scan_16")];

pub fn measure(stage: &Stage) -> anyhow::Result<Vec<Line>> {
    let options = stage.options;
    let (crowd, seconds) = (options.packers, options.seconds);
    let postmaster = postmaster(stage)?;
    let cost = |key: &'static str, what: &str, work: &dyn Fn() -> anyhow::Result<Load>| -> anyhow::Result<Vec<Line>> {
        let before = Spent::now(stage, postmaster)?;
        let load = work()?;
        let done = load.done as f64;
        let spent = Spent::now(stage, postmaster)?.since(&before);
        let (server, database) = (spent.server * 1e6 / done, spent.database * 1e6 / done);
        let mut lines = vec![Line {
            key,
            what: format!("Processor time of {what}"),
            ours: format!("{server:.0} µs server, {database:.0} µs PostgreSQL, at {:.0}/s", load.rate()),
            theirs: String::new(),
            got: server + database,
            unit: "µs",
            aim: Aim::Stated,
        }];
        if spent.log > done {
            lines.push(Line::figure(key, format!("Write-ahead log of {what}"), spent.log / done, "bytes", Aim::Stated));
        }
        Ok(lines)
    };
    let get = |path: &'static str| load(&stage.server.address, &stage.admin, crowd, seconds as f64, move |_, _, token| Some(Call::get(path, token)));
    let mut lines = Vec::new();
    for (packers, key) in FEW.into_iter().chain([(crowd, "cost_scan")]) {
        // Open the parents and vacuum the table before measuring.
        let packing = Packing::prepare(stage, packers)?;
        lines.extend(cost(key, &format!("a child scan, {packers} at once"), &|| packing.one_by_one())?);
    }
    let packing = Packing::prepare(stage, crowd)?;
    lines.extend(cost("cost_scan_batch", "a child scan in a batch of 30", &|| packing.in_batches())?);
    lines.extend(cost("cost_lookup", "a lookup of any bag", &|| spread(stage, crowd, seconds))?);
    lines.extend(cost("cost_lookup_cached", "a lookup of a bag that was just looked up", &|| repeated(stage, &stage.server.address))?);
    lines.extend(cost("cost_totals", "the totals of the dashboard, served from the cache as usual", &|| get("/api/v1/stats"))?);
    lines.extend(cost("cost_list", "a page of 50 bags", &|| get("/api/v1/bags"))?);
    let size: f64 = stage.tools.sql("SELECT pg_database_size(current_database())::float8 / (SELECT count(*) FROM scans)")?.parse()?;
    lines.push(Line::figure("cost_disk", "Disk for each scan with its bag, link, audit entry and indexes", size, "bytes", Aim::Stated));
    Ok(lines)
}

/// Resources used up to a point in time.
struct Spent {
    /// Processor seconds.
    server: f64,
    database: f64,
    /// Bytes of write-ahead log.
    log: f64,
}

impl Spent {
    fn now(stage: &Stage, postmaster: u32) -> anyhow::Result<Self> {
        // Backends that have ended are counted with their parent.
        let mut database = cpu_seconds_with_ended_children(postmaster)?;
        for pid in children(postmaster)? {
            database += cpu_seconds(pid).unwrap_or_default();
        }
        let log = stage.tools.sql("SELECT (pg_current_wal_insert_lsn() - '0/0')::float8")?.parse()?;
        Ok(Self { server: cpu_seconds(stage.server.pid())?, database, log })
    }

    fn since(self, before: &Self) -> Self {
        Self { server: self.server - before.server, database: self.database - before.database, log: self.log - before.log }
    }
}

fn postmaster(stage: &Stage) -> anyhow::Result<u32> {
    let file = stage.tools.sql("SELECT pg_read_file('postmaster.pid')")?;
    file.lines().next().and_then(|line| line.trim().parse().ok()).context("postmaster.pid has no number")
}

fn children(parent: u32) -> anyhow::Result<Vec<u32>> {
    let text = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"))?;
    Ok(text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect())
}
