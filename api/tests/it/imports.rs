//! Files of bags and links: what is taken, what is refused and why, and what is in the warehouse afterwards.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use rust_xlsxwriter::Workbook;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::process::ServerProcess;
use crate::support::warehouse::ADMIN_PASSWORD;
use crate::support::{Answer, Person, Warehouse, database, eventually};

pub const CSV: &str = "text/csv";
pub const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// A form with a file, as a browser sends it.
fn form(fields: &[(&str, &str)], file_name: &str, content_type: &str, file: &[u8]) -> (String, Vec<u8>) {
    let boundary = "----boundary-of-tests";
    let mut body = Vec::new();
    for (name, value) in fields {
        write!(body, "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").unwrap();
    }
    let head = format!("Content-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\nContent-Type: {content_type}");
    write!(body, "--{boundary}\r\n{head}\r\n\r\n").unwrap();
    body.extend_from_slice(file);
    write!(body, "\r\n--{boundary}--\r\n").unwrap();
    (format!("multipart/form-data; boundary={boundary}"), body)
}

pub async fn send(person: &Person, fields: &[(&str, &str)], file_name: &str, content_type: &str, file: &[u8]) -> Answer {
    let (form_type, body) = form(fields, file_name, content_type, file);
    Answer::of(person.request(reqwest::Method::POST, "/imports").header("content-type", form_type).body(body)).await
}

/// Hands a CSV file in and waits until the work is done.
pub async fn import(person: &Person, fields: &[(&str, &str)], text: &str) -> Value {
    let taken = send(person, fields, "file.csv", CSV, text.as_bytes()).await.expect(202);
    assert_eq!(taken.header("location"), format!("/api/v1/imports/{}", taken.body["id"].as_str().unwrap()));
    finished(person, &taken.body).await
}

pub async fn finished(person: &Person, taken: &Value) -> Value {
    let path = format!("/imports/{}", taken["id"].as_str().expect("an id"));
    let mut import = Value::Null;
    eventually("the import finishes", async || {
        import = person.get(&path).await.expect(200).body;
        !import["finished_at"].is_null()
    })
    .await;
    import
}

fn counts(import: &Value) -> (i64, i64, i64) {
    let number = |name: &str| import["progress"][name].as_i64().expect("a number");
    (number("rows_read"), number("rows_accepted"), number("rows_refused"))
}

/// Line, code and whole row of each refused row.
async fn refused(person: &Person, import: &Value) -> Vec<(i64, String, Vec<String>)> {
    let answer = person.get(&format!("/imports/{}/errors", import["id"].as_str().unwrap())).await.expect(200);
    assert!(answer.header("content-disposition").starts_with("attachment; filename=\"refused-"));
    let mut reader = csv::Reader::from_reader(answer.text.as_bytes());
    let rows = reader.records().map(|row| row.expect("a row").iter().map(str::to_owned).collect::<Vec<_>>());
    rows.map(|row| (row[0].parse().expect("a line"), row[row.len() - 2].clone(), row)).collect()
}

pub async fn codes(person: &Person, import: &Value) -> Vec<(i64, String)> {
    refused(person, import).await.into_iter().map(|(line, code, _)| (line, code)).collect()
}

fn workbook(rows: &[&[&str]]) -> Vec<u8> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    for (line, row) in (0_u32..).zip(rows) {
        for (column, cell) in (0_u16..).zip(*row) {
            match cell.parse::<f64>() {
                Ok(number) => sheet.write_number(line, column, number).unwrap(),
                Err(_) => sheet.write_string(line, column, *cell).unwrap(),
            };
        }
    }
    workbook.save_to_buffer().unwrap()
}

pub const BAGS: &[(&str, &str)] = &[("kind", "bags")];
pub const LINKS: &[(&str, &str)] = &[("kind", "links")];

