//! The packers of every run: their password, their sign-in, and the capacity of a parent.

use anyhow::Context;
use reqwest::Client;
use serde_json::{Value, json};

/// The password of all users created for a run, and of the users in a demo database.
pub const PASSWORD: &str = "Packs-All-Day-1";
/// Children per parent.
pub const CHILDREN: u64 = 30;

/// Signs a user in at `base`, such as `http://host:port`. Returns the access token.
///
/// # Errors
/// Fails if the server refuses, or responds without a token.
pub async fn login(client: &Client, base: &str, username: &str, password: &str) -> anyhow::Result<String> {
    let body = json!({"username": username, "password": password});
    let answer = client.post(format!("{base}/api/v1/auth/login")).json(&body).send().await?.error_for_status()?;
    let answer: Value = answer.json().await?;
    Ok(answer["access_token"].as_str().context("an access token")?.to_owned())
}
