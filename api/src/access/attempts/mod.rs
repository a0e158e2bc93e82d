//! Limits for guessing: passwords, codes, tokens.
//!
//! Failures alone count. An attempt is checked first and decided afterwards, under locks on its
//! counters: the first failures are answered as such, and once they reach the limit every further
//! attempt is refused, right or wrong. So of any number of guesses in parallel only as many are
//! tried as the limit allows, while right passwords never wait for each other and a crash leaves
//! nothing reserved.
//!
//! A person is blocked by their own failures only: at one address, or on one known device. The
//! bounds over all addresses spare known devices ([`super::known_device`]), addresses where the
//! person signed in before, and people who prove a second factor. A name that does not exist is
//! counted and answered like one that does.
//!
//! Owns `failed_attempts`. The counters are in PostgreSQL, not in Redis: they outlive restarts and
//! hold without it.

mod rules;
mod store;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use self::rules::{Block, Counter, Rule};
use super::known_device::KnownDevice;
use crate::config::Config;
use crate::error::{Error, ErrorCode};
use crate::identity::UserId;
use crate::identity::client::Client;

/// Failures at one address or device count together within this time.
const WINDOW: TimeDelta = TimeDelta::hours(1);
/// A code has six digits: over all addresses they count together for longer.
const CODE_WINDOW: TimeDelta = TimeDelta::days(1);
const MINUTE: TimeDelta = TimeDelta::minutes(1);
/// The bound of a name over all addresses, in limits of one address.
const NAME_FACTOR: i32 = 10;
/// The bound of a person's codes over all addresses, in limits of one address.
const CODE_FACTOR: i32 = 4;
/// During a block, passwords of people with a second factor are still checked up to this many
/// limits.
const EXHAUSTED_FACTOR: i32 = 20;

/// What failures are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    /// Passwords for a name as typed, from one address.
    NameAtAddress,
    /// Passwords for an account from one address, by any of its names. It refuses without saying
    /// so: otherwise it would show that a user name and an e-mail address belong together.
    AccountAtAddress,
    /// Passwords of a person on a device that they have signed in on before.
    Device,
    /// Passwords for a name as typed, from all addresses but without known devices.
    Name,
    /// Passwords from one address for all names.
    SignInAddress,
    /// Codes of the second factor, as above.
    CodeAtAddress,
    CodeOnDevice,
    Code,
    CodeAddress,
    /// Challenges that were made up.
    ChallengeAddress,
    /// Tokens for a new password that were made up.
    ResetAddress,
    /// Current passwords within a session.
    OwnPassword,
    /// Codes for turning the second factor on, within a session.
    OwnCode,
}

/// How a block is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// 423 `account_locked`.
    Locked,
    /// 429 `rate_limited`.
    Limited,
    /// As a wrong guess.
    Wrong,
}

impl Scope {
    const fn as_str(self) -> &'static str {
        match self {
            Self::NameAtAddress => "name_at_address",
            Self::AccountAtAddress => "account_at_address",
            Self::Device => "device",
            Self::Name => "name",
            Self::SignInAddress => "sign_in_address",
            Self::CodeAtAddress => "code_at_address",
            Self::CodeOnDevice => "code_on_device",
            Self::Code => "code",
            Self::CodeAddress => "code_address",
            Self::ChallengeAddress => "challenge_address",
            Self::ResetAddress => "reset_address",
            Self::OwnPassword => "own_password",
            Self::OwnCode => "own_code",
        }
    }

    const fn answer(self) -> Answer {
        match self {
            Self::AccountAtAddress => Answer::Wrong,
            Self::SignInAddress | Self::CodeAddress | Self::ChallengeAddress | Self::ResetAddress => Answer::Limited,
            _ => Answer::Locked,
        }
    }

    fn rule(self, config: &Config) -> Rule {
        let attempts = i32::from(config.lockout_attempts);
        let block = Block::Growing(TimeDelta::seconds(config.lockout_seconds));
        match self {
            Self::Name => Rule { limit: attempts * NAME_FACTOR, window: WINDOW, block },
            Self::Code => Rule { limit: attempts * CODE_FACTOR, window: CODE_WINDOW, block },
            _ if self.answer() == Answer::Limited => {
                let limit = i32::try_from(config.sign_in_limit_per_minute).unwrap_or(i32::MAX);
                Rule { limit, window: MINUTE, block: Block::RestOfWindow }
            }
            _ => Rule { limit: attempts, window: WINDOW, block },
        }
    }
}

/// Names one counter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    scope: Scope,
    subject: String,
    place: String,
    /// The person concerned, if there is one: an admin's unlocking clears these.
    user: Option<UserId>,
}

impl Key {
    fn new(scope: Scope, subject: impl ToString, place: &str, user: Option<UserId>) -> Self {
        Self { scope, subject: subject.to_string(), place: place.to_owned(), user }
    }
}

/// An attempt at a secret, and the counters that it concerns.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The counters of this place, which a success clears.
    own: Vec<Key>,
    /// The bounds over many places or people, which a success leaves alone.
    shared: Vec<Key>,
}

