//! A CSV file of new bags, from the first byte sent to the last row written, compared with COPY
//! into a bare table, and with the minimum work that PostgreSQL does for such rows.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use serde_json::Value;

use super::stage::Stage;
use super::table::{Aim, Line, Rounds};
use crate::block_on;

const BOUNDARY: &str = "----bench-boundary";
const POLL: Duration = Duration::from_millis(200);

pub fn measure(stage: &Stage) -> anyhow::Result<Vec<Line>> {
    let rows = stage.options.import_rows.unwrap_or(stage.bags);
    let csv = file(stage.run, rows)?;
    let started = Instant::now();
    import(stage, &csv, rows)?;
    let ours = rows as f64 / started.elapsed().as_secs_f64();

    let mut on_disk = tempfile::NamedTempFile::new()?;
    on_disk.write_all(csv.as_bytes())?;
    let path = on_disk.path().display();
    stage.tools.sql("DROP TABLE IF EXISTS bench_bare; CREATE TABLE bench_bare (qr_code text, name text, dispatch_area text)")?;
    let started = Instant::now();
    stage.tools.discard(&format!("\\copy bench_bare FROM '{path}' WITH (FORMAT csv, HEADER)"))?;
    let mut rounds = Rounds::default();
    rounds.add(ours, rows as f64 / started.elapsed().as_secs_f64());
    let started = Instant::now();
    stage.tools.sql(&by_sql_alone(stage))?;
    let mut against_sql = Rounds::default();
    against_sql.add(ours, rows as f64 / started.elapsed().as_secs_f64());
    stage.tools.sql("DROP TABLE bench_bare")?;
    let what = format!("Import of {} new bags from CSV, rows", super::size::shown(rows));
    Ok(vec![
        rounds.rates("import", &what, "COPY into a bare table", Aim::AtLeast(0.2)),
        against_sql.rates("import_sql", "The same", "INSERT … SELECT of the same bags and audit entries, without checks", Aim::Stated),
    ])
}

/// Inserts the bags of the bare table and their audit entries, in one transaction of two
/// statements: the time that PostgreSQL needs for their rows, indexes, keys and counters, whatever
/// client sends them.
fn by_sql_alone(stage: &Stage) -> String {
    let (area, person) = (stage.area, stage.packer);
    format!(
        "BEGIN; \
         INSERT INTO bags (qr_code, kind, format_id, name, dispatch_area_id, created_by) \
         SELECT 'X' || qr_code, 'child', (SELECT id FROM bag_formats WHERE name = 'Child'), name, {area}, {person} FROM bench_bare ORDER BY 1; \
         INSERT INTO audit_logs (id, at, actor_id, actor_name, action, entity_type, entity_id) \
         SELECT (left(uuidv7_floor(now())::text, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid, now(), {person}, 'bench', 'bag_created', 'bag', \
                'X' || qr_code FROM bench_bare; \
         COMMIT"
    )
}

fn file(run: u64, rows: u64) -> anyhow::Result<String> {
    let mut csv = String::from("qr_code,name,dispatch_area\n");
    for n in 0..rows {
        writeln!(csv, "IM{run}-{n},Bag {n},Jaipur")?;
    }
    Ok(csv)
}

fn import(stage: &Stage, csv: &str, rows: u64) -> anyhow::Result<()> {
    block_on(async {
        let client = reqwest::Client::new();
        let base = format!("http://{}", stage.server.address);
        let form = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"kind\"\r\n\r\nbags\r\n\
             --{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"bags.csv\"\r\nContent-Type: text/csv\r\n\r\n\
             {csv}\r\n--{BOUNDARY}--\r\n"
        );
        let sent = client.post(format!("{base}/api/v1/imports")).bearer_auth(&stage.admin[0]);
        let sent = sent.header("content-type", format!("multipart/form-data; boundary={BOUNDARY}")).body(form).send().await?;
        ensure!(sent.status() == 202, "the import returned {}: {}", sent.status(), sent.text().await?);
        let import: Value = sent.json().await?;
        let url = format!("{base}/api/v1/imports/{}", import["id"].as_str().unwrap_or_default());
        loop {
            tokio::time::sleep(POLL).await;
            let import: Value = client.get(&url).bearer_auth(&stage.admin[0]).send().await?.error_for_status()?.json().await?;
            match import["status"].as_str() {
                Some("queued" | "running") => {}
                Some("succeeded") if import["progress"]["rows_accepted"] == rows => return Ok(()),
                _ => bail!("the import ended unexpectedly: {import}"),
            }
        }
    })
}
