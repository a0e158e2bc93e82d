//! The packers of every run: their password, their sign-in, and the capacity of a parent.

use anyhow::{Context, ensure};
use reqwest::Client;
use serde_json::{Value, json};

/// The password of all users created for a run, and of the users in a demo database.
pub const PASSWORD: &str = "Packs-All-Day-1";
/// What an admin sets, until the person has changed it.
const HANDED_OVER: &str = "Only-For-Today-1";
/// Children per parent.
pub const CHILDREN: u64 = 30;

/// Creates a person, who then has [`PASSWORD`]: the one that the admin sets has to be changed at
/// the first sign-in.
///
/// # Errors
/// When the server refuses.
pub async fn create(client: &Client, base: &str, admin: &str, username: &str, role: &str, area: Option<&str>) -> anyhow::Result<()> {
    let body = json!({"username": username, "password": HANDED_OVER, "role": role, "dispatch_area": area});
    let answer = client.post(format!("{base}/api/v1/users")).bearer_auth(admin).json(&body).send().await?;
    ensure!(answer.status().is_success(), "{username} could not be created, {}: {}", answer.status(), answer.text().await?);
    let token = login(client, base, username, HANDED_OVER).await?;
    let body = json!({"current_password": HANDED_OVER, "new_password": PASSWORD});
    client.post(format!("{base}/api/v1/me/password")).bearer_auth(token).json(&body).send().await?.error_for_status()?;
    Ok(())
}

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
