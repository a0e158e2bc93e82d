//! What may use what, and who owns which table.

use std::collections::{BTreeMap, BTreeSet};

/// The folders that know no feature of the business.
pub const PLATFORM: &[&str] = &[
    "cache",
    "config",
    "consistency",
    "db",
    "documents",
    "error",
    "http",
    "idempotency",
    "identity",
    "pg_types",
    "redis",
    "shared_limits",
    "state",
    "telemetry",
];

/// The crates in `api/crates`, each with the crates of the workspace that it may use.
pub const CRATES: &[(&str, &[&str])] = &[("embedded-postgres", &[]), ("platform", &[])];

/// The arrows between the folders of `api/src`.
const ALLOWED: &[(&str, &[&str])] = &[
    ("memory", &[]),
    ("redis", &[]),
    ("error", &[]),
    ("pg_types", &[]),
    ("http", &["error"]),
    ("documents", &["error"]),
    ("shared_limits", &["error", "redis"]),
    ("cache", &["error", "http", "redis"]),
    ("identity", &["cache", "error", "http", "pg_types"]),
    ("config", &["http", "identity"]),
    ("telemetry", &["config"]),
    ("db", &["config", "error", "identity", "redis"]),
    ("state", &["cache", "config", "db", "http", "redis", "shared_limits"]),
    ("consistency", &["db", "error", "identity", "state"]),
    ("idempotency", &["db", "error", "http", "identity"]),
    ("jobs", &["db", "error", "identity", "pg_types", "state"]),
    ("access", &["config", "db", "error", "identity", "redis", "state"]),
    ("audit", &["config", "consistency", "db", "error", "http", "identity", "state"]),
    ("dispatch_areas", &["audit", "consistency", "db", "error", "http", "idempotency", "identity", "state"]),
    ("bag_formats", &["audit", "consistency", "db", "error", "http", "idempotency", "identity", "pg_types", "state"]),
    (
        "bags",
        &["audit", "bag_formats", "cache", "consistency", "db", "dispatch_areas", "error", "http", "idempotency", "identity", "pg_types", "state"],
    ),
    ("users", &["access", "audit", "bags", "config", "consistency", "db", "dispatch_areas", "error", "http", "idempotency", "identity", "state"]),
    ("api_keys", &["access", "audit", "config", "consistency", "db", "error", "http", "identity", "shared_limits", "state"]),
    ("notifications", &["consistency", "db", "error", "http", "identity", "pg_types", "state"]),
    ("mail", &["config", "db", "error", "identity", "jobs", "state", "users"]),
    ("account", &["access", "audit", "config", "db", "error", "http", "identity", "mail", "shared_limits", "state", "users"]),
    (
        "scans",
        &[
            "audit",
            "bag_formats",
            "bags",
            "config",
            "consistency",
            "db",
            "dispatch_areas",
            "error",
            "http",
            "idempotency",
            "identity",
            "pg_types",
            "state",
        ],
    ),
    (
        "bills",
        &[
            "audit",
            "bag_formats",
            "bags",
            "consistency",
            "db",
            "dispatch_areas",
            "documents",
            "error",
            "http",
            "idempotency",
            "identity",
            "pg_types",
            "state",
        ],
    ),
    (
        "promotion_requests",
        &["access", "audit", "consistency", "db", "error", "http", "idempotency", "identity", "notifications", "pg_types", "state"],
    ),
    ("events", &["access", "api_keys", "db", "error", "http", "identity", "scans", "state"]),
    ("stats", &["cache", "db", "error", "http", "identity", "scans", "state"]),
    ("reports", &["audit", "bills", "consistency", "db", "documents", "error", "http", "identity", "jobs", "mail", "state", "stats"]),
    (
        "exports",
        &[
            "audit",
            "bag_formats",
            "bags",
            "bills",
            "consistency",
            "db",
            "dispatch_areas",
            "documents",
            "error",
            "http",
            "identity",
            "scans",
            "state",
            "users",
        ],
    ),
    (
        "imports",
        &[
            "audit",
            "bag_formats",
            "bags",
            "cache",
            "consistency",
            "db",
            "documents",
            "error",
            "http",
            "idempotency",
            "identity",
            "jobs",
            "pg_types",
            "scans",
            "state",
            "users",
        ],
    ),
    ("search", &["bags", "bills", "cache", "error", "http", "identity", "state", "users"]),
    ("system", &["audit", "bags", "db", "error", "http", "identity", "jobs", "scans", "state"]),
    ("maintenance", &["audit", "db", "system"]),
    ("health", &["db", "error", "http", "identity", "scans", "state"]),
    ("note_writes", &["bags", "cache", "identity", "state"]),
    ("seed_demo", &["access", "db"]),
    (
        "routes",
        &[
            "account",
            "api_keys",
            "audit",
            "bag_formats",
            "bags",
            "bills",
            "config",
            "dispatch_areas",
            "events",
            "exports",
            "health",
            "http",
            "identity",
            "imports",
            "notifications",
            "promotion_requests",
            "reports",
            "scans",
            "search",
            "stats",
            "system",
            "users",
        ],
    ),
    ("openapi", &["access", "config", "consistency", "http", "routes"]),
    (
        "server",
        &[
            "access",
            "api_keys",
            "audit",
            "bag_formats",
            "bags",
            "cache",
            "config",
            "consistency",
            "db",
            "events",
            "exports",
            "health",
            "http",
            "identity",
            "jobs",
            "mail",
            "note_writes",
            "openapi",
            "redis",
            "reports",
            "routes",
            "scans",
            "state",
            "system",
            "users",
        ],
    ),
];

