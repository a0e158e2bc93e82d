//! Works out the caller of a request from its access token.

use actix_web::http::header;
use actix_web::{HttpRequest, web};

use crate::access::keys::TokenKeys;
use crate::access::revocations::Revocations;
use crate::error::{Error, ErrorCode, Result};
use crate::identity::UserId;
use crate::identity::caller::{Caller, Credential, KEY_START, invalid_token};
use crate::state::AppState;

/// The caller whom the `Authorization` header proves.
///
/// # Errors
/// 401 without a token, with one that is not valid, and when its session has ended.
pub fn verify(req: &HttpRequest) -> Result<Caller> {
    let state = req.app_data::<web::Data<AppState>>().expect("the server always has its state");
    let header = req
        .headers()
        .get(header::AUTHORIZATION)
        .ok_or_else(|| Error::refused(ErrorCode::MissingToken, "Sign in first, and send Authorization: Bearer <access token>."))?;
    let token = header
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or_else(|| Error::refused(ErrorCode::InvalidToken, "The Authorization header must be: Bearer <access token>."))?;
    if token.starts_with(KEY_START) {
        // A good key has been taken for its owner by then (`bearer`).
        return Err(invalid_token());
    }
    let claims = state.part::<TokenKeys>().verify(token)?;
    if state.part::<Revocations>().is_revoked(claims.sid) {
        return Err(Error::refused(ErrorCode::SessionExpired, "This session has ended. Sign in again."));
    }
    let user_id = claims.sub.parse().map_err(|_| invalid_token())?;
    Ok(Caller {
        user_id: UserId(user_id),
        username: claims.name.clone(),
        role: claims.role,
        credential: Credential::Session(claims.sid),
        area_id: claims.area_id,
        area: claims.area.clone(),
        password_change_required: claims.pcr,
        two_factor_setup_required: claims.tfs,
    })
}
