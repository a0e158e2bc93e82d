//! Imports over HTTP.

use actix_web::http::header::{self, ContentDisposition};
use actix_web::web::Bytes;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, Responder, get, post, web};
use diesel_async::AsyncPgConnection;
use futures_util::{StreamExt, stream};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::check_file;
use super::model::{Import, ImportKind, ImportMode};
use super::queries::{self, NewImport, StoredError};
use super::run_import::ImportJob;
use super::upload;
use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::consistency::Writes;
use crate::documents::csv::defused;
use crate::error::{Error, ErrorCode, Problem, Result};
use crate::http::json::BodyDigest;
use crate::http::page::{Page, PageQuery, Position};
use crate::http::query::Query;
use crate::http::responses::{Always, SignedIn, WithQuery};
use crate::idempotency::{Idempotency, Reply};
use crate::identity::client::Client;
use crate::identity::{Admin, RequireRole};
use crate::jobs::{NewJob, enqueue};
use crate::state::AppState;

/// A form has some bytes besides its file.
const FORM_BYTES: u64 = 16 * 1024;
/// Refused rows read at once.
const ERRORS_CHUNK: i64 = 2_000;

/// A file of bags or links.
#[derive(Debug, ToSchema)]
pub struct ImportForm {
    /// CSV (UTF-8; comma, semicolon or tab), or an Excel workbook, of which the first visible
    /// worksheet is imported. The first row contains the column names: for bags `qr_code`, `name`,
    /// `dispatch_area`, `kind`; for links `parent_qr_code`, `child_qr_code`.
    #[schema(value_type = String, format = Binary, content_media_type = "application/octet-stream")]
    pub file: Vec<u8>,
    pub kind: ImportKind,
    /// `partial` by default.
    #[schema(required = false)]
    pub mode: Option<ImportMode>,
    /// Check everything and change nothing; false by default.
    #[schema(required = false)]
    pub dry_run: Option<bool>,
}

/// Upload a file of bags or links.
///
/// The response is sent when the file is stored; the import runs afterwards. Poll `Location` for
/// its progress.
#[utoipa::path(
    operation_id = "create_import", tag = "imports", request_body(content = ImportForm, content_type = "multipart/form-data"),
    responses((status = 202, description = "Accepted; `Location` is the address of the import", body = Import),
              (status = 400, description = "`malformed_multipart`", body = Problem, content_type = "application/problem+json"),
              (status = 408, description = "`request_timeout`: the upload stalled", body = Problem, content_type = "application/problem+json"),
              (status = 413, description = "`payload_too_large`", body = Problem, content_type = "application/problem+json"),
              (status = 415, description = "`unsupported_media_type`", body = Problem, content_type = "application/problem+json"),
              (status = 422, description = "`validation_failed`, `import_file_empty`, `import_file_mismatch`, `import_not_text`, `import_not_utf8`, \
                                            `import_columns_missing`, `import_zip_bomb` or `import_unreadable`",
               body = Problem, content_type = "application/problem+json"),
              Always, SignedIn),
)]
#[post("/imports")]
pub async fn create_import(
    admin: RequireRole<Admin>,
    client: Client,
    idempotency: Idempotency,
    state: web::Data<AppState>,
    req: HttpRequest,
    payload: web::Payload,
) -> Result<impl Responder> {
    let max_bytes = state.config.import_max_bytes;
    let told = req.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<u64>().ok());
    if told.is_some_and(|bytes| bytes > max_bytes + FORM_BYTES) {
        return Err(upload::too_large(max_bytes));
    }
    let upload = upload::take(req.headers(), payload, max_bytes).await?;
    req.extensions_mut().insert(BodyDigest(upload.digest));
    let (file, claim, kind) = (upload.file.clone(), upload.claim.clone(), upload.kind);
    let checked = tokio::task::spawn_blocking(move || check_file::check(&file, &claim, kind)).await.map_err(anyhow::Error::from)??;

    let actor = Actor::person(admin.caller.user_id, &admin.caller.username, &client);
    let columns = serde_json::to_value(&checked.columns.0).map_err(anyhow::Error::from)?;
    let new = NewImport {
        id: Uuid::now_v7(),
        kind,
        mode: upload.mode,
        dry_run: upload.dry_run,
        file_name: &upload.claim.file_name,
        file_format: checked.format,
        file_bytes: upload.bytes,
        sheet: checked.sheet,
        columns,
        actor: &actor,
    };
    let create = async |conn: &mut AsyncPgConnection| {
        let job = ImportJob { import_id: new.id };
        let job_id = enqueue(conn, NewJob::new(&job).created_by(admin.caller.user_id)).await?;
        queries::insert(conn, &new, job_id).await?;
        queries::store_file(conn, new.id, &upload.file, upload.bytes).await?;
        let after = json!({"status": "queued", "kind": new.kind, "mode": new.mode, "dry_run": new.dry_run,
                           "file_name": new.file_name, "file_bytes": new.file_bytes});
        audit::record(conn, &actor, vec![Entry::new(Action::Import, Entity::Import, new.id).after(after)]).await?;
        let import = queries::find(conn, new.id).await?.ok_or_else(|| Error::from(anyhow::anyhow!("the import was not written")))?;
        Ok(Reply::accepted(format!("/api/v1/imports/{}", new.id), &Import::from(import))?)
    };
    let response = idempotency.run(&mut *state.pool.get().await?, create).await?;
    state.jobs.now();
    Ok(response)
}

