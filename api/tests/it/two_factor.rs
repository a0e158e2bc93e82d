//! The second factor.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use totp_rs::Totp;
use traitortrack::identity::Role;

use crate::support::warehouse::{ADMIN_PASSWORD, PASSWORD};
use crate::support::{Answer, Person, Warehouse, database};

/// The codes of an authenticator app, `steps` away from now.
struct App(Totp);

impl App {
    fn new(setup: &Value) -> Self {
        Self(Totp::from_url(setup["otpauth_uri"].as_str().expect("a URI")).expect("an otpauth URI"))
    }

    fn code(&self, steps: i64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        self.0.generate(now.saturating_add_signed(30 * steps)).to_string()
    }

    /// A code that is not good anywhere near now.
    fn wrong_code(&self) -> String {
        let good: Vec<String> = (-2..=2).map(|steps| self.code(steps)).collect();
        (0..10).map(|n| format!("00000{n}")).find(|code| !good.contains(code)).expect("one of ten")
    }
}

/// Sets the second factor up with the code of the step before, so that the test has two more to use.
async fn enables(person: &Person) -> (App, Vec<String>) {
    let app = App::new(&person.act("/me/2fa/setup").await.expect(200).body);
    let enabled = person.post("/me/2fa/enable", json!({"code": app.code(-1)})).await.expect(200);
    let codes = enabled.body["recovery_codes"].as_array().expect("codes").iter().map(|code| code.as_str().expect("text").to_owned()).collect();
    (app, codes)
}

async fn challenge(warehouse: &Warehouse, username: &str) -> String {
    let answer = warehouse.nobody().post("/auth/login", json!({"username": username, "password": PASSWORD})).await.expect(200);
    assert_eq!(answer.body["two_factor_required"], true);
    assert!(answer.body.get("access_token").is_none() && answer.header("set-cookie").is_empty());
    answer.body["challenge"].as_str().expect("a challenge").to_owned()
}

async fn verifies(warehouse: &Warehouse, challenge: &str, code: &str) -> Answer {
    warehouse.nobody().post("/auth/2fa/verify", json!({"challenge": challenge, "code": code})).await
}

