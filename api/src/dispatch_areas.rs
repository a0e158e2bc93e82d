//! Places that dispatch bags.

use actix_web::{Responder, get, patch, post, web};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DbError};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use validator::Validate;

use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::consistency::Reads;
use crate::db::schema::dispatch_areas;
use crate::db::transaction;
use crate::db::transaction::Abort;
use crate::error::{Error, ErrorCode, Problem, Result};
use crate::http::json::{Json, MergePatch};
use crate::http::page::Page;
use crate::http::responses::{Always, SignedIn, WithBody};
use crate::http::text::{is_filled, no_control_characters};
use crate::idempotency::{Idempotency, Reply};
use crate::identity::client::Client;
use crate::identity::{Admin, Caller, RequireRole};
use crate::state::AppState;

/// A place that dispatches bags.
#[derive(Debug, Clone, Serialize, ToSchema, Queryable)]
pub struct DispatchArea {
    /// Identifies the area in every other call; never changes.
    #[schema(example = "Lucknow")]
    pub code: String,
    #[schema(example = "Lucknow")]
    pub name: String,
    pub is_active: bool,
    pub created_at: DateTime<Utc>,
}

/// Id and code of the active area with this code, case-insensitive.
///
/// # Errors
/// Fails if the database can't be read.
pub async fn find_active(conn: &mut AsyncPgConnection, code: &str) -> QueryResult<Option<(i32, String)>> {
    dispatch_areas::table
        .filter(dispatch_areas::code.ilike(crate::db::sql::escape_like(code)))
        .filter(dispatch_areas::is_active)
        .select((dispatch_areas::id, dispatch_areas::code))
        .first(conn)
        .await
        .optional()
}

/// The area to filter a list by: the caller's own area, the requested one, or 0 (the id of no area,
/// so the list is empty) if the requested area does not exist or is not the caller's.
///
/// # Errors
/// Fails if the database can't be read.
pub async fn narrowed(conn: &mut AsyncPgConnection, own: Option<i32>, requested: Option<&str>) -> QueryResult<Option<i32>> {
    let requested = match requested {
        // A query string can contain NUL, but the database can't.
        Some(code) => Some(find_active(conn, &code.replace('\0', "")).await?.map_or(0, |(id, _)| id)),
        None => None,
    };
    Ok(match (own, requested) {
        (Some(own), Some(requested)) if own != requested => Some(0),
        (own, requested) => own.or(requested),
    })
}

/// List the dispatch areas.
///
/// The response is a single page with all areas, sorted by name: there are tens, not thousands.
#[utoipa::path(
    operation_id = "list_dispatch_areas", tag = "dispatch-areas",
    responses((status = 200, description = "All areas", body = Page<DispatchArea>), Always, SignedIn),
)]
#[get("/dispatch-areas")]
pub async fn list_dispatch_areas(_caller: Caller, reads: Reads) -> Result<impl Responder> {
    let mut conn = reads.get().await?;
    let data: Vec<DispatchArea> = dispatch_areas::table
        .order(dispatch_areas::name)
        .select((dispatch_areas::code, dispatch_areas::name, dispatch_areas::is_active, dispatch_areas::created_at))
        .load(&mut *conn)
        .await?;
    Ok(web::Json(Page::whole(data)))
}

/// A dispatch area to create.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct CreateDispatchAreaRequest {
    /// Identifies the area in every other call, so it never changes. Unique, case-insensitive.
    #[validate(length(min = 1, max = 64), custom(function = is_filled), custom(function = no_control_characters))]
    #[schema(example = "Nagpur", min_length = 1, max_length = 64)]
    pub code: String,
    /// The displayed name; the code if absent.
    #[validate(length(min = 1, max = 100), custom(function = is_filled), custom(function = no_control_characters))]
    #[schema(required = false, example = "Nagpur", min_length = 1, max_length = 100)]
    pub name: Option<String>,
}

/// A merge patch of an area: absent fields do not change.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ChangeDispatchAreaRequest {
    #[validate(length(min = 1, max = 100), custom(function = is_filled), custom(function = no_control_characters))]
    #[schema(required = false, nullable = false, min_length = 1, max_length = 100)]
    pub name: Option<String>,
    /// An inactive area can't be assigned to users. Users who already have it keep it.
    #[schema(required = false, nullable = false)]
    pub is_active: Option<bool>,
}

