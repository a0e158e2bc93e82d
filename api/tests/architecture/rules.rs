//! The rules. Each gives its violations.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::source::{self, Source};
use crate::{graph, imports, tables, writes};

/// A file has at most so many lines.
const FILE_LINES: usize = 500;
/// A function has at most so many lines.
const FUNCTION_LINES: usize = 80;
/// So many files may use each other in a cycle.
const FILES_IN_A_CYCLE: usize = 3;
/// The folders with Rust code.
const CODE: [&str; 5] = ["api/src", "api/tests", "api/crates", "load-tests/src", "load-tests/tests"];

/// Something that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Violation {
    /// What an exception is listed under.
    pub what: String,
    pub detail: String,
}

fn violation(what: impl Into<String>, detail: impl Into<String>) -> Violation {
    Violation { what: what.into(), detail: detail.into() }
}

/// Arrows between folders that are not allowed, and folders that the table doesn't know.
pub fn arrows(folders: &BTreeMap<String, BTreeSet<String>>, allowed: &BTreeMap<String, BTreeSet<String>>) -> Vec<Violation> {
    let of_folder = |(folder, targets): (&String, &BTreeSet<String>)| {
        let may = allowed.get(folder).cloned().unwrap_or_default();
        let arrows = targets.difference(&may).map(|target| violation(format!("{folder} -> {target}"), "this arrow is not allowed"));
        let unknown = (!allowed.contains_key(folder)).then(|| violation(folder.clone(), "this folder is not in the table"));
        arrows.chain(unknown).collect::<Vec<_>>()
    };
    folders.iter().flat_map(of_folder).collect()
}

/// Crates in `api/crates` that depend on the application, or on a crate that they may not know.
pub fn crates(workspace: &Path) -> Vec<Violation> {
    let folder = workspace.join("api/crates");
    if !folder.exists() {
        return Vec::new();
    }
    let manifests = source::files(&folder, "toml").into_iter().filter(|file| file.ends_with("/Cargo.toml"));
    manifests.flat_map(|file| crate_dependencies(&file, &fs::read_to_string(folder.join(&file)).expect("the manifest can be read"))).collect()
}

/// The dependencies in a manifest on crates of the workspace that it may not have.
pub fn crate_dependencies(file: &str, manifest: &str) -> Vec<Violation> {
    let name = file.split('/').next().unwrap_or(file);
    let allowed = tables::CRATES.iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, allowed)| allowed);
    let paths = manifest.lines().filter(|line| line.contains("path =") || line.contains("path="));
    let ours = paths.filter_map(|line| line.split('=').next().map(str::trim).filter(|_| line.contains('{')));
    ours.filter(|dependency| !allowed.contains(dependency)).map(|dependency| violation(format!("{name} -> {dependency}"), "not allowed")).collect()
}

/// Files of features that use `http` although they answer no requests.
pub fn http(files: &BTreeMap<String, BTreeSet<String>>) -> Vec<Violation> {
    let knows = |(file, targets): (&String, &BTreeSet<String>)| {
        let target = targets.iter().find(|target| imports::folder_of(target) == "http")?;
        (!may_use_http(file)).then(|| violation(file.clone(), format!("uses {target}")))
    };
    files.iter().filter_map(knows).collect()
}

fn may_use_http(file: &str) -> bool {
    let folder = imports::folder_of(file);
    let Some((_, name)) = file.rsplit_once('/') else { return true };
    let is_feature = !tables::PLATFORM.contains(&folder);
    !is_feature || name.ends_with("routes.rs") || tables::HTTP_FILES.contains(&file)
}

/// Tables that are written outside of their owner, and tables without an owner.
pub fn writers(sources: &[Source], sql_files: &BTreeSet<String>, folder: &Path) -> Vec<Violation> {
    let rust = sources.iter().map(|source| (source.file.clone(), writes::tables_of(source)));
    let sql = sql_files.iter().map(|file| {
        let text = fs::read_to_string(folder.join(file)).expect("the file can be read");
        let code = text.lines().map(|line| line.split("--").next().unwrap_or(line));
        (file.clone(), writes::tables_of_sql(&code.collect::<Vec<_>>().join("\n")))
    });
    let written = rust.chain(sql).flat_map(|(file, tables)| tables.into_iter().map(move |table| (file.clone(), table)));
    written.filter_map(|(file, table)| foreign_write(&file, &table)).collect()
}

fn foreign_write(file: &str, table: &str) -> Option<Violation> {
    let Some((_, owner)) = tables::OWNERS.iter().find(|(known, _)| *known == table) else {
        return Some(violation(format!("{file} writes {table}"), "this table has no owner in tables.rs"));
    };
    let may_write = file.starts_with(owner) || tables::BULK_WRITERS.iter().any(|bulk| file.starts_with(bulk));
    (!may_write).then(|| violation(format!("{file} writes {table}"), format!("{owner} owns it")))
}

/// Files, functions and lines that are too long.
pub fn sizes(workspace: &Path) -> Vec<Violation> {
    let width = line_width(workspace);
    let folders = CODE.iter().filter(|folder| workspace.join(folder).exists());
    let files = folders.flat_map(|folder| source::files(&workspace.join(folder), "rs").into_iter().map(move |file| format!("{folder}/{file}")));
    files.flat_map(|file| sizes_of(&file, &fs::read_to_string(workspace.join(&file)).expect("the file can be read"), width)).collect()
}

/// What is too long in one file.
pub fn sizes_of(file: &str, text: &str, width: usize) -> Vec<Violation> {
    let source = Source::parse(file, text);
    let lines = text.lines().count();
    let long_file = (lines > FILE_LINES).then(|| violation(file, format!("{lines} lines")));
    let functions = source.functions().into_iter().filter(|function| function.lines > FUNCTION_LINES);
    let functions = functions.map(|function| violation(format!("{file} {}", function.name), format!("{} lines", function.lines)));
    let wide = source.wide_lines(width);
    let wide_lines = (!wide.is_empty()).then(|| violation(format!("{file} width"), format!("wider than {width}: lines {wide:?}")));
    long_file.into_iter().chain(functions).chain(wide_lines).collect()
}

/// The width that the formatter keeps. It can't break what is inside a macro call, so the rule
/// checks that too.
fn line_width(workspace: &Path) -> usize {
    let settings = fs::read_to_string(workspace.join("rustfmt.toml")).expect("rustfmt.toml can be read");
    let width = settings.lines().find_map(|line| line.strip_prefix("max_width = "));
    width.map_or(100, |width| width.trim().parse().expect("max_width is a number"))
}

/// Circles of files that are too large, named by their size, so that they can only shrink.
pub fn file_cycles(files: &BTreeMap<String, BTreeSet<String>>) -> Vec<Violation> {
    let large = graph::cycles(files).into_iter().filter(|cycle| cycle.len() > FILES_IN_A_CYCLE);
    large.map(|cycle| violation(format!("{} files", cycle.len()), cycle.into_iter().collect::<Vec<_>>().join(" "))).collect()
}
