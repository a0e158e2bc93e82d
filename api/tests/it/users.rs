//! Listing and creating users.

use serde_json::json;

use crate::support::warehouse::{ADMIN_PASSWORD, PASSWORD};
use crate::support::{Answer, Person, Warehouse};

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_creates_a_packer_who_can_sign_in() {
    let warehouse = Warehouse::open().await;
    let body = json!({"username": "asha", "password": PASSWORD, "role": "dispatcher", "dispatch_area": "lucknow", "email": "asha@example.com"});
    let created = warehouse.admin().await.post("/users", body).await.expect(201);
    assert_eq!(created.header("location"), format!("/api/v1/users/{}", created.body["id"]));
    assert_eq!(created.body["dispatch_area"], "Lucknow");
    assert_eq!(created.body["version"], 1);
    let asha = warehouse.nobody().signed_in("asha", PASSWORD).await;
    assert_eq!(asha.get("/me").await.expect(200).body["dispatch_area"], "Lucknow");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_admins_see_and_create_users() {
    let warehouse = Warehouse::open().await;
    let body = json!({"username": "asha", "password": PASSWORD, "role": "admin"});
    for person in [warehouse.packer("Lucknow").await, warehouse.biller().await] {
        person.get("/users").await.problem(403, "forbidden");
        person.post("/users", body.clone()).await.problem(403, "forbidden");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_field_is_named_and_nothing_is_created() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    let good = json!({"username": "asha", "password": PASSWORD, "role": "dispatcher", "dispatch_area": "Lucknow"});
    let cases = [
        ("username", json!(""), "validation_failed"),
        ("username", json!("a".repeat(65)), "validation_failed"),
        ("username", json!("a b"), "validation_failed"),
        ("username", json!("a\u{0}b"), "validation_failed"),
        ("username", json!(7), "validation_failed"),
        ("username", json!(null), "validation_failed"),
        ("role", json!("king"), "validation_failed"),
        ("email", json!("not an address"), "validation_failed"),
        ("dispatch_area", json!("Atlantis"), "validation_failed"),
        ("dispatch_area", json!("%"), "validation_failed"),
        ("dispatch_area", json!("a\u{0}"), "validation_failed"),
        ("dispatch_area", json!(null), "validation_failed"),
        ("password", json!("short"), "weak_password"),
        ("nickname", json!("x"), "validation_failed"),
    ];
    for (field, value, code) in cases {
        let mut body = good.clone();
        body[field] = value.clone();
        let refused = admin.post("/users", body).await.problem(422, code);
        assert_eq!(refused.body["errors"][0]["pointer"], format!("/{field}"), "{field} = {value}");
    }
    assert_eq!(admin.get("/users").await.expect(200).rows().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_addresses_are_unique_whatever_the_case() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    let user = |name: &str, email: &str| json!({"username": name, "password": PASSWORD, "role": "biller", "email": email});
    admin.post("/users", user("asha", "asha@example.com")).await.expect(201);
    admin.post("/users", user("ASHA", "other@example.com")).await.problem(409, "username_taken");
    admin.post("/users", user("other", "ASHA@example.com")).await.problem(409, "email_taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_pages_and_filters() {
    let warehouse = Warehouse::open().await;
    for _ in 0..4 {
        warehouse.packer("Jaipur").await;
    }
    let admin = warehouse.admin().await;
    let first = admin.get("/users?limit=3").await.expect(200);
    assert_eq!((first.rows().len(), first.body["has_more"].as_bool()), (3, Some(true)));
    assert!(first.header("link").contains("rel=\"next\""));
    let cursor = first.body["next_cursor"].as_str().expect("a cursor");
    let second = admin.get(&format!("/users?limit=3&cursor={cursor}")).await.expect(200);
    assert_eq!((second.rows().len(), second.body["has_more"].as_bool()), (2, Some(false)));
    assert!(second.body["next_cursor"].is_null());
    admin.get(&format!("/users?role=admin&cursor={cursor}")).await.problem(400, "invalid_cursor");
    admin.get("/users?cursor=forged").await.problem(400, "invalid_cursor");
    admin.get("/users?limit=0").await.problem(400, "invalid_query");
    admin.get("/users?limit=201").await.problem(400, "invalid_query");
    admin.get("/users?colour=red").await.problem(400, "invalid_query");
    assert_eq!(admin.get("/users?q=DISPATCHER-2").await.expect(200).rows().len(), 1);
    assert_eq!(admin.get("/users?role=admin").await.expect(200).rows().len(), 1);
    assert_eq!(admin.get("/users?q=%25").await.expect(200).rows().len(), 0);
    assert_eq!(admin.get("/users?q=a%00dmin").await.expect(200).rows().len(), 1);
}

async fn sign_in(warehouse: &Warehouse, username: &str, password: &str) -> (Person, Answer) {
    let mut person = warehouse.nobody();
    let answer = person.post("/auth/login", json!({"username": username, "password": password})).await.expect(200);
    person.keep_tokens(&answer);
    (person, answer)
}

/// Signs in with a password that must be changed: nothing else works before that.
async fn changes_password(warehouse: &Warehouse, username: &str, from: &str, to: &str) -> Person {
    let (mut person, answer) = sign_in(warehouse, username, from).await;
    assert_eq!(answer.body["user"]["password_change_required"], true, "{username}");
    for path in ["/me", "/me/data", "/me/sessions", "/bags", "/stats", "/scans", "/events", "/notifications", "/users"] {
        person.get(path).await.problem(403, "password_change_required");
    }
    person.scans("SB12345").await.problem(403, "password_change_required");
    person.act("/me/2fa/setup").await.problem(403, "password_change_required");
    // A refreshed token says the same.
    let refreshed = person.act("/auth/refresh").await.expect(200);
    person.keep_tokens(&refreshed);
    person.get("/me").await.problem(403, "password_change_required");
    person.post("/me/password", json!({"current_password": from, "new_password": from})).await.problem(422, "weak_password");
    let changed = person.post("/me/password", json!({"current_password": from, "new_password": to})).await.expect(200);
    assert_eq!(changed.body["user"]["password_change_required"], false);
    person.keep_tokens(&changed);
    assert_eq!(person.get("/me").await.expect(200).body["password_change_required"], false);
    person
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_an_admin_sets_is_changed_at_the_next_sign_in() {
    let warehouse = Warehouse::open_with(|config| config.require_password_change = true).await;
    let admin = warehouse.admin().await;
    for (username, role, area) in [("asha", "dispatcher", Some("Lucknow")), ("shanti", "biller", None), ("second", "admin", None)] {
        let body = json!({"username": username, "password": PASSWORD, "role": role, "dispatch_area": area});
        let created = admin.post("/users", body).await.expect(201);
        assert_eq!(created.body["password_change_required"], true, "{role}");
        let person = changes_password(&warehouse, username, PASSWORD, "Chosen-By-Me-1").await;
        person.get("/bags").await.expect(200);
        sign_in(&warehouse, username, "Chosen-By-Me-1").await.0.get("/bags").await.expect(200);

        // Another one, for a person who has forgotten theirs.
        let path = format!("/users/{}", created.body["id"]);
        admin.post(&format!("{path}/password"), json!({"new_password": "Given-Again-22"})).await.expect(204);
        person.get("/bags").await.problem(401, "session_expired");
        assert_eq!(admin.get(&path).await.expect(200).body["password_change_required"], true);
        changes_password(&warehouse, username, "Given-Again-22", "Chosen-By-Me-3").await.get("/bags").await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_people_choose_themselves_stays() {
    let warehouse = Warehouse::open_with(|config| config.require_password_change = true).await;
    let admin = warehouse.admin().await;
    let id = admin.get("/me").await.expect(200).body["id"].clone();
    admin.post(&format!("/users/{id}/password"), json!({"new_password": PASSWORD})).await.expect(204);
    let (admin, answer) = sign_in(&warehouse, "admin", PASSWORD).await;
    assert_eq!(answer.body["user"]["password_change_required"], false);
    let changed = admin.post("/me/password", json!({"current_password": PASSWORD, "new_password": ADMIN_PASSWORD})).await.expect(200);
    assert_eq!(changed.body["user"]["password_change_required"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_system_can_do_without_the_change() {
    let strict = Warehouse::open_with(|config| config.require_password_change = true).await;
    let shared = Warehouse::open_on(strict.database_url.clone(), |config| config.require_password_change = false).await;
    let admin = strict.admin().await;
    let there = Person { base_url: shared.base_url.clone(), ..admin.clone() };
    let body = |name: &str| json!({"username": name, "password": PASSWORD, "role": "biller"});
    let asha = admin.post("/users", body("asha")).await.expect(201).body;
    assert_eq!(there.post("/users", body("ravi")).await.expect(201).body["password_change_required"], false);
    assert_eq!(sign_in(&shared, "ravi", PASSWORD).await.1.body["user"]["password_change_required"], false);
    // What was demanded before is taken back with the next password.
    assert_eq!(sign_in(&shared, "asha", PASSWORD).await.1.body["user"]["password_change_required"], true);
    there.post(&format!("/users/{}/password", asha["id"]), json!({"new_password": "Given-Again-22"})).await.expect(204);
    assert_eq!(sign_in(&shared, "asha", "Given-Again-22").await.1.body["user"]["password_change_required"], false);
}
