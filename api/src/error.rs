//! The one error type of the application and its face on the wire, RFC 9457 problems.
//!
//! The only place that knows status codes. Features name an [`ErrorCode`] and write the sentence
//! that tells a person what happened and what to do.

pub mod context;

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What every fallible function of the application returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! error_codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $code:literal, $status:ident, $title:literal;)+) => {
        /// Every code a problem can carry: stable, so that clients may branch on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[doc = $doc])+ $variant,)+ }

        impl ErrorCode {
            /// All codes, in the order of `docs/errors.md`.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$variant,)+];

            /// The code on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$variant => $code,)+ }
            }

            /// The HTTP status that goes with the code.
            pub const fn status(self) -> StatusCode {
                match self { $(ErrorCode::$variant => StatusCode::$status,)+ }
            }

            /// A short, constant summary.
            pub const fn title(self) -> &'static str {
                match self { $(ErrorCode::$variant => $title,)+ }
            }

            /// Meaning and remedy, for the page behind the `type` of a problem.
            pub const fn explanation(self) -> &'static str {
                match self { $(ErrorCode::$variant => concat!($($doc,)+),)+ }
            }
        }
    };
}

error_codes! {
    /// The body is not well-formed JSON. Send one JSON object, UTF-8 encoded.
    MalformedJson = "malformed_json", BAD_REQUEST, "Malformed JSON";
    /// The form is not well-formed `multipart/form-data`, or is incomplete. Send it again.
    MalformedMultipart = "malformed_multipart", BAD_REQUEST, "Malformed form";
    /// The query string has an unknown parameter or a value of the wrong type; `errors` names it.
    InvalidQuery = "invalid_query", BAD_REQUEST, "Invalid query string";
    /// The cursor does not belong to this list. Start again without a cursor.
    InvalidCursor = "invalid_cursor", BAD_REQUEST, "Invalid cursor";
    /// `X-Consistency-Token` is not valid. Send the value of an earlier response, or omit the
    /// header.
    InvalidConsistencyToken = "invalid_consistency_token", BAD_REQUEST, "Invalid consistency token";
    /// `Idempotency-Key` must be 1 to 255 visible ASCII characters.
    InvalidIdempotencyKey = "invalid_idempotency_key", BAD_REQUEST, "Invalid idempotency key";
    /// `If-Match` must be the `ETag` of the response that you read, including the quotes.
    InvalidIfMatch = "invalid_if_match", BAD_REQUEST, "Invalid If-Match";
    /// A field is missing, unknown, of the wrong type or out of range; `errors` names each one.
    ValidationFailed = "validation_failed", UNPROCESSABLE_ENTITY, "Validation failed";
    /// This is not a bag code: a code has 3 to 64 letters and digits, with hyphens only in between.
    /// Scan it again.
    InvalidQrCode = "invalid_qr_code", UNPROCESSABLE_ENTITY, "Not a valid bag code";
    /// A scan can arrive up to 30 days late, and its time can be up to 2 minutes in the future.
    /// Correct the clock of the device.
    ScanTimeOutOfRange = "scan_time_out_of_range", UNPROCESSABLE_ENTITY, "Scan time out of range";
    /// The id of a scan must be a UUID of version 7 (RFC 9562). Generate it when the code is
    /// scanned.
    InvalidScanId = "invalid_scan_id", UNPROCESSABLE_ENTITY, "Not a UUIDv7";
    /// This id belongs to an earlier scan of another code or person. Generate a new id for every
    /// scan.
    ScanIdReused = "scan_id_reused", UNPROCESSABLE_ENTITY, "Scan id already used";
    /// The `Idempotency-Key` was used for another request. Generate a new key for every request.
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, "Idempotency key already used";
    /// An Excel sheet can have at most 1,048,575 rows. Use csv or ndjson, or filter the export.
    TooManyRows = "too_many_rows", UNPROCESSABLE_ENTITY, "Too many rows for Excel";
    /// The file has no rows. Send a file whose first row contains the column names, followed by
    /// data rows.
    ImportFileEmpty = "import_file_empty", UNPROCESSABLE_ENTITY, "Empty file";
    /// The content of the file does not match its name or type. Send CSV, or an Excel workbook
    /// (.xlsx).
    ImportFileMismatch = "import_file_mismatch", UNPROCESSABLE_ENTITY, "Wrong file type";
    /// The file is neither text nor an Excel workbook. Send CSV, or a workbook (.xlsx).
    ImportNotText = "import_not_text", UNPROCESSABLE_ENTITY, "Not a text file";
    /// The text is not UTF-8. Save the file as "CSV UTF-8".
    ImportNotUtf8 = "import_not_utf8", UNPROCESSABLE_ENTITY, "Not UTF-8";
    /// The unpacked workbook is much larger than expected. Save the sheet as CSV.
    ImportZipBomb = "import_zip_bomb", UNPROCESSABLE_ENTITY, "Unpacked workbook too large";
    /// The file is damaged. Save it again, or save the sheet as CSV.
    ImportUnreadable = "import_unreadable", UNPROCESSABLE_ENTITY, "Unreadable file";
    /// The first row must contain each required column exactly once: `qr_code` for bags,
    /// `parent_qr_code` and `child_qr_code` for links.
    ImportColumnsMissing = "import_columns_missing", UNPROCESSABLE_ENTITY, "Columns missing";
    /// Some rows were refused, and the import was all or nothing, so nothing was written. Download
    /// the refused rows and correct them.
    ImportRowsRefused = "import_rows_refused", UNPROCESSABLE_ENTITY, "Rows refused";
    /// The password is too weak. `errors` lists the requirements that it does not meet.
    WeakPassword = "weak_password", UNPROCESSABLE_ENTITY, "Password too weak";
    /// The link was already used, has expired, or is damaged. Request a new one.
    InvalidResetToken = "invalid_reset_token", UNPROCESSABLE_ENTITY, "Link no longer valid";

    /// No access token was sent. Sign in and send `Authorization: Bearer <token>`.
    MissingToken = "missing_token", UNAUTHORIZED, "Sign-in required";
    /// The access token is forged, damaged, or issued for another system. Sign in again.
    InvalidToken = "invalid_token", UNAUTHORIZED, "Invalid access token";
    /// The access token has expired. Refresh it.
    TokenExpired = "token_expired", UNAUTHORIZED, "Access token expired";
    /// The session has ended because of a sign-out, inactivity, its maximum age, or a changed
    /// password. Sign in again.
    SessionExpired = "session_expired", UNAUTHORIZED, "Session ended";
    /// The code is wrong, has expired, or was already used. Enter the next code, or use a recovery
    /// code.
    InvalidTwoFactorCode = "invalid_two_factor_code", UNAUTHORIZED, "Wrong code";
    /// More than five minutes have passed since the password was entered, or the account has
    /// changed. Sign in again.
    InvalidChallenge = "invalid_challenge", UNAUTHORIZED, "Sign-in took too long";
    /// The username or password is incorrect. Try again.
    InvalidCredentials = "invalid_credentials", UNAUTHORIZED, "Incorrect username or password";
    /// Too many wrong passwords or codes, whether or not the account exists. Wait for the time in
    /// `Retry-After`, use a device on which you have signed in before, or ask an admin to unlock
    /// the account.
    AccountLocked = "account_locked", LOCKED, "Account locked";
    /// An admin or the system set the password. Change it with `POST /api/v1/me/password` before
    /// you continue.
    PasswordChangeRequired = "password_change_required", FORBIDDEN, "Password change required";
    /// Your role requires two-factor authentication. Set it up (`POST /api/v1/me/2fa/setup`, then
    /// `/enable`), then refresh the token.
    TwoFactorSetupRequired = "two_factor_setup_required", FORBIDDEN, "Two-factor authentication required";
    /// The API key lacks the required scope, or the operation is not available to API keys. Ask an
    /// admin for a key with this scope.
    InsufficientScope = "insufficient_scope", FORBIDDEN, "Missing scope";
    /// An API key acts as the person who creates it. Omit `user_id`, or have the other person
    /// create the key.
    ApiKeyForAnother = "api_key_for_another", FORBIDDEN, "API key for another person";
    /// Your role does not allow this. Ask an admin.
    Forbidden = "forbidden", FORBIDDEN, "Not allowed";
    /// A web page of an origin that is not listed in `CORS_ALLOWED_ORIGINS` tried to use a session,
    /// or a listed one requested a method or header that the API does not support.
    OriginNotAllowed = "origin_not_allowed", FORBIDDEN, "Web page not allowed";

    /// This address does not exist. See /docs for all addresses.
    NotFound = "not_found", NOT_FOUND, "Not found";
    /// No bag has this code, or it belongs to another dispatch area.
    BagNotFound = "bag_not_found", NOT_FOUND, "Bag not found";
    /// No entry of the audit log has this id.
    AuditLogNotFound = "audit_log_not_found", NOT_FOUND, "Audit entry not found";
    /// No role request has this id.
    PromotionRequestNotFound = "promotion_request_not_found", NOT_FOUND, "Role request not found";
    /// No bag format has this id.
    BagFormatNotFound = "bag_format_not_found", NOT_FOUND, "Bag format not found";
    /// No dispatch area has this code.
    DispatchAreaNotFound = "dispatch_area_not_found", NOT_FOUND, "Dispatch area not found";
    /// No bill has this number, or it has no bags of your dispatch area.
    BillNotFound = "bill_not_found", NOT_FOUND, "Bill not found";
    /// No scan has this id, or you are not allowed to see it.
    ScanNotFound = "scan_not_found", NOT_FOUND, "Scan not found";
    /// No import has this id.
    ImportNotFound = "import_not_found", NOT_FOUND, "Import not found";
    /// No user has this id.
    UserNotFound = "user_not_found", NOT_FOUND, "User not found";
    /// No API key has this id.
    ApiKeyNotFound = "api_key_not_found", NOT_FOUND, "API key not found";
    /// You have no session with this id.
    SessionNotFound = "session_not_found", NOT_FOUND, "Session not found";
    /// The address exists, but does not support this method. `Allow` lists the supported methods.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "Method not allowed";
    /// The body took too long to arrive. Send it again.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "Request body timed out";
    /// The body is larger than this address accepts. Send less data, or split it into several
    /// requests.
    PayloadTooLarge = "payload_too_large", PAYLOAD_TOO_LARGE, "Body too large";
    /// The body must be JSON: send `Content-Type: application/json`.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "Unsupported media type";

    /// The child bag is in another parent. `linked_parent_qr_code` names that parent. If the child
    /// is really here, move it.
    LinkedElsewhere = "linked_elsewhere", CONFLICT, "Linked to another parent";
    /// The parent bag is full. Open the next parent.
    ParentFull = "parent_full", CONFLICT, "Parent bag is full";
    /// The parent bag has been completed. Reopen it, or open the next parent.
    ParentCompleted = "parent_completed", CONFLICT, "Parent bag is completed";
    /// The parent bag is on a finished bill, which locks the bag and its children.
    ParentOnCompletedBill = "parent_on_completed_bill", CONFLICT, "Parent bag is on a finished bill";
    /// The code of a parent bag was used where a child bag is required, or the other way round.
    KindMismatch = "kind_mismatch", CONFLICT, "Wrong kind of bag";
    /// The bag belongs to another dispatch area.
    OtherDispatchArea = "other_dispatch_area", CONFLICT, "Another dispatch area";
    /// No parent bag has this code. Scan the parent first.
    UnknownParent = "unknown_parent", CONFLICT, "Unknown parent bag";
    /// The code begins like the codes of a parent format but does not match it. The label is
    /// probably damaged: scan it again. If your bags have such labels, ask an admin to add a child
    /// format for them.
    LooksLikeParent = "looks_like_parent", CONFLICT, "Looks like a damaged parent label";
    /// The code is a product barcode (GTIN-8, 12, 13 or 14 with a valid check digit), not a bag
    /// code. Scan the label of the bag. If your bags have such labels, ask an admin to add a child
    /// format for them.
    ProductBarcode = "product_barcode", CONFLICT, "Product barcode";
    /// Only scans of the last hour can be undone. Ask a biller or an admin to unlink the bag.
    UndoWindowPassed = "undo_window_passed", CONFLICT, "Too late to undo";
    /// The scan changed nothing, or there is no scan of yours to undo.
    NothingToUndo = "nothing_to_undo", CONFLICT, "Nothing to undo";
    /// The child has been moved or removed since this scan, so undoing the scan would reverse a
    /// different change.
    ScanSuperseded = "scan_superseded", CONFLICT, "The bag was moved in the meantime";
    /// A parent bag must contain at least one child before it can be completed.
    EmptyParent = "empty_parent", CONFLICT, "Parent bag is empty";
    /// A bag with this code already exists.
    BagExists = "bag_exists", CONFLICT, "Bag already exists";
    /// The bag contains children, is in a parent, or is on a bill. `detail` says what to remove
    /// first.
    BagInUse = "bag_in_use", CONFLICT, "Bag is in use";
    /// A bag format with this name already exists. Choose another.
    BagFormatExists = "bag_format_exists", CONFLICT, "Bag format already exists";
    /// A dispatch area with this code already exists. Choose another.
    DispatchAreaExists = "dispatch_area_exists", CONFLICT, "Dispatch area already exists";
    /// A bill with this number already exists. Choose another.
    BillExists = "bill_exists", CONFLICT, "Bill number is taken";
    /// The bill is finished and locked. An admin can reopen it.
    BillCompleted = "bill_completed", CONFLICT, "Bill is finished";
    /// Only a finished bill can be reopened.
    BillNotCompleted = "bill_not_completed", CONFLICT, "Bill is not finished";
    /// The bill already has all expected bags. Remove some bags, or increase the expected number.
    BillAtCapacity = "bill_at_capacity", CONFLICT, "Bill is full";
    /// A bill must have at least one parent bag before it can be finished.
    EmptyBill = "empty_bill", CONFLICT, "Bill is empty";
    /// The first request with this `Idempotency-Key` is still running. Wait for the time in
    /// `Retry-After`.
    RequestInProgress = "request_in_progress", CONFLICT, "Request in progress";
    /// Someone else changed this after you read it. Read it again and repeat your change.
    StaleVersion = "stale_version", PRECONDITION_FAILED, "Changed since you read it";
    /// Send `If-Match` with the `ETag` that you read, so that no other change is overwritten.
    IfMatchRequired = "if_match_required", PRECONDITION_REQUIRED, "If-Match required";
    /// The last admin who can sign in cannot be disabled, deleted or given another role. Make
    /// another person an admin first.
    LastAdmin = "last_admin", CONFLICT, "Last admin";
    /// You can't change your own role. Ask another admin.
    OwnRole = "own_role", CONFLICT, "Your own role";
    /// Your previous role request is still pending. Wait until an admin has reviewed it.
    PromotionPending = "promotion_pending", CONFLICT, "Request pending";
    /// The role request has already been decided.
    PromotionDecided = "promotion_decided", CONFLICT, "Request already decided";
    /// The person already has this role or a higher one. If the request was approved too late, it
    /// is closed.
    RoleNotHigher = "role_not_higher", CONFLICT, "Role not higher";
    /// This username is taken. Choose another.
    UsernameTaken = "username_taken", CONFLICT, "Username is taken";
    /// Another user has this email address. Enter a different one.
    EmailTaken = "email_taken", CONFLICT, "Email address is taken";

    /// Two-factor authentication is already on. To set up another device, turn it off first.
    TwoFactorEnabled = "two_factor_enabled", CONFLICT, "Two-factor authentication is on";
    /// Two-factor authentication is off, or not completely set up. Start with `POST
    /// /api/v1/me/2fa/setup`.
    TwoFactorNotEnabled = "two_factor_not_enabled", CONFLICT, "Two-factor authentication is off";

    /// You have too many open event streams. Close one, or wait for the time in `Retry-After`.
    TooManyStreams = "too_many_streams", TOO_MANY_REQUESTS, "Too many event streams";
    /// Too many requests. Wait for the time in `Retry-After`.
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "Too many requests";
    /// The server ran into an error, which was logged with the `request_id`. You can safely try
    /// again.
    Internal = "internal_error", INTERNAL_SERVER_ERROR, "Internal error";
    /// The server is busy, or its database cannot be reached or is read-only. Wait for the time in
    /// `Retry-After` and try again, with the same ids for scans: nothing is done twice.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Temporarily unavailable";
    /// The disk of the database is full. Free up space, then try again, with the same ids for
    /// scans: nothing is done twice.
    StorageFull = "storage_full", SERVICE_UNAVAILABLE, "Storage full";
    /// The request took longer than the server allows. Try again with the same id: nothing is done
    /// twice.
    Timeout = "timeout", SERVICE_UNAVAILABLE, "Request timed out";
}

