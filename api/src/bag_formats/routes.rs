//! Bag formats over HTTP.

use actix_web::{HttpRequest, Responder, get, patch, post, web};
use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::result::{DatabaseErrorKind, Error as DbError};
use diesel::sql_types::{BigInt, Double, Nullable, SmallInt, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use validator::Validate;

use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::bag_formats::code_pattern::CodePattern;
use crate::bag_formats::kind::{BagKind, BagKindSql};
use crate::bag_formats::qr_code::is_catch_all;
use crate::bag_formats::shared::SharedFormats;
use crate::consistency::Reads;
use crate::db::transaction::Abort;
use crate::db::{sql, transaction};
use crate::error::{Error, ErrorCode, FieldError, Problem, Result};
use crate::http::etag;
use crate::http::json::{Json, MergePatch};
use crate::http::page::Page;
use crate::http::responses::{Always, SignedIn, WithBody};
use crate::http::text::{is_filled, no_control_characters};
use crate::idempotency::{Idempotency, Reply};
use crate::identity::client::Client;
use crate::identity::{Admin, Caller, RequireRole};
use crate::state::AppState;

/// A row of `bag_formats`, as the audit log has it.
#[derive(Debug, Clone, Serialize, QueryableByName)]
struct FormatRow {
    #[diesel(sql_type = SmallInt)]
    id: i16,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BagKindSql)]
    kind: BagKind,
    #[diesel(sql_type = Text)]
    pattern: String,
    #[diesel(sql_type = Nullable<SmallInt>)]
    capacity: Option<i16>,
    #[diesel(sql_type = Double)]
    child_weight_kg: f64,
    #[diesel(sql_type = SmallInt)]
    priority: i16,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
}

/// What a code looks like and what it means.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BagFormat {
    #[schema(example = 1)]
    pub id: i16,
    #[schema(example = "Mustard")]
    pub name: String,
    pub kind: BagKind,
    /// Regular expression that must match the whole upper-case code.
    #[schema(example = "SB[0-9]{5,62}")]
    pub pattern: String,
    /// Maximum number of children of a parent; parent formats only.
    #[schema(required, example = 30)]
    pub capacity: Option<i16>,
    /// Kilograms of one child: in a parent of this format, or of this child format.
    #[schema(example = 1.0)]
    pub child_weight_kg: f64,
    /// Formats are tried in this order.
    #[schema(example = 10)]
    pub priority: i16,
    pub created_at: DateTime<Utc>,
    /// The child format that matches every code that no other format matches. It always stays last.
    pub is_catch_all: bool,
    /// The fixed prefixes of a parent format. A code that begins with such a prefix, or that is the
    /// beginning of one, is refused as `looks_like_parent` if only the catch-all format matches it.
    /// Empty for child formats, and for parent formats without a fixed prefix of at least two
    /// characters.
    #[schema(example = json!(["SB"]))]
    pub literal_prefixes: Vec<String>,
    /// The pattern as an anchored ECMAScript regular expression without flags, for clients that
    /// match codes themselves.
    #[schema(example = "^SB[0-9]{5,62}$")]
    pub ecmascript_pattern: String,
}

impl TryFrom<FormatRow> for BagFormat {
    type Error = anyhow::Error;

    fn try_from(row: FormatRow) -> anyhow::Result<Self> {
        let pattern = CodePattern::parse(&row.pattern)?;
        let prefixes = if row.kind == BagKind::Parent { pattern.literal_prefixes() } else { &[] };
        Ok(Self {
            is_catch_all: is_catch_all(row.kind, row.priority),
            literal_prefixes: prefixes.to_vec(),
            ecmascript_pattern: pattern.ecmascript().to_owned(),
            id: row.id,
            name: row.name,
            kind: row.kind,
            pattern: row.pattern,
            capacity: row.capacity,
            child_weight_kg: row.child_weight_kg,
            priority: row.priority,
            created_at: row.created_at,
        })
    }
}

/// A format to create.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct CreateBagFormatRequest {
    #[validate(length(min = 1, max = 100), custom(function = is_filled), custom(function = no_control_characters))]
    #[schema(example = "Wheat", min_length = 1, max_length = 100)]
    pub name: String,
    pub kind: BagKind,
    /// Regular expression (Rust's `regex`) that the whole upper-case code must match.
    #[validate(length(min = 1, max = 200), custom(function = no_control_characters))]
    #[schema(example = "WH[0-9]{6}", min_length = 1, max_length = 200)]
    pub pattern: String,
    /// Required for parents, not allowed for children.
    #[validate(range(min = 1, max = 1000))]
    #[schema(required = false, example = 30, minimum = 1, maximum = 1000)]
    pub capacity: Option<i16>,
    /// 1 kg by default.
    #[serde(default = "one_kilogram")]
    #[validate(range(min = 0.001, max = 10_000.0))]
    #[schema(required = false, example = 1.0, minimum = 0.001, maximum = 10_000)]
    pub child_weight_kg: f64,
    /// 1 to 999; formats are tried in this order. 100 by default.
    #[serde(default = "middle_priority")]
    #[validate(range(min = 1, max = 999))]
    #[schema(required = false, example = 100, minimum = 1, maximum = 999)]
    pub priority: i16,
}

