//! Where the code breaks a rule today, and why. Delete an entry when the test says that it is no
//! longer needed; add none.

/// One place that breaks a rule.
pub struct Exception {
    pub what: &'static str,
    pub why: &'static str,
}

/// Arrows between folders.
pub const ARROWS: &[Exception] = &[
    Exception { what: "config -> users", why: "The settings name roles." },
    Exception { what: "db -> users", why: "The tables of the query builder name the SQL type of the role." },
    Exception { what: "state -> jobs", why: "The state is the parts of the features." },
    Exception { what: "state -> auth", why: "The state is the parts of the features." },
    Exception { what: "state -> api_keys", why: "The state is the parts of the features." },
    Exception { what: "state -> bag_formats", why: "The state is the parts of the features." },
    Exception { what: "state -> bags", why: "The state is the parts of the features." },
    Exception { what: "state -> scans", why: "The state is the parts of the features." },
    Exception { what: "state -> mail", why: "The state is the parts of the features." },
    Exception { what: "state -> events", why: "The state is the parts of the features." },
    Exception { what: "state -> exports", why: "The state is the parts of the features." },
    Exception { what: "consistency -> auth", why: "Reads and writes are noted by caller." },
    Exception { what: "idempotency -> auth", why: "Keys are stored by caller." },
    Exception { what: "jobs -> imports", why: "The worker knows the kinds of jobs." },
    Exception { what: "jobs -> mail", why: "The worker knows the kinds of jobs." },
    Exception { what: "jobs -> reports", why: "The worker knows the kinds of jobs." },
    Exception { what: "jobs -> users", why: "A job names its user." },
    Exception { what: "audit -> auth", why: "The routes and the middleware of the audit log ask who calls." },
    Exception { what: "audit -> users", why: "An entry names its user." },
    Exception { what: "dispatch_areas -> auth", why: "Tokens, extractors and sign-in are one folder, and sign-in needs users and areas." },
    Exception { what: "users -> auth", why: "Tokens, extractors and sign-in are one folder, and sign-in needs users." },
    Exception { what: "auth -> api_keys", why: "The middleware that authenticates API keys reads the cache of keys." },
    Exception { what: "auth -> mail", why: "Sign-in and password reset send mails." },
    Exception { what: "mail -> reports", why: "The mail of the end of the day is written when it is sent." },
];
/// Files that know HTTP.
pub const HTTP: &[Exception] = &[
    Exception { what: "audit/mod.rs", why: "The act takes the address of the client for its audit entry." },
    Exception { what: "auth/attempts/mod.rs", why: "The act takes the address of the client for its audit entry." },
    Exception { what: "auth/sessions.rs", why: "The act takes the address of the client for its audit entry." },
    Exception { what: "auth/sign_in.rs", why: "The act takes the address of the client for its audit entry." },
    Exception { what: "bags/change_parent.rs", why: "The act takes the address of the client for its audit entry." },
    Exception { what: "bags/complete_parent.rs", why: "The act takes the address of the client for its audit entry." },
    Exception { what: "bags/delete_bags.rs", why: "The act takes the address of the client for its audit entry." },
    Exception { what: "bags/edit_bag.rs", why: "The act takes the address of the client for its audit entry." },
    Exception { what: "bills/add_bags.rs", why: "The act takes the address of the client for its audit entry." },
    Exception { what: "bills/edit_bill.rs", why: "The act takes the address of the client for its audit entry." },
    Exception { what: "bills/finish_bill.rs", why: "The act takes the address of the client for its audit entry." },
    Exception { what: "imports/run_import.rs", why: "The act takes the address of the client for its audit entry." },
    Exception { what: "promotion_requests/decide.rs", why: "The act takes the address of the client for its audit entry." },
    Exception { what: "scans/undo_scan.rs", why: "The act takes the address of the client for its audit entry." },
    Exception { what: "users/edit_user.rs", why: "The act takes the address of the client for its audit entry." },
    Exception { what: "bags/kept_bags.rs", why: "The cache holds responses." },
    Exception { what: "bags/list_bags.rs", why: "The order of a list is parsed from the query string." },
    Exception { what: "bills/queries.rs", why: "The order of a list is parsed from the query string." },
    Exception { what: "scans/queries.rs", why: "The order of a list is parsed from the query string." },
];
/// Writers of tables that are not their own.
pub const WRITERS: &[Exception] = &[
    Exception { what: "auth/attempts/store.rs writes users", why: "Sign-in locks and unlocks accounts." },
    Exception { what: "auth/two_factor.rs writes users", why: "The second factor is stored with the user." },
    Exception { what: "promotion_requests/decide.rs writes users", why: "A promotion changes the role of the user." },
    Exception { what: "reports/end_of_day.rs writes audit_logs", why: "The mails of the day and their entries are written by one statement." },
    Exception { what: "reports/end_of_day.rs writes jobs", why: "The mails of the day and their entries are written by one statement." },
    Exception { what: "system/housekeeping.rs writes failed_attempts", why: "Housekeeping deletes the expired rows of all features." },
    Exception { what: "system/housekeeping.rs writes idempotency_keys", why: "Housekeeping deletes the expired rows of all features." },
    Exception { what: "system/housekeeping.rs writes jobs", why: "Housekeeping deletes the expired rows of all features." },
    Exception { what: "system/housekeeping.rs writes notifications", why: "Housekeeping deletes the expired rows of all features." },
    Exception { what: "system/housekeeping.rs writes password_resets", why: "Housekeeping deletes the expired rows of all features." },
    Exception { what: "system/housekeeping.rs writes sessions", why: "Housekeeping deletes the expired rows of all features." },
    Exception { what: "system/housekeeping.rs writes write_heartbeats", why: "Housekeeping deletes the expired rows of all features." },
];
/// Long files, functions and lines.
pub const SIZES: &[Exception] = &[
    Exception { what: "api/src/server.rs build", why: "Starting is one list of steps." },
    Exception { what: "api/src/jobs/worker.rs width", why: "The macro `select!` hides the line from the formatter." },
    Exception { what: "api/tests/it/sign_in_limits.rs", why: "All limits of sign-in are one story." },
    Exception { what: "api/tests/it/administration.rs a_persons_whole_life", why: "The test is one story." },
];
/// Large cycles of files.
pub const FILE_CYCLES: &[Exception] = &[Exception { what: "23 files", why: "The state, the callers and the worker know the features." }];
