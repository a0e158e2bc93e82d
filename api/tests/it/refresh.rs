//! Refreshing a session: lost answers, several tabs at once, stolen and made-up refresh tokens.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;

use crate::support::{Answer, Person, Warehouse, database};

/// The refresh cookie that an answer sets, as `name=value`.
fn cookie_of(answer: &Answer) -> String {
    let mut person = Person::new("http://unused");
    person.keep_tokens(answer);
    person.cookie.expect("a refresh cookie")
}

/// Refreshes with a cookie as the browser has it, without an access token.
async fn refresh(warehouse: &Warehouse, cookie: &str) -> Answer {
    Person { cookie: Some(cookie.to_owned()), ..warehouse.nobody() }.act("/auth/refresh").await
}

/// Moves the last rotation of every session into the past.
async fn seconds_later(warehouse: &Warehouse, seconds: u32) {
    let sql = format!("UPDATE sessions SET rotated_at = rotated_at - interval '{seconds} seconds'");
    database::execute(&warehouse.database_url, &sql).await;
}

async fn reuses_audited(warehouse: &Warehouse) -> i64 {
    let sql = "SELECT count(*) AS n FROM audit_logs WHERE action = 'token_reused'";
    database::number(&warehouse.database_url, sql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_whose_answer_was_lost_can_be_repeated() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    let first = packer.cookie.clone().expect("signed in");
    let lost = refresh(&warehouse, &first).await.expect(200);
    let repeated = refresh(&warehouse, &first).await.expect(200);
    assert_eq!(cookie_of(&repeated), cookie_of(&lost), "the same successor again");
    packer.get("/me").await.expect(200);

    let second = cookie_of(&repeated);
    let mut device = warehouse.nobody();
    device.keep_tokens(&refresh(&warehouse, &second).await.expect(200));
    device.get("/me").await.expect(200);
    assert_eq!(reuses_audited(&warehouse).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_refreshes_at_once_get_the_same_successor() {
    let warehouse = Warehouse::open().await;
    let other = Warehouse::open_on(warehouse.database_url.clone(), |_| {}).await;
    let mut cookie = warehouse.packer("Lucknow").await.cookie.expect("signed in");
    // Several rounds: each successor is exchanged by many tabs and processes at once, too.
    for _ in 0..3 {
        let requests = (0..16).map(|n| refresh(if n % 2 == 0 { &warehouse } else { &other }, &cookie));
        let answers = join_all(requests).await;
        let successors: Vec<String> = answers.into_iter().map(|answer| cookie_of(&answer.expect(200))).collect();
        assert!(successors.iter().all(|successor| *successor == successors[0]), "{successors:?}");
        assert_ne!(successors[0], cookie);
        cookie = successors[0].clone();
    }
    assert_eq!(reuses_audited(&warehouse).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_successor_is_the_same_after_a_restart() {
    let warehouse = Warehouse::open().await;
    let url = warehouse.database_url.clone();
    let first = warehouse.packer("Lucknow").await.cookie.expect("signed in");
    let lost = cookie_of(&refresh(&warehouse, &first).await.expect(200));
    warehouse.close().await;
    let warehouse = Warehouse::open_on(url, |_| {}).await;
    assert_eq!(cookie_of(&refresh(&warehouse, &first).await.expect(200)), lost);
    refresh(&warehouse, &lost).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_grace_a_used_token_ends_the_session() {
    let warehouse = Warehouse::open().await;
    let mut packer = warehouse.packer("Lucknow").await;
    let stolen = packer.cookie.clone().expect("signed in");
    packer.keep_tokens(&refresh(&warehouse, &stolen).await.expect(200));
    seconds_later(&warehouse, 25).await;
    refresh(&warehouse, &stolen).await.expect(200);
    // A repeat does not make the grace longer.
    seconds_later(&warehouse, 6).await;
    packer.get("/me").await.expect(200);
    refresh(&warehouse, &stolen).await.problem(401, "session_expired");
    packer.act("/auth/refresh").await.problem(401, "session_expired");
    packer.get("/me").await.problem(401, "session_expired");
    assert_eq!(reuses_audited(&warehouse).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_whose_successor_was_used_ends_the_session_at_once() {
    let warehouse = Warehouse::open().await;
    for generations in 2..=4 {
        let mut packer = warehouse.packer("Lucknow").await;
        let stolen = packer.cookie.clone().expect("signed in");
        for _ in 0..generations {
            let renewed = packer.act("/auth/refresh").await.expect(200);
            packer.keep_tokens(&renewed);
        }
        refresh(&warehouse, &stolen).await.problem(401, "session_expired");
        packer.act("/auth/refresh").await.problem(401, "session_expired");
        packer.get("/me").await.problem(401, "session_expired");
    }
    assert_eq!(reuses_audited(&warehouse).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_grace_every_second_use_ends_the_session() {
    let warehouse = Warehouse::open_with(|config| config.refresh_grace_seconds = 0).await;
    let packer = warehouse.packer("Lucknow").await;
    packer.act("/auth/refresh").await.expect(200);
    packer.act("/auth/refresh").await.problem(401, "session_expired");
    packer.get("/me").await.problem(401, "session_expired");
    let other = warehouse.packer("Indore").await;
    let answers = join_all((0..8).map(|_| other.act("/auth/refresh"))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "of several at once one");
    for seconds in [-1, 301] {
        let mut config = traitortrack::config::Config::defaults();
        config.refresh_grace_seconds = seconds;
        assert!(config.check().is_err_and(|sentence| sentence.contains("REFRESH_GRACE_SECONDS")), "{seconds}");
    }
}

/// The id of a session is no secret: devices list it and logs name it.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_id_without_its_secret_ends_nothing() {
    let warehouse = Warehouse::open().await;
    let mut packer = warehouse.packer("Lucknow").await;
    // One session that was never refreshed, and one that was.
    for _ in 0..2 {
        let cookie = packer.cookie.clone().expect("signed in");
        let token = URL_SAFE_NO_PAD.decode(cookie.trim_start_matches("tt_refresh=")).expect("base64");
        let (id, secret) = token.split_at(16);
        let mut made_up: Vec<Vec<u8>> = vec![vec![0; 32], vec![255; 32], id.repeat(2), secret.iter().rev().copied().collect()];
        made_up.extend((0..secret.len()).map(|position| {
            let mut changed = secret.to_vec();
            changed[position] ^= 1;
            changed
        }));
        made_up.extend((0..20).map(|_| std::array::from_fn::<u8, 32, _>(|_| rand::random()).to_vec()));
        for secret in made_up {
            let forged = format!("tt_refresh={}", URL_SAFE_NO_PAD.encode([id, &secret].concat()));
            refresh(&warehouse, &forged).await.problem(401, "session_expired");
            Person { cookie: Some(forged), ..warehouse.nobody() }.act("/auth/logout").await.expect(204);
        }
        for damaged in [&cookie[..cookie.len() - 1], "tt_refresh=", "tt_refresh=nonsense", &format!("{cookie}AA")] {
            refresh(&warehouse, damaged).await.problem(401, "session_expired");
        }
        packer.get("/me").await.expect(200);
        let renewed = packer.act("/auth/refresh").await.expect(200);
        packer.keep_tokens(&renewed);
        packer.get("/me").await.expect(200);
    }
    assert_eq!(reuses_audited(&warehouse).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_after_a_lost_answer_ends_the_session() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    let first = packer.cookie.clone().expect("signed in");
    let lost = cookie_of(&refresh(&warehouse, &first).await.expect(200));
    Person { token: None, ..packer.clone() }.act("/auth/logout").await.expect(204);
    packer.get("/me").await.problem(401, "session_expired");
    for cookie in [first, lost] {
        refresh(&warehouse, &cookie).await.problem(401, "session_expired");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_holds_no_refresh_token() {
    let warehouse = Warehouse::open().await;
    let first = warehouse.packer("Lucknow").await.cookie.expect("signed in");
    let second = cookie_of(&refresh(&warehouse, &first).await.expect(200));
    for cookie in [first, second] {
        let token = URL_SAFE_NO_PAD.decode(cookie.trim_start_matches("tt_refresh=")).expect("base64");
        let secret: String = token[16..].iter().map(|byte| format!("{byte:02x}")).collect();
        let sql = format!("SELECT count(*) AS n FROM sessions s WHERE s::text LIKE '%{secret}%' OR s::text LIKE '%{}%'", &secret[..32]);
        assert_eq!(database::number(&warehouse.database_url, &sql).await, 0);
    }
}