/// One invalid field of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// JSON Pointer (RFC 6901) into the body, or the name of a query parameter.
    #[schema(example = "/qr_code")]
    pub pointer: String,
    /// Stable code of the error.
    #[schema(example = "unknown_field")]
    pub code: String,
    /// Description of the error.
    pub detail: String,
}

impl FieldError {
    /// A field error from its three parts.
    pub fn new(pointer: impl Into<String>, code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code: code.into(), detail: detail.into() }
    }
}

/// An RFC 9457 problem: the body of every error response.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// Address of a page that explains this problem.
    #[serde(rename = "type")]
    #[schema(example = "/problems/parent_full")]
    pub problem_type: String,
    #[schema(example = "Parent bag is full")]
    pub title: &'static str,
    #[schema(example = 409)]
    pub status: u16,
    /// What happened and what to do, for a person.
    #[schema(example = "SB12345 already holds 30 of 30 child bags.")]
    pub detail: String,
    /// Stable; branch on this.
    #[schema(example = "parent_full")]
    pub code: &'static str,
    /// Include it when you ask for help: every log line of the request contains it.
    pub request_id: Option<String>,
    /// The invalid fields, if there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldError>,
    /// Members that only some problems have; see `ScanProblem`.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub extensions: Option<serde_json::Map<String, serde_json::Value>>,
}

