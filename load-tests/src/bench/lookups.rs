//! Looking a bag up, signed in: against pgbench with the same SELECT; and, cached, against a route of the same server that
//! returns about as many bytes without work, and a server that does nothing else.

use anyhow::ensure;

use super::floor::Floor;
use super::stage::Stage;
use super::table::{Aim, Line, Rounds};
use crate::client::{Call, Connection, Load, load, request};

/// Looked up again and again for the cached measurement.
const FEW_BAGS: u64 = 64;
/// A file of the web app, embedded in the binary, about as long as the answer to a lookup.
const FILE: &str = "/manifest.webmanifest";

/// The statement of `GET /bags/{qr_code}`, without its condition.
pub const SELECT: &str = "SELECT b.id, b.qr_code, b.kind, b.status, b.format_id, f.name AS format, b.name, b.child_count, b.capacity, \
     f.child_weight_kg::float8 AS child_weight_kg, b.auto_completed, p.qr_code AS parent, bi.id AS bill_id, bi.bill_number AS bill, \
     coalesce(bi.status = 'completed', false) AS is_on_completed_bill, b.dispatch_area_id AS area_id, a.code AS area, \
     u.username AS created_by, b.created_at, b.last_scan_at \
     FROM bags b JOIN bag_formats f ON f.id = b.format_id \
     LEFT JOIN bag_links l ON l.child_id = b.id LEFT JOIN bags p ON p.id = l.parent_id \
     LEFT JOIN bill_bags bb ON bb.bag_id = coalesce(l.parent_id, b.id) LEFT JOIN bills bi ON bi.id = bb.bill_id \
     LEFT JOIN dispatch_areas a ON a.id = b.dispatch_area_id LEFT JOIN users u ON u.id = b.created_by";

pub fn measure(stage: &Stage) -> anyhow::Result<Vec<Line>> {
    let options = stage.options;
    let (first, last) = stage.codes;
    let script = format!("\\set code random({first}, {last})\n{SELECT} WHERE b.qr_code = 'CH' || :code;\n");
    let floor = Floor::start(&an_answer(stage)?)?;
    let (mut uncached, mut cached, mut bare) = (Rounds::default(), Rounds::default(), Rounds::default());
    let mut cores = Vec::new();
    for _ in 0..options.rounds {
        let all = spread(stage, options.packers, options.seconds)?;
        uncached.add(all.rate(), stage.tools.rate(&script, options.pgbench_clients, options.seconds)?);
        let few = again_and_again(stage, &stage.server.address)?;
        cached.add(few.rate(), without_work(stage)?.rate());
        bare.add(few.rate(), again_and_again(stage, &floor.address)?.rate());
        cores.push(few.client_cores);
    }
    super::say(&format!("the client takes {:.2} cores of the cached lookups", super::table::median(cores.into_iter())));
    Ok(vec![
        uncached.rates("lookups_uncached", "Bag lookups over all bags", "pgbench, the same SELECT", Aim::AtLeast(0.35)),
        cached.rates("lookups_cached", &format!("Bag lookups of {FEW_BAGS} bags"), "a file of the same server", Aim::AtLeast(0.7)),
        bare.rates("lookups_bare", "The same", "the same bytes from a bare actix-web", Aim::Stated),
    ])
}

/// Lookups spread over all bags: far more than a cache of bags holds.
pub fn spread(stage: &Stage, connections: u32, seconds: u64) -> anyhow::Result<Load> {
    load(&stage.server.address, &stage.admin, connections, seconds as f64, |connection, n, token| {
        Some(Call::get(&format!("/api/v1/bags/{}", stage.code(connection, n)), token))
    })
}

fn again_and_again(stage: &Stage, address: &str) -> anyhow::Result<Load> {
    load(address, &stage.admin, stage.options.packers, stage.options.seconds as f64, |_, n, token| {
        Some(Call::get(&format!("/api/v1/bags/{}", stage.code(0, n % FEW_BAGS)), token))
    })
}

fn without_work(stage: &Stage) -> anyhow::Result<Load> {
    let options = stage.options;
    load(&stage.server.address, &stage.admin, options.packers, options.seconds as f64, |_, _, token| Some(Call::get(FILE, token)))
}

/// Head and body of the answer to a lookup.
fn an_answer(stage: &Stage) -> anyhow::Result<(String, Vec<u8>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connection = Connection::open(&stage.server.address).await?;
        let path = format!("/api/v1/bags/{}", stage.code(0, 0));
        let status = connection.exchange(&request("GET", &path, &stage.admin[0], "", "")).await?;
        ensure!(status == 200, "{path} was answered {status}");
        Ok((connection.head().to_owned(), connection.body().to_vec()))
    })
}
