//! A backup is taken beside a running server, restored into a new folder, and served from there.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::json;

use crate::support::process::{ServerProcess, run_api, text_of};
use crate::support::warehouse::{ADMIN_PASSWORD, PASSWORD};
use crate::support::{Person, database};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy");

/// A folder for the data of a server, its backups, and what is made of them.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        let name = format!("backup-{}", uuid::Uuid::new_v4().simple());
        Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _left_behind = std::fs::remove_dir_all(&self.0);
    }
}

fn script(name: &str, data_dir: &Path, arguments: &[&Path]) -> Output {
    Command::new(format!("{SCRIPTS}/{name}"))
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("API_BINARY", env!("CARGO_BIN_EXE_api"))
        .env("DATA_DIR", data_dir)
        .output()
        .expect("the script runs")
}

#[track_caller]
fn assert_success(output: &Output) {
    assert!(output.status.success(), "{}", text_of(output));
}

/// The URL of the database of a running server.
async fn database_url(data_dir: &Path) -> String {
    let folder = data_dir.display().to_string();
    let told = run_api(&["with-database", "--", "sh", "-c", "printf %s \"$DATABASE_URL\""], &[("DATA_DIR", &folder)]).await;
    String::from_utf8(told.stdout).expect("a text").lines().last().expect("a URL").to_owned()
}

/// Each table with the number of its rows and a sum of them all, and each sequence with its value.
async fn content(url: &str) -> Vec<String> {
    // The heartbeat is written every second and says nothing about the warehouse.
    let tables = "SELECT format('SELECT %L || count(*) || '' '' || coalesce(md5(string_agg(t::text, ''|'' ORDER BY t::text)), '''') AS value FROM %s t', \
                                c.oid::regclass || ': ', c.oid::regclass) AS value \
                  FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') \
                    AND c.relname <> 'write_heartbeats' ORDER BY c.relname";
    let mut found = Vec::new();
    for query in database::texts(url, tables).await {
        found.push(database::text(url, &query).await);
    }
    let definitions = "SELECT format('%s %s %s', p.proname, p.prosecdef, md5(pg_get_functiondef(p.oid))) AS value FROM pg_proc p \
                       WHERE p.pronamespace = 'public'::regnamespace AND p.prokind = 'f' AND p.probin IS NULL ORDER BY 1";
    found.extend(database::texts(url, definitions).await);
    let rights =
        "SELECT format('%s %s', c.oid::regclass, c.relacl) AS value FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace ORDER BY 1";
    found.extend(database::texts(url, rights).await);
    found
}

