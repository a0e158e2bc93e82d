//! The scans of a day by hour and person, compared with the day before.

use chrono::NaiveDate;
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use serde::Serialize;
use utoipa::ToSchema;

use crate::documents::document::{Align, Cell, Column, Document, Table};
use crate::stats::breakdowns::{self, Day, HourlyScans, PersonStats};

/// Scans of a day.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DailyScansReport {
    pub date: NaiveDate,
    /// Username, if the report covers one person.
    #[schema(required, example = "asha")]
    pub person: Option<String>,
    pub scans: i64,
    pub scans_day_before: i64,
    /// Difference to the day before, in percent of it; null if the day before had no scans.
    #[schema(required, example = 12.5)]
    pub change_percent: Option<f64>,
    /// By hour of the day; only if the report covers all people.
    pub hours: Vec<HourlyScans>,
    /// Sorted by scans, most first.
    pub people: Vec<PersonStats>,
}

/// Reads the report, optionally for one area or one person.
///
/// # Errors
/// Fails if the database can't be read.
pub async fn read(
    conn: &mut AsyncPgConnection,
    area_id: Option<i32>,
    user_id: Option<i64>,
    day: Day,
    time_zone: chrono_tz::Tz,
) -> QueryResult<DailyScansReport> {
    let people = breakdowns::people(conn, area_id, user_id, day).await?;
    let hours = if user_id.is_none() {
        let hours = (day.ends - day.begins).num_hours();
        let last = day.ends - chrono::TimeDelta::seconds(1);
        breakdowns::scans_per_hour(conn, area_id, time_zone, last, i32::try_from(hours).unwrap_or(24)).await?
    } else {
        Vec::new()
    };
    let (scans, before) = (people.iter().map(|person| person.scans).sum::<i64>(), people.iter().map(|person| person.scans_day_before).sum::<i64>());
    Ok(DailyScansReport {
        date: day.date,
        person: user_id.and_then(|_| people.first().map(|person| person.username.clone())),
        scans,
        scans_day_before: before,
        change_percent: change_percent(scans, before),
        // Omit future hours: they are not hours without scans.
        hours: hours.into_iter().filter(|hour| hour.hour >= day.begins && hour.hour < day.ends).collect(),
        people,
    })
}

/// Difference in percent, with one decimal.
pub fn change_percent(now: i64, before: i64) -> Option<f64> {
    (before > 0).then(|| ((now - before) as f64 / before as f64 * 1000.0).round() / 10.0)
}

/// The report as a document.
pub fn document(report: &DailyScansReport) -> Document {
    let name = report.person.as_ref().map_or_else(String::new, |person| format!(", {person}"));
    Document {
        title: format!("Scans of {}{name}", report.date),
        file_name: format!("daily-scans-{}", report.date),
        qr_code: None,
        facts: vec![
            ("Scans".into(), Cell::Integer(report.scans)),
            ("Day before".into(), Cell::Integer(report.scans_day_before)),
            ("Change, %".into(), report.change_percent.map_or(Cell::Empty, Cell::Decimal)),
        ],
        tables: if report.hours.is_empty() {
            vec![people_table(&report.people)]
        } else {
            vec![people_table(&report.people), hours_table(&report.hours)]
        },
        flat: None,
        has_signatures: false,
    }
}

/// The table of people and their scans.
pub fn people_table(people: &[PersonStats]) -> Table {
    Table {
        name: "People".into(),
        columns: vec![
            Column::new("Person", Align::Left),
            Column::new("Area", Align::Left),
            Column::new("Scans", Align::Right),
            Column::new("Parents", Align::Right),
            Column::new("Children", Align::Right),
            Column::new("Undone", Align::Right),
            Column::new("Day before", Align::Right),
        ],
        rows: people
            .iter()
            .map(|person| {
                vec![
                    Cell::Text(person.username.clone()),
                    Cell::maybe(person.area.as_deref()),
                    Cell::Integer(person.scans),
                    Cell::Integer(person.parent),
                    Cell::Integer(person.child),
                    Cell::Integer(person.undo),
                    Cell::Integer(person.scans_day_before),
                ]
            })
            .collect(),
        totals: Some(vec![
            Cell::Text("Total".into()),
            Cell::Empty,
            Cell::Integer(people.iter().map(|person| person.scans).sum()),
            Cell::Integer(people.iter().map(|person| person.parent).sum()),
            Cell::Integer(people.iter().map(|person| person.child).sum()),
            Cell::Integer(people.iter().map(|person| person.undo).sum()),
            Cell::Integer(people.iter().map(|person| person.scans_day_before).sum()),
        ]),
    }
}

fn hours_table(hours: &[HourlyScans]) -> Table {
    Table {
        name: "Hours".into(),
        columns: vec![
            Column::new("Hour", Align::Left),
            Column::new("Scans", Align::Right),
            Column::new("Parents", Align::Right),
            Column::new("Children", Align::Right),
            Column::new("Undone", Align::Right),
        ],
        rows: hours
            .iter()
            .map(|hour| {
                vec![
                    Cell::Time(hour.hour),
                    Cell::Integer(hour.total),
                    Cell::Integer(hour.parent),
                    Cell::Integer(hour.child),
                    Cell::Integer(hour.undo),
                ]
            })
            .collect(),
        totals: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_needs_something_to_change_from() {
        assert_eq!(change_percent(9, 8), Some(12.5));
        assert_eq!(change_percent(0, 8), Some(-100.0));
        assert_eq!(change_percent(5, 0), None);
    }
}
