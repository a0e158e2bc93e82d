//! Every call that reads, with every filter and sort: from the API's own document, so that none is forgotten.

use serde_json::Value;
use traitortrack::openapi;

use super::filled::Filled;

/// One call.
#[derive(Debug, Clone)]
pub struct Call {
    /// With its query, below `/api/v1`.
    pub path: String,
    /// The page after it is asked for too.
    pub turns_the_page: bool,
}

/// What is not a list: streams, which read everything they are asked for, row after row; and what one alone has.
const NOT_LISTS: [&str; 3] = ["/api/v1/events", "/api/v1/exports/", "/api/v1/me/data"];
/// Paging is not a filter.
const PAGING: [&str; 5] = ["sort", "count", "limit", "cursor", "format"];

/// Filters that people combine, for lists of large tables; dispatchers add their area to each.
const TOGETHER: [(&str, &[&str]); 3] = [
    (
        "/bags",
        &[
            "q=777&kind=parent",
            "q=SB123&area=Jaipur",
            "q=777&area=Jaipur&status=completed",
            "q=CH1&area=Nowhere",
            "q=CH1&billed=true&kind=child",
            "q=IMP&linked=false",
            "q=777&created_before=@30",
            "kind=parent&area=Jaipur",
            "kind=parent&area=Nowhere",
            "kind=child&area=Jaipur",
            "status=open&area=Jaipur",
            "status=completed&area=Nowhere",
            "kind=parent&billed=false&area=Jaipur",
            "status=completed&billed=false",
            "kind=child&linked=false",
            "kind=child&billed=true",
            "linked=true&area=Jaipur",
            "kind=parent&created_before=@30",
            "area=Jaipur&created_after=@31&created_before=@30",
            "area=Jaipur&created_after=@59&created_before=@0",
            "area=Nowhere&created_after=@59&created_before=@0",
            "status=open&created_before=@30",
        ],
    ),
    (
        "/scans",
        &[
            "user_id=@packer&outcome=linked",
            "user_id=@packer&outcome=already_linked",
            "user_id=@packer&kind=parent",
            "user_id=@packer&kind=undo",
            "user_id=@packer&scanned_after=@31&scanned_before=@30",
            "area=Jaipur&outcome=already_linked",
            "area=Jaipur&outcome=parent_full",
            "area=Jaipur&kind=parent",
            "area=Jaipur&kind=undo",
            "area=Nowhere&kind=parent",
            "area=Jaipur&user_id=@packer",
            "area=Jaipur&scanned_before=@30",
            "bag=SB00055&kind=child",
            "bag=SB00055&outcome=opened",
            "kind=child&outcome=opened",
            "kind=child&outcome=linked",
            "kind=parent&outcome=opened",
            "outcome=already_linked&scanned_before=@30",
            "kind=parent&scanned_after=@31&scanned_before=@30",
        ],
    ),
    (
        "/audit-logs",
        &[
            "entity_type=bag&entity_id=SB00055",
            "entity_type=bag&action=child_linked",
            "entity_type=session&action=role_changed",
            "action=child_linked&actor_id=@packer",
            "action=parent_completed&actor_id=@packer",
            "action=sign_in_ok&before=@30",
            "action=bag_created&after=@31&before=@30",
            "entity_type=session&actor_id=@packer",
            "ip=203.0.113.77&action=sign_in_ok",
            "q=SB00055&action=parent_completed",
            "q=777&after=@31&before=@30",
        ],
    ),
];

