//! Durable child scans: over HTTP one by one and in batches, and by pgbench with one transaction
//! per scan.

use anyhow::ensure;
use serde_json::{Value, json};

use super::stage::{Stage, parent};
use super::table::{Aim, Line, Rounds};
use crate::client::{Call, Load, load, request};
use crate::people::CHILDREN;
use crate::say;

/// Scans per call of the batch measurement: a whole parent.
const BATCH: u64 = CHILDREN;
/// More scans per second than this machine can process. Determines how many parents are opened in
/// advance.
const MOST_SCANS_PER_SECOND: u64 = 30_000;

pub fn measure(stage: &Stage) -> anyhow::Result<Vec<Line>> {
    let options = stage.options;
    let (mut singles, mut batches, mut acknowledged) = (Rounds::default(), Rounds::default(), 0);
    let (mut p99, mut batch_p99, mut cores) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let http = Packing::prepare(stage, options.packers)?.one_by_one()?;
        let pg = pgbench(stage)?;
        let batch = Packing::prepare(stage, options.pgbench_clients)?.in_batches()?;
        singles.add(http.rate(), pg);
        batches.add(batch.rate(), pg);
        acknowledged += http.done + batch.done;
        p99.push(http.percentile(0.99));
        batch_p99.push(batch.percentile(0.99));
        cores.push(http.client_cores);
    }
    verify(stage, acknowledged)?;
    let middle = |values: Vec<f64>| super::table::median(values.into_iter());
    say(&format!(
        "{acknowledged} scans acknowledged and verified; p99 {:.1} ms single, {:.1} ms batch; the client uses {:.2} cores",
        middle(p99),
        middle(batch_p99),
        middle(cores)
    ));
    Ok(vec![
        singles.rates("scans_single", "Child scans, one per request", "pgbench, one transaction each", Aim::AtLeast(1.5)),
        batches.rates("scans_batch", &format!("Child scans, {BATCH} per request"), "pgbench, one transaction each", Aim::AtLeast(4.0)),
    ])
}

/// Packers on separate connections, with parents that are already open.
pub struct Packing<'a> {
    stage: &'a Stage<'a>,
    connections: u32,
    /// Prefix of the parents' codes, and the number of parents of each packer.
    set: String,
    each: u64,
}

impl<'a> Packing<'a> {
    /// Opens more parents than a measurement can fill.
    pub fn prepare(stage: &'a Stage, connections: u32) -> anyhow::Result<Self> {
        let set = stage.new_parents();
        let each = MOST_SCANS_PER_SECOND * stage.options.seconds / CHILDREN / u64::from(connections) + 1;
        stage.open_parents(&set, connections, each)?;
        Ok(Self { stage, connections, set, each })
    }

    /// Child scans, one per request, from packers who wait for each response and for nothing else.
    pub fn one_by_one(&self) -> anyhow::Result<Load> {
        let Self { set, each, .. } = self;
        self.load(|connection, n, token| {
            (n / CHILDREN < *each).then(|| {
                let body =
                    json!({"qr_code": format!("H1-{set}-{connection}-{n}"), "parent_qr_code": parent(set, connection, n / CHILDREN), "source": "wedge"});
                Call { bytes: request("POST", "/api/v1/scans", token, "", &body.to_string()), expected: 201, weight: 1 }
            })
        })
    }

    /// Child scans, one request per parent with its whole content.
    pub fn in_batches(&self) -> anyhow::Result<Load> {
        let Self { set, each, .. } = self;
        self.load(|connection, n, token| {
            (n < *each).then(|| {
                let parent = parent(set, connection, n);
                let scan = |i| json!({"qr_code": format!("H3-{set}-{connection}-{n}-{i}"), "parent_qr_code": parent, "source": "wedge"});
                let body = json!({"scans": (0..BATCH).map(scan).collect::<Vec<Value>>()});
                Call { bytes: request("POST", "/api/v1/scans/batch", token, "", &body.to_string()), expected: 200, weight: BATCH }
            })
        })
    }

    fn load(&self, call: impl Fn(u32, u64, &str) -> Option<Call> + Copy) -> anyhow::Result<Load> {
        load(&self.stage.server.address, &self.stage.packers, self.connections, self.stage.options.seconds as f64, call)
    }
}

fn pgbench(stage: &Stage) -> anyhow::Result<f64> {
    let options = stage.options;
    let set = Packing::prepare(stage, options.pgbench_clients)?.set;
    let script = format!(
        "\\set k :n / {CHILDREN}\n\
         SELECT bench_scan('P-{set}-' || :client_id || '-' || :n, '{set}' || lpad(:client_id::text, 4, '0') || lpad(:k::text, 5, '0'), {}, {});\n\
         \\set n :n + 1\n",
        stage.packer, stage.area
    );
    stage.tools.rate(&script, options.pgbench_clients, options.seconds)
}

/// Checks that every acknowledged scan exists as a row and a link, and that every count equals its
/// rows.
fn verify(stage: &Stage, acknowledged: u64) -> anyhow::Result<()> {
    let run = stage.run;
    let rows: u64 = stage
        .tools
        .sql(&format!("SELECT count(*) FROM scans s JOIN bag_links l ON l.scan_id = s.id WHERE s.qr_code ~ '^H[13]-SB9{run:09}'"))?
        .parse()?;
    ensure!(rows >= acknowledged, "{acknowledged} scans were acknowledged, but {rows} exist");
    let wrong: u64 = stage
        .tools
        .sql("SELECT count(*) FROM bags p WHERE kind = 'parent' AND child_count <> (SELECT count(*) FROM bag_links WHERE parent_id = p.id)")?
        .parse()?;
    ensure!(wrong == 0, "{wrong} parents have a wrong count");
    Ok(())
}
