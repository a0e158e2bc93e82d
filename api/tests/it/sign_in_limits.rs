//! Guessing passwords and codes is limited, and the guesses of others lock no person out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use totp_rs::Totp;
use traitortrack::config::Config;

use crate::support::warehouse::{ADMIN_PASSWORD, PASSWORD};
use crate::support::{Answer, Person, Warehouse, database};

const WRONG: &str = "Wrong-Horse7";
const ATTACKER: &str = "198.51.100.66";
const OFFICE: &str = "203.0.113.7";

/// A warehouse behind a proxy, so that a request can come from any address.
async fn behind_proxy(change: impl FnOnce(&mut Config)) -> Warehouse {
    Warehouse::open_with(|config| {
        config.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
        change(config);
    })
    .await
}

/// A device at an address, with the cookies it keeps.
#[derive(Clone)]
struct Device {
    address: String,
    person: Person,
    cookies: BTreeMap<String, String>,
}

impl Device {
    fn new(warehouse: &Warehouse, address: &str) -> Self {
        Self { address: address.to_owned(), person: warehouse.nobody(), cookies: BTreeMap::new() }
    }

    /// The same device somewhere else.
    fn at(&self, address: &str) -> Self {
        Self { address: address.to_owned(), ..self.clone() }
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self.person.request(Method::POST, path).header("x-forwarded-for", &self.address);
        Answer::of(request.header("cookie", cookies.join("; ")).json(&body)).await
    }

    async fn sign_in(&self, username: &str, password: &str) -> Answer {
        self.post("/auth/login", json!({"username": username, "password": password})).await
    }

    async fn verify(&self, challenge: &str, code: &str) -> Answer {
        self.post("/auth/2fa/verify", json!({"challenge": challenge, "code": code})).await
    }

    /// Takes over the cookies of an answer, and its access token if it has one.
    fn keep(&mut self, answer: &Answer) {
        for cookie in answer.headers.get_all("set-cookie") {
            let pair = cookie.to_str().expect("text").split(';').next().expect("a pair");
            let (name, value) = pair.split_once('=').expect("name and value");
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        self.person.token = answer.body["access_token"].as_str().map(str::to_owned);
    }

    /// A device on which a person has signed in before.
    async fn known(warehouse: &Warehouse, address: &str, username: &str, password: &str) -> Self {
        let mut device = Self::new(warehouse, address);
        device.keep(&device.sign_in(username, password).await.expect(200));
        device
    }
}

/// Addresses of a network of infected computers.
fn addresses(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|n| format!("192.0.{}.{}", 2 + n / 250, 1 + n % 250))
}

/// Guesses until each of many addresses is refused.
async fn attack_from_everywhere(warehouse: &Warehouse, username: &str) {
    for address in addresses(60) {
        let device = Device::new(warehouse, &address);
        for _ in 0..3 {
            device.sign_in(username, WRONG).await;
        }
    }
}

