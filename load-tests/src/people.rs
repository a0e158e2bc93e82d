//! Who packs, in every run: their password, how they sign in, how much a parent holds.

use anyhow::Context;
use reqwest::Client;
use serde_json::{Value, json};

/// Of everybody who is made for a run, and of the people in a demo database.
pub const PASSWORD: &str = "Packs-All-Day-1";
/// Children of a parent.
pub const CHILDREN: u64 = 30;

/// Signs a person in at `base`, as `http://host:port`; the access token.
///
/// # Errors
/// When the server refuses, or answers without a token.
pub async fn login(client: &Client, base: &str, username: &str, password: &str) -> anyhow::Result<String> {
    let body = json!({"username": username, "password": password});
    let answer = client.post(format!("{base}/api/v1/auth/login")).json(&body).send().await?.error_for_status()?;
    let answer: Value = answer.json().await?;
    Ok(answer["access_token"].as_str().context("an access token")?.to_owned())
}
