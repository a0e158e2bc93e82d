//! The columns of each exported table.

use serde::Serialize;

use super::format::Cell;
use crate::audit::routes::AuditEntry;
use crate::bags::model::Bag;
use crate::bills::model::Bill;
use crate::scans::model::Scan;
use crate::users::model::User;

/// A row that can be written as a line of JSON and as a row of a table.
pub trait Row: Serialize + Send + 'static {
    /// The header row: the names of the API. The names of nested objects are joined with `_`.
    const COLUMNS: &'static [&'static str];

    /// The values, one for each column.
    fn cells(&self) -> Vec<Cell<'_>>;
}

impl Row for Bag {
    const COLUMNS: &'static [&'static str] = &[
        "qr_code",
        "kind",
        "status",
        "format",
        "name",
        "child_count",
        "capacity",
        "weight_kg",
        "parent",
        "bill",
        "dispatch_area",
        "created_by",
        "created_at",
        "last_scan_at",
    ];

    fn cells(&self) -> Vec<Cell<'_>> {
        vec![
            Cell::text(self.qr_code.as_str()),
            Cell::text(self.kind.as_str()),
            Cell::maybe(self.status, |status| Cell::text(status.as_str())),
            Cell::text(&self.format),
            Cell::maybe(self.name.as_deref(), Cell::text),
            Cell::maybe(self.child_count, |count| Cell::Integer(count.into())),
            Cell::maybe(self.capacity, |capacity| Cell::Integer(capacity.into())),
            Cell::Decimal(self.weight_kg),
            Cell::maybe(self.parent.as_ref(), |parent| Cell::text(parent.as_str())),
            Cell::maybe(self.bill.as_deref(), Cell::text),
            Cell::maybe(self.dispatch_area.as_deref(), Cell::text),
            Cell::maybe(self.created_by.as_deref(), Cell::text),
            Cell::Time(self.created_at),
            Cell::maybe(self.last_scan_at, Cell::Time),
        ]
    }
}

impl Row for Bill {
    const COLUMNS: &'static [&'static str] = &[
        "bill_number",
        "description",
        "destination",
        "vehicle_number",
        "status",
        "expected_parent_bags",
        "parent_bag_count",
        "child_bag_count",
        "actual_weight_kg",
        "expected_weight_kg",
        "variance_kg",
        "created_by",
        "created_at",
        "finished_at",
        "version",
    ];

    fn cells(&self) -> Vec<Cell<'_>> {
        vec![
            Cell::text(&self.bill_number),
            Cell::maybe(self.description.as_deref(), Cell::text),
            Cell::text(&self.destination),
            Cell::text(&self.vehicle_number),
            Cell::text(self.status.as_str()),
            Cell::Integer(self.expected_parent_bags.into()),
            Cell::Integer(self.parent_bag_count),
            Cell::Integer(self.child_bag_count),
            Cell::Decimal(self.actual_weight_kg),
            Cell::Decimal(self.expected_weight_kg),
            Cell::Decimal(self.variance_kg),
            Cell::maybe(self.created_by.as_deref(), Cell::text),
            Cell::Time(self.created_at),
            Cell::maybe(self.finished_at, Cell::Time),
            Cell::Integer(self.version),
        ]
    }
}

impl Row for Scan {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "kind",
        "outcome",
        "qr_code",
        "parent_qr_code",
        "user_id",
        "user_username",
        "dispatch_area",
        "source",
        "scanned_at",
        "recorded_at",
        "undone_at",
        "undone_by",
    ];

    fn cells(&self) -> Vec<Cell<'_>> {
        vec![
            Cell::made(self.id),
            Cell::text(self.kind.as_str()),
            Cell::text(self.outcome.as_str()),
            Cell::text(self.qr_code.as_str()),
            Cell::maybe(self.parent_qr_code.as_ref(), |parent| Cell::text(parent.as_str())),
            Cell::Integer(self.user.id.0),
            Cell::text(&self.user.username),
            Cell::maybe(self.dispatch_area.as_deref(), Cell::text),
            Cell::text(self.source.as_str()),
            Cell::Time(self.scanned_at),
            Cell::Time(self.recorded_at),
            Cell::maybe(self.undone_at, Cell::Time),
            Cell::maybe(self.undone_by.as_deref(), Cell::text),
        ]
    }
}

impl Row for User {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "username",
        "email",
        "role",
        "dispatch_area",
        "is_active",
        "two_factor_enabled",
        "locked_until",
        "last_login_at",
        "created_at",
        "version",
        "password_change_required",
    ];

    fn cells(&self) -> Vec<Cell<'_>> {
        vec![
            Cell::Integer(self.id.0),
            Cell::text(&self.username),
            Cell::maybe(self.email.as_deref(), Cell::text),
            Cell::text(self.role.as_str()),
            Cell::maybe(self.dispatch_area.as_deref(), Cell::text),
            Cell::Truth(self.is_active),
            Cell::Truth(self.two_factor_enabled),
            Cell::maybe(self.locked_until, Cell::Time),
            Cell::maybe(self.last_login_at, Cell::Time),
            Cell::Time(self.created_at),
            Cell::Integer(self.version),
            Cell::Truth(self.password_change_required),
        ]
    }
}

impl Row for AuditEntry {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "at",
        "actor_id",
        "actor_username",
        "action",
        "entity_type",
        "entity_id",
        "before",
        "after",
        "ip",
        "user_agent",
        "request_id",
        "api_key_id",
        "api_key_name",
    ];

    fn cells(&self) -> Vec<Cell<'_>> {
        let (actor, key) = (self.actor.as_ref(), self.api_key.as_ref());
        vec![
            Cell::made(self.id),
            Cell::Time(self.at),
            Cell::maybe(actor.and_then(|actor| actor.id), Cell::Integer),
            Cell::maybe(actor.and_then(|actor| actor.username.as_deref()), Cell::text),
            Cell::text(&self.action),
            Cell::text(&self.entity_type),
            Cell::text(&self.entity_id),
            Cell::maybe(self.before.as_ref(), Cell::made),
            Cell::maybe(self.after.as_ref(), Cell::made),
            Cell::maybe(self.ip.as_deref(), Cell::text),
            Cell::maybe(self.user_agent.as_deref(), Cell::text),
            Cell::maybe(self.request_id.as_deref(), Cell::text),
            Cell::maybe(key.map(|key| key.id), Cell::Integer),
            Cell::maybe(key.and_then(|key| key.name.as_deref()), Cell::text),
        ]
    }
}