#[tokio::test(flavor = "multi_thread")]
async fn only_admins_import() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    let done = import(&admin, BAGS, "code\nCB-1\n").await;
    let paths =
        ["/imports".to_owned(), format!("/imports/{}", done["id"].as_str().unwrap()), format!("/imports/{}/errors", done["id"].as_str().unwrap())];
    for person in [warehouse.packer("Lucknow").await, warehouse.biller().await] {
        send(&person, BAGS, "a.csv", CSV, b"code\nCB-2\n").await.problem(403, "forbidden");
        for path in &paths {
            person.get(path).await.problem(403, "forbidden");
        }
    }
    send(&warehouse.nobody(), BAGS, "a.csv", CSV, b"code\nCB-2\n").await.problem(401, "missing_token");
    admin.get("/imports/nonsense").await.problem(404, "import_not_found");
    admin.get(&format!("/imports/{}/errors", Uuid::now_v7())).await.problem(404, "import_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_bags_is_read_whatever_its_dialect() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    let text = "\u{feff}Area;Colour; QR-Code ;NAME\r\nLucknow;red;sb00001;\"Shelf; left\"\r\n\r\nindore;;cb-1;\r\n;;cb-2;आटा\r\n";
    let done = import(&admin, BAGS, text).await;
    assert_eq!((done["status"].as_str(), counts(&done)), (Some("succeeded"), (3, 3, 0)), "{done}");
    let fields: Vec<Option<&str>> = done["columns"].as_array().unwrap().iter().map(|column| column["field"].as_str()).collect();
    assert_eq!(fields, [Some("dispatch_area"), None, Some("qr_code"), Some("name")]);
    assert_eq!((done["file_name"].as_str(), done["created_by"].as_str(), done["error"].is_null()), (Some("file.csv"), Some("admin"), true));
    let parent = admin.get("/bags/SB00001").await.expect(200).body;
    assert_eq!((parent["kind"].as_str(), parent["status"].as_str(), parent["capacity"].as_i64()), (Some("parent"), Some("open"), Some(30)));
    assert_eq!(
        (parent["name"].as_str(), parent["dispatch_area"].as_str(), parent["created_by"].as_str()),
        (Some("Shelf; left"), Some("Lucknow"), Some("admin"))
    );
    assert_eq!(admin.get("/bags/CB-2").await.expect(200).body["name"], "आटा");

    let done = import(&admin, BAGS, "bag\tkind\nCB-1\tchild\nCB-3\tChild\nCB-3\t\n").await;
    assert_eq!(counts(&done), (3, 3, 0), "bags that are there are accepted");
    let file = workbook(&[&["Name", "Code"], &["x", "CB-9"], &["", "123456"], &["", ""], &["", "CB-"]]);
    let taken = send(&admin, BAGS, "bags.xlsx", XLSX, &file).await.expect(202);
    let done = finished(&admin, &taken.body).await;
    assert_eq!((done["file_format"].as_str(), counts(&done)), (Some("xlsx"), (3, 2, 1)), "{done}");
    assert_eq!(codes(&admin, &done).await, [(5, "invalid_qr_code".to_owned())], "rows are counted as Excel counts them");
    admin.get("/bags/123456").await.expect(200);
    warehouse.assert_counts_equal_rows().await;
    let listed = admin.get("/imports?limit=2").await.expect(200);
    assert_eq!((listed.rows().len(), &listed.rows()[0]["id"], listed.body["has_more"].as_bool()), (2, &done["id"], Some(true)));
    let cursor = listed.body["next_cursor"].as_str().unwrap();
    assert_eq!(admin.get(&format!("/imports?cursor={cursor}")).await.expect(200).rows().len(), 1);
    let created = "SELECT count(*) AS n FROM audit_logs WHERE action = 'bag_created' AND actor_name = 'admin'";
    assert_eq!(database::number(&warehouse.database_url, created).await, 6);
    let audited = "SELECT count(*) AS n FROM audit_logs WHERE action = 'import' AND request_id IS NOT NULL";
    assert_eq!(database::number(&warehouse.database_url, audited).await, 6, "the beginning and the end of each");
    assert_eq!(database::number(&warehouse.database_url, "SELECT count(*) AS n FROM import_chunks").await, 0, "files are not kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_line_in_the_middle_is_named_and_the_others_are_in() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    let mut text = "code,name,kind,area\n".to_owned();
    for n in 2..=3_001 {
        text.push_str(&match n {
            700 => "CB'; DROP TABLE bags,=1+1,,\n".to_owned(),
            1_400 => "SB14000,,child,\n".to_owned(),
            1_401 => ",no code,,\n".to_owned(),
            1_402 => format!("CB-{n},{},,\n", "x".repeat(201)),
            1_403 => format!("CB-{n},,,Atlantis\n"),
            _ => format!("CB-{n},,,\n"),
        });
    }
    let done = import(&admin, BAGS, &text).await;
    assert_eq!((done["status"].as_str(), counts(&done)), (Some("succeeded"), (3_000, 2_995, 5)));
    let rows = refused(&admin, &done).await;
    let found: Vec<(i64, &str)> = rows.iter().map(|(line, code, _)| (*line, code.as_str())).collect();
    let wanted =
        [(700, "invalid_qr_code"), (1400, "kind_mismatch"), (1401, "missing_value"), (1402, "invalid_name"), (1403, "unknown_dispatch_area")];
    assert_eq!(found, wanted);
    assert_eq!(rows[0].2[1..3], ["CB'; DROP TABLE bags", "'=1+1"], "formulas are defused here too");
    assert_eq!(admin.get("/stats").await.expect(200).body["bags"]["children"], 2_995);
    warehouse.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_import_is_refused_at_once() {
    let warehouse = Warehouse::open_with(|config| config.import_max_bytes = 200_000).await;
    let admin = warehouse.admin().await;
    let good = b"code\nCB-1\n";
    let xlsx = workbook(&[&["code"], &["CB-1"]]);
    let cases: &[(&str, &str, &[u8], u16, &str)] = &[
        ("a.csv", CSV, b"", 422, "import_file_empty"),
        ("a.csv", CSV, b"\xEF\xBB\xBF\r\n\r\n", 422, "import_file_empty"),
        ("a.csv", CSV, b"code,name\n", 422, "import_file_empty"),
        ("a.csv", CSV, b"name,area\nx,y\n", 422, "import_columns_missing"),
        ("a.csv", CSV, b"CB-1\nCB-2\n", 422, "import_columns_missing"),
        ("a.csv", CSV, b"code,bag\nCB-1,CB-2\n", 422, "import_columns_missing"),
        ("a.csv", CSV, b"code\nCB-1\0\n", 422, "import_not_text"),
        ("a.csv", CSV, b"code,name\nCB-1,caf\xE9\n", 422, "import_not_utf8"),
        ("a.csv", CSV, b"\xFF\xFEc\0o\0d\0e\0", 422, "import_not_utf8"),
        ("a.csv", CSV, &xlsx, 422, "import_file_mismatch"),
        ("a.csv", "application/vnd.ms-excel", &xlsx, 422, "import_file_mismatch"),
        ("a", CSV, &xlsx, 422, "import_file_mismatch"),
        ("a.xlsx", XLSX, good, 422, "import_file_mismatch"),
        ("a.csv", XLSX, good, 422, "import_file_mismatch"),
        ("a.xls", "application/vnd.ms-excel", b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", 422, "import_file_mismatch"),
        ("a.xlsx", XLSX, b"PK\x03\x04 and then nothing of the kind", 422, "import_unreadable"),
        ("a.csv", CSV, &[b'x'; 250_000], 413, "payload_too_large"),
        ("a.csv", CSV, &[b'x'; 205_000], 413, "payload_too_large"),
    ];
    for (name, content_type, file, status, code) in cases {
        let answer = send(&admin, BAGS, name, content_type, file).await;
        assert_eq!(
            (answer.status, answer.code()),
            (*status, *code),
            "{name} {content_type} {}: {}",
            String::from_utf8_lossy(&file[..file.len().min(30)]),
            answer.text
        );
    }
    let answer = send(&admin, BAGS, "a.csv", CSV, b"code,name\nCB-1,ok\nCB-2,caf\xE9\n").await.problem(422, "import_not_utf8");
    assert!(answer.body["detail"].as_str().unwrap().contains("line 3"));
    send(&admin, BAGS, "a", "application/octet-stream", good).await.expect(202);

    let pointer = async |fields: &[(&str, &str)]| {
        let refused = send(&admin, fields, "a.csv", CSV, good).await.problem(422, "validation_failed");
        refused.body["errors"][0]["pointer"].as_str().unwrap().to_owned()
    };
    assert_eq!(pointer(&[]).await, "/kind");
    assert_eq!(pointer(&[("kind", "cats")]).await, "/kind");
    assert_eq!(pointer(&[("kind", "bags"), ("mode", "some")]).await, "/mode");
    assert_eq!(pointer(&[("kind", "bags"), ("dry_run", "perhaps")]).await, "/dry_run");
    assert_eq!(pointer(&[("kind", "bags"), ("colour", "red")]).await, "/colour");
    assert_eq!(pointer(&[("kind", "bags"), ("kind", "bags")]).await, "/kind");
    let request =
        |content_type: &str, body: &'static str| admin.request(reqwest::Method::POST, "/imports").header("content-type", content_type).body(body);
    Answer::of(request("application/json", "{}")).await.problem(415, "unsupported_media_type");
    Answer::of(request("multipart/form-data; boundary=x", "nothing of a form")).await.problem(400, "malformed_multipart");
    let no_file = "--x\r\nContent-Disposition: form-data; name=\"kind\"\r\n\r\nbags\r\n--x--\r\n";
    let missing = Answer::of(request("multipart/form-data; boundary=x", no_file)).await.problem(422, "validation_failed");
    assert_eq!(missing.body["errors"][0]["pointer"], "/file");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workbook_that_unpacks_without_end_is_refused() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    let archive = |parts: &[(&str, usize)]| {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, size) in parts {
            writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(&vec![b' '; *size]).unwrap();
        }
        writer.finish().unwrap().into_inner()
    };
    let bomb = archive(&[("xl/workbook.xml", 10), ("xl/worksheets/sheet1.xml", 64 * 1024 * 1024)]);
    assert!(bomb.len() < 200_000);
    send(&admin, BAGS, "bomb.xlsx", XLSX, &bomb).await.problem(422, "import_zip_bomb");
    // Styles are held in memory. Noise hardly shrinks, so it is the size alone that is too much.
    let mut noise = 1_u32;
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, size) in [("xl/workbook.xml", 10), ("xl/styles.xml", 17 * 1024 * 1024)] {
        writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        let bytes = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 24) as u8
        });
        writer.write_all(&bytes.take(size).collect::<Vec<u8>>()).unwrap();
    }
    let styles = writer.finish().unwrap().into_inner();
    send(&admin, BAGS, "styles.xlsx", XLSX, &styles).await.problem(422, "import_zip_bomb");
    // A directory that lies about the size.
    let mut liar = archive(&[("xl/workbook.xml", 10), ("xl/worksheets/sheet1.xml", 512 * 1024)]);
    let honest = (512_u32 * 1024).to_le_bytes();
    let places: Vec<usize> = liar.windows(4).enumerate().filter(|(_, bytes)| *bytes == honest).map(|(place, _)| place).collect();
    assert!(!places.is_empty());
    for place in places {
        liar[place..place + 4].copy_from_slice(&100_u32.to_le_bytes());
    }
    let answer = send(&admin, BAGS, "liar.xlsx", XLSX, &liar).await;
    assert_eq!(answer.status, 422, "{}", answer.text);
    assert!(["import_zip_bomb", "import_unreadable"].contains(&answer.code()), "{}", answer.text);
    send(&admin, BAGS, "words.docx", "application/octet-stream", &archive(&[("word/document.xml", 10)])).await.problem(422, "import_file_mismatch");
}

