//! The comparison: the same work over HTTP and by PostgreSQL's own load generator, taking turns.

use anyhow::{Context, ensure};
use hyper::StatusCode;
use serde_json::{Value, json};

use crate::Bench;
use crate::client::{Call, load};
use crate::pgbench::Tools;
use crate::report::{Comparison, Report};
use crate::server::{ADMIN, Server};

const CHILDREN: u64 = 30;
/// Scans in one call of the batch measurement; a whole parent.
const BATCH: u64 = CHILDREN;
/// More scans per second than this machine could do: so many parents are opened beforehand.
const MOST_SCANS_PER_SECOND: u64 = 20_000;
const PACKERS: usize = 8;
const AREA: &str = "Lucknow";

/// The statement of `GET /bags/{qr_code}`.
const LOOKUP: &str = "SELECT b.id, b.qr_code, b.kind, b.status, b.format_id, f.name AS format, b.name, b.child_count, b.capacity, \
     f.child_weight_kg::float8 AS child_weight_kg, b.auto_completed, p.qr_code AS parent, bi.id AS bill_id, bi.bill_number AS bill, \
     coalesce(bi.status = 'completed', false) AS is_on_completed_bill, b.dispatch_area_id AS area_id, a.code AS area, \
     u.username AS created_by, b.created_at, b.last_scan_at \
     FROM bags b JOIN bag_formats f ON f.id = b.format_id \
     LEFT JOIN bag_links l ON l.child_id = b.id LEFT JOIN bags p ON p.id = l.parent_id \
     LEFT JOIN bill_bags bb ON bb.bag_id = coalesce(l.parent_id, b.id) LEFT JOIN bills bi ON bi.id = bb.bill_id \
     LEFT JOIN dispatch_areas a ON a.id = b.dispatch_area_id LEFT JOIN users u ON u.id = b.created_by WHERE b.qr_code = 'CH' || :code";

/// Measures and reports.
pub fn run(options: &Bench) -> anyhow::Result<()> {
    say(&format!("filling a database with {} bags", options.bags));
    let server = Server::start(&options.binary, &options.folder, options.bags)?;
    let tools = Tools::find(&server.socket)?;
    let (admin, tokens) = sign_in(&server.address)?;
    tools.sql(include_str!("bench_scan.sql"))?;
    let area: u64 = tools.sql(&format!("SELECT id FROM dispatch_areas WHERE code = '{AREA}'"))?.parse()?;
    let packer: u64 = tools.sql("SELECT min(id) FROM users WHERE username LIKE 'bench%'")?.parse()?;
    let (first, last) = child_codes(&tools)?;

    let mut scans = Comparison::new("Child scans, one a request");
    let mut batches = Comparison::new(&format!("Child scans, {BATCH} a request"));
    let mut lookups = Comparison::new("Bag lookups");
    let mut acknowledged = 0;
    let connections = options.packers;
    for round in 0..options.rounds {
        let per_connection = MOST_SCANS_PER_SECOND * options.seconds / CHILDREN / u64::from(connections.min(options.pgbench_clients)) + 1;
        open_parents(&tools, round, connections.max(options.pgbench_clients), per_connection, area)?;

        say(&format!("round {}: scans over HTTP", round + 1));
        let mut http = load(&server.address, &tokens, connections, options.seconds, |connection, n| {
            (n / CHILDREN < per_connection).then(|| scan('1', round, connection, n))
        })?;
        acknowledged += http.done;
        let pg = tools.rate(&pgbench_scan(round, packer, area), options.pgbench_clients, options.seconds)?;
        scans.add(http.rate(), pg, http.percentile(0.5), http.percentile(0.99));

        say(&format!("round {}: scans in batches", round + 1));
        let mut batch = load(&server.address, &tokens, connections.min(options.pgbench_clients), options.seconds, |connection, n| {
            (n < per_connection).then(|| scan_batch(round, connection, n))
        })?;
        acknowledged += batch.done;
        batches.add(batch.rate(), pg, batch.percentile(0.5), batch.percentile(0.99));

        say(&format!("round {}: lookups", round + 1));
        let mut http = load(&server.address, std::slice::from_ref(&admin), connections, options.seconds, |connection, n| {
            Some(lookup(first, last, connection, n))
        })?;
        let script = format!("\\set code random({first}, {last})\n{LOOKUP};\n");
        let pg = tools.rate(&script, options.pgbench_clients, options.seconds)?;
        lookups.add(http.rate(), pg, http.percentile(0.5), http.percentile(0.99));
    }

    verify(&tools, acknowledged)?;
    let report = Report { options, acknowledged, comparisons: [scans, batches, lookups] };
    match &options.report {
        Some(path) => std::fs::write(path, report.to_string()).with_context(|| path.display().to_string())?,
        None => say(&report.to_string()),
    }
    Ok(())
}