/// Values that a filter is tried with: frequent, rare, and without any match.
fn values(path: &str, filter: &str) -> &'static [&'static str] {
    match (path, filter) {
        ("/bags", "q") => &["777", "SB123", "CH10000", "CH1", "CH", "M4", "ZZ", "ZZZZZ", "-77", "0000", "IMP-777", "sb00055"],
        ("/search", "q") => &["777", "SB123", "CH1", "ZZ", "ZZZZZ", "BILL-0001", "Delhi", "asha"],
        ("/bills", "q") => &["BILL-0001", "Delhi", "RJ", "zzzzz"],
        ("/audit-logs", "q") => &["777", "SB00055", "asha", "zzzzz", "CH1"],
        ("/users", "q") => &["biller", "asha", "zzzzz"],
        ("/bags", "kind") => &["parent", "child"],
        ("/bags", "status") => &["open", "completed"],
        ("/bills", "status") => &["new", "processing", "completed"],
        ("/scans", "kind") => &["parent", "child", "lookup", "undo"],
        ("/scans", "outcome") => &["opened", "found", "linked", "already_linked", "undone", "parent_full", "unknown_parent", "bag_not_found"],
        ("/scans", "bag") => &["SB00055", "CH10500000", "CH10000500", "SB9999999"],
        ("/admin/jobs", "kind") => &["email", "import"],
        ("/admin/jobs", "status") => &["failed", "queued"],
        ("/promotion-requests", "status") => &["pending", "rejected"],
        (_, "area") => &["Jaipur", "Nowhere", "No-Such-Area"],
        (_, "billed" | "linked" | "is_active" | "is_read") => &["true", "false"],
        (_, "role") => &["admin", "biller"],
        (_, "created_by") => &["@biller", "999999"],
        (_, "api_key_id") => &["1", "999999"],
        (_, "user_id" | "actor_id") => &["@packer", "999999"],
        (_, "created_after" | "scanned_after" | "after") => &["@30", "@1", "@90"],
        (_, "created_before" | "scanned_before" | "before") => &["@30", "@59", "@0"],
        (_, "action") => &["child_linked", "bag_created", "parent_completed", "role_changed", "bill_deleted", "no_such_action"],
        (_, "entity_type") => &["bag", "session", "bill", "nothing"],
        (_, "entity_id") => &["SB00055", "CH10500000", "none"],
        (_, "request_id") => &["@request", "none"],
        (_, "ip") => &["10.0.0.2", "203.0.113.77", "192.0.2.1"],
        (_, "date" | "from" | "to") => &["@day"],
        (_, "hours") => &["24", "168"],
        _ => &[],
    }
}

/// All calls of the document, filter by filter, each in every order, and those that people combine.
pub fn all(filled: &Filled) -> Vec<Call> {
    let document = serde_json::to_value(openapi::document()).expect("the document is JSON");
    let mut calls = Vec::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        let operation = &operations["get"];
        let Some(path) = path.strip_prefix("/api/v1").filter(|_| operation.is_object() && !NOT_LISTS.iter().any(|not| path.starts_with(not))) else {
            continue;
        };
        let Some(path) = existing(path) else { continue };
        let parameters: Vec<&str> =
            operation["parameters"].as_array().into_iter().flatten().filter(|p| p["in"] == "query").filter_map(|p| p["name"].as_str()).collect();
        add(filled, &mut calls, &path, operation, &parameters);
    }
    calls
}

/// A path to something that is there.
fn existing(path: &str) -> Option<String> {
    let known = [("/bags/{qr_code}", "/bags/SB00055"), ("/bills/{bill_number}", "/bills/BILL-000010"), ("/users/{id}", "/users/1")];
    match known.iter().find(|(pattern, _)| path.starts_with(pattern)) {
        Some((pattern, there)) => Some(path.replace(pattern, there)),
        // Others are found by their primary key.
        None => (!path.contains('{')).then(|| path.to_owned()),
    }
}

fn add(filled: &Filled, calls: &mut Vec<Call>, path: &str, operation: &Value, parameters: &[&str]) {
    let filters: Vec<&str> = parameters.iter().copied().filter(|name| !PAGING.contains(name)).collect();
    let mut queries = vec![String::new()];
    // Reports need their day, a search its term.
    let needed: Vec<&str> = ["from", "to", "date"].into_iter().filter(|name| filters.contains(name)).collect();
    if needed.len() == filters.len() && !needed.is_empty() {
        queries = vec![needed.iter().map(|name| format!("{name}=@day")).collect::<Vec<_>>().join("&")];
    } else if path == "/search" {
        queries.clear();
    }
    for filter in filters.iter().filter(|filter| !needed.contains(filter)) {
        let values = values(path, filter);
        assert!(!values.is_empty(), "{path} ({}) has a filter {filter} that is tried with no value", operation["operationId"]);
        queries.extend(values.iter().map(|value| format!("{filter}={value}")));
    }
    let together = TOGETHER.iter().filter(|(list, _)| *list == path).flat_map(|(_, queries)| queries.iter().map(|query| (*query).to_owned()));
    queries.extend(together);
    let sorts: &[&str] = if parameters.contains(&"sort") { &["sort=newest", "sort=oldest"] } else { &[""] };
    let mut push = |query: &str, turns_the_page| {
        let query = filled.named(query.trim_matches('&'));
        let path = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        calls.push(Call { path, turns_the_page });
    };
    for query in &queries {
        for sort in sorts {
            push(&format!("{query}&{sort}"), true);
        }
        if parameters.contains(&"count") {
            push(&format!("{query}&count=exact&limit=1"), false);
        }
    }
}
