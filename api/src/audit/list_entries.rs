//! The audit log, narrowed. Nearly all entries are of bags that were made and packed; what is rare has small indexes.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::Entity;
use super::routes::{Row, SELECT};
use crate::db::ids::floor_id;
use crate::db::list::ListSource;
use crate::db::sql::{Conditions, Value, escape_like};

/// Entries at the beginning of the list that are looked at for a term before any index is.
const WINDOW: i64 = 2_000;
/// Bags with the term in their codes whose entries are looked up one by one. With more of them, walking along the list
/// comes upon a page sooner.
const FEW: i64 = 2_000;

/// The filters of the audit log.
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
    /// Part of the entity's id or the actor's name; of a bag with one or two characters, the
    /// beginning of its code.
    pub q: Option<String>,
}

impl ListSource for AuditFilter {
    type Row = Row;
    type Key = Uuid;

    const FROM: &'static str = "FROM audit_logs";

    fn conditions(&self) -> Conditions {
        let mut conditions = narrowed(self, None);
        if let Some(term) = &self.q {
            let matches = Term::place(&mut conditions, term).matches();
            conditions.and(&matches);
        }
        conditions
    }

    fn key(row: &Row) -> Uuid {
        row.id
    }

    async fn page(&self, conn: &mut AsyncPgConnection, after: Option<Uuid>, limit: i64) -> QueryResult<Vec<Row>> {
        list(conn, self, after, limit).await
    }
}

/// Entries, newest first, older than the one with id `cursor`.
pub async fn list(conn: &mut AsyncPgConnection, filter: &AuditFilter, cursor: Option<Uuid>, limit: i64) -> QueryResult<Vec<Row>> {
    let mut conditions = narrowed(filter, cursor);
    let limit = conditions.place(Value::BigInt(limit));
    let narrowed = conditions.text().to_owned();
    let statement = match &filter.q {
        Some(term) => format!(
            "{} {SELECT} WHERE id = ANY(ARRAY(SELECT id FROM found ORDER BY id DESC LIMIT {limit})) ORDER BY id DESC",
            with_term(&mut conditions, &narrowed, term, &limit)
        ),
        None => format!("{SELECT} WHERE true{narrowed} ORDER BY id DESC LIMIT {limit}"),
    };
    // Planned for these values: one address has a million entries and the next has ten.
    conditions.statement(&statement).planned_anew().load(conn).await
}

/// The placeholders of a term.
struct Term {
    /// Matches what contains the term.
    pattern: String,
    /// Matches codes of bags, of which a short term is the beginning, as in the list of bags.
    code_pattern: String,
}

impl Term {
    fn place(conditions: &mut Conditions, term: &str) -> Self {
        let escaped = escape_like(term);
        let is_short = term.chars().count() < 3;
        let pattern = conditions.place(Value::Text(format!("%{escaped}%")));
        let code_pattern = match is_short {
            true => conditions.place(Value::Text(format!("{escaped}%"))),
            false => pattern.clone(),
        };
        Self { pattern, code_pattern }
    }

    /// The condition that an entry matches the term.
    fn matches(&self) -> String {
        let Self { pattern, code_pattern } = self;
        let of_entity = if pattern == code_pattern {
            format!("entity_id ILIKE {pattern}")
        } else {
            format!("entity_id ILIKE {pattern} AND (entity_type <> 'bag' OR entity_id ILIKE {code_pattern})")
        };
        format!("({of_entity} OR actor_name ILIKE {pattern})")
    }
}

/// All filters but the term.
fn narrowed(query: &AuditFilter, cursor: Option<Uuid>) -> Conditions {
    let mut conditions = Conditions::default();
    if let Some(actor_id) = query.actor_id {
        conditions.and_with("actor_id = $", Value::BigInt(actor_id));
    }
    if let Some(api_key_id) = query.api_key_id {
        conditions.and_with("api_key_id = $", Value::BigInt(api_key_id));
    }
    // Said beside the parameter, so that the planner knows that the index of what is rare has it all.
    if let Some(action) = &query.action {
        conditions.and_with("action = $", Value::Text(action.clone()));
        if !["bag_created", "child_linked"].contains(&action.as_str()) {
            conditions.and("action NOT IN ('bag_created', 'child_linked')");
        }
    }
    if let Some(entity_type) = &query.entity_type {
        conditions.and_with("entity_type = $", Value::Text(entity_type.clone()));
        if entity_type != Entity::Bag.as_str() {
            conditions.and("entity_type <> 'bag'");
        }
    }
    let texts =
        [("entity_id = $", &query.entity_id), ("id = ANY(ARRAY(SELECT audit_entries_of_request($)))", &query.request_id), ("ip = $", &query.ip)];
    for (condition, value) in texts {
        if let Some(value) = value {
            conditions.and_with(condition, Value::Text(value.clone()));
        }
    }
    // Times are ranges on the primary key, which prunes the partitions.
    let bounds = [("id >= $", query.after.map(floor_id)), ("id < $", query.before.map(floor_id)), ("id < $", cursor)];
    for (condition, bound) in bounds {
        if let Some(bound) = bound {
            conditions.and_with(condition, Value::Uuid(bound));
        }
    }
    conditions
}

