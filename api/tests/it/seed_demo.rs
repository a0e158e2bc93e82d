//! The demo warehouse, made by the binary as people make it.

use std::process::{Command, Output};

use traitortrack::config::Secret;

use crate::support::warehouse::ADMIN_PASSWORD;
use crate::support::{Warehouse, database};

fn seed(database_url: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_api"))
        .arg("seed-demo")
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("DATABASE_URL", database_url)
        .env("DEMO_PASSWORD", "Packs-All-Day-1")
        .output()
        .expect("the binary runs")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

const BROKEN_RULES: &str = "SELECT \
    (SELECT count(*) FROM bags p WHERE p.kind = 'parent' AND p.child_count <> (SELECT count(*) FROM bag_links l WHERE l.parent_id = p.id)) \
  + (SELECT count(*) FROM bag_links l JOIN bags c ON c.id = l.child_id JOIN bags p ON p.id = l.parent_id \
     WHERE c.kind <> 'child' OR p.kind <> 'parent' OR c.dispatch_area_id IS DISTINCT FROM p.dispatch_area_id) \
  + (SELECT count(*) FROM bags WHERE kind = 'parent' AND child_count = 30 AND status <> 'completed') \
  + (SELECT count(*) FROM bag_links l LEFT JOIN scans s ON s.id = l.scan_id AND s.outcome = 'linked' WHERE s.id IS NULL) \
  + (SELECT count(*) FROM bill_bags bb JOIN bags p ON p.id = bb.bag_id WHERE p.status <> 'completed') \
  + (SELECT count(*) FROM bills b WHERE b.expected_parent_bags < (SELECT count(*) FROM bill_bags bb WHERE bb.bill_id = b.id)) \
  + (SELECT count(*) FROM scans WHERE scanned_at > now() OR tableoid = 'scans_default'::regclass) AS n";

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_warehouse_obeys_the_rules_and_can_be_worked_in() {
    let url = database::migrated().await;
    let shape = "SELECT (SELECT hashtext(string_agg(indexdef, ' ' ORDER BY indexdef)) FROM pg_indexes WHERE schemaname = 'public')::bigint \
                      + (SELECT hashtext(string_agg(conname || pg_get_constraintdef(oid), ' ' ORDER BY conrelid::regclass::text, conname)) \
                         FROM pg_constraint WHERE connamespace = 'public'::regnamespace) AS n";
    let before = database::number(&url, shape).await;
    let made = seed(&url, &["--bags", "3000"]);
    assert!(made.status.success(), "{}", text(&made));
    assert!(text(&made).contains("Created 96 parent bags, 2904 child bags"), "{}", text(&made));
    assert_eq!(database::number(&url, shape).await, before, "every index and constraint is back");
    assert_eq!(database::number(&url, BROKEN_RULES).await, 0);

    let warehouse = Warehouse::open_on(url.clone(), |_| ()).await;
    warehouse.assert_counts_equal_rows().await;
    let stats = warehouse.admin().await.get("/stats").await.expect(200).body;
    assert_eq!(stats["bags"]["total"], 3000);
    assert!(stats["bills"]["completed"].as_i64() > Some(0), "{stats}");
    let packer = warehouse.nobody().signed_in("asha", "Packs-All-Day-1").await;
    let open = packer.get("/bags?kind=parent&status=open").await.expect(200);
    if let Some(parent) = open.rows().first() {
        packer.scans_into(parent["qr_code"].as_str().expect("a code"), "NEW-CHILD-1").await.expect(201);
    }
    packer.packs("SB99999999", ["NEW-CHILD-2".into()]).await;
    warehouse.assert_counts_equal_rows().await;

    let again = seed(&url, &["--bags", "10"]);
    assert!(!again.status.success());
    assert!(text(&again).contains("already contains bags"), "{}", text(&again));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_number_of_bags_is_made_exactly() {
    for bags in ["1", "2", "31", "62", "333"] {
        let url = database::migrated().await;
        let made = seed(&url, &["--bags", bags]);
        assert!(made.status.success(), "{bags}: {}", text(&made));
        assert_eq!(database::number(&url, "SELECT count(*) AS n FROM bags").await.to_string(), bags);
        assert_eq!(database::number(&url, BROKEN_RULES).await, 0, "{bags}");
    }
    let url = database::migrated().await;
    for (arguments, sentence) in [(["--bags", "0"], "1 or more"), (["--password", "short"], "at least 8"), (["--bags", "many"], "invalid value")] {
        let refused = seed(&url, &arguments);
        assert!(!refused.status.success() && text(&refused).contains(sentence), "{}", text(&refused));
    }
    assert_eq!(database::number(&url, "SELECT count(*) AS n FROM bags").await, 0);
}

/// People fill the database first and start the server then: there has to be an admin all the same.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_admin_is_made_beside_demo_people() {
    let url = database::empty().await;
    assert!(seed(&url, &["--bags", "40"]).status.success());
    let warehouse = Warehouse::open_on(url, |config| config.admin_password = Some(Secret::from(ADMIN_PASSWORD))).await;
    warehouse.admin().await.get("/users").await.expect(200);
}
