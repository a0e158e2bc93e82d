//! Numbers over HTTP.

use actix_web::{HttpRequest, Responder, get, web};
use chrono::Utc;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{Stats, totals};
use crate::auth::Caller;
use crate::error::Result;
use crate::http::etag;
use crate::http::responses::{Always, SignedIn};
use crate::state::AppState;

/// Show the totals of the dashboard.
///
/// Dispatchers see the bags, scans and people of their own area; bills are always all.
#[utoipa::path(
    operation_id = "get_stats", tag = "stats",
    responses((status = 200, description = "Exact totals, as of now", body = Stats), Always, SignedIn),
)]
#[get("/stats")]
pub async fn get_stats(caller: Caller, state: web::Data<AppState>, req: HttpRequest) -> Result<impl Responder> {
    let conn = state.pool.get().await?;
    let stats = totals(&conn, caller.own_area_only(), state.config.time_zone, Utc::now()).await?;
    etag::respond_as_of(&req, &stats, &(&stats.bags, &stats.scans, &stats.bills, &stats.users))
}

/// Mounts the calls of this feature.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(get_stats);
}
