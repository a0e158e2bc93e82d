//! Listing and creating users.

use serde_json::json;

use crate::support::Warehouse;
use crate::support::warehouse::PASSWORD;

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
