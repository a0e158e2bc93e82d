//! Extractors that prove who calls and what they may. A handler that takes one can't be reached without it.

use std::future::{Ready, ready};
use std::marker::PhantomData;

use actix_governor::KeyExtractor;
use actix_governor::governor::NotUntil;
use actix_governor::governor::clock::QuantaInstant;
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder};
use uuid::Uuid;

use super::{Role, UserId};
use crate::cache::Person;
use crate::error::{Error, ErrorCode, Result};
use crate::http::rate_limit::{ByAddress, CallerKey, too_many};

/// How every key begins, so that secret scanners and people recognise one.
pub const KEY_START: &str = "ttk_";

/// A signed-in person.
#[derive(Debug, Clone)]
pub struct Caller {
    pub user_id: UserId,
    pub username: String,
    pub role: Role,
    pub credential: Credential,
    /// Id of the dispatch area; dispatchers always have one.
    pub area_id: Option<i32>,
    pub area: Option<String>,
    pub password_change_required: bool,
    /// The role demands a second factor, and there is none yet.
    pub two_factor_setup_required: bool,
}

/// What a caller proved to be somebody with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// An access token of this session.
    Session(Uuid),
    /// The API key with this id; it acts as its owner, narrowed to its scopes.
    ApiKey(i64),
}

impl Caller {
    /// Names the caller where one's things must be kept apart from another's.
    pub fn key(&self) -> String {
        match self.credential {
            Credential::Session(_) => format!("user:{}", self.user_id),
            Credential::ApiKey(id) => format!("key:{id}"),
        }
    }

    /// Whose writes this caller must be shown. An API key acts as its owner.
    pub fn person(&self) -> Person {
        Person(self.user_id.0)
    }

    /// The session of a person who signed in; API keys have none.
    pub fn session_id(&self) -> Option<Uuid> {
        match self.credential {
            Credential::Session(id) => Some(id),
            Credential::ApiKey(_) => None,
        }
    }

    /// Does this caller see and do what the other may?
    pub fn has_rights_of(&self, other: &Self) -> bool {
        let rights = |caller: &Self| (caller.role, caller.area_id, caller.password_change_required, caller.two_factor_setup_required);
        rights(self) == rights(other)
    }

    /// Checks that this caller may change the account of `user`. A key is held by machines and
    /// shared by those who run them, so it is no way to its owner's name, address, role, password,
    /// second factor or sessions.
    ///
    /// # Errors
    /// 403 `insufficient_scope` for an API key and its owner's account.
    pub fn check_may_change_account(&self, user: UserId) -> Result<()> {
        if matches!(self.credential, Credential::ApiKey(_)) && user == self.user_id {
            return Err(Error::refused(
                ErrorCode::InsufficientScope,
                "An API key can't change the account of its owner. Sign in to change your own account.",
            ));
        }
        Ok(())
    }

    /// The only dispatch area this person may see; `None` means all.
    pub fn own_area_only(&self) -> Option<i32> {
        match self.role {
            // A dispatcher without an area can't exist (users_dispatcher_has_area_check); 0 is no area at all.
            Role::Dispatcher => Some(self.area_id.unwrap_or(0)),
            Role::Biller | Role::Admin => None,
        }
    }

    /// May this person see or touch something of this area?
    pub fn may_see_area(&self, area_id: Option<i32>) -> bool {
        self.own_area_only().is_none_or(|own| area_id == Some(own))
    }
}

/// Works out the caller of a request from its token. The application registers it, so that this
/// module knows no token.
#[derive(Clone, Copy)]
pub struct Authenticator(pub fn(&HttpRequest) -> Result<Caller>);

/// The caller of this request, worked out once and remembered with it.
///
/// # Errors
/// 401 when nobody is signed in.
pub fn authenticate(req: &HttpRequest) -> Result<Caller> {
    with_caller(req, Caller::clone)
}

