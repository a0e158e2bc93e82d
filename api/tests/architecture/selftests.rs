//! Each rule finds what breaks it.

use std::collections::BTreeSet;
use std::path::Path;

use crate::graph;
use crate::imports::Imports;
use crate::rules::{self, Violation};
use crate::source::Source;
use crate::writes;

fn imports(files: &[(&str, &str)]) -> Imports {
    Imports::of(&files.iter().map(|(file, text)| Source::parse(file, text)).collect::<Vec<_>>())
}

fn names(violations: &[Violation]) -> Vec<&str> {
    violations.iter().map(|violation| violation.what.as_str()).collect()
}

/// A crate of two features and `http`, in which `bags/mod.rs` has this text.
fn with_bags(text: &str) -> Imports {
    imports(&[
        ("bags/mod.rs", text),
        ("bags/queries.rs", ""),
        ("bills/mod.rs", "mod model; pub use model::Bill;"),
        ("bills/model.rs", "pub struct Bill;"),
        ("http/page.rs", "#[macro_export] macro_rules! page { () => {}; }"),
        ("http/mod.rs", ""),
    ])
}

#[test]
fn every_form_of_an_import_is_an_arrow() {
    for text in [
        "use crate::bills::Bill;",
        "use crate::{error::Error, bills::{self as b, model}};",
        "use super::bills;",
        "fn f() { crate::bills::model::f() }",
        "fn f() -> super::bills::Bill { todo!() }",
        "fn f() { select! { _ = crate::bills::run() => {} } }",
        "mod inner { use super::super::bills; }",
        "#[derive(X)] #[schema(value_type = crate::bills::Bill)] struct A;",
        "macro_rules! m { () => { $crate::bills::f() }; }",
    ] {
        let folders = with_bags(text).folders();
        assert_eq!(folders["bags"], BTreeSet::from(["bills".to_owned()]), "{text}");
    }
    assert_eq!(with_bags("fn f() { crate::page!() }").folders()["bags"], BTreeSet::from(["http".to_owned()]));
}

#[test]
fn comments_strings_and_tests_are_no_arrows() {
    for text in [
        "// use crate::bills;",
        "/// See [`crate::bills`].\nstruct A;",
        "const A: &str = \"crate::bills\";",
        "#[cfg(test)] mod tests { use crate::bills; }",
        "#[cfg(test)] use crate::bills::{Bill};",
        "#[cfg(test)] #[derive(Debug)] struct A(crate::bills::Bill);",
        "use std::bills; fn f() { other::bills::f() }",
        "use super::bags::queries; use self::queries as q;",
    ] {
        assert!(with_bags(text).folders()["bags"].is_empty(), "{text}");
    }
}

#[test]
fn an_arrow_against_the_table_is_found() {
    let folders = with_bags("use crate::bills::Bill;").folders();
    let found = rules::arrows(&folders, &[("bags".to_owned(), BTreeSet::new()), ("bills".to_owned(), BTreeSet::new())].into());
    assert_eq!(names(&found), ["bags -> bills", "http"]);
}

#[test]
fn an_import_through_a_re_export_or_a_local_name_leads_to_the_file_that_defines() {
    let through = |text| with_bags(text).files["bags/mod.rs"].iter().cloned().collect::<Vec<_>>();
    assert_eq!(through("use crate::bills::Bill;"), ["bills/model.rs"]);
    assert_eq!(through("use crate::bills; fn f() { bills::model::f() }"), ["bills/mod.rs", "bills/model.rs"]);
    assert_eq!(through("mod queries; fn f() { queries::f() }"), ["bags/queries.rs"]);
    assert_eq!(through("mod queries; pub use queries::find;"), Vec::<String>::new());
}

#[test]
fn a_cycle_of_more_than_three_files_is_found() {
    let cycle = |last: &str| {
        imports(&[
            ("a.rs", "use crate::b::B;"),
            ("b.rs", "use crate::c::C;"),
            ("c.rs", "use crate::d::D;"),
            ("d.rs", last),
            ("e.rs", "use crate::a::A;"),
        ])
    };
    assert_eq!(names(&rules::file_cycles(&cycle("use crate::a::A;").files)), ["4 files"]);
    assert!(rules::file_cycles(&cycle("use crate::b::B;").files).is_empty());
    assert_eq!(graph::cycles(&cycle("use crate::b::B;").files).len(), 1);
}