impl Attempt {
    /// At the password of the account that a name stands for, if there is one.
    pub fn at_password(login: &str, account: Option<UserId>, client: &Client, device: Option<&KnownDevice>) -> Self {
        if let (Some(user), Some(device)) = (account, device) {
            return Self { own: vec![Key::new(Scope::Device, user, &device.place(), Some(user))], shared: Vec::new() };
        }
        let (name, address) = (hashed(login), client.network());
        let subject = account.map_or_else(|| name.clone(), |user| user.to_string());
        Self {
            own: vec![Key::new(Scope::NameAtAddress, &name, &address, account), Key::new(Scope::AccountAtAddress, subject, &address, account)],
            shared: vec![Key::new(Scope::Name, name, "", account), Key::new(Scope::SignInAddress, "", &address, None)],
        }
    }

    /// At a code of a person's second factor.
    pub fn at_code(user: UserId, client: &Client, device: Option<&KnownDevice>) -> Self {
        if let Some(device) = device {
            return Self { own: vec![Key::new(Scope::CodeOnDevice, user, &device.place(), Some(user))], shared: Vec::new() };
        }
        let address = client.network();
        Self {
            own: vec![Key::new(Scope::CodeAtAddress, user, &address, Some(user))],
            shared: vec![Key::new(Scope::Code, user, "", Some(user)), Key::new(Scope::CodeAddress, "", &address, None)],
        }
    }

    /// At the password of the person who is signed in.
    pub fn at_own_password(user: UserId, session: Option<Uuid>) -> Self {
        Self::in_session(Scope::OwnPassword, user, session)
    }

    /// At the first code of a second factor that is being set up.
    pub fn at_own_code(user: UserId, session: Option<Uuid>) -> Self {
        Self::in_session(Scope::OwnCode, user, session)
    }

    /// A stolen session is blocked by itself, so its owner can go on.
    fn in_session(scope: Scope, user: UserId, session: Option<Uuid>) -> Self {
        let place = session.map(|id| id.to_string()).unwrap_or_default();
        Self { own: vec![Key::new(scope, user, &place, Some(user))], shared: Vec::new() }
    }

    /// With a challenge that was made up.
    pub fn with_challenge(client: &Client) -> Self {
        Self { own: Vec::new(), shared: vec![Key::new(Scope::ChallengeAddress, "", &client.network(), None)] }
    }

    /// With a token for a new password that was made up.
    pub fn with_reset_token(client: &Client) -> Self {
        Self { own: Vec::new(), shared: vec![Key::new(Scope::ResetAddress, "", &client.network(), None)] }
    }

    /// The blocks that concern this attempt now.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn blocks(&self, conn: &mut AsyncPgConnection) -> QueryResult<Blocks> {
        let keys: Vec<&Key> = self.own.iter().chain(&self.shared).collect();
        let found = store::read(conn, &keys).await?;
        Ok(self.blocks_among(&keys.into_iter().zip(found).collect(), Utc::now()))
    }

    fn blocks_among(&self, counters: &BTreeMap<&Key, Counter>, now: DateTime<Utc>) -> Blocks {
        let refusal = |key: &Key| {
            let until = counters.get(key)?.block_at(now)?;
            Some(Refusal { answer: key.scope.answer(), until })
        };
        Blocks {
            own: self.own.iter().filter_map(refusal).collect(),
            shared: self.shared.iter().filter_map(|key| Some((key.scope, refusal(key)?))).collect(),
            refused: self.own.first().and_then(|key| counters.get(key)).map_or(0, |counter| counter.refused_at(now)),
        }
    }

    /// Counts the attempt as failed, in the transaction that `conn` is in.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn fail(&self, conn: &mut AsyncPgConnection, config: &Config) -> QueryResult<Failure> {
        let mut keys: Vec<&Key> = self.own.iter().chain(&self.shared).collect();
        // All transactions lock in this order, so that none waits for another in a circle.
        keys.sort();
        let found = store::lock(conn, &keys).await?;
        let now = Utc::now();
        let counters: BTreeMap<&Key, Counter> = keys.into_iter().zip(found).collect();
        let refusal = self.blocks_among(&counters, now).refusal();
        let changed: BTreeMap<&Key, Counter> =
            counters.iter().filter_map(|(key, counter)| Some((*key, self.changed(key, counter, refusal, config, now)?))).collect();
        store::write(conn, &changed).await?;
        let is_new = |key: &&Key| counters[key].block_at(now).is_none();
        let started = changed.iter().filter(|(key, _)| is_new(key));
        let started: Vec<(&Key, DateTime<Utc>)> = started.filter_map(|(key, counter)| Some((*key, counter.block_at(now)?))).collect();
        if let Some((user, until)) = started.iter().filter_map(|(key, until)| Some((key.user?, *until))).max() {
            store::show_block(conn, user, until).await?;
        }
        let locks = started.iter().filter(|(key, _)| key.scope.answer() == Answer::Locked);
        let locked_until = locks.map(|(_, until)| *until).max();
        Ok(refusal.map_or(Failure::Counted { locked_until }, Failure::Refused))
    }

    /// The counter of a key after a failed attempt that was refused or tried; `None` when it stays
    /// as it is.
    fn changed(&self, key: &Key, counter: &Counter, refusal: Option<Refusal>, config: &Config, now: DateTime<Utc>) -> Option<Counter> {
        let rule = key.scope.rule(config);
        match refusal.map(|refusal| refusal.answer) {
            None => Some(counter.after_attempt(rule, now)),
            // The places and people that share a bound are not charged for what was refused.
            Some(_) if !self.own.contains(key) => None,
            // Others at the address have used its limit up: that must not lock this person for
            // longer.
            Some(Answer::Limited) => Some(counter.after_refusal(rule, now)),
            // Right or wrong alike: otherwise the length of the next block would tell which it was.
            Some(_) => Some(counter.after_attempt(rule, now)),
        }
    }

    /// Forgets the failures of this place after a success, in the transaction that `conn` is in.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn succeed(&self, conn: &mut AsyncPgConnection) -> QueryResult<()> {
        let Some(Key { place, user: Some(user), .. }) = self.own.first() else { return Ok(()) };
        store::clear_place(conn, *user, place).await
    }
}

