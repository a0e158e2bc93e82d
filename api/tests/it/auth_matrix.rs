//! Every operation of the document against everyone who might call it. An operation that is not in the table fails.

use reqwest::Method;
use serde_json::{Value, json};
use traitortrack::openapi;

use crate::support::warehouse::{ADMIN_PASSWORD, PASSWORD};
use crate::support::{Answer, Person, Warehouse, database};

/// Who may call an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Least {
    /// Anybody, signed in or not.
    Nobody,
    Dispatcher,
    Biller,
    Admin,
}

/// What an API key needs for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    /// Keys are no matter here.
    Free,
    /// This scope.
    Scope(&'static str),
    /// For people only.
    Never,
}

use Key::{Free, Never, Scope};
use Least::{Admin, Biller, Dispatcher, Nobody};

const TABLE: &[(&str, Least, Key)] = &[
    ("get_jwks", Nobody, Free),
    ("get_detailed_health", Nobody, Free),
    ("get_health", Nobody, Free),
    ("get_liveness", Nobody, Free),
    ("get_readiness", Nobody, Free),
    ("get_metrics", Nobody, Free),
    ("get_problem", Nobody, Free),
    ("login", Nobody, Free),
    ("refresh_session", Nobody, Free),
    ("logout", Nobody, Free),
    ("forgot_password", Nobody, Free),
    ("reset_password", Nobody, Free),
    ("verify_two_factor", Nobody, Free),
    ("logout_all", Dispatcher, Never),
    ("get_me", Dispatcher, Never),
    ("patch_me", Dispatcher, Never),
    ("change_my_password", Dispatcher, Never),
    ("get_my_data", Dispatcher, Never),
    ("list_my_sessions", Dispatcher, Never),
    ("end_my_session", Dispatcher, Never),
    ("set_up_two_factor", Dispatcher, Never),
    ("enable_two_factor", Dispatcher, Never),
    ("disable_two_factor", Dispatcher, Never),
    ("list_jobs", Admin, Never),
    ("get_system", Admin, Never),
    ("clear_cache", Admin, Never),
    ("list_api_keys", Admin, Never),
    ("create_api_key", Admin, Never),
    ("get_api_key", Admin, Never),
    ("revoke_api_key", Admin, Never),
    ("list_audit_logs", Admin, Scope("audit-logs:read")),
    ("get_audit_log", Admin, Scope("audit-logs:read")),
    ("list_bag_formats", Dispatcher, Scope("bag-formats:read")),
    ("create_bag_format", Admin, Scope("bag-formats:write")),
    ("change_bag_format", Admin, Scope("bag-formats:write")),
    ("list_bags", Dispatcher, Scope("bags:read")),
    ("create_bag", Dispatcher, Scope("bags:write")),
    ("delete_bags", Admin, Scope("bags:write")),
    ("get_bag", Dispatcher, Scope("bags:read")),
    ("delete_bag", Admin, Scope("bags:write")),
    ("change_bag", Biller, Scope("bags:write")),
    ("list_bag_children", Dispatcher, Scope("bags:read")),
    ("list_bag_history", Dispatcher, Scope("bags:read")),
    ("complete_bag", Dispatcher, Scope("bags:write")),
    ("reopen_bag", Dispatcher, Scope("bags:write")),
    ("change_bag_parent", Biller, Scope("bags:write")),
    ("list_bills", Dispatcher, Scope("bills:read")),
    ("create_bill", Biller, Scope("bills:write")),
    ("get_bill", Dispatcher, Scope("bills:read")),
    ("delete_bill", Admin, Scope("bills:write")),
    ("change_bill", Biller, Scope("bills:write")),
    ("list_bill_bags", Dispatcher, Scope("bills:read")),
    ("add_bill_bags", Biller, Scope("bills:write")),
    ("remove_bill_bag", Biller, Scope("bills:write")),
    ("finish_bill", Biller, Scope("bills:write")),
    ("reopen_bill", Admin, Scope("bills:write")),
    ("get_bill_report", Biller, Scope("bills:read")),
    ("list_dispatch_areas", Dispatcher, Scope("dispatch-areas:read")),
    ("create_dispatch_area", Admin, Scope("dispatch-areas:write")),
    ("change_dispatch_area", Admin, Scope("dispatch-areas:write")),
    ("listen_to_events", Dispatcher, Scope("events:read")),
    ("export_audit_logs", Admin, Scope("exports:read")),
    ("export_bags", Biller, Scope("exports:read")),
    ("export_bills", Biller, Scope("exports:read")),
    ("export_links", Biller, Scope("exports:read")),
    ("export_scans", Biller, Scope("exports:read")),
    ("export_users", Admin, Scope("exports:read")),
    ("list_imports", Admin, Scope("imports:read")),
    ("create_import", Admin, Scope("imports:write")),
    ("get_import", Admin, Scope("imports:read")),
    ("get_import_errors", Admin, Scope("imports:read")),
    ("list_notifications", Dispatcher, Scope("notifications:read")),
    ("change_notifications", Dispatcher, Scope("notifications:write")),
    ("list_promotion_requests", Dispatcher, Never),
    ("create_promotion_request", Dispatcher, Never),
    ("approve_promotion_request", Admin, Never),
    ("reject_promotion_request", Admin, Never),
    ("report_bill_summary", Biller, Scope("reports:read")),
    ("report_daily_scans", Dispatcher, Scope("reports:read")),
    ("report_dispatch_areas", Biller, Scope("reports:read")),
    ("report_end_of_day", Biller, Scope("reports:read")),
    ("report_user_activity", Biller, Scope("reports:read")),
    ("list_scans", Dispatcher, Scope("scans:read")),
    ("record_scan", Dispatcher, Scope("scans:write")),
    ("record_scans", Dispatcher, Scope("scans:write")),
    ("undo_last_scan", Dispatcher, Scope("scans:write")),
    ("get_scan", Dispatcher, Scope("scans:read")),
    ("undo_scan", Dispatcher, Scope("scans:write")),
    ("search", Dispatcher, Scope("search:read")),
    ("get_stats", Dispatcher, Scope("stats:read")),
    ("get_stats_by_area", Dispatcher, Scope("stats:read")),
    ("get_stats_by_person", Dispatcher, Scope("stats:read")),
    ("get_recent_scans", Dispatcher, Scope("stats:read")),
    ("get_scans_per_hour", Dispatcher, Scope("stats:read")),
    ("list_users", Admin, Scope("users:read")),
    ("create_user", Admin, Scope("users:write")),
    ("get_user", Admin, Scope("users:read")),
    ("delete_user", Admin, Scope("users:write")),
    ("change_user", Admin, Scope("users:write")),
    ("set_user_password", Admin, Scope("users:write")),
    ("unlock_user", Admin, Scope("users:write")),
    ("reset_two_factor", Admin, Scope("users:write")),
];

