//! At least one admin who can sign in remains, whatever happens at the same time, and a start
//! repairs a database that has none.

use std::time::Duration;

use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use serde_json::{Value, json};

use crate::support::process::ServerProcess;
use crate::support::warehouse::{ADMIN_PASSWORD, PASSWORD};
use crate::support::{Answer, Person, Warehouse, database};

/// Admins who can sign in.
const USABLE: &str = "SELECT count(*) AS n FROM users WHERE role = 'admin' AND is_active AND anonymised_at IS NULL AND password_hash LIKE '$argon2%'";

/// What takes away an admin's rights, or tries to.
#[derive(Debug, Clone, Copy)]
enum Act {
    ChangeRole,
    Deactivate,
    Delete,
    /// Approves a request for `biller` that was made before the person became an admin.
    ApproveStaleRequest,
    UpdateInSql,
    DeleteInSql,
}

const ACTS: [Act; 6] = [Act::ChangeRole, Act::Deactivate, Act::Delete, Act::ApproveStaleRequest, Act::UpdateInSql, Act::DeleteInSql];
/// Interleavings tried of each pair of acts.
const ROUNDS: usize = 4;

/// An admin, as another one sees them.
struct Admin {
    id: i64,
    person: Person,
    seen: Answer,
    request_id: i64,
}

/// Two new admins with a pending request each. All other admins are disabled.
async fn two_admins(warehouses: [&Warehouse; 2], round: usize) -> [Admin; 2] {
    let url = &warehouses[0].database_url;
    let names = [format!("ada-{round}"), format!("bea-{round}")];
    for name in &names {
        let sql = format!(
            "INSERT INTO users (username, password_hash, role) SELECT '{name}', password_hash, 'admin' FROM users WHERE username = 'admin'; \
             INSERT INTO promotion_requests (user_id, wanted_role, reason) SELECT id, 'biller', 'Bills' FROM users WHERE username = '{name}'"
        );
        database::execute(url, &sql).await;
    }
    let others = format!("UPDATE users SET is_active = false WHERE role = 'admin' AND username NOT IN ('{}', '{}')", names[0], names[1]);
    database::execute(url, &others).await;
    let admin = async |index: usize| {
        let name = &names[index];
        let id = database::number(url, &format!("SELECT id AS n FROM users WHERE username = '{name}'")).await;
        let request_id = database::number(url, &format!("SELECT id AS n FROM promotion_requests WHERE user_id = {id}")).await;
        let person = warehouses[index].nobody().signed_in(name, ADMIN_PASSWORD).await;
        let seen = person.get(&format!("/users/{id}")).await.expect(200);
        Admin { id, person, seen, request_id }
    };
    [admin(0).await, admin(1).await]
}

/// Runs SQL of its own transaction; the message of the database when it refuses.
async fn try_sql(url: &str, sql: &str) -> Result<(), String> {
    let mut conn = AsyncPgConnection::establish(url).await.expect("connects");
    conn.batch_execute(sql).await.map_err(|error| error.to_string())
}

/// What came back: `ok`, or the code of the refusal.
async fn run(act: Act, url: &str, actor: &Person, target: &Admin) -> String {
    let (id, path) = (target.id, format!("/users/{}", target.id));
    let answer = match act {
        Act::ChangeRole => actor.patch_seen(&path, &target.seen, json!({"role": "biller"})).await,
        Act::Deactivate => actor.patch_seen(&path, &target.seen, json!({"is_active": false})).await,
        Act::Delete => actor.delete_seen(&path, &target.seen).await,
        Act::ApproveStaleRequest => actor.post(&format!("/promotion-requests/{}/approve", target.request_id), json!({})).await,
        Act::UpdateInSql => return in_sql(url, &format!("UPDATE users SET role = 'biller' WHERE id = {id}")).await,
        Act::DeleteInSql => {
            let sql = format!(
                "BEGIN; DELETE FROM promotion_requests WHERE user_id = {id}; DELETE FROM sessions WHERE user_id = {id}; \
                 DELETE FROM users WHERE id = {id}; COMMIT"
            );
            return in_sql(url, &sql).await;
        }
    };
    if answer.status < 300 { "ok".to_owned() } else { format!("{} {}", answer.status, answer.code()) }
}

