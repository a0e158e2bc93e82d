//! Reading and writing `failed_attempts`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, SmallInt, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::Key;
use super::rules::Counter;
use crate::db::sql;
use crate::db::sql::Sql;
use crate::identity::UserId;

/// The keys as rows, in their order.
const KEYS: &str = "unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS k (scope, subject, place, n)";

#[derive(QueryableByName)]
struct Row {
    /// Position of the key, from 1.
    #[diesel(sql_type = BigInt)]
    n: i64,
    #[diesel(sql_type = Integer)]
    failures: i32,
    #[diesel(sql_type = Integer)]
    refused: i32,
    #[diesel(sql_type = SmallInt)]
    blocks: i16,
    #[diesel(sql_type = Timestamptz)]
    window_ends_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    blocked_until: Option<DateTime<Utc>>,
    #[diesel(sql_type = Timestamptz)]
    forget_at: DateTime<Utc>,
}

fn with_keys(text: &str, keys: &[&Key]) -> Sql<'static> {
    sql(text)
        .bind::<Array<Text>, _>(keys.iter().map(|key| key.scope.as_str().to_owned()).collect::<Vec<String>>())
        .bind::<Array<Text>, _>(keys.iter().map(|key| key.subject.clone()).collect::<Vec<String>>())
        .bind::<Array<Text>, _>(keys.iter().map(|key| key.place.clone()).collect::<Vec<String>>())
}

/// The counters of keys, in their order.
pub async fn read(conn: &mut AsyncPgConnection, keys: &[&Key]) -> QueryResult<Vec<Counter>> {
    select(conn, keys, "").await
}

/// As [`read`], the rows locked in the order of the keys until the transaction ends. Missing ones
/// are added first.
pub async fn lock(conn: &mut AsyncPgConnection, keys: &[&Key]) -> QueryResult<Vec<Counter>> {
    let text = format!(
        "INSERT INTO failed_attempts (scope, subject, place, window_ends_at, forget_at) \
         SELECT scope, subject, place, to_timestamp(0), to_timestamp(0) FROM {KEYS} ORDER BY n ON CONFLICT DO NOTHING"
    );
    with_keys(&text, keys).execute_on(conn).await?;
    select(conn, keys, " FOR UPDATE OF f").await
}

async fn select(conn: &mut AsyncPgConnection, keys: &[&Key], locking: &str) -> QueryResult<Vec<Counter>> {
    let text = format!(
        "SELECT k.n, f.failures, f.refused, f.blocks, f.window_ends_at, f.blocked_until, f.forget_at \
         FROM {KEYS} JOIN failed_attempts f USING (scope, subject, place) ORDER BY k.n{locking}"
    );
    let rows: Vec<Row> = with_keys(&text, keys).load(conn).await?;
    let mut counters = vec![Counter::NEW; keys.len()];
    for Row { n, failures, refused, blocks, window_ends_at, blocked_until, forget_at } in rows {
        if let Some(counter) = usize::try_from(n - 1).ok().and_then(|position| counters.get_mut(position)) {
            *counter = Counter { failures, refused, blocks, window_ends_at, blocked_until, forget_at };
        }
    }
    Ok(counters)
}

/// Writes counters. An upsert, because old rows may be swept away at any time.
pub async fn write(conn: &mut AsyncPgConnection, changed: &BTreeMap<&Key, Counter>) -> QueryResult<()> {
    let keys: Vec<&Key> = changed.keys().copied().collect();
    let counters = || changed.values();
    with_keys(
        "INSERT INTO failed_attempts AS f \
           (scope, subject, place, user_id, failures, refused, blocks, window_ends_at, blocked_until, forget_at) \
         SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4, $5, $6, $7, $8, $9, $10) \
         ON CONFLICT (scope, subject, place) DO UPDATE SET user_id = coalesce(excluded.user_id, f.user_id), \
           failures = excluded.failures, refused = excluded.refused, blocks = excluded.blocks, \
           window_ends_at = excluded.window_ends_at, blocked_until = excluded.blocked_until, forget_at = excluded.forget_at",
        &keys,
    )
    .bind::<Array<Nullable<BigInt>>, _>(keys.iter().map(|key| key.user.map(|user| user.0)).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(counters().map(|counter| counter.failures).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(counters().map(|counter| counter.refused).collect::<Vec<_>>())
    .bind::<Array<SmallInt>, _>(counters().map(|counter| counter.blocks).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(counters().map(|counter| counter.window_ends_at).collect::<Vec<_>>())
    .bind::<Array<Nullable<Timestamptz>>, _>(counters().map(|counter| counter.blocked_until).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(counters().map(|counter| counter.forget_at).collect::<Vec<_>>())
    .execute_on(conn)
    .await?;
    Ok(())
}

/// Shows a block on the account, for admins.
pub async fn show_block(conn: &mut AsyncPgConnection, user: UserId, until: DateTime<Utc>) -> QueryResult<()> {
    sql("UPDATE users SET locked_until = greatest(locked_until, $2) WHERE id = $1")
        .bind::<BigInt, _>(user)
        .bind::<Timestamptz, _>(until)
        .execute_on(conn)
        .await?;
    Ok(())
}

/// Forgets what a person got wrong at one place.
pub async fn clear_place(conn: &mut AsyncPgConnection, user: UserId, place: &str) -> QueryResult<()> {
    let cleared = sql("DELETE FROM failed_attempts WHERE user_id = $1 AND place = $2 AND place <> ''")
        .bind::<BigInt, _>(user)
        .bind::<Text, _>(place.to_owned())
        .execute_on(conn)
        .await?;
    if cleared > 0 {
        sql("UPDATE users SET locked_until = (SELECT max(blocked_until) FROM failed_attempts WHERE user_id = $1 AND blocked_until > now()) \
             WHERE id = $1")
        .bind::<BigInt, _>(user)
        .execute_on(conn)
        .await?;
    }
    Ok(())
}

/// Forgets everything that a person got wrong.
pub async fn clear(conn: &mut AsyncPgConnection, user: UserId) -> QueryResult<()> {
    sql("DELETE FROM failed_attempts WHERE user_id = $1").bind::<BigInt, _>(user).execute_on(conn).await?;
    sql("UPDATE users SET locked_until = NULL WHERE id = $1").bind::<BigInt, _>(user).execute_on(conn).await?;
    Ok(())
}

/// Has this person a session that began at this address? Ended ones are deleted after 30 days.
pub async fn is_known_address(conn: &mut AsyncPgConnection, user: UserId, network: &str) -> QueryResult<bool> {
    if network.is_empty() {
        return Ok(false);
    }
    let rows: Vec<sql::Counted> = sql("SELECT count(*) AS n FROM (SELECT FROM sessions WHERE user_id = $1 AND ip::inet <<= $2::inet LIMIT 1) AS s")
        .bind::<BigInt, _>(user)
        .bind::<Text, _>(network.to_owned())
        .load(conn)
        .await?;
    Ok(rows.iter().any(|row| row.n > 0))
}
