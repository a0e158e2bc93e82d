//! What every answer has: request ids, security headers, compression, metrics, health.

use crate::support::{Answer, Person, Warehouse, database};

#[tokio::test(flavor = "multi_thread")]
async fn request_ids_are_taken_made_and_echoed() {
    let warehouse = Warehouse::open().await;
    let nobody = warehouse.nobody();
    let with_id = async |id: &str| Answer::of(nobody.request(reqwest::Method::GET, "/me").header("x-request-id", id)).await;
    let taken = with_id("packer-7.station_3:42").await.problem(401, "missing_token");
    assert_eq!(taken.header("x-request-id"), "packer-7.station_3:42");
    for bad in ["has spaces in it", "<script>", &"x".repeat(129)] {
        let made = with_id(bad).await.problem(401, "missing_token");
        assert_ne!(made.header("x-request-id"), bad);
        assert!(uuid::Uuid::try_parse(made.header("x-request-id")).is_ok());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_the_security_headers() {
    let warehouse = Warehouse::open().await;
    for path in ["/health", "/api/v1/me", "/no/such/file.txt", "/docs/", "/openapi.json"] {
        let answer = warehouse.nobody().get_root(path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"));
        assert!(!answer.header("content-security-policy").contains("script-src 'unsafe"), "{path}");
        assert!(!answer.header("x-request-id").is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_answers_are_compressed_for_those_who_ask() {
    let warehouse = Warehouse::open().await;
    let request = warehouse.nobody().client.get(format!("{}/openapi.json", warehouse.base_url)).header("accept-encoding", "br");
    let response = request.send().await.expect("answers");
    assert_eq!(response.headers()["content-encoding"], "br");
    let small = warehouse.nobody().client.get(format!("{}/health/live", warehouse.base_url)).header("accept-encoding", "br");
    let response = small.send().await.expect("answers");
    assert!(!response.headers().contains_key("content-encoding"));
    assert!(serde_json::from_slice::<serde_json::Value>(&response.bytes().await.expect("a body")).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_requests_by_route_and_scans_by_outcome() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    packer.packs("SB12345", ["CB-1".into()]).await;
    packer.scans_into("SB99999", "CB-2").await.problem(409, "unknown_parent");
    packer.get("/bags/SB12345").await.expect(200);
    let metrics = warehouse.nobody().get_root("/metrics").await.expect(200).text;
    for line in [
        "http_requests_total{method=\"GET\",route=\"/api/v1/bags/{qr_code}\",status=\"200\"}",
        "http_request_duration_seconds_bucket{method=\"POST\",route=\"/api/v1/scans\",le=\"0.1\"}",
        "bag_scans_total{kind=\"child\",outcome=\"linked\"}",
        "bag_scans_total{kind=\"child\",outcome=\"unknown_parent\"}",
        "bag_scans_total{kind=\"parent\",outcome=\"opened\"}",
        "scan_writer_batch_scans_bucket",
        "scan_writer_queue_scans",
        "db_pool_size",
        "db_pool_waiting",
    ] {
        assert!(metrics.contains(line), "{line} in\n{metrics}");
    }
    assert!(!metrics.contains("SB12345"), "never a path");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_strangers_the_status_and_people_the_figures() {
    let warehouse = Warehouse::open().await;
    for path in ["/health", "/health/live", "/health/ready"] {
        assert_eq!(warehouse.nobody().get_root(path).await.expect(200).body["status"], "healthy");
    }
    let strangers = warehouse.nobody().get_root("/api/health/detailed").await.expect(200).body;
    assert_eq!(strangers["status"], "healthy");
    assert_eq!(strangers["checks"]["database"], serde_json::json!({"status": "healthy"}));
    assert_eq!(strangers["checks"]["redis"]["status"], "not_configured");
    let admin = warehouse.admin().await;
    let request = admin.client.get(format!("{}/api/health/detailed", warehouse.base_url)).bearer_auth(admin.token.clone().expect("signed in"));
    let figures = Answer::of(request).await.expect(200).body;
    assert!(figures["checks"]["database"]["pool_size"].as_u64().is_some_and(|size| size > 0));
    assert!(figures["checks"]["disk"]["free_gb"].as_f64().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_takes_too_long_is_answered() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    admin.packs("SB12345", ["CB-1".into()]).await;
    // Only the call that has to wait goes to the process with little time: on a slow machine signing in
    // takes longer.
    let impatient = Warehouse::open_on(warehouse.database_url.clone(), |config| config.request_timeout_seconds = 1).await;
    let there = Person { base_url: impatient.base_url.clone(), ..admin.clone() };
    // Somebody holds the parent: a move has to wait for it.
    let held = database::HeldBag::hold(&warehouse.database_url, "SB12345").await;
    let answer = there.put("/bags/CB-1/parent", serde_json::json!({"parent_qr_code": null})).await.problem(503, "timeout");
    assert_eq!(answer.header("retry-after"), "1");
    held.release().await;
    admin.put("/bags/CB-1/parent", serde_json::json!({"parent_qr_code": null})).await.expect(200);
    warehouse.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_goes_away_with_the_database() {
    let warehouse = Warehouse::open().await;
    let database = warehouse.database_url.rsplit('/').next().expect("a name").to_owned();
    let server = warehouse.database_url.replace(&database, "postgres");
    crate::support::database::execute(&server, &format!("DROP DATABASE {database} WITH (FORCE)")).await;
    let nobody = warehouse.nobody();
    crate::support::eventually("it is not ready", async || nobody.get_root("/health/ready").await.status == 503).await;
    assert_eq!(nobody.get_root("/health/ready").await.expect(503).body["status"], "unhealthy");
    warehouse.nobody().get_root("/health/live").await.expect(200);
    let answer = warehouse.nobody().post("/auth/login", serde_json::json!({"username": "admin", "password": "x"})).await;
    assert_eq!((answer.status, answer.code()), (503, "unavailable"));
}
