//! A downloaded file holds exactly the rows of its list under the same filters: every filter of
//! every exported resource, alone and together with every other one, from the API's own document.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use traitortrack::openapi;

use crate::support::{Answer, Person, Warehouse};

/// Parameters that are no filters.
const PAGING: [&str; 5] = ["sort", "count", "limit", "cursor", "format"];

/// The query parameters of a call, without those of paging.
fn filters(document: &Value, path: &str) -> Vec<Value> {
    let parameters = document["paths"][path]["get"]["parameters"].as_array();
    let is_filter = |p: &&Value| p["in"] == "query" && !PAGING.contains(&name(p));
    parameters.expect("parameters").iter().filter(is_filter).cloned().collect()
}

fn name(parameter: &Value) -> &str {
    parameter["name"].as_str().expect("a name")
}

/// The values of an enumeration, found through references; empty for other schemas.
fn enumeration(document: &Value, schema: &Value) -> Vec<String> {
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.trim_start_matches('#')).expect("a schema");
        return enumeration(document, target);
    }
    let either = ["oneOf", "anyOf", "allOf"].iter().filter_map(|key| schema[*key].as_array());
    either.flatten().flat_map(|one| enumeration(document, one)).collect()
}

fn is_boolean(schema: &Value) -> bool {
    let types = &schema["type"];
    types == "boolean" || types.as_array().is_some_and(|types| types.contains(&json!("boolean")))
}

/// A filled warehouse: every filter finds some rows and leaves others out.
struct Scene {
    warehouse: Warehouse,
    admin: Person,
    packer_id: String,
    biller_id: String,
    key_id: String,
    /// A moment in the middle of what happened.
    middle: String,
}

impl Scene {
    async fn set() -> Self {
        let warehouse = Warehouse::open().await;
        let (admin, biller) = (warehouse.admin().await, warehouse.biller().await);
        let packer = warehouse.packer("Lucknow").await;
        packer.packs("SB00001", (1..4).map(|n| format!("CB-{n}"))).await;
        packer.scans_into("SB00001", "CB-9").await.expect(201);
        packer.act("/scans/undo-last").await.expect(200);
        packer.scans_into("SB00002", "CB-4").await.problem(409, "unknown_parent");
        packer.scans("NOWHERE").await.problem(404, "bag_not_found");
        packer.act("/bags/SB00001/complete").await.expect(200);
        warehouse.packer("Indore").await.packs("M444-00001", ["IN-1".into()]).await;
        // Scans and bags before this moment, bills and changes after it.
        let middle = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        admin.scans("SB00003").await.expect(201);

        let mut bill = json!({"bill_number": "X7", "destination": "Jaipur", "vehicle_number": "RJ14"});
        bill["expected_parent_bags"] = json!(3);
        let request = biller.request(Method::POST, "/bills").header("x-request-id", "the-request");
        Answer::of(request.json(&bill)).await.expect(201);
        let seen = biller.get("/bills/X7").await.expect(200);
        let change = json!({"description": "A needle in a haystack"});
        biller.patch_seen("/bills/X7", &seen, change).await.expect(200);
        biller.post("/bills/X7/bags", json!({"qr_codes": ["SB00001"]})).await.expect(200);
        bill["bill_number"] = json!("B-8");
        admin.post("/bills", bill).await.expect(201);
        admin.delete("/bags/CB-9").await.expect(204);
        let key = json!({"name": "ERP", "scopes": ["bags:read", "scans:write"]});
        let key = admin.post("/api-keys", key).await.expect(201).body;
        let token = key["key"].as_str().map(str::to_owned);
        let machine = Person { token, cookie: None, ..warehouse.nobody() };
        machine.scans("SB00004").await.expect(201);
        let id = async |person: &Person| person.get("/me").await.expect(200).body["id"].to_string();
        let (packer_id, biller_id) = (id(&packer).await, id(&biller).await);
        let key_id = key["id"].to_string();
        Self { warehouse, admin, packer_id, biller_id, key_id, middle }
    }

