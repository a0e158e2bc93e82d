//! What processes share through Redis, and how they do without.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Person, Redis, Warehouse, database};

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
    // The first round gives the subscriptions time to stand.
    assert!(revocation_takes(&one, &other).await < Duration::from_secs(10));
    // The database is asked every two seconds: five in a row this quick are not its doing.
    for _ in 0..5 {
        let took = revocation_takes(&one, &other).await;
        assert!(took < Duration::from_millis(600), "{took:?}");
    }
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
        let asked = Instant::now();
        packer.get("/me").await.expect(200);
        packer.scans("SB12345").await.expect(201);
        assert!(asked.elapsed() < Duration::from_secs(2), "nobody waits for Redis");
    }
    assert_eq!(sign_in(&other).await, 401);
    assert!(revocation_takes(&one, &other).await < Duration::from_secs(10), "the database knows");

    redis.start_again();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let health = one.nobody().get_root("/api/health/detailed").await.expect(200).body;
    assert_eq!(health["checks"]["redis"]["status"], "healthy");
    // Failed sign-ins are counted in the database: together they have six, with Redis or without.
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(sign_in(&other).await);
        statuses.push(sign_in(&one).await);
    }
    assert!(statuses.iter().filter(|status| **status == 401).count() <= 6, "{statuses:?}");
    let took = revocation_takes_of(packer, &one, &other).await;
    assert!(took < Duration::from_millis(1_500), "told over Redis again, after {took:?}");
}

async fn revocation_takes(one: &Warehouse, other: &Warehouse) -> Duration {
    revocation_takes_of(one.admin().await, one, other).await
}

/// How long the other process takes a token for good after it was revoked here.
async fn revocation_takes_of(person: Person, one: &Warehouse, other: &Warehouse) -> Duration {
    assert_eq!(person.base_url, one.base_url);
    let elsewhere = Person { base_url: other.base_url.clone(), ..person.clone() };
    elsewhere.get("/me").await.expect(200);
    person.act("/auth/logout").await.expect(204);
    let revoked = Instant::now();
    for _ in 0..1_000 {
        if elsewhere.get("/me").await.status == 401 {
            return revoked.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the other process still takes the token");
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
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    assert_eq!(parents(&there).await, Some(25), "without Redis the few seconds of an answer are the most");
    redis.start_again();
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    packer.scans("SB00026").await.expect(201);
    assert_eq!(parents(&packer).await, Some(26));
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    assert_eq!(parents(&there).await, Some(26));

    // Many at once: it is worked out once or twice, not each time.
    let admin = one.admin().await;
    admin.act("/admin/cache/clear").await.expect(204);
    let answers = futures_util::future::join_all((0..40).map(|_| parents(&packer))).await;
    assert!(answers.iter().all(|count| *count == Some(26)));
}
