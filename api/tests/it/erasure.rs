//! Deleting a person erases their names from everything that is stored.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use mail_parser::MessageParser;
use reqwest::Method;
use serde_json::{Value, json};

use crate::imports::{finished, send};
use crate::support::warehouse::PASSWORD;
use crate::support::{Answer, Person, Warehouse, database};

/// The names that a person has had, in the spelling they were given.
const FIRST_NAME: &str = "Zaphodine.42";
const NEW_NAME: &str = "Trillianette";
const FIRST_EMAIL: &str = "Hitch.Hiker@Unmistakable.example";
const NEW_EMAIL: &str = "ford+prefect@second.example";
/// What must be nowhere, in lower case.
const TRACES: [&str; 6] = ["zaphodine", "trillianette", "hitch.hiker", "unmistakable.example", "ford+prefect", "ford%2bprefect"];

/// A warehouse whose files are known.
struct House {
    warehouse: Warehouse,
    data_dir: PathBuf,
    admin: Person,
}

impl House {
    async fn open() -> Self {
        let mut data_dir = None;
        let warehouse = Warehouse::open_with(|config| data_dir = Some(config.database.data_dir.clone())).await;
        let admin = warehouse.admin().await;
        let _me = merge(&admin, "/me", json!({"email": "boss@example.com", "language": "hi"})).await.expect(200);
        Self { warehouse, data_dir: data_dir.expect("the settings were made"), admin }
    }

    /// Deletes a user and waits until nothing is left to do.
    async fn erase(&self, id: i64) {
        let path = format!("/users/{id}");
        let seen = self.admin.get(&path).await.expect(200);
        self.admin.delete_seen(&path, &seen).await.expect(204);
        self.until_all_is_erased().await;
    }

