//! Numbers for the dashboard.

use chrono::{DurationRound, TimeDelta, Utc};
use diesel::sql_types::{Integer, Nullable, Timestamptz};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use serde_json::json;
use traitortrack::db::sql::Counted;
use traitortrack::stats;

use crate::support::{Warehouse, database};

#[tokio::test(flavor = "multi_thread")]
async fn totals_are_exact_at_once() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    packer.packs("SB00001", (0..30).map(|n| format!("CB-{n}"))).await;
    packer.packs("SB00002", ["CB-X".into()]).await;
    packer.act("/scans/undo-last").await.expect(200);
    let stats = warehouse.admin().await.get("/stats").await.expect(200).body;
    assert_eq!(stats["bags"], json!({"total": 33, "parents": 2, "children": 31, "open": 1, "completed": 1}));
    assert_eq!(stats["scans"]["total"], 34, "30 + 1 children, 2 parents, 1 undo");
    assert_eq!(stats["scans"]["last_24h"], 34);
    assert_eq!(stats["users"], json!({"total": 2, "active": 2}));
    assert_eq!(stats["bills"], json!({"total": 0, "new": 0, "processing": 0, "completed": 0}));
    assert!(stats["as_of"].as_str().unwrap().ends_with('Z'));
    warehouse.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_24_hours_are_counted_to_the_second() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    let scanned = async |code: &str, ago: TimeDelta| {
        packer.post("/scans", json!({"qr_code": code, "scanned_at": (Utc::now() - ago).to_rfc3339()})).await.expect(201);
    };
    scanned("SB00001", TimeDelta::seconds(24 * 3600 + 20)).await;
    scanned("SB00002", TimeDelta::seconds(24 * 3600 - 60)).await;
    scanned("SB00003", TimeDelta::hours(12)).await;
    scanned("SB00004", TimeDelta::zero()).await;
    let scans = packer.get("/stats").await.expect(200).body["scans"].clone();
    assert_eq!((scans["total"].as_i64(), scans["last_24h"].as_i64()), (Some(4), Some(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_24_hours_are_exact_at_every_minute_of_a_quarter() {
    let warehouse = Warehouse::open().await;
    let url = &warehouse.database_url;
    // Three scans a minute, in turns of two areas and none.
    database::execute(
        url,
        "INSERT INTO scans (id, kind, outcome, source, qr_code, user_id, dispatch_area_id, scanned_at, recorded_at) \
         SELECT (left(uuidv7_floor(at)::text, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid, 'lookup', 'found', 'wedge', 'SB00001', \
                (SELECT min(id) FROM users), nullif(n % 3, 0), at, at \
         FROM (SELECT n, date_trunc('hour', now()) - interval '26 hours' + n * interval '20 s' AS at FROM generate_series(1, 4000) n) AS t",
    )
    .await;
    let mut conn = AsyncPgConnection::establish(url).await.expect("connects");
    let hour = Utc::now().duration_trunc(TimeDelta::hours(1)).expect("a time of ours");
    for minute in 0..15 {
        let now = hour - TimeDelta::hours(1) + TimeDelta::minutes(minute) + TimeDelta::seconds(7);
        for area_id in [None, Some(1)] {
            let kept = stats::totals(&conn, area_id, chrono_tz::UTC, now).await.expect("they are read").scans.last_24h;
            let counted: i64 = diesel::sql_query(
                "SELECT count(*) AS n FROM scans WHERE uuidv7_time(id) >= $1 - interval '24 hours' AND ($2::integer IS NULL OR dispatch_area_id = $2)",
            )
            .bind::<Timestamptz, _>(now)
            .bind::<Nullable<Integer>, _>(area_id)
            .get_result::<Counted>(&mut conn)
            .await
            .expect("they are counted")
            .n;
            assert_eq!(kept, counted, "minute {minute}, area {area_id:?}");
        }
    }
    warehouse.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatcher_sees_the_numbers_of_the_own_area() {
    let warehouse = Warehouse::open().await;
    warehouse.packer("Indore").await.packs("SB00001", ["CB-1".into()]).await;
    let lucknow = warehouse.packer("Lucknow").await;
    lucknow.scans("SB00002").await.expect(201);
    let stats = lucknow.get("/stats").await.expect(200).body;
    assert_eq!((stats["bags"]["total"].as_i64(), stats["scans"]["total"].as_i64(), stats["scans"]["last_24h"].as_i64()), (Some(1), Some(1), Some(1)));
    warehouse.nobody().get("/stats").await.problem(401, "missing_token");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_without_the_application_is_counted_too() {
    let warehouse = Warehouse::open().await;
    warehouse.packer("Lucknow").await.packs("SB00001", ["CB-1".into()]).await;
    database::execute(
        &warehouse.database_url,
        "INSERT INTO bags (qr_code, kind, format_id, capacity, status, dispatch_area_id) SELECT 'SB' || n, 'parent', 1, 30, 'open', n % 3 + 1 FROM generate_series(100000, 100099) n; \
         UPDATE bags SET dispatch_area_id = NULL WHERE id % 2 = 0; DELETE FROM bags WHERE qr_code LIKE 'SB10009%'; \
         INSERT INTO bills (bill_number, destination, vehicle_number, expected_parent_bags) VALUES ('A', 'Delhi', 'RJ14', 1), ('B', 'Delhi', 'RJ14', 1); \
         UPDATE bills SET status = 'processing' WHERE bill_number = 'A'; DELETE FROM bills WHERE bill_number = 'B'",
    )
    .await;
    let stats = warehouse.admin().await.get("/stats").await.expect(200).body;
    assert_eq!(stats["bags"]["parents"], 91);
    assert_eq!(stats["bills"], json!({"total": 1, "new": 0, "processing": 1, "completed": 0}));
    warehouse.assert_counts_equal_rows().await;
}
