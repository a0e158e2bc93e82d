//! Reading and writing `api_keys`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::key_ring::KnownKey;
use super::model::{ApiKey, KeyText};
use crate::db::schema::{api_keys, dispatch_areas, users};
use crate::identity::UserId;

/// Keys, newest first, before `before`.
pub async fn list(conn: &mut AsyncPgConnection, before: Option<i64>, limit: i64) -> QueryResult<Vec<ApiKey>> {
    let mut query = api_keys::table.inner_join(users::table).select(ApiKey::as_select()).order(api_keys::id.desc()).limit(limit).into_boxed();
    if let Some(before) = before {
        query = query.filter(api_keys::id.lt(before));
    }
    query.load(conn).await
}

/// The key with this id.
pub async fn find(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<ApiKey>> {
    api_keys::table.inner_join(users::table).filter(api_keys::id.eq(id)).select(ApiKey::as_select()).first(conn).await.optional()
}

/// A key to be.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    pub name: String,
    pub scopes: Vec<String>,
    pub requests_per_minute: Option<i32>,
    /// The key acts as this person.
    pub created_by: UserId,
    pub expires_at: Option<DateTime<Utc>>,
}

/// Inserts a key and returns its id.
pub async fn insert(conn: &mut AsyncPgConnection, key: &KeyText, new: NewApiKey) -> QueryResult<i64> {
    diesel::insert_into(api_keys::table)
        .values((
            api_keys::name.eq(new.name),
            api_keys::prefix.eq(&key.prefix),
            api_keys::secret_hash.eq(key.secret_hash().to_vec()),
            api_keys::scopes.eq(new.scopes),
            api_keys::user_id.eq(new.created_by.0),
            api_keys::requests_per_minute.eq(new.requests_per_minute),
            api_keys::created_by.eq(new.created_by.0),
            api_keys::expires_at.eq(new.expires_at),
        ))
        .returning(api_keys::id)
        .get_result(conn)
        .await
}

/// Ends a key. `false` when it had been ended before, or there is none.
pub async fn revoke(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<bool> {
    let revoked = diesel::update(api_keys::table.find(id).filter(api_keys::revoked_at.is_null()))
        .set(api_keys::revoked_at.eq(Utc::now()))
        .execute(conn)
        .await?;
    Ok(revoked == 1)
}

/// The key with this prefix and whom it acts as, when it is neither revoked nor its owner disabled.
pub async fn find_live(conn: &mut AsyncPgConnection, prefix: &str) -> QueryResult<Option<KnownKey>> {
    live().filter(api_keys::prefix.eq(prefix)).select(KnownKey::as_select()).first(conn).await.optional()
}

/// As [`find_live`], by id.
pub async fn find_live_by_id(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<KnownKey>> {
    live().filter(api_keys::id.eq(id)).select(KnownKey::as_select()).first(conn).await.optional()
}

/// Keys that are neither revoked nor their owners disabled, with their owners.
#[diesel::dsl::auto_type(no_type_alias)]
fn live() -> _ {
    let with_owner = api_keys::table.inner_join(users::table.left_join(dispatch_areas::table));
    with_owner.filter(api_keys::revoked_at.is_null()).filter(users::is_active)
}

/// Notes that a key is in use, unless that was noted within the last minute.
pub async fn note_use(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<()> {
    let now = Utc::now();
    diesel::update(api_keys::table.find(id))
        .filter(api_keys::last_used_at.is_null().or(api_keys::last_used_at.lt(now - chrono::TimeDelta::minutes(1))))
        .set(api_keys::last_used_at.eq(now))
        .execute(conn)
        .await?;
    Ok(())
}
