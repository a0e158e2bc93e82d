//! The web app on another host than the API: CORS, and which pages may use a session.

use reqwest::Method;
use serde_json::json;
use traitortrack::config::{Config, CookieSameSite};

use crate::support::warehouse::ADMIN_PASSWORD;
use crate::support::{Answer, Person, Warehouse, database};

const APP: &str = "https://app.example.com";
const OTHER_APP: &str = "http://localhost:5173";
const FOREIGN: &str = "https://evil.example";

fn allow_apps(config: &mut Config) {
    config.cors_allowed_origins = [APP, OTHER_APP].map(|origin| origin.parse().expect("an origin")).into();
}

/// What a browser asks before it sends a request for a page.
async fn preflight(person: &Person, path: &str, origin: &str, method: &str, headers: &str) -> Answer {
    let request = person
        .request(Method::OPTIONS, path)
        .header("origin", origin)
        .header("access-control-request-method", method)
        .header("access-control-request-headers", headers);
    Answer::of(request).await
}

/// A request for a page of this origin.
async fn for_page(person: &Person, method: Method, path: &str, origin: &str) -> Answer {
    Answer::of(person.request(method, path).header("origin", origin)).await
}

#[track_caller]
fn assert_readable(answer: &Answer, origin: &str) {
    assert_eq!(answer.header("access-control-allow-origin"), origin, "{answer:?}");
    assert_eq!(answer.header("access-control-allow-credentials"), "true");
    assert!(answer.header("vary").contains("Origin"));
    for name in ["etag", "retry-after", "location", "link", "x-request-id", "ratelimit", "content-disposition", "date", "idempotent-replayed"] {
        assert!(answer.header("access-control-expose-headers").split(", ").any(|shown| shown == name), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn preflights_are_answered_for_listed_origins() {
    let warehouse = Warehouse::open_with(allow_apps).await;
    let nobody = warehouse.nobody();
    for origin in [APP, OTHER_APP] {
        for (path, method, headers) in [
            ("/auth/login", "POST", "content-type"),
            ("/scans", "POST", "authorization,content-type,idempotency-key"),
            ("/bags/SB12345", "PATCH", "authorization,content-type,if-match,x-request-id"),
            ("/bags/SB12345/parent", "PUT", "authorization,content-type"),
            ("/users/1", "DELETE", "authorization,if-match"),
            ("/me", "GET", "authorization,if-none-match,traceparent"),
        ] {
            let answer = preflight(&nobody, path, origin, method, headers).await.expect(200);
            assert_eq!(answer.header("access-control-allow-origin"), origin);
            assert_eq!(answer.header("access-control-allow-credentials"), "true");
            assert!(answer.header("access-control-allow-methods").split(", ").any(|allowed| allowed == method), "{method}");
            assert_eq!(answer.header("access-control-max-age"), "7200");
            assert!(answer.header("vary").contains("Origin"));
        }
    }
    for (origin, method, headers) in
        [(FOREIGN, "POST", "content-type"), ("null", "POST", "content-type"), (APP, "TRACE", "content-type"), (APP, "POST", "x-made-up")]
    {
        let refused = preflight(&nobody, "/scans", origin, method, headers).await.problem(403, "origin_not_allowed");
        assert_eq!(refused.header("access-control-allow-origin"), "", "{origin} {method} {headers}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn preflights_cost_nothing_of_a_limit() {
    let warehouse = Warehouse::open_with(|config| {
        allow_apps(config);
        config.sign_in_limit_per_minute = 2;
        config.scan_limit_per_minute = 2;
    })
    .await;
    let nobody = warehouse.nobody();
    for _ in 0..10 {
        preflight(&nobody, "/auth/login", APP, "POST", "content-type").await.expect(200);
        preflight(&nobody, "/scans", APP, "POST", "content-type").await.expect(200);
    }
    let wrong = json!({"username": "admin", "password": "Wrong-Horse7"});
    let statuses = [nobody.post("/auth/login", wrong.clone()).await.status, nobody.post("/auth/login", wrong.clone()).await.status];
    assert_eq!(statuses, [401, 401]);
    let limited = Answer::of(nobody.request(Method::POST, "/auth/login").json(&wrong).header("origin", APP)).await.problem(429, "rate_limited");
    assert_readable(&limited, APP);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_and_refusals_can_be_read_by_listed_pages_only() {
    let warehouse = Warehouse::open_with(allow_apps).await;
    let admin = warehouse.admin().await;
    assert_readable(&for_page(&admin, Method::GET, "/me", APP).await.expect(200), APP);
    assert_readable(&for_page(&admin, Method::GET, "/me", OTHER_APP).await.expect(200), OTHER_APP);
    assert_readable(&for_page(&warehouse.nobody(), Method::GET, "/me", APP).await.problem(401, "missing_token"), APP);
    assert_readable(&for_page(&admin, Method::GET, "/bags/SB99999", APP).await.problem(404, "bag_not_found"), APP);
    assert_readable(&for_page(&admin, Method::DELETE, "/scans", APP).await.problem(405, "method_not_allowed"), APP);
    let key = Person { token: Some("ttk_nonsense".into()), cookie: None, ..warehouse.nobody() };
    assert_readable(&for_page(&key, Method::GET, "/me", APP).await.problem(401, "invalid_token"), APP);

    // Cut off by a middleware.
    admin.packs("SB12345", ["CB-1".into()]).await;
    // Only the call that has to wait goes to the process with little time.
    let impatient = |config: &mut Config| {
        allow_apps(config);
        config.request_timeout_seconds = 1;
    };
    let impatient = Warehouse::open_on(warehouse.database_url.clone(), impatient).await;
    let there = Person { base_url: impatient.base_url.clone(), ..admin.clone() };
    let held = database::HeldBag::hold(&warehouse.database_url, "SB12345").await;
    let slow = there.request(Method::PUT, "/bags/CB-1/parent").header("origin", APP).json(&json!({"parent_qr_code": null}));
    assert_readable(&Answer::of(slow).await.problem(503, "timeout"), APP);
    held.release().await;

    for origin in [FOREIGN, "null", "https://app.example.com.evil.example", "http://app.example.com"] {
        let answer = for_page(&admin, Method::GET, "/me", origin).await.expect(200);
        assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
        assert!(answer.header("vary").contains("Origin"));
    }
    // A cache must not give one page's answer to another, and an answer without an origin to neither.
    let plain = admin.get("/me").await.expect(200);
    assert_eq!(plain.header("access-control-allow-origin"), "");
    assert!(plain.header("vary").contains("Origin"));
    assert_eq!(plain.header("cross-origin-resource-policy"), "", "would keep other hosts' pages from what they may read");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_setting_there_is_no_cors() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    preflight(&admin, "/scans", APP, "POST", "content-type").await.problem(405, "method_not_allowed");
    let answer = for_page(&admin, Method::GET, "/me", APP).await.expect(200);
    for name in ["access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers"] {
        assert_eq!(answer.header(name), "", "{name}");
    }
    assert!(!answer.header("vary").contains("Origin"));
}

/// The cookie comes along whatever page makes the browser send it, once SameSite does not keep it back.
#[tokio::test(flavor = "multi_thread")]
async fn foreign_pages_can_neither_refresh_nor_end_a_session() {
    let warehouse = Warehouse::open_with(allow_apps).await;
    let mut admin = warehouse.admin().await;
    for path in ["/auth/refresh", "/auth/logout"] {
        for origin in [FOREIGN, "null", "http://app.example.com", "http://127.0.0.1:1"] {
            let refused = for_page(&admin, Method::POST, path, origin).await.problem(403, "origin_not_allowed");
            assert!(refused.headers.get("set-cookie").is_none());
        }
    }
    let own = admin.base_url.clone();
    for origin in [APP, OTHER_APP, own.as_str()] {
        let refreshed = for_page(&admin, Method::POST, "/auth/refresh", origin).await.expect(200);
        admin.keep_tokens(&refreshed);
    }
    assert_readable(&for_page(&admin, Method::POST, "/auth/logout", APP).await.expect(204), APP);
    assert_readable(&for_page(&admin, Method::POST, "/auth/refresh", APP).await.problem(401, "session_expired"), APP);
}

/// Behind a proxy that does not pass `Host` on, the address that people use is the one of the settings.
#[tokio::test(flavor = "multi_thread")]
async fn pages_of_the_public_address_are_the_servers_own() {
    let warehouse = Warehouse::open_with(|config| config.public_url = Some("https://tracking.example.com/app/".into())).await;
    let admin = warehouse.admin().await;
    for_page(&admin, Method::POST, "/auth/refresh", "https://other.example.com").await.problem(403, "origin_not_allowed");
    for_page(&admin, Method::POST, "/auth/refresh", "https://tracking.example.com").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_follows_the_rule_of_the_settings() {
    for (rule, written) in [(CookieSameSite::Strict, "Strict"), (CookieSameSite::Lax, "Lax"), (CookieSameSite::None, "None")] {
        let warehouse = Warehouse::open_with(|config| config.cookie_same_site = rule).await;
        let answer = warehouse.nobody().post("/auth/login", json!({"username": "admin", "password": ADMIN_PASSWORD})).await.expect(200);
        let cookie = answer.header("set-cookie");
        assert!(cookie.contains(&format!("SameSite={written}")) && cookie.contains("Secure") && cookie.contains("HttpOnly"), "{cookie}");
        assert_eq!(cookie.contains("Partitioned"), rule == CookieSameSite::None, "{cookie}");
    }
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let mut config = Config::defaults();
    config.cookie_same_site = CookieSameSite::None;
    assert!(config.check().is_ok());
    config.cookie_secure = false;
    assert!(config.check().unwrap_err().contains("COOKIE_SECURE"));
}

/// As an operator meets it: the start ends with a sentence that names the setting.
#[test]
fn wrong_settings_end_the_start() {
    for (variable, value, sentence) in [
        ("BASE_PATH", "tracking", "start with a slash"),
        ("BASE_PATH", "/tracking/", "remove the trailing slash"),
        ("BASE_PATH", "/a b", "use letters"),
        ("BASE_PATH", "/api", "choose another path"),
        ("CORS_ALLOWED_ORIGINS", "*", "patterns are not supported"),
        ("CORS_ALLOWED_ORIGINS", "https://a.example,https://b.example/", "use the format that browsers send: https://b.example"),
        ("COOKIE_SAME_SITE", "sometimes", "possible values: strict, lax, none"),
    ] {
        let started = std::process::Command::new(env!("CARGO_BIN_EXE_api")).arg("serve").env(variable, value).output().expect("the binary runs");
        let said = String::from_utf8_lossy(&started.stderr);
        assert!(!started.status.success() && said.contains(sentence), "{variable}={value}: {said}");
    }
}
