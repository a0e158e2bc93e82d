//! The HTTP API of reports, each as JSON, CSV, XLSX or PDF.

use actix_web::{Responder, get, web};
use chrono::NaiveDate;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::daily;
use super::summaries::{self, BillSummaryReport, Days, DispatchAreaReport, EndOfDayReport, UserActivityReport};
use crate::consistency::Reads;
use crate::documents::document::Format;
use crate::documents::respond;
use crate::error::{Error, ErrorCode, FieldError, Result};
use crate::http::query::Query;
use crate::http::responses::{Always, SignedIn, WithQuery};
use crate::identity::Role;
use crate::identity::{Biller, Caller, RequireRole};
use crate::state::AppState;
use crate::stats::breakdown_routes::day;

/// Maximum number of days in a range.
const MAX_DAYS: i64 = 366;

/// The day and the format.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DayReportQuery {
    /// A date in the warehouse's time zone; today by default.
    #[param(example = "2026-11-24")]
    pub date: Option<NaiveDate>,
    /// `json` by default.
    #[serde(default)]
    #[param(inline, value_type = Option<Format>)]
    pub format: Format,
}

/// The day, the person and the format.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DailyScansQuery {
    /// A date in the warehouse's time zone; today by default.
    #[param(example = "2026-11-24")]
    pub date: Option<NaiveDate>,
    /// Id of one person; all people if absent. Dispatchers get their own report.
    pub user_id: Option<i64>,
    /// `json` by default.
    #[serde(default)]
    #[param(inline, value_type = Option<Format>)]
    pub format: Format,
}

/// The range of days and the format.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DaysReportQuery {
    /// First day; 30 days before the last day by default.
    #[param(example = "2026-11-01")]
    pub from: Option<NaiveDate>,
    /// Last day, inclusive; today by default. At most 366 days after the first.
    #[param(example = "2026-11-24")]
    pub to: Option<NaiveDate>,
    /// `json` by default.
    #[serde(default)]
    #[param(inline, value_type = Option<Format>)]
    pub format: Format,
}

/// Report the scans of a day.
///
/// The report covers all people, or one person, and compares with the day before. Dispatchers get
/// the report of their own scans.
#[utoipa::path(
    operation_id = "report_daily_scans", tag = "reports", params(DailyScansQuery),
    responses((status = 200, description = "The report", content(
                  (daily::DailyScansReport = "application/json"), (String = "text/csv"),
                  (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"), (Vec<u8> = "application/pdf"))),
              Always, SignedIn, WithQuery),
)]
#[get("/reports/daily-scans")]
pub async fn report_daily_scans(caller: Caller, state: web::Data<AppState>, reads: Reads, query: Query<DailyScansQuery>) -> Result<impl Responder> {
    let Query(query) = query;
    let day = day(&state, query.date)?;
    let own = caller.user_id.0;
    if caller.role == Role::Dispatcher && query.user_id.is_some_and(|id| id != own) {
        return Err(Error::refused(ErrorCode::Forbidden, "You can only see the report of your own scans."));
    }
    let user_id = if caller.role == Role::Dispatcher { Some(own) } else { query.user_id };
    let report = daily::read(&mut *reads.get().await?, None, user_id, day, state.config.time_zone).await?;
    respond(query.format, &report, daily::document, state.config.time_zone).await
}

/// Report the bills of a range of days.
#[utoipa::path(
    operation_id = "report_bill_summary", tag = "reports", params(DaysReportQuery),
    responses((status = 200, description = "The report", content(
                  (BillSummaryReport = "application/json"), (String = "text/csv"),
                  (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"), (Vec<u8> = "application/pdf"))),
              Always, SignedIn, WithQuery),
)]
#[get("/reports/bill-summary")]
pub async fn report_bill_summary(
    _biller: RequireRole<Biller>,
    state: web::Data<AppState>,
    reads: Reads,
    query: Query<DaysReportQuery>,
) -> Result<impl Responder> {
    let days = days(&state, &query.0)?;
    let report = summaries::bill_summary(&mut *reads.get().await?, days).await?;
    respond(query.0.format, &report, summaries::bill_summary_document, state.config.time_zone).await
}

/// Report the dispatch areas on a day.
#[utoipa::path(
    operation_id = "report_dispatch_areas", tag = "reports", params(DayReportQuery),
    responses((status = 200, description = "The report", content(
                  (DispatchAreaReport = "application/json"), (String = "text/csv"),
                  (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"), (Vec<u8> = "application/pdf"))),
              Always, SignedIn, WithQuery),
)]
#[get("/reports/dispatch-area")]
pub async fn report_dispatch_areas(
    _biller: RequireRole<Biller>,
    state: web::Data<AppState>,
    reads: Reads,
    query: Query<DayReportQuery>,
) -> Result<impl Responder> {
    let day = day(&state, query.0.date)?;
    let report = summaries::dispatch_areas(&mut *reads.get().await?, day).await?;
    respond(query.0.format, &report, summaries::dispatch_area_document, state.config.time_zone).await
}

/// Report the activity of people in a range of days.
#[utoipa::path(
    operation_id = "report_user_activity", tag = "reports", params(DaysReportQuery),
    responses((status = 200, description = "The report", content(
                  (UserActivityReport = "application/json"), (String = "text/csv"),
                  (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"), (Vec<u8> = "application/pdf"))),
              Always, SignedIn, WithQuery),
)]
#[get("/reports/user-activity")]
pub async fn report_user_activity(
    _biller: RequireRole<Biller>,
    state: web::Data<AppState>,
    reads: Reads,
    query: Query<DaysReportQuery>,
) -> Result<impl Responder> {
    let days = days(&state, &query.0)?;
    let report = summaries::user_activity(&mut *reads.get().await?, days, state.config.time_zone).await?;
    respond(query.0.format, &report, summaries::user_activity_document, state.config.time_zone).await
}

/// Report a whole day on one page.
///
/// A preview of the report that is sent by email at the end of the day.
#[utoipa::path(
    operation_id = "report_end_of_day", tag = "reports", params(DayReportQuery),
    responses((status = 200, description = "The report", content(
                  (EndOfDayReport = "application/json"), (String = "text/csv"),
                  (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"), (Vec<u8> = "application/pdf"))),
              Always, SignedIn, WithQuery),
)]
#[get("/reports/end-of-day")]
pub async fn report_end_of_day(
    _biller: RequireRole<Biller>,
    state: web::Data<AppState>,
    reads: Reads,
    query: Query<DayReportQuery>,
) -> Result<impl Responder> {
    let day = day(&state, query.0.date)?;
    let report = summaries::end_of_day(&mut *reads.get().await?, day).await?;
    respond(query.0.format, &report, summaries::end_of_day_document, state.config.time_zone).await
}

fn days(state: &AppState, query: &DaysReportQuery) -> Result<Days> {
    let to = day(state, query.to)?;
    let from = day(state, Some(query.from.unwrap_or_else(|| to.date - chrono::Days::new(30))))?;
    if from.date > to.date || (to.date - from.date).num_days() > MAX_DAYS {
        let detail = "from must be before to, and they must be at most 366 days apart.";
        return Err(Error::refused(ErrorCode::InvalidQuery, detail).with_errors(vec![FieldError::new("from", "invalid_parameter", detail)]));
    }
    Ok(Days { from, to })
}

/// Registers the routes of this feature.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(report_daily_scans)
        .service(report_bill_summary)
        .service(report_dispatch_areas)
        .service(report_user_activity)
        .service(report_end_of_day);
}
