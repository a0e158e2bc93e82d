//! Imports as rows and as JSON.

use chrono::{DateTime, Utc};
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::columns::Column;
use crate::jobs::model::{JobStatus, JobStatusSql};
use crate::pg_enum;

pg_enum! {
    /// Content of a file.
    ImportKind as ImportKindSql = "import_kind" {
        /// A bag each.
        Bags = "bags",
        /// A child and its parent each.
        Links = "links",
    }
}

pg_enum! {
    /// What happens to valid rows if others are refused.
    ImportMode as ImportModeSql = "import_mode" {
        /// They are written.
        Partial = "partial",
        /// Nothing is written unless every row is good.
        AllOrNothing = "all_or_nothing",
    }
}

pg_enum! {
    /// Format of a file.
    ImportFormat as ImportFormatSql = "import_format" {
        Csv = "csv",
        Xlsx = "xlsx",
    }
}

/// Progress of an import.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ImportProgress {
    /// Rows below the header, without blank ones.
    pub rows_read: i64,
    /// Rows that were imported or already existed; in a dry run, rows that would be imported.
    pub rows_accepted: i64,
    pub rows_refused: i64,
}

/// Why an import failed as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ImportFailure {
    /// A problem code.
    #[schema(example = "import_rows_refused")]
    pub code: String,
    /// What happened and what to do, for a person.
    pub detail: String,
}

/// An uploaded file and the result of its import.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Import {
    pub id: Uuid,
    pub kind: ImportKind,
    pub mode: ImportMode,
    /// Check everything and change nothing.
    pub dry_run: bool,
    pub status: JobStatus,
    #[schema(example = "bags.csv")]
    pub file_name: String,
    pub file_format: ImportFormat,
    pub file_bytes: i64,
    /// The imported sheet of the workbook (the first visible one); null for CSV.
    #[schema(required, example = "Sheet1")]
    pub sheet: Option<String>,
    /// The columns of the file and their meanings.
    pub columns: Vec<Column>,
    pub progress: ImportProgress,
    #[schema(required)]
    pub error: Option<ImportFailure>,
    /// Username of the person who uploaded it.
    #[schema(required, example = "admin")]
    pub created_by: Option<String>,
    pub created_at: DateTime<Utc>,
    #[schema(required)]
    pub finished_at: Option<DateTime<Utc>>,
}

/// An import as it is read by `queries`.
#[derive(Debug, Clone, QueryableByName)]
pub struct ImportRecord {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = ImportKindSql)]
    pub kind: ImportKind,
    #[diesel(sql_type = ImportModeSql)]
    pub mode: ImportMode,
    #[diesel(sql_type = Bool)]
    pub dry_run: bool,
    #[diesel(sql_type = JobStatusSql)]
    pub status: JobStatus,
    #[diesel(sql_type = Text)]
    pub file_name: String,
    #[diesel(sql_type = ImportFormatSql)]
    pub file_format: ImportFormat,
    #[diesel(sql_type = BigInt)]
    pub file_bytes: i64,
    #[diesel(sql_type = Nullable<Text>)]
    pub sheet: Option<String>,
    #[diesel(sql_type = Jsonb)]
    pub columns: Value,
    #[diesel(sql_type = BigInt)]
    pub rows_read: i64,
    #[diesel(sql_type = BigInt)]
    pub rows_accepted: i64,
    #[diesel(sql_type = BigInt)]
    pub rows_refused: i64,
    #[diesel(sql_type = Nullable<Text>)]
    pub error_code: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub error: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub user_id: i64,
    #[diesel(sql_type = Nullable<Text>)]
    pub created_by: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub ip: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub user_agent: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub request_id: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub api_key_id: Option<i64>,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub finished_at: Option<DateTime<Utc>>,
}

impl From<ImportRecord> for Import {
    fn from(record: ImportRecord) -> Self {
        let error = record.error_code.zip(record.error).map(|(code, detail)| ImportFailure { code, detail });
        Self {
            id: record.id,
            kind: record.kind,
            mode: record.mode,
            dry_run: record.dry_run,
            status: record.status,
            file_name: record.file_name,
            file_format: record.file_format,
            file_bytes: record.file_bytes,
            sheet: record.sheet,
            columns: serde_json::from_value(record.columns).unwrap_or_default(),
            progress: ImportProgress { rows_read: record.rows_read, rows_accepted: record.rows_accepted, rows_refused: record.rows_refused },
            error,
            created_by: record.created_by,
            created_at: record.created_at,
            finished_at: record.finished_at,
        }
    }
}
