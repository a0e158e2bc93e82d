//! What admins manage: people, areas, formats, bags, wishes for another role.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::warehouse::{ADMIN_PASSWORD, PASSWORD};
use crate::support::{Answer, Person, Warehouse, database, eventually};

async fn merge(person: &Person, path: &str, body: Value) -> Answer {
    Answer::of(person.request(Method::PATCH, path).json(&body)).await
}

async fn user_id(person: &Person) -> i64 {
    person.get("/me").await.expect(200).body["id"].as_i64().expect("an id")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_whole_life() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    let packer = warehouse.packer("Lucknow").await;
    let path = format!("/users/{}", user_id(&packer).await);
    let seen = admin.get(&path).await.expect(200);
    assert_eq!((seen.body["role"].as_str(), seen.body["dispatch_area"].as_str()), (Some("dispatcher"), Some("Lucknow")));
    let changed = admin.patch_seen(&path, &seen, json!({"email": "asha@example.com"})).await.expect(200);
    assert_eq!(changed.body["version"], seen.body["version"].as_i64().expect("a version") + 1);
    packer.get("/bags").await.expect(200);
    admin.patch_seen(&path, &seen, json!({"email": null})).await.problem(412, "stale_version");
    let seen = changed;
    let same = admin.patch_seen(&path, &seen, json!({"email": "asha@example.com"})).await.expect(200);
    assert_eq!(same.body["version"], seen.body["version"]);

    // Another area: the old token, which says the old one, is good no more.
    let moved = admin.patch_seen(&path, &seen, json!({"dispatch_area": "indore"})).await.expect(200);
    assert_eq!(moved.body["dispatch_area"], "Indore");
    packer.get("/bags").await.problem(401, "session_expired");
    let packer = warehouse.nobody().signed_in("dispatcher-0", PASSWORD).await;
    admin.patch_seen(&path, &moved, json!({"dispatch_area": null})).await.problem(422, "validation_failed");
    admin.patch_seen(&path, &moved, json!({"dispatch_area": "Atlantis"})).await.problem(422, "validation_failed");
    for wrong in [
        json!({"role": "king"}),
        json!({"username": ""}),
        json!({"email": "nonsense"}),
        json!({"password": "x"}),
        json!({"id": 1}),
        json!({"is_active": "no"}),
    ] {
        admin.patch_seen(&path, &moved, wrong).await.problem(422, "validation_failed");
    }
    admin.patch_seen(&path, &moved, json!({"username": "ADMIN"})).await.problem(409, "username_taken");

    let set = |password: &str| {
        let (admin, path, body) = (admin.clone(), path.clone(), json!({"new_password": password}));
        async move { admin.post(&format!("{path}/password"), body).await }
    };
    set("weak").await.problem(422, "weak_password");
    set("Another-Pass1").await.expect(204);
    packer.get("/me").await.problem(401, "session_expired");
    warehouse.nobody().signed_in("dispatcher-0", "Another-Pass1").await;

    for _ in 0..5 {
        warehouse
            .nobody()
            .post("/auth/login", json!({"username": "dispatcher-0", "password": "Wrong-Pass1"}))
            .await
            .problem(401, "invalid_credentials");
    }
    warehouse.nobody().post("/auth/login", json!({"username": "dispatcher-0", "password": "Another-Pass1"})).await.problem(423, "account_locked");
    assert!(admin.get(&path).await.expect(200).body["locked_until"].is_string());
    assert!(admin.act(&format!("{path}/unlock")).await.expect(200).body["locked_until"].is_null());
    let packer = warehouse.nobody().signed_in("dispatcher-0", "Another-Pass1").await;

    let seen = admin.get(&path).await.expect(200);
    let off = admin.patch_seen(&path, &seen, json!({"is_active": false})).await.expect(200);
    packer.get("/me").await.problem(401, "session_expired");
    warehouse
        .nobody()
        .post("/auth/login", json!({"username": "dispatcher-0", "password": "Another-Pass1"}))
        .await
        .problem(401, "invalid_credentials");
    let on = admin.patch_seen(&path, &off, json!({"is_active": true})).await.expect(200);
    let packer = warehouse.nobody().signed_in("dispatcher-0", "Another-Pass1").await;
    packer.packs("SB00001", ["CB-1".into()]).await;

    admin.delete(&path).await.problem(428, "if_match_required");
    admin.delete_seen(&path, &on).await.expect(204);
    packer.get("/me").await.problem(401, "session_expired");
    admin.get(&path).await.problem(404, "user_not_found");
    admin.delete_seen(&path, &on).await.problem(404, "user_not_found");
    assert!(admin.get("/users").await.expect(200).rows().iter().all(|user| user["username"] != "dispatcher-0"));
    // What the person did stays, without the name; and the name is nowhere any more.
    let bag = admin.get("/bags/SB00001").await.expect(200).body;
    assert!(bag["created_by"].as_str().expect("an alias").starts_with("deleted-"));
    let left = "SELECT (SELECT count(*) FROM audit_logs a WHERE a::text LIKE '%dispatcher-0%' OR a::text LIKE '%asha@example%') \
                + (SELECT count(*) FROM users u WHERE u::text LIKE '%dispatcher-0%' OR u::text LIKE '%asha@example%') AS n";
    assert_eq!(database::number(&warehouse.database_url, left).await, 0);
    // The name is free again.
    admin.post("/users", json!({"username": "dispatcher-0", "password": PASSWORD, "role": "biller"})).await.expect(201);
    warehouse.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_always_an_admin() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    let path = format!("/users/{}", user_id(&admin).await);
    let seen = admin.get(&path).await.expect(200);
    admin.patch_seen(&path, &seen, json!({"is_active": false})).await.problem(409, "last_admin");
    admin.patch_seen(&path, &seen, json!({"role": "biller"})).await.problem(409, "own_role");
    admin.delete_seen(&path, &seen).await.problem(409, "last_admin");
    // Two admins who remove each other at the same instant: one stays.
    admin.post("/users", json!({"username": "second", "password": PASSWORD, "role": "admin"})).await.expect(201);
    let second = warehouse.nobody().signed_in("second", PASSWORD).await;
    let second_path = format!("/users/{}", user_id(&second).await);
    let (seen, seen_second) = (admin.get(&path).await.expect(200), admin.get(&second_path).await.expect(200));
    let (one, other) = tokio::join!(admin.delete_seen(&second_path, &seen_second), second.patch_seen(&path, &seen, json!({"role": "biller"})));
    assert!(one.status == 204 || other.status == 200, "{} {}", one.text, other.text);
    let left = "SELECT count(*) AS n FROM users WHERE role = 'admin' AND is_active";
    assert_eq!(database::number(&warehouse.database_url, left).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_admins_manage_people() {
    let warehouse = Warehouse::open().await;
    let biller = warehouse.biller().await;
    for path in ["/users", "/users/1"] {
        biller.get(path).await.problem(403, "forbidden");
    }
    biller.act("/users/1/unlock").await.problem(403, "forbidden");
    biller.post("/users/1/password", json!({"new_password": PASSWORD})).await.problem(403, "forbidden");
    let admin = warehouse.admin().await;
    for path in ["/users/0", "/users/999999", "/users/nonsense", "/users/99999999999999999999"] {
        admin.get(path).await.problem(404, "user_not_found");
        admin.act(&format!("{path}/unlock")).await.problem(404, "user_not_found");
    }
    warehouse.nobody().post("/auth/login", json!({"username": "admin", "password": ADMIN_PASSWORD})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn areas_are_made_renamed_and_closed() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    let made = admin.post("/dispatch-areas", json!({"code": " Navi Mumbai "})).await.expect(201);
    assert_eq!((made.body["code"].as_str(), made.header("location")), (Some("Navi Mumbai"), "/api/v1/dispatch-areas/Navi%20Mumbai"));
    admin.post("/dispatch-areas", json!({"code": "navi mumbai"})).await.problem(409, "dispatch_area_exists");
    for wrong in [
        json!({"code": ""}),
        json!({"code": "  "}),
        json!({"code": "x".repeat(65)}),
        json!({"code": "a\u{7}b"}),
        json!({}),
        json!({"code": "X", "size": 3}),
    ] {
        admin.post("/dispatch-areas", wrong).await.problem(422, "validation_failed");
    }
    warehouse.packer("Navi Mumbai").await.scans("SB00001").await.expect(201);
    let closed = merge(&admin, "/dispatch-areas/navi%20mumbai", json!({"name": "New Bombay", "is_active": false})).await.expect(200);
    assert_eq!((closed.body["name"].as_str(), closed.body["is_active"].as_bool()), (Some("New Bombay"), Some(false)));
    admin
        .post("/users", json!({"username": "x", "password": PASSWORD, "role": "dispatcher", "dispatch_area": "Navi Mumbai"}))
        .await
        .problem(422, "validation_failed");
    merge(&admin, "/dispatch-areas/Atlantis", json!({"name": "X"})).await.problem(404, "dispatch_area_not_found");
    merge(&admin, "/dispatch-areas/%25", json!({"name": "X"})).await.problem(404, "dispatch_area_not_found");
    let biller = warehouse.biller().await;
    biller.post("/dispatch-areas", json!({"code": "X"})).await.problem(403, "forbidden");
    merge(&biller, "/dispatch-areas/Lucknow", json!({"name": "X"})).await.problem(403, "forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_format_is_scanned_at_once_in_every_process() {
    let database_url = database::migrated().await;
    let (one, other) = (Warehouse::open_on(database_url.clone(), |_| {}).await, Warehouse::open_on(database_url, |_| {}).await);
    let admin = one.admin().await;
    let wheat = json!({"name": "Wheat", "kind": "parent", "pattern": "WH[0-9]{4}", "capacity": 2, "child_weight_kg": 2.5, "priority": 50});
    let made = admin.post("/bag-formats", wheat.clone()).await.expect(201).body;
    let packer = one.packer("Lucknow").await;
    packer.packs("WH0001", ["CB-1".into(), "CB-2".into()]).await;
    let parent = packer.get("/bags/WH0001").await.expect(200).body;
    assert_eq!((parent["status"].as_str(), parent["weight_kg"].as_f64(), parent["format"].as_str()), (Some("completed"), Some(5.0), Some("Wheat")));
    let there = Person { base_url: other.base_url.clone(), ..packer.clone() };
    let mut n = 0;
    eventually("the other process knows the format", async || {
        // Until then the code is one of a child that was never scanned.
        n += 1;
        there.scans(&format!("WH1{n:03}")).await.status == 201
    })
    .await;

    admin.post("/bag-formats", wheat.clone()).await.problem(409, "bag_format_exists");
    let with = |field: &str, value: Value| {
        let mut body = wheat.clone();
        body["name"] = json!("Other");
        body[field] = value;
        body
    };
    for wrong in [
        with("pattern", json!("(")),
        with("pattern", json!(".*")),
        with("pattern", json!("")),
        with("pattern", json!("(A{1000}){1000}")),
        with("capacity", json!(0)),
        with("capacity", json!(null)),
        with("capacity", json!(1001)),
        with("kind", json!("child")),
        with("kind", json!("box")),
        with("child_weight_kg", json!(0)),
        with("child_weight_kg", json!(-1)),
        with("priority", json!(1000)),
        with("name", json!(" ")),
        with("colour", json!("red")),
    ] {
        let refused = admin.post("/bag-formats", wrong.clone()).await;
        assert_eq!((refused.status, refused.code()), (422, "validation_failed"), "{wrong}");
    }
    let path = format!("/bag-formats/{}", made["id"]);
    let changed = merge(&admin, &path, json!({"capacity": 3, "name": "Wheat, large"})).await.expect(200).body;
    assert_eq!((changed["capacity"].as_i64(), changed["child_weight_kg"].as_f64()), (Some(3), Some(2.5)));
    merge(&admin, &path, json!({"child_weight_kg": 9})).await.problem(422, "validation_failed");
    assert_eq!(packer.get("/bags/WH0001").await.expect(200).body["capacity"], 2, "bags keep what they were made with");
    merge(&admin, "/bag-formats/3", json!({"pattern": "X.*"})).await.problem(422, "validation_failed");
    merge(&admin, "/bag-formats/3", json!({"capacity": 3})).await.problem(422, "validation_failed");
    merge(&admin, "/bag-formats/999", json!({"name": "X"})).await.problem(404, "bag_format_not_found");
    merge(&admin, "/bag-formats/x", json!({"name": "X"})).await.problem(404, "bag_format_not_found");
    packer.post("/bag-formats", wheat).await.problem(403, "forbidden");
    assert_eq!(packer.get("/bag-formats").await.expect(200).rows().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn bags_are_made_renamed_and_deleted() {
    let warehouse = Warehouse::open().await;
    let (admin, biller, packer) = (warehouse.admin().await, warehouse.biller().await, warehouse.packer("Lucknow").await);
    let made = admin.post("/bags", json!({"qr_code": " sb00001 ", "name": "Front", "dispatch_area": "Lucknow"})).await.expect(201);
    assert_eq!(
        (made.header("location"), made.body["status"].as_str(), made.body["capacity"].as_i64()),
        ("/api/v1/bags/SB00001", Some("open"), Some(30))
    );
    admin.post("/bags", json!({"qr_code": "SB00001"})).await.problem(409, "bag_exists");
    admin.post("/bags", json!({"qr_code": "SB00002", "kind": "child"})).await.problem(409, "kind_mismatch");
    admin.post("/bags", json!({"qr_code": "<script>"})).await.problem(422, "invalid_qr_code");
    admin.post("/bags", json!({"qr_code": "CB-1", "dispatch_area": "Atlantis"})).await.problem(422, "validation_failed");
    admin.post("/bags", json!({"qr_code": "CB-1", "name": ""})).await.problem(422, "validation_failed");
    assert_eq!(packer.post("/bags", json!({"qr_code": "SB00003"})).await.expect(201).body["dispatch_area"], "Lucknow");
    packer.post("/bags", json!({"qr_code": "SB00004", "dispatch_area": "Indore"})).await.problem(403, "forbidden");

    packer.packs("SB00001", ["CB-1".into(), "CB-2".into()]).await;
    let moved = merge(&biller, "/bags/SB00001", json!({"name": null, "dispatch_area": "Indore"})).await.expect(200).body;
    assert_eq!((moved["name"].as_str(), moved["dispatch_area"].as_str()), (None, Some("Indore")));
    assert_eq!(biller.get("/bags/CB-1").await.expect(200).body["dispatch_area"], "Indore", "children go with their parent");
    merge(&biller, "/bags/CB-1", json!({"dispatch_area": "Hisar"})).await.problem(409, "bag_in_use");
    merge(&biller, "/bags/CB-1", json!({"name": "Torn"})).await.expect(200);
    merge(&biller, "/bags/CB-1", json!({"kind": "parent"})).await.problem(422, "validation_failed");
    merge(&biller, "/bags/CB-9", json!({"name": "X"})).await.problem(404, "bag_not_found");
    merge(&packer, "/bags/SB00003", json!({"name": "X"})).await.problem(403, "forbidden");

    biller.delete("/bags/SB00003").await.problem(403, "forbidden");
    admin.delete("/bags/SB00001").await.problem(409, "bag_in_use");
    admin.delete("/bags/CB-1").await.problem(409, "bag_in_use");
    admin.delete("/bags/SB00003").await.expect(204);
    admin.delete("/bags/SB00003").await.problem(404, "bag_not_found");
    biller.put("/bags/CB-2/parent", json!({"parent_qr_code": null})).await.expect(200);
    let codes = ["CB-2", "CB-1", "SB00001", "SB99999", "??", "CB-2"];
    let results = admin.post("/bags/bulk-delete", json!({"qr_codes": codes})).await.expect(200).body;
    let outcomes: Vec<&str> =
        results["results"].as_array().expect("results").iter().map(|result| result["outcome"].as_str().expect("text")).collect();
    assert_eq!(outcomes, ["deleted", "bag_in_use", "bag_in_use", "not_found", "invalid_qr_code", "not_found"]);
    let kept = "SELECT count(*) AS n FROM scans WHERE qr_code = 'CB-2'";
    assert_eq!(database::number(&warehouse.database_url, kept).await, 1, "history stays");
    // A deleted code may be used again.
    packer.scans("SB00003").await.expect(201);
    warehouse.assert_counts_equal_rows().await;
}

/// Deleting a bag while others scan into it: it is gone and nothing is in it, or it stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_bag_that_is_being_packed_is_not_lost() {
    let warehouse = Warehouse::open().await;
    let (admin, packer) = (warehouse.admin().await, warehouse.packer("Lucknow").await);
    for round in 0..8 {
        let code = format!("SB1{round:04}");
        packer.scans(&code).await.expect(201);
        let scans = join_all((0..5).map(|n| {
            let (packer, code) = (&packer, &code);
            async move { packer.scans_into(code, &format!("CB-{round}-{n}")).await }
        }));
        let path = format!("/bags/{code}");
        let (scans, deleted) = tokio::join!(scans, admin.delete(&path));
        let linked = scans.iter().filter(|scan| scan.outcome() == "linked").count();
        assert_eq!(deleted.status == 204, linked == 0, "{}", deleted.text);
        assert!(scans.iter().all(|scan| scan.status == 201 || scan.code() == "unknown_parent"));
    }
    warehouse.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_for_another_role() {
    let warehouse = Warehouse::open().await;
    let (admin, packer) = (warehouse.admin().await, warehouse.packer("Lucknow").await);
    let ask = async |role: &str| packer.post("/promotion-requests", json!({"wanted_role": role, "reason": "I do the bills"})).await;
    ask("dispatcher").await.problem(409, "role_not_higher");
    let first = ask("biller").await.expect(201).body;
    ask("admin").await.problem(409, "promotion_pending");
    let told = admin.get("/notifications?is_read=false").await.expect(200);
    assert_eq!((told.rows().len(), told.rows()[0]["code"].as_str()), (1, Some("promotion_requested")));
    let decide = async |id: &Value, what: &str, note: Value| admin.post(&format!("/promotion-requests/{id}/{what}"), json!({"note": note})).await;
    packer.post(&format!("/promotion-requests/{}/approve", first["id"]), json!({})).await.problem(403, "forbidden");
    decide(&first["id"], "reject", json!("Not yet")).await.expect(200);
    decide(&first["id"], "approve", json!(null)).await.problem(409, "promotion_decided");
    assert_eq!(packer.get("/notifications").await.expect(200).rows()[0]["code"], "promotion_rejected");
    packer.get("/bags").await.expect(200);
    let second = ask("biller").await.expect(201).body;
    decide(&second["id"], "approve", json!("Well done")).await.expect(200);
    packer.get("/me").await.problem(401, "session_expired");
    let biller = warehouse.nobody().signed_in("dispatcher-0", PASSWORD).await;
    assert_eq!(biller.get("/me").await.expect(200).body["role"], "biller");
    let notices = biller.get("/notifications").await.expect(200);
    assert_eq!(
        (notices.rows().len(), notices.rows()[0]["type"].as_str(), notices.rows()[0]["priority"].as_str()),
        (2, Some("success"), Some("high"))
    );
    let read = merge(&biller, "/notifications", json!({"is_read": true, "ids": [notices.rows()[0]["id"]]})).await.expect(200).body;
    assert_eq!((read["changed"].as_i64(), read["unread"].as_i64()), (Some(1), Some(1)));
    assert_eq!(merge(&biller, "/notifications", json!({"is_read": true})).await.expect(200).body["unread"], 0);
    assert_eq!(merge(&admin, "/notifications", json!({"is_read": true, "ids": [notices.rows()[1]["id"]]})).await.expect(200).body["changed"], 0);
    assert_eq!(biller.get("/promotion-requests").await.expect(200).rows().len(), 2);
    assert_eq!(admin.get("/promotion-requests?status=approved").await.expect(200).rows().len(), 1);
    assert_eq!(warehouse.packer("Indore").await.get("/promotion-requests").await.expect(200).rows().len(), 0);
    decide(&json!(999), "approve", json!(null)).await.problem(404, "promotion_request_not_found");
    for wrong in [json!({"wanted_role": "biller"}), json!({"wanted_role": "biller", "reason": ""}), json!({"wanted_role": "king", "reason": "x"})] {
        packer.post("/promotion-requests", wrong.clone()).await.problem(401, "session_expired");
        biller.post("/promotion-requests", wrong).await.problem(422, "validation_failed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_downloads_everything_about_themselves_and_nothing_secret() {
    let warehouse = Warehouse::open().await;
    let (packer, other) = (warehouse.packer("Lucknow").await, warehouse.packer("Lucknow").await);
    packer.packs("SB00001", ["CB-1".into()]).await;
    other.scans("SB00002").await.expect(201);
    let answer = packer.get("/me/data").await.expect(200);
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"my-data.json\"");
    let data = &answer.body;
    assert_eq!((data["user"]["username"].as_str(), data["user"]["dispatch_area"].as_str()), (Some("dispatcher-0"), Some("Lucknow")));
    assert_eq!((data["scans"].as_array().map(Vec::len), data["sessions"].as_array().map(Vec::len)), (Some(2), Some(1)));
    assert!(data["audit_logs"].as_array().expect("entries").iter().any(|entry| entry["action"] == "user_created"));
    assert_eq!((&data["notifications"], &data["api_keys"], &data["bills_created"]), (&json!([]), &json!([]), &json!([])));
    for secret in ["argon2", "token_hash", "totp_secret", "SB00002", "dispatcher-1"] {
        assert!(!answer.text.contains(secret), "{secret}");
    }
}
