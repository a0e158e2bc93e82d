//! Labels that are no labels of bags: torn ones, and the barcodes of products. No way in makes bags of them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::imports::{CSV, finished, send};
use crate::support::person::scan_id;
use crate::support::{Answer, Person, Warehouse, database};

const TORN: &str = "This looks like a damaged parent label. Scan it again.";
const PRODUCT: &str = "This is a product barcode. Scan the label of the bag.";
/// What a scanner reads, the problem code, the sentence.
const NO_LABELS: [(&str, &str, &str); 6] = [
    ("SB12", "looks_like_parent", TORN),
    ("m444-123", "looks_like_parent", TORN),
    ("M44", "looks_like_parent", TORN),
    ("SB12345X", "looks_like_parent", TORN),
    ("4006381333931", "product_barcode", PRODUCT),
    ("96385074", "product_barcode", PRODUCT),
];

#[derive(Deserialize)]
struct Case {
    formats: String,
    code: String,
    verdict: String,
}

#[derive(Deserialize)]
struct Fixture {
    formats: BTreeMap<String, Vec<Value>>,
    cases: Vec<Case>,
}

/// Adds the formats of a set that are not there from the beginning.
async fn add_formats(admin: &Person, formats: &[Value]) {
    let catch_all = formats.iter().find(|format| format["is_catch_all"] == true).expect("one of them");
    let renamed = admin.request(reqwest::Method::PATCH, "/bag-formats/3").json(&json!({"name": catch_all["name"]}));
    Answer::of(renamed).await.expect(200);
    for format in formats.iter().filter(|format| format["is_catch_all"] == false) {
        if !["Mustard", "Moong"].contains(&format["name"].as_str().unwrap()) {
            let capacity = if format["kind"] == "parent" { json!(30) } else { Value::Null };
            let body = json!({"name": format["name"], "kind": format["kind"], "pattern": format["pattern"],
                              "priority": format["priority"], "capacity": capacity});
            admin.post("/bag-formats", body).await.expect(201);
        }
    }
}

