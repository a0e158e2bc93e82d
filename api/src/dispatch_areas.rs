//! Places that dispatch bags.

use actix_web::{Responder, get, web};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::auth::Caller;
use crate::db::schema::dispatch_areas;
use crate::error::Result;
use crate::http::page::Page;
use crate::http::responses::{Always, SignedIn};
use crate::state::AppState;

/// A place that dispatches bags.
#[derive(Debug, Serialize, ToSchema, Queryable)]
pub struct DispatchArea {
    /// Names the area in every other call; never changes.
    #[schema(example = "Lucknow")]
    pub code: String,
    #[schema(example = "Lucknow")]
    pub name: String,
    pub is_active: bool,
    pub created_at: DateTime<Utc>,
}

/// Id and code of the active area with this code, whatever the case.
///
/// # Errors
/// When the database can't be read.
pub async fn find_active(conn: &mut AsyncPgConnection, code: &str) -> QueryResult<Option<(i32, String)>> {
    dispatch_areas::table
        .filter(dispatch_areas::code.ilike(crate::db::sql::escape_like(code)))
        .filter(dispatch_areas::is_active)
        .select((dispatch_areas::id, dispatch_areas::code))
        .first(conn)
        .await
        .optional()
}

/// The area a list is narrowed to: the caller's own, the one asked for, or the empty set (0 is no area's id) where
/// the one asked for does not exist or is not the caller's.
///
/// # Errors
/// When the database can't be read.
pub async fn narrowed(conn: &mut AsyncPgConnection, own: Option<i32>, asked: Option<&str>) -> QueryResult<Option<i32>> {
    let asked = match asked {
        // NUL can be in a query string, but not in the database.
        Some(code) => Some(find_active(conn, &code.replace('\0', "")).await?.map_or(0, |(id, _)| id)),
        None => None,
    };
    Ok(match (own, asked) {
        (Some(own), Some(asked)) if own != asked => Some(0),
        (own, asked) => own.or(asked),
    })
}

/// List the dispatch areas.
///
/// All of them, by name: there are tens, not thousands, so there is always one page.
#[utoipa::path(
    operation_id = "list_dispatch_areas", tag = "dispatch-areas",
    responses((status = 200, description = "All areas", body = Page<DispatchArea>), Always, SignedIn),
)]
#[get("/dispatch-areas")]
pub async fn list_dispatch_areas(_caller: Caller, state: web::Data<AppState>) -> Result<impl Responder> {
    let mut conn = state.pool.get().await?;
    let data: Vec<DispatchArea> = dispatch_areas::table
        .order(dispatch_areas::name)
        .select((dispatch_areas::code, dispatch_areas::name, dispatch_areas::is_active, dispatch_areas::created_at))
        .load(&mut conn)
        .await?;
    Ok(web::Json(Page { data, next_cursor: None, has_more: false }))
}

/// Mounts the calls of this feature.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(list_dispatch_areas);
}
