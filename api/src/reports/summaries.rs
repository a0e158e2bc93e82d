//! Summaries over days: bills with their variance, areas, people, and the end of a day.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Date, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use utoipa::ToSchema;

use super::daily::{change_percent, people_table};
use crate::bills::model::Bill;
use crate::bills::queries::{self as bill_queries, BillFilter};
use crate::db::sql;
use crate::documents::document::{Align, Cell, Column, Document, Table};
use crate::stats::breakdowns::{self, AreaStats, Day, PersonStats};

/// Maximum number of bills in a summary. Its totals cover only these bills.
const MAX_BILLS: i64 = 5_000;

/// A range of days, both ends inclusive.
#[derive(Debug, Clone, Copy)]
pub struct Days {
    pub from: Day,
    pub to: Day,
}

/// Bills created in a range of days.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BillSummaryReport {
    pub from: NaiveDate,
    pub to: NaiveDate,
    pub bill_count: usize,
    pub completed_count: usize,
    pub parent_bag_count: i64,
    pub child_bag_count: i64,
    pub actual_weight_kg: f64,
    pub expected_weight_kg: f64,
    /// Actual − expected, in kilograms.
    pub variance_kg: f64,
    /// Newest first; at most 5,000.
    pub bills: Vec<Bill>,
}

/// Reads the bills created in a range of days.
///
/// # Errors
/// Fails if the database can't be read.
pub async fn bill_summary(conn: &mut AsyncPgConnection, days: Days) -> QueryResult<BillSummaryReport> {
    let filter = BillFilter { created_after: Some(days.from.begins), created_before: Some(days.to.ends), ..BillFilter::default() };
    let bills: Vec<Bill> = bill_queries::list(conn, &filter, None, MAX_BILLS).await?.into_iter().map(Bill::from).collect();
    let grams = |value: f64| (value * 1e3).round() / 1e3;
    let (actual, expected) =
        (bills.iter().map(|bill| bill.actual_weight_kg).sum::<f64>(), bills.iter().map(|bill| bill.expected_weight_kg).sum::<f64>());
    Ok(BillSummaryReport {
        from: days.from.date,
        to: days.to.date,
        bill_count: bills.len(),
        completed_count: bills.iter().filter(|bill| bill.finished_at.is_some()).count(),
        parent_bag_count: bills.iter().map(|bill| bill.parent_bag_count).sum(),
        child_bag_count: bills.iter().map(|bill| bill.child_bag_count).sum(),
        actual_weight_kg: grams(actual),
        expected_weight_kg: grams(expected),
        variance_kg: grams(actual - expected),
        bills,
    })
}

/// The summary as a document.
pub fn bill_summary_document(report: &BillSummaryReport) -> Document {
    Document {
        title: format!("Bills, {} to {}", report.from, report.to),
        file_name: format!("bill-summary-{}-{}", report.from, report.to),
        qr_code: None,
        facts: vec![
            ("Bills".into(), Cell::Integer(report.bill_count as i64)),
            ("Finished".into(), Cell::Integer(report.completed_count as i64)),
            ("Parent bags".into(), Cell::Integer(report.parent_bag_count)),
            ("Child bags".into(), Cell::Integer(report.child_bag_count)),
            ("Weight, kg".into(), Cell::Decimal(report.actual_weight_kg)),
            ("Difference, kg".into(), Cell::Decimal(report.variance_kg)),
        ],
        tables: vec![bills_table(&report.bills)],
        flat: None,
        has_signatures: false,
    }
}

fn bills_table(bills: &[Bill]) -> Table {
    Table {
        name: "Bills".into(),
        columns: vec![
            Column::new("Bill", Align::Left),
            Column::new("Destination", Align::Left),
            Column::new("Vehicle", Align::Left),
            Column::new("Status", Align::Left),
            Column::new("Created", Align::Left),
            Column::new("Parents", Align::Right),
            Column::new("Weight, kg", Align::Right),
            Column::new("Difference, kg", Align::Right),
        ],
        rows: bills
            .iter()
            .map(|bill| {
                vec![
                    Cell::Text(bill.bill_number.clone()),
                    Cell::Text(bill.destination.clone()),
                    Cell::Text(bill.vehicle_number.clone()),
                    Cell::Text(bill.status.to_string()),
                    Cell::Time(bill.created_at),
                    Cell::Integer(bill.parent_bag_count),
                    Cell::Decimal(bill.actual_weight_kg),
                    Cell::Decimal(bill.variance_kg),
                ]
            })
            .collect(),
        totals: None,
    }
}

