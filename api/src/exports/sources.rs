//! The sources of exported rows: the lists, read in chunks.

use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::BigInt;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::audit_logs::{self, AuditFilter, AuditRow};
use super::links::{self, Link, LinkFilter};
use super::rows::Row;
use crate::bags;
use crate::bags::model::Bag;
use crate::bags::queries::BagFilter;
use crate::bills;
use crate::bills::model::Bill;
use crate::bills::queries::BillFilter;
use crate::db::sql;
use crate::db::sql::Sql;
use crate::scans;
use crate::scans::model::Scan;
use crate::scans::queries::ScanFilter;
use crate::users;
use crate::users::model::User;
use crate::users::queries::UserFilter;

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

/// Starts a count. The planner omits the joins that only the columns of `select` need.
fn counting(select: &str) -> String {
    format!("SELECT count(*) AS n FROM ({select}")
}

async fn count(conn: &mut AsyncPgConnection, (query, places): (Sql<'static>, usize), most: i64) -> QueryResult<i64> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let rows: Vec<Count> = query.sql(&format!(" LIMIT ${}) AS counted", places + 1)).bind::<BigInt, _>(most).load(conn).await?;
    Ok(rows.iter().map(|row| row.n).sum())
}

/// Bags, newest first.
pub struct Bags {
    pub filter: BagFilter,
    pub before: Option<i64>,
}

impl Source for Bags {
    type Row = Bag;

    async fn next(&mut self, conn: &mut AsyncPgConnection) -> QueryResult<Vec<Bag>> {
        let rows = bags::queries::list(conn, &self.filter, self.before, CHUNK_ROWS).await?;
        self.before = rows.last().and_then(|bag| bag.id).or(self.before);
        Ok(rows.into_iter().map(Bag::from).collect())
    }

    async fn count_up_to(&self, conn: &mut AsyncPgConnection, most: i64) -> QueryResult<i64> {
        count(conn, bags::queries::narrowed(&counting(bags::queries::SELECT), &self.filter, None), most).await
    }
}

/// Links, by child.
pub struct Links {
    pub filter: LinkFilter,
    pub after: Option<i64>,
}

impl Source for Links {
    type Row = Link;

    async fn next(&mut self, conn: &mut AsyncPgConnection) -> QueryResult<Vec<Link>> {
        let rows = links::list(conn, &self.filter, self.after, CHUNK_ROWS).await?;
        self.after = rows.last().map(|link| link.child_id).or(self.after);
        Ok(rows)
    }

    async fn count_up_to(&self, conn: &mut AsyncPgConnection, most: i64) -> QueryResult<i64> {
        count(conn, links::narrowed(&counting(links::SELECT), &self.filter, None), most).await
    }
}

/// Bills, newest first.
pub struct Bills {
    pub filter: BillFilter,
    pub before: Option<i64>,
}

impl Source for Bills {
    type Row = Bill;

    async fn next(&mut self, conn: &mut AsyncPgConnection) -> QueryResult<Vec<Bill>> {
        let rows = bills::queries::list(conn, &self.filter, self.before, CHUNK_ROWS).await?;
        self.before = rows.last().map(|bill| bill.id).or(self.before);
        Ok(rows.into_iter().map(Bill::from).collect())
    }

    async fn count_up_to(&self, conn: &mut AsyncPgConnection, most: i64) -> QueryResult<i64> {
        count(conn, bills::queries::narrowed(&counting("SELECT b.id FROM bills b "), &self.filter, None), most).await
    }
}

/// Scans, newest first.
pub struct Scans {
    pub filter: ScanFilter,
    pub before: Option<Uuid>,
}

impl Source for Scans {
    type Row = Scan;

    async fn next(&mut self, conn: &mut AsyncPgConnection) -> QueryResult<Vec<Scan>> {
        let rows = scans::queries::list(conn, &self.filter, self.before, CHUNK_ROWS).await?;
        self.before = rows.last().map(|scan| scan.id).or(self.before);
        Ok(rows)
    }

    async fn count_up_to(&self, conn: &mut AsyncPgConnection, most: i64) -> QueryResult<i64> {
        count(conn, scans::queries::narrowed(&counting("SELECT s.id FROM scans s "), &self.filter, None), most).await
    }
}

/// Audit entries, newest first.
pub struct AuditLogs {
    pub filter: AuditFilter,
    pub before: Option<Uuid>,
}

impl Source for AuditLogs {
    type Row = AuditRow;

    async fn next(&mut self, conn: &mut AsyncPgConnection) -> QueryResult<Vec<AuditRow>> {
        let rows = audit_logs::list(conn, &self.filter, self.before, CHUNK_ROWS).await?;
        self.before = rows.last().map(|entry| entry.id).or(self.before);
        Ok(rows)
    }

    async fn count_up_to(&self, conn: &mut AsyncPgConnection, most: i64) -> QueryResult<i64> {
        count(conn, audit_logs::narrowed(&counting("SELECT l.id FROM audit_logs l "), &self.filter, None), most).await
    }
}

/// Users, by id.
pub struct Users {
    pub filter: UserFilter,
    pub after: Option<i64>,
}

impl Source for Users {
    type Row = User;

    async fn next(&mut self, conn: &mut AsyncPgConnection) -> QueryResult<Vec<User>> {
        let rows = users::queries::list(conn, &self.filter, self.after, CHUNK_ROWS).await?;
        self.after = rows.last().map(|user| user.id.0).or(self.after);
        Ok(rows)
    }

    /// Counts all users: there are never so many that a filter would matter.
    async fn count_up_to(&self, conn: &mut AsyncPgConnection, most: i64) -> QueryResult<i64> {
        count(conn, (sql(&counting("SELECT id FROM users")), 0), most).await
    }
}
