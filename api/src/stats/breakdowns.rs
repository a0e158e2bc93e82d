//! Scans by hour, area and person, from the rollup tables: cheap at any size.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Integer, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use utoipa::ToSchema;

use super::midnight_of;
use crate::db::sql;

/// Scans of one hour.
#[derive(Debug, Clone, Serialize, ToSchema, QueryableByName)]
pub struct HourlyScans {
    /// Start of the hour in the warehouse's time zone, as UTC.
    #[diesel(sql_type = Timestamptz)]
    pub hour: DateTime<Utc>,
    #[diesel(sql_type = BigInt)]
    pub total: i64,
    /// Parents opened.
    #[diesel(sql_type = BigInt)]
    pub parent: i64,
    /// Children scanned into parents.
    #[diesel(sql_type = BigInt)]
    pub child: i64,
    /// Bags looked up.
    #[diesel(sql_type = BigInt)]
    pub lookup: i64,
    /// Scans undone.
    #[diesel(sql_type = BigInt)]
    pub undo: i64,
}

/// The last `hours` hours up to now, oldest first, including hours without scans.
///
/// # Errors
/// Fails if the database can't be read.
pub async fn scans_per_hour(
    conn: &mut AsyncPgConnection,
    area_id: Option<i32>,
    time_zone: chrono_tz::Tz,
    now: DateTime<Utc>,
    hours: i32,
) -> QueryResult<Vec<HourlyScans>> {
    sql("WITH hours AS ( \
           SELECT h AT TIME ZONE $2 AS hour FROM generate_series( \
             date_trunc('hour', $3::timestamptz AT TIME ZONE $2) - ($4 - 1) * interval '1 hour', \
             date_trunc('hour', $3::timestamptz AT TIME ZONE $2), interval '1 hour') AS h), \
         counted AS ( \
           SELECT date_trunc('hour', s.quarter AT TIME ZONE $2) AT TIME ZONE $2 AS hour, s.kind, sum(s.count)::bigint AS count FROM scan_quarters s \
           WHERE s.area_id = coalesce($1, -1) AND s.quarter >= (SELECT min(hour) FROM hours) GROUP BY 1, 2) \
         SELECT hours.hour, coalesce(sum(c.count), 0)::bigint AS total, \
                coalesce(sum(c.count) FILTER (WHERE c.kind = 'parent'), 0)::bigint AS parent, \
                coalesce(sum(c.count) FILTER (WHERE c.kind = 'child'), 0)::bigint AS child, \
                coalesce(sum(c.count) FILTER (WHERE c.kind = 'lookup'), 0)::bigint AS lookup, \
                coalesce(sum(c.count) FILTER (WHERE c.kind = 'undo'), 0)::bigint AS undo \
         FROM hours LEFT JOIN counted c ON c.hour = hours.hour GROUP BY hours.hour ORDER BY hours.hour")
    .bind::<Nullable<Integer>, _>(area_id)
    .bind::<Text, _>(time_zone.name())
    .bind::<Timestamptz, _>(now)
    .bind::<Integer, _>(hours)
    .load(conn)
    .await
}

/// Bags and scans of one dispatch area.
#[derive(Debug, Clone, Serialize, ToSchema, QueryableByName)]
pub struct AreaStats {
    /// Code of the area; null for bags without one.
    #[schema(required, example = "Lucknow")]
    #[diesel(sql_type = Nullable<Text>)]
    pub area: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub open_parents: i64,
    #[diesel(sql_type = BigInt)]
    pub completed_parents: i64,
    #[diesel(sql_type = BigInt)]
    pub children: i64,
    /// On the requested day.
    #[diesel(sql_type = BigInt)]
    pub scans: i64,
    /// On all days.
    #[diesel(sql_type = BigInt)]
    pub scans_total: i64,
}

/// Every area with its current bags and its scans on a day.
///
/// # Errors
/// Fails if the database can't be read.
pub async fn areas(conn: &mut AsyncPgConnection, area_id: Option<i32>, day: Day) -> QueryResult<Vec<AreaStats>> {
    sql("WITH counted AS ( \
           SELECT area_id, sum(value) FILTER (WHERE metric = 'bags_parent_open') AS open_parents, \
                  sum(value) FILTER (WHERE metric = 'bags_parent_completed') AS completed_parents, \
                  sum(value) FILTER (WHERE metric = 'bags_child') AS children, sum(value) FILTER (WHERE metric = 'scans') AS scans_total \
           FROM stat_counters GROUP BY area_id), \
         places AS (SELECT id, code FROM dispatch_areas UNION ALL SELECT 0, NULL) \
         SELECT p.code AS area, coalesce(c.open_parents, 0)::bigint AS open_parents, coalesce(c.completed_parents, 0)::bigint AS completed_parents, \
                coalesce(c.children, 0)::bigint AS children, coalesce(s.scans, 0)::bigint AS scans, coalesce(c.scans_total, 0)::bigint AS scans_total \
         FROM places p LEFT JOIN counted c ON c.area_id = p.id \
         CROSS JOIN LATERAL (SELECT sum(count) AS scans FROM scan_quarters WHERE area_id = p.id AND quarter >= $2 AND quarter < $3) AS s \
         WHERE ($1 IS NULL OR p.id = $1) AND (p.id <> 0 OR c.children > 0 OR c.open_parents > 0 OR c.completed_parents > 0 OR c.scans_total > 0) \
         ORDER BY p.code NULLS LAST")
    .bind::<Nullable<Integer>, _>(area_id)
    .bind::<Timestamptz, _>(day.begins)
    .bind::<Timestamptz, _>(day.ends)
    .load(conn)
    .await
}