/// Bags and scans of the dispatch areas on a day.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DispatchAreaReport {
    pub date: NaiveDate,
    pub areas: Vec<AreaStats>,
}

/// Reads the areas.
///
/// # Errors
/// Fails if the database can't be read.
pub async fn dispatch_areas(conn: &mut AsyncPgConnection, day: Day) -> QueryResult<DispatchAreaReport> {
    Ok(DispatchAreaReport { date: day.date, areas: breakdowns::areas(conn, None, day).await? })
}

/// The areas as a document.
pub fn dispatch_area_document(report: &DispatchAreaReport) -> Document {
    Document {
        title: format!("Dispatch areas, {}", report.date),
        file_name: format!("dispatch-areas-{}", report.date),
        qr_code: None,
        facts: vec![("Scans".into(), Cell::Integer(report.areas.iter().map(|area| area.scans).sum()))],
        tables: vec![areas_table(&report.areas)],
        flat: None,
        has_signatures: false,
    }
}

fn areas_table(areas: &[AreaStats]) -> Table {
    Table {
        name: "Areas".into(),
        columns: vec![
            Column::new("Area", Align::Left),
            Column::new("Being packed", Align::Right),
            Column::new("Completed", Align::Right),
            Column::new("Child bags", Align::Right),
            Column::new("Scans", Align::Right),
            Column::new("Total scans", Align::Right),
        ],
        rows: areas
            .iter()
            .map(|area| {
                vec![
                    Cell::Text(area.area.clone().unwrap_or_else(|| "No area".into())),
                    Cell::Integer(area.open_parents),
                    Cell::Integer(area.completed_parents),
                    Cell::Integer(area.children),
                    Cell::Integer(area.scans),
                    Cell::Integer(area.scans_total),
                ]
            })
            .collect(),
        totals: None,
    }
}

/// Activity of one person in a range of days.
#[derive(Debug, Clone, Serialize, ToSchema, QueryableByName)]
pub struct UserActivity {
    #[schema(example = 7)]
    #[diesel(sql_type = BigInt)]
    pub user_id: i64,
    #[schema(example = "asha")]
    #[diesel(sql_type = Text)]
    pub username: String,
    /// Days with at least one scan.
    #[diesel(sql_type = BigInt)]
    pub active_days: i64,
    #[diesel(sql_type = BigInt)]
    pub scans: i64,
    #[diesel(sql_type = BigInt)]
    pub undone: i64,
    /// Number of bills created.
    #[diesel(sql_type = BigInt)]
    pub bills: i64,
    #[schema(required)]
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub last_login_at: Option<DateTime<Utc>>,
    /// The day with the most scans.
    #[schema(required)]
    #[diesel(sql_type = Nullable<Date>)]
    pub busiest_day: Option<NaiveDate>,
}

/// Activity of people in a range of days.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct UserActivityReport {
    pub from: NaiveDate,
    pub to: NaiveDate,
    /// Sorted by scans, most first. Only people with activity.
    pub people: Vec<UserActivity>,
}

/// Reads the activity of people.
///
/// # Errors
/// Fails if the database can't be read.
pub async fn user_activity(conn: &mut AsyncPgConnection, days: Days, time_zone: chrono_tz::Tz) -> QueryResult<UserActivityReport> {
    let people = sql("WITH daily AS ( \
           SELECT user_id, (hour AT TIME ZONE $3)::date AS day, sum(count) AS scans, sum(count) FILTER (WHERE kind = 'undo') AS undone \
           FROM scan_hours WHERE hour >= $1 AND hour < $2 GROUP BY 1, 2), \
         scanned AS ( \
           SELECT user_id, count(*) AS active_days, sum(scans)::bigint AS scans, coalesce(sum(undone), 0)::bigint AS undone, \
                  (array_agg(day ORDER BY scans DESC, day))[1] AS busiest_day FROM daily GROUP BY user_id), \
         billed AS (SELECT created_by AS user_id, count(*) AS bills FROM bills WHERE created_at >= $1 AND created_at < $2 GROUP BY created_by) \
         SELECT u.id AS user_id, u.username, coalesce(s.active_days, 0) AS active_days, coalesce(s.scans, 0)::bigint AS scans, \
                coalesce(s.undone, 0)::bigint AS undone, coalesce(b.bills, 0) AS bills, u.last_login_at, s.busiest_day \
         FROM users u LEFT JOIN scanned s ON s.user_id = u.id LEFT JOIN billed b ON b.user_id = u.id \
         WHERE s.user_id IS NOT NULL OR b.user_id IS NOT NULL ORDER BY scans DESC, bills DESC, u.username")
    .bind::<Timestamptz, _>(days.from.begins)
    .bind::<Timestamptz, _>(days.to.ends)
    .bind::<Text, _>(time_zone.name())
    .load(conn)
    .await?;
    Ok(UserActivityReport { from: days.from.date, to: days.to.date, people })
}

