//! E-mails over SMTP, over SendGrid and into files, with retries.

use serde_json::json;
use traitortrack::config::Secret;

use crate::support::mail::{SendGrid, SmtpServer, decoded};
use crate::support::warehouse::PASSWORD;
use crate::support::{Warehouse, database, eventually};

const EMAIL: &str = "asha@example.com";

/// A biller with an e-mail address asks for a new password.
async fn asks(warehouse: &Warehouse) {
    let person = json!({"username": "asha", "email": EMAIL, "password": PASSWORD, "role": "biller"});
    warehouse.admin().await.post("/users", person).await.expect(201);
    ask_again(warehouse).await;
}

async fn ask_again(warehouse: &Warehouse) {
    warehouse.nobody().post("/auth/password/forgot", json!({"email": EMAIL})).await.expect(202);
}

/// Waits until the newest job has this status, and says how often it was tried.
async fn attempts_when(warehouse: &Warehouse, status: &str) -> i64 {
    let sql =
        format!("SELECT coalesce((SELECT attempts::bigint FROM jobs WHERE status = '{status}' AND attempts > 0 ORDER BY id DESC LIMIT 1), 0) AS n");
    let mut attempts = 0;
    eventually(&format!("a job is {status}"), async || {
        attempts = database::number(&warehouse.database_url, &sql).await;
        attempts > 0
    })
    .await;
    attempts
}

