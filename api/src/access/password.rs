//! Passwords: what is good enough, and argon2id off the async threads.

use std::sync::{Arc, OnceLock};

use anyhow::anyhow;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use crate::error::{Error, ErrorCode, FieldError, Result};

/// Longest password taken, in characters: hashing must not become a way to keep the server busy.
const MAX_LENGTH: usize = 128;
/// Shortest password taken, in characters.
const MIN_LENGTH: usize = 8;

/// Passwords seen most often in breaches that would pass the rules about characters.
const COMMON: &[&str] = &[
    "password1!",
    "passw0rd!",
    "p@ssw0rd",
    "p@ssw0rd1",
    "p@ssword1",
    "password@1",
    "password@123",
    "password1@",
    "admin@123",
    "admin@1234",
    "welcome@1",
    "welcome@123",
    "welcome1!",
    "qwerty@123",
    "qwerty1!",
    "abcd@1234",
    "abc@1234",
    "test@123",
    "test@1234",
    "india@123",
    "pass@123",
    "pass@1234",
    "user@123",
    "user@1234",
    "root@123",
    "changeme1!",
    "letmein1!",
    "summer2024!",
    "winter2024!",
    "zaq1@wsx",
    "1qaz@wsx",
    "1qaz!qaz",
    "asdf@1234",
    "hello@123",
    "master@123",
    "super@123",
    "company@123",
    "traitortrack1!",
];

/// Refuses a password that breaks the rules of `domain.md`.
///
/// # Errors
/// 422 `weak_password`, one entry in `errors` for each rule broken, all under `pointer`.
pub fn check_strength(password: &str, username: &str, pointer: &str) -> Result<()> {
    let lower = password.to_lowercase();
    let length = password.chars().count();
    let rules = [
        (length < MIN_LENGTH, "too_short", "Use at least 8 characters."),
        (length > MAX_LENGTH, "too_long", "Use at most 128 characters."),
        (!password.chars().any(char::is_uppercase), "no_upper_case", "Add an uppercase letter."),
        (!password.chars().any(char::is_lowercase), "no_lower_case", "Add a lowercase letter."),
        (!password.chars().any(|c| c.is_ascii_digit()), "no_digit", "Add a digit."),
        (!password.chars().any(|c| !c.is_alphanumeric()), "no_special_character", "Add a symbol."),
        (COMMON.contains(&lower.as_str()), "too_common", "This password is too common. Choose another."),
        (!username.is_empty() && lower.contains(&username.to_lowercase()), "contains_username", "Do not use your username."),
    ];
    let broken: Vec<FieldError> =
        rules.iter().filter(|(is_broken, ..)| *is_broken).map(|(_, code, detail)| FieldError::new(pointer, *code, *detail)).collect();
    if broken.is_empty() {
        return Ok(());
    }
    let advice: Vec<&str> = broken.iter().map(|error| error.detail.as_str()).collect();
    Err(Error::refused(ErrorCode::WeakPassword, advice.join(" ")).with_errors(broken))
}

/// Hashes a password: argon2id with the crate's defaults (19 MiB, 2 passes, as OWASP advises), salt of its own.
///
/// # Errors
/// When hashing fails (never for passwords of the allowed length).
pub async fn hash(password: String) -> Result<String> {
    off_thread(move || Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string()).map_err(|error| anyhow!("argon2: {error}")))
        .await
}

/// Does the password match the hash? Without a hash a dummy one is checked, so that an unknown user takes as
/// long as a wrong password.
///
/// # Errors
/// When a stored hash is damaged.
pub async fn verify(password: String, hash: Option<String>) -> Result<bool> {
    off_thread(move || {
        let is_real = hash.is_some();
        let hash = hash.unwrap_or_else(|| dummy_hash().to_owned());
        let parsed = PasswordHash::new(&hash).map_err(|error| anyhow!("stored password hash: {error}"))?;
        Ok(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok() && is_real)
    })
    .await
}

fn dummy_hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| Argon2::default().hash_password(b"the password of nobody").map(|hash| hash.to_string()).expect("a constant can be hashed"))
}

/// Runs on the blocking pool, as many at a time as there are cores: each takes 19 MiB, and a rush of
/// sign-ins must neither eat the memory nor stall the scans.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> anyhow::Result<T> + Send + 'static) -> Result<T> {
    static PERMITS: OnceLock<Arc<Semaphore>> = OnceLock::new();
    let permits = PERMITS.get_or_init(|| Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(2, usize::from))));
    let _permit = permits.acquire().await.map_err(|closed| Error::Internal(closed.into()))?;
    Ok(tokio::task::spawn_blocking(work).await.map_err(anyhow::Error::from)??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_passwords_pass() {
        for password in ["Correct-Horse7", "Пароль-Aa1", "aB3$aB3$"] {
            assert!(check_strength(password, "asha", "/password").is_ok(), "{password}");
        }
    }

    #[test]
    fn each_rule_is_named() {
        let codes = |password: &str| match check_strength(password, "asha", "/password") {
            Ok(()) => Vec::new(),
            Err(error) => error.into_refusal().errors.into_iter().map(|error| error.code).collect::<Vec<_>>(),
        };
        assert_eq!(codes("aB3$"), ["too_short"]);
        assert_eq!(codes("abcdefg1!"), ["no_upper_case"]);
        assert_eq!(codes("ABCDEFG1!"), ["no_lower_case"]);
        assert_eq!(codes("Abcdefgh!"), ["no_digit"]);
        assert_eq!(codes("Abcdefgh1"), ["no_special_character"]);
        assert_eq!(codes("Password@123"), ["too_common"]);
        assert_eq!(codes("My-Asha-2024"), ["contains_username"]);
        assert_eq!(codes(&format!("aB3${}", "x".repeat(125))), ["too_long"]);
    }

    #[tokio::test]
    async fn a_hash_matches_its_password_only() {
        let hashed = hash("Correct-Horse7".into()).await.unwrap();
        assert!(hashed.starts_with("$argon2id$"));
        assert!(verify("Correct-Horse7".into(), Some(hashed.clone())).await.unwrap());
        assert!(!verify("Correct-Horse8".into(), Some(hashed)).await.unwrap());
        assert!(!verify("the password of nobody".into(), None).await.unwrap());
    }
}
