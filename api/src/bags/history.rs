//! The timeline of a bag: its scans, and the changes that were made otherwise.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::bag_formats::qr_code::QrCode;
use crate::db::sql;

/// One event in the history of a bag.
#[derive(Debug, Serialize, ToSchema, QueryableByName)]
pub struct HistoryEntry {
    /// UUIDv7 of the scan or the audit entry; the list is sorted by it, newest first.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    pub at: DateTime<Utc>,
    /// `scan_parent`, `scan_child`, `scan_lookup`, `scan_undo`, or the action of a change: `parent_completed`, `child_moved`, …
    #[schema(example = "scan_child")]
    #[diesel(sql_type = Text)]
    pub event: String,
    /// Username of the person who did it.
    #[schema(required, example = "asha")]
    #[diesel(sql_type = Nullable<Text>)]
    pub actor: Option<String>,
    /// The scanned or changed bag: this bag, or one of its children.
    #[diesel(sql_type = Text)]
    pub qr_code: String,
    /// The parent that it was scanned into or moved to.
    #[schema(required)]
    #[diesel(sql_type = Nullable<Text>)]
    pub parent_qr_code: Option<String>,
    /// The result of a scan.
    #[schema(required, example = "linked")]
    #[diesel(sql_type = Nullable<Text>)]
    pub outcome: Option<String>,
    /// The source of a scanned code.
    #[schema(required, example = "wedge")]
    #[diesel(sql_type = Nullable<Text>)]
    pub source: Option<String>,
    /// When a scan was undone.
    #[schema(required)]
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub undone_at: Option<DateTime<Utc>>,
    /// The changed fields before and after a change. Dispatchers get only the values of their own
    /// area.
    #[schema(required, value_type = Option<Object>)]
    #[diesel(sql_type = Nullable<Jsonb>)]
    pub details: Option<Value>,
}

/// History of a bag, newest first, older than the entry `before`; what it was in another area than
/// `area_id` is left out, unless that is `None`.
///
/// Areas are those of the time, as each scan and each audit entry has them: of a bag that has moved,
/// its new area sees `after` of the move and what came then, its old area `before` and what was
/// until then. Audit entries from before areas were noted have none: of those the bag's own are
/// shown, without details.
///
/// Each branch reads at most a page from its own index. What a scan did is told by the scan, so the audit
/// entries that say the same are left out.
pub async fn history(
    conn: &mut AsyncPgConnection,
    code: &QrCode,
    area_id: Option<i32>,
    before: Option<Uuid>,
    limit: i64,
) -> QueryResult<Vec<HistoryEntry>> {
    sql("WITH scanned AS ( \
           (SELECT * FROM scans WHERE qr_code = $1 AND id < $2 AND ($4 IS NULL OR dispatch_area_id = $4) ORDER BY id DESC LIMIT $3) \
           UNION ALL \
           (SELECT * FROM scans WHERE parent_qr_code = $1 AND qr_code <> $1 AND id < $2 AND ($4 IS NULL OR dispatch_area_id = $4) \
            ORDER BY id DESC LIMIT $3)), \
         changed AS ( \
           (SELECT * FROM audit_logs WHERE entity_type = 'bag' AND entity_id = $1 AND id < $2 AND action <> 'scan_undone' \
                   AND NOT (action = 'child_linked' AND before IS NULL) AND NOT (action = 'bag_created' AND after IS NULL) \
                   AND ($4 IS NULL OR $4 IN (area_id, previous_area_id) OR area_id IS NULL) \
            ORDER BY id DESC LIMIT $3) \
           UNION ALL \
           (SELECT * FROM audit_logs WHERE action IN ('child_unlinked', 'child_moved') AND before->>'parent_qr_code' = $1 AND id < $2 \
                   AND ($4 IS NULL OR $4 IN (area_id, previous_area_id)) \
            ORDER BY id DESC LIMIT $3) \
           UNION ALL \
           (SELECT * FROM audit_logs WHERE action IN ('child_linked', 'child_moved') AND before IS NOT NULL \
                   AND after->>'parent_qr_code' = $1 AND id < $2 \
                   AND ($4 IS NULL OR $4 IN (area_id, previous_area_id)) \
            ORDER BY id DESC LIMIT $3)) \
         SELECT s.id, s.scanned_at AS at, 'scan_' || s.kind AS event, u.username AS actor, s.qr_code, s.parent_qr_code, \
                s.outcome::text AS outcome, s.source::text AS source, s.undone_at, NULL::jsonb AS details \
         FROM scanned s LEFT JOIN users u ON u.id = s.user_id \
         UNION ALL \
         (SELECT l.id, l.at, l.action, l.actor_name, l.entity_id, v.after->>'parent_qr_code', NULL, NULL, NULL, \
                 jsonb_strip_nulls(jsonb_build_object('before', v.before, 'after', v.after)) \
          FROM changed l CROSS JOIN LATERAL (SELECT \
            CASE WHEN $4 IS NULL OR coalesce(l.previous_area_id, l.area_id) = $4 THEN l.before END AS before, \
            CASE WHEN $4 IS NULL OR l.area_id = $4 THEN l.after END AS after) AS v) \
         ORDER BY id DESC LIMIT $3")
    .bind::<Text, _>(code)
    .bind::<SqlUuid, _>(before.unwrap_or(Uuid::max()))
    .bind::<BigInt, _>(limit)
    .bind::<Nullable<Integer>, _>(area_id)
    .load(conn)
    .await
}
