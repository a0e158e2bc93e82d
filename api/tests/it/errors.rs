//! Whatever is wrong with a request, the answer is a problem, and nothing is written.

use reqwest::Method;
use serde_json::json;
use traitortrack::error::{ErrorCode, errors_markdown};

use crate::support::{Answer, Warehouse, database};

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_not_what_they_should_be() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    let send = async |content_type: &str, body: Vec<u8>| {
        let request = admin.request(Method::POST, "/scans").header("content-type", content_type).body(body);
        Answer::of(request).await
    };
    let scan = br#"{"qr_code":"SB12345"}"#.to_vec();
    send("text/plain", scan.clone()).await.problem(415, "unsupported_media_type");
    send("application/x-www-form-urlencoded", scan.clone()).await.problem(415, "unsupported_media_type");
    Answer::of(admin.request(Method::POST, "/scans").body(scan.clone())).await.problem(415, "unsupported_media_type");
    for broken in [&b""[..], b"{", b"{\"qr_code\":", b"\xff\xfe", b"{\"qr_code\":\"SB12345\"} trailing", b"{'qr_code':'SB12345'}"] {
        send("application/json", broken.to_vec()).await.problem(400, "malformed_json");
    }
    for wrong in [&b"[]"[..], b"null", b"\"SB12345\"", b"7", b"{}", b"{\"qr_code\":\"SB12345\",\"qr_code\":\"SB12346\"}"] {
        send("application/json", wrong.to_vec()).await.problem(422, "validation_failed");
    }
    let ten_megabytes = format!("{{\"qr_code\":\"{}\"}}", "A".repeat(10 * 1024 * 1024)).into_bytes();
    let request = admin.request(Method::POST, "/scans").header("content-type", "application/json").body(ten_megabytes);
    // The server may answer and close before all of it is sent; what arrives must be the problem.
    if let Ok(response) = request.send().await {
        assert_eq!(response.status(), 413);
    }
    let hundred_kilobytes = format!("{{\"qr_code\":\"{}\"}}", "A".repeat(100 * 1024)).into_bytes();
    send("application/json", hundred_kilobytes).await.problem(413, "payload_too_large");
    assert_eq!(database::number(&warehouse.database_url, "SELECT count(*) AS n FROM scans").await, 0);
    send("application/json; charset=utf-8", scan).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_addresses_and_wrong_methods() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    admin.get("/no-such-thing").await.problem(404, "not_found");
    admin.get("/bags/SB12345/no-such-thing").await.problem(404, "not_found");
    for (method, path, allowed) in [
        (Method::DELETE, "/scans", "GET, POST"),
        (Method::PATCH, "/bags/SB12345/children", "GET"),
        (Method::GET, "/auth/login", "POST"),
        (Method::POST, "/stats", "GET"),
    ] {
        let answer = Answer::of(admin.request(method, path)).await;
        let answer = answer.problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), allowed, "{path}");
    }
    warehouse.nobody().get_root("/api/v2/bags").await.problem(404, "not_found");
    warehouse.nobody().get_root("/wp-login.php").await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_requests_is_limited_per_caller() {
    let warehouse = Warehouse::open_with(|config| {
        config.request_limit_per_minute = 5;
        config.scan_limit_per_minute = 3;
    })
    .await;
    let admin = warehouse.admin().await;
    for _ in 0..5 {
        admin.get("/me").await.expect(200);
    }
    let limited = admin.get("/me").await.problem(429, "rate_limited");
    assert!(limited.header("retry-after").parse::<u64>().is_ok());
    for _ in 0..3 {
        admin.scans("SB12345").await.expect(201);
    }
    admin.scans("SB12345").await.problem(429, "rate_limited");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_says_try_again() {
    let warehouse = Warehouse::open_with(|config| config.scan_queue_size = 1).await;
    let packer = warehouse.packer("Lucknow").await;
    let answers = futures_util::future::join_all((0..40).map(|n| {
        let packer = &packer;
        async move { packer.scans(&format!("SB{n:05}")).await }
    }))
    .await;
    assert!(answers.iter().any(|answer| answer.status == 201));
    for busy in answers.into_iter().filter(|answer| answer.status != 201) {
        let busy = busy.problem(503, "unavailable");
        assert_eq!(busy.header("retry-after"), "1");
    }
    let batch = json!({"scans": [{"qr_code": "SB77777"}, {"qr_code": "SB77778"}]});
    packer.post("/scans/batch", batch).await.expect(200);
    warehouse.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_problem_has_a_page() {
    let warehouse = Warehouse::open().await;
    for code in ErrorCode::ALL {
        let page = warehouse.nobody().get_root(&format!("/problems/{}", code.as_str())).await.expect(200);
        assert!(page.text.contains(code.title()));
    }
    warehouse.nobody().get_root("/problems/nonsense").await.problem(404, "not_found");
}

#[test]
fn codes_are_unique_and_documented() {
    let mut codes: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    codes.sort_unstable();
    let all = codes.len();
    codes.dedup();
    assert_eq!(codes.len(), all);
    let documented = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors.md")).expect("docs/errors.md");
    assert_eq!(documented, errors_markdown(), "run `make openapi`");
}
