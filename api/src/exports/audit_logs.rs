//! Audit entries as rows.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::format::Cell;
use super::rows::Row;
use crate::db::ids::floor_id;
use crate::db::sql;
use crate::db::sql::{Sql, escape_like};

/// Who did it, as far as is known.
#[derive(Debug, Serialize)]
pub struct AuditActor {
    pub id: Option<i64>,
    pub username: Option<String>,
}

/// The API key that it was done with.
#[derive(Debug, Serialize)]
pub struct AuditApiKey {
    pub id: i64,
    pub name: Option<String>,
}

/// One thing that happened.
#[derive(Debug, Serialize)]
pub struct AuditRow {
    pub id: Uuid,
    pub at: DateTime<Utc>,
    pub actor: Option<AuditActor>,
    pub api_key: Option<AuditApiKey>,
    pub action: String,
    pub entity_type: String,
    pub entity_id: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
    /// For each field that differs, what it was and what it became.
    pub changes: Map<String, Value>,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
}

impl Row for AuditRow {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "at",
        "actor_id",
        "actor_username",
        "action",
        "entity_type",
        "entity_id",
        "before",
        "after",
        "ip",
        "user_agent",
        "request_id",
        "api_key_id",
        "api_key_name",
    ];

    fn cells(&self) -> Vec<Cell<'_>> {
        let actor = self.actor.as_ref();
        vec![
            Cell::made(self.id),
            Cell::Time(self.at),
            Cell::maybe(actor.and_then(|actor| actor.id), Cell::Integer),
            Cell::maybe(actor.and_then(|actor| actor.username.as_deref()), Cell::text),
            Cell::text(&self.action),
            Cell::text(&self.entity_type),
            Cell::text(&self.entity_id),
            Cell::maybe(self.before.as_ref(), Cell::made),
            Cell::maybe(self.after.as_ref(), Cell::made),
            Cell::maybe(self.ip.as_deref(), Cell::text),
            Cell::maybe(self.user_agent.as_deref(), Cell::text),
            Cell::maybe(self.request_id.as_deref(), Cell::text),
            Cell::maybe(self.api_key.as_ref().map(|key| key.id), Cell::Integer),
            Cell::maybe(self.api_key.as_ref().and_then(|key| key.name.as_deref()), Cell::text),
        ]
    }
}

#[derive(QueryableByName)]
struct Stored {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<BigInt>)]
    actor_id: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    actor_name: Option<String>,
    #[diesel(sql_type = Text)]
    action: String,
    #[diesel(sql_type = Text)]
    entity_type: String,
    #[diesel(sql_type = Text)]
    entity_id: String,
    #[diesel(sql_type = Nullable<Jsonb>)]
    before: Option<Value>,
    #[diesel(sql_type = Nullable<Jsonb>)]
    after: Option<Value>,
    #[diesel(sql_type = Nullable<Text>)]
    ip: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    user_agent: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    request_id: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    api_key_id: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    api_key_name: Option<String>,
}

impl From<Stored> for AuditRow {
    fn from(stored: Stored) -> Self {
        let is_known = stored.actor_id.is_some() || stored.actor_name.is_some();
        Self {
            id: stored.id,
            at: stored.at,
            actor: is_known.then_some(AuditActor { id: stored.actor_id, username: stored.actor_name }),
            api_key: stored.api_key_id.map(|id| AuditApiKey { id, name: stored.api_key_name }),
            action: stored.action,
            entity_type: stored.entity_type,
            entity_id: stored.entity_id,
            changes: changes(stored.before.as_ref(), stored.after.as_ref()),
            before: stored.before,
            after: stored.after,
            ip: stored.ip,
            user_agent: stored.user_agent,
            request_id: stored.request_id,
        }
    }
}