/// List imports, newest first.
#[utoipa::path(
    operation_id = "list_imports", tag = "imports", params(PageQuery),
    responses((status = 200, description = "One page of imports", body = Page<Import>), Always, SignedIn, WithQuery),
)]
#[get("/imports")]
pub async fn list_imports(
    _admin: RequireRole<Admin>,
    state: web::Data<AppState>,
    req: HttpRequest,
    query: Query<PageQuery>,
) -> Result<impl Responder> {
    let position = Position::new("imports", "");
    let before = position.key(query.0.cursor.as_deref())?;
    let imports = queries::list(&mut *state.pool.get().await?, before, query.0.limit.rows_to_read()).await?;
    Ok(Page::new(imports.into_iter().map(Import::from).collect(), query.0.limit, &position, |import| import.id).into_response(&req))
}

/// Show an import and its progress.
#[utoipa::path(
    operation_id = "get_import", tag = "imports", params(("id" = Uuid, Path, description = "Id of the import")),
    responses((status = 200, description = "The import", body = Import),
              (status = 404, description = "`import_not_found`", body = Problem, content_type = "application/problem+json"), Always, SignedIn),
)]
#[get("/imports/{id}")]
pub async fn get_import(_admin: RequireRole<Admin>, state: web::Data<AppState>, writes: Writes, path: web::Path<String>) -> Result<impl Responder> {
    let import = find(&mut *state.pool.get().await?, &path).await?;
    if import.finished_at.is_some() {
        // Whoever learns that it has ended looks at what it wrote next.
        writes.note();
    }
    Ok(web::Json(import))
}

/// Download the refused rows of an import.
///
/// A CSV file with the line, the original row, the code and the reason. Correct it and upload it
/// again. The code is a problem code, or `cell_changed` (a spreadsheet has changed a code; the cell
/// is empty if the original value is lost), `missing_value`, `invalid_name` or
/// `unknown_dispatch_area`.
#[utoipa::path(
    operation_id = "get_import_errors", tag = "imports", params(("id" = Uuid, Path, description = "Id of the import")),
    responses((status = 200, description = "The refused rows so far", body = String, content_type = "text/csv"),
              (status = 404, description = "`import_not_found`", body = Problem, content_type = "application/problem+json"), Always, SignedIn),
)]
#[get("/imports/{id}/errors")]
pub async fn get_import_errors(_admin: RequireRole<Admin>, state: web::Data<AppState>, path: web::Path<String>) -> Result<impl Responder> {
    let import = find(&mut *state.pool.get().await?, &path).await?;
    let names: Vec<String> = import.columns.iter().map(|column| column.name.clone()).collect();
    let head = errors_head(&names)?;
    // A connection for each chunk: a slow reader holds none.
    let (id, columns) = (import.id, names.len());
    let rows = stream::try_unfold(0_i64, move |after| {
        let state = state.clone();
        async move {
            let errors = queries::errors(&mut *state.pool.get().await?, id, after, ERRORS_CHUNK).await?;
            let Some(last) = errors.last() else { return anyhow::Ok(None) };
            Ok(Some((errors_text(&errors, columns)?, last.line)))
        }
    });
    let rows = stream::once(async { Ok(head) }).chain(rows);
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8; header=present")
        .insert_header((header::CACHE_CONTROL, "private, no-store"))
        .insert_header(ContentDisposition::attachment(format!("refused-{}.csv", import.id)))
        .streaming(rows))
}

fn errors_head(names: &[String]) -> anyhow::Result<Bytes> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_field("line")?;
    for name in names {
        writer.write_field(defused(name))?;
    }
    writer.write_record(["code", "reason"])?;
    Ok(writer.into_inner()?.into())
}

fn errors_text(errors: &[StoredError], columns: usize) -> anyhow::Result<Bytes> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for error in errors {
        writer.write_field(error.line.to_string())?;
        // Under the names of the head, whatever the row had.
        for column in 0..columns {
            writer.write_field(error.cells.get(column).map(|cell| defused(cell)).unwrap_or_default())?;
        }
        writer.write_record([error.code.as_str(), &defused(&error.reason)])?;
    }
    Ok(writer.into_inner()?.into())
}

async fn find(conn: &mut AsyncPgConnection, id: &str) -> Result<Import> {
    let unknown = || Error::refused(ErrorCode::ImportNotFound, "No import has this id.");
    let id = Uuid::try_parse(id).map_err(|_| unknown())?;
    Ok(queries::find(conn, id).await?.ok_or_else(unknown)?.into())
}

/// Mounts the calls of this feature.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(create_import).service(list_imports).service(get_import).service(get_import_errors);
}