/// A request that was refused, with everything its problem will say.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub code: ErrorCode,
    pub detail: String,
    pub errors: Vec<FieldError>,
    /// Seconds for the `Retry-After` header.
    pub retry_after_seconds: Option<u64>,
    pub extensions: Option<serde_json::Map<String, serde_json::Value>>,
    /// Methods for the `Allow` header of a 405.
    pub allow: Option<String>,
}

impl Refusal {
    /// The problem this refusal is shown as, in the request that is being handled.
    pub fn problem(&self) -> Problem {
        Problem {
            problem_type: format!("{}/problems/{}", context::base_path(), self.code.as_str()),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: self.detail.clone(),
            code: self.code.as_str(),
            request_id: context::request_id(),
            errors: self.errors.clone(),
            extensions: self.extensions.clone(),
        }
    }
}

/// Everything that can go wrong while a request is handled.
#[derive(Debug)]
pub enum Error {
    /// The caller can do something about it, or must wait.
    Refused(Box<Refusal>),
    /// A fault of ours: logged with its cause, shown as `internal_error` without it.
    Internal(anyhow::Error),
}

impl Error {
    /// Refuses with a code and a sentence for a person.
    pub fn refused(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self::Refused(Box::new(Refusal { code, detail: detail.into(), errors: Vec::new(), retry_after_seconds: None, extensions: None, allow: None }))
    }

