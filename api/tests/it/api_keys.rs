//! Keys of integrators: made, used within their scopes and quota, revoked.

use reqwest::Method;
use serde_json::{Value, json};
use traitortrack::config::Config;

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

#[tokio::test(flavor = "multi_thread")]
async fn a_key_acts_as_its_owner() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    warehouse.packer("Indore").await.scans("SB99999").await.expect(201);
    let id = packer.get("/me").await.expect(200).body["id"].clone();
    let everything = json!(["bags:read", "scans:read", "scans:write", "users:read"]);
    let (key, made) = integrator(&warehouse, json!({"name": "Scale", "scopes": everything, "user_id": id})).await;
    assert_eq!((&made["user_id"], made["username"].as_str()), (&id, Some("dispatcher-0")));
    key.scans("SB12345").await.expect(201);
    assert_eq!(key.get("/bags/SB12345").await.expect(200).body["dispatch_area"], "Lucknow");
    key.get("/bags/SB99999").await.problem(404, "bag_not_found");
    // The scope is there, the role is not.
    key.get("/users").await.problem(403, "forbidden");

    database::execute(&warehouse.database_url, "UPDATE users SET is_active = false WHERE username = 'dispatcher-0'").await;
    refused_within_seconds(&key).await;
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
async fn keys_are_made_by_admins_with_known_scopes_for_known_people() {
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
        (json!({"name": "Scale", "scopes": ["bags:read"], "user_id": 999_999}), "/user_id"),
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
