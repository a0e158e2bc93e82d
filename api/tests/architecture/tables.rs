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
    ("config", &["http"]),
    ("telemetry", &["config"]),
    ("shared_limits", &["error", "redis"]),
    ("db", &["config", "error", "redis"]),
    ("cache", &["error", "http", "redis"]),
    ("state", &["cache", "config", "db", "http", "redis", "shared_limits"]),
    ("consistency", &["db", "error", "state"]),
    ("idempotency", &["db", "error", "http"]),
    ("jobs", &["db", "error", "pg_types", "state"]),
    ("audit", &["config", "consistency", "db", "error", "http", "state"]),
    ("dispatch_areas", &["audit", "consistency", "db", "error", "http", "idempotency", "state"]),
    ("users", &["audit", "config", "consistency", "db", "dispatch_areas", "error", "http", "idempotency", "pg_types", "state"]),
    ("auth", &["audit", "cache", "config", "db", "error", "http", "redis", "shared_limits", "state", "users"]),
    ("api_keys", &["audit", "auth", "config", "consistency", "db", "error", "http", "state", "users"]),
    ("notifications", &["auth", "consistency", "db", "error", "http", "pg_types", "state", "users"]),
    ("bag_formats", &["audit", "auth", "consistency", "db", "error", "http", "idempotency", "pg_types", "state"]),
    ("bags", &["audit", "auth", "bag_formats", "cache", "consistency", "db", "dispatch_areas", "error", "http", "idempotency", "pg_types", "state"]),
    (
        "scans",
        &[
            "audit",
            "auth",
            "bag_formats",
            "bags",
            "config",
            "consistency",
            "db",
            "dispatch_areas",
            "error",
            "http",
            "idempotency",
            "pg_types",
            "state",
            "users",
        ],
    ),
    (
        "bills",
        &[
            "audit",
            "auth",
            "bag_formats",
            "bags",
            "consistency",
            "db",
            "dispatch_areas",
            "documents",
            "error",
            "http",
            "idempotency",
            "pg_types",
            "state",
        ],
    ),
    ("mail", &["auth", "config", "db", "error", "jobs", "state", "users"]),
    ("promotion_requests", &["audit", "auth", "consistency", "db", "error", "http", "idempotency", "notifications", "pg_types", "state", "users"]),
    ("events", &["auth", "db", "error", "http", "scans", "state", "users"]),
    ("stats", &["auth", "cache", "db", "error", "http", "scans", "state"]),
    ("reports", &["audit", "auth", "bills", "consistency", "db", "documents", "error", "http", "jobs", "mail", "state", "stats", "users"]),
    (
        "exports",
        &[
            "audit",
            "auth",
            "bag_formats",
            "bags",
            "bills",
            "consistency",
            "db",
            "dispatch_areas",
            "documents",
            "error",
            "http",
            "scans",
            "state",
            "users",
        ],
    ),
    (
        "imports",
        &[
            "audit",
            "auth",
            "bag_formats",
            "bags",
            "cache",
            "consistency",
            "db",
            "documents",
            "error",
            "http",
            "idempotency",
            "jobs",
            "pg_types",
            "scans",
            "state",
            "users",
        ],
    ),
    ("search", &["auth", "bags", "bills", "cache", "error", "http", "state", "users"]),
    ("system", &["audit", "auth", "db", "error", "http", "jobs", "state"]),
    ("maintenance", &["audit", "db", "system"]),
    ("health", &["auth", "db", "error", "http", "scans", "state"]),
    ("note_writes", &["auth", "cache", "state"]),
    ("seed_demo", &["auth", "db"]),
    (
        "routes",
        &[
            "api_keys",
            "audit",
            "auth",
            "bag_formats",
            "bags",
            "bills",
            "config",
            "dispatch_areas",
            "events",
            "exports",
            "health",
            "http",
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
    ("openapi", &["auth", "config", "consistency", "http", "routes"]),
    (
        "server",
        &[
            "audit",
            "auth",
            "bag_formats",
            "bags",
            "cache",
            "config",
            "consistency",
            "db",
            "health",
            "http",
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
    "auth/bearer.rs",
    "auth/caller.rs",
    // Routes of one page each.
    "auth/jwks.rs",
    "auth/my_account.rs",
    "auth/password_reset.rs",
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
    ("data_keys", "auth/"),
    ("dispatch_areas", "dispatch_areas"),
    ("failed_attempts", "auth/"),
    ("idempotency_keys", "idempotency"),
    ("import_chunks", "imports/"),
    ("import_errors", "imports/"),
    ("import_rows", "imports/"),
    ("imports", "imports/"),
    ("jobs", "jobs/"),
    ("notifications", "notifications/"),
    ("password_resets", "auth/"),
    ("promotion_requests", "promotion_requests/"),
    ("recovery_codes", "auth/"),
    ("scans", "scans/"),
    ("seed_parents", "seed_demo/"),
    ("sessions", "auth/"),
    ("signing_keys", "auth/"),
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
