//! The same three calls on a minimal Flask + SQLAlchemy + gunicorn app (load-tests/baseline), with
//! the same client.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::stage::{Stage, parent};
use super::table::{Aim, Line, Rounds};
use crate::client::{Call, Load, load, request};
use crate::people::CHILDREN;
use crate::{process, say};

const FOLDER: &str = "load-tests/baseline";
const VENV: &str = "target/baseline-venv";
/// Four times as many as the baseline can serve at once.
const CONNECTIONS: u32 = 32;
const AIM: Aim = Aim::AtLeast(10.0);
const START: Duration = Duration::from_secs(30);

pub fn measure(stage: &Stage) -> anyhow::Result<Vec<Line>> {
    let baseline = Baseline::start(stage)?;
    let (mut scans, mut lookups, mut dashboards) = (Rounds::default(), Rounds::default(), Rounds::default());
    let (ours, theirs) = (&stage.server.address, &baseline.address);
    let token = std::slice::from_ref(&baseline.token);
    for _ in 0..stage.options.rounds {
        scans.add(scan(stage, ours, &stage.packers)?.rate(), scan(stage, theirs, token)?.rate());
        lookups.add(lookup(stage, ours, &stage.admin)?.rate(), lookup(stage, theirs, token)?.rate());
        dashboards.add(dashboard(stage, ours, &stage.admin)?.rate(), dashboard(stage, theirs, token)?.rate());
    }
    Ok(vec![
        scans.rates("flask_scans", "Child scans, one per request", "Flask", AIM),
        lookups.rates("flask_lookups", "Bag lookups over all bags", "Flask", AIM),
        dashboards.rates("flask_dashboard", "Totals of the dashboard", "Flask", AIM),
    ])
}

fn scan(stage: &Stage, address: &str, tokens: &[String]) -> anyhow::Result<Load> {
    let set = stage.new_parents();
    let each = 15_000 * stage.options.seconds / CHILDREN / u64::from(CONNECTIONS) + 1;
    stage.open_parents(&set, CONNECTIONS, each)?;
    load(address, tokens, CONNECTIONS, stage.options.seconds as f64, |connection, n, token| {
        (n / CHILDREN < each).then(|| {
            let parent = parent(&set, connection, n / CHILDREN);
            let body = format!(r#"{{"qr_code":"F-{set}-{connection}-{n}","parent_qr_code":"{parent}","source":"wedge"}}"#);
            Call { bytes: request("POST", "/api/v1/scans", token, "", &body), expected: 201, weight: 1 }
        })
    })
}

fn lookup(stage: &Stage, address: &str, tokens: &[String]) -> anyhow::Result<Load> {
    load(address, tokens, CONNECTIONS, stage.options.seconds as f64, |connection, n, token| {
        Some(Call::get(&format!("/api/v1/bags/{}", stage.code(connection, n)), token))
    })
}

fn dashboard(stage: &Stage, address: &str, tokens: &[String]) -> anyhow::Result<Load> {
    load(address, tokens, CONNECTIONS, stage.options.seconds as f64, |_, _, token| Some(Call::get("/api/v1/stats", token)))
}

/// A gunicorn process that stops when this is dropped.
struct Baseline {
    address: String,
    token: String,
    process: Child,
}

impl Baseline {
    fn start(stage: &Stage) -> anyhow::Result<Self> {
        let bin = install()?;
        let address = process::free_address()?;
        let url = format!("postgresql+psycopg2://traitortrack@/traitortrack?host={}", stage.server.socket.display());
        let (packer, area) = (stage.packer.to_string(), stage.area.to_string());
        let token =
            Command::new(bin.join("python")).args(["app.py", &packer, "bench", &area]).current_dir(FOLDER).env("DATABASE_URL", &url).output()?;
        ensure!(token.status.success(), "app.py: {}", String::from_utf8_lossy(&token.stderr));
        let process = Command::new(bin.join("gunicorn"))
            // Connections stay open between requests, as on the other server.
            .args(["-w", "2", "--threads", "4", "--keep-alive", "30", "--log-level", "warning", "-b", &address, "app:app"])
            .current_dir(FOLDER)
            .env("DATABASE_URL", url)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdout(Stdio::null())
            .spawn()?;
        let baseline = Self { address, token: String::from_utf8(token.stdout)?.trim().to_owned(), process };
        let started = Instant::now();
        while std::net::TcpStream::connect(&baseline.address).is_err() {
            ensure!(started.elapsed() < START, "gunicorn did not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(baseline)
    }
}

impl Drop for Baseline {
    fn drop(&mut self) {
        process::end(&mut self.process);
    }
}

/// The pinned packages, in a virtual environment that is created once.
fn install() -> anyhow::Result<PathBuf> {
    let bin = std::path::absolute(Path::new(VENV).join("bin"))?;
    if !bin.join("gunicorn").exists() {
        say("installing the Flask baseline");
        let done = Command::new("python3").args(["-m", "venv", VENV]).status().context("python3 is not installed")?.success()
            && Command::new(bin.join("pip")).args(["install", "-q", "-r", &format!("{FOLDER}/requirements.txt")]).status()?.success();
        ensure!(done, "could not install the Flask baseline");
    }
    Ok(bin)
}
