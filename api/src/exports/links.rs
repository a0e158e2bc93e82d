//! Links as rows: which child is in which parent.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;

use super::format::Cell;
use super::rows::Row;
use crate::bag_formats::qr_code::QrCode;
use crate::db::list::{ListSource, PageOf};
use crate::db::sql::{Conditions, Value};

/// A child in a parent.
#[derive(Debug, Serialize, QueryableByName)]
pub struct Link {
    #[diesel(sql_type = Text)]
    pub parent_qr_code: QrCode,
    #[diesel(sql_type = Text)]
    pub child_qr_code: QrCode,
    /// Code of the parent's dispatch area.
    #[diesel(sql_type = Nullable<Text>)]
    pub dispatch_area: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    pub linked_at: DateTime<Utc>,
    /// User name of the person who linked it.
    #[diesel(sql_type = Nullable<Text>)]
    pub linked_by: Option<String>,
    /// Row id of the child: the sort key.
    #[serde(skip)]
    #[diesel(sql_type = BigInt)]
    pub child_id: i64,
}

impl Row for Link {
    const COLUMNS: &'static [&'static str] = &["parent_qr_code", "child_qr_code", "dispatch_area", "linked_at", "linked_by"];

    fn cells(&self) -> Vec<Cell<'_>> {
        vec![
            Cell::text(self.parent_qr_code.as_str()),
            Cell::text(self.child_qr_code.as_str()),
            Cell::maybe(self.dispatch_area.as_deref(), Cell::text),
            Cell::Time(self.linked_at),
            Cell::maybe(self.linked_by.as_deref(), Cell::text),
        ]
    }
}

/// The filters of links.
#[derive(Debug, Default)]
pub struct LinkFilter {
    /// Area of the parent.
    pub area_id: Option<i32>,
    pub parent: Option<QrCode>,
}

/// Columns of a [`Link`].
const SELECT: &str = "SELECT p.qr_code AS parent_qr_code, c.qr_code AS child_qr_code, \
     a.code AS dispatch_area, l.linked_at, u.username AS linked_by, l.child_id \
     FROM bag_links l JOIN bags c ON c.id = l.child_id JOIN bags p ON p.id = l.parent_id \
     LEFT JOIN dispatch_areas a ON a.id = p.dispatch_area_id LEFT JOIN users u ON u.id = l.linked_by ";

impl ListSource for LinkFilter {
    type Row = Link;
    type Key = i64;

    const FROM: &'static str = "FROM bag_links l JOIN bags p ON p.id = l.parent_id";

    fn conditions(&self) -> Conditions {
        let mut conditions = Conditions::default();
        if let Some(area_id) = self.area_id {
            conditions.and_with("p.dispatch_area_id = $", Value::Integer(area_id));
        }
        if let Some(parent) = &self.parent {
            conditions.and_with("p.qr_code = $", Value::Text(parent.to_string()));
        }
        conditions
    }

    fn key(row: &Link) -> i64 {
        row.child_id
    }

    /// Links by child.
    async fn page(&self, conn: &mut AsyncPgConnection, after: Option<i64>, limit: i64) -> QueryResult<Vec<Link>> {
        let page = PageOf { select: SELECT, column: "l.child_id", direction: "ASC", limit, has_limit_in_text: false };
        page.statement(self.conditions(), after.map(Value::BigInt)).load(conn).await
    }
}