/// The activity of people as a document.
pub fn user_activity_document(report: &UserActivityReport) -> Document {
    let table = Table {
        name: "People".into(),
        columns: vec![
            Column::new("Person", Align::Left),
            Column::new("Days", Align::Right),
            Column::new("Scans", Align::Right),
            Column::new("Undone", Align::Right),
            Column::new("Bills", Align::Right),
            Column::new("Busiest day", Align::Left),
            Column::new("Last sign-in", Align::Left),
        ],
        rows: report
            .people
            .iter()
            .map(|person| {
                vec![
                    Cell::Text(person.username.clone()),
                    Cell::Integer(person.active_days),
                    Cell::Integer(person.scans),
                    Cell::Integer(person.undone),
                    Cell::Integer(person.bills),
                    person.busiest_day.map_or(Cell::Empty, |day| Cell::Text(day.to_string())),
                    person.last_login_at.map_or(Cell::Empty, Cell::Time),
                ]
            })
            .collect(),
        totals: None,
    };
    Document {
        title: format!("People, {} to {}", report.from, report.to),
        file_name: format!("user-activity-{}-{}", report.from, report.to),
        qr_code: None,
        facts: vec![
            ("People".into(), Cell::Integer(report.people.len() as i64)),
            ("Scans".into(), Cell::Integer(report.people.iter().map(|person| person.scans).sum())),
        ],
        tables: vec![table],
        flat: None,
        has_signatures: false,
    }
}

/// A whole day on one page.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EndOfDayReport {
    pub date: NaiveDate,
    pub scans: i64,
    pub scans_day_before: i64,
    /// Difference to the day before, in percent of it; null if the day before had no scans.
    #[schema(required, example = 12.5)]
    pub change_percent: Option<f64>,
    pub areas: Vec<AreaStats>,
    pub people: Vec<PersonStats>,
    pub bills: BillSummaryReport,
}

/// Reads a whole day.
///
/// # Errors
/// Fails if the database can't be read.
pub async fn end_of_day(conn: &mut AsyncPgConnection, day: Day) -> QueryResult<EndOfDayReport> {
    let areas = breakdowns::areas(conn, None, day).await?;
    let people = breakdowns::people(conn, None, None, day).await?;
    let bills = bill_summary(conn, Days { from: day, to: day }).await?;
    let (scans, before) = (people.iter().map(|person| person.scans).sum(), people.iter().map(|person| person.scans_day_before).sum());
    Ok(EndOfDayReport { date: day.date, scans, scans_day_before: before, change_percent: change_percent(scans, before), areas, people, bills })
}

/// A whole day as a document.
pub fn end_of_day_document(report: &EndOfDayReport) -> Document {
    Document {
        title: format!("End of day, {}", report.date),
        file_name: format!("end-of-day-{}", report.date),
        qr_code: None,
        facts: vec![
            ("Scans".into(), Cell::Integer(report.scans)),
            ("Day before".into(), Cell::Integer(report.scans_day_before)),
            ("Change, %".into(), report.change_percent.map_or(Cell::Empty, Cell::Decimal)),
            ("Bills".into(), Cell::Integer(report.bills.bill_count as i64)),
            ("Finished".into(), Cell::Integer(report.bills.completed_count as i64)),
            ("Weight, kg".into(), Cell::Decimal(report.bills.actual_weight_kg)),
            ("Difference, kg".into(), Cell::Decimal(report.bills.variance_kg)),
        ],
        tables: vec![areas_table(&report.areas), people_table(&report.people), bills_table(&report.bills.bills)],
        flat: None,
        has_signatures: false,
    }
}