/// Work of a few people that leaves something in many tables.
async fn works(server: &ServerProcess) -> Person {
    let admin = server.nobody().signed_in("admin", ADMIN_PASSWORD).await;
    admin.post("/users", json!({"username": "asha", "password": PASSWORD, "role": "dispatcher", "dispatch_area": "Lucknow"})).await.expect(201);
    let packer = server.nobody().signed_in("asha", PASSWORD).await;
    packer.packs("SB12345", (0..30).map(|n| format!("CB-{n}"))).await;
    packer.packs("SB12346", ["CB-30".into()]).await;
    let bill = json!({"bill_number": "B-1", "destination": "Delhi", "vehicle_number": "UP32", "expected_parent_bags": 1});
    admin.post("/bills", bill).await.expect(201);
    admin.post("/bills/B-1/bags", json!({"qr_codes": ["SB12345"]})).await.expect(200);
    admin
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backup_beside_the_running_server_is_restored_and_served() {
    let place = Place::new();
    let data_dir = place.join("data");
    let mut server = ServerProcess::start(&data_dir, None).await;
    let admin = works(&server).await;
    // A second factor is worth nothing without the key that encrypts it.
    let setup = admin.act("/me/2fa/setup").await.expect(200).body;
    let app = totp_rs::Totp::from_url(setup["otpauth_uri"].as_str().expect("a URI")).expect("an otpauth URI");
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    admin.post("/me/2fa/enable", json!({"code": app.generate(now() - 30).to_string()})).await.expect(200);
    std::fs::create_dir_all(data_dir.join("audit-archive")).expect("a folder");
    std::fs::write(data_dir.join("audit-archive/audit_logs_2025_01.ndjson"), "{}\n").expect("written");

    let backup = place.join("a backup");
    assert_success(&script("backup", &data_dir, &[&backup]));
    // What the backup has, and then what comes after it.
    let before = content(&database_url(&data_dir).await).await;
    let packer = server.nobody().signed_in("asha", PASSWORD).await;
    packer.scans_into("SB12346", "CB-31").await.expect(201);
    server.terminate().await;
    std::fs::remove_dir_all(&data_dir).expect("the disaster");

    let restored = place.join("restored");
    assert_success(&script("restore", &data_dir, &[&backup, &restored]));
    let stopped = content_of_stopped(&restored).await;
    assert_eq!(stopped, before);
    let archive = std::fs::read_to_string(restored.join("audit-archive/audit_logs_2025_01.ndjson")).expect("the archive");
    assert_eq!(archive, "{}\n");

    let mut server = ServerProcess::start(&restored, None).await;
    let challenge = server.nobody().post("/auth/login", json!({"username": "admin", "password": ADMIN_PASSWORD})).await.expect(200);
    let code = json!({"challenge": challenge.body["challenge"], "code": app.generate(now()).to_string()});
    let signed_in = server.nobody().post("/auth/2fa/verify", code).await.expect(200);
    let mut admin = server.nobody();
    admin.keep_tokens(&signed_in);
    let parent = admin.get("/bags/SB12345").await.expect(200).body;
    assert_eq!((&parent["child_count"], &parent["status"]), (&30.into(), &"completed".into()));
    assert_eq!(admin.get("/bills/B-1").await.expect(200).body["parent_bag_count"], 1);
    let packer = server.nobody().signed_in("asha", PASSWORD).await;
    packer.scans_into("SB12346", "CB-31").await.expect(201);
    packer.packs("SB12347", ["CB-32".into()]).await;
    let url = database_url(&restored).await;
    database::assert_counts_equal_rows(&url).await;
    let done = run_api(&["maintenance"], &[("DATA_DIR", &restored.display().to_string())]).await;
    assert_success(&done);
    // The application works as the role that can't change what was written.
    let mut application = traitortrack::db::pool::connect(url, 30).await.expect("connects");
    let refused = diesel_async::SimpleAsyncConnection::batch_execute(&mut application, "DELETE FROM scans").await;
    assert!(refused.expect_err("append-only").to_string().contains("permission denied"));
    server.terminate().await;
}

/// As [`content`], of a data folder that no server runs on.
async fn content_of_stopped(data_dir: &Path) -> Vec<String> {
    let options = embedded_postgres::EmbeddedOptions { data_dir: data_dir.to_owned(), durable: false, extra_settings: Vec::new() };
    let postgres = embedded_postgres::EmbeddedPostgres::start(&options).expect("the restored server starts");
    content(&postgres.url("traitortrack")).await
}

/// As the document says it, word for word.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_commands_of_the_document_work() {
    let place = Place::new();
    let data_dir = place.join("data");
    let mut server = ServerProcess::start(&data_dir, None).await;
    works(&server).await;
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md")).expect("the document");
    let section = text.split("\n## ").find(|section| section.starts_with("Backup")).expect("a section");
    let blocks: Vec<&str> = section.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), 3, "a backup, a restore, a dump by hand");
    let run = |commands: &str| {
        let commands = commands
            .replace("/var/lib/traitortrack-restored", "$PLACE/restored")
            .replace("/var/lib/traitortrack", "$PLACE/data")
            .replace("/backups/", "$PLACE/backups/")
            .replace("/usr/local/bin/api", "$API_BINARY");
        let output = Command::new("bash")
            .args(["-euc", &commands])
            .current_dir(format!("{SCRIPTS}/.."))
            .env("PLACE", &place.0)
            .env("API_BINARY", env!("CARGO_BIN_EXE_api"))
            .output()
            .expect("bash runs");
        assert!(output.status.success(), "{commands}: {}", text_of(&output));
    };
    std::fs::create_dir_all(place.join("backups")).expect("a folder");
    run(blocks[0]);
    run(blocks[2]);
    let before = content(&database_url(&data_dir).await).await;
    server.terminate().await;
    run(blocks[1]);
    assert_eq!(content_of_stopped(&place.join("restored")).await, before);
    let copies = std::fs::read_dir(place.join("backups")).expect("a folder").count();
    assert_eq!(copies, 2);
    run("pg_restore --list /backups/traitortrack.dump | grep -q 'TABLE DATA public bags '");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_and_a_restore_are_complete_or_not_there() {
    let place = Place::new();
    let (data_dir, backup, restored) = (place.join("data"), place.join("backup"), place.join("restored"));
    let refused = script("backup", &data_dir, &[&backup]);
    assert!(!refused.status.success() && text_of(&refused).contains("set DATA_DIR"), "{}", text_of(&refused));
    // Of a server that does not run.
    assert_success(&run_api(&["migrate"], &[("DATA_DIR", &data_dir.display().to_string())]).await);
    assert_success(&script("backup", &data_dir, &[&backup]));
    let refused = script("backup", &data_dir, &[&backup]);
    assert!(!refused.status.success() && text_of(&refused).contains("name a new folder"), "{}", text_of(&refused));
    let refused = script("restore", &data_dir, &[&backup, &data_dir]);
    assert!(!refused.status.success() && text_of(&refused).contains("is not empty"), "{}", text_of(&refused));
    let mut dump = std::fs::read(backup.join("database.dump")).expect("the dump");
    let middle = dump.len() / 2;
    dump[middle] ^= 0xff;
    std::fs::write(backup.join("database.dump"), dump).expect("written");
    let refused = script("restore", &data_dir, &[&backup, &restored]);
    assert!(!refused.status.success() && text_of(&refused).contains("is damaged"), "{}", text_of(&refused));
    let left: Vec<_> = std::fs::read_dir(&place.0).expect("a folder").map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(left.len(), 2, "the data and the backup: {left:?}");
}