fn changes(before: Option<&Value>, after: Option<&Value>) -> Map<String, Value> {
    let fields = |side: Option<&Value>| side.and_then(Value::as_object).cloned().unwrap_or_default();
    let (before, after) = (fields(before), fields(after));
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    let value = |side: &Map<String, Value>, name: &String| side.get(name).cloned().unwrap_or(Value::Null);
    names
        .map(|name| (name.clone(), value(&before, name), value(&after, name)))
        .filter(|(_, was, is)| was != is)
        .map(|(name, was, is)| (name, json!({"before": was, "after": is})))
        .collect()
}

/// What audit entries are narrowed to.
#[derive(Debug, Default)]
pub struct AuditFilter {
    pub actor_id: Option<i64>,
    pub api_key_id: Option<i64>,
    pub action: Option<String>,
    pub entity_type: Option<String>,
    pub entity_id: Option<String>,
    pub request_id: Option<String>,
    pub ip: Option<String>,
    pub after: Option<DateTime<Utc>>,
    pub before: Option<DateTime<Utc>>,
    /// Part of the actor's name, of the entity's id, or of a changed value.
    pub q: Option<String>,
}

/// Columns of a stored entry.
pub const SELECT: &str = "SELECT l.id, l.at, l.actor_id, l.actor_name, l.action, l.entity_type, l.entity_id, l.before, l.after, l.ip, \
     l.user_agent, l.request_id, l.api_key_id, (SELECT k.name FROM api_keys k WHERE k.id = l.api_key_id) AS api_key_name FROM audit_logs l ";

/// The entries of a filter, read by `select` (which is [`SELECT`], or has it inside), with the number of values bound.
pub fn narrowed(select: &str, filter: &AuditFilter, before: Option<Uuid>) -> (Sql<'static>, usize) {
    let mut query = sql(select).sql("WHERE true");
    let mut places = 0;
    for (column, wanted) in [("actor_id", filter.actor_id), ("api_key_id", filter.api_key_id)] {
        if let Some(wanted) = wanted {
            places += 1;
            query = query.sql(&format!(" AND l.{column} = ${places}")).bind::<BigInt, _>(wanted);
        }
    }
    let texts = [
        ("action", &filter.action),
        ("entity_type", &filter.entity_type),
        ("entity_id", &filter.entity_id),
        ("request_id", &filter.request_id),
        ("ip", &filter.ip),
    ];
    for (column, wanted) in texts {
        if let Some(wanted) = wanted {
            places += 1;
            query = query.sql(&format!(" AND l.{column} = ${places}")).bind::<Text, _>(wanted.clone());
        }
    }
    if let Some(q) = &filter.q {
        places += 1;
        query = query
            .sql(&format!(
                " AND (l.actor_name ILIKE ${places} OR l.entity_id ILIKE ${places} OR l.before::text ILIKE ${places} OR l.after::text ILIKE ${places})"
            ))
            .bind::<Text, _>(format!("%{}%", escape_like(q)));
    }
    // Times are ranges on the primary key, which prunes the partitions.
    let bounds = [("l.id >=", filter.after.map(floor_id)), ("l.id <", filter.before.map(floor_id)), ("l.id <", before)];
    for (comparison, bound) in bounds {
        if let Some(bound) = bound {
            places += 1;
            query = query.sql(&format!(" AND {comparison} ${places}")).bind::<SqlUuid, _>(bound);
        }
    }
    (query, places)
}

/// Entries, newest first, older than the one with id `before`.
pub async fn list(conn: &mut AsyncPgConnection, filter: &AuditFilter, before: Option<Uuid>, limit: i64) -> QueryResult<Vec<AuditRow>> {
    let (query, places) = narrowed(SELECT, filter, before);
    let rows: Vec<Stored> = query.sql(&format!(" ORDER BY l.id DESC LIMIT ${}", places + 1)).bind::<BigInt, _>(limit).load(conn).await?;
    Ok(rows.into_iter().map(AuditRow::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_a_change() {
        let changed = changes(Some(&json!({"a": 1, "b": 2})), Some(&json!({"b": 2, "c": 3})));
        assert_eq!(Value::Object(changed), json!({"a": {"before": 1, "after": null}, "c": {"before": null, "after": 3}}));
        assert!(changes(None, None).is_empty());
    }
}
