//! Where the code breaks a rule today, and why. Delete an entry when the test says that it is no
//! longer needed; add none.

/// One place that breaks a rule.
pub struct Exception {
    pub what: &'static str,
    pub why: &'static str,
}

/// Arrows between folders.
pub const ARROWS: &[Exception] = &[
    Exception { what: "mail -> account", why: "A mail names a link to a new password, which sign-in makes." },
    Exception { what: "mail -> reports", why: "The mail of the end of the day is written when it is sent." },
];
/// Files that know HTTP.
pub const HTTP: &[Exception] = &[
    Exception { what: "bills/edit_bill.rs", why: "The act compares the version of the header `If-Match`." },
    Exception { what: "users/edit_user.rs", why: "The act compares the version of the header `If-Match`." },
    Exception { what: "bags/kept_bags.rs", why: "The cache holds responses." },
    Exception { what: "bags/list_bags.rs", why: "The order of a list is parsed from the query string." },
    Exception { what: "bills/queries.rs", why: "The order of a list is parsed from the query string." },
    Exception { what: "scans/queries.rs", why: "The order of a list is parsed from the query string." },
];
/// Writers of tables that are not their own.
pub const WRITERS: &[Exception] = &[
    Exception { what: "access/attempts/store.rs writes users", why: "Sign-in locks and unlocks accounts." },
    Exception { what: "account/two_factor.rs writes users", why: "The second factor is stored with the user." },
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
    Exception { what: "api/tests/it/sign_in_limits.rs", why: "All limits of sign-in are one story." },
    Exception { what: "api/tests/it/administration.rs a_persons_whole_life", why: "The test is one story." },
];
/// Large cycles of files.
pub const FILE_CYCLES: &[Exception] = &[];
