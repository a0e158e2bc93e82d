//! The shared state of a run: users with passwords, an API key for machines, and existing bags.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::ledger::Ledger;
use crate::people::{create, login};

/// Number of accounts of each kind. Several simulated users share one account, each with a separate
/// session.
const PACKERS: usize = 20;
const BILLERS: usize = 5;
const VIEWERS: usize = 5;
const AREAS: [&str; 4] = ["Lucknow", "Indore", "Jaipur", "Hisar"];

/// The state shared by goose's transactions, which are plain functions.
static SCENE: OnceLock<Scene> = OnceLock::new();

pub struct Scene {
    /// `http://host:port`.
    pub base: String,
    /// Digits that no other run uses in its codes.
    pub run: u64,
    pub packers: Vec<String>,
    pub billers: Vec<String>,
    /// Billers who only read.
    pub viewers: Vec<String>,
    pub api_key: String,
    pub admin_token: String,
    /// Codes of bags that existed before the run.
    pub codes: Vec<String>,
    pub ledger: Ledger,
    /// Parents that packers have filled and no biller has added to a bill.
    pub filled: Mutex<VecDeque<String>>,
    next: AtomicU64,
}

impl Scene {
    pub fn get() -> &'static Self {
        SCENE.get().expect("the scene is set before the simulation starts")
    }

    /// Creates the accounts and the key over the API.
    pub async fn set(base: &str, username: &str, password: &str) -> anyhow::Result<()> {
        let base = base.trim_end_matches('/').to_owned();
        let run = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let client = reqwest::Client::new();
        let admin_token = login(&client, &base, username, password).await?;
        let post = async |path: &str, body: Value| -> anyhow::Result<Value> {
            let answer = client.post(format!("{base}/api/v1{path}")).bearer_auth(&admin_token).json(&body).send().await?;
            ensure!(answer.status().is_success(), "{path} returned {}: {}", answer.status(), answer.text().await?);
            Ok(answer.json().await?)
        };
        let (mut packers, mut billers, mut viewers) = (Vec::new(), Vec::new(), Vec::new());
        for n in 0..PACKERS {
            let name = format!("load{run}-packer{n}");
            create(&client, &base, &admin_token, &name, "dispatcher", Some(AREAS[n % AREAS.len()])).await?;
            packers.push(name);
        }
        for (kind, count, names) in [("biller", BILLERS, &mut billers), ("viewer", VIEWERS, &mut viewers)] {
            for n in 0..count {
                let name = format!("load{run}-{kind}{n}");
                create(&client, &base, &admin_token, &name, "biller", None).await?;
                names.push(name);
            }
        }
        let scopes = ["bags:read", "bags:write", "scans:read", "scans:write", "bills:read", "stats:read"];
        let key = post("/api-keys", json!({"name": format!("load {run}"), "scopes": scopes})).await?;
        let api_key = key["key"].as_str().context("an API key")?.to_owned();
        let bags: Value =
            client.get(format!("{base}/api/v1/bags?limit=200")).bearer_auth(&admin_token).send().await?.error_for_status()?.json().await?;
        let codes = bags["data"].as_array().into_iter().flatten().filter_map(|bag| bag["qr_code"].as_str().map(str::to_owned)).collect();
        let scene = Self {
            base,
            run,
            packers,
            billers,
            viewers,
            api_key,
            admin_token,
            codes,
            ledger: Ledger::default(),
            filled: Mutex::default(),
            next: AtomicU64::new(0),
        };
        ensure!(SCENE.set(scene).is_ok(), "the scene is set only once");
        Ok(())
    }

    /// A number that is unique in this run.
    pub fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// A code for a new parent bag.
    pub fn new_parent(&self) -> String {
        format!("SB{}{:07}", self.run, self.number())
    }

    /// The n-th of the bags that existed before the run. Without any, the code of a parent that
    /// does not exist.
    pub fn known(&self, n: u64) -> &str {
        self.codes.get(n as usize % self.codes.len().max(1)).map_or("SB00001", String::as_str)
    }
}
