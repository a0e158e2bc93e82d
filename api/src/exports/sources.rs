//! The sources of exported rows: the lists, read in chunks.

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;

use super::rows::Row;
use crate::db::list::ListSource;

/// Rows per chunk: large enough that the round trip does not matter, small enough that memory usage
/// stays flat.
const CHUNK_ROWS: i64 = 2_000;

/// A list that is read from start to end.
pub trait Source: 'static {
    /// The rows of the list.
    type Row: Row;

    /// The next rows; empty at the end.
    async fn next(&mut self, conn: &mut AsyncPgConnection) -> QueryResult<Vec<Self::Row>>;

    /// The number of rows, or `most` if there are more.
    async fn count_up_to(&self, conn: &mut AsyncPgConnection, most: i64) -> QueryResult<i64>;
}

/// The list of a filter, whose rows are written as `R`. It has no conditions of its own, so a file
/// holds the rows that the list shows.
pub struct Listed<L: ListSource, R> {
    filter: L,
    after: Option<L::Key>,
    shown_as: std::marker::PhantomData<R>,
}

impl<L: ListSource, R> Listed<L, R> {
    /// The list from its start.
    pub fn new(filter: L) -> Self {
        Self { filter, after: None, shown_as: std::marker::PhantomData }
    }
}

impl<L: ListSource, R: Row + From<L::Row>> Source for Listed<L, R> {
    type Row = R;

    async fn next(&mut self, conn: &mut AsyncPgConnection) -> QueryResult<Vec<R>> {
        let rows = self.filter.page(conn, self.after, CHUNK_ROWS).await?;
        self.after = rows.last().map(L::key).or(self.after);
        Ok(rows.into_iter().map(R::from).collect())
    }

    async fn count_up_to(&self, conn: &mut AsyncPgConnection, most: i64) -> QueryResult<i64> {
        self.filter.count_up_to(conn, most).await
    }
}
