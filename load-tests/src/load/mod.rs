//! Simulates a working warehouse with goose, and verifies the data afterwards.

mod biller;
mod device;
mod hit_rate;
mod integrator;
mod ledger;
mod open_model;
mod packer;
mod scene;
mod session;
mod verify;
mod viewer;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use goose::config::GooseConfiguration;
use goose::prelude::*;

use crate::process::{peak_mb, resident_mb};
use crate::say;
use crate::server::{ADMIN, Data, Server};
use scene::Scene;

/// The kinds of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Day,
    Spike,
    Soak,
    Rush,
    Open,
}

/// Size, duration, server and thresholds of a load test.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The release binary; it is started with its own database
    #[arg(long, default_value = "target/release/api", conflicts_with = "url")]
    binary: PathBuf,
    /// Use a running server instead, e.g. http://127.0.0.1:8080
    #[arg(long)]
    url: Option<String>,
    /// The database of that server, to verify the data afterwards; without it, a sample is verified
    /// over the API
    #[arg(long, requires = "url")]
    database_url: Option<String>,
    /// The admin of that server
    #[arg(long, default_value = ADMIN.0)]
    admin_username: String,
    #[arg(long, env = "ADMIN_PASSWORD", hide_env_values = true, default_value = ADMIN.1)]
    admin_password: String,
    /// Number of bags in the database before the start
    #[arg(long, default_value_t = 18_000)]
    bags: u64,
    /// Number of simultaneous users, people and machines
    #[arg(long)]
    users: Option<u32>,
    /// Duration in seconds
    #[arg(long)]
    seconds: Option<u64>,
    /// Requests per second of the open model
    #[arg(long, default_value_t = 300)]
    rate: u32,
    /// Thresholds in goose's syntax, e.g. `p99<200ms` or `error-rate<=0%`; replace the defaults
    #[arg(long)]
    threshold: Vec<String>,
    /// Limit of the open model's 99th percentile, in milliseconds
    #[arg(long, default_value_t = 100.0)]
    open_p99_ms: f64,
    /// Folder for the reports
    #[arg(long, default_value = "target/load-tests")]
    reports: PathBuf,
}

impl Options {
    fn seconds(&self, shape: Shape) -> u64 {
        self.seconds.unwrap_or(match shape {
            Shape::Day => 120,
            Shape::Spike | Shape::Rush => 60,
            Shape::Soak => 30 * 60,
            Shape::Open => 30,
        })
    }

    fn users(&self, shape: Shape) -> u32 {
        self.users.unwrap_or(match shape {
            Shape::Day | Shape::Soak => 200,
            Shape::Spike => 100,
            _ => 40,
        })
    }

    fn thresholds(&self, shape: Shape) -> Vec<String> {
        if !self.threshold.is_empty() {
            return self.threshold.clone();
        }
        // Signing in is slow by design (argon2), and all users do it at the same time: only the
        // overall limit applies to it.
        let rules: &[&str] = match shape {
            // A batch of five hundred scans takes longer than a scan, and waits for the batches of
            // others.
            Shape::Rush => &["p99<10s", "max<20s"],
            Shape::Spike => &["p99<1s for POST /scans", "p99<1s for GET /stats", "max<10s"],
            _ => &["p99<200ms for POST /scans", "p99<200ms for GET /stats", "p99<200ms for GET /bags/{qr_code}", "max<5s"],
        };
        rules.iter().copied().chain(["error-rate<=0%"]).map(str::to_owned).collect()
    }
}