    /// Refuses input, naming every wrong field.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [only] => only.detail.clone(),
            _ => format!("{} fields are not valid; see `errors`.", errors.len()),
        };
        Self::refused(ErrorCode::ValidationFailed, detail).with_errors(errors)
    }

    /// The server can't serve this now; nothing was written.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::refused(ErrorCode::Unavailable, detail).with_retry_after(1)
    }

    /// Adds the wrong fields.
    pub fn with_errors(self, errors: Vec<FieldError>) -> Self {
        self.changed(|refusal| refusal.errors = errors)
    }

    /// Adds a `Retry-After` header, in seconds.
    pub fn with_retry_after(self, seconds: u64) -> Self {
        self.changed(|refusal| refusal.retry_after_seconds = Some(seconds))
    }

    /// Adds an `Allow` header.
    pub fn with_allow(self, methods: String) -> Self {
        self.changed(|refusal| refusal.allow = Some(methods))
    }

    /// Adds members of the problem's own.
    pub fn with_extensions(self, extensions: serde_json::Map<String, serde_json::Value>) -> Self {
        self.changed(|refusal| refusal.extensions = Some(extensions))
    }

    fn changed(mut self, change: impl FnOnce(&mut Refusal)) -> Self {
        if let Self::Refused(refusal) = &mut self {
            change(refusal);
        }
        self
    }

    /// The refusal to show: the error's own, or `internal_error`.
    pub fn into_refusal(self) -> Refusal {
        match self {
            Self::Refused(refusal) => *refusal,
            Self::Internal(_) => internal_refusal(),
        }
    }
}