/// Rows that break every rule of packing, and the codes they are refused with.
async fn hard_case(warehouse: &Warehouse) -> (String, Vec<(i64, String)>) {
    let admin = warehouse.admin().await;
    admin.packs("SB00001", (0..28).map(|n| format!("FULL-{n}"))).await;
    admin.packs("SB00002", ["DONE-1".into()]).await;
    admin.act("/bags/SB00002/complete").await.expect(200);
    admin.packs("SB00003", ["SHIPPED-1".into()]).await;
    let bill = json!({"bill_number": "BILL-1", "destination": "Delhi", "vehicle_number": "UP32", "expected_parent_bags": 1});
    admin.post("/bills", bill).await.expect(201);
    admin.post("/bills/BILL-1/bags", json!({"qr_codes": ["SB00003"]})).await.expect(200);
    admin.act("/bills/BILL-1/finish").await.expect(200);
    let rows = [
        ("SB10001", "NEW-1", ""),
        ("SB10001", "NEW-2", ""),
        ("SB10001", "NEW-1", ""),
        ("SB10002", "NEW-1", "linked_elsewhere"),
        ("SB10002", "DONE-1", "linked_elsewhere"),
        ("SB00002", "DONE-1", ""),
        ("SB00002", "NEW-3", "parent_completed"),
        ("SB00003", "NEW-4", "parent_on_completed_bill"),
        ("SB00003", "SHIPPED-1", ""),
        ("SB00001", "NEW-5", ""),
        ("SB00001", "FULL-0", ""),
        ("SB00001", "NEW-6", ""),
        ("SB00001", "NEW-7", "parent_full"),
        ("SB10001", "SB10003", "kind_mismatch"),
        ("NEW-8", "NEW-9", "kind_mismatch"),
        ("NEW-1", "NEW-9", "kind_mismatch"),
        ("SB10001", "SB1001", "looks_like_parent"),
        ("SB00003", "4006381333931", "product_barcode"),
        ("NEW-1", "SB1001", "kind_mismatch"),
        ("SB1001", "NEW-9", "looks_like_parent"),
        ("M444-1", "SB10001", "looks_like_parent"),
        ("4006381333931", "SB1001", "product_barcode"),
        ("<>", "NEW-9", "invalid_qr_code"),
        ("SB10001", "", "missing_value"),
    ];
    let mut text = "parent,child\n".to_owned();
    let mut wanted = Vec::new();
    for (line, (parent, child, code)) in (2..).zip(rows) {
        text.push_str(&format!("{parent},{child}\n"));
        if !code.is_empty() {
            wanted.push((line, code.to_owned()));
        }
    }
    (text, wanted)
}

