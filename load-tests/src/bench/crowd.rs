//! A thousand people, signed in at the same time, each at a human pace: packers scan every one to
//! three seconds; viewers listen to events, view the dashboard and look up bags.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::stage::{AREA, Stage, parent};
use super::table::{Aim, Line};
use crate::client::{Connection, Latencies, header, latencies, note, percentile, request};
use crate::people::{CHILDREN, PASSWORD, login};
use crate::{block_on, process, say};

/// Number of concurrent sign-ins. Each needs 20 MB and about 30 ms of hashing on the server.
const SIGN_INS: usize = 4;
/// People arrive within this time.
const ARRIVE: Duration = Duration::from_secs(10);

struct Crowd<'a> {
    stage: &'a Stage<'a>,
    set: String,
    until: Instant,
    latencies: RefCell<Latencies>,
    acknowledged: Cell<u64>,
    events: Cell<u64>,
    errors: RefCell<Vec<String>>,
}

pub fn measure(stage: &mut Stage) -> anyhow::Result<Vec<Line>> {
    let people = stage.options.people;
    stage.server.restart()?;
    let tokens = sign_in(stage, people)?;
    let set = stage.new_parents();
    let seconds = stage.options.seconds.max(10) * 3;
    let packers = people / 2;
    stage.open_parents(&set, packers, seconds / CHILDREN + 2)?;
    let cpu = process::cpu_seconds(std::process::id())?;
    let crowd = Crowd {
        stage,
        set: set.clone(),
        until: Instant::now() + ARRIVE + Duration::from_secs(seconds),
        latencies: RefCell::new(latencies()),
        acknowledged: Cell::new(0),
        events: Cell::new(0),
        errors: RefCell::default(),
    };
    let crowd_members = tokens.iter().enumerate().map(async |(n, token)| {
        let n = n as u32;
        tokio::time::sleep(ARRIVE * n / people).await;
        let result = if n < packers { crowd.pack(n, token).await } else { crowd.view(n, token).await };
        if let Err(error) = result {
            crowd.errors.borrow_mut().push(format!("{error:#}"));
        }
    });
    block_on(async {
        futures_util::future::join_all(crowd_members).await;
        Ok(())
    })?;
    let Crowd { latencies, acknowledged, events, errors, .. } = crowd;
    let (latencies, errors) = (latencies.into_inner(), errors.into_inner());
    let rows: u64 =
        stage.tools.sql(&format!("SELECT count(*) FROM scans s JOIN bag_links l ON l.scan_id = s.id WHERE s.qr_code LIKE 'C-{set}-%'"))?.parse()?;
    ensure!(rows == acknowledged.get(), "{} scans were acknowledged, but {rows} exist", acknowledged.get());
    let total = latencies.len();
    say(&format!(
        "{people} people: {total} requests, {rows} of them scans, {} bytes of events, p50 {:.1} ms, p99.9 {:.1} ms; the client uses {:.2} cores{}",
        events.get(),
        percentile(&latencies, 0.5),
        percentile(&latencies, 0.999),
        (process::cpu_seconds(std::process::id())? - cpu) / (seconds + ARRIVE.as_secs()) as f64,
        errors.first().map(|error| format!("; first error: {error}")).unwrap_or_default()
    ));
    let what = format!("{people} people at work ({:.0} requests/s)", total as f64 / (seconds + ARRIVE.as_secs() / 2) as f64);
    Ok(vec![
        Line::figure("crowd_errors", format!("{what}: errors"), errors.len() as f64, "", Aim::AtMost(0.0)),
        Line::figure("crowd_p99", format!("{what}: p99"), percentile(&latencies, 0.99), "ms", Aim::Below(100.0)),
        Line::figure(
            "crowd_memory",
            format!("{what}: peak memory of the process, including sign-ins"),
            process::peak_mb(stage.server.pid())?,
            "MB",
            Aim::Below(200.0),
        ),
    ])
}

