//! Everything that is stored about a person, for that person (GDPR, articles 15 and 20).

use actix_web::http::header::{self, ContentDisposition, DispositionParam, DispositionType};
use actix_web::{HttpResponse, Responder, get, web};
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Jsonb};
use diesel_async::RunQueryDsl;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::db::sql;
use crate::error::Result;
use crate::http::responses::{Always, SignedIn};
use crate::identity::Caller;
use crate::identity::client::Client;
use crate::state::AppState;

/// Everything that is stored about the caller, except passwords, codes and keys, which are stored
/// only as hashes.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonalData {
    /// Name, address, role, area, language, times.
    #[schema(value_type = Object)]
    pub user: Value,
    #[schema(value_type = Vec<Object>)]
    pub sessions: Value,
    #[schema(value_type = Vec<Object>)]
    pub scans: Value,
    /// Actions of the caller, and changes to the account.
    #[schema(value_type = Vec<Object>)]
    pub audit_logs: Value,
    #[schema(value_type = Vec<Object>)]
    pub notifications: Value,
    #[schema(value_type = Vec<Object>)]
    pub promotion_requests: Value,
    #[schema(value_type = Vec<Object>)]
    pub api_keys: Value,
    #[schema(value_type = Vec<Object>)]
    pub bills_created: Value,
}

/// Download everything that is stored about you.
#[utoipa::path(
    operation_id = "get_my_data", tag = "me",
    responses((status = 200, description = "As a JSON file", body = PersonalData), Always, SignedIn),
)]
#[get("/me/data")]
pub async fn get_my_data(caller: Caller, client: Client, state: web::Data<AppState>) -> Result<impl Responder> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Jsonb)]
        data: Value,
    }
    let mut conn = state.pool.get().await?;
    let mut parts = Vec::new();
    for statement in [
        "SELECT jsonb_agg(to_jsonb(u) - ARRAY['password_hash', 'totp_secret', 'totp_last_step', 'dispatch_area_id'] \
           || jsonb_build_object('dispatch_area', (SELECT code FROM dispatch_areas a WHERE a.id = u.dispatch_area_id))) AS data FROM users u WHERE id = $1",
        "SELECT jsonb_agg(to_jsonb(s) - ARRAY['token_hash', 'previous_token_hash', 'rotation_salt', 'user_id'] ORDER BY id) AS data FROM sessions s WHERE user_id = $1",
        "SELECT jsonb_agg(jsonb_build_object('id', id, 'kind', kind, 'outcome', outcome, 'source', source, 'qr_code', qr_code, \
           'parent_qr_code', parent_qr_code, 'scanned_at', scanned_at, 'undone_at', undone_at) ORDER BY id) AS data FROM scans WHERE user_id = $1",
        "SELECT jsonb_agg(to_jsonb(l) ORDER BY id) AS data FROM audit_logs l WHERE actor_id = $1 OR (entity_type = 'user' AND entity_id = $1::text)",
        "SELECT jsonb_agg(to_jsonb(n) - 'user_id' ORDER BY id) AS data FROM notifications n WHERE user_id = $1",
        "SELECT jsonb_agg(to_jsonb(r) - 'user_id' ORDER BY id) AS data FROM promotion_requests r WHERE user_id = $1",
        "SELECT jsonb_agg(to_jsonb(k) - ARRAY['secret_hash', 'user_id'] ORDER BY id) AS data FROM api_keys k WHERE user_id = $1 OR created_by = $1",
        "SELECT jsonb_agg(to_jsonb(b) - ARRAY['id', 'created_by'] ORDER BY id) AS data FROM bills b WHERE created_by = $1",
    ] {
        let statement = format!("SELECT coalesce((SELECT data FROM ({statement}) AS part), '[]') AS data");
        let rows: Vec<Row> = sql(&statement).bind::<BigInt, _>(caller.user_id).load(&mut conn).await?;
        parts.push(rows.into_iter().next().map_or(Value::Null, |row| row.data));
    }
    let mut parts = parts.into_iter();
    let mut next = || parts.next().unwrap_or_default();
    let data = PersonalData {
        user: next().get(0).cloned().unwrap_or_default(),
        sessions: next(),
        scans: next(),
        audit_logs: next(),
        notifications: next(),
        promotion_requests: next(),
        api_keys: next(),
        bills_created: next(),
    };
    let actor = Actor::person(caller.user_id, &caller.username, &client);
    audit::record(&mut conn, &actor, vec![Entry::new(Action::PersonalDataDownloaded, Entity::User, caller.user_id)]).await?;
    let parameters = vec![DispositionParam::Filename("my-data.json".into())];
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(ContentDisposition { disposition: DispositionType::Attachment, parameters })
        .json(data))
}

/// Mounts the call of this module.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(get_my_data);
}