/// Every scan that was acknowledged is a row and a link, and every count equals its rows.
fn verify(tools: &Tools, acknowledged: u64) -> anyhow::Result<()> {
    let rows: u64 = tools.sql("SELECT count(*) FROM scans s JOIN bag_links l ON l.scan_id = s.id WHERE s.qr_code ~ '^(H1|H3)'")?.parse()?;
    ensure!(rows == acknowledged, "{acknowledged} scans were acknowledged, {rows} are there");
    let wrong: u64 = tools
        .sql("SELECT count(*) FROM bags p WHERE kind = 'parent' AND child_count <> (SELECT count(*) FROM bag_links WHERE parent_id = p.id)")?
        .parse()?;
    ensure!(wrong == 0, "{wrong} parents count wrong");
    Ok(())
}

fn parent(side: char, round: u32, connection: u32, k: u64) -> String {
    format!("SB9{side}{round}{connection:03}{k:05}")
}

/// Parents for the three ways of scanning, opened beforehand: what is measured is child scans alone.
fn open_parents(tools: &Tools, round: u32, connections: u32, each: u64, area: u64) -> anyhow::Result<()> {
    tools.sql(&format!(
        "INSERT INTO bags (qr_code, kind, status, format_id, capacity, dispatch_area_id) \
         SELECT 'SB9' || side || '{round}' || lpad(c::text, 3, '0') || lpad(k::text, 5, '0'), 'parent', 'open', 1, {CHILDREN}, {area} \
         FROM unnest(ARRAY['1', '2', '3']) AS side, generate_series(0, {connections} - 1) AS c, generate_series(0, {each} - 1) AS k"
    ))?;
    tools.sql("VACUUM (ANALYZE) bags").map(drop)
}

fn scan(side: char, round: u32, connection: u32, n: u64) -> Call {
    let parent = parent(side, round, connection, n / CHILDREN);
    let body = json!({"qr_code": format!("H{side}{round}-{connection}-{n}"), "parent_qr_code": parent, "source": "wedge"});
    Call { method: "POST", path: "/api/v1/scans".into(), body: body.to_string(), expected: StatusCode::CREATED, weight: 1 }
}

fn scan_batch(round: u32, connection: u32, n: u64) -> Call {
    let parent = parent('3', round, connection, n);
    let scans: Vec<Value> =
        (0..BATCH).map(|i| json!({"qr_code": format!("H3{round}-{connection}-{n}-{i}"), "parent_qr_code": parent, "source": "wedge"})).collect();
    Call { method: "POST", path: "/api/v1/scans/batch".into(), body: json!({"scans": scans}).to_string(), expected: StatusCode::OK, weight: BATCH }
}

fn pgbench_scan(round: u32, packer: u64, area: u64) -> String {
    format!(
        "\\set k :n / {CHILDREN}\n\
         SELECT bench_scan('P{round}-' || :client_id || '-' || :n, 'SB92{round}' || lpad(:client_id::text, 3, '0') || lpad(:k::text, 5, '0'), {packer}, {area});\n\
         \\set n :n + 1\n"
    )
}

fn lookup(first: u64, last: u64, connection: u32, n: u64) -> Call {
    // A multiplicative step visits the codes in no order that a cache of pages could profit from.
    let code = first + (n * 2_654_435_761 + u64::from(connection) * 40_503) % (last - first + 1);
    Call { method: "GET", path: format!("/api/v1/bags/CH{code}"), body: String::new(), expected: StatusCode::OK, weight: 1 }
}

/// Smallest and largest number of the loose children's and the packed children's codes that are there without gaps.
fn child_codes(tools: &Tools) -> anyhow::Result<(u64, u64)> {
    let range =
        tools.sql("SELECT min(substr(qr_code, 3)::bigint), min(substr(qr_code, 3)::bigint) + count(*) - 1 FROM bags WHERE qr_code ~ '^CH[0-9]+$'")?;
    let (first, last) = range.split_once('|').context("two numbers")?;
    Ok((first.parse()?, last.parse()?))
}

/// Tokens of the admin, who sees every bag, and of some new packers.
fn sign_in(address: &str) -> anyhow::Result<(String, Vec<String>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = reqwest::Client::new();
        let url = |path: &str| format!("http://{address}/api/v1{path}");
        let login = async |username: &str, password: &str| -> anyhow::Result<String> {
            let body = json!({"username": username, "password": password});
            let answer: Value = client.post(url("/auth/login")).json(&body).send().await?.error_for_status()?.json().await?;
            Ok(answer["access_token"].as_str().context("an access token")?.to_owned())
        };
        let admin = login(ADMIN.0, ADMIN.1).await?;
        let mut packers = Vec::new();
        for n in 0..PACKERS {
            let (username, password) = (format!("bench{n}"), "Packs-All-Day-1");
            let body = json!({"username": username, "password": password, "role": "dispatcher", "dispatch_area": AREA});
            client.post(url("/users")).bearer_auth(&admin).json(&body).send().await?.error_for_status()?;
            packers.push(login(&username, password).await?);
        }
        Ok((admin, packers))
    })
}

#[expect(clippy::print_stdout, reason = "a command-line tool talks to its terminal")]
fn say(text: &str) {
    println!("{text}");
}