fn internal_refusal() -> Refusal {
    Refusal {
        code: ErrorCode::Internal,
        detail: "The server ran into an error. You can safely try again. If the problem continues, give your admin the request id.".into(),
        errors: Vec::new(),
        retry_after_seconds: None,
        extensions: None,
        allow: None,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => write!(f, "{}: {}", refusal.code.as_str(), refusal.detail),
            Self::Internal(cause) => write!(f, "internal error: {cause:#}"),
        }
    }
}

impl std::error::Error for Error {}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Refused(refusal) => refusal.code.status(),
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Self::Refused(refusal) => problem_response(refusal),
            Self::Internal(cause) => {
                tracing::error!(error = format!("{cause:#}"), "request failed");
                problem_response(&internal_refusal())
            }
        }
    }
}

/// The answer that shows a refusal: problem body and the headers that go with it.
fn problem_response(refusal: &Refusal) -> HttpResponse {
    let mut response = HttpResponse::build(refusal.code.status());
    response.content_type("application/problem+json");
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    if let Some(seconds) = refusal.retry_after_seconds {
        response.insert_header((header::RETRY_AFTER, seconds));
    }
    if refusal.code.status() == StatusCode::UNAUTHORIZED {
        let error = match refusal.code {
            ErrorCode::InvalidToken | ErrorCode::TokenExpired => "Bearer error=\"invalid_token\"",
            _ => "Bearer",
        };
        response.insert_header((header::WWW_AUTHENTICATE, HeaderValue::from_static(error)));
    }
    if let Some(allow) = &refusal.allow {
        response.insert_header((header::ALLOW, allow.as_str()));
    }
    response.json(refusal.problem())
}

/// The table of every code, as `docs/errors.md` holds it.
pub fn errors_markdown() -> String {
    let mut page = String::from(
        "# Problem codes\n\nEvery error response is an RFC 9457 problem (`application/problem+json`) with one of \
         these codes. Written by `api errors`; a test keeps it in step with the code.\n\n\
         | code | status | title | what it means, what to do |\n| --- | --- | --- | --- |\n",
    );
    for code in ErrorCode::ALL {
        page.push_str(&format!("| `{}` | {} | {} | {} |\n", code.as_str(), code.status().as_u16(), code.title(), code.explanation().trim()));
    }
    page
}
