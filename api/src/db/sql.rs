//! Hand-written SQL as a diesel query that is prepared once per connection.
//!
//! Set-based statements over `UNNEST`ed arrays can't be said in diesel's query builder. Its own
//! `sql_query` never caches the prepared statement, which costs a round trip each time; this one does.

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

/// Starts a statement. The text must come from a bounded set: every text is cached on every connection.
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

    /// Runs it and counts the rows it touched.
    ///
    /// # Errors
    /// What the database says.
    pub async fn execute_on(self, conn: &mut AsyncPgConnection) -> QueryResult<usize> {
        RunQueryDsl::execute(self, conn).await
    }

    /// Appends text.
    pub fn sql(self, text: &str) -> Self {
        Self { query: self.query.sql(text), ..self }
    }

    /// Has it planned for its values each time, where a plan for any value would be a bad one for some. Costs the planning.
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

/// Conditions of a WHERE clause with the values they compare with, for statements that need them more than once.
#[derive(Debug, Default, Clone)]
pub struct Conditions {
    text: String,
    values: Vec<Value>,
}

impl Conditions {
    /// Adds a condition without a value of its own.
    pub fn and(&mut self, condition: &str) {
        self.text.push_str(" AND ");
        self.text.push_str(condition);
    }

    /// Adds a condition; `$` in it stands for the value, everywhere.
    pub fn and_with(&mut self, condition: &str, value: Value) {
        let place = self.place(value);
        self.and(&condition.replace('$', &place));
    }

    /// Where a value that is no condition's stands in the statement: `$3`.
    pub fn place(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }

    /// ` AND …` for each condition.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many values are bound.
    pub fn places(&self) -> usize {
        self.values.len()
    }

    /// A statement whose places these values fill.
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

/// Limits as they stand in the texts of statements: few, because every text is kept with its plan.
const LIMITS: [i64; 5] = [11, 26, 51, 101, 201];

/// The limit for the text of a statement: as many rows as are wanted, or some more, to be cut off. Of a parameter in its place
/// the planner expects a tenth of the table, so it would plan every call anew, which takes longer than to read a page.
pub fn limit_in_text(wanted: i64) -> i64 {
    LIMITS.into_iter().find(|limit| wanted <= *limit).unwrap_or(wanted)
}

/// The first `wanted` rows of those that a statement with [`limit_in_text`] read.
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

/// Takes the meaning from `%`, `_` and `\` in text that goes into a LIKE pattern.
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