async fn in_sql(url: &str, sql: &str) -> String {
    match try_sql(url, sql).await {
        Ok(()) => "ok".to_owned(),
        Err(message) if message.contains("last admin") => "409 last_admin".to_owned(),
        // A person whom other rows refer to can't be deleted in SQL.
        Err(message) if message.contains("violates foreign key") => "foreign key".to_owned(),
        Err(message) => message,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_two_acts_at_once_leave_a_database_without_an_admin() {
    let one = Warehouse::open().await;
    let other = Warehouse::open_on(one.database_url.clone(), |_| {}).await;
    let url = &one.database_url;
    let mut round = 0;
    for (index, first) in ACTS.into_iter().enumerate() {
        for second in &ACTS[index..] {
            for _ in 0..ROUNDS {
                round += 1;
                let [ada, bea] = two_admins([&one, &other], round).await;
                let pause = Duration::from_micros(rand::random_range(0..3_000));
                let later = async {
                    tokio::time::sleep(pause).await;
                    run(*second, url, &bea.person, &ada).await
                };
                let outcomes: [String; 2] = tokio::join!(run(first, url, &ada.person, &bea), later).into();
                let told = format!("{first:?} and {second:?}: {outcomes:?}");
                assert!(database::number(url, USABLE).await >= 1, "{told}");
                // A person who lost their rights a moment ago is signed out; everything else is
                // done, or refused with its reason. Only the rows of a person who is deleted in SQL
                // while they act can't be written.
                let expected = ["ok", "409 last_admin", "409 role_not_higher", "401 session_expired", "foreign key"];
                let is_expected = |outcome: &String, other: Act| expected.contains(&outcome.as_str()) || matches!(other, Act::DeleteInSql);
                assert!(is_expected(&outcomes[0], *second) && is_expected(&outcomes[1], first), "{told}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_can_not_remove_the_last_admin_at_any_isolation_level() {
    let warehouse = Warehouse::open().await;
    let url = &warehouse.database_url;
    for (round, level) in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"].into_iter().enumerate() {
        let [ada, bea] = two_admins([&warehouse, &warehouse], round).await;
        let demote = |id: i64| format!("UPDATE users SET role = 'biller' WHERE id = {id}");
        let mut first = AsyncPgConnection::establish(url).await.expect("connects");
        let mut second = AsyncPgConnection::establish(url).await.expect("connects");
        for conn in [&mut first, &mut second] {
            // Reading takes the snapshot, in which both are admins.
            conn.batch_execute(&format!("BEGIN ISOLATION LEVEL {level}; SELECT count(*) FROM users")).await.expect("begins");
        }
        first.batch_execute(&demote(ada.id)).await.expect("there is another admin");
        let sql = demote(bea.id);
        let blocked = tokio::spawn(async move {
            second.batch_execute(&sql).await?;
            second.batch_execute("COMMIT").await
        });
        let waits = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        for _ in 0..200 {
            if blocked.is_finished() || database::number(url, waits).await > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        first.batch_execute("COMMIT").await.expect("the first of the two is done");
        assert!(blocked.await.expect("no panic").is_err(), "{level}");
        assert_eq!(database::number(url, USABLE).await, 1, "{level}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_can_not_take_the_last_admin_away_by_any_column() {
    let warehouse = Warehouse::open().await;
    let url = &warehouse.database_url;
    let forbidden = [
        "UPDATE users SET role = 'biller'",
        "UPDATE users SET is_active = false WHERE username = 'admin'",
        "UPDATE users SET password_hash = '!' WHERE username = 'admin'",
        "UPDATE users SET password_hash = '' WHERE username = 'admin'",
        "UPDATE users SET anonymised_at = now() WHERE username = 'admin'",
        "SELECT anonymise_user(id) FROM users WHERE username = 'admin'",
        "DELETE FROM users",
        "TRUNCATE users CASCADE",
        "BEGIN; SET CONSTRAINTS ALL DEFERRED; UPDATE users SET role = 'biller'; COMMIT",
    ];
    for sql in forbidden {
        let refused = try_sql(url, sql).await.expect_err(sql);
        assert!(refused.contains("last admin"), "{sql}: {refused}");
        assert_eq!(database::number(url, USABLE).await, 1, "{sql}");
    }
    // Handing over is possible: in one statement, or in one transaction that is checked at its end.
    warehouse.biller().await;
    let swap = "UPDATE users SET role = CASE role WHEN 'admin' THEN 'biller' ELSE 'admin' END::user_role";
    try_sql(url, swap).await.expect("one statement");
    let deferred = "BEGIN; SET CONSTRAINTS ALL DEFERRED; UPDATE users SET role = 'biller' WHERE role = 'admin'; \
                    UPDATE users SET role = 'admin' WHERE username = 'admin'; COMMIT";
    try_sql(url, deferred).await.expect("one transaction");
    assert_eq!(database::number(url, USABLE).await, 1);
}

/// A packer who has asked for a role, as an id and the id of the request.
async fn asked_for(warehouse: &Warehouse, role: &str) -> (Person, Value, Value) {
    let packer = warehouse.packer("Lucknow").await;
    let id = packer.get("/me").await.expect(200).body["id"].clone();
    let request = packer.post("/promotion-requests", json!({"wanted_role": role, "reason": "Bills"})).await.expect(201);
    (packer, id, request.body["id"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_decided_against_the_role_of_that_moment() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    for (wanted, now) in [("biller", "admin"), ("biller", "biller"), ("admin", "admin")] {
        let (_, id, request) = asked_for(&warehouse, wanted).await;
        let path = format!("/users/{id}");
        let seen = admin.get(&path).await.expect(200);
        admin.patch_seen(&path, &seen, json!({"role": now})).await.expect(200);
        let name = seen.body["username"].as_str().expect("a name");
        let person = warehouse.nobody().signed_in(name, PASSWORD).await;
        let approve = format!("/promotion-requests/{request}/approve");
        let refused = admin.post_once(&format!("approve-{request}"), &approve, json!({"note": "Well done"})).await.problem(409, "role_not_higher");
        assert!(refused.body["detail"].as_str().expect("a sentence").contains(now), "{}", refused.text);

        assert_eq!(person.get("/me").await.expect(200).body["role"], now, "the role stays, and so do the sessions");
        let closed = person.get("/promotion-requests").await.expect(200).rows()[0].clone();
        assert_eq!(
            (&closed["status"], &closed["closed_as"], &closed["decided_by"]),
            (&json!("rejected"), &json!("role_not_higher"), &json!("admin"))
        );
        assert!(closed["decided_at"].is_string());
        admin.post(&approve, json!({})).await.problem(409, "promotion_decided");
        let history = admin.get(&format!("/audit-logs?entity_type=promotion_request&entity_id={request}")).await.expect(200);
        assert_eq!(history.rows()[0]["action"], "promotion_rejected");
        assert_eq!(history.rows()[0]["after"]["closed_as"], "role_not_higher");
        assert_eq!(person.get("/notifications").await.expect(200).rows().len(), 0, "nothing was taken from anybody");
    }
    let (_, _, request) = asked_for(&warehouse, "biller").await;
    let approved = admin.post(&format!("/promotion-requests/{request}/approve"), json!({})).await.expect(200).body;
    assert_eq!((&approved["status"], &approved["closed_as"]), (&json!("approved"), &json!(null)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_and_a_change_of_role_at_once_never_lower_a_role() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    for _ in 0..12 {
        let (_, id, request) = asked_for(&warehouse, "biller").await;
        let path = format!("/users/{id}");
        let seen = admin.get(&path).await.expect(200);
        let approve = format!("/promotion-requests/{request}/approve");
        let (raised, approved) = tokio::join!(admin.patch_seen(&path, &seen, json!({"role": "admin"})), admin.post(&approve, json!({})));
        let outcome = (raised.status, approved.status);
        // Approved first, the change was made for what is no longer so; otherwise there is nothing
        // to raise.
        assert!(matches!(outcome, (412, 200) | (200, 409)), "{} {}", raised.text, approved.text);
        let role = if raised.status == 200 { "admin" } else { "biller" };
        assert_eq!(admin.get(&path).await.expect(200).body["role"], role);
    }
}

/// Makes the rule be broken, as only the owner of the database can, or a version before the rule.
async fn without_rule(url: &str, sql: &str) {
    database::execute(url, &format!("SET session_replication_role = replica; {sql}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_restores_an_admin_under_a_free_name() {
    let longest = "a".repeat(64);
    let cases = [
        ("a packer has the name", "UPDATE users SET role = 'dispatcher', dispatch_area_id = 1", "admin", "admin-2"),
        ("a biller has the name in other letters", "UPDATE users SET role = 'biller', username = 'AdMin'", "admin", "admin-2"),
        ("the admin was switched off", "UPDATE users SET is_active = false", "admin", "admin-2"),
        ("the admin has no password", "UPDATE users SET password_hash = '!'", "admin", "admin-2"),
        ("the admin was anonymised", "SELECT anonymise_user(id) FROM users", "admin", "admin"),
        (
            "the second name is taken too",
            "UPDATE users SET role = 'biller'; INSERT INTO users (username, password_hash, role) VALUES ('ADMIN-2', '!', 'biller')",
            "admin",
            "admin-3",
        ),
        ("there are no users at all", "DELETE FROM users", "admin", "admin"),
        (
            "the longest name is taken",
            "UPDATE users SET role = 'biller', username = repeat('a', 64)",
            longest.as_str(),
            &format!("{}-2", &longest[..62]),
        ),
    ];
    for (story, broken, configured, expected) in cases {
        let url = database::migrated().await;
        without_rule(&url, broken).await;
        let before = database::texts(&url, "SELECT u::text AS value FROM users u ORDER BY id").await;
        let settings = |config: &mut traitortrack::config::Config| {
            config.admin_username = configured.to_owned();
            config.admin_password = Some(ADMIN_PASSWORD.into());
        };
        // Two processes that start at once make one admin.
        let (one, _other) = tokio::join!(Warehouse::open_on(url.clone(), settings), Warehouse::open_on(url.clone(), settings));
        let admin = one.nobody().signed_in(expected, ADMIN_PASSWORD).await;
        assert_eq!(admin.get("/me").await.expect(200).body["role"], "admin", "{story}");
        assert_eq!(database::number(&url, USABLE).await, 1, "{story}");
        let after = format!("SELECT u::text AS value FROM users u WHERE username <> '{expected}' ORDER BY id");
        assert_eq!(database::texts(&url, &after).await, before, "{story}: everybody else is as before");
        let audited = admin.get("/audit-logs?action=user_created").await.expect(200);
        assert_eq!((&audited.rows()[0]["after"]["username"], &audited.rows()[0]["actor"]), (&json!(expected), &json!(null)), "{story}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_admin_is_told_in_log_and_banner() {
    let data_dir = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("restored-{}", uuid::Uuid::new_v4()));
    // Neither no password nor one that breaks today's rules keeps a server from starting that had
    // an admin.
    for password in ["", "weak"] {
        let url = database::migrated().await;
        without_rule(&url, "UPDATE users SET role = 'biller'").await;
        let server = ServerProcess::start_with(&data_dir, Some(&url), &[("LOG_FORMAT", "json"), ("ADMIN_PASSWORD", password)]).await;
        let output = server.log();
        let warned = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find(|line| line["username"] == "admin-2");
        let warned = warned.unwrap_or_else(|| panic!("no line names the admin:\n{output}"));
        assert_eq!(warned["level"], "WARN");
        assert!(output.contains("Sign in as:             admin-2"), "{output}");
        let printed = output.lines().find_map(|line| line.trim().strip_prefix("First password:")).expect("a password").trim();
        let answer = server.nobody().post("/auth/login", json!({"username": "admin-2", "password": printed})).await.expect(200);
        assert_eq!(answer.body["user"]["password_change_required"], true);
    }
    let _not_there = std::fs::remove_dir_all(&data_dir);
}