async fn is_due_now(warehouse: &Warehouse) {
    database::execute(&warehouse.database_url, "UPDATE jobs SET run_at = now() WHERE status = 'queued'").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_go_out_by_smtp_as_text_and_html() {
    let smtp = SmtpServer::start().await;
    let warehouse = Warehouse::open_with(|config| {
        config.smtp_url = smtp.url();
        config.mail_from = "Warehouse <bags@warehouse.example>".into();
        config.public_url = Some("https://bags.example/".into());
    })
    .await;
    asks(&warehouse).await;
    let mail = smtp.inbox.nth(1).await;
    for part in [
        "From: Warehouse <bags@warehouse.example>",
        "To: asha@example.com",
        "Subject: Choose a new password",
        "Auto-Submitted: auto-generated",
        "Content-Type: multipart/alternative",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Type: text/html; charset=utf-8",
        "Hello asha,",
        "https://bags.example/reset-password#token=",
        "<!doctype html>",
    ] {
        assert!(decoded(&mail).contains(part), "{part} in\n{}", decoded(&mail));
    }
    assert_eq!(attempts_when(&warehouse, "succeeded").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_is_busy_is_tried_again_and_one_that_refuses_is_not() {
    let smtp = SmtpServer::start().await;
    smtp.inbox.refuse_next_with("450 mailbox busy");
    let warehouse = Warehouse::open_with(|config| config.smtp_url = smtp.url()).await;
    asks(&warehouse).await;
    assert_eq!(attempts_when(&warehouse, "queued").await, 1);
    is_due_now(&warehouse).await;
    smtp.inbox.nth(1).await;
    assert_eq!(attempts_when(&warehouse, "succeeded").await, 2);

    smtp.inbox.refuse_next_with("550 no such mailbox");
    ask_again(&warehouse).await;
    assert_eq!(attempts_when(&warehouse, "failed").await, 1);
    assert_eq!(smtp.inbox.all().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_is_away_is_tried_again() {
    let warehouse = Warehouse::open_with(|config| config.smtp_url = Some(Secret::from("smtp://127.0.0.1:1"))).await;
    asks(&warehouse).await;
    assert_eq!(attempts_when(&warehouse, "queued").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_go_out_by_sendgrid_in_the_language_of_the_person() {
    let sendgrid = SendGrid::start().await;
    let warehouse = Warehouse::open_with(|config| {
        config.sendgrid_api_key = Some(Secret::from("SG.test"));
        config.sendgrid_url.clone_from(&sendgrid.url);
    })
    .await;
    asks(&warehouse).await;
    let (head, body) = sendgrid.nth(1).await;
    assert!(head.starts_with("post /v3/mail/send ") && head.contains("authorization: bearer sg.test"), "{head}");
    assert_eq!(body["personalizations"][0]["to"][0]["email"], EMAIL);
    assert_eq!(body["from"], json!({"email": "traitortrack@localhost", "name": "TraitorTrack"}));
    assert_eq!(body["subject"], "Choose a new password");
    assert_eq!((body["content"][0]["type"].as_str(), body["content"][1]["type"].as_str()), (Some("text/plain"), Some("text/html")));
    assert_eq!(body["tracking_settings"]["click_tracking"]["enable"], false);

    let asha = warehouse.nobody().signed_in("asha", PASSWORD).await;
    assert_eq!(asha.patch("/me", json!({"language": "hi"})).await.expect(200).body["language"], "hi");
    ask_again(&warehouse).await;
    let (_, body) = sendgrid.nth(2).await;
    assert_eq!(body["subject"], "नया पासवर्ड चुनें");
    assert!(body["content"][1]["value"].as_str().is_some_and(|html| html.contains("<html lang=\"hi\">") && html.contains("नमस्ते asha")));
}

#[tokio::test(flavor = "multi_thread")]
async fn sendgrid_is_tried_again_when_busy_and_not_when_it_refuses() {
    let sendgrid = SendGrid::start().await;
    let warehouse = Warehouse::open_with(|config| {
        config.sendgrid_api_key = Some(Secret::from("SG.test"));
        config.sendgrid_url.clone_from(&sendgrid.url);
    })
    .await;
    sendgrid.inbox.refuse_next_with("503 Service Unavailable");
    asks(&warehouse).await;
    assert_eq!(attempts_when(&warehouse, "queued").await, 1);
    sendgrid.inbox.refuse_next_with("429 Too Many Requests");
    is_due_now(&warehouse).await;
    eventually("the second attempt is made", async || attempts_when(&warehouse, "queued").await == 2).await;
    is_due_now(&warehouse).await;
    sendgrid.nth(1).await;
    assert_eq!(attempts_when(&warehouse, "succeeded").await, 3);

    sendgrid.inbox.refuse_next_with("403 Forbidden");
    ask_again(&warehouse).await;
    assert_eq!(attempts_when(&warehouse, "failed").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_mail_server_mails_land_in_files_that_only_the_server_reads() {
    use std::os::unix::fs::PermissionsExt;
    let mut folder = None;
    let warehouse = Warehouse::open_with(|config| folder = Some(config.database.data_dir.join("mail"))).await;
    let folder = folder.expect("the settings were made");
    asks(&warehouse).await;
    attempts_when(&warehouse, "succeeded").await;
    let files: Vec<_> = std::fs::read_dir(&folder).expect("the folder is there").map(|entry| entry.expect("an entry").path()).collect();
    assert_eq!(files.len(), 1);
    assert_eq!(std::fs::metadata(&files[0]).expect("a file").permissions().mode() & 0o777, 0o600);
    let mail = std::fs::read_to_string(&files[0]).expect("text");
    assert!(decoded(&mail).contains(&format!("{}/reset-password#token=", warehouse.base_url)), "links lead here: {}", decoded(&mail));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_is_told_to_those_who_have_an_address() {
    let smtp = SmtpServer::start().await;
    let warehouse = Warehouse::open_with(|config| config.smtp_url = smtp.url()).await;
    let change = json!({"current_password": PASSWORD, "new_password": "Other-Horse7"});
    warehouse.biller().await.post("/me/password", change.clone()).await.expect(200);
    let person = json!({"username": "asha", "email": EMAIL, "password": PASSWORD, "role": "biller"});
    warehouse.admin().await.post("/users", person).await.expect(201);
    let asha = warehouse.nobody().signed_in("asha", PASSWORD).await;
    asha.post("/me/password", change).await.expect(200);
    let mail = smtp.inbox.nth(1).await;
    assert!(mail.contains("Subject: Your password was changed") && mail.contains("To: asha@example.com"));
    assert!(decoded(&mail).contains("IST"), "in the time zone of the settings");
    assert_eq!(smtp.inbox.all().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_ways_to_send_or_a_wrong_sender_keep_the_server_from_starting() {
    let start = async |change: fn(&mut traitortrack::config::Config)| {
        let mut config = traitortrack::config::Config::defaults();
        config.bind = "127.0.0.1:0".parse().expect("an address");
        config.database.database_url = Some(Secret::from(database::migrated().await));
        change(&mut config);
        traitortrack::server::Application::build(config).await.err().map(|error| error.to_string()).unwrap_or_default()
    };
    let both = start(|config| {
        config.smtp_url = Some("smtp://127.0.0.1".into());
        config.sendgrid_api_key = Some("SG.test".into());
    });
    assert!(both.await.contains("SMTP_URL and SENDGRID_API_KEY"));
    assert!(start(|config| config.mail_from = "nonsense".into()).await.contains("MAIL_FROM"));
    assert!(start(|config| config.smtp_url = Some("http://nonsense".into())).await.contains("SMTP_URL"));
}