/// Scans of one person on a day.
#[derive(Debug, Clone, Serialize, ToSchema, QueryableByName)]
pub struct PersonStats {
    #[schema(example = 7)]
    #[diesel(sql_type = BigInt)]
    pub user_id: i64,
    #[schema(example = "asha")]
    #[diesel(sql_type = Text)]
    pub username: String,
    /// Code of the person's dispatch area.
    #[schema(required, example = "Lucknow")]
    #[diesel(sql_type = Nullable<Text>)]
    pub area: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub scans: i64,
    /// Parents opened.
    #[diesel(sql_type = BigInt)]
    pub parent: i64,
    /// Children scanned into parents.
    #[diesel(sql_type = BigInt)]
    pub child: i64,
    /// Scans undone.
    #[diesel(sql_type = BigInt)]
    pub undo: i64,
    /// Scans on the day before, for comparison.
    #[diesel(sql_type = BigInt)]
    pub scans_day_before: i64,
}

/// The scans of each person on a day, most first; optionally of one area or one person.
///
/// # Errors
/// Fails if the database can't be read.
pub async fn people(conn: &mut AsyncPgConnection, area_id: Option<i32>, user_id: Option<i64>, day: Day) -> QueryResult<Vec<PersonStats>> {
    sql("SELECT u.id AS user_id, u.username, a.code AS area, s.scans, s.parent, s.child, s.undo, s.scans_day_before FROM ( \
           SELECT user_id, coalesce(sum(count) FILTER (WHERE hour >= $3), 0)::bigint AS scans, \
                  coalesce(sum(count) FILTER (WHERE hour >= $3 AND kind = 'parent'), 0)::bigint AS parent, \
                  coalesce(sum(count) FILTER (WHERE hour >= $3 AND kind = 'child'), 0)::bigint AS child, \
                  coalesce(sum(count) FILTER (WHERE hour >= $3 AND kind = 'undo'), 0)::bigint AS undo, \
                  coalesce(sum(count) FILTER (WHERE hour < $3), 0)::bigint AS scans_day_before \
           FROM scan_hours WHERE hour >= $2 AND hour < $4 AND ($1 IS NULL OR area_id = $1) AND ($5 IS NULL OR user_id = $5) GROUP BY user_id) AS s \
         JOIN users u ON u.id = s.user_id LEFT JOIN dispatch_areas a ON a.id = u.dispatch_area_id ORDER BY s.scans DESC, u.username")
    .bind::<Nullable<Integer>, _>(area_id)
    .bind::<Timestamptz, _>(day.before_begins)
    .bind::<Timestamptz, _>(day.begins)
    .bind::<Timestamptz, _>(day.ends)
    .bind::<Nullable<BigInt>, _>(user_id)
    .load(conn)
    .await
}

/// A day in the warehouse's time zone, from midnight to midnight, and the start of the day before.
#[derive(Debug, Clone, Copy)]
pub struct Day {
    pub date: NaiveDate,
    pub before_begins: DateTime<Utc>,
    pub begins: DateTime<Utc>,
    pub ends: DateTime<Utc>,
}

impl Day {
    /// The day of a date. `None` if the database can't represent the date.
    pub fn of(time_zone: chrono_tz::Tz, date: NaiveDate) -> Option<Self> {
        let year = chrono::Datelike::year(&date);
        if !(1970..=9998).contains(&year) {
            return None;
        }
        let at = |date: NaiveDate| midnight_of(time_zone, date);
        Some(Self { date, before_begins: at(date.pred_opt()?)?, begins: at(date)?, ends: at(date.succ_opt()?)? })
    }

    /// The current day.
    pub fn today(time_zone: chrono_tz::Tz, now: DateTime<Utc>) -> Self {
        let date = now.with_timezone(&time_zone).date_naive();
        let whole = TimeDelta::days(1);
        Self::of(time_zone, date).unwrap_or(Self { date, before_begins: now - whole, begins: now, ends: now + whole })
    }
}