#[derive(Debug, Clone)]
struct Operation {
    id: String,
    method: Method,
    /// As the document has it.
    template: String,
    path: String,
    least: Least,
    key: Key,
}

fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(openapi::document()).expect("the document is JSON");
    let paths = document["paths"].as_object().expect("paths");
    let mut missing = Vec::new();
    let mut operations = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().expect("operations") {
            let id = operation["operationId"].as_str().expect("an id");
            match TABLE.iter().find(|(known, ..)| *known == id) {
                None => missing.push(id.to_owned()),
                Some((_, least, key)) => operations.push(Operation {
                    id: id.to_owned(),
                    method: method.to_uppercase().parse().expect("a method"),
                    template: path.clone(),
                    // Nothing has these names, so nothing is changed by trying.
                    path: path
                        .replace("{qr_code}", "SB99999")
                        .replace("{bill_number}", "NO-SUCH-BILL")
                        .replace("/scans/{id}", "/scans/019ab0f2-7c31-7b66-8d35-2f4d6e2b9a11")
                        .replace("{id}", "999999")
                        .replace("{code}", "forbidden"),
                    least: *least,
                    key: *key,
                }),
            }
        }
    }
    assert!(missing.is_empty(), "not in the table: {missing:?}");
    // What ends the caller's own session comes last.
    operations.sort_by_key(|operation| operation.id.starts_with("logout"));
    operations
}

/// Status and code of an answer; the body only when there is one that ends.
async fn call(person: &Person, operation: &Operation, bearer: Option<&str>) -> (u16, String) {
    call_with(person, operation, bearer, &json!({})).await
}

