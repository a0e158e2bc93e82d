//! Keys of integrators: made, used within their scopes and quota, revoked.

use std::time::Duration;

use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use traitortrack::config::Config;
use traitortrack::identity::Role;

use crate::support::warehouse::PASSWORD;
use crate::support::{Answer, Person, Redis, Warehouse, database, eventually};

/// An integrator with a new key, and the answer that showed it.
async fn integrator(warehouse: &Warehouse, body: Value) -> (Person, Value) {
    let made = warehouse.admin().await.post("/api-keys", body).await.expect(201).body;
    (Person { token: Some(made["key"].as_str().expect("a key").to_owned()), ..warehouse.nobody() }, made)
}

async fn with_scopes(warehouse: &Warehouse, scopes: &[&str]) -> Person {
    integrator(warehouse, json!({"name": "Weighbridge", "scopes": scopes})).await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_once_and_stored_as_a_hash() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    let answer = admin.post("/api-keys", json!({"name": "Weighbridge", "scopes": ["scans:write", "bags:read", "bags:read"]})).await.expect(201);
    let (key, id) = (answer.body["key"].as_str().expect("a key"), &answer.body["id"]);
    assert_eq!(answer.header("location"), format!("/api/v1/api-keys/{id}"));
    assert_eq!(answer.header("cache-control"), "no-store");
    let (prefix, secret) = key.strip_prefix("ttk_").and_then(|rest| rest.split_once('_')).expect("ttk_<prefix>_<secret>");
    assert_eq!(answer.body["prefix"], prefix);
    assert_eq!(answer.body["scopes"], json!(["bags:read", "scans:write"]));
    assert_eq!(answer.body["username"], "admin");

    for shown in [admin.get("/api-keys").await.expect(200), admin.get(&format!("/api-keys/{id}")).await.expect(200)] {
        assert!(shown.text.contains(prefix) && !shown.text.contains(secret) && !shown.text.contains("\"key\""), "{}", shown.text);
    }
    let stored = format!("SELECT count(*) AS n FROM api_keys k WHERE k::text LIKE '%{secret}%' OR secret_hash <> sha256('{secret}')");
    assert_eq!(database::number(&warehouse.database_url, &stored).await, 0);
    let audited =
        format!("SELECT count(*) AS n FROM audit_logs WHERE action = 'api_key_created' AND entity_id = '{id}' AND after::text NOT LIKE '%{secret}%'");
    assert_eq!(database::number(&warehouse.database_url, &audited).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_does_what_its_scopes_say_and_no_more() {
    let warehouse = Warehouse::open().await;
    let reader = with_scopes(&warehouse, &["bags:read", "scans:write"]).await;
    reader.get("/bags").await.expect(200);
    reader.scans("SB12345").await.expect(201);
    reader.get("/bags/SB12345").await.expect(200);
    for refused in [
        reader.get("/scans").await,
        reader.post("/bags", json!({"qr_code": "SB12346"})).await,
        reader.get("/users").await,
        reader.get("/stats").await,
        reader.get("/me").await,
        reader.get("/api-keys").await,
        reader.act("/auth/logout-all").await,
        reader.post("/me/password", json!({})).await,
        reader.get("/no-such-thing").await,
    ] {
        refused.problem(403, "insufficient_scope");
    }
    // Another way to write a path is no way around.
    for path in ["/api/v1/%75sers", "/%61pi/v1/users", "//api/v1/users", "/api/v1/../v1/users"] {
        let request = reader.client.get(format!("{}{path}", warehouse.base_url)).bearer_auth(reader.token.clone().expect("a key"));
        assert!([401, 403, 404].contains(&Answer::of(request).await.status), "{path}");
    }
    let detailed = reader.client.get(format!("{}/api/health/detailed", warehouse.base_url)).bearer_auth(reader.token.clone().expect("a key"));
    assert!(Answer::of(detailed).await.expect(200).body["checks"]["database"]["pool_size"].is_u64());
}

/// Another admin, signed in, and their id.
async fn second_admin(warehouse: &Warehouse) -> (Person, Value) {
    let body = json!({"username": "second", "password": PASSWORD, "role": "admin"});
    let id = warehouse.admin().await.post("/users", body).await.expect(201).body["id"].clone();
    (warehouse.nobody().signed_in("second", PASSWORD).await, id)
}

/// A key that this person creates, with all that a machine may want.
async fn key_of(person: &Person) -> (Person, Value) {
    let scopes = json!(["bags:read", "scans:read", "scans:write", "users:read", "events:read"]);
    let made = person.post("/api-keys", json!({"name": "Scale", "scopes": scopes})).await.expect(201).body;
    (Person { token: Some(made["key"].as_str().expect("a key").to_owned()), cookie: None, ..person.clone() }, made)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_acts_as_its_owner() {
    let warehouse = Warehouse::open().await;
    warehouse.packer("Indore").await.scans("SB99999").await.expect(201);
    let (second, id) = second_admin(&warehouse).await;
    let (key, made) = key_of(&second).await;
    assert_eq!((&made["user_id"], &made["created_by"], made["username"].as_str()), (&id, &id, Some("second")));
    key.get("/users").await.expect(200);
    // With the rights that the owner has now, not those of the day when the key was created.
    let path = format!("/users/{id}");
    let admin = warehouse.admin().await;
    let seen = admin.get(&path).await.expect(200);
    let packer = admin.patch_seen(&path, &seen, json!({"role": "dispatcher", "dispatch_area": "Lucknow"})).await.expect(200);
    until_refused(&key, "/users", (403, "forbidden")).await;
    key.scans("SB12345").await.expect(201);
    assert_eq!(key.get("/bags/SB12345").await.expect(200).body["dispatch_area"], "Lucknow");
    key.get("/bags/SB99999").await.problem(404, "bag_not_found");

    admin.patch_seen(&path, &packer, json!({"is_active": false})).await.expect(200);
    refused_within_seconds(&key).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_for_its_creator_only() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    let (_, second) = second_admin(&warehouse).await;
    let packer = warehouse.packer("Lucknow").await.get("/me").await.expect(200).body["id"].clone();
    let own = admin.get("/me").await.expect(200).body["id"].clone();
    let with_owner = |id: &Value| json!({"name": "Scale", "scopes": ["users:write"], "user_id": id});
    for other in [&second, &packer, &json!(999_999), &json!(0), &json!(-1)] {
        let refused = admin.post("/api-keys", with_owner(other)).await.problem(403, "api_key_for_another");
        assert!(refused.body["detail"].as_str().expect("a sentence").contains("user_id"), "{}", refused.text);
    }
    assert_eq!(admin.get("/api-keys").await.expect(200).rows().len(), 0);
    let denied = admin.get("/audit-logs?action=access_denied").await.expect(200);
    assert_eq!((denied.rows().len(), &denied.rows()[0]["after"]["route"]), (5, &json!("/api/v1/api-keys")));
    assert_eq!(admin.post("/api-keys", with_owner(&own)).await.expect(201).body["user_id"], own);
    // The database holds it for every writer.
    let sql = format!("UPDATE api_keys SET user_id = {second}");
    let mut conn = AsyncPgConnection::establish(&warehouse.database_url).await.expect("connects");
    conn.batch_execute(&sql).await.expect_err("a key of another person");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_acted_for_another_are_revoked_by_the_migration() {
    let warehouse = Warehouse::open().await;
    let url = &warehouse.database_url;
    let admin = warehouse.admin().await;
    let (_, second) = second_admin(&warehouse).await;
    let keys = [key_of(&admin).await, key_of(&admin).await, key_of(&admin).await];
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/2026-11-28-006043_keep_keys_to_their_creators");
    let step = |name: &str| std::fs::read_to_string(format!("{folder}/{name}.sql")).expect("the migration is there");
    database::execute(url, &step("down")).await;
    let for_another = format!("UPDATE api_keys SET user_id = {second} WHERE id = {}", keys[1].1["id"]);
    let of_nobody = format!("UPDATE api_keys SET created_by = NULL WHERE id = {}", keys[2].1["id"]);
    database::execute(url, &format!("{for_another}; {of_nobody}")).await;
    database::execute(url, &step("up")).await;
    keys[0].0.get("/bags").await.expect(200);
    for (key, made) in &keys[1..] {
        refused_within_seconds(key).await;
        let entries = admin.get(&format!("/audit-logs?action=api_key_revoked&entity_id={}", made["id"])).await.expect(200);
        assert_eq!((entries.rows().len(), &entries.rows()[0]["actor"]), (1, &json!(null)));
        assert_eq!(entries.rows()[0]["after"], json!({"reason": "created_for_another"}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_may_do_no_more_than_its_owner_could() {
    let warehouse = Warehouse::open().await;
    let strict = Warehouse::open_on(warehouse.database_url.clone(), |config| config.two_factor_required_roles = vec![Role::Admin]).await;
    let (second, _) = second_admin(&warehouse).await;
    let (key, _) = key_of(&second).await;
    key.get("/bags").await.expect(200);
    let there = Person { base_url: strict.base_url.clone(), ..key.clone() };
    there.get("/bags").await.problem(403, "two_factor_setup_required");
    there.scans("SB00001").await.problem(403, "two_factor_setup_required");
    let on = "UPDATE users SET two_factor_enabled = true, totp_secret = 'x' WHERE username = 'second'";
    database::execute(&warehouse.database_url, on).await;
    until_allowed(&there, "/bags").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_waits_until_its_owner_has_changed_a_password_that_another_set() {
    let warehouse = Warehouse::open_with(|config| config.require_password_change = true).await;
    let admin = warehouse.admin().await;
    let body = json!({"username": "second", "password": PASSWORD, "role": "admin"});
    let id = admin.post("/users", body).await.expect(201).body["id"].clone();
    let mut second = warehouse.nobody().signed_in("second", PASSWORD).await;
    let choose =
        async |person: &Person, from: &str, to: &str| person.post("/me/password", json!({"current_password": from, "new_password": to})).await;
    second.keep_tokens(&choose(&second, PASSWORD, "Chosen-By-Me-1").await.expect(200));
    let (key, _) = key_of(&second).await;
    key.get("/bags").await.expect(200);
    admin.post(&format!("/users/{id}/password"), json!({"new_password": PASSWORD})).await.expect(204);
    until_refused(&key, "/bags", (403, "password_change_required")).await;
    let second = warehouse.nobody().signed_in("second", PASSWORD).await;
    choose(&second, PASSWORD, "Chosen-By-Me-2").await.expect(200);
    until_allowed(&key, "/bags").await;
}

/// Waits for what other processes learn of within seconds.
async fn until(person: &Person, path: &str, is_reached: impl Fn(&Answer) -> bool) {
    for _ in 0..300 {
        if is_reached(&person.get(path).await) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{path} is answered as before after 30 seconds");
}

async fn until_allowed(key: &Person, path: &str) {
    until(key, path, |answer| answer.status == 200).await;
}

async fn until_refused(key: &Person, path: &str, refusal: (u16, &str)) {
    until(key, path, |answer| (answer.status, answer.code()) == refusal).await;
}

/// The stream of events of a key, once it is open.
async fn stream_of(key: &Person) -> tokio::task::JoinHandle<()> {
    let response = key.request(Method::GET, "/events").send().await.expect("an answer");
    assert_eq!(response.status(), 200);
    let mut stream = response.bytes_stream();
    stream.next().await.expect("the stream begins").expect("it is open");
    tokio::spawn(async move { while stream.next().await.is_some_and(|chunk| chunk.is_ok()) {} })
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_a_key_end_with_the_key_and_with_the_rights_of_its_owner() {
    let one = Warehouse::open().await;
    let other = Warehouse::open_on(one.database_url.clone(), |_| {}).await;
    let admin = one.admin().await;
    let (_, id) = second_admin(&one).await;
    let path = format!("/users/{id}");
    for how in ["revoked", "expired", "demoted", "disabled"] {
        let second = one.nobody().signed_in("second", PASSWORD).await;
        let (key, made) = key_of(&second).await;
        let (kept, _) = key_of(&admin).await;
        let there = Person { base_url: other.base_url.clone(), ..key.clone() };
        let streams = [stream_of(&key).await, stream_of(&there).await];
        let kept = stream_of(&kept).await;
        match how {
            "revoked" => drop(admin.delete(&format!("/api-keys/{}", made["id"])).await.expect(204)),
            "expired" => database::execute(&one.database_url, &format!("UPDATE api_keys SET expires_at = now() WHERE id = {}", made["id"])).await,
            change => {
                let seen = admin.get(&path).await.expect(200);
                let changed = if change == "demoted" { json!({"role": "biller"}) } else { json!({"is_active": false}) };
                admin.patch_seen(&path, &seen, changed).await.expect(200);
            }
        }
        for stream in streams {
            tokio::time::timeout(Duration::from_secs(30), stream).await.unwrap_or_else(|_| panic!("{how}: the stream goes on")).expect("no panic");
        }
        assert!(!kept.is_finished(), "{how}: the stream of another key goes on");
        kept.abort();
        if how == "demoted" {
            let seen = admin.get(&path).await.expect(200);
            admin.patch_seen(&path, &seen, json!({"role": "admin"})).await.expect(200);
        }
    }
}

async fn refused_within_seconds(key: &Person) {
    eventually("the key is refused", async || key.get("/bags").await.status == 401).await;
    key.get("/bags").await.problem(401, "invalid_token");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_damaged_and_expired_keys_are_refused() {
    let warehouse = Warehouse::open().await;
    let (key, made) = integrator(&warehouse, json!({"name": "Scale", "scopes": ["bags:read"], "expires_at": "2999-01-01T00:00:00Z"})).await;
    key.get("/bags").await.expect(200);
    let good = made["key"].as_str().expect("a key");
    let damaged = format!("{}{}", &good[..good.len() - 1], if good.ends_with('A') { 'B' } else { 'A' });
    for wrong in [damaged.as_str(), "ttk_", "ttk_abcdefghijkl_short", &good.replace("ttk_", "ttx_"), &format!("{good}A")] {
        let refused = Person { token: Some(wrong.to_owned()), ..warehouse.nobody() }.get("/bags").await.problem(401, "invalid_token");
        assert!(refused.header("www-authenticate").contains("invalid_token"));
    }
    database::execute(&warehouse.database_url, "UPDATE api_keys SET expires_at = now() - interval '1 second'").await;
    refused_within_seconds(&key).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_at_once_and_by_other_processes_within_seconds() {
    let warehouse = Warehouse::open().await;
    let other = Warehouse::open_on(warehouse.database_url.clone(), |_| {}).await;
    let (key, made) = integrator(&warehouse, json!({"name": "Scale", "scopes": ["bags:read"]})).await;
    let elsewhere = Person { base_url: other.base_url.clone(), ..key.clone() };
    key.get("/bags").await.expect(200);
    elsewhere.get("/bags").await.expect(200);
    let path = format!("/api-keys/{}", made["id"]);
    let admin = warehouse.admin().await;
    admin.delete(&path).await.expect(204);
    key.get("/bags").await.problem(401, "invalid_token");
    refused_within_seconds(&elsewhere).await;

    admin.delete(&path).await.expect(204);
    assert!(admin.get(&path).await.expect(200).body["revoked_at"].is_string());
    admin.delete("/api-keys/999999").await.problem(404, "api_key_not_found");
    admin.delete("/api-keys/nonsense").await.problem(404, "api_key_not_found");
    let audited = database::number(&warehouse.database_url, "SELECT count(*) AS n FROM audit_logs WHERE action = 'api_key_revoked'").await;
    assert_eq!(audited, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quota_of_a_key_is_told_and_held() {
    let warehouse = Warehouse::open().await;
    let (key, _) = integrator(&warehouse, json!({"name": "Scale", "scopes": ["bags:read"], "requests_per_minute": 3})).await;
    for left in [2, 1, 0] {
        let answer = key.get("/bags").await.expect(200);
        assert_eq!(answer.header("ratelimit-policy"), "\"default\";q=3;w=60");
        assert!(answer.header("ratelimit").starts_with(&format!("\"default\";r={left};")), "{}", answer.header("ratelimit"));
    }
    let spent = key.get("/bags").await.problem(429, "rate_limited");
    assert!(spent.header("retry-after").parse::<u64>().is_ok_and(|seconds| (1..=60).contains(&seconds)));
    assert!(spent.header("ratelimit").starts_with("\"default\";r=0;"));
    // Its owner has a budget of their own.
    warehouse.admin().await.get("/bags").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quota_of_a_key_holds_across_processes() {
    let mut redis = Redis::start();
    let url = database::migrated().await;
    let settings = |config: &mut Config| config.redis_url = redis.url();
    let (one, other) = (Warehouse::open_on(url.clone(), settings).await, Warehouse::open_on(url, settings).await);
    let (key, _) = integrator(&one, json!({"name": "Scale", "scopes": ["bags:read"], "requests_per_minute": 4})).await;
    let elsewhere = Person { base_url: other.base_url.clone(), ..key.clone() };
    for device in [&key, &elsewhere, &key, &elsewhere] {
        device.get("/bags").await.expect(200);
    }
    for device in [&key, &elsewhere] {
        device.get("/bags").await.problem(429, "rate_limited");
    }
    redis.stop();
    // Three of four were counted here.
    key.get("/bags").await.expect(200);
    key.get("/bags").await.problem(429, "rate_limited");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_use_is_noted_once_a_minute() {
    let warehouse = Warehouse::open().await;
    let (key, made) = integrator(&warehouse, json!({"name": "Scale", "scopes": ["bags:read"]})).await;
    let admin = warehouse.admin().await;
    let last_used = async || admin.get(&format!("/api-keys/{}", made["id"])).await.expect(200).body["last_used_at"].clone();
    assert_eq!(last_used().await, Value::Null);
    key.get("/bags").await.expect(200);
    let first = last_used().await;
    assert!(first.is_string());
    key.get("/bags").await.expect(200);
    assert_eq!(last_used().await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_made_by_admins_with_known_scopes() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    let good = json!({"name": "Scale", "scopes": ["bags:read"]});
    warehouse.biller().await.post("/api-keys", good.clone()).await.problem(403, "forbidden");
    warehouse.biller().await.get("/api-keys").await.problem(403, "forbidden");
    warehouse.nobody().post("/api-keys", good).await.problem(401, "missing_token");
    for (body, pointer) in [
        (json!({"name": "Scale", "scopes": ["bags:read", "bags:delete"]}), "/scopes/1"),
        (json!({"name": "Scale", "scopes": []}), "/scopes"),
        (json!({"name": "", "scopes": ["bags:read"]}), "/name"),
        (json!({"name": "Scale", "scopes": ["bags:read"], "expires_at": "2001-01-01T00:00:00Z"}), "/expires_at"),
        (json!({"name": "Scale", "scopes": ["bags:read"], "requests_per_minute": 0}), "/requests_per_minute"),
        (json!({"name": "Scale", "scopes": ["bags:read"], "scope": "x"}), "/scope"),
    ] {
        let refused = admin.post("/api-keys", body).await.problem(422, "validation_failed");
        assert_eq!(refused.body["errors"][0]["pointer"], pointer, "{}", refused.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_listed_page_by_page() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    for n in 0..3 {
        admin.post("/api-keys", json!({"name": format!("Scale {n}"), "scopes": ["bags:read"]})).await.expect(201);
    }
    let first = admin.get("/api-keys?limit=2").await.expect(200);
    assert_eq!(first.rows().iter().map(|row| row["name"].clone()).collect::<Vec<_>>(), ["Scale 2", "Scale 1"]);
    let cursor = first.body["next_cursor"].as_str().expect("a cursor");
    let second = admin.get(&format!("/api-keys?limit=2&cursor={cursor}")).await.expect(200);
    assert_eq!((second.rows().len(), &second.body["has_more"]), (1, &json!(false)));
    admin.get("/api-keys?cursor=x").await.problem(400, "invalid_cursor");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_has_idempotency_keys_of_its_own() {
    let warehouse = Warehouse::open().await;
    let body = json!({"username": "asha", "password": PASSWORD, "role": "biller"});
    let post = async |person: &Person| Answer::of(person.request(Method::POST, "/users").header("idempotency-key", "one").json(&body)).await;
    let key = with_scopes(&warehouse, &["users:write"]).await;
    post(&key).await.expect(201);
    assert_eq!(post(&key).await.expect(201).header("idempotent-replayed"), "true");
    post(&warehouse.admin().await).await.problem(409, "username_taken");
}
