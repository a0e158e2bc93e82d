//! Undoing scans.

use chrono::{TimeDelta, Utc};
use serde_json::json;

use crate::support::person::scan_id;
use crate::support::{Warehouse, database};

#[tokio::test(flavor = "multi_thread")]
async fn undo_takes_the_child_out_keeps_both_bags_and_marks_the_event() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    packer.packs("SB12345", ["CB-1".into()]).await;
    let scan = packer.scans_into("SB12345", "CB-2").await.expect(201).body["id"].as_str().unwrap().to_owned();
    let undone = packer.act(&format!("/scans/{scan}/undo")).await.expect(200);
    assert_eq!(undone.body["undone_scan"]["id"], scan.as_str());
    assert!(undone.body["undone_scan"]["undone_at"].is_string());
    assert_eq!(undone.body["undone_scan"]["undone_by"], "dispatcher-0");
    assert!(undone.body["bag"]["parent"].is_null());
    assert_eq!(undone.body["parent"]["child_count"], 1);
    let again = packer.act(&format!("/scans/{scan}/undo")).await.expect(200);
    assert_eq!(again.body, undone.body, "repeating an undo changes nothing");
    packer.get("/bags/CB-2").await.expect(200);
    let undo_events =
        database::number(&warehouse.database_url, &format!("SELECT count(*) AS n FROM scans WHERE kind = 'undo' AND undoes_id = '{scan}'")).await;
    assert_eq!(undo_events, 1);
    packer.scans_into("SB12345", "CB-2").await.expect(201);
    packer.act(&format!("/scans/{scan}/undo")).await.expect(200);
    assert_eq!(packer.get("/bags/CB-2").await.expect(200).body["parent"], "SB12345", "an old undo does not touch a new link");
    warehouse.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_last_undoes_the_last_link_once() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    packer.act("/scans/undo-last").await.problem(409, "nothing_to_undo");
    packer.packs("SB12345", ["CB-1".into(), "CB-2".into()]).await;
    packer.scans_into("SB12345", "SB99999").await.problem(409, "kind_mismatch");
    let undone = packer.act("/scans/undo-last").await.expect(200);
    assert_eq!(undone.body["bag"]["qr_code"], "CB-2");
    let again = packer.act("/scans/undo-last").await.expect(200);
    assert_eq!(again.body, undone.body);
    assert_eq!(packer.get("/bags/SB12345").await.expect(200).body["child_count"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn undoing_the_thirtieth_child_opens_the_parent_again() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    packer.packs("SB12345", (0..30).map(|n| format!("CB-{n}"))).await;
    let undone = packer.act("/scans/undo-last").await.expect(200);
    assert_eq!((undone.body["parent"]["status"].as_str(), undone.body["parent"]["child_count"].as_i64()), (Some("open"), Some(29)));
    assert_eq!(packer.scans_into("SB12345", "CB-X").await.expect(201).body["parent"]["status"], "completed");
    warehouse.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_completed_by_hand_stays_completed() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    packer.packs("SB12345", ["CB-1".into(), "CB-2".into()]).await;
    packer.act("/bags/SB12345/complete").await.expect(200);
    assert_eq!(packer.act("/scans/undo-last").await.expect(200).body["parent"]["status"], "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_is_refused_when_too_late_superseded_billed_or_without_effect() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    let opened = packer.scans("SB12345").await.expect(201).body["id"].as_str().unwrap().to_owned();
    packer.act(&format!("/scans/{opened}/undo")).await.problem(409, "nothing_to_undo");
    let two_hours_ago = (Utc::now() - TimeDelta::hours(2)).to_rfc3339();
    let old = packer.post("/scans", json!({"qr_code": "CB-1", "parent_qr_code": "SB12345", "scanned_at": two_hours_ago})).await.expect(201);
    packer.act(&format!("/scans/{}/undo", old.body["id"].as_str().unwrap())).await.problem(409, "undo_window_passed");

    let moved = packer.scans_into("SB12345", "CB-2").await.expect(201).body["id"].as_str().unwrap().to_owned();
    warehouse.biller().await.put("/bags/CB-2/parent", json!({"parent_qr_code": null})).await.expect(200);
    packer.act(&format!("/scans/{moved}/undo")).await.problem(409, "scan_superseded");

    let billed = packer.scans_into("SB12345", "CB-3").await.expect(201).body["id"].as_str().unwrap().to_owned();
    database::execute(
        &warehouse.database_url,
        "INSERT INTO bills (bill_number, destination, vehicle_number, expected_parent_bags, status, finished_at) VALUES ('B', 'Delhi', 'RJ14', 1, 'completed', now()); \
         INSERT INTO bill_bags (bag_id, bill_id) SELECT b.id, i.id FROM bags b, bills i WHERE b.qr_code = 'SB12345'",
    )
    .await;
    packer.act(&format!("/scans/{billed}/undo")).await.problem(409, "parent_on_completed_bill");
    packer.act(&format!("/scans/{}/undo", scan_id())).await.problem(404, "scan_not_found");
    packer.act("/scans/nonsense/undo").await.problem(422, "invalid_scan_id");
    warehouse.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scan_of_another_person_is_undone_by_billers_and_admins_only() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    packer.scans("SB12345").await.expect(201);
    let mut scans = Vec::new();
    for code in ["CB-1", "CB-2"] {
        scans.push(packer.scans_into("SB12345", code).await.expect(201).body["id"].as_str().unwrap().to_owned());
    }
    let undo = |n: usize| format!("/scans/{}/undo", scans[n]);
    warehouse.packer("Lucknow").await.act(&undo(0)).await.problem(403, "forbidden");
    warehouse.packer("Indore").await.act(&undo(0)).await.problem(404, "scan_not_found");
    warehouse.biller().await.act(&undo(0)).await.expect(200);
    warehouse.admin().await.act(&undo(1)).await.expect(200);
}
