//! Keys of access tokens: two algorithms, several keys at once, changed while people work.

use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};
use traitortrack::config::{Config, JwtAlgorithm};

use crate::support::{Person, Warehouse, database, eventually};

fn eddsa(config: &mut Config) {
    config.jwt_algorithm = JwtAlgorithm::EdDsa;
}

fn kid(person: &Person) -> String {
    decode_header(person.token.as_deref().expect("signed in")).expect("a token").kid.expect("a kid")
}

/// `api rotate-keys` on the database of a warehouse.
async fn rotate(warehouse: &Warehouse, arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_api"));
    command.arg("rotate-keys").args(arguments).env("DATABASE_URL", &warehouse.database_url);
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("the binary starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn eddsa_tokens_can_be_checked_by_anybody_with_the_public_keys() {
    let warehouse = Warehouse::open_with(eddsa).await;
    let admin = warehouse.admin().await;
    admin.get("/me").await.expect(200);
    let answer = warehouse.nobody().get_root("/.well-known/jwks.json").await.expect(200);
    let key = &answer.body["keys"][0];
    assert_eq!((&key["kty"], &key["crv"], &key["alg"], &key["use"]), (&json!("OKP"), &json!("Ed25519"), &json!("EdDSA"), &json!("sig")));
    assert!(key.get("d").is_none(), "never the private half");
    let set: JwkSet = serde_json::from_value(answer.body.clone()).expect("a key set");
    let public = DecodingKey::from_jwk(set.find(&kid(&admin)).expect("the key of the token")).expect("a key");
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&["traitortrack-api"]);
    let claims = decode::<Value>(admin.token.as_deref().expect("signed in"), &public, &validation).expect("a good token").claims;
    assert_eq!(claims["role"], "admin");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_key_is_not_taken_for_a_secret_one() {
    let warehouse = Warehouse::open_with(eddsa).await;
    let admin = warehouse.admin().await;
    let keys = warehouse.nobody().get_root("/.well-known/jwks.json").await.expect(200).body;
    let public = URL_SAFE_NO_PAD.decode(keys["keys"][0]["x"].as_str().expect("a key")).expect("base64");
    let claims: Value = serde_json::from_slice(
        &URL_SAFE_NO_PAD.decode(admin.token.as_deref().and_then(|token| token.split('.').nth(1)).expect("claims")).expect("base64"),
    )
    .expect("JSON");
    let mut header = jsonwebtoken::Header::new(Algorithm::HS256);
    header.kid = Some(kid(&admin));
    let forged = jsonwebtoken::encode(&header, &claims, &jsonwebtoken::EncodingKey::from_secret(&public)).expect("a token");
    Person { token: Some(forged), ..warehouse.nobody() }.get("/me").await.problem(401, "invalid_token");
}

#[tokio::test(flavor = "multi_thread")]
async fn secret_keys_are_not_shown() {
    let warehouse = Warehouse::open().await;
    assert_eq!(warehouse.nobody().get_root("/.well-known/jwks.json").await.expect(200).body, json!({"keys": []}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_taken_up_while_old_tokens_stay_good() {
    let one = Warehouse::open_with(eddsa).await;
    let other = Warehouse::open_on(one.database_url.clone(), eddsa).await;
    let before = one.admin().await;
    rotate(&one, &["--jwt-algorithm", "EdDSA"]).await;
    let mut after = one.admin().await;
    eventually("the new key signs", async || {
        after = one.admin().await;
        kid(&after) != kid(&before)
    })
    .await;
    for person in [&before, &after] {
        person.get("/me").await.expect(200);
        Person { base_url: other.base_url.clone(), ..person.clone() }.get("/me").await.expect(200);
    }
    let keys = other.nobody().get_root("/.well-known/jwks.json").await.expect(200).body;
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_has_become_known_can_be_dropped_at_once() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    rotate(&warehouse, &["--drop-others"]).await;
    eventually("tokens of the dropped key are refused", async || admin.get("/me").await.status == 401).await;
    // The session lives on: a refresh brings a token of the new key.
    let mut admin = admin;
    let renewed = admin.act("/auth/refresh").await.expect(200);
    admin.keep_tokens(&renewed);
    admin.get("/me").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_meets_an_unknown_key_reads_the_keys_again() {
    let one = Warehouse::open().await;
    // Made for the other algorithm, so it signs at once in a process that is told to use it.
    let other = Warehouse::open_on(one.database_url.clone(), eddsa).await;
    let admin = other.admin().await;
    let elsewhere = Person { base_url: one.base_url.clone(), ..admin };
    // The keys are read at most once a second, so the first request may be refused.
    eventually("the token of the unknown key is accepted", async || elsewhere.get("/me").await.status == 200).await;
    assert_eq!(database::number(&one.database_url, "SELECT count(*) AS n FROM signing_keys").await, 2);
}

#[test]
fn a_secret_for_the_wrong_algorithm_is_refused_at_start() {
    let mut config = Config::defaults();
    eddsa(&mut config);
    config.jwt_secret = Some("x".repeat(32).into());
    assert!(config.check().is_err_and(|sentence| sentence.contains("JWT_SECRET")));
}
