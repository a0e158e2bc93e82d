//! The second factor: codes of an authenticator app (TOTP, RFC 6238), and recovery codes for when the phone is lost.
//!
//! Owns `recovery_codes` and the columns `totp_*` of `users`.

use anyhow::{Context, anyhow};
use chrono::Utc;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use qrcode::QrCode;
use qrcode::render::svg;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use totp_rs::{Builder, Totp};

use crate::access::data_key::DataKey;
use crate::access::keys::{ISSUER, TokenKeys};
use crate::db::schema::recovery_codes;
use crate::db::sql;
use crate::error::{Error, ErrorCode, Result};
use crate::identity::UserId;

/// What authenticator apps show beside the user name.
const APP_NAME: &str = "TraitorTrack";
/// Bytes of a secret, as RFC 4226 advises.
const SECRET_BYTES: usize = 20;
/// A code is good one step (30 seconds) early or late: clocks differ, and people type slowly.
const SKEW_STEPS: u16 = 1;
/// Recovery codes made at a time.
const RECOVERY_CODES: usize = 10;
/// Characters of a recovery code, 5 bits each: too many to guess, even with its hash at hand.
const RECOVERY_CODE_LENGTH: usize = 16;
/// No letter that looks like a digit or another letter.
const RECOVERY_ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz123456789";
/// What a challenge is for: it is no access token, and no access token is a challenge.
const CHALLENGE_AUDIENCE: &str = "traitortrack-2fa";
/// Time to type the code after the password, in seconds.
const CHALLENGE_SECONDS: i64 = 5 * 60;

/// Says that its holder knew the password just now.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Challenge {
    iss: String,
    aud: String,
    sub: String,
    /// Version of the user: a changed password makes older challenges worthless.
    ver: i64,
    exp: i64,
}

/// Makes the challenge that a code answers.
///
/// # Errors
/// When the signer fails.
pub fn challenge(keys: &TokenKeys, user: UserId, version: i64) -> Result<String> {
    let exp = Utc::now().timestamp() + CHALLENGE_SECONDS;
    keys.sign(&Challenge { iss: ISSUER.into(), aud: CHALLENGE_AUDIENCE.into(), sub: user.to_string(), ver: version, exp })
}

/// Whose challenge this is, and at which version of theirs it was made.
///
/// # Errors
/// 401 `invalid_challenge` when it is older than five minutes or none of ours.
pub fn read_challenge(keys: &TokenKeys, challenge: &str) -> Result<(UserId, i64)> {
    let Challenge { sub, ver, .. } = keys.verify_for(challenge, CHALLENGE_AUDIENCE).map_err(|_| invalid_challenge())?;
    Ok((UserId(sub.parse().map_err(|_| invalid_challenge())?), ver))
}

/// The refusal of a challenge that is good no more.
pub fn invalid_challenge() -> Error {
    Error::refused(ErrorCode::InvalidChallenge, "Sign-in took too long, or the account has changed. Start again with the password.")
}

/// What an authenticator app needs.
pub struct Setup {
    /// Base32, for typing.
    pub secret: String,
    /// The same as a link.
    pub otpauth_uri: String,
    /// The same as a picture.
    pub qr_svg: String,
}

/// Makes a secret for a person and stores it, not in use yet. One made before and never used is replaced.
///
/// # Errors
/// When the database can't be written.
pub async fn set_up(conn: &mut AsyncPgConnection, key: &DataKey, user: UserId, username: &str) -> Result<Setup> {
    let secret: [u8; SECRET_BYTES] = std::array::from_fn(|_| rand::random());
    let totp = totp(&secret, username)?;
    let otpauth_uri = totp.to_url().map_err(|error| anyhow!("otpauth: {error}"))?;
    let code = QrCode::new(&otpauth_uri).context("the QR code could not be drawn")?;
    let qr_svg = code.render::<svg::Color>().min_dimensions(240, 240).build();
    sql("UPDATE users SET totp_secret = $2, totp_last_step = NULL WHERE id = $1 AND NOT two_factor_enabled")
        .bind::<BigInt, _>(user)
        .bind::<Binary, _>(key.seal(&purpose(user), &secret)?)
        .execute_on(conn)
        .await?;
    Ok(Setup { secret: totp.secret().to_base32(), otpauth_uri, qr_svg })
}

fn totp(secret: &[u8], username: &str) -> Result<Totp> {
    let builder = Builder::new().with_secret(secret.to_vec()).with_skew(SKEW_STEPS).with_issuer(Some(APP_NAME)).with_account_name(username);
    Ok(builder.build().map_err(|error| anyhow!("TOTP: {error}"))?)
}

fn purpose(user: UserId) -> String {
    format!("TOTP secret of user {user}")
}

/// What is known of a person's second factor, the row locked until the transaction ends: of two requests with one code
/// the second comes after the first.
#[derive(Debug, Clone, QueryableByName)]
pub struct Factor {
    #[diesel(sql_type = BigInt)]
    pub user_id: UserId,
    #[diesel(sql_type = Text)]
    pub username: String,
    #[diesel(sql_type = Bool)]
    pub is_active: bool,
    #[diesel(sql_type = BigInt)]
    pub version: i64,
    #[diesel(sql_type = Bool)]
    pub is_enabled: bool,
    #[diesel(sql_type = Nullable<Binary>)]
    secret: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<BigInt>)]
    last_step: Option<i64>,
}

/// Which kind of code was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    Totp,
    RecoveryCode,
}