/// As [`authenticate`], for those who only look.
///
/// # Errors
/// As [`authenticate`].
pub fn with_caller<T>(req: &HttpRequest, look: impl FnOnce(&Caller) -> T) -> Result<T> {
    if let Some(known) = req.extensions().get::<Caller>() {
        return Ok(look(known));
    }
    let Authenticator(verify) = req.app_data::<Authenticator>().expect("the server always has its authenticator");
    let caller = verify(req)?;
    let seen = look(&caller);
    req.extensions_mut().insert(caller);
    Ok(seen)
}

/// The refusal of a token or key that is not good.
pub fn invalid_token() -> Error {
    Error::refused(ErrorCode::InvalidToken, "The access token or API key is not valid here. Sign in again, or ask an admin for a new key.")
}

/// Any signed-in person whose password is their own, and who has the second factor that their role demands.
impl FromRequest for Caller {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(req: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(AnyFactor::check(req).and_then(|AnyFactor(caller)| {
            if caller.two_factor_setup_required {
                return Err(Error::refused(
                    ErrorCode::TwoFactorSetupRequired,
                    "Your role requires two-factor authentication: POST /api/v1/me/2fa/setup, then /api/v1/me/2fa/enable, then refresh the token.",
                ));
            }
            Ok(caller)
        }))
    }
}

/// Any signed-in person whose password is their own, also without the second factor that their role demands: for
/// setting it up.
pub struct AnyFactor(pub Caller);

impl AnyFactor {
    fn check(req: &HttpRequest) -> Result<Self> {
        let AnyPassword(caller) = AnyPassword::check(req)?;
        if caller.password_change_required {
            return Err(Error::refused(
                ErrorCode::PasswordChangeRequired,
                "Change your password first: POST /api/v1/me/password with current_password and new_password.",
            ));
        }
        Ok(Self(caller))
    }
}

impl FromRequest for AnyFactor {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(req: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(Self::check(req))
    }
}

/// Any signed-in person, also one whose password must still be changed: for changing it.
pub struct AnyPassword(pub Caller);

impl AnyPassword {
    fn check(req: &HttpRequest) -> Result<Self> {
        let caller = authenticate(req)?;
        tracing::Span::current().record("user_id", caller.user_id.0);
        Ok(Self(caller))
    }
}

impl FromRequest for AnyPassword {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(req: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(Self::check(req))
    }
}

/// A role as a type.
pub trait RoleMarker: 'static {
    /// The least role that passes.
    const ROLE: Role;
}

/// Billers and admins.
pub struct Biller;
/// Admins.
pub struct Admin;

impl RoleMarker for Biller {
    const ROLE: Role = Role::Biller;
}
impl RoleMarker for Admin {
    const ROLE: Role = Role::Admin;
}

/// A caller who has at least the role `R`.
///
/// # Errors
/// 401 when nobody is signed in, 403 `forbidden` when the role is too small.
pub struct RequireRole<R: RoleMarker> {
    pub caller: Caller,
    _role: PhantomData<R>,
}

impl<R: RoleMarker> FromRequest for RequireRole<R> {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(Caller::from_request(req, payload).into_inner().and_then(|caller| {
            if caller.role < R::ROLE {
                return Err(Error::refused(ErrorCode::Forbidden, format!("This requires the role {}.", R::ROLE)));
            }
            Ok(Self { caller, _role: PhantomData })
        }))
    }
}

/// Rate-limit key: the API key, or the user of a valid token, so that people behind one address don't share a budget, and
/// made-up tokens don't each get one.
#[derive(Clone)]
pub struct ByCaller;

impl KeyExtractor for ByCaller {
    type Key = CallerKey;
    type KeyExtractionError = Error;

    fn extract(&self, req: &ServiceRequest) -> Result<Self::Key> {
        let key = |caller: &Caller| match caller.credential {
            Credential::ApiKey(id) => CallerKey::ApiKey(id),
            Credential::Session(_) => CallerKey::User(caller.user_id.0),
        };
        with_caller(req.request(), key).or_else(|_| ByAddress.extract(req))
    }

    fn exceed_rate_limit_response(&self, negative: &NotUntil<QuantaInstant>, _response: HttpResponseBuilder) -> HttpResponse {
        too_many(negative)
    }
}
