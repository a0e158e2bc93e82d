//! Signing in and out, sessions, tokens.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::warehouse::{ADMIN_PASSWORD, PASSWORD};
use crate::support::{Person, Warehouse, database, eventually};

async fn sign_in(person: &Person, username: &str, password: &str) -> crate::support::Answer {
    person.post("/auth/login", json!({"username": username, "password": password})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_gives_a_token_and_a_cookie_that_scripts_cannot_read() {
    let usual = traitortrack::config::Config::defaults().access_token_seconds;
    let warehouse = Warehouse::open_with(|config| config.access_token_seconds = usual).await;
    let answer = sign_in(&warehouse.nobody(), "Admin", ADMIN_PASSWORD).await.expect(200);
    assert_eq!(answer.body["token_type"], "Bearer");
    assert_eq!(answer.body["expires_in_seconds"], 900);
    assert_eq!(answer.body["user"]["role"], "admin");
    assert!(answer.body["user"].get("password_hash").is_none());
    let cookie = answer.header("set-cookie");
    for attribute in ["HttpOnly", "Secure", "SameSite=Strict", "Path=/api/v1/auth"] {
        assert!(cookie.contains(attribute), "{attribute} in {cookie}");
    }
    assert_eq!(answer.header("cache-control"), "no-store");
    let me = warehouse.admin().await.get("/me").await.expect(200);
    assert_eq!(me.body["username"], "admin");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_sign_in_by_email_too() {
    let warehouse = Warehouse::open().await;
    let body = json!({"username": "vikram", "email": "Vikram@example.com", "password": PASSWORD, "role": "biller"});
    warehouse.admin().await.post("/users", body).await.expect(201);
    sign_in(&warehouse.nobody(), "vikram@EXAMPLE.com", PASSWORD).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_name_and_a_wrong_password_look_the_same() {
    let warehouse = Warehouse::open().await;
    let nobody = warehouse.nobody();
    let mut wrong_name = sign_in(&nobody, "no-such-person", ADMIN_PASSWORD).await.problem(401, "invalid_credentials").body;
    let mut wrong_password = sign_in(&nobody, "admin", "Wrong-Horse7").await.problem(401, "invalid_credentials").body;
    for body in [&mut wrong_name, &mut wrong_password] {
        body["request_id"] = Value::Null;
    }
    assert_eq!(wrong_name, wrong_password);
    sign_in(&nobody, "admin'; DROP TABLE users; --", "x").await.problem(401, "invalid_credentials");
}

#[tokio::test(flavor = "multi_thread")]
async fn five_wrong_passwords_lock_the_account_even_for_the_right_one() {
    let warehouse = Warehouse::open().await;
    warehouse.packer("Lucknow").await;
    let nobody = warehouse.nobody();
    for _ in 0..5 {
        sign_in(&nobody, "dispatcher-0", "Wrong-Horse7").await.problem(401, "invalid_credentials");
    }
    let locked = sign_in(&nobody, "dispatcher-0", PASSWORD).await.problem(423, "account_locked");
    let seconds: u64 = locked.header("retry-after").parse().expect("seconds");
    assert!((1..=901).contains(&seconds));
    sign_in(&nobody, "admin", ADMIN_PASSWORD).await.expect(200);

    database::execute(&warehouse.database_url, "UPDATE failed_attempts SET blocked_until = now() - interval '1 second'").await;
    sign_in(&nobody, "dispatcher-0", "Wrong-Horse7").await.problem(401, "invalid_credentials");
    sign_in(&nobody, "dispatcher-0", PASSWORD).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_account_looks_like_an_unknown_one() {
    let warehouse = Warehouse::open().await;
    warehouse.packer("Lucknow").await;
    database::execute(&warehouse.database_url, "UPDATE users SET is_active = false WHERE username = 'dispatcher-0'").await;
    sign_in(&warehouse.nobody(), "dispatcher-0", PASSWORD).await.problem(401, "invalid_credentials");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_when_idle_too_long_and_after_their_longest_time() {
    let warehouse = Warehouse::open().await;
    for column in ["idle_expires_at", "expires_at"] {
        let packer = warehouse.packer("Lucknow").await;
        database::execute(&warehouse.database_url, &format!("UPDATE sessions SET {column} = now() - interval '1 second'")).await;
        packer.act("/auth/refresh").await.problem(401, "session_expired");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_the_session_at_once() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    let out = packer.act("/auth/logout").await.expect(204);
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    packer.get("/me").await.problem(401, "session_expired");
    packer.act("/auth/refresh").await.problem(401, "session_expired");
    warehouse.nobody().act("/auth/logout").await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_everywhere_ends_every_session() {
    let warehouse = Warehouse::open().await;
    let phone = warehouse.packer("Lucknow").await;
    let desktop = warehouse.nobody().signed_in("dispatcher-0", PASSWORD).await;
    phone.act("/auth/logout-all").await.expect(204);
    for device in [phone, desktop] {
        device.get("/me").await.problem(401, "session_expired");
        device.act("/auth/refresh").await.problem(401, "session_expired");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_learns_of_a_revoked_session_within_seconds() {
    let one = Warehouse::open().await;
    let other = Warehouse::open_on(one.database_url.clone(), |_| {}).await;
    let packer = one.packer("Lucknow").await;
    let elsewhere = Person { base_url: other.base_url.clone(), ..packer.clone() };
    elsewhere.get("/me").await.expect(200);
    packer.act("/auth/logout").await.expect(204);
    eventually("the other process refuses the token", async || elsewhere.get("/me").await.status == 401).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_made_password_must_be_changed_before_anything_else() {
    let warehouse = Warehouse::open().await;
    database::execute(&warehouse.database_url, "UPDATE users SET password_change_required = true WHERE username = 'admin'").await;
    let mut admin = warehouse.nobody();
    let answer = sign_in(&admin, "admin", ADMIN_PASSWORD).await.expect(200);
    assert_eq!(answer.body["user"]["password_change_required"], true);
    admin.keep_tokens(&answer);
    for path in ["/me", "/users", "/bags", "/stats", "/scans"] {
        admin.get(path).await.problem(403, "password_change_required");
    }
    admin.scans("SB12345").await.problem(403, "password_change_required");
    let changed = admin.post("/me/password", json!({"current_password": ADMIN_PASSWORD, "new_password": PASSWORD})).await.expect(200);
    assert_eq!(changed.body["user"]["password_change_required"], false);
    admin.get("/me").await.problem(401, "session_expired");
    admin.keep_tokens(&changed);
    admin.get("/users").await.expect(200);
    sign_in(&warehouse.nobody(), "admin", ADMIN_PASSWORD).await.problem(401, "invalid_credentials");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_changed_only_with_the_old_one_and_to_a_good_one() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    let change = async |current: &str, new: &str| packer.post("/me/password", json!({"current_password": current, "new_password": new})).await;
    change("Wrong-Horse7", ADMIN_PASSWORD).await.problem(401, "invalid_credentials");
    let weak = change(PASSWORD, "password").await.problem(422, "weak_password");
    assert_eq!(weak.body["errors"][0]["pointer"], "/new_password");
    assert!(!weak.text.contains("\"password\""), "the password is not echoed: {}", weak.text);
    change(PASSWORD, PASSWORD).await.problem(422, "weak_password");
}

fn unsigned(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(&json!({"alg": "none", "typ": "JWT"})), part(claims))
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_missing_forged_unsigned_or_expired_are_refused() {
    let warehouse = Warehouse::open_with(|config| config.access_token_seconds = 1).await;
    let mut admin = warehouse.admin().await;
    let good = admin.token.clone().expect("signed in");
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(good.split('.').nth(1).expect("claims")).expect("base64")).expect("JSON");

    let missing = warehouse.nobody().get("/me").await.problem(401, "missing_token");
    assert_eq!(missing.header("www-authenticate"), "Bearer");
    let mut forged_claims = claims.clone();
    forged_claims["sub"] = "2".into();
    let mut parts: Vec<String> = good.split('.').map(str::to_owned).collect();
    parts[1] = URL_SAFE_NO_PAD.encode(forged_claims.to_string());
    for token in [parts.join("."), unsigned(&claims), format!("{good}x"), "x.y.z".into(), String::new(), "ttk_unknown".into()] {
        admin.token = Some(token);
        let refused = admin.get("/me").await.problem(401, "invalid_token");
        assert!(refused.header("www-authenticate").contains("invalid_token"));
        admin.scans("SB12345").await.problem(401, "invalid_token");
    }
    admin.token = Some(good);
    // One second of life, and five for clocks that differ.
    tokio::time::sleep(std::time::Duration::from_millis(7_100)).await;
    admin.get("/me").await.problem(401, "token_expired");
    assert_eq!(database::number(&warehouse.database_url, "SELECT count(*) AS n FROM scans").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_ins_of_one_address_are_limited() {
    let warehouse = Warehouse::open_with(|config| config.sign_in_limit_per_minute = 3).await;
    for _ in 0..3 {
        sign_in(&warehouse.nobody(), "nobody", "x").await.problem(401, "invalid_credentials");
    }
    let limited = sign_in(&warehouse.nobody(), "nobody", "x").await.problem(429, "rate_limited");
    assert!(limited.header("retry-after").parse::<u64>().expect("seconds") >= 1);
    warehouse.nobody().get("/me").await.problem(401, "missing_token");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_security_event_is_audited_without_secrets() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    sign_in(&warehouse.nobody(), "dispatcher-0", "Wrong-Horse7").await.problem(401, "invalid_credentials");
    packer.act("/auth/logout").await.expect(204);
    for action in ["user_created", "sign_in_ok", "sign_in_failed", "sign_out"] {
        let sql = format!(
            "SELECT count(*) AS n FROM audit_logs WHERE action = '{action}' AND (actor_id IS NULL OR (ip IS NOT NULL AND request_id IS NOT NULL))"
        );
        assert!(database::number(&warehouse.database_url, &sql).await >= 1, "{action}");
    }
    let secrets = database::number(
        &warehouse.database_url,
        "SELECT count(*) AS n FROM audit_logs WHERE audit_logs::text ~* '(argon2|Battery-Staple|Wrong-Horse)'",
    )
    .await;
    assert_eq!(secrets, 0);
}
