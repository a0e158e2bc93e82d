//! Where the system keeps PostgreSQL's server binaries.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::EmbeddedError;

/// The folder of `postgres` and `initdb`: `PG_BINDIR`, else the newest that Debian's layout has, else what
/// `pg_config` says, else the search path.
pub(super) fn folder() -> Result<PathBuf, EmbeddedError> {
    let candidates = std::env::var_os("PG_BINDIR").map(PathBuf::from).into_iter().chain(debian_folders()).chain(pg_config()).chain(search_path());
    candidates.into_iter().find(|folder| is_server(folder)).ok_or(EmbeddedError::NoBinaries)
}

fn is_server(folder: &Path) -> bool {
    folder.join("postgres").is_file() && folder.join("initdb").is_file()
}

fn debian_folders() -> Vec<PathBuf> {
    let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") else { return Vec::new() };
    let mut versions: Vec<(u32, PathBuf)> = versions
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(version, _)| *version >= 15)
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

fn pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let folder = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(folder.trim()))
}

fn search_path() -> Vec<PathBuf> {
    std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}

/// The major version of the binaries, as `PG_VERSION` files have it: "15".
pub(super) fn major_version(folder: &Path) -> Result<String, EmbeddedError> {
    let postgres = folder.join("postgres");
    let output = Command::new(&postgres).arg("--version").output().map_err(EmbeddedError::file(&postgres))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
    text.split_whitespace()
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .and_then(|version| version.split('.').next())
        .map(|major| major.trim_end_matches(|c: char| !c.is_ascii_digit()).to_owned())
        .ok_or(EmbeddedError::Program { program: postgres.display().to_string(), output: text })
}