    async fn until_all_is_erased(&self) {
        for _ in 0..1_200 {
            if database::number(&self.warehouse.database_url, "SELECT count(*) AS n FROM erasures").await == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the erasure does not finish");
    }

    /// Waits until every job is done.
    async fn until_jobs_are_done(&self) {
        let open = "SELECT count(*) AS n FROM jobs WHERE status IN ('queued', 'running')";
        for _ in 0..1_200 {
            if database::number(&self.warehouse.database_url, open).await == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the jobs are not done");
    }

    /// Every place, in the database or in a file, that holds one of these.
    fn places_of(&self, traces: &[&str]) -> BTreeSet<String> {
        let mut places = found_in("dump", &dump(&self.warehouse.database_url), traces);
        for file in files_below(&self.data_dir) {
            let bytes = std::fs::read(&file).expect("a file");
            let name = file.display().to_string();
            places.extend(found_in(&name, &readable(&bytes), traces));
        }
        places
    }
}

/// The whole database as text, with what is stored as bytes made readable.
fn dump(url: &str) -> String {
    let bin = ["/usr/lib/postgresql/17/bin", "/usr/lib/postgresql/16/bin", "/usr/lib/postgresql/15/bin"];
    let folder = std::env::var("PG_BINDIR").ok().or_else(|| bin.iter().find(|bin| Path::new(bin).is_dir()).map(|bin| (*bin).to_owned()));
    let program = folder.map_or_else(|| PathBuf::from("pg_dump"), |folder| Path::new(&folder).join("pg_dump"));
    let output = Command::new(program).arg(url).output().expect("pg_dump runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let bytes = text.split("\\\\x").skip(1).map(|rest| {
        let digits: Vec<u8> = rest.bytes().take_while(u8::is_ascii_hexdigit).collect();
        let pairs = digits.chunks_exact(2).map(|pair| u8::from_str_radix(&String::from_utf8_lossy(pair), 16).expect("hexadecimal"));
        String::from_utf8_lossy(&pairs.collect::<Vec<u8>>()).into_owned()
    });
    let bytes: Vec<String> = bytes.collect();
    format!("{text}\n{}", bytes.join("\n"))
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// The bytes of a file, and what it says when it is an e-mail.
fn readable(bytes: &[u8]) -> String {
    let raw = String::from_utf8_lossy(bytes);
    let Some(mail) = MessageParser::default().parse(bytes) else { return raw.into_owned() };
    let texts = (0..mail.text_body_count()).filter_map(|part| mail.body_text(part));
    let parts: Vec<_> = texts.chain((0..mail.html_body_count()).filter_map(|part| mail.body_html(part))).collect();
    format!("{raw}\n{}", parts.join("\n"))
}

fn found_in(place: &str, text: &str, traces: &[&str]) -> BTreeSet<String> {
    let lines = text.lines().map(|line| (line, line.to_lowercase()));
    let hits = lines.filter(|(_, lower)| traces.iter().any(|trace| lower.contains(trace)));
    hits.map(|(line, _)| format!("{place}: {}", line.chars().take(400).collect::<String>())).collect()
}

async fn merge(person: &Person, path: &str, body: Value) -> Answer {
    person.patch(path, body).await
}

/// A person of a role who has signed in with their first name.
async fn person_of(house: &House, role: &str) -> (i64, Person) {
    let area = (role == "dispatcher").then_some("Lucknow");
    let body = json!({"username": FIRST_NAME, "email": FIRST_EMAIL, "password": PASSWORD, "role": role, "dispatch_area": area});
    let key = format!("create-{FIRST_NAME}-{role}");
    let made = house.admin.post_once(&key, "/users", body).await.expect(201);
    let nobody = house.warehouse.nobody();
    let wrong = json!({"username": FIRST_NAME.to_uppercase(), "password": "Wrong-Pass1"});
    nobody.post("/auth/login", wrong).await.problem(401, "invalid_credentials");
    let mut person = nobody.clone();
    let login = json!({"username": FIRST_EMAIL.to_lowercase(), "password": PASSWORD});
    let request = nobody.request(Method::POST, "/auth/login").json(&login);
    let request = request.header("user-agent", format!("Phone of {FIRST_NAME}"));
    let signed_in = Answer::of(request.header("x-request-id", format!("{FIRST_NAME}-1"))).await.expect(200);
    person.keep_tokens(&signed_in);
    (made.body["id"].as_i64().expect("an id"), person)
}

/// What a person of any role does.
async fn works(person: &mut Person, role: &str) {
    person.packs("SB1000001", ["CB-01".into(), "CB-02".into()]).await;
    person.act("/scans/undo-last").await.expect(200);
    let bag = json!({"qr_code": "SB1000002", "name": format!("Bag of {FIRST_NAME}")});
    person.post_once(&format!("bag-by-{NEW_NAME}"), "/bags", bag).await.expect(201);
    person.get(&format!("/search?q={FIRST_NAME}")).await.expect(200);
    person.get("/me/data").await.expect(200);
    merge(person, "/me", json!({"email": NEW_EMAIL})).await.expect(200);
    let change = json!({"current_password": PASSWORD, "new_password": "Other-Horse7"});
    let changed = person.post("/me/password", change).await.expect(200);
    person.keep_tokens(&changed);
    if role != "admin" {
        let wish = json!({"wanted_role": "admin", "reason": format!("I am {FIRST_NAME}, call {FIRST_EMAIL}.")});
        person.post("/promotion-requests", wish).await.expect(201);
    }
    if role != "dispatcher" {
        let bill = json!({"bill_number": "B1", "description": format!("Made by {FIRST_NAME} <{NEW_EMAIL}>"),
                          "destination": format!("{FIRST_NAME}, Delhi"), "vehicle_number": "RJ14", "expected_parent_bags": 9});
        person.post("/bills", bill).await.expect(201);
        person.get(&format!("/exports/bags?q={NEW_NAME}")).await.expect(200);
    }
}

/// What others do to a person, with the person's names in everything that they write.
async fn is_worked_on(house: &House, id: i64, role: &str) {
    let House { admin, .. } = house;
    let key = json!({"name": format!("Key of {FIRST_NAME}"), "scopes": ["bags:read"]});
    let key = admin.post("/api-keys", key).await.expect(201);
    admin.delete(&format!("/api-keys/{}", key.body["id"])).await.expect(204);
    let bag = json!({"qr_code": "SB1000003", "name": format!("{FIRST_NAME}'s bag")});
    admin.post("/bags", bag).await.expect(201);
    merge(admin, "/bags/SB1000003", json!({"name": "Blue"})).await.expect(200);
    merge(admin, "/bags/SB1000003", json!({"name": format!("for {NEW_EMAIL}")})).await.expect(200);
    admin.delete("/bags/SB1000003").await.expect(204);
    for filter in [FIRST_NAME, NEW_NAME, "ford%2Bprefect%40second.example"] {
        admin.get(&format!("/exports/audit-logs?q={filter}&format=ndjson")).await.expect(200);
        admin.get(&format!("/exports/users?q={filter}")).await.expect(200);
    }
    let file = format!("qr_code,name\nSB1000004,{FIRST_NAME} 2\n!,{NEW_NAME}\n");
    let fields = [("kind", "bags")];
    let taken = send(admin, &fields, &format!("{FIRST_NAME}.csv"), "text/csv", file.as_bytes()).await.expect(202);
    finished(admin, &taken.body).await;
    reopens_a_bill(house).await;
    let path = format!("/users/{id}");
    let seen = admin.get(&path).await.expect(200);
    admin.patch_seen(&path, &seen, json!({"username": NEW_NAME})).await.expect(200);
    admin.act(&format!("{path}/unlock")).await.expect(200);
    if role != "admin" {
        let open = admin.get("/promotion-requests?status=pending").await.expect(200).rows()[0]["id"].clone();
        let note = json!({"note": format!("Well done, {NEW_NAME} ({NEW_EMAIL})!")});
        admin.post_once(&format!("note-for-{id}"), &format!("/promotion-requests/{open}/reject"), note).await.expect(200);
    }
}

async fn reopens_a_bill(house: &House) {
    let House { admin, .. } = house;
    let bill = json!({"bill_number": "B9", "destination": "Delhi", "vehicle_number": "RJ14", "expected_parent_bags": 9});
    admin.post("/bills", bill).await.expect(201);
    admin.post("/bills/B9/bags", json!({"qr_codes": ["SB1000001"]})).await.expect(200);
    admin.post("/bills/B9/finish", json!({})).await.expect(200);
    admin.post("/bills/B9/reopen", json!({"reason": format!("{FIRST_NAME} asked for it.")})).await.expect(200);
}

/// E-mails in files, to the person and about the person, in both languages.
async fn mails_are_written(house: &House) {
    house.warehouse.nobody().post("/auth/password/forgot", json!({"email": NEW_EMAIL})).await.expect(202);
    let summary = "INSERT INTO jobs (id, kind, payload) SELECT gen_random_uuid(), 'email', \
                   jsonb_build_object('mail', 'end_of_day', 'user_id', id, 'date', (now() AT TIME ZONE 'Asia/Kolkata')::date) \
                   FROM users WHERE email IS NOT NULL";
    database::execute(&house.warehouse.database_url, summary).await;
    house.until_jobs_are_done().await;
}

/// A month of the audit log in a file, as the retention writes it.
async fn a_month_is_archived(house: &House) {
    let entries = "SELECT to_jsonb(l)::text AS value FROM audit_logs l ORDER BY id";
    let lines = database::texts(&house.warehouse.database_url, entries).await;
    let folder = house.data_dir.join("audit-archive");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("audit_logs_2025_01.ndjson"), lines.join("\n") + "\n").expect("a file");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_stored_names_an_erased_person() {
    for role in ["dispatcher", "biller", "admin"] {
        let house = House::open().await;
        let (id, mut person) = person_of(&house, role).await;
        works(&mut person, role).await;
        is_worked_on(&house, id, role).await;
        mails_are_written(&house).await;
        a_month_is_archived(&house).await;
        let before = house.places_of(&TRACES);
        assert!(before.iter().any(|place| place.contains(".eml")) && before.iter().any(|place| place.contains(".ndjson")), "{before:#?}");
        let lines = archived_lines(&house);
        house.erase(id).await;
        assert_eq!(house.places_of(&TRACES), BTreeSet::new(), "as a {role}");
        assert_eq!(archived_lines(&house), lines, "the archive has lost no entry");
        person.get("/me").await.problem(401, "session_expired");
        let bag = house.admin.get("/bags/SB1000001").await.expect(200);
        assert_eq!(bag.body["created_by"], format!("deleted-{id}"), "what they did stays");
        house.warehouse.assert_counts_equal_rows().await;
    }
}

fn archived_lines(house: &House) -> usize {
    let archive = house.data_dir.join("audit-archive/audit_logs_2025_01.ndjson");
    let archive = std::fs::read_to_string(archive).expect("the archive");
    let entries: Vec<Value> = archive.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    entries.len()
}

/// A further user, without a session. Returns the id.
async fn user(admin: &Person, name: &str, email: Option<&str>) -> i64 {
    let body = json!({"username": name, "email": email, "password": PASSWORD, "role": "biller"});
    admin.post("/users", body).await.expect(201).body["id"].as_i64().expect("an id")
}

/// Makes an API key of each name, erases a person, and returns the names as they are then.
async fn key_names_after(house: &House, id: i64, names: &[&str]) -> Vec<String> {
    let mut keys = Vec::new();
    for name in names {
        let made = house.admin.post("/api-keys", json!({"name": name, "scopes": ["bags:read"]})).await.expect(201);
        keys.push(made.body["id"].to_string());
    }
    house.erase(id).await;
    let mut after = Vec::new();
    for key in keys {
        let shown = house.admin.get(&format!("/api-keys/{key}")).await.expect(200);
        after.push(shown.body["name"].as_str().expect("a name").to_owned());
    }
    after
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_names_are_replaced_and_other_users_names_are_not() {
    let house = House::open().await;
    let id = user(&house.admin, "Ann", Some("ann@example.com")).await;
    for (name, email) in [("ann-2", None), ("Mary-Ann", None), ("anna", None), ("bob", Some("ann@other.example")), ("old.ann.x", None)] {
        user(&house.admin, name, email).await;
    }
    let alias = format!("deleted-{id}");
    let kept = [
        "Annual report",
        "Hannah and Joann",
        "key of ann-2",
        "ANN-2 again",
        "mary-ann, too",
        "Mail ann@other.example",
        "old.ann.x",
        "ann2 anne xann",
        "Anné",
    ];
    let changed = [
        ("ANN", "@"),
        ("Ann's scanner", "@'s scanner"),
        ("Ann’s scanner", "@’s scanner"),
        ("key_of_ann", "key_of_@"),
        ("(ann),ann/ANN", "(@),@/@"),
        ("ann.csv and ann-2", "@.csv and ann-2"),
        ("to ANN@Example.com.", "to @."),
        ("ann@example.com,ann-2,ann", "@,ann-2,@"),
        ("ann-3", "@-3"),
    ];
    let names: Vec<&str> = kept.iter().copied().chain(changed.iter().map(|(name, _)| *name)).collect();
    let expected = kept.iter().map(|name| (*name).to_owned()).chain(changed.iter().map(|(_, name)| name.replace('@', &alias)));
    assert_eq!(key_names_after(&house, id, &names).await, expected.collect::<Vec<_>>());
    let others = house.admin.get("/users").await.expect(200);
    let others: Vec<&str> = others.rows().iter().map(|user| user["username"].as_str().expect("a name")).collect();
    assert_eq!(others, ["admin", "ann-2", "Mary-Ann", "anna", "bob", "old.ann.x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_in_other_scripts_are_replaced_as_words() {
    let house = House::open().await;
    let id = user(&house.admin, "आशा", None).await;
    let after = key_names_after(&house, id, &["आशा का स्कैनर", "आशावादी", "निराशा", "(आशा)", "आशा।"]).await;
    let alias = format!("deleted-{id}");
    let expected = ["@ का स्कैनर", "आशावादी", "निराशा", "(@)", "@।"].map(|name| name.replace('@', &alias));
    assert_eq!(after, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_a_word_of_the_business_changes_nothing_but_the_persons_own() {
    for name in ["biller", "LUCKNOW", "open", "7", "mustard", "packer"] {
        let house = House::open().await;
        let id = user(&house.admin, name, None).await;
        let other = user(&house.admin, "asha", None).await;
        let path = format!("/users/{other}");
        let seen = house.admin.get(&path).await.expect(200);
        house.admin.patch_seen(&path, &seen, json!({"role": "admin"})).await.expect(200);
        house.admin.packs("SB1000001", ["CB-01".into()]).await;
        merge(&house.admin, "/bags/SB1000001", json!({"dispatch_area": "Lucknow", "name": "7 bags"})).await.expect(200);
        let bill = json!({"bill_number": "B1", "destination": "Lucknow", "vehicle_number": "UP 32 7", "expected_parent_bags": 7});
        let bill = house.admin.post("/bills", bill).await.expect(201);
        let entries = house.admin.get("/audit-logs?limit=200").await.expect(200);
        let about_others = |answer: &Answer| -> Vec<Value> {
            let own = json!(id.to_string());
            let is_own = |row: &&Value| row["entity_type"] == "user" && row["entity_id"] == own;
            answer.rows().iter().filter(|row| !is_own(row)).cloned().collect()
        };
        let bag = house.admin.get("/bags/SB1000001").await.expect(200);
        house.erase(id).await;
        assert_eq!(house.admin.get("/bags/SB1000001").await.expect(200).body, bag.body, "{name}");
        assert_eq!(house.admin.get("/bills/B1").await.expect(200).body, bill.body, "{name}");
        let after = house.admin.get("/audit-logs?limit=200").await.expect(200);
        let (before, after) = (about_others(&entries), about_others(&after));
        assert_eq!(before.iter().filter(|entry| !after.contains(entry)).collect::<Vec<_>>(), Vec::<&Value>::new(), "{name}");
        let created = house.admin.get(&format!("/audit-logs?entity_type=user&entity_id={id}&action=user_created")).await.expect(200);
        assert_eq!(created.rows()[0]["after"]["username"], format!("deleted-{id}"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_printed_on_a_bill_stays_when_the_name_could_be_a_place() {
    let house = House::open().await;
    let id = user(&house.admin, "Ann", None).await;
    let bill = json!({"bill_number": "B1", "destination": "Ann Arbor", "description": "Ann packs it", "vehicle_number": "ANN 1",
                      "expected_parent_bags": 1});
    house.admin.post("/bills", bill).await.expect(201);
    house.erase(id).await;
    let bill = house.admin.get("/bills/B1").await.expect(200).body;
    assert_eq!((&bill["destination"], &bill["vehicle_number"]), (&json!("Ann Arbor"), &json!("ANN 1")));
    assert_eq!(bill["description"], format!("deleted-{id} packs it"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_at_its_longest_takes_the_longer_alias() {
    let house = House::open().await;
    let id = user(&house.admin, "bo.x", None).await;
    let name = format!("bo.x {}", "k".repeat(95));
    let after = key_names_after(&house, id, &[&name]).await;
    assert_eq!(after[0].chars().count(), 100);
    assert!(after[0].starts_with(&format!("deleted-{id} kkk")), "{}", after[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_erased_people_are_reserved() {
    let house = House::open().await;
    let admin = &house.admin;
    let bob = user(admin, "bob", None).await;
    let path = format!("/users/{bob}");
    let seen = admin.get(&path).await.expect(200);
    for name in ["deleted-1", "DELETED-99", "Deleted-bob", "deleted-"] {
        let body = json!({"username": name, "password": PASSWORD, "role": "biller"});
        let refused = admin.post("/users", body).await.problem(422, "validation_failed");
        assert_eq!(refused.body["errors"][0]["pointer"], "/username", "{}", refused.text);
        assert_eq!(refused.body["errors"][0]["code"], "reserved_username", "{}", refused.text);
        let refused = admin.patch_seen(&path, &seen, json!({"username": name})).await.problem(422, "validation_failed");
        assert_eq!(refused.body["errors"][0]["code"], "reserved_username", "{}", refused.text);
    }
    for name in ["deleted", "undeleted-1", "deleted.1"] {
        user(admin, name, None).await;
    }
}

/// Users of earlier versions may have such a name.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_a_reserved_name_keeps_it_and_blocks_no_erasure() {
    let house = House::open().await;
    let (ann, bob) = (user(&house.admin, "ann", None).await, user(&house.admin, "bob", None).await);
    let rename = |id: i64, name: String| format!("UPDATE users SET username = '{name}' WHERE id = {id}");
    database::execute(&house.warehouse.database_url, &rename(bob, format!("Deleted-{ann}"))).await;
    // They are changed and sign in as before.
    let path = format!("/users/{bob}");
    let seen = house.admin.get(&path).await.expect(200);
    let same = json!({"username": format!("Deleted-{ann}"), "email": "bob@example.com"});
    house.admin.patch_seen(&path, &seen, same).await.expect(200);
    house.warehouse.nobody().signed_in(&format!("deleted-{ann}"), PASSWORD).await;
    house.erase(ann).await;
    let alias = "SELECT username AS value FROM users WHERE anonymised_at IS NOT NULL";
    assert_eq!(database::text(&house.warehouse.database_url, alias).await, format!("deleted-{ann}-2"));
    assert_eq!(house.admin.get(&path).await.expect(200).body["username"], format!("Deleted-{ann}"));
    house.erase(bob).await;
    let aliases = "SELECT string_agg(username, ' ' ORDER BY id) AS value FROM users WHERE anonymised_at IS NOT NULL";
    assert_eq!(database::text(&house.warehouse.database_url, aliases).await, format!("deleted-{ann}-2 deleted-{bob}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_was_cut_off_is_finished_by_the_next_process() {
    let house = House::open().await;
    let id = user(&house.admin, FIRST_NAME, Some(FIRST_EMAIL)).await;
    house.admin.get(&format!("/exports/users?q={FIRST_NAME}")).await.expect(200);
    // More entries than are changed at a time.
    let entries = format!(
        "INSERT INTO audit_logs (id, actor_id, actor_name, action, entity_type, entity_id, ip, area_id) \
         SELECT (left(uuidv7_floor(now() - n * interval '1 minute')::text, 13) || right(gen_random_uuid()::text, 23))::uuid, {id}, '{FIRST_NAME}', \
                'child_linked', 'bag', 'CB-' || n, '203.0.113.7', 1 FROM generate_series(1, 12000) AS n"
    );
    database::execute(&house.warehouse.database_url, &entries).await;
    // As a process leaves it that is killed right after the answer to DELETE.
    database::execute(&house.warehouse.database_url, &format!("SELECT anonymise_user({id})")).await;
    assert_ne!(house.places_of(&TRACES), BTreeSet::new());
    let data_dir = house.data_dir.clone();
    let next = Warehouse::open_on(house.warehouse.database_url.clone(), |config| config.database.data_dir = data_dir).await;
    house.until_all_is_erased().await;
    assert_eq!(house.places_of(&TRACES), BTreeSet::new());
    let own = format!("SELECT count(*) AS n FROM audit_logs WHERE actor_id = {id} AND actor_name = 'deleted-{id}' AND ip IS NULL");
    assert_eq!(database::number(&house.warehouse.database_url, &own).await, 12_000);
    next.close().await;
}

/// A name that another user has by now is that user's.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_was_given_to_another_person_stays_theirs() {
    let house = House::open().await;
    let old = user(&house.admin, "asha.k", None).await;
    let path = format!("/users/{old}");
    let seen = house.admin.get(&path).await.expect(200);
    house.admin.patch_seen(&path, &seen, json!({"username": "asha.old"})).await.expect(200);
    user(&house.admin, "asha.k", None).await;
    let after = key_names_after(&house, old, &["key of asha.k", "key of asha.old"]).await;
    assert_eq!(after, ["key of asha.k".to_owned(), format!("key of deleted-{old}")]);
}

/// Columns that can hold text, as the database has them.
const COLUMNS: &str = "SELECT c.relname || '.' || a.attname AS value FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
     JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A' \
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped \
       AND coalesce(e.typname, t.typname) IN ('text', 'varchar', 'bpchar', 'name', 'json', 'jsonb', 'bytea', 'xml', 'citext')";

#[tokio::test(flavor = "multi_thread")]
async fn every_column_that_can_hold_a_name_has_a_rule() {
    let url = database::migrated().await;
    let columns = database::texts(&url, COLUMNS).await;
    let rules = database::texts(&url, "SELECT table_name || '.' || column_name AS value FROM erasure_rules()").await;
    let (columns, ruled) = (columns.iter().collect::<BTreeSet<_>>(), rules.iter().collect::<BTreeSet<_>>());
    assert_eq!(rules.len(), ruled.len(), "one rule for each column");
    assert_eq!(columns.difference(&ruled).collect::<Vec<_>>(), Vec::<&&String>::new(), "without a rule in erasure_rules()");
    assert_eq!(ruled.difference(&columns).collect::<Vec<_>>(), Vec::<&&String>::new(), "there is no such column");
}
