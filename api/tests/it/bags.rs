//! Bags: lists, one bag, children, history, complete, reopen, move.

use serde_json::json;

use crate::support::{Warehouse, database};

fn children(range: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    range.map(|n| format!("CB-{n:04}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn bags_are_listed_and_narrowed() {
    let warehouse = Warehouse::open().await;
    let lucknow = warehouse.packer("Lucknow").await;
    let indore = warehouse.packer("Indore").await;
    lucknow.packs("SB00001", children(0..3)).await;
    lucknow.act("/bags/SB00001/complete").await.expect(200);
    indore.packs("M444-00001", children(10..12)).await;
    lucknow.act("/scans/undo-last").await.expect(200);
    let admin = warehouse.admin().await;
    let count = async |query: &str| admin.get(&format!("/bags?{query}")).await.expect(200).rows().len();
    assert_eq!(count("limit=200").await, 7);
    assert_eq!(count("kind=parent").await, 2);
    assert_eq!(count("status=completed").await, 1);
    assert_eq!(count("status=open").await, 1);
    assert_eq!(count("linked=true").await, 4);
    assert_eq!(count("kind=child&linked=false").await, 1);
    assert_eq!(count("billed=true").await, 0);
    assert_eq!(count("area=Indore").await, 3);
    assert_eq!(count("q=b-00").await, 5);
    assert_eq!(count("q=m4").await, 1);
    assert_eq!(count("q=44").await, 0, "short terms are looked up as a beginning");
    assert_eq!(count("q=%25").await, 0, "wildcards are plain characters");
    assert_eq!(count("q=%00").await, 7);
    assert_eq!(lucknow.get("/bags").await.expect(200).rows().len(), 4);
    let counted = admin.get("/bags?kind=child&limit=2&count=exact").await.expect(200);
    assert_eq!((counted.rows().len(), counted.body["total"].as_i64()), (2, Some(5)));
    assert!(admin.get("/bags").await.expect(200).body.get("total").is_none());
    assert_eq!(admin.get("/scans?count=exact&limit=1").await.expect(200).body["total"], 8);
    assert_eq!(admin.get("/bills?count=exact").await.expect(200).body["total"], 0);
    let mut oldest = Vec::new();
    let mut path = "/bags?sort=oldest&limit=3".to_owned();
    loop {
        let page = admin.get(&path).await.expect(200);
        oldest.extend(page.rows().iter().map(|bag| bag["qr_code"].as_str().expect("a code").to_owned()));
        let Some(cursor) = page.body["next_cursor"].as_str() else { break };
        admin.get(&format!("/bags?sort=newest&limit=3&cursor={cursor}")).await.problem(400, "invalid_cursor");
        path = format!("/bags?sort=oldest&limit=3&cursor={cursor}");
    }
    let newest: Vec<String> =
        admin.get("/bags").await.expect(200).rows().iter().rev().map(|bag| bag["qr_code"].as_str().expect("a code").to_owned()).collect();
    assert_eq!(oldest, newest);
    admin.get("/bags?sort=colour").await.problem(400, "invalid_query");
    admin.get("/bags?count=roughly").await.problem(400, "invalid_query");
    admin.get("/bags?kind=box").await.problem(400, "invalid_query");
    admin.get("/bags?cursor=AAAA").await.problem(400, "invalid_cursor");
    admin.get("/bags?created_after=yesterday").await.problem(400, "invalid_query");

    let first = admin.get("/bags?limit=4&kind=child").await.expect(200);
    let cursor = first.body["next_cursor"].as_str().expect("more to come");
    let second = admin.get(&format!("/bags?limit=4&kind=child&cursor={cursor}")).await.expect(200);
    assert_eq!((first.rows().len(), second.rows().len(), second.body["has_more"].as_bool()), (4, 1, Some(false)));
    admin.get(&format!("/bags?limit=4&kind=parent&cursor={cursor}")).await.problem(400, "invalid_cursor");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bag_is_shown_with_what_belongs_to_it() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    packer.packs("SB12345", children(0..2)).await;
    let parent = packer.get("/bags/sb12345").await.expect(200).body;
    assert_eq!((parent["child_count"].as_i64(), parent["capacity"].as_i64(), parent["weight_kg"].as_f64()), (Some(2), Some(30), Some(2.0)));
    assert_eq!((parent["created_by"].as_str(), parent["dispatch_area"].as_str()), (Some("dispatcher-0"), Some("Lucknow")));
    assert!(parent["created_at"].as_str().unwrap().ends_with('Z'));
    let child = packer.get("/bags/CB-0001").await.expect(200).body;
    assert_eq!((child["parent"].as_str(), child["weight_kg"].as_f64(), child["status"].as_str()), (Some("SB12345"), Some(1.0), None));
    packer.get("/bags/SB99999").await.problem(404, "bag_not_found");
    packer.get("/bags/%3Cscript%3E").await.problem(422, "invalid_qr_code");
    for path in ["/bags/SB12345", "/bags/SB12345/children", "/bags/SB12345/history"] {
        warehouse.packer("Indore").await.get(path).await.problem(404, "bag_not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn children_come_in_the_order_they_went_in() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    let codes = ["CB-9", "CB-1", "CB-5", "CB-3"];
    packer.packs("SB12345", codes.map(str::to_owned)).await;
    let mut seen = Vec::new();
    let mut path = "/bags/SB12345/children?limit=3".to_owned();
    loop {
        let page = packer.get(&path).await.expect(200);
        seen.extend(page.rows().iter().map(|child| child["qr_code"].as_str().unwrap().to_owned()));
        let Some(cursor) = page.body["next_cursor"].as_str() else { break };
        path = format!("/bags/SB12345/children?limit=3&cursor={cursor}");
    }
    assert_eq!(seen, codes);
    assert_eq!(packer.get("/bags/CB-9/children").await.expect(200).rows().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn history_tells_everything_once() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    packer.packs("SB12345", ["CB-1".into()]).await;
    packer.act("/scans/undo-last").await.expect(200);
    packer.scans_into("SB12345", "CB-1").await.expect(201);
    packer.act("/bags/SB12345/complete").await.expect(200);
    packer.scans_into("SB12345", "CB-2").await.problem(409, "parent_completed");
    let biller = warehouse.biller().await;
    biller.put("/bags/CB-1/parent", json!({"parent_qr_code": null})).await.expect(200);
    let events = async |code: &str| {
        let page = packer.get(&format!("/bags/{code}/history")).await.expect(200);
        page.rows().iter().map(|entry| entry["event"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(events("CB-1").await, ["child_unlinked", "scan_child", "scan_undo", "scan_child"]);
    assert_eq!(
        events("SB12345").await,
        ["parent_reopened", "child_unlinked", "scan_child", "parent_completed", "scan_child", "scan_undo", "scan_child", "scan_parent"]
    );
    biller.put("/bags/CB-1/parent", json!({"parent_qr_code": "SB12345"})).await.expect(200);
    packer.scans("SB12346").await.expect(201);
    biller.put("/bags/CB-1/parent", json!({"parent_qr_code": "SB12346"})).await.expect(200);
    assert_eq!(events("SB12345").await[..2], ["child_moved", "child_linked"]);
    assert_eq!(events("SB12346").await, ["child_moved", "scan_parent"]);
    assert_eq!(events("CB-1").await[..2], ["child_moved", "child_linked"]);
    let first = packer.get("/bags/SB12345/history?limit=5").await.expect(200);
    let cursor = first.body["next_cursor"].as_str().unwrap();
    assert_eq!(packer.get(&format!("/bags/SB12345/history?limit=5&cursor={cursor}")).await.expect(200).rows().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packer_completes_and_reopens() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    packer.scans("SB12345").await.expect(201);
    packer.act("/bags/SB12345/complete").await.problem(409, "empty_parent");
    packer.scans_into("SB12345", "CB-1").await.expect(201);
    for _ in 0..2 {
        assert_eq!(packer.act("/bags/SB12345/complete").await.expect(200).body["status"], "completed");
    }
    packer.scans_into("SB12345", "CB-2").await.problem(409, "parent_completed");
    for _ in 0..2 {
        assert_eq!(packer.act("/bags/SB12345/reopen").await.expect(200).body["status"], "open");
    }
    packer.scans_into("SB12345", "CB-2").await.expect(201);
    packer.act("/bags/CB-1/complete").await.problem(409, "kind_mismatch");
    packer.act("/bags/SB99999/complete").await.problem(404, "bag_not_found");
    warehouse.packer("Indore").await.act("/bags/SB12345/complete").await.problem(404, "bag_not_found");
    let audited =
        database::number(&warehouse.database_url, "SELECT count(*) AS n FROM audit_logs WHERE action IN ('parent_completed', 'parent_reopened')")
            .await;
    assert_eq!(audited, 2, "what changes nothing is not audited");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_parent_that_is_reopened_is_full() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    packer.packs("SB12345", children(0..30)).await;
    packer.act("/bags/SB12345/reopen").await.expect(200);
    packer.scans_into("SB12345", "CB-X").await.problem(409, "parent_full");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_biller_moves_a_child_and_both_counts_follow() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    packer.packs("SB00001", children(0..30)).await;
    packer.packs("SB00002", children(40..41)).await;
    let biller = warehouse.biller().await;
    let moved = biller.put("/bags/CB-0007/parent", json!({"parent_qr_code": "sb00002"})).await.expect(200);
    assert_eq!(moved.body["parent"], "SB00002");
    let old = packer.get("/bags/SB00001").await.expect(200).body;
    assert_eq!((old["child_count"].as_i64(), old["status"].as_str()), (Some(29), Some("open")));
    assert_eq!(packer.get("/bags/SB00002").await.expect(200).body["child_count"], 2);
    biller.put("/bags/CB-0007/parent", json!({"parent_qr_code": "SB00002"})).await.expect(200);
    let out = biller.put("/bags/CB-0007/parent", json!({"parent_qr_code": null})).await.expect(200);
    assert!(out.body["parent"].is_null());
    biller.put("/bags/CB-0007/parent", json!({"parent_qr_code": null})).await.expect(200);
    biller.put("/bags/CB-0007/parent", json!({"parent_qr_code": "SB00001"})).await.expect(200);
    assert_eq!(packer.get("/bags/SB00001").await.expect(200).body["status"], "completed", "the thirtieth completes, also by a move");
    warehouse.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_cannot_be_is_refused() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    packer.packs("SB00001", children(0..30)).await;
    packer.packs("SB00002", children(30..32)).await;
    packer.packs("SB00003", children(40..41)).await;
    packer.act("/bags/SB00003/complete").await.expect(200);
    let biller = warehouse.biller().await;
    let move_to = async |child: &str, parent: &str| biller.put(&format!("/bags/{child}/parent"), json!({"parent_qr_code": parent})).await;
    move_to("CB-0030", "SB00001").await.problem(409, "parent_full");
    move_to("CB-0030", "SB00003").await.problem(409, "parent_completed");
    move_to("CB-0030", "SB99999").await.problem(409, "unknown_parent");
    move_to("CB-0030", "CB-0031").await.problem(409, "kind_mismatch");
    move_to("SB00002", "SB00003").await.problem(409, "kind_mismatch");
    move_to("CB-NONE", "SB00002").await.problem(404, "bag_not_found");
    move_to("CB-0030", "<>").await.problem(422, "invalid_qr_code");
    let missing = biller.put("/bags/CB-0030/parent", json!({})).await.problem(422, "validation_failed");
    assert_eq!(missing.body["errors"][0]["pointer"], "/parent_qr_code", "an empty object does not unlink");
    packer.put("/bags/CB-0030/parent", json!({"parent_qr_code": null})).await.problem(403, "forbidden");
    warehouse.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn areas_are_listed() {
    let warehouse = Warehouse::open().await;
    let areas = warehouse.packer("Lucknow").await.get("/dispatch-areas").await.expect(200);
    assert_eq!(areas.rows().len(), 10);
    assert_eq!(areas.rows()[0]["code"], "Akola");
}
