//! API keys as text, as rows and as JSON.

use chrono::{DateTime, Utc};
use diesel::prelude::{Queryable, Selectable};
use rand::distr::{Alphanumeric, SampleString};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::db::schema::{api_keys, users};
use crate::identity::UserId;
use crate::identity::caller::KEY_START;

/// Characters of the prefix, which names a key.
const PREFIX_LENGTH: usize = 12;
/// Characters of the secret: 256 bits of letters and digits.
const SECRET_LENGTH: usize = 43;

/// Resources that a scope can open: the first segment of a path after `/api/v1`.
pub const RESOURCES: &[&str] = &[
    "bags",
    "scans",
    "bills",
    "users",
    "audit-logs",
    "stats",
    "search",
    "imports",
    "exports",
    "reports",
    "events",
    "notifications",
    "dispatch-areas",
    "bag-formats",
];

/// Is this `<resource>:read` or `<resource>:write`?
pub fn is_scope(text: &str) -> bool {
    text.split_once(':').is_some_and(|(resource, access)| RESOURCES.contains(&resource) && matches!(access, "read" | "write"))
}

/// The two parts of a key. The secret is kept nowhere.
pub struct KeyText {
    pub prefix: String,
    secret: String,
}

impl KeyText {
    /// A new key.
    pub fn generate() -> Self {
        let random = |length| Alphanumeric.sample_string(&mut rand::rng(), length);
        Self { prefix: random(PREFIX_LENGTH), secret: random(SECRET_LENGTH) }
    }

    /// Reads `ttk_<prefix>_<secret>`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (prefix, secret) = text.strip_prefix(KEY_START)?.split_once('_')?;
        let is_word = |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (is_word(prefix, PREFIX_LENGTH) && is_word(secret, SECRET_LENGTH)).then(|| Self { prefix: prefix.into(), secret: secret.into() })
    }

    /// The key as its holder sends it.
    pub fn encode(&self) -> String {
        format!("{KEY_START}{}_{}", self.prefix, self.secret)
    }

    /// SHA-256 of the secret: enough, because nobody can guess one.
    pub fn secret_hash(&self) -> [u8; 32] {
        Sha256::digest(&self.secret).into()
    }
}

/// A key without its secret.
#[derive(Debug, Clone, Serialize, ToSchema, Queryable, Selectable)]
#[diesel(table_name = api_keys, check_for_backend(diesel::pg::Pg))]
pub struct ApiKey {
    #[schema(example = 3)]
    pub id: i64,
    #[schema(example = "Weighbridge")]
    pub name: String,
    /// The part after `ttk_`, to tell keys apart.
    #[schema(example = "h7Tq0ZbWm2Rk")]
    pub prefix: String,
    /// `<resource>:read` or `<resource>:write`.
    #[schema(example = json!(["bags:read", "scans:write"]))]
    pub scopes: Vec<String>,
    /// The person that the key acts as: its creator.
    #[schema(value_type = i64, example = 7)]
    pub user_id: UserId,
    #[schema(example = "asha")]
    #[diesel(select_expression = users::username)]
    pub username: String,
    /// The key's own rate limit; null if the default applies.
    #[schema(required, example = 600)]
    pub requests_per_minute: Option<i32>,
    #[schema(required, value_type = Option<i64>, example = 1)]
    pub created_by: Option<UserId>,
    pub created_at: DateTime<Utc>,
    #[schema(required)]
    pub expires_at: Option<DateTime<Utc>>,
    /// Accurate to about a minute.
    #[schema(required)]
    pub last_used_at: Option<DateTime<Utc>>,
    #[schema(required)]
    pub revoked_at: Option<DateTime<Utc>>,
}

/// A new key, including its secret, which is shown only once.
#[derive(Serialize, ToSchema)]
pub struct CreatedApiKey {
    /// Send it as `Authorization: Bearer …`. It is not stored and cannot be shown again.
    #[schema(example = "ttk_h7Tq0ZbWm2Rk_3n8S…")]
    pub key: String,
    #[serde(flatten)]
    pub api_key: ApiKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_as_it_was_written() {
        let key = KeyText::generate();
        let parsed = KeyText::parse(&key.encode()).unwrap();
        assert_eq!((&parsed.prefix, parsed.secret_hash()), (&key.prefix, key.secret_hash()));
        for wrong in ["", "ttk_", "ttk_unknown", "ttk_h7Tq0ZbWm2Rk_short", &key.encode()[4..], &format!("{}x", key.encode())] {
            assert!(KeyText::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn scopes_are_of_known_resources() {
        for (scope, is_one) in [("bags:read", true), ("audit-logs:write", true), ("bags", false), ("bags:delete", false), ("me:read", false)] {
            assert_eq!(is_scope(scope), is_one, "{scope}");
        }
    }
}
