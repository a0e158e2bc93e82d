//! Numbers over HTTP.

use std::time::Duration;

use actix_web::{HttpRequest, Responder, get, web};
use chrono::Utc;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{Stats, totals};
use crate::auth::Caller;
use crate::cache::Topic;
use crate::error::Result;
use crate::http::etag;
use crate::http::responses::{Always, SignedIn};
use crate::state::AppState;

/// Totals are shown as of this long ago at most, when nobody wrote through this process meanwhile.
const LIFETIME: Duration = Duration::from_secs(2);

/// Show the totals of the dashboard.
///
/// Dispatchers see the bags, scans and people of their own area; bills are always all.
#[utoipa::path(
    operation_id = "get_stats", tag = "stats",
    responses((status = 304, description = "Unchanged since the `ETag` in If-None-Match"),
              (status = 200, description = "Exact totals, as of now", body = Stats), Always, SignedIn),
)]
#[get("/stats")]
pub async fn get_stats(caller: Caller, state: web::Data<AppState>, req: HttpRequest) -> Result<impl Responder> {
    let area_id = caller.own_area_only();
    let make = async {
        let conn = state.pool.get().await?;
        Ok(totals(&conn, area_id, state.config.time_zone, Utc::now()).await?)
    };
    let stats: Stats = state.cache.get(Topic::Stats, &format!("totals:{area_id:?}"), LIFETIME, make).await?;
    etag::respond_as_of(&req, &stats, &(&stats.bags, &stats.scans, &stats.bills, &stats.users))
}

/// Mounts the calls of this feature.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(get_stats);
}