/// Create a dispatch area.
#[utoipa::path(
    operation_id = "create_dispatch_area", tag = "dispatch-areas", request_body = CreateDispatchAreaRequest,
    responses((status = 201, description = "Created", body = DispatchArea),
              (status = 409, description = "`dispatch_area_exists`", body = Problem, content_type = "application/problem+json"), Always, SignedIn, WithBody),
)]
#[post("/dispatch-areas")]
pub async fn create_dispatch_area(
    admin: RequireRole<Admin>,
    client: Client,
    idempotency: Idempotency,
    state: web::Data<AppState>,
    body: Json<CreateDispatchAreaRequest>,
) -> Result<impl Responder> {
    let code = body.0.code.trim().to_owned();
    let name = body.0.name.as_deref().map_or_else(|| code.clone(), |name| name.trim().to_owned());
    let actor = Actor::person(admin.caller.user_id, &admin.caller.username, &client);
    let create = async |conn: &mut AsyncPgConnection| {
        let area: DispatchArea = diesel::insert_into(dispatch_areas::table)
            .values((dispatch_areas::code.eq(&code), dispatch_areas::name.eq(&name)))
            .returning((dispatch_areas::code, dispatch_areas::name, dispatch_areas::is_active, dispatch_areas::created_at))
            .get_result(conn)
            .await
            .map_err(code_taken)?;
        let entry = Entry::new(Action::DispatchAreaCreated, Entity::DispatchArea, &area.code).after(json!({"name": area.name}));
        audit::record(conn, &actor, vec![entry]).await?;
        let place = utf8_percent_encode(&area.code, NON_ALPHANUMERIC);
        Ok(Reply::created(format!("/api/v1/dispatch-areas/{place}"), &area)?)
    };
    idempotency.run(&mut *state.pool.get().await?, create).await
}

/// Change a dispatch area.
#[utoipa::path(
    operation_id = "change_dispatch_area", tag = "dispatch-areas", params(("code" = String, Path, description = "Code of the area, case-insensitive", example = "Lucknow")),
    request_body(content = ChangeDispatchAreaRequest, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "The changed area", body = DispatchArea),
              (status = 404, description = "`dispatch_area_not_found`", body = Problem, content_type = "application/problem+json"), Always, SignedIn, WithBody),
)]
#[patch("/dispatch-areas/{code}")]
pub async fn change_dispatch_area(
    admin: RequireRole<Admin>,
    client: Client,
    state: web::Data<AppState>,
    path: web::Path<String>,
    body: MergePatch<ChangeDispatchAreaRequest>,
) -> Result<impl Responder> {
    let actor = Actor::person(admin.caller.user_id, &admin.caller.username, &client);
    let code = path.replace('\0', "");
    let area = transaction(&mut *state.pool.get().await?, async |conn| {
        let before: Option<DispatchArea> = dispatch_areas::table
            .filter(dispatch_areas::code.ilike(crate::db::sql::escape_like(&code)))
            .select((dispatch_areas::code, dispatch_areas::name, dispatch_areas::is_active, dispatch_areas::created_at))
            .for_update()
            .first(conn)
            .await
            .optional()?;
        let before = before.ok_or_else(|| Error::refused(ErrorCode::DispatchAreaNotFound, "No dispatch area has this code."))?;
        let after = DispatchArea {
            name: body.0.name.as_deref().map_or_else(|| before.name.clone(), |name| name.trim().to_owned()),
            is_active: body.0.is_active.unwrap_or(before.is_active),
            ..before.clone()
        };
        let Some((old, new)) = audit::difference(&json!(before), &json!(after)) else { return Ok(before) };
        diesel::update(dispatch_areas::table.filter(dispatch_areas::code.eq(&before.code)))
            .set((dispatch_areas::name.eq(&after.name), dispatch_areas::is_active.eq(after.is_active)))
            .execute(conn)
            .await?;
        let entry = Entry::new(Action::DispatchAreaChanged, Entity::DispatchArea, &before.code).before(old).after(new);
        audit::record(conn, &actor, vec![entry]).await?;
        Ok(after)
    })
    .await?;
    Ok(web::Json(area))
}

fn code_taken(cause: DbError) -> Abort {
    match &cause {
        DbError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => {
            Error::refused(ErrorCode::DispatchAreaExists, "A dispatch area with this code already exists. Choose another code.").into()
        }
        _ => cause.into(),
    }
}

/// Registers the routes of this feature.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(list_dispatch_areas).service(create_dispatch_area).service(change_dispatch_area);
}