/// Runs the simulation, reports, and verifies the data.
///
/// # Errors
/// Fails if a threshold is missed, or if the data differ from what was acknowledged.
pub fn run(shape: Shape, options: &Options) -> anyhow::Result<()> {
    std::fs::create_dir_all(&options.reports)?;
    let server = match options.url {
        Some(_) => None,
        None => Some(Server::start(&options.binary, Data::fill(&options.binary, &options.reports, options.bags, false)?)?),
    };
    let base = options.url.clone().unwrap_or_else(|| server.as_ref().map(|server| format!("http://{}", server.address)).unwrap_or_default());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let played = runtime.block_on(async {
        Scene::set(&base, &options.admin_username, &options.admin_password).await?;
        let mut misses = Vec::new();
        if shape != Shape::Open {
            let before = hit_rate::CacheRequests::of(&base).await?;
            misses.extend(play(shape, options, server.as_ref()).await?);
            if shape == Shape::Day {
                misses.extend(hit_rate::judge(&base, before).await?);
            }
        }
        if matches!(shape, Shape::Day | Shape::Open) {
            let seconds = if shape == Shape::Open { options.seconds(shape) } else { 20 };
            misses.extend(open_model::run(options.rate, Duration::from_secs(seconds), options.open_p99_ms).await?);
        }
        anyhow::Ok(misses)
    });
    // The event listeners would continue forever.
    runtime.shutdown_background();
    let mut misses = played?;
    misses.extend(verify::verify(server.as_ref(), options.database_url.as_deref())?);
    if let Some(server) = &server {
        say(&format!("peak memory of the process: {:.0} MB", peak_mb(server.pid())?));
    }
    ensure!(misses.is_empty(), "{}", misses.join("; "));
    say("All thresholds were met.");
    Ok(())
}

/// Runs goose. Returns the missed thresholds.
async fn play(shape: Shape, options: &Options, server: Option<&Server>) -> anyhow::Result<Vec<String>> {
    let scene = Scene::get();
    let (users, seconds) = (options.users(shape), options.seconds(shape));
    let report = options.reports.join(format!("{shape:?}.html").to_lowercase());
    let report_name = report.to_str().context("the folder's name is not text")?;
    let mut arguments: Vec<String> = ["--host", &scene.base, "--report-file", report_name].map(str::to_owned).into();
    for flag in ["--no-gzip", "--no-telnet", "--no-threshold-abort", "--no-transaction-metrics", "--no-scenario-metrics"] {
        arguments.push(flag.into());
    }
    let plan = match shape {
        Shape::Spike => {
            let (third, most) = (seconds / 3, users * 5);
            format!("{users},5s;{users},{third}s;{most},3s;{most},{third}s;{users},3s;{users},{third}s;0,2s")
        }
        _ => format!("{users},10s;{users},{seconds}s;0,2s"),
    };
    arguments.extend(["--test-plan".into(), plan]);
    for threshold in options.thresholds(shape) {
        arguments.extend(["--threshold".into(), threshold]);
    }
    let configuration = GooseConfiguration::parse_args_default(&arguments)?;
    let mut attack = GooseAttack::initialize_with_config(configuration)?;
    let scenarios = if shape == Shape::Rush {
        vec![device::scenario()?]
    } else {
        vec![packer::scenario()?, biller::scenario()?, viewer::scenario()?, integrator::scenario()?]
    };
    for scenario in scenarios {
        attack = attack.register_scenario(scenario);
    }
    let watch = server.filter(|_| shape == Shape::Soak).map(|server| tokio::spawn(watch_memory(server.pid(), seconds)));
    let (metrics, mut misses) = match attack.execute().await {
        Ok(metrics) => (metrics, Vec::new()),
        Err(GooseError::ThresholdsFailed { failed, metrics }) => {
            (*metrics.0, failed.iter().map(|miss| format!("{} was missed: {}", miss.rule, miss.observed)).collect())
        }
        Err(error) => return Err(error.into()),
    };
    let (mut reads, mut writes) = (0, 0);
    for request in metrics.requests.values() {
        match request.method {
            GooseMethod::Get => reads += request.success_count + request.fail_count,
            _ => writes += request.success_count + request.fail_count,
        }
    }
    say(&format!(
        "{} requests, {:.0} % of them reads; {} event streams; report: {}",
        reads + writes,
        100.0 * reads as f64 / (reads + writes).max(1) as f64,
        viewer::streams(),
        report.display()
    ));
    if let Some(failure) = viewer::failure() {
        misses.push(failure);
    }
    if let Some(watch) = watch {
        misses.extend(watch.await??);
    }
    Ok(misses)
}

/// Memory that only grows is a leak. The last quarter of a soak may use a fifth more than the
/// second quarter, plus 16 MB.
async fn watch_memory(pid: u32, seconds: u64) -> anyhow::Result<Option<String>> {
    let mut quarters = Vec::new();
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(seconds * 250)).await;
        quarters.push(resident_mb(pid)?);
    }
    say(&format!("memory at the end of each quarter: {quarters:.0?} MB"));
    let (second, last) = (quarters[1], quarters[3]);
    Ok((last > second * 1.2 + 16.0).then(|| format!("memory grew from {second:.0} to {last:.0} MB")))
}