    /// Values of a filter. The first one finds some rows.
    fn values(&self, document: &Value, filter: &Value) -> Vec<String> {
        let schema = &filter["schema"];
        let known = enumeration(document, schema);
        if !known.is_empty() {
            return known;
        }
        if is_boolean(schema) {
            return vec!["true".into(), "false".into()];
        }
        let values: &[&str] = match name(filter) {
            "q" => &[
                "00",
                "cb-1",
                "%20cb-1%20",
                "b-",
                "s",
                "1",
                "x7",
                "rj14",
                "needle",
                "indore",
                "in-",
                "biller",
                "dispatcher-",
                "admin",
                "%25",
                "_",
                "%5C",
                "%20",
                "",
                "a%00",
                "completed",
            ],
            "area" => &["Lucknow", "indore", "nowhere", ""],
            "bag" => &["SB00001", "cb-1", "SB99999"],
            "parent" => &["SB00001", "m444-00001", "SB99999"],
            "action" => &["child_linked", "bill_changed", "export", "no_such_action", ""],
            "entity_type" => &["bag", "bill", "user", "nothing"],
            "entity_id" => &["CB-1", "X7", "%00CB-1", "none", ""],
            "request_id" => &["the-request", "none", ""],
            "ip" => &["127.0.0.1", "192.0.2.1"],
            "created_by" => &[&self.biller_id, "999999"],
            "user_id" | "actor_id" => &[&self.packer_id, &self.biller_id, "999999"],
            "api_key_id" => &[&self.key_id, "999999"],
            "created_after" | "scanned_after" | "after" => &[&self.middle, "2020-01-01T00:00:00Z", "9999-12-31T23:59:59Z"],
            "created_before" | "scanned_before" | "before" => &[&self.middle, "0001-01-01T00:00:00Z", "2100-01-01T00:00:00Z"],
            other => panic!("the filter {other} is tried with no value"),
        };
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    /// Each filter with each of its values, and the first values of each two filters.
    fn queries(&self, document: &Value, filters: &[Value]) -> Vec<String> {
        let values: Vec<_> = filters.iter().map(|f| (name(f), self.values(document, f))).collect();
        let mut queries = vec![String::new()];
        for (n, (name, own)) in values.iter().enumerate() {
            queries.extend(own.iter().map(|value| format!("{name}={value}")));
            let others = values[..n].iter().map(|(other, of_other)| (other, &of_other[0]));
            queries.extend(others.map(|(other, value)| format!("{name}={}&{other}={value}", own[0])));
        }
        queries
    }

    async fn exported(&self, what: &str, query: &str) -> Vec<Value> {
        let path = format!("/exports/{what}?format=ndjson&{query}");
        let file = self.admin.get(&path).await.expect(200);
        file.text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// Every page of a list.
    async fn listed(&self, path: &str, query: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.admin.get(&format!("{path}?{query}&limit=17{cursor}")).await.expect(200);
            rows.extend(page.rows().iter().cloned());
            match page.body["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return rows,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_export_has_the_rows_of_its_list_under_every_filter() {
    let scene = Scene::set().await;
    let document = serde_json::to_value(openapi::document()).expect("the document is JSON");
    let paths = document["paths"].as_object().expect("paths").keys();
    let exports: Vec<&str> = paths.filter_map(|path| path.strip_prefix("/api/v1/exports/")).collect();
    assert_eq!(exports.len(), 6, "{exports:?}");
    // Links have no list of their own; they are compared with the children of each parent.
    for what in exports.into_iter().filter(|what| *what != "links") {
        let list = format!("/api/v1/{what}");
        let of_list = filters(&document, &list);
        let of_file = filters(&document, &format!("/api/v1/exports/{what}"));
        assert_eq!(of_file, of_list, "{what}: the filters of the file are those of the list");
        let is_counted = document["paths"][&list]["get"]["parameters"].to_string().contains("\"count\"");
        let mut found_some = BTreeSet::new();
        for query in scene.queries(&document, &of_list) {
            if !query.contains('&') {
                // A workbook is counted before it is written, by the same conditions.
                let path = format!("/exports/{what}?format=xlsx&{query}");
                scene.admin.get(&path).await.expect(200);
            }
            // The file first: that it was written is an entry of the audit log too.
            let file = scene.exported(what, &query).await;
            let list = scene.listed(&format!("/{what}"), &query).await;
            assert_eq!(file, list, "{what}?{query}");
            if is_counted {
                let path = format!("/{what}?{query}&count=exact&limit=1");
                let counted = scene.admin.get(&path).await.expect(200);
                assert_eq!(counted.body["total"], file.len(), "{what}?{query}");
            }
            if !file.is_empty() {
                found_some.extend(query.split(['=', '&']).next().map(str::to_owned));
            }
        }
        for filter in &of_list {
            assert!(found_some.contains(name(filter)), "{what}: {} finds nothing", name(filter));
        }
    }
    scene.warehouse.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_links_has_the_children_of_every_parent() {
    let scene = Scene::set().await;
    let codes =
        |rows: &[Value], field: &str| -> BTreeSet<String> { rows.iter().map(|row| row[field].as_str().expect("a code").to_owned()).collect() };
    for parent in ["SB00001", "M444-00001", "SB00003"] {
        let links = scene.exported("links", &format!("parent={parent}")).await;
        let children = scene.listed(&format!("/bags/{parent}/children"), "").await;
        assert_eq!(codes(&links, "child_qr_code"), codes(&children, "qr_code"), "{parent}");
    }
    for area in ["", "&area=Lucknow", "&area=indore", "&area=nowhere"] {
        let links = scene.exported("links", area).await;
        let children = scene.listed("/bags", &format!("linked=true{area}")).await;
        assert_eq!(codes(&links, "child_qr_code"), codes(&children, "qr_code"), "{area}");
    }
}
