//! Search, and the numbers by hour, area and person.

use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Warehouse};

#[tokio::test(flavor = "multi_thread")]
async fn one_search_finds_bags_bills_and_people() {
    let warehouse = Warehouse::open().await;
    let (admin, packer, indore) = (warehouse.admin().await, warehouse.packer("Lucknow").await, warehouse.packer("Indore").await);
    packer.packs("SB77001", ["CB-77-A".into()]).await;
    indore.scans("SB77002").await.expect(201);
    let body = json!({"bill_number": "T-77", "destination": "Jaipur", "vehicle_number": "RJ14", "expected_parent_bags": 3});
    admin.post("/bills", body).await.expect(201);
    admin.post("/bills/T-77/bags", json!({"qr_codes": ["SB77001"]})).await.expect(200);
    let found = admin.get("/search?q=77").await.expect(200).body;
    assert_eq!(
        (found["bags"].as_array().map(Vec::len), found["bills"].as_array().map(Vec::len)),
        (Some(0), Some(1)),
        "two characters are a beginning"
    );
    let found = admin.get("/search?q=b77").await.expect(200).body;
    assert_eq!((found["bags"].as_array().map(Vec::len), found["bills"].as_array().map(Vec::len)), (Some(2), Some(0)));
    assert_eq!(admin.get("/search?q=b7700&limit=1").await.expect(200).body["bags"].as_array().map(Vec::len), Some(1));
    assert_eq!(admin.get("/search?q=dispatcher-").await.expect(200).body["users"].as_array().map(Vec::len), Some(2));
    let own = packer.get("/search?q=b77").await.expect(200).body;
    assert_eq!(own["bags"].as_array().map(Vec::len), Some(1), "of one's own area");
    assert_eq!(packer.get("/search?q=dispatcher-").await.expect(200).body["users"], json!([]));
    assert_eq!(packer.get("/search?q=t-7").await.expect(200).body["bills"].as_array().map(Vec::len), Some(1));
    assert_eq!(indore.get("/search?q=t-7").await.expect(200).body["bills"], json!([]));
    let long = "x".repeat(101);
    for wrong in ["", "q=", "q=%20", "q=%00", &format!("q={long}"), "q=a&limit=0", "q=a&limit=51", "q=a&colour=red"] {
        admin.get(&format!("/search?{wrong}")).await.problem(400, "invalid_query");
    }
    for odd in ["q=%25%25%25", "q=%27%3B--", "q=%F0%9F%93%A6%F0%9F%93%A6%F0%9F%93%A6", "q=___"] {
        assert_eq!(admin.get(&format!("/search?{odd}")).await.expect(200).body, json!({"bags": [], "bills": [], "users": []}), "{odd}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_by_hour_area_and_person_equal_the_scans() {
    let warehouse = Warehouse::open().await;
    let (admin, packer, indore) = (warehouse.admin().await, warehouse.packer("Lucknow").await, warehouse.packer("Indore").await);
    packer.packs("SB00001", (0..30).map(|n| format!("CB-{n}"))).await;
    indore.packs("SB00002", ["CB-X".into()]).await;
    packer.scans("CB-1").await.expect(201);
    indore.act("/scans/undo-last").await.expect(200);

    let hours = admin.get("/stats/scans-per-hour").await.expect(200).body;
    let rows = hours["data"].as_array().expect("rows");
    assert_eq!(rows.len(), 24);
    let sum = |field: &str| rows.iter().map(|row| row[field].as_i64().expect("a number")).sum::<i64>();
    assert_eq!((sum("total"), sum("parent"), sum("child"), sum("lookup"), sum("undo")), (35, 2, 31, 1, 1));
    let own = packer.get("/stats/scans-per-hour?hours=3").await.expect(200).body;
    let own: Vec<i64> = own["data"].as_array().expect("rows").iter().map(|row| row["total"].as_i64().expect("a number")).collect();
    assert_eq!((own.len(), own.iter().sum::<i64>()), (3, 32));

    let areas = admin.get("/stats/areas").await.expect(200).body;
    assert_eq!(areas["data"].as_array().map(Vec::len), Some(10));
    let lucknow = areas["data"].as_array().expect("rows").iter().find(|row| row["area"] == "Lucknow").expect("Lucknow").clone();
    assert_eq!(lucknow, json!({"area": "Lucknow", "open_parents": 0, "completed_parents": 1, "children": 30, "scans": 32, "scans_total": 32}));
    assert_eq!(packer.get("/stats/areas").await.expect(200).body["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(admin.get("/stats/areas?date=2020-02-29").await.expect(200).body["data"][4]["scans"], 0);

    let people = admin.get("/stats/people").await.expect(200).body;
    let first = &people["data"][0];
    assert_eq!(
        (first["username"].as_str(), first["scans"].as_i64(), first["child"].as_i64(), first["scans_day_before"].as_i64()),
        (Some("dispatcher-0"), Some(32), Some(30), Some(0))
    );
    assert_eq!(indore.get("/stats/people").await.expect(200).body["data"].as_array().map(Vec::len), Some(1));

    let recent = admin.get("/stats/recent?limit=3").await.expect(200);
    assert_eq!(recent.body["data"].as_array().map(Vec::len), Some(3));
    assert_eq!(recent.body["data"][0]["kind"], "undo");
    let again = Answer::of(admin.request(Method::GET, "/stats/recent?limit=3").header("if-none-match", recent.header("etag"))).await;
    again.expect(304);

    for wrong in [
        "scans-per-hour?hours=0",
        "scans-per-hour?hours=169",
        "scans-per-hour?hours=x",
        "areas?date=2026-02-30",
        "people?date=0000-01-01",
        "people?date=9999-12-31",
        "recent?limit=101",
        "recent?limit=-1",
    ] {
        admin.get(&format!("/stats/{wrong}")).await.problem(400, "invalid_query");
    }
}
