//! The rules of the architecture, checked on the text of the code (docs/development.md describes
//! them). Each exception of today is listed in `exceptions.rs` with its reason; the lists only
//! shrink, because an exception that is no longer needed fails as well.

mod exceptions;
mod graph;
mod imports;
mod rules;
mod selftests;
mod source;
mod tables;
mod writes;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use exceptions::Exception;
use imports::Imports;
use rules::Violation;
use source::Source;

/// The folder of the workspace.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace").to_owned()
}

/// The files of the application.
static APPLICATION: LazyLock<Vec<Source>> = LazyLock::new(|| source::read(&workspace().join("api/src")));
/// Which of them uses which.
static IMPORTS: LazyLock<Imports> = LazyLock::new(|| Imports::of(&APPLICATION));

/// Fails when there is a violation that is not listed, or an exception without a violation.
fn check(rule: &str, violations: &[Violation], exceptions: &[Exception]) {
    let is_listed = |violation: &&Violation| exceptions.iter().any(|exception| exception.what == violation.what);
    let is_needed = |exception: &&Exception| violations.iter().any(|violation| violation.what == exception.what);
    let new: Vec<String> = violations.iter().filter(|v| !is_listed(v)).map(|v| format!("{}: {}", v.what, v.detail)).collect();
    let unneeded: Vec<&str> = exceptions.iter().filter(|e| !is_needed(e)).map(|e| e.what).collect();
    assert!(new.is_empty(), "{rule}, but:\n{}", new.join("\n"));
    assert!(unneeded.is_empty(), "these exceptions are no longer needed, delete them:\n{}", unneeded.join("\n"));
    assert!(exceptions.iter().all(|exception| !exception.why.is_empty()), "every exception has a reason");
}

#[test]
fn the_allowed_arrows_make_no_cycle_and_none_leads_from_the_platform_to_a_feature() {
    let arrows = tables::allowed();
    assert_eq!(graph::cycles(&arrows), Vec::new());
    let up = arrows.iter().filter(|(folder, _)| tables::PLATFORM.contains(&folder.as_str()));
    let up: Vec<_> = up.flat_map(|(_, targets)| targets).filter(|target| !tables::PLATFORM.contains(&target.as_str())).collect();
    assert!(up.is_empty(), "the platform may not use {up:?}");
}

#[test]
fn folders_use_each_other_only_along_the_allowed_arrows() {
    let folders = IMPORTS.folders();
    check("an arrow between folders stands in tables.rs", &rules::arrows(&folders, &tables::allowed()), exceptions::ARROWS);
}

#[test]
fn crates_of_the_platform_use_no_crate_above_them() {
    check("a crate below the application knows only those below it", &rules::crates(&workspace()), &[]);
}

#[test]
fn rules_queries_and_acts_know_nothing_of_http() {
    check("only routes and the files in HTTP_FILES use http", &rules::http(&IMPORTS.files), exceptions::HTTP);
}

#[test]
fn each_table_is_written_by_its_owner_alone() {
    let folder = workspace().join("api/src");
    let violations = rules::writers(&APPLICATION, &source::files(&folder, "sql"), &folder);
    check("a table is written by its owner in tables.rs", &violations, exceptions::WRITERS);
}

#[test]
fn files_functions_and_lines_stay_small() {
    check("files, functions and lines have a limit", &rules::sizes(&workspace()), exceptions::SIZES);
}

#[test]
fn no_more_than_three_files_use_each_other_in_a_cycle() {
    check("a cycle of files has at most three", &rules::file_cycles(&IMPORTS.files), exceptions::FILE_CYCLES);
}
