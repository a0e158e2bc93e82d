//! Substring search, with a different term each time, compared with a lookup by the primary key of
//! codes.

use super::lookups;
use super::stage::Stage;
use super::table::{Aim, Line, Rounds, round};
use crate::client::{Call, Load, load};

/// Only a few at a time: this measures the duration of a search, not the length of the queue.
const CONNECTIONS: u32 = 2;

pub fn measure(stage: &Stage) -> anyhow::Result<Vec<Line>> {
    let mut rounds = Rounds::default();
    for _ in 0..stage.options.rounds {
        let search = search(stage)?;
        let lookup = lookups::spread(stage, CONNECTIONS, stage.options.seconds)?;
        rounds.add(search.percentile(0.99), lookup.percentile(0.99));
    }
    Ok(vec![Line {
        key: "search",
        what: "Substring search, five digits from the middle of a code, p99".into(),
        ours: format!("{} ms", round(rounds.ours())),
        theirs: format!("{} ms lookup p99", round(rounds.theirs())),
        got: rounds.ratio(),
        unit: "×",
        aim: Aim::AtMost(10.0),
    }])
}

fn search(stage: &Stage) -> anyhow::Result<Load> {
    load(&stage.server.address, &stage.admin, CONNECTIONS, stage.options.seconds as f64, |connection, n, token| {
        // Five digits from the middle of an existing code.
        let code = stage.code(connection, n);
        Some(Call::get(&format!("/api/v1/search?q={}", &code[4..9]), token))
    })
}
