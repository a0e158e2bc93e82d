//! Hand-written SQL as a diesel query that is prepared once per connection.
//!
//! Set-based statements over `UNNEST`ed arrays can't be said in diesel's query builder. Its own
//! `sql_query` never caches the prepared statement, which costs a round trip each time; this one does.

use diesel::pg::Pg;
use diesel::query_builder::{AstPass, BoxedSqlQuery, Query, QueryFragment, QueryId, SqlQuery};
use diesel::result::QueryResult;
use diesel::serialize::ToSql;
use diesel::sql_types::{HasSqlType, Untyped};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

/// A statement with `$1`, `$2`, … for the values bound in order.
#[must_use = "a statement does nothing until it is loaded or executed"]
pub struct Sql<'f>(BoxedSqlQuery<'f, Pg, SqlQuery>);

/// Starts a statement. The text must come from a bounded set: every text is cached on every connection.
pub fn sql<'f>(text: &str) -> Sql<'f> {
    Sql(diesel::sql_query(text).into_boxed())
}

impl<'f> Sql<'f> {
    /// Binds the next value.
    pub fn bind<ST, Value>(self, value: Value) -> Self
    where
        Pg: HasSqlType<ST>,
        Value: ToSql<ST, Pg> + Send + 'f,
        ST: Send + 'f,
    {
        Self(self.0.bind::<ST, Value>(value))
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
        Self(self.0.sql(text))
    }
}

impl QueryFragment<Pg> for Sql<'_> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _backend: &Pg) -> QueryResult<bool> {
        Ok(true)
    }
}

impl QueryId for Sql<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Sql<'_> {
    type SqlType = Untyped;
}

/// The row of a count, selected as `n`.
#[derive(diesel::prelude::QueryableByName)]
pub struct Counted {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
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
