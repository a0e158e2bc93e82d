//! What may use what, and who owns which table.

use std::collections::{BTreeMap, BTreeSet};

/// The folders that know no feature of the business.
pub const PLATFORM: &[&str] =
    &["cache", "config", "consistency", "db", "error", "http", "idempotency", "identity", "redis", "shared_limits", "state", "telemetry"];

/// The crates in `api/crates`, each with the crates of the workspace that it may use.
pub const CRATES: &[(&str, &[&str])] = &[("embedded-postgres", &[]), ("platform", &[])];

/// The arrows between the folders of `api/src`.
const ALLOWED: &[(&str, &[&str])] = &[
    ("memory", &[]),
    ("redis", &[]),
    ("error", &[]),
    ("http", &["error"]),
    ("config", &["http"]),
    ("telemetry", &["config"]),
    ("shared_limits", &["error", "redis"]),
    ("cache", &["error", "http", "redis"]),
    ("db", &["config", "error"]),
    ("state", &["cache", "config", "db", "http", "redis", "shared_limits"]),
    ("consistency", &["db", "error", "redis", "state"]),
    ("idempotency", &["db", "error", "http"]),
    ("jobs", &["db", "error", "state"]),
    ("audit", &["config", "consistency", "db", "error", "http", "state"]),
    ("dispatch_areas", &["audit", "consistency", "db", "error", "http", "idempotency", "state"]),
    ("users", &["audit", "config", "consistency", "db", "dispatch_areas", "error", "http", "idempotency", "state"]),
    ("auth", &["audit", "cache", "config", "db", "error", "http", "redis", "shared_limits", "state", "users"]),
    ("api_keys", &["audit", "auth", "config", "consistency", "db", "error", "http", "state", "users"]),
    ("notifications", &["auth", "consistency", "db", "error", "http", "state", "users"]),
    ("bag_formats", &["audit", "auth", "consistency", "db", "error", "http", "idempotency", "state"]),
    ("bags", &["audit", "auth", "cache", "consistency", "db", "dispatch_areas", "error", "http", "idempotency", "state"]),
    (
        "scans",
        &["audit", "auth", "bag_formats", "bags", "config", "consistency", "db", "dispatch_areas", "error", "http", "idempotency", "state", "users"],
    ),
    ("bills", &["audit", "auth", "bags", "consistency", "db", "dispatch_areas", "error", "http", "idempotency", "state"]),
    ("mail", &["auth", "config", "db", "error", "jobs", "state", "users"]),
    ("promotion_requests", &["audit", "auth", "consistency", "db", "error", "http", "idempotency", "notifications", "state", "users"]),
    ("events", &["auth", "consistency", "db", "error", "http", "scans", "state", "users"]),
    ("stats", &["auth", "cache", "db", "error", "http", "scans", "state"]),
    ("reports", &["audit", "auth", "bills", "consistency", "db", "error", "http", "jobs", "mail", "state", "stats", "users"]),
    ("exports", &["audit", "auth", "bags", "bills", "consistency", "db", "dispatch_areas", "error", "http", "reports", "scans", "state", "users"]),
    (
        "imports",
        &["audit", "auth", "bags", "cache", "consistency", "db", "error", "http", "idempotency", "jobs", "reports", "scans", "state", "users"],
    ),
    ("search", &["auth", "bags", "bills", "cache", "error", "http", "state", "users"]),
    ("maintenance", &["audit", "db"]),
    ("system", &["audit", "auth", "db", "error", "http", "jobs", "maintenance", "state"]),
    ("health", &["auth", "db", "error", "http", "scans", "state"]),
    ("note_writes", &["auth", "cache", "state"]),
    ("seed_demo", &["auth", "db"]),
    ("openapi", &["auth", "config", "consistency", "http"]),
    (
        "server",
        &[
            "api_keys",
            "audit",
            "auth",
            "bag_formats",
            "bags",
            "bills",
            "cache",
            "config",
            "consistency",
            "db",
            "dispatch_areas",
            "events",
            "exports",
            "health",
            "http",
            "imports",
            "jobs",
            "mail",
            "note_writes",
            "notifications",
            "openapi",
            "promotion_requests",
            "redis",
            "reports",
            "scans",
            "search",
            "state",
            "stats",
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