/// Forgets which code was used last, as if a minute had passed.
async fn a_minute_later(warehouse: &Warehouse) {
    database::execute(&warehouse.database_url, "UPDATE users SET totp_last_step = totp_last_step - 2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_of_the_app_is_needed_to_sign_in_once_it_is_on() {
    let warehouse = Warehouse::open().await;
    let biller = warehouse.biller().await;
    let setup = biller.act("/me/2fa/setup").await.expect(200);
    let secret = setup.body["secret"].as_str().expect("a secret");
    assert!(setup.body["otpauth_uri"].as_str().is_some_and(|uri| uri.contains(secret) && uri.starts_with("otpauth://totp/TraitorTrack:biller-0?")));
    assert!(setup.body["qr_svg"].as_str().is_some_and(|svg| svg.contains("<svg")));
    assert_eq!(setup.header("cache-control"), "no-store");
    // Nothing has changed yet.
    warehouse.nobody().signed_in("biller-0", PASSWORD).await;
    assert_eq!(biller.get("/me").await.expect(200).body["two_factor_enabled"], false);

    let app = App::new(&setup.body);
    biller.post("/me/2fa/enable", json!({"code": app.wrong_code()})).await.problem(401, "invalid_two_factor_code");
    let enabled = biller.post("/me/2fa/enable", json!({"code": app.code(0)})).await.expect(200);
    assert_eq!(enabled.body["recovery_codes"].as_array().map(Vec::len), Some(10));
    assert_eq!(biller.get("/me").await.expect(200).body["two_factor_enabled"], true);
    biller.act("/me/2fa/setup").await.problem(409, "two_factor_enabled");
    biller.post("/me/2fa/enable", json!({"code": app.code(1)})).await.problem(409, "two_factor_enabled");

    let challenge = challenge(&warehouse, "biller-0").await;
    verifies(&warehouse, &challenge, &app.wrong_code()).await.problem(401, "invalid_two_factor_code");
    verifies(&warehouse, &challenge, &app.code(0)).await.problem(401, "invalid_two_factor_code");
    let signed_in = verifies(&warehouse, &challenge, &app.code(1)).await.expect(200);
    assert_eq!(signed_in.body["user"]["two_factor_enabled"], true);
    assert!(signed_in.header("set-cookie").starts_with("tt_refresh="));
    let mut device = warehouse.nobody();
    device.keep_tokens(&signed_in);
    device.get("/me").await.expect(200);
    device.act("/auth/refresh").await.expect(200);

    for (action, after) in
        [("two_factor_enabled", "%"), ("sign_in_failed", "{\"reason\": \"code\"}"), ("sign_in_ok", "%\"second_factor\": \"totp\"%")]
    {
        let sql = format!("SELECT count(*) AS n FROM audit_logs WHERE action = '{action}' AND coalesce(after::text, '') LIKE '{after}'");
        assert!(database::number(&warehouse.database_url, &sql).await >= 1, "{action}");
    }
    let leaked = format!(
        "SELECT (SELECT count(*) FROM audit_logs a WHERE a::text LIKE '%{secret}%') \
              + (SELECT count(*) FROM users WHERE octet_length(totp_secret) <> 48 OR strpos(encode(totp_secret, 'escape'), '{secret}') > 0) AS n"
    );
    assert_eq!(database::number(&warehouse.database_url, &leaked).await, 0, "encrypted at rest: nonce, 20 bytes, tag");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_good_one_step_around_now_and_only_once() {
    let warehouse = Warehouse::open().await;
    let (app, _) = enables(&warehouse.biller().await).await;
    let challenge = challenge(&warehouse, "biller-0").await;
    for steps in [-2, 3] {
        verifies(&warehouse, &challenge, &app.code(steps)).await.problem(401, "invalid_two_factor_code");
    }
    let code = app.code(0);
    let (one, other) = tokio::join!(verifies(&warehouse, &challenge, &code), verifies(&warehouse, &challenge, &code));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401], "of two at once one is good");
    // As people type it.
    let code = app.code(1);
    verifies(&warehouse, &challenge, &format!(" {} {} ", &code[..3], &code[3..])).await.expect(200);
    verifies(&warehouse, &challenge, &code).await.problem(401, "invalid_two_factor_code");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_is_good_once_instead() {
    let warehouse = Warehouse::open().await;
    let (_, codes) = enables(&warehouse.biller().await).await;
    let challenge = challenge(&warehouse, "biller-0").await;
    verifies(&warehouse, &challenge, &codes[0].to_uppercase().replace('-', " ")).await.expect(200);
    verifies(&warehouse, &challenge, &codes[0]).await.problem(401, "invalid_two_factor_code");
    let (one, other) = tokio::join!(verifies(&warehouse, &challenge, &codes[1]), verifies(&warehouse, &challenge, &codes[1]));
    assert_eq!([one.status, other.status].iter().filter(|status| **status == 200).count(), 1);
    let left = "SELECT (after->>'recovery_codes_left')::bigint AS n FROM audit_logs WHERE action = 'sign_in_ok' AND after->>'second_factor' = 'recovery_code' \
                ORDER BY id DESC LIMIT 1";
    assert_eq!(database::number(&warehouse.database_url, left).await, 8);
    let readable = format!("SELECT count(*) AS n FROM recovery_codes r WHERE encode(code_hash, 'escape') LIKE '%{}%'", codes[2]);
    assert_eq!(database::number(&warehouse.database_url, &readable).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_wrong_codes_lock_like_passwords() {
    let warehouse = Warehouse::open().await;
    let (app, codes) = enables(&warehouse.biller().await).await;
    let challenge = challenge(&warehouse, "biller-0").await;
    for code in [app.wrong_code().as_str(), "aaaa-bbbb-cccc-dddd", &app.wrong_code(), "nonsense", &app.wrong_code()] {
        verifies(&warehouse, &challenge, code).await.problem(401, "invalid_two_factor_code");
    }
    let locked = verifies(&warehouse, &challenge, &app.code(0)).await.problem(423, "account_locked");
    assert!(locked.header("retry-after").parse::<u64>().is_ok_and(|seconds| (1..=901).contains(&seconds)));
    verifies(&warehouse, &challenge, &codes[0]).await.problem(423, "account_locked");
    warehouse.nobody().post("/auth/login", json!({"username": "biller-0", "password": PASSWORD})).await.problem(423, "account_locked");

    database::execute(&warehouse.database_url, "UPDATE failed_attempts SET blocked_until = now() - interval '1 second'").await;
    verifies(&warehouse, &challenge, &app.wrong_code()).await.problem(401, "invalid_two_factor_code");
    verifies(&warehouse, &challenge, &app.code(0)).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_guesses_at_once_are_counted_one_by_one() {
    let warehouse = Warehouse::open().await;
    let (app, _) = enables(&warehouse.biller().await).await;
    let (challenge, wrong) = (challenge(&warehouse, "biller-0").await, app.wrong_code());
    let answers = futures_util::future::join_all((0..12).map(|_| verifies(&warehouse, &challenge, &wrong))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 401).count(), 5);
    assert_eq!(answers.iter().filter(|answer| answer.status == 423).count(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_is_no_token_and_a_token_no_challenge() {
    let warehouse = Warehouse::open().await;
    let biller = warehouse.biller().await;
    let (app, _) = enables(&biller).await;
    let first = challenge(&warehouse, "biller-0").await;
    Person { token: Some(first.clone()), ..warehouse.nobody() }.get("/me").await.problem(401, "invalid_token");
    for wrong in [biller.token.as_deref().expect("signed in"), "nonsense", &format!("{first}x")] {
        verifies(&warehouse, wrong, &app.code(0)).await.problem(401, "invalid_challenge");
    }
    // A changed password ends it.
    biller.post("/me/password", json!({"current_password": PASSWORD, "new_password": ADMIN_PASSWORD})).await.expect(200);
    verifies(&warehouse, &first, &app.code(0)).await.problem(401, "invalid_challenge");
}

#[tokio::test(flavor = "multi_thread")]
async fn turning_it_off_takes_password_and_code() {
    let warehouse = Warehouse::open().await;
    let biller = warehouse.biller().await;
    let disable = async |password: &str, code: &str| biller.post("/me/2fa/disable", json!({"password": password, "code": code})).await;
    disable(PASSWORD, "123456").await.problem(409, "two_factor_not_enabled");
    biller.post("/me/2fa/enable", json!({"code": "123456"})).await.problem(409, "two_factor_not_enabled");
    let (app, codes) = enables(&biller).await;
    disable("Wrong-Horse7", &app.code(0)).await.problem(401, "invalid_credentials");
    disable(PASSWORD, &app.wrong_code()).await.problem(401, "invalid_two_factor_code");
    disable(PASSWORD, &app.code(0)).await.expect(204);
    warehouse.nobody().signed_in("biller-0", PASSWORD).await.get("/me").await.expect(200);
    // What was made before is worth nothing with the next one.
    let (_, new_codes) = enables(&biller).await;
    disable(PASSWORD, &codes[0]).await.problem(401, "invalid_two_factor_code");
    disable(PASSWORD, &new_codes[0]).await.expect(204);
    let audited = "SELECT count(*) AS n FROM audit_logs WHERE action = 'two_factor_disabled'";
    assert_eq!(database::number(&warehouse.database_url, audited).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_can_be_made_to_have_it() {
    let warehouse = Warehouse::open_with(|config| config.two_factor_required_roles = vec![Role::Biller]).await;
    let mut biller = warehouse.biller().await;
    warehouse.packer("Lucknow").await.get("/bags").await.expect(200);
    for path in ["/bags", "/stats", "/me/sessions", "/scans"] {
        biller.get(path).await.problem(403, "two_factor_setup_required");
    }
    biller.scans("SB12345").await.problem(403, "two_factor_setup_required");
    biller.get("/me").await.expect(200);
    let (app, _) = enables(&biller).await;
    let renewed = biller.act("/auth/refresh").await.expect(200);
    biller.keep_tokens(&renewed);
    biller.get("/bags").await.expect(200);

    biller.post("/me/2fa/disable", json!({"password": PASSWORD, "code": app.code(0)})).await.expect(204);
    biller.get("/bags").await.problem(401, "session_expired");
    let mut again = warehouse.nobody().signed_in("biller-0", PASSWORD).await;
    again.get("/bags").await.problem(403, "two_factor_setup_required");
    let changed = again.post("/me/password", json!({"current_password": PASSWORD, "new_password": ADMIN_PASSWORD})).await.expect(200);
    again.keep_tokens(&changed);
    again.get("/bags").await.problem(403, "two_factor_setup_required");
    again.act("/auth/logout").await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_helps_who_has_lost_phone_and_codes() {
    let warehouse = Warehouse::open().await;
    let (admin, biller) = (warehouse.admin().await, warehouse.biller().await);
    let id = biller.get("/me").await.expect(200).body["id"].clone();
    enables(&biller).await;
    biller.act(&format!("/users/{id}/2fa/reset")).await.problem(403, "forbidden");
    admin.act(&format!("/users/{id}/2fa/reset")).await.expect(204);
    biller.get("/me").await.problem(401, "session_expired");
    warehouse.nobody().signed_in("biller-0", PASSWORD).await.get("/me").await.expect(200);
    admin.act(&format!("/users/{id}/2fa/reset")).await.expect(204);
    admin.act("/users/999999/2fa/reset").await.problem(404, "user_not_found");
    let own = admin.get("/me").await.expect(200).body["id"].clone();
    admin.act(&format!("/users/{own}/2fa/reset")).await.problem(403, "forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_limited_by_address() {
    let warehouse = Warehouse::open_with(|config| config.sign_in_limit_per_minute = 4).await;
    for _ in 0..4 {
        verifies(&warehouse, "nonsense", "123456").await.problem(401, "invalid_challenge");
    }
    verifies(&warehouse, "nonsense", "123456").await.problem(429, "rate_limited");
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_share_the_key_of_the_secrets() {
    let one = Warehouse::open().await;
    let (app, _) = enables(&one.biller().await).await;
    let other = Warehouse::open_on(one.database_url.clone(), |_| {}).await;
    let challenge = challenge(&other, "biller-0").await;
    verifies(&one, &challenge, &app.code(0)).await.expect(200);
    verifies(&other, &challenge, &app.code(1)).await.expect(200);

    // Another key can't read them; recovery codes still help.
    let stranger = Warehouse::open_on(one.database_url.clone(), |config| config.data_encryption_key = Some("x".repeat(32).into())).await;
    a_minute_later(&one).await;
    verifies(&stranger, &challenge, &app.code(1)).await.problem(500, "internal_error");
    tokio::time::sleep(Duration::from_millis(10)).await;
}
