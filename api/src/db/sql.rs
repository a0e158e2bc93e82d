//! Hand-written SQL as a diesel query that is prepared once per connection.
//!
//! diesel's query builder can't express set-based statements over `UNNEST`ed arrays. Its own
//! `sql_query` never caches the prepared statement, which costs a round trip on every call; this
//! one does.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, BoxedSqlQuery, Query, QueryFragment, QueryId, SqlQuery};
use diesel::result::QueryResult;
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, HasSqlType, Integer, Text, Timestamptz, Untyped, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

/// A statement with `$1`, `$2`, … for the values bound in order.
#[must_use = "a statement does nothing until it is loaded or executed"]
pub struct Sql<'f> {
    query: BoxedSqlQuery<'f, Pg, SqlQuery>,
    is_planned_once: bool,
}

/// Starts a statement. The text must come from a bounded set, because every connection caches every
/// text.
pub fn sql<'f>(text: &str) -> Sql<'f> {
    Sql { query: diesel::sql_query(text).into_boxed(), is_planned_once: true }
}

impl<'f> Sql<'f> {
    /// Binds the next value.
    pub fn bind<ST, Value>(self, value: Value) -> Self
    where
        Pg: HasSqlType<ST>,
        Value: ToSql<ST, Pg> + Send + 'f,
        ST: Send + 'f,
    {
        Self { query: self.query.bind::<ST, Value>(value), ..self }
    }

    /// Runs the statement and returns the number of affected rows.
    ///
    /// # Errors
    /// Propagates the error of the database.
    pub async fn execute_on(self, conn: &mut AsyncPgConnection) -> QueryResult<usize> {
        RunQueryDsl::execute(self, conn).await
    }

    /// Appends text.
    pub fn sql(self, text: &str) -> Self {
        Self { query: self.query.sql(text), ..self }
    }

    /// Disables the prepared statement, so that the database plans each call for its values. Use it
    /// if a generic plan would be a bad one for some values. It costs the planning time.
    pub fn planned_anew(self) -> Self {
        Self { is_planned_once: false, ..self }
    }
}

impl QueryFragment<Pg> for Sql<'_> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.query.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _backend: &Pg) -> QueryResult<bool> {
        Ok(self.is_planned_once)
    }
}

impl QueryId for Sql<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Sql<'_> {
    type SqlType = Untyped;
}

/// A value that a condition compares with.
#[derive(Debug, Clone)]
pub enum Value {
    Integer(i32),
    BigInt(i64),
    Text(String),
    Time(DateTime<Utc>),
    Uuid(Uuid),
}

/// The conditions of a WHERE clause and their values, for statements that use them more than once.
#[derive(Debug, Default, Clone)]
pub struct Conditions {
    text: String,
    values: Vec<Value>,
}

impl Conditions {
    /// Adds a condition without a value.
    pub fn and(&mut self, condition: &str) {
        self.text.push_str(" AND ");
        self.text.push_str(condition);
    }

    /// Adds a condition. Every `$` in it stands for the value.
    pub fn and_with(&mut self, condition: &str, value: Value) {
        let place = self.place(value);
        self.and(&condition.replace('$', &place));
    }

    /// Binds a value that belongs to no condition, and returns its placeholder: `$3`.
    pub fn place(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }

    /// ` AND …` for each condition.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The number of bound values.
    pub fn places(&self) -> usize {
        self.values.len()
    }

    /// Builds a statement and binds these values to its placeholders.
    pub fn statement(self, text: &str) -> Sql<'static> {
        self.values.into_iter().fold(sql(text), |query, value| match value {
            Value::Integer(value) => query.bind::<Integer, _>(value),
            Value::BigInt(value) => query.bind::<BigInt, _>(value),
            Value::Text(value) => query.bind::<Text, _>(value),
            Value::Time(value) => query.bind::<Timestamptz, _>(value),
            Value::Uuid(value) => query.bind::<SqlUuid, _>(value),
        })
    }
}

/// The limits that may appear in statement texts. There are few, because every text is cached with
/// its plan.
const LIMITS: [i64; 5] = [11, 26, 51, 101, 201];

/// The limit to inline into a statement text: at least the wanted number of rows; the caller
/// truncates the rest. For a parameter in its place, the planner would expect a tenth of the table,
/// so it would plan every call again, which takes longer than reading a page.
pub fn limit_in_text(wanted: i64) -> i64 {
    LIMITS.into_iter().find(|limit| wanted <= *limit).unwrap_or(wanted)
}

/// The first `wanted` rows of those that a statement with [`limit_in_text`] returned.
pub fn cut<T>(mut rows: Vec<T>, wanted: i64) -> Vec<T> {
    rows.truncate(usize::try_from(wanted).unwrap_or_default());
    rows
}

/// The row of a count, selected as `n`.
#[derive(diesel::prelude::QueryableByName)]
pub struct Counted {
    #[diesel(sql_type = BigInt)]
    pub n: i64,
}

/// Escapes `%`, `_` and `\` in text for a LIKE pattern.
pub fn escape_like(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