impl Factor {
    /// Reads and locks.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn lock(conn: &mut AsyncPgConnection, user: UserId) -> QueryResult<Option<Self>> {
        let rows: Vec<Self> = sql("SELECT id AS user_id, username, is_active, version, two_factor_enabled AS is_enabled, totp_secret AS secret, \
                                   totp_last_step AS last_step FROM users WHERE id = $1 FOR UPDATE")
        .bind::<BigInt, _>(user)
        .load(conn)
        .await?;
        Ok(rows.into_iter().next())
    }

    /// Has a secret been set up, in use or not?
    pub fn has_secret(&self) -> bool {
        self.secret.is_some()
    }

    /// The time step of a code of the app, when it is right and not used yet.
    fn totp_step(&self, key: &DataKey, code: &str) -> Result<Option<i64>> {
        let Some(sealed) = &self.secret else { return Ok(None) };
        let secret = key.open(&purpose(self.user_id), sealed)?;
        let step = totp(&secret, &self.username)?.check_current(code).and_then(|step| i64::try_from(step).ok());
        Ok(step.filter(|step| self.last_step.is_none_or(|last| *step > last)))
    }

    /// Checks a code of the app or a recovery code, and uses it up when it is right.
    ///
    /// # Errors
    /// When the database can't be written, or the stored secret can't be decrypted.
    pub async fn check(&self, conn: &mut AsyncPgConnection, key: &DataKey, code: &str) -> Result<Option<Method>> {
        if is_recovery_code(code) {
            let unused = recovery_codes::table.find((self.user_id.0, hash(&normalised(code)).to_vec())).filter(recovery_codes::used_at.is_null());
            let used = diesel::update(unused).set(recovery_codes::used_at.eq(Utc::now())).execute(conn).await?;
            return Ok((used == 1).then_some(Method::RecoveryCode));
        }
        let Some(step) = self.totp_step(key, &normalised(code))? else { return Ok(None) };
        sql("UPDATE users SET totp_last_step = $2 WHERE id = $1").bind::<BigInt, _>(self.user_id).bind::<BigInt, _>(step).execute_on(conn).await?;
        Ok(Some(Method::Totp))
    }

    /// Takes the secret into use when the code shows that the app has it, and makes the recovery codes, which are shown
    /// once. `None` when the code is wrong.
    ///
    /// # Errors
    /// When the database can't be written, or the stored secret can't be decrypted.
    pub async fn enable(&self, conn: &mut AsyncPgConnection, key: &DataKey, code: &str) -> Result<Option<Vec<String>>> {
        let Some(step) = self.totp_step(key, &normalised(code))? else { return Ok(None) };
        sql("UPDATE users SET two_factor_enabled = true, totp_last_step = $2, version = version + 1 WHERE id = $1")
            .bind::<BigInt, _>(self.user_id)
            .bind::<BigInt, _>(step)
            .execute_on(conn)
            .await?;
        let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| recovery_code()).collect();
        diesel::delete(recovery_codes::table.filter(recovery_codes::user_id.eq(self.user_id.0))).execute(conn).await?;
        let rows: Vec<_> = codes
            .iter()
            .map(|code| (recovery_codes::user_id.eq(self.user_id.0), recovery_codes::code_hash.eq(hash(&normalised(code)).to_vec())))
            .collect();
        diesel::insert_into(recovery_codes::table).values(rows).execute(conn).await?;
        Ok(Some(codes))
    }

    /// Forgets the second factor and its recovery codes.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn disable(&self, conn: &mut AsyncPgConnection) -> QueryResult<()> {
        sql("UPDATE users SET two_factor_enabled = false, totp_secret = NULL, totp_last_step = NULL, version = version + 1 \
             WHERE id = $1")
        .bind::<BigInt, _>(self.user_id)
        .execute_on(conn)
        .await?;
        diesel::delete(recovery_codes::table.filter(recovery_codes::user_id.eq(self.user_id.0))).execute(conn).await?;
        Ok(())
    }

    /// Recovery codes not used yet.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn recovery_codes_left(&self, conn: &mut AsyncPgConnection) -> QueryResult<i64> {
        let unused = recovery_codes::table.filter(recovery_codes::user_id.eq(self.user_id.0)).filter(recovery_codes::used_at.is_null());
        unused.count().get_result(conn).await
    }
}

fn recovery_code() -> String {
    let letters: Vec<char> =
        (0..RECOVERY_CODE_LENGTH).map(|_| char::from(RECOVERY_ALPHABET[rand::random_range(0..RECOVERY_ALPHABET.len())])).collect();
    letters.chunks(4).map(|part| part.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}

/// Is this a recovery code rather than one of the app, by its form? It has 80 bits, so it can't be guessed.
pub fn is_recovery_code(code: &str) -> bool {
    let code = normalised(code);
    code.len() != 6 || !code.bytes().all(|byte| byte.is_ascii_digit())
}

/// As people type codes: spaces and hyphens, either case.
fn normalised(code: &str) -> String {
    code.chars().filter(|c| !c.is_whitespace() && *c != '-').collect::<String>().to_lowercase()
}

fn hash(code: &str) -> [u8; 32] {
    Sha256::digest(code).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_codes_are_read_as_people_type_them() {
        let code = recovery_code();
        assert_eq!(code.len(), RECOVERY_CODE_LENGTH + 3);
        assert_eq!(normalised(&format!(" {} ", code.to_uppercase().replace('-', " "))), code.replace('-', ""));
        assert_ne!(code, recovery_code());
    }

    #[test]
    fn a_code_of_the_app_is_good_one_step_around_now() {
        // RFC 6238, appendix B, of which six digits.
        let totp = totp(b"12345678901234567890", "asha").unwrap();
        for (time, step) in [(59, Some(1)), (59 + 30, Some(1)), (30 - 1, Some(1)), (59 + 60, None)] {
            assert_eq!(totp.check("287082", time), step, "{time}");
        }
        assert!(totp.to_url().unwrap().starts_with("otpauth://totp/TraitorTrack:asha?secret=GEZDGNBV"));
    }
}