const fn one_kilogram() -> f64 {
    1.0
}

const fn middle_priority() -> i16 {
    100
}

/// A merge patch of a format: absent fields do not change. Kind and weight can never change,
/// because they are part of the history of every bag of the format. Create a new format instead.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ChangeBagFormatRequest {
    #[validate(length(min = 1, max = 100), custom(function = is_filled), custom(function = no_control_characters))]
    #[schema(required = false, nullable = false, min_length = 1, max_length = 100)]
    pub name: Option<String>,
    #[validate(length(min = 1, max = 200), custom(function = no_control_characters))]
    #[schema(required = false, nullable = false, min_length = 1, max_length = 200)]
    pub pattern: Option<String>,
    /// Applies to parents created from now on.
    #[validate(range(min = 1, max = 1000))]
    #[schema(required = false, nullable = false, minimum = 1, maximum = 1000)]
    pub capacity: Option<i16>,
    #[validate(range(min = 1, max = 999))]
    #[schema(required = false, nullable = false, minimum = 1, maximum = 999)]
    pub priority: Option<i16>,
}

const SELECT: &str = "SELECT id, name, kind, pattern, capacity, child_weight_kg::float8 AS child_weight_kg, priority, created_at FROM bag_formats ";

/// List bag formats.
///
/// Returns all formats on a single page, in the order in which they are tried.
#[utoipa::path(
    operation_id = "list_bag_formats", tag = "bag-formats",
    responses((status = 304, description = "Unchanged since the `ETag` in If-None-Match"),
              (status = 200, description = "All formats", body = Page<BagFormat>), Always, SignedIn),
)]
#[get("/bag-formats")]
pub async fn list_bag_formats(_caller: Caller, reads: Reads, req: HttpRequest) -> Result<impl Responder> {
    let rows: Vec<FormatRow> = sql(SELECT).sql("ORDER BY priority, id").load(&mut *reads.get().await?).await?;
    let data = rows.into_iter().map(BagFormat::try_from).collect::<anyhow::Result<Vec<_>>>()?;
    etag::respond(&req, &Page::whole(data), None)
}

/// Create a bag format.
#[utoipa::path(
    operation_id = "create_bag_format", tag = "bag-formats", request_body = CreateBagFormatRequest,
    responses((status = 201, description = "Created; new scans use the format", body = BagFormat),
              (status = 409, description = "`bag_format_exists`", body = Problem, content_type = "application/problem+json"), Always, SignedIn, WithBody),
)]
#[post("/bag-formats")]
pub async fn create_bag_format(
    admin: RequireRole<Admin>,
    client: Client,
    idempotency: Idempotency,
    state: web::Data<AppState>,
    body: Json<CreateBagFormatRequest>,
) -> Result<impl Responder> {
    let Json(request) = body;
    check_pattern(&request.pattern)?;
    if (request.kind == BagKind::Parent) != request.capacity.is_some() {
        let detail = "A parent format requires a capacity; a child format must not have one.";
        return Err(Error::invalid(vec![FieldError::new("/capacity", "wrong_for_kind", detail)]));
    }
    let actor = Actor::person(admin.caller.user_id, &admin.caller.username, &client);
    let create = async |conn: &mut AsyncPgConnection| {
        let rows: Vec<Id> = sql("INSERT INTO bag_formats (name, kind, pattern, capacity, child_weight_kg, priority) \
                                 VALUES ($1, $2::text::bag_kind, $3, $4, $5::float8::numeric(8, 3), $6) RETURNING id")
        .bind::<Text, _>(request.name.trim().to_owned())
        .bind::<Text, _>(request.kind.as_str())
        .bind::<Text, _>(request.pattern.clone())
        .bind::<Nullable<SmallInt>, _>(request.capacity)
        .bind::<Double, _>(request.child_weight_kg)
        .bind::<SmallInt, _>(request.priority)
        .load(conn)
        .await
        .map_err(name_taken)?;
        let format = find(conn, rows.into_iter().next().map_or(0, |row| row.id)).await?.ok_or_else(not_found)?;
        let entry = Entry::new(Action::BagFormatCreated, Entity::BagFormat, &format.name).after(json!({
            "kind": format.kind, "pattern": format.pattern, "capacity": format.capacity, "child_weight_kg": format.child_weight_kg,
            "priority": format.priority,
        }));
        audit::record(conn, &actor, vec![entry]).await?;
        Ok(Reply::created(format!("/api/v1/bag-formats/{}", format.id), &BagFormat::try_from(format).map_err(Error::from)?)?)
    };
    let response = idempotency.run(&mut *state.pool.get().await?, create).await?;
    state.part::<SharedFormats>().refresh(&state.pool).await?;
    Ok(response)
}

