//! The schema goes up, down and up again, empty and filled; processes that start together wait for each other.

use traitortrack::db::migrations;

use crate::support::{Warehouse, database};

#[tokio::test(flavor = "multi_thread")]
async fn up_down_up_on_an_empty_database() {
    let url = database::empty().await;
    assert_eq!(migrations::run_pending(&url).await.expect("up").len(), migrations::names().expect("names").len());
    assert!(migrations::run_pending(&url).await.expect("again").is_empty());
    migrations::revert_all(&url).await.expect("down");
    let left = "SELECT count(*) AS n FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace \
                WHERE s.nspname = 'public' AND c.relkind IN ('r', 'p', 'S', 'v') AND c.relname <> '__diesel_schema_migrations'";
    assert_eq!(database::number(&url, left).await, 0);
    let types = "SELECT count(*) AS n FROM pg_type t JOIN pg_namespace s ON s.oid = t.typnamespace WHERE s.nspname = 'public' AND t.typtype = 'e'";
    assert_eq!(database::number(&url, types).await, 0);
    assert!(!migrations::run_pending(&url).await.expect("up again").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_are_taken_up_when_the_last_step_is_redone_on_a_filled_database() {
    let warehouse = Warehouse::open().await;
    warehouse.packer("Lucknow").await.packs("SB12345", (0..30).map(|n| format!("CB-{n}"))).await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/2026-11-23-000500_create_counters");
    for step in ["down.sql", "up.sql"] {
        let sql = std::fs::read_to_string(format!("{folder}/{step}")).expect("the migration is there");
        database::execute(&warehouse.database_url, &sql).await;
    }
    warehouse.assert_counts_equal_rows().await;
    assert_eq!(warehouse.admin().await.get("/stats").await.expect(200).body["bags"]["children"], 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn down_and_up_on_a_filled_database() {
    let warehouse = Warehouse::open().await;
    warehouse.packer("Lucknow").await.packs("SB12345", (0..30).map(|n| format!("CB-{n}"))).await;
    let url = warehouse.database_url.clone();
    warehouse.close().await;
    migrations::revert_all(&url).await.expect("down");
    migrations::run_pending(&url).await.expect("up");
    let warehouse = Warehouse::open_on(url, |config| config.admin_password = Some(crate::support::warehouse::ADMIN_PASSWORD.into())).await;
    warehouse.packer("Lucknow").await.packs("SB12345", ["CB-1".into()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_that_start_together_migrate_once() {
    let url = database::empty().await;
    let runs = futures_util::future::join_all((0..4).map(|_| migrations::run_pending(&url))).await;
    let ran: usize = runs.into_iter().map(|run| run.expect("each succeeds").len()).sum();
    assert_eq!(ran, migrations::names().expect("names").len());
}
