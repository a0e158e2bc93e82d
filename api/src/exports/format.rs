//! The formats of an export, and the encoding of single values.

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::rows::Row;
use crate::documents::csv::defused;

/// Format of an export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    /// One JSON object per line, as in the list.
    Ndjson,
    /// RFC 4180 with a header row, UTF-8.
    #[default]
    Csv,
    /// An Excel workbook with one sheet.
    Xlsx,
}

impl ExportFormat {
    /// The `Content-Type` of the file.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }

    /// The file extension.
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
        }
    }
}

/// One value of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    Empty,
    Text(Cow<'a, str>),
    Integer(i64),
    Decimal(f64),
    Truth(bool),
    Time(DateTime<Utc>),
}

impl<'a> Cell<'a> {
    /// Borrowed text.
    pub fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// Text created for this cell.
    pub fn made(text: impl ToString) -> Self {
        Self::Text(Cow::Owned(text.to_string()))
    }

    /// The value, or an empty cell.
    pub fn maybe<T>(value: Option<T>, cell: impl FnOnce(T) -> Self) -> Self {
        value.map_or(Self::Empty, cell)
    }

    fn csv_field(&self) -> Cow<'_, str> {
        match self {
            Self::Empty => Cow::Borrowed(""),
            // Our own numbers may start with a minus. Text must not start like a formula.
            Self::Text(text) => Cow::Owned(defused(text)),
            Self::Integer(number) => Cow::Owned(number.to_string()),
            Self::Decimal(number) => Cow::Owned(number.to_string()),
            Self::Truth(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
            Self::Time(at) => Cow::Owned(at.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
        }
    }
}

/// Serializes rows as lines of JSON.
///
/// # Errors
/// Fails if a row can't be serialized as JSON (never for plain structures).
pub fn ndjson<R: Row>(rows: &[R]) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::with_capacity(rows.len() * 256);
    for row in rows {
        serde_json::to_writer(&mut text, row)?;
        text.push(b'\n');
    }
    Ok(text)
}

/// Writes rows as CSV. The first part of a file includes the header row.
///
/// # Errors
/// Fails if the writer fails (never in memory).
pub fn csv<R: Row>(rows: &[R], has_head: bool) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::with_capacity(rows.len() * 160));
    if has_head {
        writer.write_record(R::COLUMNS)?;
    }
    for row in rows {
        for cell in row.cells() {
            writer.write_field(cell.csv_field().as_bytes())?;
        }
        writer.write_record(None::<&[u8]>)?;
    }
    Ok(writer.into_inner()?)
}
