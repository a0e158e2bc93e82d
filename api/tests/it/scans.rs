//! Packing by scanning: every outcome, retries, batches, bad input.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::person::scan_id;
use crate::support::{Warehouse, database};

fn child(n: usize) -> String {
    format!("CB-{n:04}")
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_children_complete_a_parent() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    let opened = packer.scans(" sb12345 ").await.expect(201);
    assert_eq!((opened.outcome(), opened.body["kind"].as_str()), ("opened", Some("parent")));
    assert_eq!(opened.body["bag"]["qr_code"], "SB12345");
    assert_eq!(opened.body["bag"]["dispatch_area"], "Lucknow");
    assert_eq!(opened.body["bag"]["format"], "Mustard");
    for n in 0..30 {
        let linked = packer.scans_into("SB12345", &child(n)).await.expect(201);
        assert_eq!(linked.outcome(), "linked");
        assert_eq!(linked.body["bag"]["parent"], "SB12345");
        assert_eq!(linked.body["parent"]["child_count"], n + 1);
        assert_eq!(linked.body["parent"]["status"], if n < 29 { "open" } else { "completed" });
        assert_eq!(linked.header("location"), format!("/api/v1/scans/{}", linked.body["id"].as_str().unwrap()));
    }
    let full = packer.scans_into("SB12345", &child(30)).await.problem(409, "parent_full");
    assert_eq!(full.body["detail"], "SB12345 already holds 30 of 30 child bags. Open the next parent.");
    assert_eq!(full.body["scan"]["outcome"], "parent_full");
    assert_eq!(full.body["scan"]["parent"]["child_count"], 30);
    packer.get(&format!("/bags/{}", child(30))).await.problem(404, "bag_not_found");
    let again = packer.scans("SB12345").await.expect(201);
    assert_eq!((again.outcome(), again.body["bag"]["child_count"].as_i64()), ("opened", Some(30)));
    warehouse.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_has_its_code_is_an_event_and_changes_nothing() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    packer.packs("SB00001", ["CB-A".into()]).await;
    packer.packs("SB00002", ["CB-B".into()]).await;
    packer.act("/bags/SB00002/complete").await.expect(200);
    packer.packs("SB00003", ["CB-C".into()]).await;
    database::execute(
        &warehouse.database_url,
        "INSERT INTO bills (bill_number, destination, vehicle_number, expected_parent_bags, status, finished_at) \
         VALUES ('BILL-1', 'Delhi', 'RJ14GA1234', 1, 'completed', now()); \
         INSERT INTO bill_bags (bag_id, bill_id) SELECT b.id, i.id FROM bags b, bills i WHERE b.qr_code = 'SB00003'",
    )
    .await;
    let before = packer.get("/bags?limit=200").await.expect(200).body;

    let elsewhere = packer.scans_into("SB00001", "CB-B").await.problem(409, "linked_elsewhere");
    assert_eq!(elsewhere.body["linked_parent_qr_code"], "SB00002");
    assert!(elsewhere.body["detail"].as_str().unwrap().contains("SB00002"));
    packer.scans_into("SB00002", "CB-NEW").await.problem(409, "parent_completed");
    packer.scans_into("SB00003", "CB-NEW").await.problem(409, "parent_on_completed_bill");
    packer.scans_into("SB00001", "SB00002").await.problem(409, "kind_mismatch");
    packer.scans_into("CB-A", "CB-NEW").await.problem(409, "kind_mismatch");
    packer.scans_into("SB77777", "CB-NEW").await.problem(409, "unknown_parent");
    packer.scans("CB-NEW").await.problem(404, "bag_not_found");
    let stranger = warehouse.packer("Indore").await;
    stranger.scans("SB00001").await.problem(409, "other_dispatch_area");
    let hidden = stranger.scans_into("SB00001", "CB-NEW").await.problem(409, "other_dispatch_area");
    assert!(hidden.body["scan"]["parent"].is_null(), "what may not be seen is not shown");
    assert_eq!(packer.scans_into("SB00003", "CB-C").await.expect(201).outcome(), "already_linked");

    let mut after = packer.get("/bags?limit=200").await.expect(200).body;
    for (bag, was) in after["data"].as_array_mut().unwrap().iter_mut().zip(before["data"].as_array().unwrap()) {
        bag["last_scan_at"] = was["last_scan_at"].clone();
    }
    assert_eq!(before, after);
    let refused =
        database::number(&warehouse.database_url, "SELECT count(*) AS n FROM scans WHERE outcome NOT IN ('opened', 'linked', 'already_linked')")
            .await;
    assert_eq!(refused, 9, "every refused scan of a well-formed code is an event");
    warehouse.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_with_the_same_id_gets_the_same_answer_and_changes_nothing() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    let parent_scan = json!({"qr_code": "SB12345", "id": scan_id()});
    let first_open = packer.post("/scans", parent_scan.clone()).await.expect(201).body;
    packer.scans("SB99999").await.expect(201);
    packer.scans_into("SB99999", "CB-Z").await.expect(201);
    let scans = [
        json!({"qr_code": "CB-1", "parent_qr_code": "SB12345", "id": scan_id(), "source": "wedge"}),
        json!({"qr_code": "CB-1", "parent_qr_code": "SB12345", "id": scan_id()}),
        json!({"qr_code": "CB-Z", "parent_qr_code": "SB12345", "id": scan_id()}),
        json!({"qr_code": "CB-2", "parent_qr_code": "SB55555", "id": scan_id()}),
        json!({"qr_code": "CB-1", "id": scan_id()}),
        json!({"qr_code": "CB-9", "id": scan_id()}),
    ];
    let mut firsts = Vec::new();
    for scan in &scans {
        firsts.push(packer.post("/scans", scan.clone()).await);
    }
    assert_eq!(firsts.iter().map(|answer| answer.status).collect::<Vec<_>>(), [201, 201, 409, 409, 201, 404]);
    // The world moves on in between.
    for n in 10..15 {
        packer.scans_into("SB12345", &child(n)).await.expect(201);
    }
    packer.act("/bags/SB12345/complete").await.expect(200);
    let events = database::number(&warehouse.database_url, "SELECT count(*) AS n FROM scans").await;

    assert_eq!(packer.post("/scans", parent_scan).await.expect(200).body, first_open);
    for (scan, first) in scans.iter().zip(&firsts) {
        let mut again = packer.post("/scans", scan.clone()).await;
        let status = if first.status == 201 { 200 } else { first.status };
        assert_eq!(again.status, status);
        let mut first_body = first.body.clone();
        for body in [&mut again.body, &mut first_body] {
            if body.get("request_id").is_some() {
                body["request_id"] = Value::Null;
            }
        }
        assert_eq!(again.body, first_body);
    }
    assert_eq!(database::number(&warehouse.database_url, "SELECT count(*) AS n FROM scans").await, events);
    warehouse.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_belongs_to_one_scan_of_one_person() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    let colleague = warehouse.packer("Lucknow").await;
    packer.scans("SB12345").await.expect(201);
    let scan = json!({"qr_code": "CB-1", "parent_qr_code": "SB12345", "id": scan_id()});
    packer.post("/scans", scan.clone()).await.expect(201);
    colleague.post("/scans", scan.clone()).await.problem(422, "scan_id_reused");
    let other_code = json!({"qr_code": "CB-2", "parent_qr_code": "SB12345", "id": scan["id"]});
    packer.post("/scans", other_code.clone()).await.problem(422, "scan_id_reused");
    let id = scan_id();
    let batch = json!({"scans": [
        {"qr_code": "CB-3", "parent_qr_code": "SB12345", "id": id}, {"qr_code": "CB-4", "parent_qr_code": "SB12345", "id": id},
        {"qr_code": "CB-3", "parent_qr_code": "SB12345", "id": id},
    ]});
    let results = packer.post("/scans/batch", batch).await.expect(200).body["results"].clone();
    assert_eq!(results[0]["outcome"], "linked");
    assert_eq!(results[1]["problem"]["code"], "scan_id_reused");
    assert_eq!(results[2], results[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_codes_get_a_problem_and_leave_nothing() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    packer.scans("SB12345").await.expect(201);
    let too_long = "A".repeat(65);
    let codes = [
        "",
        "  ",
        "A",
        "AB",
        "-ABC",
        "ABC-",
        "CB'; DROP TABLE bags; --",
        "\"CB1\"",
        "<script>alert(1)</script>",
        "CB\u{0}1",
        "CB\u{7}1",
        "CB\n1",
        "CB 1",
        "📦📦📦",
        "ＳＢ１２３４５",
        &too_long,
    ];
    for code in codes {
        packer.scans(code).await.problem(422, "invalid_qr_code");
        packer.scans_into("SB12345", code).await.problem(422, "invalid_qr_code");
        packer.scans_into(code, "CB-1").await.problem(422, "invalid_qr_code");
    }
    assert_eq!(database::number(&warehouse.database_url, "SELECT count(*) AS n FROM scans").await, 1);
    assert_eq!(database::number(&warehouse.database_url, "SELECT count(*) AS n FROM bags").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_ids_and_times_get_a_problem_and_leave_nothing() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    let at = |offset: TimeDelta| (Utc::now() + offset).to_rfc3339();
    let id_at = |offset: TimeDelta| {
        let moment = Utc::now() + offset;
        Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, moment.timestamp() as u64, 0)).to_string()
    };
    let scan = |field: &str, value: Value| json!({"qr_code": "SB12345", field: value});
    for id in [json!("not a uuid"), json!(Uuid::new_v4()), json!(Uuid::nil()), json!("")] {
        packer.post("/scans", scan("id", id)).await.problem(422, "invalid_scan_id");
    }
    for offset in [TimeDelta::days(-31), TimeDelta::minutes(3), TimeDelta::days(365 * 50)] {
        packer.post("/scans", scan("id", json!(id_at(offset)))).await.problem(422, "scan_time_out_of_range");
        packer.post("/scans", scan("scanned_at", json!(at(offset)))).await.problem(422, "scan_time_out_of_range");
    }
    for time in ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z"] {
        packer.post("/scans", scan("scanned_at", json!(time))).await.problem(422, "scan_time_out_of_range");
    }
    for (field, value) in
        [("id", json!(7)), ("scanned_at", json!("yesterday")), ("source", json!("telepathy")), ("qr_code", json!(12345)), ("qr_cod", json!("x"))]
    {
        let refused = packer.post("/scans", scan(field, value)).await.problem(422, "validation_failed");
        assert_eq!(refused.body["errors"][0]["pointer"], format!("/{field}"));
    }
    packer.post("/scans", json!({})).await.problem(422, "validation_failed");
    assert_eq!(database::number(&warehouse.database_url, "SELECT count(*) AS n FROM scans").await, 0);
    let late = packer.post("/scans", json!({"qr_code": "SB12345", "id": id_at(TimeDelta::days(-29))})).await.expect(201);
    assert!(late.body["scanned_at"].as_str().unwrap() < at(TimeDelta::days(-28)).as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_tells_what_came_of_each_scan_and_one_bad_one_fails_nobody() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    let batch = json!({"scans": [
        {"qr_code": "SB12345", "id": scan_id()},
        {"qr_code": "CB-1", "parent_qr_code": "SB12345", "id": scan_id()},
        {"qr_code": "<script>", "parent_qr_code": "SB12345", "id": scan_id()},
        {"qr_code": "CB-2", "parent_qr_code": "SB12345", "id": scan_id(), "colour": "red"},
        "not even an object",
        {"qr_code": "CB-3", "parent_qr_code": "SB12345", "id": "not a uuid"},
        {"qr_code": "CB-1", "parent_qr_code": "SB12345", "id": scan_id()},
        {"qr_code": "CB-4", "parent_qr_code": "SB55555", "id": scan_id()},
        {"qr_code": "CB-5", "parent_qr_code": "SB12345"},
    ]});
    let results = packer.post("/scans/batch", batch.clone()).await.expect(200).body["results"].clone();
    let told: Vec<&str> = results.as_array().unwrap().iter().map(|r| r["outcome"].as_str().or(r["problem"]["code"].as_str()).unwrap()).collect();
    assert_eq!(
        told,
        [
            "opened",
            "linked",
            "invalid_qr_code",
            "validation_failed",
            "validation_failed",
            "invalid_scan_id",
            "already_linked",
            "unknown_parent",
            "linked"
        ]
    );
    assert_eq!(results[3]["problem"]["errors"][0]["pointer"], "/scans/3/colour");
    assert_eq!(results[7]["problem"]["code"], "unknown_parent");
    for (result, scan) in results.as_array().unwrap().iter().zip(batch["scans"].as_array().unwrap()).filter(|(_, scan)| scan["id"].is_string()) {
        assert_eq!(result["id"], scan["id"]);
    }
    warehouse.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_sent_again_gets_the_same_answers() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    let mut scans = vec![json!({"qr_code": "SB12345", "id": scan_id()})];
    scans.extend((0..35).map(|n| json!({"qr_code": child(n), "parent_qr_code": "SB12345", "id": scan_id()})));
    let first = packer.post("/scans/batch", json!({"scans": scans})).await.expect(200);
    let outcomes: Vec<&str> = first.body["results"].as_array().unwrap().iter().map(|r| r["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "linked").count(), 30);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "parent_full").count(), 5);
    let mut again = packer.post("/scans/batch", json!({"scans": scans})).await.expect(200).body;
    let mut first = first.body;
    for results in [&mut first, &mut again] {
        for result in results["results"].as_array_mut().unwrap().iter_mut().filter(|result| result.get("problem").is_some()) {
            result["problem"]["request_id"] = Value::Null;
        }
    }
    assert_eq!(first, again);
    assert_eq!(database::number(&warehouse.database_url, "SELECT count(*) AS n FROM scans").await, 36);
}

#[tokio::test(flavor = "multi_thread")]
async fn offline_scans_are_applied_in_the_order_they_were_made() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    let at = |minutes: i64| (Utc::now() - TimeDelta::minutes(minutes)).to_rfc3339();
    let batch = json!({"scans": [
        {"qr_code": "CB-1", "parent_qr_code": "SB12345", "scanned_at": at(8)},
        {"qr_code": "SB12345", "scanned_at": at(10)},
    ]});
    let results = packer.post("/scans/batch", batch).await.expect(200).body["results"].clone();
    assert_eq!((results[0]["outcome"].as_str(), results[1]["outcome"].as_str()), (Some("linked"), Some("opened")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_has_one_to_five_hundred_scans() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    let scans = |n: usize| json!({"scans": (0..n).map(|i| json!({"qr_code": format!("SB{i:05}")})).collect::<Vec<_>>()});
    packer.post("/scans/batch", scans(0)).await.problem(422, "validation_failed");
    packer.post("/scans/batch", scans(501)).await.problem(422, "validation_failed");
    let results = packer.post("/scans/batch", scans(500)).await.expect(200).body["results"].clone();
    assert!(results.as_array().unwrap().iter().all(|result| result["outcome"] == "opened"));
    warehouse.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scans_are_listed_newest_first_and_narrowed() {
    let warehouse = Warehouse::open().await;
    let lucknow = warehouse.packer("Lucknow").await;
    let indore = warehouse.packer("Indore").await;
    lucknow.packs("SB00001", (0..3).map(child)).await;
    indore.packs("SB00002", (10..12).map(child)).await;
    indore.scans_into("SB00002", "SB00003").await.problem(409, "kind_mismatch");
    let admin = warehouse.admin().await;
    let count = async |query: &str| admin.get(&format!("/scans?{query}")).await.expect(200).rows().len();
    assert_eq!(count("limit=200").await, 8);
    assert_eq!(count("kind=parent").await, 2);
    assert_eq!(count("outcome=linked").await, 5);
    assert_eq!(count("area=indore").await, 4);
    assert_eq!(count("area=atlantis").await, 0);
    assert_eq!(count("bag=sb00001").await, 4);
    assert_eq!(count(&format!("bag={}", child(1))).await, 1);
    let tomorrow = (Utc::now() + TimeDelta::days(1)).format("%FT%TZ");
    assert_eq!(count(&format!("scanned_after={tomorrow}")).await, 0);
    assert_eq!(count(&format!("scanned_before={tomorrow}")).await, 8);
    assert_eq!(lucknow.get("/scans").await.expect(200).rows().len(), 4, "a dispatcher sees the own area");
    assert_eq!(lucknow.get("/scans?area=Indore").await.expect(200).rows().len(), 0);
    admin.get("/scans?kind=nonsense").await.problem(400, "invalid_query");
    admin.get("/scans?bag=%3Cscript%3E").await.problem(422, "invalid_qr_code");

    let mut seen = Vec::new();
    let mut path = "/scans?limit=3".to_owned();
    loop {
        let page = admin.get(&path).await.expect(200);
        seen.extend(page.rows().iter().map(|scan| scan["id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page.body["next_cursor"].as_str() else { break };
        path = format!("/scans?limit=3&cursor={cursor}");
    }
    assert_eq!(seen.len(), 8);
    assert!(seen.windows(2).all(|pair| pair[0] > pair[1]));
    let one = admin.get(&format!("/scans/{}", seen[0])).await.expect(200);
    assert_eq!(one.body["id"], seen[0].as_str());
    lucknow.get(&format!("/scans/{}", seen[0])).await.problem(404, "scan_not_found");
    admin.get(&format!("/scans/{}", scan_id())).await.problem(404, "scan_not_found");
    admin.get("/scans/nonsense").await.problem(422, "invalid_scan_id");
}