/// Change a bag format.
#[utoipa::path(
    operation_id = "change_bag_format", tag = "bag-formats", params(("id" = i16, Path, description = "Id of the format")),
    request_body(content = ChangeBagFormatRequest, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "The changed format", body = BagFormat),
              (status = 404, description = "`bag_format_not_found`", body = Problem, content_type = "application/problem+json"),
              (status = 409, description = "`bag_format_exists`", body = Problem, content_type = "application/problem+json"), Always, SignedIn, WithBody),
)]
#[patch("/bag-formats/{id}")]
pub async fn change_bag_format(
    admin: RequireRole<Admin>,
    client: Client,
    state: web::Data<AppState>,
    path: web::Path<String>,
    body: MergePatch<ChangeBagFormatRequest>,
) -> Result<impl Responder> {
    let id: i16 = path.parse().map_err(|_| not_found())?;
    let MergePatch(request) = body;
    if let Some(pattern) = &request.pattern {
        check_pattern(pattern)?;
    }
    let actor = Actor::person(admin.caller.user_id, &admin.caller.username, &client);
    let format = transaction(&mut *state.pool.get().await?, async |conn| {
        sql("SELECT id FROM bag_formats WHERE id = $1 FOR UPDATE").bind::<SmallInt, _>(id).execute_on(conn).await?;
        let before = find(conn, id).await?.ok_or_else(not_found)?;
        check_possible(&before, &request)?;
        let after = FormatRow {
            name: request.name.as_deref().map_or_else(|| before.name.clone(), |name| name.trim().to_owned()),
            pattern: request.pattern.clone().unwrap_or_else(|| before.pattern.clone()),
            capacity: request.capacity.or(before.capacity),
            priority: request.priority.unwrap_or(before.priority),
            ..before.clone()
        };
        let Some((old, new)) = audit::difference(&json!(before), &json!(after)) else { return Ok(before) };
        sql("UPDATE bag_formats SET name = $2, pattern = $3, capacity = $4, priority = $5 WHERE id = $1")
            .bind::<SmallInt, _>(id)
            .bind::<Text, _>(after.name.clone())
            .bind::<Text, _>(after.pattern.clone())
            .bind::<Nullable<SmallInt>, _>(after.capacity)
            .bind::<SmallInt, _>(after.priority)
            .execute_on(conn)
            .await
            .map_err(name_taken)?;
        let entry = Entry::new(Action::BagFormatChanged, Entity::BagFormat, &before.name).before(old).after(new);
        audit::record(conn, &actor, vec![entry]).await?;
        Ok(after)
    })
    .await?;
    state.part::<SharedFormats>().refresh(&state.pool).await?;
    Ok(web::Json(BagFormat::try_from(format)?))
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = SmallInt)]
    id: i16,
}

async fn find(conn: &mut AsyncPgConnection, id: i16) -> QueryResult<Option<FormatRow>> {
    let rows: Vec<FormatRow> = sql(SELECT).sql("WHERE id = $1::bigint").bind::<BigInt, _>(i64::from(id)).load(conn).await?;
    Ok(rows.into_iter().next())
}

/// A pattern is tried on every scan: it must be a regular expression, and a small one.
fn check_pattern(pattern: &str) -> Result<()> {
    let refused = |code: &str, detail: String| Err(Error::invalid(vec![FieldError::new("/pattern", code, detail)]));
    // Also for itself: `A)|(?:B` is one only between the brackets, and matches more than whole codes there.
    let compiled = regex::RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(1 << 20).build();
    let regex = match (compiled, regex_syntax::parse(pattern)) {
        (Ok(regex), Ok(_)) => regex,
        _ => return refused("invalid_pattern", "The pattern is not a valid regular expression, or is too large.".into()),
    };
    // One that takes anything would make a parent of every bag.
    let strangers = ["000", "ZZZ-ZZZ-ZZZ", "A1B2C3D4"];
    if strangers.iter().all(|code| Regex::is_match(&regex, code)) {
        return refused("pattern_too_wide", "The pattern matches every code. Make it more specific.".into());
    }
    Ok(())
}

fn check_possible(format: &FormatRow, request: &ChangeBagFormatRequest) -> Result<()> {
    let refused = |field: &str, detail: &str| Err(Error::invalid(vec![FieldError::new(field, "wrong_for_kind", detail)]));
    if is_catch_all(format.kind, format.priority) && (request.pattern.is_some() || request.priority.is_some()) {
        return refused("/pattern", "This format matches every code that no other format matches, so its pattern and order can't be changed.");
    }
    if format.kind == BagKind::Child && request.capacity.is_some() {
        return refused("/capacity", "A child format can't have a capacity.");
    }
    Ok(())
}

fn name_taken(cause: DbError) -> Abort {
    match &cause {
        DbError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => {
            Error::refused(ErrorCode::BagFormatExists, "A bag format with this name already exists. Choose another name.").into()
        }
        _ => cause.into(),
    }
}

fn not_found() -> Error {
    Error::refused(ErrorCode::BagFormatNotFound, "No bag format has this id.")
}

/// Mounts the calls of this feature.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(list_bag_formats).service(create_bag_format).service(change_bag_format);
}
