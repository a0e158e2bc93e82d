//! Statistics for the dashboard: exact, and as cheap at 18 million bags as at 18 thousand.
//!
//! Reads `stat_counters`, `scan_quarters` and `scan_hours`, which database triggers maintain for
//! every kind of write. In `scan_quarters`, area 0 stands for scans without an area, and area -1
//! for all scans.

pub mod breakdown_routes;
pub mod breakdowns;
pub mod routes;

use chrono::{DateTime, DurationRound, LocalResult, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::db::ids::floor_id;
use crate::db::sql;

/// Current bags.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BagStats {
    pub total: i64,
    pub parents: i64,
    pub children: i64,
    /// Parents that are being packed.
    pub open: i64,
    /// Completed parents.
    pub completed: i64,
}

/// Scan events, including refused and undone ones.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScanStats {
    pub total: i64,
    /// Since midnight in the warehouse's time zone.
    pub today: i64,
    pub last_24h: i64,
}

/// Current bills.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BillStats {
    pub total: i64,
    pub new: i64,
    pub processing: i64,
    pub completed: i64,
}

/// Users.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserStats {
    pub total: i64,
    pub active: i64,
}

/// All totals at one point in time.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Stats {
    pub bags: BagStats,
    pub scans: ScanStats,
    pub bills: BillStats,
    pub users: UserStats,
    pub as_of: DateTime<Utc>,
}

/// Reads the totals of one dispatch area, or of all. Bills have no area, so their totals always
/// cover all bills.
///
/// # Errors
/// Fails if the database can't be read.
pub async fn totals(conn: &AsyncPgConnection, area_id: Option<i32>, time_zone: chrono_tz::Tz, now: DateTime<Utc>) -> QueryResult<Stats> {
    #[derive(QueryableByName)]
    struct Counter {
        #[diesel(sql_type = Text)]
        metric: String,
        #[diesel(sql_type = BigInt)]
        value: i64,
    }
    let day_ago = now - TimeDelta::hours(24);
    // Reads whole quarter hours from the rollup table. Only the scans between 24 hours ago and the
    // nearest quarter hour are counted one by one, and then added or subtracted.
    let quarter = TimeDelta::minutes(15);
    let began = day_ago.duration_trunc(quarter).unwrap_or(day_ago);
    let is_just_begun = day_ago - began < quarter / 2;
    let (nearest, edge) = if is_just_begun { (began, (began, day_ago)) } else { (began + quarter, (day_ago, began + quarter)) };
    let (mut a, mut b, mut c) = (conn, conn, conn);
    let counters = sql("SELECT metric, sum(value)::bigint AS value FROM stat_counters \
                        WHERE $1::integer IS NULL OR area_id = $1 OR metric LIKE 'bills%' GROUP BY metric")
    .bind::<Nullable<Integer>, _>(area_id);
    let (counters, (today, quarters), edge): (Vec<Counter>, (i64, i64), i64) = futures_util::try_join!(
        RunQueryDsl::load(counters, &mut a),
        scans_since(&mut b, (midnight(time_zone, now), nearest), area_id),
        scans_between(&mut c, edge, area_id),
    )?;
    let value = |metric: &str| counters.iter().find(|counter| counter.metric == metric).map_or(0, |counter| counter.value);
    let (children, open, completed) = (value("bags_child"), value("bags_parent_open"), value("bags_parent_completed"));
    let (new, processing, finished) = (value("bills_new"), value("bills_processing"), value("bills_completed"));
    let active = value("users_active");
    Ok(Stats {
        bags: BagStats { total: children + open + completed, parents: open + completed, children, open, completed },
        scans: ScanStats { total: value("scans"), today, last_24h: if is_just_begun { quarters - edge } else { quarters + edge } },
        bills: BillStats { total: new + processing + finished, new, processing, completed: finished },
        users: UserStats { total: active + value("users_inactive"), active },
        as_of: now,
    })
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Scans since each of two starts of quarter hours.
async fn scans_since(conn: &mut &AsyncPgConnection, (one, other): (DateTime<Utc>, DateTime<Utc>), area_id: Option<i32>) -> QueryResult<(i64, i64)> {
    #[derive(QueryableByName)]
    struct Sums {
        #[diesel(sql_type = BigInt)]
        since_one: i64,
        #[diesel(sql_type = BigInt)]
        since_other: i64,
    }
    let query = sql("SELECT coalesce(sum(count) FILTER (WHERE quarter >= $1), 0)::bigint AS since_one, \
                            coalesce(sum(count) FILTER (WHERE quarter >= $2), 0)::bigint AS since_other \
                     FROM scan_quarters WHERE area_id = coalesce($3, -1) AND quarter >= least($1, $2)")
    .bind::<Timestamptz, _>(one)
    .bind::<Timestamptz, _>(other)
    .bind::<Nullable<Integer>, _>(area_id);
    let sums: Vec<Sums> = RunQueryDsl::load(query, conn).await?;
    Ok(sums.into_iter().next().map_or((0, 0), |row| (row.since_one, row.since_other)))
}

async fn scans_between(conn: &mut &AsyncPgConnection, (from, to): (DateTime<Utc>, DateTime<Utc>), area_id: Option<i32>) -> QueryResult<i64> {
    let query = sql("SELECT count(*) AS count FROM scans WHERE id >= $1 AND id < $2 AND ($3::integer IS NULL OR dispatch_area_id = $3)")
        .bind::<SqlUuid, _>(floor_id(from))
        .bind::<SqlUuid, _>(floor_id(to))
        .bind::<Nullable<Integer>, _>(area_id);
    let counts: Vec<Count> = RunQueryDsl::load(query, conn).await?;
    Ok(counts.into_iter().next().map_or(0, |row| row.count))
}

/// The last midnight in a time zone.
fn midnight(time_zone: chrono_tz::Tz, now: DateTime<Utc>) -> DateTime<Utc> {
    midnight_of(time_zone, now.with_timezone(&time_zone).date_naive()).unwrap_or(now)
}

/// The start of a date. If clocks skip midnight, the first moment of the day.
pub fn midnight_of(time_zone: chrono_tz::Tz, date: NaiveDate) -> Option<DateTime<Utc>> {
    let candidates = [NaiveTime::MIN, NaiveTime::from_hms_opt(1, 0, 0).unwrap_or(NaiveTime::MIN)];
    candidates.iter().find_map(|time| match time_zone.from_local_datetime(&date.and_time(*time)) {
        LocalResult::Single(moment) | LocalResult::Ambiguous(moment, _) => Some(moment.with_timezone(&Utc)),
        LocalResult::None => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn midnight_is_the_warehouses() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        assert_eq!(midnight(chrono_tz::Asia::Kolkata, at("2026-11-23T18:29:59Z")), at("2026-11-22T18:30:00Z"));
        assert_eq!(midnight(chrono_tz::Asia::Kolkata, at("2026-11-23T18:30:00Z")), at("2026-11-23T18:30:00Z"));
        assert_eq!(midnight(chrono_tz::UTC, at("2026-11-23T23:59:59Z")), at("2026-11-23T00:00:00Z"));
    }
}
