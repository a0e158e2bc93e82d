//! No interleaving breaks the rules.

use futures_util::future::join_all;
use serde_json::json;

use crate::support::person::scan_id;
use crate::support::{Person, Warehouse, database};

async fn packers(warehouse: &Warehouse, count: usize) -> Vec<Person> {
    join_all((0..count).map(|_| warehouse.packer("Lucknow"))).await
}

fn statuses(answers: &[crate::support::Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_packers_on_one_parent_never_make_thirty_one_children() {
    let one = Warehouse::open().await;
    let other = Warehouse::open_on(one.database_url.clone(), |_| {}).await;
    let mut packers = packers(&one, 50).await;
    // Half of them at another process on the same database.
    for packer in packers.iter_mut().skip(25) {
        packer.base_url.clone_from(&other.base_url);
    }
    packers[0].scans("SB12345").await.expect(201);
    let scans = packers
        .iter()
        .enumerate()
        .flat_map(|(p, packer)| (0..3).map(move |n| async move { packer.scans_into("SB12345", &format!("C{p:02}-{n}")).await }));
    let answers = join_all(scans).await;
    assert_eq!(statuses(&answers, 201), 30, "{:?}", answers.iter().map(|answer| (answer.status, answer.code().to_owned())).collect::<Vec<_>>());
    assert!(answers.iter().filter(|answer| answer.status != 201).all(|answer| (answer.status, answer.code()) == (409, "parent_full")));
    let parent = packers[0].get("/bags/SB12345").await.expect(200).body;
    assert_eq!((parent["child_count"].as_i64(), parent["status"].as_str()), (Some(30), Some("completed")));
    assert_eq!(database::number(&one.database_url, "SELECT count(*) AS n FROM bags WHERE kind = 'child'").await, 30, "refused children are not made");
    one.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_child_into_two_parents_at_once_ends_in_exactly_one() {
    let one = Warehouse::open().await;
    let other = Warehouse::open_on(one.database_url.clone(), |_| {}).await;
    let asha = one.packer("Lucknow").await;
    let ravi = Person { base_url: other.base_url.clone(), ..one.packer("Lucknow").await };
    asha.scans("SB00001").await.expect(201);
    asha.scans("SB00002").await.expect(201);
    for n in 0..15 {
        let child = format!("CB-{n}");
        let (a, b) = tokio::join!(asha.scans_into("SB00001", &child), ravi.scans_into("SB00002", &child));
        let mut outcomes = [(a.status, a.code().to_owned()), (b.status, b.code().to_owned())];
        outcomes.sort();
        assert_eq!(outcomes, [(201, String::new()), (409, "linked_elsewhere".to_owned())]);
    }
    assert_eq!(database::number(&one.database_url, "SELECT count(*) AS n FROM bag_links").await, 15);
    one.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_scan_sent_many_times_at_once_happens_once() {
    let one = Warehouse::open().await;
    let other = Warehouse::open_on(one.database_url.clone(), |_| {}).await;
    let packer = one.packer("Lucknow").await;
    let elsewhere = Person { base_url: other.base_url.clone(), ..packer.clone() };
    packer.scans("SB00001").await.expect(201);
    for n in 0..10 {
        let scan = json!({"qr_code": format!("CB-{n}"), "parent_qr_code": "SB00001", "id": scan_id()});
        let senders = [&packer, &elsewhere, &packer, &elsewhere, &packer];
        let answers = join_all(senders.map(|sender| sender.post("/scans", scan.clone()))).await;
        assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 201)), "{answers:?}");
        assert!(answers.iter().all(|answer| answer.body == answers[0].body));
    }
    assert_eq!(database::number(&one.database_url, "SELECT count(*) AS n FROM scans WHERE kind = 'child'").await, 10);
    one.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_new_parent_opened_by_many_is_made_once() {
    let one = Warehouse::open().await;
    let other = Warehouse::open_on(one.database_url.clone(), |_| {}).await;
    let packer = one.packer("Lucknow").await;
    let elsewhere = Person { base_url: other.base_url.clone(), ..packer.clone() };
    for n in 0..10 {
        let code = format!("SB{n:05}");
        let answers = join_all([&packer, &elsewhere, &packer, &elsewhere].map(|sender| sender.scans(&code))).await;
        assert_eq!(statuses(&answers, 201), 4, "{answers:?}");
    }
    assert_eq!(database::number(&one.database_url, "SELECT count(*) AS n FROM bags").await, 10);
    one.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn scans_undos_moves_and_completions_at_once_keep_every_count() {
    let warehouse = Warehouse::open().await;
    let packers = packers(&warehouse, 6).await;
    let biller = warehouse.biller().await;
    let parents = ["SB00001", "SB00002", "SB00003"];
    for parent in parents {
        packers[0].scans(parent).await.expect(201);
    }
    let work = packers.iter().enumerate().map(|(p, packer)| async move {
        for n in 0..25_usize {
            let parent = parents[(p + n) % 3];
            let child = format!("C{:03}", (p * 7 + n * 3) % 60);
            let answer = packer.scans_into(parent, &child).await;
            assert!(matches!(answer.status, 201 | 409), "{answer:?}");
            if n % 4 == 0 {
                let undone = packer.act("/scans/undo-last").await;
                assert!(matches!(undone.status, 200 | 409), "{undone:?}");
            }
            if n % 9 == 0 {
                let status = packer.act(&format!("/bags/{parent}/{}", if n % 2 == 0 { "complete" } else { "reopen" })).await;
                assert!(matches!(status.status, 200 | 409), "{status:?}");
            }
        }
    });
    let moves = async {
        for n in 0..40_usize {
            let target = if n % 5 == 0 { json!(null) } else { json!(parents[n % 3]) };
            let moved = biller.put(&format!("/bags/C{:03}/parent", n % 60), json!({"parent_qr_code": target})).await;
            assert!(matches!(moved.status, 200 | 404 | 409 | 503), "{moved:?}");
        }
    };
    tokio::join!(join_all(work), moves);
    warehouse.assert_counts_equal_rows().await;
    let wrong = "SELECT count(*) AS n FROM bags WHERE kind = 'parent' AND (child_count > capacity OR (auto_completed AND child_count < capacity))";
    assert_eq!(database::number(&warehouse.database_url, wrong).await, 0);
}