/// The files of features that answer requests but are not called routes: middleware, extractors and
/// streamed answers.
pub const HTTP_FILES: &[&str] = &[
    // Middleware and extractors.
    "audit/denied.rs",
    "api_keys/bearer.rs",
    // Routes of one page each.
    "account/jwks.rs",
    "account/my_account.rs",
    "account/password_reset.rs",
    "health/mod.rs",
    "users/personal_data.rs",
    // The answer that is sent while it is written.
    "exports/stream.rs",
];

/// The one folder that writes a table.
pub const OWNERS: &[(&str, &str)] = &[
    ("api_keys", "api_keys/"),
    ("audit_logs", "audit/"),
    ("bag_formats", "bag_formats/"),
    ("bag_links", "bags/"),
    ("bags", "bags/"),
    ("bill_bags", "bills/"),
    ("bills", "bills/"),
    ("data_keys", "access/"),
    ("dispatch_areas", "dispatch_areas"),
    ("failed_attempts", "access/"),
    ("idempotency_keys", "idempotency"),
    ("import_chunks", "imports/"),
    ("import_errors", "imports/"),
    ("import_rows", "imports/"),
    ("imports", "imports/"),
    ("jobs", "jobs/"),
    ("notifications", "notifications/"),
    ("password_resets", "account/"),
    ("promotion_requests", "promotion_requests/"),
    ("recovery_codes", "account/"),
    ("scans", "scans/"),
    ("seed_parents", "seed_demo/"),
    ("sessions", "access/"),
    ("signing_keys", "access/"),
    ("users", "users/"),
    ("write_heartbeats", "health/"),
];

/// Files that write the tables of others by design: sets of rows in one statement each, where a call
/// of the owner for every row would take too long.
pub const BULK_WRITERS: &[&str] = &[
    // Whole files of bags, links and scans.
    "imports/as_one.rs",
    "imports/write_rows.rs",
    // All scans that wait, with the bags and links that they create.
    "scans/write_sets.rs",
    // The believable warehouse of `seed-demo`, years of it.
    "seed_demo/",
];

/// `ALLOWED` as a graph.
pub fn allowed() -> BTreeMap<String, BTreeSet<String>> {
    ALLOWED.iter().map(|(folder, targets)| ((*folder).to_owned(), targets.iter().map(|&target| target.to_owned()).collect())).collect()
}
