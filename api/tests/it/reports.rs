//! Reports in every form, for whom they are.

use reqwest::Method;
use serde_json::json;

use crate::support::Warehouse;

const REPORTS: [&str; 5] = ["daily-scans", "bill-summary", "dispatch-area", "user-activity", "end-of-day"];

#[tokio::test(flavor = "multi_thread")]
async fn reports_say_what_happened() {
    let warehouse = Warehouse::open().await;
    let (biller, packer, indore) = (warehouse.biller().await, warehouse.packer("Lucknow").await, warehouse.packer("Indore").await);
    packer.packs("SB00001", (0..30).map(|n| format!("CB-{n}"))).await;
    indore.packs("SB00002", ["CB-X".into()]).await;
    let body = json!({"bill_number": "B1", "destination": "Jaipur", "vehicle_number": "RJ14", "expected_parent_bags": 2});
    biller.post("/bills", body).await.expect(201);
    biller.post("/bills/B1/bags", json!({"qr_codes": ["SB00001"]})).await.expect(200);
    biller.act("/bills/B1/finish").await.expect(200);

    let daily = biller.get("/reports/daily-scans").await.expect(200).body;
    assert_eq!((daily["scans"].as_i64(), daily["scans_day_before"].as_i64(), daily["change_percent"].as_f64()), (Some(33), Some(0), None));
    assert_eq!(daily["hours"].as_array().map(Vec::len), Some(24));
    assert_eq!(daily["hours"].as_array().expect("rows").iter().map(|hour| hour["total"].as_i64().expect("a number")).sum::<i64>(), 33);
    let own = packer.get("/reports/daily-scans").await.expect(200).body;
    assert_eq!((own["person"].as_str(), own["scans"].as_i64(), own["people"].as_array().map(Vec::len)), (Some("dispatcher-1"), Some(31), Some(1)));
    let other = indore.get("/me").await.expect(200).body["id"].as_i64().expect("an id");
    packer.get(&format!("/reports/daily-scans?user_id={other}")).await.problem(403, "forbidden");
    assert_eq!(biller.get(&format!("/reports/daily-scans?user_id={other}")).await.expect(200).body["scans"], 2);

    let bills = biller.get("/reports/bill-summary").await.expect(200).body;
    assert_eq!((bills["bill_count"].as_i64(), bills["completed_count"].as_i64(), bills["variance_kg"].as_f64()), (Some(1), Some(1), Some(-30.0)));
    assert_eq!(biller.get("/reports/bill-summary?from=2020-01-01&to=2020-02-01").await.expect(200).body["bill_count"], 0);
    let areas = biller.get("/reports/dispatch-area").await.expect(200).body;
    assert!(areas["areas"].as_array().expect("rows").iter().any(|area| area["area"] == "Indore" && area["scans"] == 2));
    let people = biller.get("/reports/user-activity").await.expect(200).body;
    assert_eq!((people["people"][0]["username"].as_str(), people["people"][0]["active_days"].as_i64()), (Some("dispatcher-1"), Some(1)));
    assert!(people["people"].as_array().expect("rows").iter().any(|person| person["username"] == "biller-0" && person["bills"] == 1));
    let day = biller.get("/reports/end-of-day").await.expect(200).body;
    assert_eq!((day["scans"].as_i64(), day["bills"]["bill_count"].as_i64(), day["areas"].as_array().map(Vec::len)), (Some(33), Some(1), Some(10)));

    for report in REPORTS {
        for (format, magic) in [("csv", &b""[..]), ("xlsx", b"PK\x03\x04"), ("pdf", b"%PDF-1.")] {
            let response = biller.request(Method::GET, &format!("/reports/{report}?format={format}")).send().await.expect("an answer");
            assert_eq!(response.status(), 200, "{report} {format}");
            assert!(response.headers()["content-disposition"].to_str().expect("text").contains(&format!(".{format}\"")));
            let bytes = response.bytes().await.expect("a file");
            assert!(bytes.starts_with(magic) && bytes.len() > 40, "{report} {format}");
            if let Ok(folder) = std::env::var("KEEP_REPORTS") {
                std::fs::write(format!("{folder}/{report}.{format}"), &bytes).expect("can be kept");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_are_for_billers_and_of_days_that_exist() {
    let warehouse = Warehouse::open().await;
    let (biller, packer) = (warehouse.biller().await, warehouse.packer("Lucknow").await);
    for report in &REPORTS[1..] {
        packer.get(&format!("/reports/{report}")).await.problem(403, "forbidden");
    }
    for wrong in [
        "daily-scans?date=2026-13-01",
        "daily-scans?date=0000-01-01",
        "daily-scans?date=9999-12-31",
        "daily-scans?date=-1",
        "daily-scans?format=doc",
        "daily-scans?user_id=x",
        "bill-summary?from=2026-02-01&to=2026-01-01",
        "bill-summary?from=2020-01-01&to=2026-01-01",
        "user-activity?from=now",
        "end-of-day?day=2026-01-01",
    ] {
        biller.get(&format!("/reports/{wrong}")).await.problem(400, "invalid_query");
    }
    assert_eq!(biller.get("/reports/daily-scans?date=1999-12-31").await.expect(200).body["scans"], 0);
    assert_eq!(biller.get("/reports/daily-scans?user_id=999999").await.expect(200).body["scans"], 0);
    biller.get("/reports/no-such-report").await.problem(404, "not_found");
}

/// Two processes whose clocks say that it is time: each admin gets one e-mail.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_day_goes_out_once() {
    use traitortrack::config::TimeOfDay;

    let smtp = crate::support::mail::SmtpServer::start().await;
    let database_url = crate::support::database::migrated().await;
    let settings = |config: &mut traitortrack::config::Config| {
        config.smtp_url = smtp.url();
        config.public_url = Some("https://bags.example".into());
        config.end_of_day_at = TimeOfDay(Some(chrono::NaiveTime::MIN));
    };
    let one = Warehouse::open_on(database_url.clone(), settings).await;
    let admin = one.admin().await;
    for (name, role, email, language) in
        [("asha", "admin", Some("asha@example.com"), "en"), ("ravi", "admin", None, "en"), ("meena", "biller", Some("m@example.com"), "en")]
    {
        admin.post("/users", json!({"username": name, "password": "Battery-Staple9", "role": role, "email": email})).await.expect(201);
        crate::support::database::execute(&one.database_url, &format!("UPDATE users SET language = '{language}' WHERE username = '{name}'")).await;
    }
    one.packer("Lucknow").await.packs("SB00001", ["CB-1".into()]).await;
    let other = Warehouse::open_on(database_url, settings).await;
    // Both look at the clock every twenty seconds.
    tokio::time::sleep(std::time::Duration::from_secs(23)).await;
    let mail = smtp.inbox.nth(1).await;
    let text = crate::support::mail::decoded(&mail);
    for part in ["To: asha@example.com", "Hello asha", "Lucknow: 2 scans", "https://bags.example/reports"] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let sent = "SELECT count(*) AS n FROM jobs WHERE kind = 'email'";
    assert_eq!(crate::support::database::number(&other.database_url, sent).await, 1);
    assert_eq!(admin.get("/audit-logs?action=report_sent").await.expect(200).rows().len(), 1);
}
