//! Authenticated bag lookups. Uncached lookups are compared with pgbench and the same SELECT.
//! Cached lookups are compared with a route of the same server that returns about as many bytes
//! without work, and with a server that does nothing else.

use anyhow::ensure;

use super::floor::Floor;
use super::stage::Stage;
use super::table::{Aim, Line, Rounds};
use crate::client::{Call, Connection, Load, load, request};
use crate::{block_on, say};

/// Number of bags that the cached measurement looks up repeatedly.
const FEW_BAGS: u64 = 64;
/// A file of the web app, embedded in the binary, about as long as the response to a lookup.
const FILE: &str = "/manifest.webmanifest";

/// The statement of `GET /bags/{qr_code}` without its condition: the same text that the server
/// uses.
pub const SELECT: &str = include_str!("../../../api/src/bags/select_bag.sql");

pub fn measure(stage: &Stage) -> anyhow::Result<Vec<Line>> {
    let options = stage.options;
    let (first, last) = stage.codes;
    let script = format!("\\set code random({first}, {last})\n{SELECT} WHERE b.qr_code = 'CH' || :code;\n");
    let floor = Floor::start(&sample_response(stage)?)?;
    let (mut uncached, mut cached, mut bare) = (Rounds::default(), Rounds::default(), Rounds::default());
    let mut cores = Vec::new();
    for _ in 0..options.rounds {
        let all = spread(stage, options.packers, options.seconds)?;
        uncached.add(all.rate(), stage.tools.rate(&script, options.pgbench_clients, options.seconds)?);
        let few = repeated(stage, &stage.server.address)?;
        cached.add(few.rate(), without_work(stage)?.rate());
        bare.add(few.rate(), repeated(stage, &floor.address)?.rate());
        cores.push(few.client_cores);
    }
    say(&format!("the client uses {:.2} cores during the cached lookups", super::table::median(cores.into_iter())));
    Ok(vec![
        uncached.rates("lookups_uncached", "Bag lookups over all bags", "pgbench, the same SELECT", Aim::AtLeast(0.35)),
        cached.rates("lookups_cached", &format!("Bag lookups of {FEW_BAGS} bags"), "a file of the same server", Aim::AtLeast(0.7)),
        bare.rates("lookups_bare", "The same", "the same bytes from a bare actix-web", Aim::Stated),
    ])
}

/// Lookups spread over all bags: far more than a cache of bags can hold.
pub fn spread(stage: &Stage, connections: u32, seconds: u64) -> anyhow::Result<Load> {
    load(&stage.server.address, &stage.admin, connections, seconds as f64, |connection, n, token| {
        Some(Call::get(&format!("/api/v1/bags/{}", stage.code(connection, n)), token))
    })
}

/// Lookups of the same few bags.
pub fn repeated(stage: &Stage, address: &str) -> anyhow::Result<Load> {
    load(address, &stage.admin, stage.options.packers, stage.options.seconds as f64, |_, n, token| {
        Some(Call::get(&format!("/api/v1/bags/{}", stage.code(0, n % FEW_BAGS)), token))
    })
}

fn without_work(stage: &Stage) -> anyhow::Result<Load> {
    let options = stage.options;
    load(&stage.server.address, &stage.admin, options.packers, options.seconds as f64, |_, _, token| Some(Call::get(FILE, token)))
}

/// Head and body of the response to a lookup.
fn sample_response(stage: &Stage) -> anyhow::Result<(String, Vec<u8>)> {
    block_on(async {
        let mut connection = Connection::open(&stage.server.address).await?;
        let path = format!("/api/v1/bags/{}", stage.code(0, 0));
        let status = connection.exchange(&request("GET", &path, &stage.admin[0], "", "")).await?;
        ensure!(status == 200, "{path} returned {status}");
        Ok((connection.head().to_owned(), connection.body().to_vec()))
    })
}