/// The outcome of a scan alone and of a scan into a new parent, in one batch; a problem's code when there is none.
async fn outcomes(packer: &Person, parent: &str, code: &str) -> (String, String) {
    let scans = json!([{"qr_code": parent}, {"qr_code": code}, {"qr_code": code, "parent_qr_code": parent}]);
    let answer = packer.post("/scans/batch", json!({"scans": scans})).await.expect(200);
    let results = answer.body["results"].as_array().unwrap();
    assert_eq!(results[0]["outcome"], "opened", "{}", answer.text);
    let outcome = |result: &Value| {
        let outcome = result["outcome"].as_str().or(result["problem"]["code"].as_str());
        outcome.expect("an outcome or a problem").to_owned()
    };
    (outcome(&results[1]), outcome(&results[2]))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_code_of_the_list_counts_as_it_says_and_stations_get_the_same_rule() {
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/code_verdicts.json")).unwrap();
    for (name, formats) in &fixture.formats {
        let warehouse = Warehouse::open().await;
        add_formats(&warehouse.admin().await, formats).await;
        let packer = warehouse.packer("Lucknow").await;
        let listed = packer.get("/bag-formats").await.expect(200);
        assert_eq!(listed.rows().len(), formats.len(), "{name}");
        for (is, should_be) in listed.rows().iter().zip(formats) {
            for (field, value) in should_be.as_object().unwrap() {
                assert_eq!(&is[field], value, "{name}: {field} of {}", should_be["name"]);
            }
        }
        let mut expected = 0;
        for (n, case) in fixture.cases.iter().filter(|case| &case.formats == name).enumerate() {
            let wanted = match case.verdict.as_str() {
                "parent" => ("opened", "kind_mismatch"),
                "child" => ("bag_not_found", "linked"),
                refused => (refused, refused),
            };
            let found = outcomes(&packer, &format!("SB990{n:05}"), &case.code).await;
            assert_eq!((found.0.as_str(), found.1.as_str()), wanted, "{name}: {:?}", case.code);
            expected += usize::from(case.verdict == "child");
        }
        let children = "SELECT count(*) AS n FROM bags WHERE kind = 'child'";
        assert_eq!(database::number(&warehouse.database_url, children).await, expected as i64, "{name}");
        warehouse.assert_counts_equal_rows().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_of_a_torn_label_or_a_product_is_refused_and_an_event() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    packer.packs("SB12345", ["CB-1".into()]).await;
    for (code, problem, sentence) in NO_LABELS {
        for parent in [Some("SB12345"), Some("SB77777"), None] {
            let scan = json!({"id": scan_id(), "qr_code": code, "parent_qr_code": parent});
            let refused = packer.post("/scans", scan.clone()).await.problem(409, problem);
            assert_eq!((refused.body["detail"].as_str(), &refused.body["scan"]["outcome"]), (Some(sentence), &json!(problem)));
            assert_eq!(refused.body["scan"]["kind"], if parent.is_some() { "child" } else { "lookup" });
            let again = packer.post("/scans", scan.clone()).await.problem(409, problem);
            assert_eq!((&again.body["detail"], &again.body["scan"]), (&refused.body["detail"], &refused.body["scan"]));
            let batch = packer.post("/scans/batch", json!({"scans": [scan]})).await.expect(200).body["results"][0].clone();
            assert_eq!((&batch["outcome"], &batch["problem"]["code"]), (&json!(problem), &json!(problem)));
            let undone = packer.act(&format!("/scans/{}/undo", scan["id"].as_str().unwrap())).await;
            undone.problem(409, "nothing_to_undo");
            packer.get(&format!("/scans/{}", scan["id"].as_str().unwrap())).await.expect(200);
        }
        packer.get(&format!("/bags/{code}")).await.problem(404, "bag_not_found");
    }
    let parent = packer.get("/bags/SB12345").await.expect(200).body;
    assert_eq!((parent["child_count"].as_i64(), parent["status"].as_str()), (Some(1), Some("open")));
    for problem in ["looks_like_parent", "product_barcode"] {
        let wanted = NO_LABELS.iter().filter(|(_, code, _)| *code == problem).count() * 3;
        let listed = packer.get(&format!("/scans?outcome={problem}&count=exact")).await.expect(200);
        assert_eq!((listed.rows().len(), listed.body["total"].as_u64()), (wanted, Some(wanted as u64)));
        let lookups = packer.get(&format!("/scans?outcome={problem}&kind=lookup")).await.expect(200);
        assert_eq!(lookups.rows().len(), wanted / 3);
        let biller = warehouse.biller().await;
        let exported = biller.get(&format!("/exports/scans?format=ndjson&outcome={problem}")).await.expect(200);
        assert_eq!(exported.text.lines().count(), wanted);
        let metrics = warehouse.nobody().get_root("/metrics").await;
        assert!(metrics.status != 200 || metrics.text.contains(problem), "{}", metrics.text);
    }
    warehouse.assert_counts_equal_rows().await;
}

async fn import(admin: &Person, fields: &[(&str, &str)], text: &str) -> (Value, Vec<(i64, String)>) {
    let taken = send(admin, fields, "file.csv", CSV, text.as_bytes()).await.expect(202);
    let done = finished(admin, &taken.body).await;
    let errors = admin.get(&format!("/imports/{}/errors", done["id"].as_str().unwrap())).await.expect(200);
    let mut reader = csv::Reader::from_reader(errors.text.as_bytes());
    let rows = reader.records().map(|row| row.expect("a row"));
    let codes = rows.map(|row| (row[0].parse().expect("a line"), row[row.len() - 2].to_owned())).collect();
    (done, codes)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_way_in_takes_them_either() {
    let warehouse = Warehouse::open().await;
    let (admin, packer) = (warehouse.admin().await, warehouse.packer("Lucknow").await);
    packer.packs("SB12345", ["CB-1".into()]).await;
    let count = "SELECT (SELECT count(*) FROM bags) + (SELECT count(*) FROM bag_links) AS n";
    let before = database::number(&warehouse.database_url, count).await;
    for (code, problem, sentence) in NO_LABELS {
        for body in [json!({"qr_code": code}), json!({"qr_code": code, "kind": "child"}), json!({"qr_code": code, "kind": "parent"})] {
            let refused = packer.post("/bags", body).await.problem(409, problem);
            assert_eq!(refused.body["detail"], sentence);
        }
        let path = format!("/bags/{code}/parent");
        admin.put(&path, json!({"parent_qr_code": "SB12345"})).await.problem(409, problem);
        admin.put(&path, json!({"parent_qr_code": null})).await.problem(404, "bag_not_found");
    }
    let mut bags = "code,name\n".to_owned();
    let mut links = "parent,child\n".to_owned();
    let mut parents = "parent,child\n".to_owned();
    for (code, _, _) in NO_LABELS {
        bags.push_str(&format!("{code},\n"));
        links.push_str(&format!("SB12345,{code}\n"));
        parents.push_str(&format!("{code},CB-2\n"));
    }
    let wanted: Vec<(i64, String)> = (2..).zip(NO_LABELS).map(|(line, (_, problem, _))| (line, problem.to_owned())).collect();
    let modes = [("mode", "partial"), ("mode", "all_or_nothing"), ("dry_run", "true")];
    for mode in modes {
        for (kind, text) in [("bags", &bags), ("links", &links), ("links", &parents)] {
            let (done, codes) = import(&admin, &[("kind", kind), mode], text).await;
            assert_eq!(codes, wanted, "{mode:?} {kind} {done}");
            assert_eq!((&done["progress"]["rows_refused"], &done["progress"]["rows_accepted"]), (&json!(6), &json!(0)));
        }
    }
    assert_eq!(database::number(&warehouse.database_url, count).await, before);
    warehouse.assert_counts_equal_rows().await;
}

/// Bags that an earlier version took: a torn label in a parent, a product in none.
async fn old_bags(warehouse: &Warehouse) {
    database::execute(
        &warehouse.database_url,
        "INSERT INTO bags (qr_code, kind, format_id, dispatch_area_id) SELECT old.code, 'child', 3, id \
         FROM unnest(ARRAY['SB12', '4006381333931']) AS old (code), dispatch_areas WHERE dispatch_areas.code = 'Lucknow'; \
         INSERT INTO bag_links (child_id, parent_id) SELECT c.id, p.id FROM bags c, bags p WHERE c.qr_code = 'SB12' AND p.qr_code = 'SB11111'; \
         UPDATE bags SET child_count = 1 WHERE qr_code = 'SB11111'",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bags_from_before_the_rule_stay_readable_and_can_be_taken_out() {
    let warehouse = Warehouse::open().await;
    let (admin, packer) = (warehouse.admin().await, warehouse.packer("Lucknow").await);
    packer.scans("SB11111").await.expect(201);
    packer.scans("SB22222").await.expect(201);
    old_bags(&warehouse).await;

    for code in ["SB12", "4006381333931"] {
        assert_eq!(packer.scans(code).await.expect(201).outcome(), "found");
        packer.get(&format!("/bags/{code}")).await.expect(200);
        packer.get(&format!("/bags/{code}/history")).await.expect(200);
    }
    assert_eq!(packer.scans_into("SB11111", "SB12").await.expect(201).outcome(), "already_linked");
    for mode in ["partial", "all_or_nothing"] {
        let (done, codes) = import(&admin, &[("kind", "links"), ("mode", mode)], "parent,child\nSB11111,SB12\n").await;
        assert_eq!((done["status"].as_str(), codes.len()), (Some("succeeded"), 0), "{done}");
    }
    // But nothing new is done with them.
    packer.scans_into("SB22222", "SB12").await.problem(409, "looks_like_parent");
    packer.scans_into("SB22222", "4006381333931").await.problem(409, "product_barcode");
    let move_to = json!({"parent_qr_code": "SB22222"});
    admin.put("/bags/SB12/parent", move_to.clone()).await.problem(409, "looks_like_parent");
    admin.put("/bags/SB12/parent", json!({"parent_qr_code": "SB11111"})).await.expect(200);
    admin.put("/bags/SB12/parent", json!({"parent_qr_code": null})).await.expect(200);
    assert_eq!(packer.get("/bags/SB11111").await.expect(200).body["child_count"], 0);
    packer.scans_into("SB11111", "SB12").await.problem(409, "looks_like_parent");
    warehouse.assert_counts_equal_rows().await;

    // A warehouse whose bags have such labels says so, with a format.
    let format = json!({"name": "Short", "kind": "child", "pattern": "SB[0-9]{2}"});
    admin.post("/bag-formats", format).await.expect(201);
    assert_eq!(packer.scans_into("SB11111", "SB12").await.expect(201).outcome(), "linked");
    admin.post("/bag-formats", json!({"name": "EAN", "kind": "child", "pattern": "[0-9]{13}"})).await.expect(201);
    assert_eq!(packer.scans_into("SB11111", "4006381333931").await.expect(201).outcome(), "linked");
    admin.delete("/bags/4006381333931").await.problem(409, "bag_in_use");
    warehouse.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_stays_one_when_its_format_is_made_narrower() {
    let warehouse = Warehouse::open().await;
    let (admin, packer) = (warehouse.admin().await, warehouse.packer("Lucknow").await);
    let wheat = json!({"name": "Wheat", "kind": "parent", "pattern": "WH[0-9]{4,6}", "capacity": 30});
    let made = admin.post("/bag-formats", wheat).await.expect(201).body;
    packer.packs("WH1234", ["CB-1".into()]).await;
    let narrower = json!({"pattern": "WH[0-9]{6}"});
    let path = format!("/bag-formats/{}", made["id"]);
    let request = admin.request(reqwest::Method::PATCH, &path).header("content-type", "application/merge-patch+json");
    let changed = Answer::of(request.body(narrower.to_string())).await.expect(200).body;
    assert_eq!((&changed["literal_prefixes"], &changed["ecmascript_pattern"]), (&json!(["WH"]), &json!("^WH[0-9]{6}$")));

    assert_eq!(packer.scans("WH1234").await.expect(201).outcome(), "opened");
    assert_eq!(packer.scans_into("WH1234", "CB-2").await.expect(201).outcome(), "linked");
    packer.scans("WH1235").await.problem(409, "looks_like_parent");
    packer.scans_into("SB12345", "WH1234").await.problem(409, "kind_mismatch");
    let wrong = json!({"name": "Out", "kind": "parent", "pattern": "AA[0-9]{5})|(?:BB", "capacity": 3});
    let refused = admin.post("/bag-formats", wrong).await.problem(422, "validation_failed");
    assert_eq!(refused.body["errors"][0]["code"], "invalid_pattern", "a pattern can't leave its group");
}
