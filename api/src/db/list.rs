//! One filter type per resource: it serves the list, its count, the search and the export, so that
//! none of them can find other rows than the others.

use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::sql::{Conditions, Counted, Value};

/// The rows that match a filter, in the default order of their list.
pub trait ListSource: 'static {
    /// A row as it is read.
    type Row;
    /// The sort key of a row.
    type Key: Copy;

    /// The tables that [`Self::conditions`] refers to: `FROM …`, without a `WHERE`.
    const FROM: &'static str;

    /// All conditions of the filter.
    fn conditions(&self) -> Conditions;

    /// The sort key of a row, with which the page after it begins.
    fn key(row: &Self::Row) -> Self::Key;

    /// The next rows, after the row with this key; at most `limit`.
    fn page(&self, conn: &mut AsyncPgConnection, after: Option<Self::Key>, limit: i64) -> impl Future<Output = QueryResult<Vec<Self::Row>>>;

    /// The number of rows, or `most` if there are more.
    fn count_up_to(&self, conn: &mut AsyncPgConnection, most: i64) -> impl Future<Output = QueryResult<i64>> {
        async move {
            let mut conditions = self.conditions();
            let limit = conditions.place(Value::BigInt(most));
            let (from, text) = (Self::FROM, conditions.text());
            let rows = format!("SELECT {from} WHERE true{text} LIMIT {limit}");
            let count = format!("SELECT count(*) AS n FROM ({rows}) AS counted");
            number(conn, conditions, &count).await
        }
    }
}

/// The number of rows that match the conditions.
///
/// # Errors
/// Fails if the database can't be read.
pub async fn count_all(conn: &mut AsyncPgConnection, from: &str, conditions: Conditions) -> QueryResult<i64> {
    let count = format!("SELECT count(*) AS n {from} WHERE true{}", conditions.text());
    number(conn, conditions, &count).await
}

async fn number(conn: &mut AsyncPgConnection, conditions: Conditions, statement: &str) -> QueryResult<i64> {
    let rows: Vec<Counted> = conditions.statement(statement).load(conn).await?;
    Ok(rows.into_iter().next().map_or(0, |row| row.n))
}

/// Reads a page: `select` with the conditions, an order by one column, and a limit.
#[derive(Debug, Clone, Copy)]
pub struct PageOf<'a> {
    pub select: &'a str,
    /// The column that the list is sorted by.
    pub column: &'a str,
    /// `DESC` or `ASC`.
    pub direction: &'a str,
    pub limit: i64,
    /// Whether the limit stands in the text, as [`super::sql::limit_in_text`] explains.
    pub has_limit_in_text: bool,
}

impl PageOf<'_> {
    /// The statement of the page after the row with the sort key `after`.
    pub fn statement(self, mut conditions: Conditions, after: Option<Value>) -> super::sql::Sql<'static> {
        let Self { select, column, direction, limit, has_limit_in_text } = self;
        let comparison = if direction == "DESC" { "<" } else { ">" };
        if let Some(after) = after {
            conditions.and_with(&format!("{column} {comparison} $"), after);
        }
        let text = conditions.text().to_owned();
        let limit = match has_limit_in_text {
            true => super::sql::limit_in_text(limit).to_string(),
            false => conditions.place(Value::BigInt(limit)),
        };
        let order = format!("ORDER BY {column} {direction} LIMIT {limit}");
        conditions.statement(&format!("{select}WHERE true{text} {order}"))
    }
}