/// Creates the users in SQL with one shared password hash (the cost of hashing two thousand
/// passwords is not measured), and signs each of them in.
fn sign_in(stage: &Stage, people: u32) -> anyhow::Result<Vec<String>> {
    let run = stage.run;
    stage.tools.sql(&format!(
        "INSERT INTO users (username, password_hash, role, dispatch_area_id) \
         SELECT 'crowd{run}-' || n, b.password_hash, 'dispatcher', b.dispatch_area_id FROM generate_series(0, {people} - 1) AS n, \
                (SELECT * FROM users WHERE username LIKE 'bench{run}-%' ORDER BY id LIMIT 1) AS b"
    ))?;
    say(&format!("signing in {people} people of {AREA}"));
    block_on(async {
        use futures_util::{StreamExt, TryStreamExt};
        let (client, base) = (reqwest::Client::new(), format!("http://{}", stage.server.address));
        let names: Vec<String> = (0..people).map(|n| format!("crowd{run}-{n}")).collect();
        futures_util::stream::iter(&names).map(|name| login(&client, &base, name, PASSWORD)).buffered(SIGN_INS).try_collect().await
    })
}

impl Crowd<'_> {
    async fn pack(&self, n: u32, token: &str) -> anyhow::Result<()> {
        let mut connection = Connection::open(&self.stage.server.address).await?;
        for scan in 0.. {
            let Some(()) = self.pause(n, scan, 1000..3000).await else { break };
            let (set, parent) = (&self.set, parent(&self.set, n, scan / CHILDREN));
            let body = format!(r#"{{"qr_code":"C-{set}-{n}-{scan}","parent_qr_code":"{parent}","source":"wedge"}}"#);
            self.ask(&mut connection, &request("POST", "/api/v1/scans", token, "", &body), &[201]).await?;
            self.acknowledged.set(self.acknowledged.get() + 1);
        }
        Ok(())
    }

    async fn view(&self, n: u32, token: &str) -> anyhow::Result<()> {
        let work = async {
            let mut connection = Connection::open(&self.stage.server.address).await?;
            let mut known = String::new();
            for look in 0.. {
                let Some(()) = self.pause(n, look, 1500..4500).await else { break };
                if look % 2 == 0 {
                    let stats = request("GET", "/api/v1/stats", token, &known, "");
                    if self.ask(&mut connection, &stats, &[200, 304]).await? == 200 {
                        known = header(connection.head(), "etag").map(|etag| format!("if-none-match: {etag}\r\n")).unwrap_or_default();
                    }
                } else {
                    // A bag of the viewers' own area: one of those that are being packed here.
                    let parent = parent(&self.set, n % (self.stage.options.people / 2), 0);
                    self.ask(&mut connection, &request("GET", &format!("/api/v1/bags/{parent}"), token, "", ""), &[200]).await?;
                }
            }
            Ok(())
        };
        tokio::select! {
            done = work => done,
            ended = self.listen(token) => ended.and_then(|()| Err(anyhow::anyhow!("the event stream ended"))),
        }
    }

    /// Listens to events like a browser, on a separate connection.
    async fn listen(&self, token: &str) -> anyhow::Result<()> {
        let mut stream = TcpStream::connect(&self.stage.server.address).await?;
        stream.write_all(&request("GET", "/api/v1/events", token, "accept: text/event-stream\r\n", "")).await?;
        let mut buffer = vec![0; 4096];
        let mut is_first = true;
        loop {
            let read = stream.read(&mut buffer).await?;
            if std::mem::take(&mut is_first) {
                ensure!(buffer.starts_with(b"HTTP/1.1 200"), "the event stream returned {}", String::from_utf8_lossy(&buffer[..read]));
            }
            if read == 0 {
                return Ok(());
            }
            self.events.set(self.events.get() + read as u64);
        }
    }

    /// Pauses like a person between two actions, for a varying time. Returns `None` when the run is
    /// over.
    async fn pause(&self, person: u32, n: u64, milliseconds: std::ops::Range<u64>) -> Option<()> {
        let span = milliseconds.end - milliseconds.start;
        let wait = milliseconds.start + (n * 2_654_435_761 + u64::from(person) * 40_503) % span;
        tokio::time::sleep(Duration::from_millis(wait)).await;
        (Instant::now() < self.until).then_some(())
    }

    async fn ask(&self, connection: &mut Connection, request: &[u8], expected: &[u16]) -> anyhow::Result<u16> {
        let sent = Instant::now();
        let status =
            connection.exchange(request).await.with_context(|| String::from_utf8_lossy(request).lines().next().unwrap_or_default().to_owned())?;
        note(&mut self.latencies.borrow_mut(), sent.elapsed());
        ensure!(expected.contains(&status), "{status}: {}", String::from_utf8_lossy(connection.body()));
        Ok(status)
    }
}
