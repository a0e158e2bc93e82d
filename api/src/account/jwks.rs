//! The public keys of access tokens, for others who want to check them.

use actix_web::http::header;
use actix_web::{HttpResponse, Responder, get, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::keys::PublicKey;
use crate::access::keys::TokenKeys;
use crate::http::responses::Always;
use crate::state::AppState;

/// A JSON Web Key Set (RFC 7517).
#[derive(Serialize, ToSchema)]
pub struct KeySet {
    pub keys: Vec<PublicKey>,
}

/// Show the public keys of access tokens.
///
/// A JSON Web Key Set (RFC 7517). Empty while tokens are signed with HS256, whose keys are secret.
#[utoipa::path(
    operation_id = "get_jwks", tag = "auth", responses((status = 200, description = "The keys", body = KeySet), Always), security(()),
)]
#[get("/.well-known/jwks.json")]
pub async fn get_jwks(state: web::Data<AppState>) -> impl Responder {
    // A minute: a new key is announced only seconds before it signs, and who meets an unknown one asks again.
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "public, max-age=60")).json(KeySet { keys: state.part::<TokenKeys>().public_keys() })
}
