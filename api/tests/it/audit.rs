//! The audit log: what is in it, that it can be searched, and that nobody can change it.

use diesel_async::SimpleAsyncConnection;
use reqwest::Method;
use serde_json::json;
use traitortrack::db::pool;

use crate::support::warehouse::PASSWORD;
use crate::support::{Answer, Warehouse};

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_searched_and_followed() {
    let warehouse = Warehouse::open().await;
    let (admin, biller) = (warehouse.admin().await, warehouse.biller().await);
    let body = json!({"bill_number": "X7", "destination": "Jaipur", "vehicle_number": "RJ14", "expected_parent_bags": 3});
    let request = biller.request(Method::POST, "/bills").header("x-request-id", "the-request").header("user-agent", "Scanner/1.0").json(&body);
    Answer::of(request).await.expect(201);
    let seen = biller.get("/bills/X7").await.expect(200);
    biller.patch_seen("/bills/X7", &seen, json!({"destination": "Delhi", "description": "Late"})).await.expect(200);

    let history = admin.get("/audit-logs?entity_type=bill&entity_id=X7").await.expect(200);
    let actions: Vec<&str> = history.rows().iter().map(|entry| entry["action"].as_str().expect("an action")).collect();
    assert_eq!(actions, ["bill_changed", "bill_created"]);
    let changed = &history.rows()[0];
    assert_eq!(
        changed["changes"],
        json!([{"field": "description", "before": null, "after": "Late"}, {"field": "destination", "before": "Jaipur", "after": "Delhi"}])
    );
    assert_eq!(changed["actor"]["username"], "biller-0");
    let created = &history.rows()[1];
    assert_eq!(
        (created["request_id"].as_str(), created["user_agent"].as_str(), created["ip"].as_str()),
        (Some("the-request"), Some("Scanner/1.0"), Some("127.0.0.1"))
    );
    assert_eq!(admin.get(&format!("/audit-logs/{}", created["id"].as_str().expect("an id"))).await.expect(200).body, *created);

    let count = async |query: &str| admin.get(&format!("/audit-logs?{query}")).await.expect(200).rows().len();
    assert_eq!(count("request_id=the-request").await, 1);
    assert_eq!(count(&format!("actor_id={}&action=bill_created", created["actor"]["id"])).await, 1);
    assert_eq!(count("action=bill_changed&ip=127.0.0.1").await, 1);
    assert_eq!(count("q=x7").await, 2);
    assert_eq!(count("q=%25").await, 0);
    assert_eq!(count("action=no_such_action").await, 0);
    assert_eq!(count("entity_id=%00X7").await, 2);
    assert_eq!(count("entity_id=X7&after=9999-12-31T23:59:59Z").await, 0);
    assert_eq!(count("entity_id=X7&before=0001-01-01T00:00:00Z").await, 0);
    assert_eq!(count("entity_id=X7&after=2020-01-01T00:00:00Z&before=2100-01-01T00:00:00Z").await, 2);
    let first = admin.get("/audit-logs?entity_id=X7&limit=1").await.expect(200);
    let cursor = first.body["next_cursor"].as_str().expect("more");
    assert_eq!(admin.get(&format!("/audit-logs?entity_id=X7&limit=1&cursor={cursor}")).await.expect(200).rows()[0]["action"], "bill_created");
    admin.get(&format!("/audit-logs?entity_id=X8&limit=1&cursor={cursor}")).await.problem(400, "invalid_cursor");
    admin.get("/audit-logs?colour=red").await.problem(400, "invalid_query");
    admin.get("/audit-logs/nonsense").await.problem(404, "audit_log_not_found");
    admin.get("/audit-logs/019ab0f2-7c31-7b66-8d35-2f4d6e2b9a11").await.problem(404, "audit_log_not_found");
    let whole = admin.get("/audit-logs?limit=200").await.expect(200).text;
    assert!(!whole.contains("argon2") && !whole.contains(PASSWORD), "no secrets");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_is_written_down() {
    let warehouse = Warehouse::open().await;
    let (admin, packer) = (warehouse.admin().await, warehouse.packer("Lucknow").await);
    packer.get("/users").await.problem(403, "forbidden");
    packer.get("/audit-logs").await.problem(403, "forbidden");
    packer.get("/bags/SB99999").await.problem(404, "bag_not_found");
    let denied = admin.get("/audit-logs?action=access_denied").await.expect(200);
    assert_eq!(denied.rows().len(), 2);
    assert_eq!(denied.rows()[1]["after"], json!({"method": "GET", "route": "/api/v1/users"}));
    assert_eq!(denied.rows()[1]["actor"]["username"], "dispatcher-0");
    let key =
        admin.post("/api-keys", json!({"name": "ERP", "scopes": ["bags:read"]})).await.expect(201).body["key"].as_str().expect("a key").to_owned();
    let machine = crate::support::Person { token: Some(key), cookie: None, ..warehouse.nobody() };
    machine.get("/users/7").await.problem(403, "insufficient_scope");
    let denied = admin.get("/audit-logs?action=access_denied&limit=1").await.expect(200);
    assert_eq!(denied.rows()[0]["after"], json!({"method": "GET", "route": "/api/v1/users/{id}"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_changes_what_was_written() {
    let warehouse = Warehouse::open().await;
    warehouse.packer("Lucknow").await.packs("SB00001", ["CB-1".into()]).await;
    let url = &warehouse.database_url;
    let mut application = pool::connect(url.clone(), 30).await.expect("connects");
    for statement in [
        "UPDATE audit_logs SET action = 'nothing_happened'",
        "DELETE FROM audit_logs",
        "TRUNCATE audit_logs",
        "DO $$ DECLARE p regclass; BEGIN FOR p IN SELECT relid FROM pg_partition_tree('audit_logs') WHERE isleaf LOOP EXECUTE format('DELETE FROM %s', p); END LOOP; END $$",
        "DROP TABLE audit_logs",
        "ALTER TABLE audit_logs DISABLE TRIGGER ALL",
        "SET traitortrack.maintenance = 'on'; DELETE FROM audit_logs",
        "DELETE FROM scans",
        "TRUNCATE scans",
        "INSERT INTO audit_archives (month) VALUES ('2026-01-01')",
        "DELETE FROM audit_archives",
    ] {
        let refused = application.batch_execute(statement).await.expect_err(statement).to_string();
        assert!(refused.contains("permission denied") || refused.contains("must be owner"), "{statement}: {refused}");
    }
    // The owner can't by a slip of the hand, either.
    let mut owner = pool::connect_as_owner(url.clone(), 30).await.expect("connects");
    let refused = owner.batch_execute("DELETE FROM audit_logs").await.expect_err("append-only").to_string();
    assert!(refused.contains("append-only"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn old_months_go_to_a_file_and_what_matters_for_ever_stays() {
    use traitortrack::audit::retention::archive_old_months;
    use traitortrack::config::Config;

    let warehouse = Warehouse::open().await;
    let url = &warehouse.database_url;
    crate::support::database::execute(
        url,
        "SELECT ensure_month_partitions('audit_logs', now() - interval '14 months', 1); \
         INSERT INTO audit_logs (id, at, action, entity_type, entity_id) \
         SELECT uuidv7_floor(t), t, CASE n WHEN 1 THEN 'role_changed' WHEN 2 THEN 'bag_deleted' ELSE 'bag_changed' END, 'bag', 'OLD-' || n \
         FROM (SELECT n, date_trunc('month', now() - interval '14 months') + n * interval '1 minute' AS t FROM generate_series(1, 6000) n) AS rows",
    )
    .await;
    let folder = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("archive-{}", uuid::Uuid::new_v4().simple()));
    let mut config = Config::defaults();
    config.audit_archive_dir = Some(folder.clone());
    let pool = pool::create(url, &config.database).expect("a pool");
    let files = archive_old_months(&pool, &config, chrono::Utc::now()).await.expect("archives");
    assert_eq!(files.len(), 1);
    let text = std::fs::read_to_string(&files[0]).expect("the archive");
    assert_eq!(text.lines().count(), 6000);
    let first: serde_json::Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
    assert_eq!((first["action"].as_str(), first["entity_id"].as_str()), (Some("role_changed"), Some("OLD-1")));
    let left = "SELECT count(*) AS n FROM audit_logs WHERE entity_id LIKE 'OLD-%'";
    assert_eq!(crate::support::database::number(url, left).await, 2);
    assert!(archive_old_months(&pool, &config, chrono::Utc::now()).await.expect("nothing to do").is_empty());
    // What happened lately can't be taken away by this, either.
    let mut application = pool::connect(url.clone(), 30).await.expect("connects");
    let this_month = chrono::Utc::now().format("%Y-%m-01").to_string();
    for month in ["2099-01-01", "2025-01-02", &this_month] {
        for act in [format!("lock_audit_month('{month}')"), format!("finish_audit_archive('{month}', 'a file', 0)")] {
            let refused = application.batch_execute(&format!("SELECT {act}")).await.expect_err(month).to_string();
            assert!(refused.contains("is not an old month"), "{act}: {refused}");
        }
    }
    // Nor is an old month, when its rows were not all archived.
    let counted = "SELECT ensure_month_partitions('audit_logs', now() - interval '20 months', 1), \
                     finish_audit_archive(date_trunc('month', now() AT TIME ZONE 'UTC' - interval '20 months')::date, 'a file', 1)";
    let refused = application.batch_execute(counted).await.expect_err("it has no row").to_string();
    assert!(refused.contains("1 rows of") && refused.contains("there are 0"), "{refused}");
    std::fs::remove_dir_all(folder).expect("tidy");
}

/// Far back in the log a term is found by the people, the bags and the other things it may mean, each over its index.
#[tokio::test(flavor = "multi_thread")]
async fn a_term_finds_entries_far_back() {
    let warehouse = Warehouse::open().await;
    let (admin, packer) = (warehouse.admin().await, warehouse.packer("Lucknow").await);
    packer.packs("SB12345", ["CB-777".into(), "CB-9".into()]).await;
    packer.act("/scans/undo-last").await.expect(200);
    let bag = admin.get("/bags/CB-9").await.expect(200);
    admin.delete_seen("/bags/CB-9", &bag).await.expect(204);
    let bill = serde_json::json!({"bill_number": "FAR-1", "destination": "Delhi", "vehicle_number": "RJ14", "expected_parent_bags": 1});
    admin.post("/bills", bill).await.expect(201);
    let id = packer.get("/me").await.expect(200).body["id"].as_i64().expect("an id");
    let user = admin.get(&format!("/users/{id}")).await.expect(200);
    admin.patch_seen(&format!("/users/{id}"), &user, serde_json::json!({"username": "somebody-else"})).await.expect(200);
    let url = &warehouse.database_url;
    let terms = ["sb123", "CB-777", "b-9", "far-1", "dispatcher-0", "CB-", "admin", "somebody", "nothing-like-it", "%"];
    let mut before = Vec::new();
    for term in terms {
        before.push(admin.get(&format!("/audit-logs?limit=200&q={}", term.replace('%', "%25"))).await.expect(200).rows().clone());
    }
    let counts: Vec<usize> = before.iter().map(Vec::len).collect();
    assert!(counts[..7].iter().all(|count| *count > 0) && counts[7] == 0, "{counts:?}");
    // Enough of other entries after them that the beginning of the list has none of them.
    crate::support::database::execute(
        url,
        "INSERT INTO audit_logs (id, at, action, entity_type, entity_id) \
         SELECT overlay(uuidv7_floor(now() + n * interval '1 ms')::text PLACING '7' FROM 15 FOR 1)::uuid, now(), 'bag_created', 'bag', 'XY' || n FROM generate_series(1, 2500) n",
    )
    .await;
    for (term, wanted) in terms.iter().zip(&before) {
        let found = admin.get(&format!("/audit-logs?limit=200&q={}", term.replace('%', "%25"))).await.expect(200);
        assert_eq!(found.rows(), wanted, "{term}");
    }
    // More bags than are looked up one by one.
    crate::support::database::execute(
        url,
        "INSERT INTO bags (qr_code, kind, format_id) SELECT 'XY' || n || '-Z77', 'child', 3 FROM generate_series(1, 2500) n; \
         INSERT INTO audit_logs (id, at, action, entity_type, entity_id) \
         SELECT overlay(uuidv7_floor(now() - interval '1 hour' - n * interval '1 ms')::text PLACING '7' FROM 15 FOR 1)::uuid, now(), 'bag_created', 'bag', 'XY' || n || '-Z77' \
         FROM generate_series(1, 10) n",
    )
    .await;
    assert_eq!(admin.get("/audit-logs?q=-z77").await.expect(200).rows().len(), 10);
}
