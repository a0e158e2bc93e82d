//! Lists as files: rights, filters, every format, large ones, clients that go away.

use std::io::Cursor;

use calamine::{Data, Reader, Xlsx};
use serde_json::{Value, json};

use crate::support::{Person, Warehouse, database, eventually};

/// An export as bytes, with its content type and file name.
struct File {
    content_type: String,
    disposition: String,
    bytes: Vec<u8>,
}

async fn export(person: &Person, path: &str) -> File {
    let response = person.request(reqwest::Method::GET, &format!("/exports/{path}")).send().await.expect("the server answers");
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (status, content_type, disposition) = (response.status(), header("content-type"), header("content-disposition"));
    let bytes = response.bytes().await.expect("a whole body").to_vec();
    assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&bytes));
    File { content_type, disposition, bytes }
}

async fn csv_rows(person: &Person, path: &str) -> Vec<csv::StringRecord> {
    let file = export(person, path).await;
    assert!(file.content_type.starts_with("text/csv; charset=utf-8"));
    csv::ReaderBuilder::new().has_headers(false).from_reader(file.bytes.as_slice()).records().map(|row| row.expect("a row")).collect()
}

async fn json_rows(person: &Person, path: &str) -> Vec<Value> {
    let file = export(person, path).await;
    assert_eq!(file.content_type, "application/x-ndjson");
    let text = String::from_utf8(file.bytes).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

async fn sheet(person: &Person, path: &str) -> Vec<Vec<Data>> {
    let file = export(person, path).await;
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(file.bytes)).expect("a workbook");
    let range = workbook.worksheet_range_at(0).expect("a sheet").expect("readable");
    range.rows().map(<[Data]>::to_vec).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn billers_export_the_warehouse_and_only_admins_people_and_the_audit_log() {
    let warehouse = Warehouse::open().await;
    let (packer, biller, admin) = (warehouse.packer("Lucknow").await, warehouse.biller().await, warehouse.admin().await);
    for what in ["bags", "links", "bills", "scans"] {
        let path = format!("/exports/{what}?format=ndjson");
        warehouse.nobody().get(&path).await.problem(401, "missing_token");
        packer.get(&path).await.problem(403, "forbidden");
        biller.get(&path).await.expect(200);
        admin.get(&path).await.expect(200);
    }
    for what in ["audit-logs", "users"] {
        let path = format!("/exports/{what}");
        packer.get(&path).await.problem(403, "forbidden");
        biller.get(&path).await.problem(403, "forbidden");
        admin.get(&path).await.expect(200);
    }
    admin.get("/exports/cats").await.problem(404, "not_found");
    admin.get("/exports/bags?format=pdf").await.problem(400, "invalid_query");
    admin.get("/exports/bags?colour=red").await.problem(400, "invalid_query");
    admin.get("/exports/links?parent=%3C%3E").await.problem(422, "invalid_qr_code");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_has_every_bag_with_the_fields_of_the_list() {
    let warehouse = Warehouse::open().await;
    warehouse.packer("Lucknow").await.packs("SB00001", (0..3).map(|n| format!("CB-{n}"))).await;
    warehouse.packer("Indore").await.packs("M444-00001", ["IN-1".into()]).await;
    let biller = warehouse.biller().await;
    let listed = biller.get("/bags").await.expect(200);

    let lines = json_rows(&biller, "bags?format=ndjson").await;
    assert_eq!(&lines, listed.rows(), "a line is what the list has");

    let file = export(&biller, "bags?format=csv").await;
    assert!(file.disposition.starts_with("attachment; filename=\"bags-") && file.disposition.ends_with(".csv\""), "{}", file.disposition);
    assert!(String::from_utf8(file.bytes).unwrap().lines().count() == 7);
    let rows = csv_rows(&biller, "bags").await;
    assert_eq!(rows[0].get(0), Some("qr_code"));
    assert_eq!(rows.len(), 1 + listed.rows().len());
    for (row, bag) in rows[1..].iter().zip(listed.rows()) {
        for (name, value) in rows[0].iter().zip(row.iter()) {
            let listed = match &bag[name] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                Value::Number(number) if name == "weight_kg" => number.as_f64().unwrap().to_string(),
                other => other.to_string(),
            };
            assert_eq!(value, listed, "{name}");
        }
    }

    let rows = sheet(&biller, "bags?format=xlsx").await;
    assert_eq!((rows.len(), &rows[0][0]), (7, &Data::String("qr_code".into())));
    let parent = rows.iter().find(|row| row[0] == Data::String("SB00001".into())).expect("the parent");
    assert_eq!(parent[5], Data::Float(3.0));
    assert!(matches!(parent[12], Data::DateTime(_)), "times are times: {:?}", parent[12]);
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_are_narrowed_as_the_lists_are() {
    let warehouse = Warehouse::open().await;
    let lucknow = warehouse.packer("Lucknow").await;
    lucknow.packs("SB00001", (0..3).map(|n| format!("CB-{n}"))).await;
    lucknow.act("/bags/SB00001/complete").await.expect(200);
    warehouse.packer("Indore").await.packs("M444-00001", ["IN-1".into()]).await;
    let admin = warehouse.admin().await;
    let bill = json!({"bill_number": "BILL-7", "destination": "Delhi", "vehicle_number": "UP32", "expected_parent_bags": 2});
    admin.post("/bills", bill).await.expect(201);
    admin.post("/bills/BILL-7/bags", json!({"qr_codes": ["SB00001"]})).await.expect(200);
    let count = async |path: &str| json_rows(&admin, path).await.len();
    assert_eq!(count("bags?format=ndjson&kind=parent").await, 2);
    assert_eq!(count("bags?format=ndjson&area=Indore").await, 2);
    assert_eq!(count("bags?format=ndjson&status=completed").await, 1);
    assert_eq!(count("bags?format=ndjson&billed=true").await, 4);
    assert_eq!(count("bags?format=ndjson&linked=true&q=cb-").await, 3);
    assert_eq!(count("bags?format=ndjson&q=a%00").await, 0);
    assert_eq!(count("bags?format=ndjson&created_before=2020-01-01T00:00:00Z").await, 0);
    assert_eq!(count("links?format=ndjson").await, 4);
    assert_eq!(count("links?format=ndjson&area=indore").await, 1);
    assert_eq!(count("links?format=ndjson&parent=sb00001").await, 3);
    assert_eq!(count("links?format=ndjson&area=nowhere").await, 0);
    assert_eq!(count("bills?format=ndjson&status=processing&area=Lucknow").await, 1);
    assert_eq!(count("bills?format=ndjson&area=Indore").await, 0);
    assert_eq!(count("scans?format=ndjson").await, 6);
    assert_eq!(count("scans?format=ndjson&kind=child&bag=SB00001").await, 3);
    assert_eq!(count("users?format=ndjson&role=dispatcher").await, 2);
    assert_eq!(count("audit-logs?format=ndjson&action=child_linked").await, 4);
    assert_eq!(count("audit-logs?format=ndjson&entity_type=bag&entity_id=SB00001&action=parent_completed").await, 1);
    assert_eq!(count("audit-logs?format=ndjson&q=in-1&action=child_linked").await, 1);
    // The list does not search the values of changes, so the file does not either.
    assert_eq!(count("audit-logs?format=ndjson&q=m444-00001&action=child_linked").await, 0);
    assert_eq!(count("audit-logs?format=ndjson&before=2020-01-01T00:00:00Z").await, 0);

    let link = &json_rows(&admin, "links?format=ndjson&area=indore").await[0];
    assert_eq!((link["parent_qr_code"].as_str(), link["child_qr_code"].as_str()), (Some("M444-00001"), Some("IN-1")));
    assert_eq!(&json_rows(&admin, "bills?format=ndjson").await, admin.get("/bills").await.expect(200).rows());
    assert_eq!(&json_rows(&admin, "scans?format=ndjson").await, admin.get("/scans").await.expect(200).rows());
    assert_eq!(&json_rows(&admin, "users?format=ndjson").await, admin.get("/users").await.expect(200).rows());
    for what in ["links", "bills", "scans", "audit-logs", "users"] {
        let rows = sheet(&admin, &format!("{what}?format=xlsx")).await;
        let table = csv_rows(&admin, what).await;
        let head: Vec<String> = rows[0].iter().map(ToString::to_string).collect();
        assert_eq!(head, table[0].iter().collect::<Vec<_>>(), "{what}");
        assert!(rows.len() > 1 && table.iter().all(|row| row.len() == head.len()), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn formulas_are_defused_and_every_export_is_audited() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    admin.scans("SB00001").await.expect(201);
    for (code, name) in [("SB00001", "=1+1"), ("SB00002", "@SUM(A1)"), ("SB00003", "+1"), ("SB00004", "-1"), ("SB00005", "a, \"b\"\nc")] {
        admin.scans(code).await.expect(201);
        let name = name.replace('\'', "''");
        database::execute(&warehouse.database_url, &format!("UPDATE bags SET name = '{name}' WHERE qr_code = '{code}'")).await;
    }
    let names: Vec<String> = csv_rows(&admin, "bags").await[1..].iter().map(|row| row[4].to_owned()).collect();
    assert_eq!(names, ["a, \"b\"\nc", "'-1", "'+1", "'@SUM(A1)", "'=1+1"]);
    let rows = sheet(&admin, "bags?format=xlsx&q=SB0").await;
    assert_eq!(rows[5][4], Data::String("'=1+1".into()));
    let lines = json_rows(&admin, "bags?format=ndjson").await;
    assert_eq!(lines[4]["name"], "=1+1", "JSON is for programs");
    let audited = json_rows(&admin, "audit-logs?format=ndjson&action=export").await;
    assert_eq!(audited.len(), 4, "this one too");
    assert_eq!(audited[2]["after"], json!({"format": "xlsx", "filters": {"q": "SB0"}}));
    assert_eq!((audited[2]["entity_id"].as_str(), audited[2]["actor"]["username"].as_str()), (Some("bags"), Some("admin")));
}

async fn fill(warehouse: &Warehouse, bags: u32) {
    let sql = format!(
        "INSERT INTO bags (qr_code, kind, format_id) SELECT 'CH' || 10000000 + n, 'child', (SELECT id FROM bag_formats WHERE name = 'Child') \
         FROM generate_series(1, {bags}) AS n"
    );
    database::execute(&warehouse.database_url, &sql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_bags_come_whole_in_every_format() {
    let warehouse = Warehouse::open().await;
    fill(&warehouse, 20_000).await;
    let biller = warehouse.biller().await;
    let rows = csv_rows(&biller, "bags").await;
    assert_eq!(rows.len(), 20_001);
    assert_eq!((&rows[1][0], &rows[20_000][0]), ("CH10020000", "CH10000001"));
    let codes: std::collections::HashSet<&str> = rows[1..].iter().map(|row| &row[0]).collect();
    assert_eq!(codes.len(), 20_000, "none twice");
    assert_eq!(json_rows(&biller, "bags?format=ndjson").await.len(), 20_000);
    assert_eq!(sheet(&biller, "bags?format=xlsx").await.len(), 20_001);

    // Compressed on its way, the same.
    let request = biller.request(reqwest::Method::GET, "/exports/bags").header("accept-encoding", "gzip");
    let response = request.send().await.expect("the server answers");
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let packed = response.bytes().await.expect("a whole body");
    assert!(packed.len() < 400_000, "{}", packed.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_frees_its_connection() {
    let warehouse = Warehouse::open_with(|config| config.database.database_pool_size = 2).await;
    fill(&warehouse, 60_000).await;
    let biller = warehouse.biller().await;
    for _ in 0..6 {
        let mut response = biller.request(reqwest::Method::GET, "/exports/bags?format=ndjson").send().await.expect("the server answers");
        assert_eq!(response.status(), 200);
        response.chunk().await.expect("some bytes").expect("not the end");
        drop(response);
    }
    assert_eq!(json_rows(&biller, "bags?format=ndjson").await.len(), 60_000);
    let open = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    eventually("no transaction is open", async || database::number(&warehouse.database_url, open).await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_rows_than_excel_takes_are_refused_before_anything_is_sent() {
    let warehouse = Warehouse::open().await;
    // Without the triggers and indexes that make bags slow to insert by the million.
    database::execute(
        &warehouse.database_url,
        "ALTER TABLE audit_logs DROP CONSTRAINT audit_logs_action_check; \
         INSERT INTO audit_logs (id, action, entity_type, entity_id) \
         SELECT (lpad(to_hex(n), 12, '0') || '70008000000000000000')::uuid, 'x', 'y', '' FROM generate_series(1, 1048576) AS n",
    )
    .await;
    let admin = warehouse.admin().await;
    let refused = admin.get("/exports/audit-logs?format=xlsx&entity_type=y").await.problem(422, "too_many_rows");
    assert!(refused.body["detail"].as_str().is_some_and(|detail| detail.contains("csv")));
    admin.get("/exports/audit-logs?format=xlsx&entity_type=user").await.expect(200);
}