/// Takes every block off a person, as an admin or a new password does.
///
/// # Errors
/// When the database can't be written.
pub async fn clear(conn: &mut AsyncPgConnection, user: UserId) -> QueryResult<()> {
    store::clear(conn, user).await
}

/// Has this person signed in from this address within the last weeks?
///
/// # Errors
/// When the database can't be read.
pub async fn is_known_address(conn: &mut AsyncPgConnection, user: UserId, client: &Client) -> QueryResult<bool> {
    store::is_known_address(conn, user, &client.network()).await
}

/// The end of a block, and how it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    answer: Answer,
    until: DateTime<Utc>,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let seconds = (refusal.until - Utc::now()).num_seconds().max(0).unsigned_abs() + 1;
        let wait = match seconds {
            0..120 => format!("{seconds} seconds"),
            _ => format!("{} minutes", seconds.div_ceil(60)),
        };
        let (code, detail) = match refusal.answer {
            Answer::Limited | Answer::Wrong => (ErrorCode::RateLimited, format!("Too many failed attempts. Wait {wait} and try again.")),
            Answer::Locked => (
                ErrorCode::AccountLocked,
                format!(
                    "Too many wrong passwords or codes. Try again in {wait}, use a device on which you signed in before, \
                     or ask an admin to unlock the account."
                ),
            ),
        };
        Self::refused(code, detail).with_retry_after(seconds)
    }
}

/// The result of a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It was tried and counts. The one that reached the limit has blocked further ones until then.
    Counted { locked_until: Option<DateTime<Utc>> },
    /// It was not tried.
    Refused(Refusal),
}

/// The blocks that concern an attempt.
#[derive(Debug, Clone, Default)]
pub struct Blocks {
    own: Vec<Refusal>,
    shared: Vec<(Scope, Refusal)>,
    /// Attempts from this place that were refused lately.
    refused: i32,
}

impl Blocks {
    /// Is there no block at all?
    pub fn is_free(&self) -> bool {
        self.own.is_empty() && self.shared.is_empty()
    }

    /// Does the block come from failures at this address or device?
    pub fn is_own(&self) -> bool {
        !self.own.is_empty()
    }

    /// Does the block come from failures elsewhere or of other people alone? It does not hold where
    /// the person signed in before. What a block of the whole address refuses is not counted as a
    /// failure, so its number is limited here.
    pub fn spares_known_addresses(&self, config: &Config) -> bool {
        let is_of_account = |scope: &Scope| matches!(scope, Scope::Name | Scope::Code);
        self.own.is_empty() && (self.refused < i32::from(config.lockout_attempts) || self.shared.iter().all(|(scope, _)| is_of_account(scope)))
    }

    /// Have so many attempts been refused here that none is looked at any more?
    pub fn is_exhausted(&self, config: &Config) -> bool {
        self.refused >= i32::from(config.lockout_attempts) * EXHAUSTED_FACTOR
    }

    /// The answer to the caller; `None` when the attempt is answered as a wrong guess or is not
    /// refused.
    pub fn refusal(&self) -> Option<Refusal> {
        let shared = self.shared.iter().map(|(_, refusal)| refusal);
        let visible: Vec<&Refusal> = self.own.iter().chain(shared).filter(|refusal| refusal.answer != Answer::Wrong).collect();
        let locks = visible.iter().filter(|refusal| refusal.answer == Answer::Locked).max_by_key(|refusal| refusal.until);
        locks.or(visible.first()).map(|refusal| **refusal)
    }
}

/// What is typed as a name may be an e-mail address or a password in the wrong field: only its hash
/// is stored.
fn hashed(login: &str) -> String {
    Sha256::digest(login.to_lowercase()).iter().map(|byte| format!("{byte:02x}")).collect()
}
