//! The document: in step, complete, and true of the routes.

use std::collections::HashSet;

use serde_json::Value;
use traitortrack::openapi;

use crate::support::{Answer, Warehouse};

fn document() -> Value {
    serde_json::to_value(openapi::document()).expect("the document is JSON")
}

fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().expect("paths");
    paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().expect("operations").iter().map(|(method, operation)| (path.clone(), method.clone(), operation.clone()))
        })
        .collect()
}

#[test]
fn the_file_is_in_step_with_the_code() {
    let file = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi.yaml")).expect("openapi.yaml");
    assert!(file == openapi::yaml().expect("YAML"), "openapi.yaml is out of step: run `make openapi`");
}

#[test]
fn every_operation_is_described() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = HashSet::new();
    for (path, method, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has an operationId"));
        assert!(ids.insert(id.to_owned()), "{id} is unique");
        let summary = operation["summary"].as_str().unwrap_or_default();
        assert!(summary.ends_with('.') && summary.len() < 80, "{id}: summary {summary:?}");
        assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{id} has a tag");
        let responses = operation["responses"].as_object().expect("responses");
        assert!(responses.keys().any(|status| status.starts_with('2')), "{id} can succeed");
        let is_health = path.starts_with("/health") || path.starts_with("/api/health");
        for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400" && !is_health) {
            let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
            let is_problem = schema.as_str().is_some_and(|name| name.ends_with("/Problem") || name.ends_with("/ScanProblem"));
            assert!(is_problem, "{id} {status} is a problem: {response}");
        }
        if path.starts_with("/api/v1") {
            assert!(responses.contains_key("429"), "{id} names the rate limit");
            assert!(operation.get("security").is_some() || document.get("security").is_some());
        }
    }
}

/// A generated client compares with these: they must be the names that answers carry.
#[test]
fn enumerations_are_named_as_in_answers() {
    let document = document();
    let names = |schema: &str| document["components"]["schemas"][schema]["enum"].clone();
    assert_eq!(names("BagKind"), serde_json::json!(["parent", "child"]));
    assert_eq!(names("BagStatus"), serde_json::json!(["open", "completed"]));
    assert_eq!(names("Role"), serde_json::json!(["dispatcher", "biller", "admin"]));
    for (name, schema) in document["components"]["schemas"].as_object().expect("schemas") {
        for value in schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            assert!(value.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}: {value} is snake case");
        }
    }
}

/// Every documented operation is routed: it answers, and never with "no such address" or "no such method".
#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_routed_and_answers_with_a_documented_status() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    for (path, method, operation) in operations(&document()) {
        let concrete =
            path.replace("{qr_code}", "SB12345").replace("{id}", "nonsense").replace("{code}", "not_found").replace("{bill_number}", "NONSENSE");
        let method: reqwest::Method = method.to_uppercase().parse().expect("a method");
        let mut request = admin.client.request(method.clone(), format!("{}{concrete}", warehouse.base_url));
        // Signing out would end the test's own session.
        if !path.contains("/auth/") {
            request = request.bearer_auth(admin.token.clone().expect("signed in"));
        }
        if path.ends_with("/events") {
            // This answer has no end.
            assert_eq!(request.send().await.expect("an answer").status(), 200);
            continue;
        }
        let answer = Answer::of(request).await;
        assert_ne!(answer.code(), "method_not_allowed", "{method} {path}");
        assert!(answer.code() != "not_found" || path.starts_with("/problems"), "{method} {path}");
        let documented = operation["responses"].as_object().expect("responses");
        assert!(documented.contains_key(&answer.status.to_string()), "{method} {path} answered {}: {}", answer.status, answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_binary_serves_document_and_swagger_ui_itself() {
    let warehouse = Warehouse::open().await;
    let nobody = warehouse.nobody();
    assert_eq!(nobody.get_root("/openapi.json").await.expect(200).body["info"]["title"], "TraitorTrack");
    assert!(nobody.get_root("/openapi.yaml").await.expect(200).text.starts_with("openapi: 3.1.0"));
    let page = nobody.get_root("/docs/").await.expect(200);
    assert!(page.text.contains("swagger-ui"));
    assert!(!page.text.contains("https://"), "no other host");
    assert!(nobody.get_root("/docs/swagger-initializer.js").await.expect(200).text.contains("responseInterceptor"));
    nobody.get_root("/docs/swagger-ui-bundle.js").await.expect(200);
}

/// A reference to nothing breaks every generator of clients.
#[test]
fn every_reference_leads_somewhere() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                found.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(array) => array.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    for reference in found {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}
