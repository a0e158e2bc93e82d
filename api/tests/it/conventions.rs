//! What holds for every call: idempotency keys, ETags, budgets, merge patches.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::support::warehouse::PASSWORD;
use crate::support::{Answer, Warehouse, database};

#[tokio::test(flavor = "multi_thread")]
async fn a_post_sent_again_gets_its_first_answer_and_is_done_once() {
    let warehouse = Warehouse::open().await;
    let biller = warehouse.biller().await;
    let body = json!({"destination": "Jaipur", "vehicle_number": "RJ14", "expected_parent_bags": 3});
    let first = biller.post_once("key-1", "/bills", body.clone()).await.expect(201);
    assert_eq!(first.header("idempotent-replayed"), "");
    let again = biller.post_once("key-1", "/bills", body.clone()).await.expect(201);
    assert_eq!(
        (again.text.clone(), again.header("idempotent-replayed"), again.header("location")),
        (first.text.clone(), "true", first.header("location"))
    );
    assert_eq!(again.headers["etag"], first.headers["etag"]);
    let other = json!({"destination": "Delhi", "vehicle_number": "RJ14", "expected_parent_bags": 3});
    biller.post_once("key-1", "/bills", other).await.problem(422, "idempotency_key_reused");
    biller.post_once("key-1", &format!("{}/finish", &first.header("location")[7..]), json!({})).await.problem(422, "idempotency_key_reused");
    // Another person's key of the same name is another key.
    warehouse.biller().await.post_once("key-1", "/bills", body.clone()).await.expect(201);
    assert_eq!(database::number(&warehouse.database_url, "SELECT count(*) AS n FROM bills").await, 2);
    for wrong in ["", "a b", &"x".repeat(256)] {
        biller.post_once(wrong, "/bills", body.clone()).await.problem(400, "invalid_idempotency_key");
    }
    // A refusal had no effect, so it is not kept: the same key may succeed later.
    let number = first.body["bill_number"].as_str().expect("a number");
    biller.post_once("key-2", &format!("/bills/{number}/finish"), json!({})).await.problem(409, "empty_bill");
    let packer = warehouse.packer("Lucknow").await;
    packer.packs("SB00001", ["CB-1".into()]).await;
    biller.post(&format!("/bills/{number}/bags"), json!({"qr_codes": ["SB00001"]})).await.expect(200);
    for _ in 0..2 {
        biller.post_once("key-2", &format!("/bills/{number}/finish"), json!({})).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_at_the_same_instant_is_done_once() {
    let database_url = database::migrated().await;
    let (one, other) = (Warehouse::open_on(database_url.clone(), |_| {}).await, Warehouse::open_on(database_url, |_| {}).await);
    let (here, there) = (one.admin().await, other.admin().await);
    let body = json!({"destination": "Jaipur", "vehicle_number": "RJ14", "expected_parent_bags": 3});
    let answers = join_all((0..20).map(|n| {
        let (person, body) = (if n % 2 == 0 { &here } else { &there }, body.clone());
        async move { person.post_once("the-key", "/bills", body).await }
    }))
    .await;
    for answer in answers {
        match answer.status {
            201 => {}
            _ => assert_eq!(answer.problem(409, "request_in_progress").header("retry-after"), "1"),
        }
    }
    assert_eq!(database::number(&one.database_url, "SELECT count(*) AS n FROM bills").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_were_forgotten_may_come_again() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    let body = json!({"username": "ravi", "password": PASSWORD, "role": "biller"});
    admin.post_once("k", "/users", body.clone()).await.expect(201);
    database::execute(&warehouse.database_url, "UPDATE idempotency_keys SET expires_at = now() - interval '1 second'").await;
    admin.post_once("k", "/users", body).await.problem(409, "username_taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_not_changed_is_not_sent_again() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    packer.packs("SB00001", ["CB-1".into()]).await;
    for path in ["/bags/SB00001", "/stats", "/me"] {
        let first = packer.get(path).await.expect(200);
        let etag = first.header("etag").to_owned();
        assert!(etag.starts_with('"') && etag.len() > 10, "{path}: {etag}");
        let conditional = async |tag: &str| Answer::of(packer.request(Method::GET, path).header("if-none-match", tag)).await;
        let unchanged = conditional(&etag).await.expect(304);
        assert_eq!((unchanged.text.as_str(), unchanged.header("etag")), ("", etag.as_str()));
        conditional(&format!("\"other\", W/{etag}")).await.expect(304);
        conditional("*").await.expect(304);
        conditional("\"other\"").await.expect(200);
        conditional("nonsense").await.expect(200);
    }
    let before = packer.get("/stats").await.expect(200).header("etag").to_owned();
    packer.scans_into("SB00001", "CB-2").await.expect(201);
    let after = Answer::of(packer.request(Method::GET, "/stats").header("if-none-match", before)).await.expect(200);
    assert_eq!(after.body["bags"]["children"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_tell_what_is_left_of_the_budget() {
    let warehouse = Warehouse::open_with(|config| config.request_limit_per_minute = 3).await;
    let admin = warehouse.admin().await;
    let answer = admin.get("/me").await.expect(200);
    assert_eq!(answer.header("ratelimit-policy"), "\"default\";q=3;w=60");
    assert_eq!(answer.header("ratelimit"), "\"default\";r=2;t=20");
    assert_eq!(answer.header("x-ratelimit-limit"), "", "one way of saying it is enough");
    admin.get("/me").await.expect(200);
    admin.get("/me").await.expect(200);
    let limited = admin.get("/me").await.problem(429, "rate_limited");
    assert_eq!(limited.header("ratelimit"), "\"default\";r=0;t=60");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_trusted_proxy_is_believed_about_addresses() {
    for (trusted, limited) in [(false, true), (true, false)] {
        let warehouse = Warehouse::open_with(|config| {
            config.sign_in_limit_per_minute = 1;
            config.trusted_proxies = if trusted { vec!["127.0.0.0/8".parse().expect("a network")] } else { Vec::new() };
        })
        .await;
        let sign_in = async |from: &str| {
            let request = warehouse.nobody().request(Method::POST, "/auth/login").header("x-forwarded-for", from);
            Answer::of(request.json(&json!({"username": "x", "password": "x"}))).await.status
        };
        assert_eq!(sign_in("198.51.100.1").await, 401);
        assert_eq!(sign_in("198.51.100.2").await == 429, limited, "trusted: {trusted}");
        assert_eq!(sign_in("198.51.100.1").await, 429);
    }
}