async fn add_biller(warehouse: &Warehouse, username: &str, email: Option<&str>) {
    let body = json!({"username": username, "email": email, "password": PASSWORD, "role": "biller"});
    warehouse.admin().await.post("/users", body).await.expect(201);
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

/// Lets every block end, as if its time had passed.
async fn blocks_end(warehouse: &Warehouse) {
    let sql = "UPDATE failed_attempts SET blocked_until = now() - interval '1 second' WHERE blocked_until > now()";
    database::execute(&warehouse.database_url, sql).await;
}

struct App(Totp);

impl App {
    /// Sets the second factor up with the code of the step before, so that the test has two more to
    /// use.
    async fn set_up(person: &Person) -> (Self, Vec<String>) {
        let setup = person.act("/me/2fa/setup").await.expect(200).body;
        let app = Self(Totp::from_url(setup["otpauth_uri"].as_str().expect("a URI")).expect("an otpauth URI"));
        let enabled = person.post("/me/2fa/enable", json!({"code": app.code(-1)})).await.expect(200);
        let codes = enabled.body["recovery_codes"].as_array().expect("codes").iter();
        (app, codes.map(|code| code.as_str().expect("text").to_owned()).collect())
    }

    fn code(&self, steps: i64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        self.0.generate(now.saturating_add_signed(30 * steps)).to_string()
    }

    fn wrong_code(&self) -> String {
        let good: Vec<String> = (-3..=3).map(|steps| self.code(steps)).collect();
        (0..10).map(|n| format!("00000{n}")).find(|code| !good.contains(code)).expect("one of ten")
    }
}

fn challenge_of(answer: Answer) -> String {
    answer.expect(200).body["challenge"].as_str().expect("a challenge").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shift_behind_one_router_signs_in_within_a_minute() {
    let warehouse = Warehouse::open_with(|config| config.sign_in_limit_per_minute = Config::defaults().sign_in_limit_per_minute).await;
    let people: Vec<String> = (0..60).map(|n| format!("packer-{n}")).collect();
    let admin = warehouse.admin().await;
    for username in &people {
        let body = json!({"username": username, "password": PASSWORD, "role": "dispatcher", "dispatch_area": "Lucknow"});
        admin.post("/users", body).await.expect(201);
    }
    let phone = Device::new(&warehouse, OFFICE);
    let together = join_all(people.iter().map(|username| phone.sign_in(username, PASSWORD))).await;
    assert_eq!(count(&together, 200), 60);
    for username in &people {
        phone.sign_in(username, PASSWORD).await.expect(200);
    }
    let one_account = join_all((0..60).map(|_| phone.sign_in("packer-0", PASSWORD))).await;
    assert_eq!(count(&one_account, 200), 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn right_codes_use_up_no_limit() {
    let warehouse = Warehouse::open_with(|config| config.sign_in_limit_per_minute = 3).await;
    let (_, codes) = App::set_up(&warehouse.biller().await).await;
    let device = Device::new(&warehouse, OFFICE);
    for code in codes.iter().take(8) {
        let challenge = challenge_of(device.sign_in("biller-0", PASSWORD).await);
        device.verify(&challenge, code).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_guesses_at_once_get_five_tries() {
    let warehouse = Warehouse::open_with(|config| config.sign_in_limit_per_minute = 10).await;
    let other = Warehouse::open_on(warehouse.database_url.clone(), |config| config.sign_in_limit_per_minute = 10).await;
    add_biller(&warehouse, "vikram", None).await;
    for username in ["vikram", "no-such-person"] {
        // Two processes, so that no lock in memory is enough; and the right password last.
        let guesses = (0..40).map(async |n| {
            let device = Device::new(if n % 2 == 0 { &warehouse } else { &other }, OFFICE);
            device.sign_in(username, &format!("Wrong-Horse{n}")).await
        });
        let answers = join_all(guesses).await;
        assert_eq!((count(&answers, 401), count(&answers, 423)), (5, 35), "{username}");
        for answer in answers.into_iter().filter(|answer| answer.status == 423) {
            let refused = answer.problem(423, "account_locked");
            assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|seconds| (1..=901).contains(&seconds)));
        }
        Device::new(&other, OFFICE).sign_in(username, PASSWORD).await.problem(423, "account_locked");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shares_an_address_with_an_attacker_waits_a_minute_and_not_longer() {
    let warehouse = Warehouse::open_with(|config| config.sign_in_limit_per_minute = 10).await;
    for username in ["vikram", "sunita"] {
        add_biller(&warehouse, username, None).await;
    }
    Device::new(&warehouse, OFFICE).sign_in("sunita", PASSWORD).await.expect(200);
    let attacker = Device::new(&warehouse, OFFICE);
    let answers = join_all((0..30).map(|n| attacker.sign_in(["a", "b", "c", "d", "e", "f"][n % 6], WRONG))).await;
    assert_eq!((count(&answers, 401), count(&answers, 429)), (10, 20));
    let person = Device::new(&warehouse, OFFICE);
    // One who signed in here before does not wait, on any device; but their password can't be
    // guessed.
    person.sign_in("sunita", PASSWORD).await.expect(200);
    for _ in 0..5 {
        person.sign_in("sunita", WRONG).await.problem(429, "rate_limited");
    }
    person.sign_in("sunita", PASSWORD).await.problem(429, "rate_limited");
    for _ in 0..10 {
        let refused = person.sign_in("vikram", PASSWORD).await.problem(429, "rate_limited");
        assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|seconds| (1..=60).contains(&seconds)));
    }
    blocks_end(&warehouse).await;
    person.sign_in("vikram", PASSWORD).await.expect(200);
}

/// User name in any case, with spaces, and e-mail address: all are one account.
#[tokio::test(flavor = "multi_thread")]
async fn other_spellings_of_a_name_give_no_further_tries() {
    let warehouse = Warehouse::open().await;
    add_biller(&warehouse, "vikram", Some("vikram@example.com")).await;
    let device = Device::new(&warehouse, OFFICE);
    for spelling in ["vikram", "VIKRAM", " Vikram ", "vikraM", "viKram"] {
        device.sign_in(spelling, WRONG).await.problem(401, "invalid_credentials");
    }
    device.sign_in("Vikram", PASSWORD).await.problem(423, "account_locked");
    // That the address belongs to the name is not revealed: it looks like any other name, but
    // nothing gets in.
    for _ in 0..5 {
        device.sign_in("Vikram@example.com", PASSWORD).await.problem(401, "invalid_credentials");
    }
    device.sign_in("vikram@example.com", PASSWORD).await.problem(423, "account_locked");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_exist_and_names_that_do_not_are_answered_alike() {
    let warehouse = behind_proxy(|config| config.sign_in_limit_per_minute = 100_000).await;
    add_biller(&warehouse, "vikram", Some("vikram@example.com")).await;
    add_biller(&warehouse, "disabled", None).await;
    database::execute(&warehouse.database_url, "UPDATE users SET is_active = false WHERE username = 'disabled'").await;
    let two_factor = warehouse.biller().await;
    App::set_up(&two_factor).await;

    let names = ["no-such-person", "vikram", "vikram@example.com", "nobody@example.com", "disabled", "admin", "biller-0"];
    let mut seen = Vec::new();
    for (n, name) in names.iter().enumerate() {
        let device = Device::new(&warehouse, &format!("198.51.100.{n}"));
        let mut answers = Vec::new();
        for _ in 0..8 {
            let mut answer = device.sign_in(name, WRONG).await;
            let wait = answer.header("retry-after").parse::<u64>().unwrap_or_default().div_ceil(60);
            answer.body["request_id"] = Value::Null;
            let headers: BTreeSet<String> = answer.headers.keys().map(ToString::to_string).collect();
            answers.push((answer.status, answer.body, wait, headers));
        }
        seen.push((name, answers));
    }
    for (name, answers) in &seen[1..] {
        assert_eq!(answers, &seen[0].1, "{name}");
    }
    let statuses: Vec<u16> = seen[0].1.iter().map(|(status, ..)| *status).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 423, 423, 423]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attacker_locks_out_only_their_own_address() {
    let warehouse = behind_proxy(|_| {}).await;
    add_biller(&warehouse, "vikram", None).await;
    let attacker = Device::new(&warehouse, ATTACKER);
    for (username, password) in [("vikram", PASSWORD), ("admin", ADMIN_PASSWORD)] {
        for _ in 0..3 {
            for _ in 0..8 {
                attacker.sign_in(username, WRONG).await;
            }
            attacker.sign_in(username, password).await.problem(423, "account_locked");
            Device::new(&warehouse, OFFICE).sign_in(username, password).await.expect(200);
            blocks_end(&warehouse).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_of_ipv6_counts_as_one_address() {
    let warehouse = behind_proxy(|config| config.sign_in_limit_per_minute = 100_000).await;
    add_biller(&warehouse, "vikram", None).await;
    let guess = async |address: &str| Device::new(&warehouse, address).sign_in("vikram", WRONG).await.status;
    for n in 1..=5 {
        assert_eq!(guess(&format!("2001:db8:1:1:{n}::{n}")).await, 401);
    }
    assert_eq!(guess("2001:db8:1:1:ffff:ffff:ffff:ffff").await, 423);
    assert_eq!(guess("2001:db8:1:2::1").await, 401, "another network");
    assert_eq!(guess("::ffff:198.51.100.1").await, 401);
    for _ in 0..4 {
        assert_eq!(guess("198.51.100.1").await, 401, "the same IPv4 address, written in two ways");
    }
    assert_eq!(guess("::ffff:198.51.100.1").await, 423);
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_from_everywhere_lock_out_neither_known_device_nor_known_address_nor_second_factor() {
    let warehouse = behind_proxy(|config| config.lockout_attempts = 2).await;
    add_biller(&warehouse, "vikram", None).await;
    let (app, _) = App::set_up(&warehouse.biller().await).await;
    let phone = Device::known(&warehouse, OFFICE, "vikram", PASSWORD).await;
    attack_from_everywhere(&warehouse, "vikram").await;
    attack_from_everywhere(&warehouse, "biller-0").await;

    // The bound over all addresses holds for devices and addresses never seen before.
    let stranger = Device::new(&warehouse, ATTACKER);
    stranger.sign_in("vikram", PASSWORD).await.problem(423, "account_locked");
    stranger.sign_in("no-such-person", PASSWORD).await.problem(401, "invalid_credentials");
    // The phone on another network, and another device at the address where the phone signed in.
    phone.at("203.0.113.200").sign_in("vikram", PASSWORD).await.expect(200);
    Device::new(&warehouse, OFFICE).sign_in("vikram", PASSWORD).await.expect(200);
    // Anywhere, with the second factor.
    let challenge = challenge_of(stranger.sign_in("biller-0", PASSWORD).await);
    stranger.verify(&challenge, &app.code(0)).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_the_same_address_lock_out_neither_known_device_nor_second_factor() {
    let warehouse = Warehouse::open_with(|config| config.sign_in_limit_per_minute = 10).await;
    add_biller(&warehouse, "vikram", None).await;
    let (app, _) = App::set_up(&warehouse.biller().await).await;
    let phone = Device::known(&warehouse, OFFICE, "vikram", PASSWORD).await;
    let attacker = Device::new(&warehouse, OFFICE);
    for username in ["vikram", "biller-0"] {
        join_all((0..40).map(|_| attacker.sign_in(username, WRONG))).await;
        attacker.sign_in(username, WRONG).await.problem(423, "account_locked");
    }
    // The address is refused for everybody by now.
    attacker.sign_in("no-such-person", WRONG).await.problem(429, "rate_limited");
    phone.sign_in("vikram", PASSWORD).await.expect(200);
    let challenge = challenge_of(Device::new(&warehouse, OFFICE).sign_in("biller-0", PASSWORD).await);
    Device::new(&warehouse, OFFICE).verify(&challenge, &app.code(0)).await.expect(200);
}

/// During a block the right password still leads to the code; so passwords must not be tried
/// without end.
#[tokio::test(flavor = "multi_thread")]
async fn passwords_behind_a_second_factor_can_not_be_guessed_without_end() {
    let warehouse = behind_proxy(|config| config.lockout_attempts = 1).await;
    let (app, _) = App::set_up(&warehouse.biller().await).await;
    let attacker = Device::new(&warehouse, ATTACKER);
    attacker.sign_in("biller-0", WRONG).await.problem(401, "invalid_credentials");
    challenge_of(attacker.sign_in("biller-0", PASSWORD).await);
    for _ in 0..20 {
        attacker.sign_in("biller-0", WRONG).await.problem(423, "account_locked");
    }
    attacker.sign_in("biller-0", PASSWORD).await.problem(423, "account_locked");
    let phone = Device::new(&warehouse, OFFICE);
    let challenge = challenge_of(phone.sign_in("biller-0", PASSWORD).await);
    phone.verify(&challenge, &app.code(0)).await.expect(200);
    blocks_end(&warehouse).await;
    challenge_of(attacker.sign_in("biller-0", PASSWORD).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_device_cookie_is_for_its_people_only_and_can_not_be_made_up() {
    let warehouse = Warehouse::open().await;
    for username in ["vikram", "sunita"] {
        add_biller(&warehouse, username, None).await;
    }
    let answer = Device::new(&warehouse, OFFICE).sign_in("vikram", PASSWORD).await.expect(200);
    let cookies: Vec<&str> = answer.headers.get_all("set-cookie").iter().filter_map(|cookie| cookie.to_str().ok()).collect();
    let set = cookies.iter().find(|cookie| cookie.starts_with("tt_device=")).expect("a device cookie");
    for attribute in ["HttpOnly", "Secure", "SameSite=Strict", "Path=/api/v1/auth", "Max-Age="] {
        assert!(set.contains(attribute), "{attribute} in {set}");
    }
    assert!(cookies[0].starts_with("tt_refresh="), "programs that take the first cookie go on as before");
    let mut station = Device::new(&warehouse, OFFICE);
    station.keep(&answer);
    // A station that several people use is known to each of them.
    station.keep(&station.sign_in("sunita", PASSWORD).await.expect(200));

    let attacker = Device::known(&warehouse, OFFICE, "admin", ADMIN_PASSWORD).await;
    let mut forged = station.clone();
    let cookie = forged.cookies.get_mut("tt_device").expect("set");
    let last = cookie.pop().expect("text");
    cookie.push(if last == 'A' { 'B' } else { 'A' });
    for username in ["vikram", "sunita"] {
        for _ in 0..6 {
            attacker.sign_in(username, WRONG).await;
        }
        attacker.sign_in(username, PASSWORD).await.problem(423, "account_locked");
        forged.sign_in(username, PASSWORD).await.problem(423, "account_locked");
        station.sign_in(username, PASSWORD).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_device_gets_five_tries_of_its_own() {
    let warehouse = behind_proxy(|_| {}).await;
    add_biller(&warehouse, "vikram", None).await;
    let stolen = Device::known(&warehouse, OFFICE, "vikram", PASSWORD).await;
    let guesses = (0..40).map(async |n| stolen.at(&format!("198.51.100.{n}")).sign_in("vikram", WRONG).await);
    let answers = join_all(guesses).await;
    assert_eq!((count(&answers, 401), count(&answers, 423)), (5, 35));
    stolen.sign_in("vikram", PASSWORD).await.problem(423, "account_locked");
    Device::new(&warehouse, OFFICE).sign_in("vikram", PASSWORD).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_further_block_lasts_longer_and_a_success_starts_over() {
    let warehouse = Warehouse::open().await;
    add_biller(&warehouse, "vikram", None).await;
    let device = Device::new(&warehouse, OFFICE);
    let wait = async |minutes: u64| {
        for _ in 0..5 {
            device.sign_in("vikram", WRONG).await.problem(401, "invalid_credentials");
        }
        let refused = device.sign_in("vikram", PASSWORD).await.problem(423, "account_locked");
        let seconds: u64 = refused.header("retry-after").parse().expect("seconds");
        assert_eq!(seconds.div_ceil(60), minutes + u64::from(seconds > minutes * 60));
        blocks_end(&warehouse).await;
    };
    for minutes in [15, 30, 60, 120, 120] {
        wait(minutes).await;
    }
    device.sign_in("vikram", PASSWORD).await.expect(200);
    wait(15).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_sees_a_block_and_takes_it_off() {
    let warehouse = behind_proxy(|config| config.lockout_attempts = 2).await;
    add_biller(&warehouse, "vikram", Some("vikram@example.com")).await;
    let admin = warehouse.admin().await;
    let user = admin.get("/users?q=vikram").await.expect(200).rows()[0].clone();
    assert_eq!(user["locked_until"], Value::Null);
    let path = format!("/users/{}", user["id"]);
    attack_from_everywhere(&warehouse, "vikram").await;
    attack_from_everywhere(&warehouse, "Vikram@example.com").await;
    let stranger = Device::new(&warehouse, OFFICE);
    stranger.sign_in("vikram", PASSWORD).await.problem(423, "account_locked");
    assert!(admin.get(&path).await.expect(200).body["locked_until"].is_string());
    assert!(admin.get("/users?q=vikram").await.expect(200).rows()[0]["locked_until"].is_string());

    let unlocked = admin.act(&format!("{path}/unlock")).await.expect(200);
    assert_eq!(unlocked.body["locked_until"], Value::Null);
    for username in ["vikram", "vikram@example.com"] {
        Device::new(&warehouse, "192.0.2.1").sign_in(username, PASSWORD).await.expect(200);
    }
    assert_eq!(admin.get(&path).await.expect(200).body["locked_until"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_holds_in_every_process_and_after_a_restart() {
    let warehouse = Warehouse::open().await;
    add_biller(&warehouse, "vikram", None).await;
    let url = warehouse.database_url.clone();
    for _ in 0..3 {
        Device::new(&warehouse, OFFICE).sign_in("vikram", WRONG).await.problem(401, "invalid_credentials");
    }
    let other = Warehouse::open_on(url.clone(), |_| {}).await;
    for _ in 0..2 {
        Device::new(&other, OFFICE).sign_in("vikram", WRONG).await.problem(401, "invalid_credentials");
    }
    Device::new(&warehouse, OFFICE).sign_in("vikram", PASSWORD).await.problem(423, "account_locked");
    warehouse.close().await;
    other.close().await;
    let warehouse = Warehouse::open_on(url, |_| {}).await;
    Device::new(&warehouse, OFFICE).sign_in("vikram", PASSWORD).await.problem(423, "account_locked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_guesses_leaves_few_audit_entries_and_none_in_the_name_of_the_victim() {
    let warehouse = Warehouse::open_with(|config| config.sign_in_limit_per_minute = 10).await;
    add_biller(&warehouse, "vikram", None).await;
    let entries = async |condition: &str| {
        let sql = format!("SELECT count(*) AS n FROM audit_logs WHERE action IN ('sign_in_failed', 'sign_in_locked') {condition}");
        database::number(&warehouse.database_url, &sql).await
    };
    let device = Device::new(&warehouse, OFFICE);
    for n in 0..50 {
        device.sign_in("vikram", WRONG).await;
        device.sign_in(&format!("made-up-{n}"), WRONG).await;
    }
    let about = "AND entity_type = 'user' AND entity_id = (SELECT id::text FROM users WHERE username = 'vikram')";
    assert_eq!(entries(&format!("{about} AND action = 'sign_in_failed'")).await, 5);
    assert_eq!(entries(&format!("{about} AND action = 'sign_in_locked'")).await, 1);
    assert!(entries("").await <= 12, "ten failures of the address, and what they led to");
    assert_eq!(entries("AND (actor_id IS NOT NULL OR actor_name IS NOT NULL)").await, 0);
    assert_eq!(entries("AND ip IS NULL").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_current_password_can_not_be_guessed_with_a_stolen_session() {
    let warehouse = Warehouse::open().await;
    let owner = warehouse.biller().await;
    let thief = warehouse.nobody().signed_in("biller-0", PASSWORD).await;
    let change = async |person: &Person, current: &str| {
        person.post("/me/password", json!({"current_password": current, "new_password": "Quiet-Warehouse-7"})).await
    };
    let answers = join_all((0..40).map(|n| change(&thief, if n < 39 { WRONG } else { "Another-Horse7" }))).await;
    assert_eq!((count(&answers, 401), count(&answers, 423)), (5, 35));
    change(&thief, PASSWORD).await.problem(423, "account_locked");
    // The owner can still change it, and sign in.
    warehouse.nobody().signed_in("biller-0", PASSWORD).await;
    change(&owner, PASSWORD).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn turning_the_second_factor_off_can_not_be_guessed_either() {
    let warehouse = Warehouse::open().await;
    let biller = warehouse.biller().await;
    let (app, _) = App::set_up(&biller).await;
    let wrong = app.wrong_code();
    let disable = async |password: &str, code: &str| biller.post("/me/2fa/disable", json!({"password": password, "code": code})).await;
    let answers = join_all((0..40).map(|_| disable(PASSWORD, &wrong))).await;
    assert_eq!((count(&answers, 401), count(&answers, 423)), (5, 35));
    disable(PASSWORD, &app.code(0)).await.problem(423, "account_locked");
    blocks_end(&warehouse).await;
    let answers = join_all((0..40).map(|_| disable(WRONG, &wrong))).await;
    assert_eq!((count(&answers, 401), count(&answers, 423)), (5, 35));
    disable(PASSWORD, &app.code(0)).await.problem(423, "account_locked");
    blocks_end(&warehouse).await;
    disable(PASSWORD, &app.code(0)).await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_codes_lock_out_neither_another_address_nor_known_device_nor_recovery_code() {
    let warehouse = behind_proxy(|_| {}).await;
    let (app, codes) = App::set_up(&warehouse.biller().await).await;
    let mut phone = Device::new(&warehouse, OFFICE);
    let challenge = challenge_of(phone.sign_in("biller-0", PASSWORD).await);
    phone.keep(&phone.verify(&challenge, &codes[0]).await.expect(200));

    // The attacker knows the password.
    let wrong = app.wrong_code();
    let challenge = challenge_of(Device::new(&warehouse, ATTACKER).sign_in("biller-0", PASSWORD).await);
    for address in addresses(5) {
        let device = Device::new(&warehouse, &address);
        let answers = join_all((0..10).map(|_| device.verify(&challenge, &wrong))).await;
        assert!(count(&answers, 401) <= 5 && count(&answers, 200) == 0);
        if address == "192.0.2.1" {
            Device::new(&warehouse, "203.0.113.9").verify(&challenge, &app.code(0)).await.expect(200);
        }
    }
    let refused = Device::new(&warehouse, "203.0.113.10").verify(&challenge, &app.code(1)).await;
    refused.problem(423, "account_locked");
    phone.at("203.0.113.11").verify(&challenge, &app.code(1)).await.expect(200);
    Device::new(&warehouse, "203.0.113.12").verify(&challenge, &codes[1]).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_challenges_do_not_block_others_at_the_address() {
    let warehouse = Warehouse::open_with(|config| config.sign_in_limit_per_minute = 4).await;
    let (app, _) = App::set_up(&warehouse.biller().await).await;
    let device = Device::new(&warehouse, OFFICE);
    for _ in 0..4 {
        device.verify("nonsense", "123456").await.problem(401, "invalid_challenge");
    }
    device.verify("nonsense", "123456").await.problem(429, "rate_limited");
    let challenge = challenge_of(device.sign_in("biller-0", PASSWORD).await);
    device.verify(&challenge, &app.code(0)).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_counted_names_no_person() {
    let warehouse = Warehouse::open().await;
    add_biller(&warehouse, "vikram", Some("vikram@example.com")).await;
    let device = Device::new(&warehouse, OFFICE);
    for name in ["vikram", "vikram@example.com", "typed-secret"] {
        device.sign_in(name, WRONG).await.problem(401, "invalid_credentials");
        let sql = format!("SELECT count(*) AS n FROM failed_attempts f WHERE f::text ILIKE '%{name}%'");
        assert_eq!(database::number(&warehouse.database_url, &sql).await, 0, "{name}");
    }
}
