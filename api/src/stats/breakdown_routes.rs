//! The HTTP API of statistics by hour, area and person, and of the most recent scans.

use actix_web::{HttpRequest, Responder, get, web};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use super::breakdowns::{self, AreaStats, Day, HourlyScans, PersonStats};
use crate::cache::{Freshness, Topic};
use crate::error::{Error, ErrorCode, FieldError, Result};
use crate::http::etag::Tagged;
use crate::http::query::Query;
use crate::http::responses::{Always, SignedIn, WithQuery};
use crate::identity::Caller;
use crate::scans::model::Scan;
use crate::scans::queries::{self, ScanFilter};
use crate::state::AppState;

/// The number of hours.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HoursQuery {
    /// 1 to 168, by default 24; the current hour is the last.
    #[param(minimum = 1, maximum = 168, default = 24)]
    pub hours: Option<i32>,
}

/// The day.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DayQuery {
    /// A date in the warehouse's time zone; today by default.
    #[param(example = "2026-11-24")]
    pub date: Option<NaiveDate>,
}

/// The number of scans.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RecentQuery {
    /// 1 to 100, by default 20.
    #[param(minimum = 1, maximum = 100, default = 20)]
    pub limit: Option<i64>,
}

/// Scans by hour.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScansPerHour {
    /// Oldest first, without gaps.
    pub data: Vec<HourlyScans>,
    pub as_of: DateTime<Utc>,
}

/// Bags and scans by area.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatsByArea {
    pub date: NaiveDate,
    pub data: Vec<AreaStats>,
    pub as_of: DateTime<Utc>,
}

/// Scans by person.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatsByPerson {
    pub date: NaiveDate,
    /// Sorted by scans, most first.
    pub data: Vec<PersonStats>,
    pub as_of: DateTime<Utc>,
}

/// The most recent scans.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecentScans {
    /// Newest first.
    pub data: Vec<Scan>,
    pub as_of: DateTime<Utc>,
}

/// Show scans by hour.
#[utoipa::path(
    operation_id = "get_scans_per_hour", tag = "stats", params(HoursQuery),
    responses((status = 304, description = "Unchanged since the `ETag` in If-None-Match"),
              (status = 200, description = "One row per hour; dispatchers see their own area", body = ScansPerHour), Always, SignedIn, WithQuery),
)]
#[get("/stats/scans-per-hour")]
pub async fn get_scans_per_hour(caller: Caller, state: web::Data<AppState>, req: HttpRequest, query: Query<HoursQuery>) -> Result<impl Responder> {
    let hours = query.0.hours.unwrap_or(24);
    within("hours", i64::from(hours), 168)?;
    let area_id = caller.own_area_only();
    let make = async {
        let now = Utc::now();
        let data = breakdowns::scans_per_hour(&mut *state.pool.get().await?, area_id, state.config.time_zone, now, hours).await?;
        let answer = ScansPerHour { data, as_of: now };
        Tagged::as_of(&answer, &answer.data)
    };
    let answer = state.cache.answer(Topic::Stats, &format!("hours:{area_id:?}:{hours}"), Freshness::of(&req, caller.person()), make).await?;
    Ok(answer.respond(&req))
}

/// Show bags and scans by dispatch area.
#[utoipa::path(
    operation_id = "get_stats_by_area", tag = "stats", params(DayQuery),
    responses((status = 304, description = "Unchanged since the `ETag` in If-None-Match"),
              (status = 200, description = "One row per area; dispatchers see their own", body = StatsByArea), Always, SignedIn, WithQuery),
)]
#[get("/stats/areas")]
pub async fn get_stats_by_area(caller: Caller, state: web::Data<AppState>, req: HttpRequest, query: Query<DayQuery>) -> Result<impl Responder> {
    let day = day(&state, query.0.date)?;
    let area_id = caller.own_area_only();
    let make = async {
        let as_of = Utc::now();
        let data = breakdowns::areas(&mut *state.pool.get().await?, area_id, day).await?;
        let answer = StatsByArea { date: day.date, data, as_of };
        Tagged::as_of(&answer, &answer.data)
    };
    let answer = state.cache.answer(Topic::Stats, &format!("areas:{area_id:?}:{}", day.date), Freshness::of(&req, caller.person()), make).await?;
    Ok(answer.respond(&req))
}

/// Show scans by person.
#[utoipa::path(
    operation_id = "get_stats_by_person", tag = "stats", params(DayQuery),
    responses((status = 304, description = "Unchanged since the `ETag` in If-None-Match"),
              (status = 200, description = "One row per person with scans on that day or the day before; dispatchers see their own area", body = StatsByPerson),
              Always, SignedIn, WithQuery),
)]
#[get("/stats/people")]
pub async fn get_stats_by_person(caller: Caller, state: web::Data<AppState>, req: HttpRequest, query: Query<DayQuery>) -> Result<impl Responder> {
    let day = day(&state, query.0.date)?;
    let area_id = caller.own_area_only();
    let make = async {
        let as_of = Utc::now();
        let data = breakdowns::people(&mut *state.pool.get().await?, area_id, None, day).await?;
        let answer = StatsByPerson { date: day.date, data, as_of };
        Tagged::as_of(&answer, &answer.data)
    };
    let answer = state.cache.answer(Topic::Stats, &format!("people:{area_id:?}:{}", day.date), Freshness::of(&req, caller.person()), make).await?;
    Ok(answer.respond(&req))
}

/// Show the most recent scans.
#[utoipa::path(
    operation_id = "get_recent_scans", tag = "stats", params(RecentQuery),
    responses((status = 304, description = "Unchanged since the `ETag` in If-None-Match"),
              (status = 200, description = "Newest first; dispatchers see their own area", body = RecentScans), Always, SignedIn, WithQuery),
)]
#[get("/stats/recent")]
pub async fn get_recent_scans(caller: Caller, state: web::Data<AppState>, req: HttpRequest, query: Query<RecentQuery>) -> Result<impl Responder> {
    let limit = query.0.limit.unwrap_or(20);
    within("limit", limit, 100)?;
    let filter = ScanFilter { area_id: caller.own_area_only(), ..ScanFilter::default() };
    let make = async {
        let as_of = Utc::now();
        let data = queries::list(&mut *state.pool.get().await?, &filter, None, limit).await?;
        let answer = RecentScans { data, as_of };
        Tagged::as_of(&answer, &answer.data)
    };
    let answer =
        state.cache.answer(Topic::Stats, &format!("recent:{:?}:{limit}", filter.area_id), Freshness::of(&req, caller.person()), make).await?;
    Ok(answer.respond(&req))
}

/// The requested day, or today.
///
/// # Errors
/// Returns 400 `invalid_query` if the date is out of range.
pub fn day(state: &AppState, date: Option<NaiveDate>) -> Result<Day> {
    match date {
        None => Ok(Day::today(state.config.time_zone, Utc::now())),
        Some(date) => Day::of(state.config.time_zone, date).ok_or_else(|| refused("date", "date must be between 1970 and 9998.".into())),
    }
}

fn within(parameter: &str, value: i64, max: i64) -> Result<()> {
    if (1..=max).contains(&value) {
        return Ok(());
    }
    Err(refused(parameter, format!("{parameter} must be between 1 and {max}.")))
}

fn refused(parameter: &str, detail: String) -> Error {
    Error::refused(ErrorCode::InvalidQuery, detail.clone()).with_errors(vec![FieldError::new(parameter, "invalid_parameter", detail)])
}

/// Registers the routes of this module.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(get_scans_per_hour).service(get_stats_by_area).service(get_stats_by_person).service(get_recent_scans);
}