#[test]
fn queries_that_know_http_are_found() {
    let files = imports(&[
        ("bags/queries.rs", "use crate::http::page::Sort;"),
        ("bags/routes.rs", "use crate::http::page::Page;"),
        ("bags/edit_routes.rs", "use crate::http::page::Page;"),
        ("bags/finish.rs", "fn f(x: crate::http::IfMatch) {}"),
        ("bags/rules.rs", "use crate::error::Error;"),
        ("http/mod.rs", ""),
        ("http/page.rs", ""),
    ]);
    assert_eq!(names(&rules::http(&files.files)), ["bags/finish.rs", "bags/queries.rs"]);
}

#[test]
fn every_form_of_a_write_is_found() {
    let tables = |text: &str| writes::tables_of(&Source::parse("a.rs", text)).into_iter().collect::<Vec<_>>();
    assert_eq!(tables(r#"const A: &str = "INSERT INTO bags (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET a = 1";"#), ["bags"]);
    assert_eq!(tables("const A: &str = \"WITH x AS (DELETE FROM ONLY bag_links l) \\\n UPDATE bills b SET a = 1\";"), ["bag_links", "bills"]);
    assert_eq!(tables("const A: &str = r#\"UPDATE\n  bags\n  SET a = 1\"#;"), ["bags"]);
    assert_eq!(tables(r#"const A: &str = "SELECT a FROM bags FOR UPDATE"; // DELETE FROM bags"#), [""; 0]);
    assert_eq!(tables("fn f() { diesel::insert_into(users::table).values(1) }"), ["users"]);
    assert_eq!(tables("fn f() { diesel::delete(schema::users::table.find(1)) }"), ["users"]);
    assert_eq!(tables("fn f() { let row = users::table.find(1); diesel::update(row).set(1) }"), ["users"]);
    assert_eq!(tables("fn f() { let a = users::table.find(1); let b = a.filter(x); diesel::update(b).set(1) }"), ["users"]);
    assert_eq!(tables("fn f(row: R) { diesel::update(row).set(1) }"), [writes::UNKNOWN]);
    assert_eq!(tables(r#"fn f() { format!("INSERT INTO {table}") }"#), [writes::UNKNOWN]);
}

#[test]
fn a_write_outside_of_the_owner_is_found() {
    let write = r#"const A: &str = "DELETE FROM bags";"#;
    let sources = [Source::parse("bags/delete.rs", write), Source::parse("bills/delete.rs", write)];
    assert_eq!(names(&rules::writers(&sources, &BTreeSet::new(), Path::new("."))), ["bills/delete.rs writes bags"]);
    let unknown = [Source::parse("bags/delete.rs", r#"const A: &str = "DELETE FROM others";"#)];
    assert_eq!(names(&rules::writers(&unknown, &BTreeSet::new(), Path::new("."))), ["bags/delete.rs writes others"]);
}

#[test]
fn long_files_functions_and_lines_are_found() {
    let found = |text: &str| names(&rules::sizes_of("a.rs", text, 100)).into_iter().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(found(&"// a line\n".repeat(501)), ["a.rs"]);
    assert_eq!(found(&format!("fn long() {{\n{}}}\nfn short() {{}}", "    f();\n".repeat(79))), ["a.rs long"]);
    assert_eq!(found(&format!("fn f() {{\n{}}}", "    f();\n".repeat(78))), [""; 0]);
    assert_eq!(found(&format!("fn f() {{ m!({}); }}", "a, ".repeat(40))), ["a.rs width"]);
    assert_eq!(found(&format!("const A: &str = \"{}\"; // {}", "a".repeat(120), "b".repeat(120))), [""; 0]);
    assert_eq!(found(&format!("const A: &str = \"a\\\n{}\";", "a".repeat(120))), [""; 0]);
}

#[test]
fn a_crate_that_uses_the_application_is_found() {
    let manifest = "[dependencies]\nserde = \"1\"\napi = { path = \"../..\" }\n";
    assert_eq!(names(&rules::crate_dependencies("embedded-postgres/Cargo.toml", manifest)), ["embedded-postgres -> api"]);
}
