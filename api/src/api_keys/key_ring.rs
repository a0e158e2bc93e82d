//! The keys in use, kept in memory for seconds so that a busy integrator costs no query per request.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::prelude::{NullableExpressionMethods, Queryable, Selectable};
use moka::future::Cache;
use moka::sync::Cache as SyncCache;
use subtle::ConstantTimeEq;

use super::model::KeyText;
use super::queries;
use crate::config::Config;
use crate::db::Pool;
use crate::db::schema::{api_keys, dispatch_areas, users};
use crate::error::{Error, Result};
use crate::identity::caller::{Caller, Credential};
use crate::identity::{Role, UserId};

/// For so long a process may not know what another has done to a key or its owner.
const KEEP: Duration = Duration::from_secs(3);
/// As [`KEEP`], for streams that are open.
const KEEP_IN_USE: Duration = Duration::from_secs(1);
/// `last_used_at` is written this often at most.
const USE_NOTED_EVERY: Duration = Duration::from_secs(60);
/// Most prefixes remembered, made-up ones among them.
const MAX_PREFIXES: u64 = 10_000;

/// A key that was good when it was read.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = api_keys, check_for_backend(diesel::pg::Pg))]
pub struct KnownKey {
    pub id: i64,
    secret_hash: Vec<u8>,
    scopes: Vec<String>,
    pub requests_per_minute: Option<i32>,
    expires_at: Option<DateTime<Utc>>,
    user_id: UserId,
    #[diesel(select_expression = users::username)]
    username: String,
    #[diesel(select_expression = users::role)]
    role: Role,
    #[diesel(select_expression = users::dispatch_area_id)]
    area_id: Option<i32>,
    #[diesel(select_expression = dispatch_areas::code.nullable())]
    area: Option<String>,
    #[diesel(select_expression = users::password_change_required)]
    password_change_required: bool,
    #[diesel(select_expression = users::two_factor_enabled)]
    two_factor_enabled: bool,
}

impl KnownKey {
    fn is_expired(&self) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= Utc::now())
    }

    /// Does it hold this scope?
    pub fn has_scope(&self, resource: &str, access: &str) -> bool {
        self.scopes.iter().any(|scope| scope.split_once(':') == Some((resource, access)))
    }

    /// Its owner as the caller. A key may do no more than its owner could: where the owner would
    /// first have to change the password or to set up the second factor, the key waits for that.
    pub fn caller(&self, config: &Config) -> Caller {
        Caller {
            user_id: self.user_id,
            username: self.username.clone(),
            role: self.role,
            credential: Credential::ApiKey(self.id),
            area_id: self.area_id,
            area: self.area.clone(),
            password_change_required: self.password_change_required,
            two_factor_setup_required: !self.two_factor_enabled && config.two_factor_required_roles.contains(&self.role),
        }
    }
}

/// Keys by prefix; `None` for a prefix that no live key has.
pub struct KeyRing {
    known: Cache<String, Option<Arc<KnownKey>>>,
    /// Keys that hold a stream open, by id.
    in_use: Cache<i64, Option<Arc<KnownKey>>>,
    used: SyncCache<i64, ()>,
}

impl Default for KeyRing {
    fn default() -> Self {
        Self {
            known: Cache::builder().max_capacity(MAX_PREFIXES).time_to_live(KEEP).build(),
            in_use: Cache::builder().max_capacity(MAX_PREFIXES).time_to_live(KEEP_IN_USE).build(),
            used: SyncCache::builder().max_capacity(MAX_PREFIXES).time_to_live(USE_NOTED_EVERY).build(),
        }
    }
}

impl KeyRing {
    /// Is it known without a query whether this key is good?
    pub fn remembers(&self, key: &KeyText) -> bool {
        self.known.contains_key(&key.prefix)
    }

    /// The key, when it is good: known, its secret right, neither expired nor revoked, its owner active.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn find(&self, pool: &Pool, key: &KeyText) -> Result<Option<Arc<KnownKey>>> {
        let read = async { Ok(queries::find_live(&mut *pool.get().await?, &key.prefix).await?.map(Arc::new)) };
        let known = self.known.try_get_with(key.prefix.clone(), read).await.map_err(own_error)?;
        Ok(known.filter(|known| !known.is_expired() && bool::from(known.secret_hash.ct_eq(&key.secret_hash()))))
    }

    /// The key with this id, when it is still valid: for what goes on after the request that proved
    /// it.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn find_again(&self, pool: &Pool, id: i64) -> Result<Option<Arc<KnownKey>>> {
        let read = async { Ok(queries::find_live_by_id(&mut *pool.get().await?, id).await?.map(Arc::new)) };
        let known = self.in_use.try_get_with(id, read).await.map_err(own_error)?;
        Ok(known.filter(|known| !known.is_expired()))
    }

    /// Notes in the database that a key is in use, once a minute. A failure costs only the note.
    pub async fn note_use(&self, pool: &Pool, id: i64) {
        if !self.used.entry(id).or_insert(()).is_fresh() {
            return;
        }
        let noted = async { queries::note_use(&mut *pool.get().await?, id).await.map_err(Error::from) };
        if let Err(error) = noted.await {
            tracing::warn!(%error, "the use of an API key could not be recorded");
        }
    }
}

/// An error of a read that several callers waited for.
fn own_error(shared: Arc<Error>) -> Error {
    match &*shared {
        Error::Refused(refusal) => Error::Refused(refusal.clone()),
        Error::Internal(cause) => Error::Internal(anyhow::anyhow!("{cause:#}")),
    }
}