async fn call_with(person: &Person, operation: &Operation, bearer: Option<&str>, body: &Value) -> (u16, String) {
    let mut request = person.client.request(operation.method.clone(), format!("{}{}", person.base_url, operation.path));
    if let Some(token) = bearer {
        request = request.bearer_auth(token);
    }
    if operation.method != Method::GET && operation.method != Method::DELETE {
        request = request.json(body);
    }
    if operation.id == "listen_to_events" || operation.id.starts_with("export_") {
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        let code = if status < 400 {
            String::new()
        } else {
            response.json::<Value>().await.expect("a problem")["code"].as_str().unwrap_or_default().to_owned()
        };
        return (status, code);
    }
    let answer = Answer::of(request).await;
    (answer.status, answer.code().to_owned())
}

fn is_let_in((status, code): &(u16, String)) -> bool {
    *status != 401 && *status != 403 && code != "missing_token"
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_and_yesterdays_tokens_get_in_nowhere() {
    let warehouse = Warehouse::open_with(|config| config.access_token_seconds = 1).await;
    let admin = warehouse.admin().await;
    let expired = admin.token.clone().expect("a token");
    // A second to live and five of leeway for clocks that differ.
    tokio::time::sleep(std::time::Duration::from_secs(7)).await;
    let nobody = warehouse.nobody();
    for operation in operations() {
        let without = call(&nobody, &operation, None).await;
        let with_expired = call(&nobody, &operation, Some(&expired)).await;
        let with_forged = call(&nobody, &operation, Some("ttk_forgedkey_forged")).await;
        if operation.least == Nobody {
            assert!(without.1 != "missing_token" && without.0 != 403, "{}: {without:?}", operation.id);
            continue;
        }
        assert_eq!(without, (401, "missing_token".into()), "{}", operation.id);
        assert_eq!(with_expired, (401, "token_expired".into()), "{}", operation.id);
        assert_eq!(with_forged, (401, "invalid_token".into()), "{}", operation.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_gets_in_where_it_may_and_nowhere_else() {
    let warehouse = Warehouse::open().await;
    let people = [(Dispatcher, warehouse.packer("Lucknow").await), (Biller, warehouse.biller().await), (Admin, warehouse.admin().await)];
    for operation in operations().iter().filter(|operation| operation.least > Nobody) {
        for (role, person) in &people {
            let answer = call(person, operation, person.token.as_deref()).await;
            if *role >= operation.least {
                // A wrong current password is 401, and not for want of rights.
                assert!(is_let_in(&answer) || answer.1 == "invalid_credentials", "{} as {role:?}: {answer:?}", operation.id);
            } else {
                assert_eq!(answer, (403, "forbidden".into()), "{} as {role:?}", operation.id);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_gets_in_with_its_scope_alone() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    let operations = operations();
    let scopes = scopes();
    let make = async |scopes: &[&str]| {
        let made = admin.post("/api-keys", json!({"name": "matrix", "scopes": scopes})).await.expect(201);
        made.body["key"].as_str().expect("a key").to_owned()
    };
    for operation in operations.iter().filter(|operation| operation.least > Nobody) {
        match operation.key {
            Scope(scope) => {
                let right = make(&[scope]).await;
                let all_others: Vec<&str> = scopes.iter().copied().filter(|other| *other != scope).collect();
                let wrong = make(&all_others).await;
                let let_in = call(&admin, operation, Some(&right)).await;
                assert!(is_let_in(&let_in), "{} with {scope}: {let_in:?}", operation.id);
                assert_eq!(call(&admin, operation, Some(&wrong)).await, (403, "insufficient_scope".into()), "{} without {scope}", operation.id);
            }
            Never => {
                let all = make(&scopes).await;
                assert_eq!(call(&admin, operation, Some(&all)).await, (403, "insufficient_scope".into()), "{} is for people", operation.id);
            }
            Free => panic!("{} needs a caller", operation.id),
        }
    }
}

/// All scopes that the document knows.
fn scopes() -> Vec<&'static str> {
    let mut scopes: Vec<&str> = TABLE.iter().filter_map(|(.., key)| if let Scope(scope) = key { Some(*scope) } else { None }).collect();
    scopes.sort_unstable();
    scopes.dedup();
    scopes
}

/// A key of this person with all scopes.
async fn mighty_key(person: &Person) -> String {
    let made = person.post("/api-keys", json!({"name": "matrix", "scopes": scopes()})).await.expect(201);
    made.body["key"].as_str().expect("a key").to_owned()
}

/// What the security of an account is made of.
const ACCOUNT: &str = "SELECT jsonb_build_array( \
        (SELECT to_jsonb(u) - 'last_login_at' FROM users u WHERE username = 'admin'), \
        (SELECT jsonb_agg(to_jsonb(s) ORDER BY id) FROM sessions s), \
        (SELECT jsonb_agg(to_jsonb(k) - 'last_used_at' ORDER BY id) FROM api_keys k), \
        (SELECT count(*) FROM recovery_codes), (SELECT count(*) FROM password_resets))::text AS value";

#[tokio::test(flavor = "multi_thread")]
async fn a_key_can_not_touch_the_account_of_its_owner() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    // Removing the owner would be refused without another admin, and not because of the key.
    admin.post("/users", json!({"username": "second", "password": PASSWORD, "role": "admin"})).await.expect(201);
    let key = mighty_key(&admin).await;
    let id = admin.get("/me").await.expect(200).body["id"].to_string();
    let before = database::text(&warehouse.database_url, ACCOUNT).await;
    let bodies = [
        json!({}),
        json!({"email": "thief@example.com"}),
        json!({"username": "admin2"}),
        json!({"role": "biller"}),
        json!({"is_active": false}),
        json!({"new_password": PASSWORD}),
        json!({"current_password": ADMIN_PASSWORD, "new_password": PASSWORD}),
        json!({"name": "Another", "scopes": ["bags:read"]}),
        json!({"username": "admin", "password": ADMIN_PASSWORD}),
        json!({"wanted_role": "admin", "reason": "I would like to"}),
    ];
    let mut own = 0;
    for operation in operations() {
        let is_own =
            ["/api/v1/me", "/api/v1/auth/", "/api/v1/api-keys", "/api/v1/promotion-requests"].iter().any(|part| operation.template.starts_with(part))
                || (operation.template.starts_with("/api/v1/users/{id}") && operation.method != Method::GET);
        // However the id is written.
        let ids = [id.clone(), format!("0{id}"), format!("+{id}"), format!("%3{id}")];
        let ids = if operation.template.contains("{id}") { &ids[..] } else { &ids[..1] };
        for own_id in ids {
            let path = operation.template.replace("{id}", own_id).replace("{qr_code}", "SB99999").replace("{bill_number}", "NO-SUCH-BILL");
            let operation = Operation { path, ..operation.clone() };
            let bodies = if operation.method == Method::GET { &bodies[..1] } else { &bodies[..] };
            for body in bodies {
                let answer = call_with(&admin, &operation, Some(&key), body).await;
                if is_own {
                    own += 1;
                    assert_eq!(answer, (403, "insufficient_scope".into()), "{} {} with {body}", operation.method, operation.path);
                }
            }
            if operation.method != Method::GET {
                assert_eq!(database::text(&warehouse.database_url, ACCOUNT).await, before, "{} {}", operation.method, operation.path);
            }
        }
    }
    assert!(own > 300, "{own} ways were tried");
    let denied = "SELECT count(*) AS n FROM audit_logs WHERE action = 'access_denied' AND api_key_id IS NOT NULL";
    assert!(database::number(&warehouse.database_url, denied).await > 300, "each attempt is written down with the key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_no_way_around_the_second_factor_that_the_role_needs() {
    let warehouse = Warehouse::open().await;
    let key = mighty_key(&warehouse.admin().await).await;
    let required = vec![traitortrack::identity::Role::Admin];
    let strict = Warehouse::open_on(warehouse.database_url.clone(), |config| config.two_factor_required_roles = required).await;
    for operation in operations() {
        if let Scope(scope) = operation.key {
            let answer = call(&strict.nobody(), &operation, Some(&key)).await;
            assert_eq!(answer, (403, "two_factor_setup_required".into()), "{} with {scope}", operation.id);
        }
    }
    let body = json!({"username": "second", "password": PASSWORD, "role": "admin"});
    let machine = Person { token: Some(key), ..strict.nobody() };
    machine.post("/users", body).await.problem(403, "two_factor_setup_required");
}
