//! Promotion requests as rows and as JSON.

use chrono::{DateTime, Utc};
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Nullable, Text, Timestamptz};
use serde::Serialize;
use utoipa::ToSchema;

use crate::identity::{Role, UserRoleSql};
use crate::pg_enum;

pg_enum! {
    /// The status of a role request.
    PromotionStatus as PromotionStatusSql = "promotion_status" {
        Pending = "pending",
        Approved = "approved",
        Rejected = "rejected",
    }
}

/// A person's request for another role.
#[derive(Debug, Clone, Serialize, ToSchema, QueryableByName)]
pub struct PromotionRequest {
    #[schema(example = 3)]
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    #[schema(example = 7)]
    #[diesel(sql_type = BigInt)]
    pub user_id: i64,
    #[schema(example = "asha")]
    #[diesel(sql_type = Text)]
    pub username: String,
    /// The current role.
    #[diesel(sql_type = UserRoleSql)]
    pub role: Role,
    #[diesel(sql_type = UserRoleSql)]
    pub wanted_role: Role,
    #[diesel(sql_type = Text)]
    pub reason: String,
    #[diesel(sql_type = PromotionStatusSql)]
    pub status: PromotionStatus,
    /// `role_not_higher` if the approval came too late to raise the role and closed the request.
    #[schema(required, example = "role_not_higher")]
    #[diesel(sql_type = Nullable<Text>)]
    pub closed_as: Option<String>,
    /// The admin's note.
    #[schema(required)]
    #[diesel(sql_type = Nullable<Text>)]
    pub note: Option<String>,
    /// Username of the admin.
    #[schema(required)]
    #[diesel(sql_type = Nullable<Text>)]
    pub decided_by: Option<String>,
    #[schema(required)]
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub decided_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
}

/// Columns of a [`PromotionRequest`].
pub const SELECT: &str = "SELECT r.id, r.user_id, u.username, u.role, r.wanted_role, r.reason, r.status, r.closed_as, r.note, d.username AS decided_by, \
     r.decided_at, r.created_at FROM promotion_requests r JOIN users u ON u.id = r.user_id LEFT JOIN users d ON d.id = r.decided_by ";
