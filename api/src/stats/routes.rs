//! The HTTP API of the totals.

use actix_web::{HttpRequest, Responder, get, web};
use chrono::Utc;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{Stats, totals};
use crate::cache::{Freshness, Topic};
use crate::error::Result;
use crate::http::etag::Tagged;
use crate::http::responses::{Always, SignedIn};
use crate::identity::Caller;
use crate::state::AppState;

/// Show the totals of the dashboard.
///
/// Dispatchers see the bags, scans and users of their own area; bills always cover all areas.
#[utoipa::path(
    operation_id = "get_stats", tag = "stats",
    responses((status = 304, description = "Unchanged since the `ETag` in If-None-Match"),
              (status = 200, description = "Exact totals, as of `as_of`", body = Stats), Always, SignedIn),
)]
#[get("/stats")]
pub async fn get_stats(caller: Caller, state: web::Data<AppState>, req: HttpRequest) -> Result<impl Responder> {
    let area_id = caller.own_area_only();
    let make = async {
        let conn = state.pool.get().await?;
        let stats = totals(&conn, area_id, state.config.time_zone, Utc::now()).await?;
        Tagged::as_of(&stats, &(&stats.bags, &stats.scans, &stats.bills, &stats.users))
    };
    let answer = state.cache.answer(Topic::Stats, &format!("totals:{area_id:?}"), Freshness::of(&req, caller.person()), make).await?;
    Ok(answer.respond(&req))
}

/// Registers the routes of this feature.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(get_stats);
}
