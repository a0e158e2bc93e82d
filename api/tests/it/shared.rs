//! What processes share through Redis, and how they do without.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::support::{Person, Redis, Warehouse, database, eventually};

/// Where processes publish sessions that have ended.
const CHANNEL: &str = "traitortrack:revoked";

#[tokio::test(flavor = "multi_thread")]
async fn the_sign_in_limit_holds_across_processes_with_redis_and_without() {
    let mut redis = Redis::start();
    let database_url = database::migrated().await;
    let settings = |config: &mut traitortrack::config::Config| {
        config.redis_url = redis.url();
        config.sign_in_limit_per_minute = 4;
    };
    let one = Warehouse::open_on(database_url.clone(), settings).await;
    let other = Warehouse::open_on(database_url, settings).await;
    let sign_in = async |warehouse: &Warehouse| warehouse.nobody().post("/auth/login", json!({"username": "x", "password": "x"})).await;
    for warehouse in [&one, &other, &one, &other] {
        sign_in(warehouse).await.problem(401, "invalid_credentials");
    }
    for warehouse in [&one, &other] {
        let limited = sign_in(warehouse).await.problem(429, "rate_limited");
        assert!(limited.header("retry-after").parse::<u64>().is_ok_and(|seconds| (1..=60).contains(&seconds)));
    }
    assert_eq!(one.nobody().get_root("/api/health/detailed").await.expect(200).body["checks"]["redis"]["status"], "healthy");

    redis.stop();
    let health = one.nobody().get_root("/api/health/detailed").await.expect(200).body;
    assert_eq!((health["status"].as_str(), health["checks"]["redis"]["status"].as_str()), (Some("degraded"), Some("degraded")));
    for warehouse in [&one, &other] {
        sign_in(warehouse).await.problem(429, "rate_limited");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_in_one_process_ends_in_the_other_before_it_asks_the_database() {
    let redis = Redis::start();
    let database_url = database::migrated().await;
    let one = Warehouse::open_on(database_url.clone(), |config| config.redis_url = redis.url()).await;
    let other = Warehouse::open_on(database_url, |config| config.redis_url = redis.url()).await;
    let bus = redis.client();
    let mut published = std::pin::pin!(bus.subscribe(CHANNEL).await.expect("a subscription"));
    let packer = one.admin().await;
    packer.act("/auth/logout").await.expect(204);
    let session = session_of(&packer);
    assert_eq!(published.next().await, Some(format!("session:{session}")), "the process publishes it");
    refused_by(&other, &packer).await;

    // A session that the database knows as open: only the message can end it.
    let admin = one.admin().await;
    bus.publish(CHANNEL, &format!("session:{}", session_of(&admin))).await;
    refused_by(&other, &admin).await;
    let open = format!("SELECT count(*) AS n FROM sessions WHERE id = '{}' AND revoked_at IS NULL", session_of(&admin));
    assert_eq!(database::number(&one.database_url, &open).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_everything_goes_on_and_it_is_used_again_when_it_comes_back() {
    let mut redis = Redis::start();
    let database_url = database::migrated().await;
    let settings = |config: &mut traitortrack::config::Config| {
        config.redis_url = redis.url();
        config.sign_in_limit_per_minute = 6;
    };
    let one = Warehouse::open_on(database_url.clone(), settings).await;
    let other = Warehouse::open_on(database_url, settings).await;
    let sign_in = async |warehouse: &Warehouse| warehouse.nobody().post("/auth/login", json!({"username": "x", "password": "x"})).await.status;
    let packer = one.admin().await;
    redis.stop();
    for _ in 0..20 {
        packer.get("/me").await.expect(200);
        packer.scans("SB12345").await.expect(201);
    }
    assert_eq!(sign_in(&other).await, 401);
    let signed_out = one.admin().await;
    signed_out.act("/auth/logout").await.expect(204);
    refused_by(&other, &signed_out).await;

    redis.start_again();
    for process in [&one, &other] {
        eventually("Redis is used again", async || {
            let health = process.nobody().get_root("/api/health/detailed").await.expect(200).body;
            health["checks"]["redis"]["status"] == "healthy"
        })
        .await;
    }
    // Failed sign-ins are counted in the database: together they have six, with Redis or without.
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(sign_in(&other).await);
        statuses.push(sign_in(&one).await);
    }
    assert!(statuses.iter().filter(|status| **status == 401).count() <= 6, "{statuses:?}");
    // Published until the subscription stands again; the database knows the session as open.
    let elsewhere = at(&other, &packer);
    let bus = redis.client();
    eventually("a message over Redis ends a session again", async || {
        bus.publish(CHANNEL, &format!("session:{}", session_of(&packer))).await;
        elsewhere.get("/me").await.status == 401
    })
    .await;
}

/// The person's requests sent to another process.
fn at(warehouse: &Warehouse, person: &Person) -> Person {
    Person { base_url: warehouse.base_url.clone(), ..person.clone() }
}

/// Waits until a process refuses the person's token.
async fn refused_by(warehouse: &Warehouse, person: &Person) {
    let elsewhere = at(warehouse, person);
    eventually("the token is refused", async || elsewhere.get("/me").await.status == 401).await;
}

/// The id of the session that an access token belongs to.
fn session_of(person: &Person) -> String {
    let token = person.token.as_deref().expect("signed in");
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).expect("claims")).expect("base64");
    let claims: Value = serde_json::from_slice(&claims).expect("JSON");
    claims["sid"].as_str().expect("a session").to_owned()
}

/// What is cached is never old for who wrote, in any process, and Redis dying changes nothing of that.
#[tokio::test(flavor = "multi_thread")]
async fn cached_totals_are_never_older_than_ones_own_write() {
    let mut redis = Redis::start();
    let database_url = database::migrated().await;
    let settings = |config: &mut traitortrack::config::Config| config.redis_url = redis.url();
    let one = Warehouse::open_on(database_url.clone(), settings).await;
    let other = Warehouse::open_on(database_url, settings).await;
    let packer = one.packer("Lucknow").await;
    let there = crate::support::Person { base_url: other.base_url.clone(), ..packer.clone() };
    let parents = async |person: &crate::support::Person| person.get("/stats").await.expect(200).body["bags"]["parents"].as_i64();
    for n in 1..=20 {
        packer.scans(&format!("SB{n:05}")).await.expect(201);
        assert_eq!(parents(&packer).await, Some(n));
    }
    assert_eq!(parents(&there).await, Some(20));
    let metrics = one.nobody().get_root("/metrics").await.expect(200).text;
    assert!(metrics.contains("cache_requests_total{topic=\"stats\",result=\"miss\"}"), "{metrics}");

    redis.stop();
    for n in 21..=25 {
        packer.scans(&format!("SB{n:05}")).await.expect(201);
        assert_eq!(parents(&packer).await, Some(n));
    }
    eventually("without Redis the answer expires", async || parents(&there).await == Some(25)).await;
    redis.start_again();
    packer.scans("SB00026").await.expect(201);
    assert_eq!(parents(&packer).await, Some(26));
    eventually("the other process sees it", async || parents(&there).await == Some(26)).await;

    // Many at once: it is worked out once or twice, not each time.
    let admin = one.admin().await;
    admin.act("/admin/cache/clear").await.expect(204);
    let answers = futures_util::future::join_all((0..40).map(|_| parents(&packer))).await;
    assert!(answers.iter().all(|count| *count == Some(26)));
}
