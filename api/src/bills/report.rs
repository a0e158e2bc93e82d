//! The report of a bill: summary, parents with counts and weights, and their children.

use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Double, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use utoipa::ToSchema;

use super::model::{Bill, BillRecord, BilledBag};
use super::queries;
use crate::bag_formats::qr_code::QrCode;
use crate::db::sql;
use crate::documents::document::{Align, Cell, Column, Document, Table};

/// A child in a parent on a bill.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReportedChild {
    #[schema(value_type = String, example = "CB-000123")]
    pub qr_code: QrCode,
    /// Kilograms.
    pub weight_kg: f64,
}

/// A parent on a bill with its children.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReportedParent {
    #[serde(flatten)]
    pub bag: BilledBag,
    pub children: Vec<ReportedChild>,
}

/// The complete data of a bill, to read, print and hand over.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BillReport {
    pub bill: Bill,
    /// Sorted by code.
    pub parents: Vec<ReportedParent>,
}

/// Reads the report of a bill in two statements, whatever its size.
///
/// # Errors
/// Fails if the database can't be read.
pub async fn read(conn: &mut AsyncPgConnection, bill: BillRecord, area_id: Option<i32>) -> QueryResult<BillReport> {
    #[derive(QueryableByName)]
    struct ChildRow {
        #[diesel(sql_type = BigInt)]
        parent_id: i64,
        #[diesel(sql_type = Text)]
        qr_code: QrCode,
        #[diesel(sql_type = Double)]
        weight_kg: f64,
    }
    let mut bags = queries::bags(conn, bill.id, area_id, None, i64::from(i32::MAX)).await?;
    bags.sort_by(|a, b| a.qr_code.cmp(&b.qr_code));
    let children: Vec<ChildRow> = sql("SELECT l.parent_id, c.qr_code, f.child_weight_kg::float8 AS weight_kg \
         FROM bill_bags bb JOIN bag_links l ON l.parent_id = bb.bag_id JOIN bags p ON p.id = bb.bag_id \
         JOIN bag_formats f ON f.id = p.format_id JOIN bags c ON c.id = l.child_id \
         WHERE bb.bill_id = $1 ORDER BY l.parent_id, l.linked_at, l.child_id")
    .bind::<BigInt, _>(bill.id)
    .load(conn)
    .await?;
    let mut by_parent: std::collections::HashMap<i64, Vec<ReportedChild>> = std::collections::HashMap::new();
    for child in children {
        by_parent.entry(child.parent_id).or_default().push(ReportedChild { qr_code: child.qr_code, weight_kg: child.weight_kg });
    }
    let parents = bags.into_iter().map(|bag| ReportedParent { children: by_parent.remove(&bag.id).unwrap_or_default(), bag }).collect();
    Ok(BillReport { bill: bill.into(), parents })
}

/// The report as a document, for printing, spreadsheets and PDF.
pub fn document(report: &BillReport) -> Document {
    let bill = &report.bill;
    let text = |value: &str| Cell::Text(value.to_owned());
    let facts = vec![
        ("Destination".into(), text(&bill.destination)),
        ("Vehicle".into(), text(&bill.vehicle_number)),
        ("Status".into(), text(bill.status.as_str())),
        ("Created".into(), Cell::Time(bill.created_at)),
        ("Finished".into(), bill.finished_at.map_or(Cell::Empty, Cell::Time)),
        ("Created by".into(), Cell::maybe(bill.created_by.as_deref())),
        ("Parent bags".into(), Cell::Text(format!("{} of {}", bill.parent_bag_count, bill.expected_parent_bags))),
        ("Child bags".into(), Cell::Integer(bill.child_bag_count)),
        ("Weight, kg".into(), Cell::Decimal(bill.actual_weight_kg)),
        ("Expected weight, kg".into(), Cell::Decimal(bill.expected_weight_kg)),
        ("Difference, kg".into(), Cell::Decimal(bill.variance_kg)),
        ("Description".into(), Cell::maybe(bill.description.as_deref())),
    ];
    let parents = Table {
        name: "Parent bags".into(),
        columns: vec![
            Column::new("Parent bag", Align::Left),
            Column::new("Format", Align::Left),
            Column::new("Status", Align::Left),
            Column::new("Area", Align::Left),
            Column::new("Child bags", Align::Right),
            Column::new("Weight, kg", Align::Right),
        ],
        rows: report
            .parents
            .iter()
            .map(|parent| {
                let bag = &parent.bag;
                vec![
                    text(bag.qr_code.as_str()),
                    text(&bag.format),
                    text(bag.status.as_str()),
                    Cell::maybe(bag.dispatch_area.as_deref()),
                    Cell::Integer(bag.child_count.into()),
                    Cell::Decimal(bag.weight_kg),
                ]
            })
            .collect(),
        totals: Some(vec![
            text("Total"),
            Cell::Empty,
            Cell::Empty,
            Cell::Empty,
            Cell::Integer(report.parents.iter().map(|parent| i64::from(parent.bag.child_count)).sum()),
            Cell::Decimal(report.parents.iter().map(|parent| parent.bag.weight_kg).sum()),
        ]),
    };
    let children = Table {
        name: "Child bags".into(),
        columns: vec![Column::new("Parent bag", Align::Left), Column::new("Child bag", Align::Left), Column::new("Weight, kg", Align::Right)],
        rows: report
            .parents
            .iter()
            .flat_map(|parent| {
                let row =
                    |child: &ReportedChild| vec![text(parent.bag.qr_code.as_str()), text(child.qr_code.as_str()), Cell::Decimal(child.weight_kg)];
                parent.children.iter().map(row).collect::<Vec<_>>()
            })
            .collect(),
        totals: None,
    };
    Document {
        title: format!("Bill {}", bill.bill_number),
        file_name: format!("bill-{}", bill.bill_number.to_ascii_lowercase()),
        qr_code: Some(bill.bill_number.clone()),
        facts,
        tables: vec![parents, children],
        flat: Some(flat(report)),
        has_signatures: true,
    }
}

/// One row for each child, or one row for a parent without children, each with its parent and bill.
fn flat(report: &BillReport) -> Table {
    let bill = &report.bill;
    let text = |value: &str| Cell::Text(value.to_owned());
    let names = [
        "bill_number",
        "destination",
        "vehicle_number",
        "parent_qr_code",
        "format",
        "dispatch_area",
        "parent_weight_kg",
        "child_qr_code",
        "child_weight_kg",
    ];
    let row = |parent: &ReportedParent, child: Option<&ReportedChild>| {
        vec![
            text(&bill.bill_number),
            text(&bill.destination),
            text(&bill.vehicle_number),
            text(parent.bag.qr_code.as_str()),
            text(&parent.bag.format),
            Cell::maybe(parent.bag.dispatch_area.as_deref()),
            Cell::Decimal(parent.bag.weight_kg),
            Cell::maybe(child.map(|child| child.qr_code.as_str())),
            child.map_or(Cell::Empty, |child| Cell::Decimal(child.weight_kg)),
        ]
    };
    let rows_of = |parent: &ReportedParent| -> Vec<Vec<Cell>> {
        if parent.children.is_empty() { vec![row(parent, None)] } else { parent.children.iter().map(|child| row(parent, Some(child))).collect() }
    };
    Table {
        name: "Bill".into(),
        columns: names.iter().map(|name| Column::new(name, Align::Left)).collect(),
        rows: report.parents.iter().flat_map(rows_of).collect(),
        totals: None,
    }
}
