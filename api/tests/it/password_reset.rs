//! Forgotten passwords.

use serde_json::{Value, json};

use crate::support::mail::{SmtpServer, token_in};
use crate::support::warehouse::{ADMIN_PASSWORD, PASSWORD};
use crate::support::{Answer, Warehouse, database, eventually};

const EMAIL: &str = "Asha@example.com";
const NEW: &str = "Quiet-Warehouse-7";

/// A warehouse whose mails arrive, and in it a biller with an address.
async fn open_with(change: impl FnOnce(&mut traitortrack::config::Config)) -> (Warehouse, SmtpServer) {
    let smtp = SmtpServer::start().await;
    let warehouse = Warehouse::open_with(|config| {
        config.smtp_url = smtp.url();
        config.password_reset_limit_per_hour = 100;
        config.password_reset_limit_per_address = 1_000;
        change(config);
    })
    .await;
    let person = json!({"username": "asha", "email": EMAIL, "password": PASSWORD, "role": "biller"});
    warehouse.admin().await.post("/users", person).await.expect(201);
    (warehouse, smtp)
}

async fn forgets(warehouse: &Warehouse, email: &str) -> Answer {
    warehouse.nobody().post("/auth/password/forgot", json!({"email": email})).await
}

async fn resets(warehouse: &Warehouse, token: &str, password: &str) -> Answer {
    warehouse.nobody().post("/auth/password/reset", json!({"token": token, "new_password": password})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_sets_a_new_password_ends_sessions_and_unlocks() {
    let (warehouse, smtp) = open_with(|_| {}).await;
    let device = warehouse.nobody().signed_in("asha", PASSWORD).await;
    database::execute(
        &warehouse.database_url,
        "UPDATE users SET locked_until = now() + interval '1 hour', failed_sign_ins = 5 WHERE username = 'asha'",
    )
    .await;
    forgets(&warehouse, "asha@EXAMPLE.com").await.expect(202);
    let token = token_in(&smtp.inbox.nth(1).await);
    assert_eq!(token.len(), 43, "32 bytes");
    resets(&warehouse, &token, NEW).await.expect(204);
    device.get("/me").await.problem(401, "session_expired");
    device.act("/auth/refresh").await.problem(401, "session_expired");
    warehouse.nobody().post("/auth/login", json!({"username": "asha", "password": PASSWORD})).await.problem(401, "invalid_credentials");
    warehouse.nobody().signed_in("asha", NEW).await.get("/me").await.expect(200);
    assert!(smtp.inbox.nth(2).await.contains("Subject: Your password was changed"));
    for action in ["password_reset_requested", "password_reset"] {
        let sql = format!("SELECT count(*) AS n FROM audit_logs WHERE action = '{action}' AND actor_name = 'asha' AND ip IS NOT NULL");
        assert_eq!(database::number(&warehouse.database_url, &sql).await, 1, "{action}");
    }
    // Neither the queue nor anything else holds the token or the password.
    for table in ["jobs", "audit_logs", "password_resets"] {
        let sql = format!("SELECT count(*) AS n FROM {table} t WHERE t::text LIKE '%{token}%' OR t::text LIKE '%{NEW}%'");
        assert_eq!(database::number(&warehouse.database_url, &sql).await, 0, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_good_once_and_every_other_one_goes_with_it() {
    let (warehouse, smtp) = open_with(|_| {}).await;
    forgets(&warehouse, EMAIL).await.expect(202);
    let first = token_in(&smtp.inbox.nth(1).await);
    forgets(&warehouse, EMAIL).await.expect(202);
    let second = token_in(&smtp.inbox.nth(2).await);
    assert_ne!(first, second);
    // A weak password does not cost the link.
    let weak = resets(&warehouse, &first, "asha-Asha-1").await.problem(422, "weak_password");
    assert_eq!(weak.body["errors"][0]["pointer"], "/new_password");
    let (one, other) = tokio::join!(resets(&warehouse, &first, NEW), resets(&warehouse, &first, NEW));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 422], "of two at once one wins");
    for token in [first.as_str(), &second, "nonsense", &"x".repeat(43)] {
        resets(&warehouse, token, NEW).await.problem(422, "invalid_reset_token");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_ends_with_its_time_a_changed_password_and_a_changed_address() {
    let (warehouse, smtp) = open_with(|_| {}).await;
    let spoil: [(&str, Option<(&str, Value)>); 3] = [
        ("time", None),
        ("password", Some(("/me/password", json!({"current_password": PASSWORD, "new_password": ADMIN_PASSWORD})))),
        ("address", Some(("/me", json!({"email": "other@example.com"})))),
    ];
    let mut password = PASSWORD;
    let mut mails = 0;
    for (what, call) in spoil {
        forgets(&warehouse, EMAIL).await.expect(202);
        mails += 1;
        let token = token_in(&smtp.inbox.nth(mails).await);
        let asha = warehouse.nobody().signed_in("asha", password).await;
        match call {
            None => database::execute(&warehouse.database_url, "UPDATE password_resets SET expires_at = now() - interval '1 second'").await,
            Some((path @ "/me", body)) => {
                asha.patch(path, body).await.expect(200);
            }
            Some((path, body)) => {
                asha.post(path, body).await.expect(200);
                password = ADMIN_PASSWORD;
                mails += 1;
                smtp.inbox.nth(mails).await;
            }
        }
        let refused = resets(&warehouse, &token, NEW).await;
        assert_eq!((refused.status, refused.code()), (422, "invalid_reset_token"), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_never_tells_whether_the_address_exists() {
    let (warehouse, smtp) = open_with(|_| {}).await;
    let known = forgets(&warehouse, EMAIL).await.expect(202);
    let unknown = forgets(&warehouse, "nobody@example.com").await.expect(202);
    assert_eq!(known.text, unknown.text);
    let names = |answer: &Answer| answer.headers.keys().map(ToString::to_string).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(names(&known), names(&unknown));
    database::execute(&warehouse.database_url, "UPDATE users SET is_active = false WHERE username = 'asha'").await;
    assert_eq!(forgets(&warehouse, EMAIL).await.expect(202).text, known.text);
    // A user name is no address.
    assert_eq!(forgets(&warehouse, "admin").await.expect(202).text, known.text);
    let open = "SELECT count(*) AS n FROM jobs WHERE status <> 'succeeded'";
    eventually("every job is done", async || database::number(&warehouse.database_url, open).await == 0).await;
    assert_eq!(database::number(&warehouse.database_url, "SELECT count(*) AS n FROM jobs WHERE status = 'succeeded'").await, 4);
    assert!(smtp.inbox.all().len() <= 1);
    warehouse.nobody().post("/auth/password/forgot", json!({"email": ""})).await.problem(422, "validation_failed");
    warehouse.nobody().post("/auth/password/forgot", json!({"email": "a\u{0}b"})).await.problem(422, "validation_failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_limited_by_account_known_or_not_and_by_address() {
    let (warehouse, smtp) = open_with(|config| config.password_reset_limit_per_hour = 3).await;
    for email in [EMAIL, "nobody@example.com"] {
        for _ in 0..3 {
            forgets(&warehouse, email).await.expect(202);
        }
        let limited = forgets(&warehouse, email).await.problem(429, "rate_limited");
        assert!(limited.header("retry-after").parse::<u64>().is_ok_and(|seconds| (3_500..=3_600).contains(&seconds)));
    }
    smtp.inbox.nth(3).await;

    let (warehouse, _smtp) = open_with(|config| config.password_reset_limit_per_address = 2).await;
    for n in 0..2 {
        forgets(&warehouse, &format!("{n}@example.com")).await.expect(202);
    }
    forgets(&warehouse, "2@example.com").await.problem(429, "rate_limited");
}
