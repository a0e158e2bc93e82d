//! Users as rows and as JSON.

use chrono::{DateTime, Utc};
use diesel::prelude::{Queryable, QueryableByName, Selectable};
use serde::Serialize;
use utoipa::ToSchema;

use super::language::Language;
use crate::db::schema::users;
use crate::identity::{Role, UserId};

/// A row of `users`.
#[derive(Debug, Clone, Queryable, QueryableByName, Selectable)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
pub struct UserRow {
    pub id: UserId,
    pub username: String,
    pub email: Option<String>,
    pub password_hash: String,
    pub role: Role,
    pub dispatch_area_id: Option<i32>,
    pub is_active: bool,
    pub password_change_required: bool,
    pub two_factor_enabled: bool,
    pub locked_until: Option<DateTime<Utc>>,
    pub last_login_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub version: i64,
    pub anonymised_at: Option<DateTime<Utc>>,
    pub language: Language,
}

/// A person who signs in.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct User {
    #[schema(value_type = i64, example = 7)]
    pub id: UserId,
    #[schema(example = "asha")]
    pub username: String,
    #[schema(required, example = "asha@example.com")]
    pub email: Option<String>,
    pub role: Role,
    /// Code of the dispatch area; dispatchers always have one.
    #[schema(required, example = "Lucknow")]
    pub dispatch_area: Option<String>,
    pub is_active: bool,
    pub two_factor_enabled: bool,
    /// Set while the account is locked for an address or device after too many wrong passwords or
    /// codes.
    #[schema(required)]
    pub locked_until: Option<DateTime<Utc>>,
    #[schema(required)]
    pub last_login_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    /// Number of changes to this user.
    pub version: i64,
    /// The password was set by an admin or the system, and must be changed before anything else.
    pub password_change_required: bool,
    /// Language of emails.
    pub language: Language,
}

impl User {
    /// The JSON of a row and the code of its dispatch area.
    pub fn from_row(row: UserRow, dispatch_area: Option<String>) -> Self {
        Self {
            id: row.id,
            username: row.username,
            email: row.email,
            role: row.role,
            dispatch_area,
            is_active: row.is_active,
            two_factor_enabled: row.two_factor_enabled,
            locked_until: row.locked_until.filter(|until| *until > Utc::now()),
            last_login_at: row.last_login_at,
            created_at: row.created_at,
            version: row.version,
            password_change_required: row.password_change_required,
            language: row.language,
        }
    }
}
