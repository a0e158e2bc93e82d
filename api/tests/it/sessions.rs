//! One's own account and sessions.

use reqwest::Method;
use serde_json::json;

use crate::support::warehouse::PASSWORD;
use crate::support::{Answer, Person, Warehouse, database};

/// Signs in with a device that names itself.
async fn device(warehouse: &Warehouse, username: &str, name: &str) -> Person {
    let nobody = warehouse.nobody();
    let request = nobody.request(Method::POST, "/auth/login").header("user-agent", name).json(&json!({"username": username, "password": PASSWORD}));
    let mut person = nobody.clone();
    person.keep_tokens(&Answer::of(request).await.expect(200));
    person
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_with_device_and_address_and_can_be_ended() {
    let warehouse = Warehouse::open().await;
    warehouse.packer("Lucknow").await;
    let phone = device(&warehouse, "dispatcher-0", "Old phone").await;
    let desktop = device(&warehouse, "dispatcher-0", "Desktop").await;
    let list = desktop.get("/me/sessions").await.expect(200);
    assert_eq!(list.rows().len(), 3);
    let named = |name: &str| list.rows().iter().find(|row| row["device"] == name).cloned().unwrap_or_else(|| panic!("{name} in {}", list.text));
    assert_eq!((&named("Desktop")["is_current"], &named("Old phone")["is_current"]), (&json!(true), &json!(false)));
    assert_eq!(named("Old phone")["ip"], "127.0.0.1");
    for field in ["created_at", "last_used_at", "expires_at"] {
        assert!(named("Old phone")[field].is_string(), "{field}");
    }
    assert!(!list.text.contains("token"));

    let path = format!("/me/sessions/{}", named("Old phone")["id"].as_str().expect("an id"));
    // Nobody else's.
    warehouse.admin().await.delete(&path).await.problem(404, "session_not_found");
    desktop.delete(&path).await.expect(204);
    phone.get("/me").await.problem(401, "session_expired");
    phone.act("/auth/refresh").await.problem(401, "session_expired");
    desktop.delete(&path).await.problem(404, "session_not_found");
    desktop.delete("/me/sessions/nonsense").await.problem(404, "session_not_found");
    assert_eq!(desktop.get("/me/sessions").await.expect(200).rows().len(), 2);

    let current = format!("/me/sessions/{}", named("Desktop")["id"].as_str().expect("an id"));
    desktop.delete(&current).await.expect(204);
    desktop.get("/me").await.problem(401, "session_expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_have_ended_are_not_listed() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    for column in ["idle_expires_at", "expires_at", "revoked_at"] {
        device(&warehouse, "dispatcher-0", column).await;
        database::execute(
            &warehouse.database_url,
            &format!("UPDATE sessions SET {column} = now() - interval '1 second' WHERE user_agent = '{column}'"),
        )
        .await;
    }
    assert_eq!(packer.get("/me/sessions").await.expect(200).rows().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_change_their_own_address_and_language() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    let changed = packer.patch("/me", json!({"email": "asha@example.com"})).await.expect(200).body;
    assert_eq!((changed["email"].as_str(), changed["language"].as_str()), (Some("asha@example.com"), Some("en")));
    let request = packer.request(Method::PATCH, "/me").header("content-type", "application/merge-patch+json").body(r#"{"language": "hi"}"#);
    let changed = Answer::of(request).await.expect(200).body;
    assert_eq!((changed["email"].as_str(), changed["language"].as_str()), (Some("asha@example.com"), Some("hi")), "what is absent stays");
    assert_eq!(packer.patch("/me", json!({})).await.expect(200).body["version"], changed["version"]);
    assert_eq!(packer.patch("/me", json!({"email": null})).await.expect(200).body["email"], json!(null));
    let audited = "SELECT count(*) AS n FROM audit_logs WHERE action = 'user_changed' AND before IS NOT NULL AND after IS NOT NULL";
    assert_eq!(database::number(&warehouse.database_url, audited).await, 3);

    let taken = json!({"username": "vikram", "email": "vikram@example.com", "password": PASSWORD, "role": "biller"});
    warehouse.admin().await.post("/users", taken).await.expect(201);
    packer.patch("/me", json!({"email": "Vikram@Example.com"})).await.problem(409, "email_taken");
    for (body, pointer) in [
        (json!({"email": "nonsense"}), "/email"),
        (json!({"language": "fr"}), "/language"),
        (json!({"role": "admin"}), "/role"),
        (json!({"username": "boss"}), "/username"),
    ] {
        let refused = packer.patch("/me", body).await.problem(422, "validation_failed");
        assert_eq!(refused.body["errors"][0]["pointer"], pointer, "{}", refused.text);
    }
    warehouse.nobody().patch("/me", json!({})).await.problem(401, "missing_token");
}
