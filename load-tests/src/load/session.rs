//! Sign-in and requests of goose users.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use goose::goose::GooseResponse;
use goose::prelude::*;
use serde_json::{Value, json};

use super::scene::Scene;
use crate::people::PASSWORD;

/// The session of a simulated user.
#[derive(Clone)]
pub struct Session {
    username: String,
    token: String,
    valid_until: Instant,
    /// Used to choose deterministically, so that two runs do the same.
    pub step: u64,
    /// ETags of the last responses.
    pub etags: HashMap<&'static str, String>,
    /// Code of the parent that is being packed, and the number of its children.
    pub parent: Option<(String, u64)>,
}

/// A response: its status, `ETag` and body.
pub struct Answer {
    pub status: u16,
    pub etag: Option<String>,
    pub is_replayed: bool,
    /// How long to wait before a retry, if the server said so.
    pub retry_after: Option<Duration>,
    pub body: Value,
}

/// A request.
pub struct Ask<'a> {
    pub method: GooseMethod,
    pub path: &'a str,
    /// Its name in the report, after the method: the route, without variable parts.
    pub name: &'a str,
    pub body: Option<Value>,
    pub headers: &'a [(&'static str, &'a str)],
    /// The expected statuses.
    pub expected: &'a [u16],
}

impl Default for Ask<'_> {
    fn default() -> Self {
        Self { method: GooseMethod::Get, path: "", name: "", body: None, headers: &[], expected: &[200] }
    }
}

type Failure = Box<TransactionError>;

/// Signs in with one of the packers' accounts.
pub async fn sign_in_packer(user: &mut GooseUser) -> TransactionResult {
    sign_in(user, &Scene::get().packers).await
}

/// Signs in with one of the billers' accounts.
pub async fn sign_in_biller(user: &mut GooseUser) -> TransactionResult {
    sign_in(user, &Scene::get().billers).await
}

/// Signs in with one of the accounts that only read.
pub async fn sign_in_viewer(user: &mut GooseUser) -> TransactionResult {
    sign_in(user, &Scene::get().viewers).await
}

/// A machine uses its API key.
pub async fn use_api_key(user: &mut GooseUser) -> TransactionResult {
    let scene = Scene::get();
    let never = Instant::now() + Duration::from_secs(365 * 24 * 3600);
    user.set_session_data(Session::new(String::new(), scene.api_key.clone(), never));
    Ok(())
}

impl Session {
    fn new(username: String, token: String, valid_until: Instant) -> Self {
        Self { username, token, valid_until, step: Scene::get().number(), etags: HashMap::new(), parent: None }
    }
}

/// The session of this goose user.
pub fn session(user: &mut GooseUser) -> &mut Session {
    user.get_session_data_unchecked_mut::<Session>()
}

async fn sign_in(user: &mut GooseUser, accounts: &[String]) -> TransactionResult {
    let username = accounts[Scene::get().number() as usize % accounts.len()].clone();
    let (token, valid_until) = login(user, &username).await?;
    user.set_session_data(Session::new(username, token, valid_until));
    Ok(())
}

async fn login(user: &mut GooseUser, username: &str) -> Result<(String, Instant), Failure> {
    let body = json!({"username": username, "password": PASSWORD});
    let ask = Ask { method: GooseMethod::Post, path: "/api/v1/auth/login", name: "/auth/login", body: Some(body), ..Ask::default() };
    let answer = send(user, ask, "").await?;
    let token = answer.body["access_token"].as_str().unwrap_or_default().to_owned();
    let seconds = answer.body["expires_in_seconds"].as_u64().unwrap_or(60);
    Ok((token, Instant::now() + Duration::from_secs(seconds * 4 / 5)))
}

/// Sends a request as the signed-in user. Signs in again shortly before the token expires.
pub async fn ask(user: &mut GooseUser, ask: Ask<'_>) -> Result<Answer, Failure> {
    if session(user).valid_until <= Instant::now() {
        let username = session(user).username.clone();
        let (token, valid_until) = login(user, &username).await?;
        let session = session(user);
        (session.token, session.valid_until) = (token, valid_until);
    }
    let token = session(user).token.clone();
    send(user, ask, &token).await
}

/// The token, for requests that do not go through goose.
pub fn token(user: &mut GooseUser) -> String {
    session(user).token.clone()
}

async fn send(user: &mut GooseUser, ask: Ask<'_>, token: &str) -> Result<Answer, Failure> {
    let mut builder = user.get_request_builder(&ask.method, ask.path)?.bearer_auth(token);
    for (name, value) in ask.headers {
        builder = builder.header(*name, *value);
    }
    if let Some(body) = &ask.body {
        builder = builder.json(body);
    }
    let request = GooseRequest::builder().path(ask.path).method(ask.method).name(ask.name).set_request_builder(builder).build();
    let GooseResponse { mut request, response, .. } = user.request(request).await?;
    let response = response.map_err(|error| Box::new(TransactionError::from(error)))?;
    let status = response.status().as_u16();
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (etag, is_replayed) = (header("etag"), header("idempotent-replayed").is_some());
    let retry_after = header("retry-after").and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
    let bytes = response.bytes().await.map_err(|error| Box::new(TransactionError::from(error)))?;
    let body = serde_json::from_slice(&bytes).unwrap_or_default();
    if ask.expected.contains(&status) {
        user.set_success(&mut request)?;
    } else {
        let tag = format!("{} returned {status}: {}", ask.name, String::from_utf8_lossy(&bytes));
        user.set_failure(&tag, &mut request, None, None)?;
    }
    Ok(Answer { status, etag, is_replayed, retry_after, body })
}