/// Entries with a term in their entity's id or their actor's name, as `found`: the beginning of the list, if it has a page of
/// them. Otherwise those of the people of that name (now or before a change of it), those about anything but bags, and those
/// of the bags with such a code; or, when there are many such bags, as far along the list as a page takes.
fn with_term(conditions: &mut Conditions, narrowed: &str, term: &str, limit: &str) -> String {
    let code = conditions.place(Value::Text(term.to_ascii_uppercase()));
    let term = Term::place(conditions, term);
    let matches = term.matches();
    let Term { pattern, code_pattern } = term;
    let kinds = Entity::ALL_BUT_BAGS.map(|entity| format!("'{}'", entity.as_str())).join(", ");
    format!(
        "WITH newest AS MATERIALIZED ( \
           SELECT w.id FROM (SELECT id, entity_type, entity_id, actor_name FROM audit_logs WHERE true{narrowed} ORDER BY id DESC LIMIT {WINDOW}) AS w \
           WHERE {matches} LIMIT {limit}), \
         more AS MATERIALIZED (SELECT (SELECT count(*) FROM newest) < {limit} AS is_needed), \
         people AS MATERIALIZED ( \
           SELECT id FROM users WHERE username ILIKE {pattern} AND (SELECT is_needed FROM more) \
           UNION \
           SELECT entity_id::bigint FROM audit_logs WHERE entity_type = 'user' AND entity_type <> 'bag' AND before->>'username' ILIKE {pattern} \
             AND entity_id ~ '^[0-9]{{1,18}}$' AND (SELECT is_needed FROM more)), \
         codes AS MATERIALIZED ( \
           SELECT qr_code AS code FROM bags \
           WHERE id = ANY(ARRAY(SELECT f.id FROM bags_with_code_part({code}, {FEW} + 1) AS f (id) WHERE (SELECT is_needed FROM more))) \
           UNION \
           SELECT entity_id FROM audit_logs WHERE action = 'bag_deleted' AND action NOT IN ('bag_created', 'child_linked') \
             AND entity_id ILIKE {code_pattern} AND (SELECT is_needed FROM more)), \
         found AS MATERIALIZED ( \
           SELECT id FROM newest WHERE NOT (SELECT is_needed FROM more) \
           UNION \
           SELECT e.id FROM people p CROSS JOIN LATERAL ( \
             SELECT id FROM audit_logs WHERE actor_id = p.id AND actor_name ILIKE {pattern}{narrowed} ORDER BY id DESC LIMIT {limit}) AS e \
           UNION \
           SELECT e.id FROM unnest(ARRAY[{kinds}]) AS k (kind) CROSS JOIN LATERAL ( \
             SELECT id FROM audit_logs WHERE entity_type = k.kind AND entity_type <> 'bag' \
               AND (entity_id ILIKE {pattern} OR actor_name ILIKE {pattern}){narrowed} ORDER BY id DESC LIMIT {limit}) AS e \
           WHERE (SELECT is_needed FROM more) \
           UNION \
           SELECT e.id FROM codes c CROSS JOIN LATERAL ( \
             SELECT id FROM audit_logs WHERE entity_id = c.code AND entity_type = 'bag'{narrowed} ORDER BY id DESC LIMIT {limit}) AS e \
           WHERE (SELECT count(*) FROM codes) <= {FEW} \
           UNION \
           (SELECT id FROM audit_logs WHERE {matches} \
              AND (SELECT count(*) FROM codes) > {FEW}{narrowed} ORDER BY id DESC LIMIT {limit})) "
    )
}
