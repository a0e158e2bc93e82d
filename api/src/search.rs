//! A single search over bags, bills and users.

use actix_web::{HttpRequest, Responder, get, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::bags::model::Bag;
use crate::bags::queries::BagFilter;
use crate::bills::model::Bill;
use crate::bills::queries::BillFilter;
use crate::cache::{Freshness, Topic};
use crate::error::{Error, ErrorCode, FieldError, Result};
use crate::http::etag::Tagged;
use crate::http::query::Query;
use crate::http::responses::{Always, SignedIn, WithQuery};
use crate::identity::Caller;
use crate::identity::Role;
use crate::state::AppState;
use crate::users::model::User;
use crate::users::queries::UserFilter;
use crate::{bags, bills, users};

/// Default maximum number of rows per group.
const DEFAULT_LIMIT: u32 = 10;
/// Maximum length of a term, in characters.
const MAX_TERM: usize = 100;

/// The search term and the limit.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SearchQuery {
    /// Part of a code, bill number, destination, vehicle number or, for admins, user name. One or
    /// two characters match only the start of a code.
    #[param(min_length = 1, max_length = 100, example = "SB123")]
    pub q: String,
    /// Maximum number of rows per group: 1 to 50, by default 10.
    #[param(minimum = 1, maximum = 50, default = 10)]
    pub limit: Option<u32>,
}

/// The results, newest first in each group.
#[derive(Debug, Serialize, ToSchema)]
pub struct SearchResults {
    pub bags: Vec<Bag>,
    pub bills: Vec<Bill>,
    /// Empty for non-admins.
    pub users: Vec<User>,
}

/// Search bags, bills and users.
#[utoipa::path(
    operation_id = "search", tag = "search", params(SearchQuery),
    responses((status = 304, description = "Unchanged since the `ETag` in If-None-Match"),
              (status = 200, description = "The results that the caller may see", body = SearchResults), Always, SignedIn, WithQuery),
)]
#[get("/search")]
pub async fn search(caller: Caller, state: web::Data<AppState>, req: HttpRequest, query: Query<SearchQuery>) -> Result<impl Responder> {
    let term = query.0.q.replace('\0', "").trim().to_owned();
    let refused = |parameter: &str, detail: &str| {
        Error::refused(ErrorCode::InvalidQuery, detail).with_errors(vec![FieldError::new(parameter, "invalid_parameter", detail)])
    };
    if term.is_empty() || term.chars().count() > MAX_TERM {
        return Err(refused("q", "q must have 1 to 100 characters."));
    }
    let limit = query.0.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=50).contains(&limit) {
        return Err(refused("limit", "limit must be between 1 and 50."));
    }
    let (limit, area_id) = (i64::from(limit), caller.own_area_only());
    let is_admin = caller.role == Role::Admin;
    // The term comes last: then no character in it can be mistaken for another part of the key.
    let key = format!("{limit}:{area_id:?}:{is_admin}:{term}");
    let make = async { Tagged::new(&found(&state, term, limit, area_id, is_admin).await?, None) };
    let answer = state.cache.answer(Topic::Search, &key, Freshness::of(&req, caller.person()), make).await?;
    Ok(answer.respond(&req))
}

async fn found(state: &AppState, term: String, limit: i64, area_id: Option<i32>, is_admin: bool) -> Result<SearchResults> {
    let mut conn = state.pool.get().await?;
    let found_bags = bags::queries::list(&mut conn, &BagFilter { q: Some(term.clone()), area_id, ..BagFilter::default() }, None, limit).await?;
    let found_bills = bills::queries::list(&mut conn, &BillFilter { q: Some(term.clone()), area_id, ..BillFilter::default() }, None, limit).await?;
    let found_users = if is_admin {
        users::queries::list(&mut conn, &UserFilter { q: Some(term), ..UserFilter::default() }, None, limit).await?
    } else {
        Vec::new()
    };
    Ok(SearchResults {
        bags: found_bags.into_iter().map(Bag::from).collect(),
        bills: found_bills.into_iter().map(Bill::from).collect(),
        users: found_users,
    })
}

/// Registers the routes of this feature.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(search);
}
