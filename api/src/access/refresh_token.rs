//! Refresh tokens: the id of a session, and a secret that its holder alone knows.
//!
//! The second half of the secret is a signature of the server over the first, so a token that was
//! issued here is recognized, long after its hash was replaced. The successor of a token is
//! computed from the token, a salt of the session and the key of the installation: a repeated
//! exchange gives the same successor, in any process, and nothing that is stored is enough to
//! compute it.

use actix_web::HttpRequest;
use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::http::header::HeaderName;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::cookies;
use super::data_key::DataKey;
use crate::config::Config;

/// Name of the cookie that holds the refresh token.
pub const COOKIE: &str = "tt_refresh";
/// Bytes of each half of the secret.
const HALF: usize = 16;

/// The random input of one rotation.
pub type Salt = [u8; 16];

/// A refresh token.
#[derive(Debug, Clone)]
pub struct RefreshToken {
    pub session_id: Uuid,
    secret: [u8; 2 * HALF],
}

impl RefreshToken {
    /// The first token of a session.
    pub fn new(key: &DataKey, session_id: Uuid) -> Self {
        Self::signed(key, session_id, rand::random())
    }

    fn signed(key: &DataKey, session_id: Uuid, nonce: [u8; HALF]) -> Self {
        let mut secret = [0; 2 * HALF];
        secret[..HALF].copy_from_slice(&nonce);
        secret[HALF..].copy_from_slice(&signature(key, session_id, &nonce));
        Self { session_id, secret }
    }

    /// Was this token issued by this installation, at any time?
    pub fn is_issued_here(&self, key: &DataKey) -> bool {
        let (nonce, signed) = self.secret.split_at(HALF);
        signature(key, self.session_id, nonce).ct_eq(signed).into()
    }

    /// The token that follows this one in a rotation with this salt: the same each time.
    pub fn successor(&self, key: &DataKey, salt: &Salt) -> Self {
        let parts = [self.session_id.as_bytes().as_slice(), &self.secret, salt];
        let nonce = first_half(&key.authenticate("successor of a refresh token", &parts));
        Self::signed(key, self.session_id, nonce)
    }

    /// What is stored of the token.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret).into()
    }

    /// Is this the token with this hash?
    pub fn has_hash(&self, hash: &[u8]) -> bool {
        self.hash().ct_eq(hash).into()
    }

    /// Reads what [`RefreshToken::encode`] wrote; `None` for anything else.
    pub fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (id, secret) = bytes.split_at_checked(16)?;
        Some(Self { session_id: Uuid::from_slice(id).ok()?, secret: secret.try_into().ok()? })
    }

    /// The token as text.
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode([self.session_id.as_bytes().as_slice(), &self.secret].concat())
    }

    /// The token in the cookie of a request.
    pub fn of_request(req: &HttpRequest) -> Option<Self> {
        req.cookie(COOKIE).and_then(|cookie| Self::decode(cookie.value()))
    }

    /// The header that sets the cookie: it goes only to the sign-in calls, never to scripts.
    pub fn cookie(&self, config: &Config) -> (HeaderName, String) {
        cookies::set(COOKIE, self.encode(), CookieDuration::seconds(config.session_max_seconds), config)
    }
}

/// The header that removes the refresh token.
pub fn removal_cookie(config: &Config) -> (HeaderName, String) {
    cookies::set(COOKIE, String::new(), CookieDuration::ZERO, config)
}

fn signature(key: &DataKey, session_id: Uuid, nonce: &[u8]) -> [u8; HALF] {
    first_half(&key.authenticate("refresh token", &[session_id.as_bytes(), nonce]))
}

fn first_half(code: &[u8; 32]) -> [u8; HALF] {
    std::array::from_fn(|position| code[position])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(text: &str) -> DataKey {
        DataKey::derive(text.as_bytes()).expect("a key")
    }

    proptest! {
        #[test]
        fn a_token_comes_back_as_it_was_written(id in any::<[u8; 16]>()) {
            let token = RefreshToken::new(&key("one"), Uuid::from_bytes(id));
            let read = RefreshToken::decode(&token.encode()).expect("a token");
            prop_assert_eq!((read.session_id, read.hash()), (token.session_id, token.hash()));
            prop_assert!(read.is_issued_here(&key("one")) && !read.is_issued_here(&key("two")));
        }

        #[test]
        fn made_up_secrets_were_not_issued_here(id in any::<[u8; 16]>(), secret in any::<[u8; 32]>()) {
            let made_up = RefreshToken { session_id: Uuid::from_bytes(id), secret };
            prop_assert!(!made_up.is_issued_here(&key("one")));
        }

        #[test]
        fn a_successor_depends_on_token_salt_and_key_alone(salt in any::<Salt>(), other in any::<Salt>()) {
            prop_assume!(salt != other);
            let token = RefreshToken::new(&key("one"), Uuid::now_v7());
            let successor = token.successor(&key("one"), &salt);
            prop_assert!(successor.is_issued_here(&key("one")));
            prop_assert_eq!(successor.hash(), token.successor(&key("one"), &salt).hash());
            prop_assert_ne!(successor.hash(), token.successor(&key("one"), &other).hash());
            prop_assert_ne!(successor.hash(), token.successor(&key("two"), &salt).hash());
            let stranger = RefreshToken::new(&key("one"), token.session_id);
            prop_assert_ne!(successor.hash(), stranger.successor(&key("one"), &salt).hash());
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in ["", "nonsense", "AAAA", &"A".repeat(63), &"A".repeat(65), "%%"] {
            assert!(RefreshToken::decode(text).is_none(), "{text}");
        }
    }
}
