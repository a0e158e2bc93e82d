//! Erases a person from the files of this machine: e-mails that were not sent, and archived months
//! of the audit log.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{Array, BigInt, Jsonb, Text};
use diesel_async::RunQueryDsl;
use mail_parser::MessageParser;
use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, BufWriter};

use super::erasure::Plan;
use crate::db::{Pool, sql};

/// E-mails that are compared at a time: with summaries of a day each has tens of kilobytes.
const MAILS: usize = 20;
/// Lines of an archive that are rewritten at a time.
const LINES: usize = 1_000;

/// Deletes every e-mail in a folder that is to the person or names them, whatever its encoding.
///
/// These are copies of e-mails that no mail server took; one to another person goes too when it names
/// the person.
///
/// # Errors
/// When a file can't be read or deleted, or the database not be asked.
pub async fn erase_from_mails(pool: &Pool, plan: &Plan, folder: &Path) -> anyhow::Result<()> {
    for batch in files(folder, "eml").await?.chunks(MAILS) {
        let mut texts = Vec::with_capacity(batch.len());
        for path in batch {
            // One that is gone meanwhile names nobody.
            let bytes = read_if_there(path).await?.unwrap_or_default();
            texts.push(text_of(&bytes));
        }
        for index in naming(pool, plan, texts).await? {
            let path = &batch[index];
            match tokio::fs::remove_file(path).await {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).with_context(|| path.display().to_string()),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Rewrites every archived month in a folder that holds entries of the person or names them. Each
/// keeps its number of lines; it is replaced when the new file is on disk.
///
/// # Errors
/// When a file can't be read or written, or the database not be asked.
pub async fn erase_from_archives(pool: &Pool, plan: &Plan, folder: &Path) -> anyhow::Result<()> {
    for path in files(folder, "ndjson").await? {
        rewrite(pool, plan, folder, &path).await.with_context(|| path.display().to_string())?;
    }
    Ok(())
}

async fn rewrite(pool: &Pool, plan: &Plan, folder: &Path, path: &Path) -> anyhow::Result<()> {
    let original = File::open(path).await?;
    let permissions = original.metadata().await?.permissions();
    let (file, temporary) = NamedTempFile::with_prefix_in(".erasing-", folder)?.into_parts();
    let mut written = BufWriter::new(File::from_std(file));
    let mut lines = BufReader::new(original).lines();
    let mut is_changed = false;
    loop {
        let mut batch = Vec::with_capacity(LINES);
        while batch.len() < LINES
            && let Some(line) = lines.next_line().await?
        {
            batch.push(line);
        }
        if batch.is_empty() {
            break;
        }
        is_changed |= erase_lines(pool, plan, &mut batch).await?;
        for line in batch {
            written.write_all(line.as_bytes()).await?;
            written.write_all(b"\n").await?;
        }
    }
    if !is_changed {
        return Ok(());
    }
    written.flush().await?;
    let file = written.into_inner();
    file.set_permissions(permissions).await?;
    file.sync_all().await?;
    temporary.persist(path)?;
    File::open(folder).await?.sync_all().await?;
    Ok(())
}

/// Erases the person from the lines of an archive. Returns whether any is different now.
async fn erase_lines(pool: &Pool, plan: &Plan, lines: &mut [String]) -> anyhow::Result<bool> {
    #[derive(QueryableByName)]
    struct Erased {
        #[diesel(sql_type = BigInt)]
        n: i64,
        #[diesel(sql_type = Jsonb)]
        entry: Value,
    }
    // Most months are of others: what can't concern the person is not sent to the database.
    let candidates: Vec<usize> = (0..lines.len()).filter(|n| may_concern(plan, &lines[*n])).collect();
    if candidates.is_empty() {
        return Ok(false);
    }
    let entries: Vec<Value> = candidates.iter().map(|n| serde_json::from_str(&lines[*n])).collect::<Result<_, _>>()?;
    let changed: Vec<Erased> = sql("SELECT e.n, e.erased AS entry \
         FROM (SELECT n, entry, erased_audit_entry(entry, $2) AS erased FROM unnest($1) WITH ORDINALITY AS l (entry, n)) AS e \
         WHERE e.erased <> e.entry")
    .bind::<Array<Jsonb>, _>(entries)
    .bind::<Jsonb, _>(plan.plan.clone())
    .load(&mut *pool.get().await?)
    .await?;
    for Erased { n, entry } in &changed {
        let place = usize::try_from(*n - 1).ok().and_then(|n| candidates.get(n));
        let place = place.context("the database gave a line that it was not given")?;
        lines[*place] = serde_json::to_string(entry)?;
    }
    Ok(!changed.is_empty())
}

/// False only when neither a name of the person nor their id is in a line.
fn may_concern(plan: &Plan, line: &str) -> bool {
    let names = plan.plan["names"].as_array();
    let mut names = names.into_iter().flatten().filter_map(Value::as_str);
    let lower = line.to_lowercase();
    lower.contains(&plan.plan["user_id"].to_string()) || names.any(|name| lower.contains(name))
}

/// Which of these texts name the person.
async fn naming(pool: &Pool, plan: &Plan, texts: Vec<String>) -> anyhow::Result<Vec<usize>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let rows: Vec<Row> = sql("SELECT t.n FROM unnest($1) WITH ORDINALITY AS t (content, n) WHERE t.content ~* ($2->>'any')")
        .bind::<Array<Text>, _>(texts)
        .bind::<Jsonb, _>(plan.plan.clone())
        .load(&mut *pool.get().await?)
        .await?;
    Ok(rows.into_iter().filter_map(|row| usize::try_from(row.n - 1).ok()).collect())
}

/// What an e-mail says: its source, and its bodies decoded.
fn text_of(bytes: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    if let Some(mail) = MessageParser::default().parse(bytes) {
        let bodies = (0..mail.text_body_count()).filter_map(|part| mail.body_text(part));
        for body in bodies.chain((0..mail.html_body_count()).filter_map(|part| mail.body_html(part))) {
            text.push('\n');
            text.push_str(&body);
        }
    }
    // PostgreSQL takes no NUL in a text.
    text.replace('\0', " ")
}

async fn files(folder: &Path, ending: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut entries = match tokio::fs::read_dir(folder).await {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| folder.display().to_string()),
    };
    let mut found = Vec::new();
    while let Some(entry) = entries.next_entry().await? {
        if entry.path().extension().is_some_and(|extension| extension == ending) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

async fn read_if_there(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    match tokio::fs::read(path).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}