#[tokio::test(flavor = "multi_thread")]
async fn links_obey_every_rule_of_packing_in_every_mode() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    let (text, wanted) = hard_case(&warehouse).await;
    let before = admin.get("/stats").await.expect(200).body;

    let dry = import(&admin, &[("kind", "links"), ("dry_run", "true")], &text).await;
    assert_eq!((dry["status"].as_str(), dry["dry_run"].as_bool(), counts(&dry)), (Some("succeeded"), Some(true), (24, 8, 16)), "{dry}");
    assert_eq!(codes(&admin, &dry).await, wanted);
    let whole = import(&admin, &[("kind", "links"), ("mode", "all_or_nothing")], &text).await;
    assert_eq!(
        (whole["status"].as_str(), whole["error"]["code"].as_str(), counts(&whole)),
        (Some("failed"), Some("import_rows_refused"), (24, 0, 16))
    );
    assert_eq!(codes(&admin, &whole).await, wanted);
    let after = admin.get("/stats").await.expect(200).body;
    assert_eq!((&before["bags"], &before["scans"]), (&after["bags"], &after["scans"]), "nothing has changed");

    let done = import(&admin, LINKS, &text).await;
    assert_eq!((done["status"].as_str(), counts(&done)), (Some("succeeded"), (24, 8, 16)), "{done}");
    assert_eq!(codes(&admin, &done).await, wanted);
    let full = admin.get("/bags/SB00001").await.expect(200).body;
    assert_eq!((full["child_count"].as_i64(), full["status"].as_str()), (Some(30), Some("completed")));
    assert_eq!(admin.get("/bags/SB10001").await.expect(200).body["child_count"], 2);
    let scan = admin.get("/scans?bag=NEW-2").await.expect(200).rows()[0].clone();
    assert_eq!(
        (scan["source"].as_str(), scan["outcome"].as_str(), scan["user"]["username"].as_str()),
        (Some("import"), Some("linked"), Some("admin"))
    );
    warehouse.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_or_nothing_writes_all_when_every_row_is_good() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    let mode = ("mode", "all_or_nothing");
    warehouse.packer("Lucknow").await.packs("SB00001", (0..2).map(|n| format!("OLD-{n}"))).await;
    let mut text = "child_qr_code;parent_qr_code\nOLD-0;SB00001\n".to_owned();
    for n in 0..28 {
        text.push_str(&format!("NEW-{n};SB00001\n"));
    }
    text.push_str("ALONE-1;M444-00001\nALONE-1;M444-00001\n");
    let done = import(&admin, &[("kind", "links"), mode], &text).await;
    assert_eq!((done["status"].as_str(), counts(&done)), (Some("succeeded"), (31, 31, 0)), "{done}");
    let full = admin.get("/bags/SB00001").await.expect(200).body;
    assert_eq!((full["child_count"].as_i64(), full["status"].as_str()), (Some(30), Some("completed")));
    assert_eq!(admin.get("/bags/NEW-7").await.expect(200).body["dispatch_area"], "Lucknow", "a child stands where its parent stands");
    assert_eq!(admin.get("/bags/M444-00001").await.expect(200).body["child_count"], 1);
    let outcomes = async |outcome: &str| {
        let sql = format!("SELECT count(*) AS n FROM scans WHERE source = 'import' AND outcome = '{outcome}'");
        database::number(&warehouse.database_url, &sql).await
    };
    assert_eq!((outcomes("opened").await, outcomes("linked").await, outcomes("already_linked").await), (1, 29, 2));
    let audited = "SELECT count(*) AS n FROM audit_logs WHERE actor_name = 'admin' AND action IN ('bag_created', 'child_linked', 'parent_completed')";
    assert_eq!(database::number(&warehouse.database_url, audited).await, 30 + 29 + 1);
    // An undo of the last child opens the parent again, as after a scan.
    warehouse.assert_counts_equal_rows().await;

    let bags = import(&admin, &[("kind", "bags"), mode], "code,name\nSB20001,x\nCB-1,\nCB-1,\nNEW-1,\n").await;
    assert_eq!((bags["status"].as_str(), counts(&bags)), (Some("succeeded"), (4, 4, 0)));
    let bad = import(&admin, &[("kind", "bags"), mode], "code\nCB-2\n-\nCB-3\n").await;
    assert_eq!((bad["status"].as_str(), counts(&bad)), (Some("failed"), (3, 0, 1)));
    admin.get("/bags/CB-2").await.problem(404, "bag_not_found");
    let dry = import(&admin, &[("kind", "bags"), ("dry_run", "true")], "code\nCB-2\n-\n").await;
    assert_eq!((dry["status"].as_str(), counts(&dry)), (Some("succeeded"), (2, 1, 1)));
    admin.get("/bags/CB-2").await.problem(404, "bag_not_found");
    warehouse.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_quotation_mark_fails_the_import_and_names_the_line() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    let mut text = "code,name\n".to_owned();
    for n in 2..=1_000 {
        text.push_str(&format!("CB-{n},\n"));
    }
    text.push_str("CB-1001,\"open\n");
    text.push_str(&"CB-2000,\n".repeat(200_000));
    let done = import(&admin, BAGS, &text).await;
    assert_eq!((done["status"].as_str(), done["error"]["code"].as_str()), (Some("failed"), Some("import_unreadable")));
    assert!(done["error"]["detail"].as_str().unwrap().contains("line 1001"), "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_sent_again_with_its_key_is_one_import() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    let send_once = async |file: &[u8]| {
        let (form_type, body) = form(BAGS, "a.csv", CSV, file);
        let request = admin.request(reqwest::Method::POST, "/imports").header("content-type", form_type).header("idempotency-key", "file-1");
        Answer::of(request.body(body)).await
    };
    let first = send_once(b"code\nCB-1\n").await.expect(202);
    let second = send_once(b"code\nCB-1\n").await.expect(202);
    assert_eq!((&first.body["id"], second.header("idempotent-replayed")), (&second.body["id"], "true"));
    send_once(b"code\nCB-2\n").await.problem(422, "idempotency_key_reused");
    assert_eq!(admin.get("/imports").await.expect(200).rows().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_admin_any_more_imports_nothing() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    // No worker takes the job before the admin is one no more.
    database::execute(&warehouse.database_url, "ALTER TABLE jobs ALTER COLUMN run_at SET DEFAULT now() + interval '1 hour'").await;
    let taken = send(&admin, BAGS, "a.csv", CSV, b"code\nCB-1\n").await.expect(202);
    assert_eq!(taken.body["status"], "queued");
    admin.post("/users", json!({"username": "other", "password": "Battery-Staple9", "role": "admin"})).await.expect(201);
    database::execute(&warehouse.database_url, "UPDATE users SET role = 'biller' WHERE username = 'admin'; UPDATE jobs SET run_at = now()").await;
    let done = finished(&admin, &taken.body).await;
    assert_eq!((done["status"].as_str(), done["error"]["code"].as_str()), (Some("failed"), Some("forbidden")));
    assert_eq!(database::number(&warehouse.database_url, "SELECT count(*) AS n FROM bags").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_import_whose_worker_was_killed_is_done_by_another_and_nothing_twice() {
    let url = database::migrated().await;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("import-{}", Uuid::new_v4().simple()));
    let mut server = ServerProcess::start(&folder, Some(&url)).await;
    let admin = server.nobody().signed_in("admin", ADMIN_PASSWORD).await;
    let mut text = "parent,child\n".to_owned();
    for n in 0..6_000 {
        text.push_str(&format!("SB{:05},CB-{n}\n", n / 25));
    }
    text.push_str("SB00000,<>\n");
    let taken = send(&admin, LINKS, "links.csv", CSV, text.as_bytes()).await.expect(202);
    let progress = "SELECT coalesce(max(rows_read), 0) AS n FROM imports";
    while database::number(&url, progress).await == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::task::block_in_place(|| server.kill());
    let read = database::number(&url, progress).await;
    assert!((1..6_001).contains(&read), "killed in the middle: {read}");
    drop(server);

    database::execute(&url, "UPDATE jobs SET leased_until = now()").await;
    let warehouse = Warehouse::open_on(url, |_| {}).await;
    let admin = warehouse.admin().await;
    let done = finished(&admin, &taken.body).await;
    assert_eq!((done["status"].as_str(), counts(&done)), (Some("succeeded"), (6_001, 6_000, 1)), "{done}");
    assert_eq!(codes(&admin, &done).await, [(6_002, "invalid_qr_code".to_owned())]);
    let number = async |sql: &str| database::number(&warehouse.database_url, sql).await;
    assert_eq!(number("SELECT count(*) AS n FROM bag_links").await, 6_000);
    assert_eq!(number("SELECT count(*) AS n FROM scans").await, 6_240, "each link and each parent is one event");
    assert_eq!(number("SELECT count(*) AS n FROM audit_logs WHERE action = 'child_linked'").await, 6_000);
    warehouse.assert_counts_equal_rows().await;
    let _left_by_the_server = std::fs::remove_dir_all(folder);
}
