//! Bills: making, filling, finishing, reopening, deleting, reporting.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Person, Warehouse, database};

fn children(parent: usize, count: usize) -> impl Iterator<Item = String> {
    (0..count).map(move |n| format!("CB-{parent:03}-{n:02}"))
}

async fn bill(biller: &Person, expected: u32) -> String {
    let body = json!({"destination": "Jaipur depot", "vehicle_number": "rj14 gb 1234", "expected_parent_bags": expected});
    biller.post("/bills", body).await.expect(201).body["bill_number"].as_str().expect("a number").to_owned()
}

fn outcomes(answer: &Value) -> Vec<&str> {
    answer["results"].as_array().expect("results").iter().map(|result| result["outcome"].as_str().expect("an outcome")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bill_from_its_making_to_the_truck() {
    let warehouse = Warehouse::open().await;
    let (packer, biller, admin) = (warehouse.packer("Lucknow").await, warehouse.biller().await, warehouse.admin().await);
    packer.packs("SB00001", children(1, 30)).await;
    packer.packs("SB00002", children(2, 12)).await;
    let body = json!({"bill_number": " truck-7 ", "destination": " Jaipur ", "vehicle_number": "rj14gb1234", "expected_parent_bags": 2, "description": "Urgent"});
    let created = biller.post("/bills", body).await.expect(201);
    assert_eq!(created.header("location"), "/api/v1/bills/TRUCK-7");
    assert_eq!((created.body["status"].as_str(), created.body["destination"].as_str()), (Some("new"), Some("Jaipur")));
    assert_eq!((created.body["expected_weight_kg"].as_f64(), created.body["variance_kg"].as_f64()), (Some(60.0), Some(-60.0)));
    biller.post("/bills/truck-7/finish", json!({})).await.problem(409, "empty_bill");

    let added = biller.post("/bills/TRUCK-7/bags", json!({"qr_codes": ["sb00001", "SB00002", "SB00001"]})).await.expect(200).body;
    assert_eq!(outcomes(&added), ["added", "added", "already_on_this_bill"]);
    assert_eq!(added["results"][1]["warning"]["code"], "parent_open");
    assert!(added["results"][0].get("warning").is_none());
    assert_eq!((added["bill"]["status"].as_str(), added["bill"]["actual_weight_kg"].as_f64()), (Some("processing"), Some(42.0)));
    assert_eq!(added["bill"]["variance_kg"].as_f64(), Some(-18.0));

    // An open parent that goes on being packed changes the weight at once.
    packer.scans_into("SB00002", "CB-MORE").await.expect(201);
    assert_eq!(biller.get("/bills/TRUCK-7").await.expect(200).body["actual_weight_kg"].as_f64(), Some(43.0));

    let finished = biller.act("/bills/TRUCK-7/finish").await.expect(200).body;
    assert_eq!((finished["status"].as_str(), finished["child_bag_count"].as_i64()), (Some("completed"), Some(43)));
    assert!(finished["finished_at"].is_string());

    // Locked: the bill, its bags and their links.
    biller.act("/bills/TRUCK-7/finish").await.problem(409, "bill_completed");
    biller.post("/bills/TRUCK-7/bags", json!({"qr_codes": ["SB00002"]})).await.problem(409, "bill_completed");
    biller.delete("/bills/TRUCK-7/bags/SB00001").await.problem(409, "bill_completed");
    packer.scans_into("SB00002", "CB-LATE").await.problem(409, "parent_on_completed_bill");
    packer.act("/scans/undo-last").await.problem(409, "parent_on_completed_bill");
    packer.act("/bags/SB00002/reopen").await.expect(200);
    packer.act("/bags/SB00001/reopen").await.problem(409, "parent_on_completed_bill");
    biller.put("/bags/CB-001-00/parent", json!({"parent_qr_code": null})).await.problem(409, "parent_on_completed_bill");
    let seen = biller.get("/bills/TRUCK-7").await.expect(200);
    biller.patch("/bills/TRUCK-7", &seen, json!({"destination": "Delhi"})).await.problem(409, "bill_completed");
    admin.delete_seen("/bills/TRUCK-7", &seen).await.problem(409, "bill_completed");

    biller.post("/bills/TRUCK-7/reopen", json!({"reason": "Forgot one"})).await.problem(403, "forbidden");
    admin.post("/bills/TRUCK-7/reopen", json!({"reason": "  "})).await.problem(422, "validation_failed");
    admin.post("/bills/TRUCK-7/reopen", json!({"reason": "Forgot one"})).await.expect(200);
    admin.post("/bills/TRUCK-7/reopen", json!({"reason": "Again"})).await.problem(409, "bill_not_completed");
    packer.scans_into("SB00002", "CB-LATE").await.expect(201);
    biller.delete("/bills/TRUCK-7/bags/SB00001").await.expect(204);
    biller.delete("/bills/TRUCK-7/bags/SB00001").await.problem(404, "bag_not_found");
    biller.delete("/bills/TRUCK-7/bags/CB-LATE").await.problem(409, "kind_mismatch");
    let seen = biller.get("/bills/TRUCK-7").await.expect(200);
    assert_eq!(biller.delete_seen("/bills/TRUCK-7", &seen).await.status, 403);
    admin.delete_seen("/bills/TRUCK-7", &seen).await.expect(204);
    biller.get("/bills/TRUCK-7").await.problem(404, "bill_not_found");
    assert!(biller.get("/bags/SB00002").await.expect(200).body["bill"].is_null(), "its bags are free again");

    let trail = "SELECT count(*) AS n FROM audit_logs WHERE entity_type = 'bill' AND entity_id = 'TRUCK-7'";
    assert_eq!(database::number(&warehouse.database_url, trail).await, 6);
    warehouse.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_go_on_a_bill_says_why() {
    let warehouse = Warehouse::open_with(|config| config.bill_open_parents = false).await;
    let (packer, biller) = (warehouse.packer("Lucknow").await, warehouse.biller().await);
    for n in 1..=4 {
        packer.packs(&format!("SB0000{n}"), children(n, 2)).await;
        packer.act(&format!("/bags/SB0000{n}/complete")).await.expect(200);
    }
    packer.packs("SB00005", children(5, 1)).await;
    packer.scans("SB00006").await.expect(201);
    let (one, other) = (bill(&biller, 2).await, bill(&biller, 9).await);
    biller.post(&format!("/bills/{other}/bags"), json!({"qr_codes": ["SB00004"]})).await.expect(200);
    let codes = ["SB00001", "SB00004", "SB00005", "SB00006", "SB99999", "CB-001-00", "<script>", "SB00002", "SB00003"];
    let added = biller.post(&format!("/bills/{one}/bags"), json!({"qr_codes": codes})).await.expect(200).body;
    let expected =
        ["added", "already_billed", "parent_open", "empty_parent", "not_found", "kind_mismatch", "invalid_qr_code", "added", "bill_at_capacity"];
    assert_eq!(outcomes(&added), expected);
    assert_eq!(added["results"][1]["bill_number"], other.as_str());
    let path = format!("/bills/{one}");
    let seen = biller.get(&path).await.expect(200);
    biller.patch(&path, &seen, json!({"expected_parent_bags": 1})).await.problem(409, "bill_at_capacity");
    biller.patch(&path, &seen, json!({"expected_parent_bags": 3})).await.expect(200);
    let added = biller.post(&format!("/bills/{one}/bags"), json!({"qr_codes": ["SB00003"]})).await.expect(200).body;
    assert_eq!(outcomes(&added), ["added"]);
    for wrong in [json!({"qr_codes": []}), json!({"qr_codes": vec!["SB00001"; 501]}), json!({"codes": ["SB00001"]}), json!({"qr_codes": [7]})] {
        biller.post(&format!("/bills/{one}/bags"), wrong).await.problem(422, "validation_failed");
    }
    packer.post(&format!("/bills/{one}/bags"), json!({"qr_codes": ["SB00003"]})).await.problem(403, "forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_makes_no_bill() {
    let warehouse = Warehouse::open().await;
    let biller = warehouse.biller().await;
    let good = json!({"destination": "Jaipur", "vehicle_number": "RJ14", "expected_parent_bags": 3});
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    for wrong in [
        json!({}),
        json!({"vehicle_number": "RJ14", "expected_parent_bags": 3}),
        with("destination", json!("")),
        with("destination", json!("   ")),
        with("destination", json!("x".repeat(201))),
        with("destination", json!("a\u{0}b")),
        with("destination", json!(null)),
        with("vehicle_number", json!("x".repeat(33))),
        with("expected_parent_bags", json!(0)),
        with("expected_parent_bags", json!(-1)),
        with("expected_parent_bags", json!(100_001)),
        with("expected_parent_bags", json!(1.5)),
        with("expected_parent_bags", json!("3")),
        with("expected_parent_bags", json!(99_999_999_999_i64)),
        with("bill_number", json!("a/b")),
        with("bill_number", json!("'; DROP TABLE bills")),
        with("colour", json!("red")),
    ] {
        let refused = biller.post("/bills", wrong.clone()).await.problem(422, "validation_failed");
        assert!(!refused.body["errors"].as_array().expect("errors").is_empty(), "{wrong}");
    }
    biller.post("/bills", with("bill_number", json!("b1"))).await.expect(201);
    biller.post("/bills", with("bill_number", json!("B1"))).await.problem(409, "bill_exists");
    biller.post("/bills", with("destination", json!("<b>'; --</b>"))).await.expect(201);
    warehouse.packer("Lucknow").await.post("/bills", good.clone()).await.problem(403, "forbidden");
    assert_eq!(database::number(&warehouse.database_url, "SELECT count(*) AS n FROM bills").await, 2);
    // A number that somebody gave by hand is passed over.
    biller.post("/bills", with("bill_number", json!("BILL-000003"))).await.expect(201);
    let numbers: Vec<String> = [bill(&biller, 1).await, bill(&biller, 1).await].into();
    assert_eq!(numbers, ["BILL-000002", "BILL-000004"]);
    for path in ["/bills/NOPE", "/bills/NOPE/bags", "/bills/%3Cscript%3E", "/bills/NOPE/report"] {
        biller.get(path).await.problem(404, "bill_not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_needs_the_version_that_was_seen() {
    let warehouse = Warehouse::open().await;
    let biller = warehouse.biller().await;
    let path = format!("/bills/{}", bill(&biller, 3).await);
    let seen = biller.get(&path).await.expect(200);
    let blind = biller.request(reqwest::Method::PATCH, &path).json(&json!({"destination": "Delhi"}));
    crate::support::Answer::of(blind).await.problem(428, "if_match_required");
    let changed = biller.patch(&path, &seen, json!({"destination": "Delhi", "description": null})).await.expect(200);
    assert_eq!((changed.body["destination"].as_str(), changed.body["version"].as_i64()), (Some("Delhi"), Some(2)));
    biller.patch(&path, &seen, json!({"destination": "Agra"})).await.problem(412, "stale_version");
    let same = biller.patch(&path, &changed, json!({"destination": "Delhi"})).await.expect(200);
    assert_eq!(same.body["version"], 2, "what changes nothing makes no version");
    for wrong in [json!({"destination": ""}), json!({"destination": null, "status": "completed"}), json!({"version": 9}), json!([])] {
        biller.patch(&path, &changed, wrong).await.problem(422, "validation_failed");
    }
    let audited = "SELECT count(*) AS n FROM audit_logs WHERE action = 'bill_changed' AND before = '{\"destination\": \"Jaipur depot\"}' \
                   AND after = '{\"destination\": \"Delhi\"}'";
    assert_eq!(database::number(&warehouse.database_url, audited).await, 1, "changed fields only");
}

#[tokio::test(flavor = "multi_thread")]
async fn bills_are_listed_narrowed_and_seen_by_area() {
    let warehouse = Warehouse::open().await;
    let (lucknow, indore, biller) = (warehouse.packer("Lucknow").await, warehouse.packer("Indore").await, warehouse.biller().await);
    lucknow.packs("SB00001", children(1, 2)).await;
    indore.packs("SB00002", children(2, 2)).await;
    let (mixed, empty) = (bill(&biller, 5).await, bill(&biller, 5).await);
    biller.post(&format!("/bills/{mixed}/bags"), json!({"qr_codes": ["SB00001", "SB00002"]})).await.expect(200);
    let count = async |person: &Person, query: &str| person.get(&format!("/bills?{query}")).await.expect(200).rows().len();
    assert_eq!(count(&biller, "").await, 2);
    assert_eq!(count(&biller, "status=new").await, 1);
    assert_eq!(count(&biller, "q=jaipur").await, 2);
    assert_eq!(count(&biller, "q=GB%2012").await, 2);
    assert_eq!(count(&biller, &format!("q={}", empty.to_lowercase())).await, 1);
    assert_eq!(count(&biller, "q=%25").await, 0);
    assert_eq!(count(&biller, "area=Lucknow").await, 1);
    assert_eq!(count(&biller, "area=Hisar").await, 0);
    assert_eq!(count(&biller, "created_after=9999-01-01T00:00:00Z").await, 0);
    assert_eq!(count(&biller, "created_before=9999-01-01T00:00:00Z&created_by=1").await, 0);
    assert_eq!(count(&lucknow, "").await, 1);
    lucknow.get(&format!("/bills/{empty}")).await.problem(404, "bill_not_found");
    lucknow.get(&format!("/bills/{mixed}")).await.expect(200);
    let own = lucknow.get(&format!("/bills/{mixed}/bags")).await.expect(200);
    assert_eq!(own.rows().iter().map(|bag| bag["qr_code"].as_str().expect("a code")).collect::<Vec<_>>(), ["SB00001"]);
    lucknow.get(&format!("/bills/{mixed}/report")).await.problem(403, "forbidden");
    let first = biller.get(&format!("/bills/{mixed}/bags?limit=1")).await.expect(200);
    let cursor = first.body["next_cursor"].as_str().expect("more");
    assert_eq!(biller.get(&format!("/bills/{mixed}/bags?limit=1&cursor={cursor}")).await.expect(200).rows()[0]["qr_code"], "SB00002");
    biller.get("/bills?status=lost").await.problem(400, "invalid_query");
    biller.get("/bills?cursor=AAAA").await.problem(400, "invalid_cursor");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_of_a_bill_in_every_form() {
    let warehouse = Warehouse::open().await;
    let (packer, biller) = (warehouse.packer("Lucknow").await, warehouse.biller().await);
    packer.packs("SB00001", children(1, 30)).await;
    packer.packs("SB00002", children(2, 3)).await;
    let body = json!({"destination": "=HYPERLINK(\"x\")", "vehicle_number": "RJ14", "expected_parent_bags": 2, "description": "जयपुर डिपो"});
    let number = biller.post("/bills", body).await.expect(201).body["bill_number"].as_str().expect("a number").to_owned();
    biller.post(&format!("/bills/{number}/bags"), json!({"qr_codes": ["SB00001", "SB00002"]})).await.expect(200);
    let report = biller.get(&format!("/bills/{number}/report")).await.expect(200).body;
    assert_eq!(report["parents"][0]["children"].as_array().map(Vec::len), Some(30));
    assert_eq!((report["parents"][1]["weight_kg"].as_f64(), report["bill"]["actual_weight_kg"].as_f64()), (Some(3.0), Some(33.0)));
    let csv = biller.get(&format!("/bills/{number}/report?format=csv")).await.expect(200);
    assert_eq!(csv.header("content-disposition"), format!("attachment; filename=\"bill-{}.csv\"", number.to_lowercase()));
    assert_eq!(csv.text.lines().count(), 34);
    assert!(csv.text.lines().nth(1).expect("a row").contains("'=HYPERLINK"), "formulas are text: {}", csv.text);
    for (format, magic, content_type) in
        [("xlsx", &b"PK\x03\x04"[..], "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"), ("pdf", b"%PDF-1.", "application/pdf")]
    {
        let response = biller.request(reqwest::Method::GET, &format!("/bills/{number}/report?format={format}")).send().await.expect("an answer");
        assert_eq!((response.status().as_u16(), response.headers()["content-type"].to_str().expect("text")), (200, content_type));
        let bytes = response.bytes().await.expect("a file");
        assert!(bytes.starts_with(magic) && bytes.len() > 2000, "{format}");
        if let Ok(folder) = std::env::var("KEEP_REPORTS") {
            std::fs::write(format!("{folder}/bill.{format}"), &bytes).expect("can be kept");
        }
    }
    biller.get(&format!("/bills/{number}/report?format=docx")).await.problem(400, "invalid_query");
}

/// Scanning into a bag of a bill and finishing that bill at the same instant: what was acknowledged is on the
/// finished bill, and after it nothing more gets in.
#[tokio::test(flavor = "multi_thread")]
async fn finishing_waits_for_scans_and_shuts_out_later_ones() {
    let warehouse = Warehouse::open().await;
    let (packer, biller) = (warehouse.packer("Lucknow").await, warehouse.biller().await);
    packer.packs("SB00001", children(1, 1)).await;
    let number = bill(&biller, 1).await;
    biller.post(&format!("/bills/{number}/bags"), json!({"qr_codes": ["SB00001"]})).await.expect(200);
    let scans = join_all((0..25).map(|n| {
        let packer = &packer;
        async move {
            tokio::time::sleep(std::time::Duration::from_millis(n)).await;
            packer.scans_into("SB00001", &format!("CB-{n:03}")).await.status == 201
        }
    }));
    let finish = async {
        tokio::time::sleep(std::time::Duration::from_millis(9)).await;
        biller.act(&format!("/bills/{number}/finish")).await.expect(200).body["child_bag_count"].as_i64()
    };
    let (linked, at_finish) = tokio::join!(scans, finish);
    let linked = 1 + i64::try_from(linked.into_iter().filter(|linked| *linked).count()).expect("few");
    assert_eq!(at_finish, Some(linked));
    assert_eq!(biller.get(&format!("/bills/{number}")).await.expect(200).body["child_bag_count"].as_i64(), Some(linked));
    warehouse.assert_counts_equal_rows().await;
}

/// Many billers put the same bags on many bills: each bag ends on exactly one, and no bill holds more than expected.
#[tokio::test(flavor = "multi_thread")]
async fn a_bag_ends_on_one_bill_and_no_bill_is_overfull() {
    let warehouse = Warehouse::open().await;
    let (packer, biller) = (warehouse.packer("Lucknow").await, warehouse.biller().await);
    for n in 0..12 {
        packer.packs(&format!("SB1{n:04}"), children(n, 1)).await;
    }
    let numbers = join_all((0..4).map(|_| bill(&biller, 5))).await;
    let calls = numbers.iter().flat_map(|number| (0..12).map(move |n| (number, n)));
    let answers = join_all(calls.map(|(number, n)| {
        let biller = &biller;
        async move { biller.post(&format!("/bills/{number}/bags"), json!({"qr_codes": [format!("SB1{n:04}")]})).await.expect(200) }
    }))
    .await;
    let added = answers.iter().filter(|answer| outcomes(&answer.body) == ["added"]).count();
    assert_eq!(added, 12);
    for number in &numbers {
        assert!(biller.get(&format!("/bills/{number}")).await.expect(200).body["parent_bag_count"].as_i64() <= Some(5));
    }
    assert_eq!(database::number(&warehouse.database_url, "SELECT count(*) AS n FROM bill_bags").await, 12);
}
