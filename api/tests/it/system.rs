//! The system itself: figures for admins, jobs, housekeeping.

use traitortrack::db::pool;
use traitortrack::system::housekeeping;

use crate::support::{Warehouse, database};

#[tokio::test(flavor = "multi_thread")]
async fn admins_see_how_the_system_is() {
    let warehouse = Warehouse::open().await;
    let (admin, biller) = (warehouse.admin().await, warehouse.biller().await);
    let report = admin.get("/admin/system").await.expect(200).body;
    assert!(report["memory_bytes"].as_u64().is_some_and(|bytes| bytes > 1_000_000));
    assert!(report["database"]["size_bytes"].as_i64().is_some_and(|bytes| bytes > 1_000_000));
    assert!(report["largest_tables"].as_array().expect("tables").iter().any(|table| table["name"] == "scans"));
    assert_eq!(report["index_findings"].as_array().map(Vec::len), Some(0), "{}", report["index_findings"]);
    assert_eq!(report["redis"], "not_configured");
    biller.get("/admin/system").await.problem(403, "forbidden");
    biller.get("/admin/jobs").await.problem(403, "forbidden");
    admin.get("/admin/jobs?status=lost").await.problem(400, "invalid_query");
    assert_eq!(admin.get("/admin/jobs?kind=%00email&status=queued").await.expect(200).rows().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_served_its_time_is_cleared_away() {
    let warehouse = Warehouse::open().await;
    let url = &warehouse.database_url;
    warehouse.admin().await;
    database::execute(
        url,
        "INSERT INTO idempotency_keys (caller, key, request_hash, status, body, expires_at) \
           SELECT 'user:1', n::text, sha256(n::text::bytea), 200, '', now() + CASE WHEN n <= 6000 THEN -1 ELSE 1 END * interval '1 hour' FROM generate_series(1, 6005) n; \
         UPDATE sessions SET revoked_at = now() - interval '31 days'; \
         INSERT INTO jobs (id, kind, status, payload, finished_at) VALUES (gen_random_uuid(), 'email', 'succeeded', '{}', now() - interval '31 days'), \
           (gen_random_uuid(), 'import', 'succeeded', '{}', now() - interval '31 days'), (gen_random_uuid(), 'email', 'succeeded', '{}', now())",
    )
    .await;
    let config = traitortrack::config::Config::defaults();
    let gone = housekeeping::sweep(&pool::create(url, &config.database).expect("a pool")).await.expect("sweeps");
    assert_eq!(gone, 6000 + 1 + 1);
    assert_eq!(database::number(url, "SELECT count(*) AS n FROM idempotency_keys").await, 5);
    assert_eq!(database::number(url, "SELECT count(*) AS n FROM jobs").await, 2);
}
