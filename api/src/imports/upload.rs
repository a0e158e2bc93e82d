//! Takes a multipart form in: the file into a temporary one on disk, never whole in memory.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::http::header::HeaderMap;
use actix_web::web;
use futures_util::StreamExt;
use sha2::{Digest, Sha256};

use super::check_file::Claim;
use super::model::{ImportKind, ImportMode};
use crate::error::{Error, ErrorCode, FieldError, Result};

/// Bytes of any field but the file.
const MAX_FIELD_BYTES: usize = 64;
/// Bytes written to disk at once.
const BLOCK: usize = 1024 * 1024;
/// Longest file name kept, in characters.
const MAX_NAME: usize = 255;
/// A sender that sends nothing for this long is given up.
const STALLED: Duration = Duration::from_secs(30);

/// A form that has been taken in.
pub struct Upload {
    pub kind: ImportKind,
    pub mode: ImportMode,
    pub dry_run: bool,
    pub claim: Claim,
    /// Without a name: it goes when nobody holds it any more.
    pub file: Arc<File>,
    pub bytes: u64,
    /// Of everything that makes this request differ from another.
    pub digest: [u8; 32],
}

struct TakenFile {
    claim: Claim,
    file: Arc<File>,
    bytes: u64,
    digest: [u8; 32],
}

#[derive(Default)]
struct Form {
    kind: Option<ImportKind>,
    mode: Option<ImportMode>,
    dry_run: Option<bool>,
    file: Option<TakenFile>,
}

/// Reads the form to its end.
///
/// # Errors
/// 415 `unsupported_media_type`, 413 `payload_too_large`, 408 `request_timeout`, 400 `malformed_multipart`,
/// 422 `validation_failed` naming every wrong field.
pub async fn take(headers: &HeaderMap, payload: web::Payload, max_bytes: u64) -> Result<Upload> {
    let mut parts = Multipart::new(headers, payload);
    let mut form = Form::default();
    let mut wrong = Vec::new();
    while let Some(field) = in_time(parts.next()).await?.transpose().map_err(form_error)? {
        let name = field.name().unwrap_or_default().to_owned();
        let is_repeated = match name.as_str() {
            "file" => form.file.replace(take_file(field, max_bytes).await?).is_some(),
            "kind" => form.kind.replace(choice(field, ImportKind::from_name, "bags or links", &mut wrong).await?).is_some(),
            "mode" => form.mode.replace(choice(field, ImportMode::from_name, "partial or all_or_nothing", &mut wrong).await?).is_some(),
            "dry_run" => form.dry_run.replace(choice(field, |text| text.parse().ok(), "true or false", &mut wrong).await?).is_some(),
            _ => {
                let shown: String = name.chars().filter(|c| !c.is_control()).take(MAX_FIELD_BYTES).collect();
                wrong.push(FieldError::new(format!("/{shown}"), "unknown_field", format!("There is no field \"{shown}\" here.")));
                break;
            }
        };
        if is_repeated {
            wrong.push(FieldError::new(format!("/{name}"), "repeated_field", format!("The field \"{name}\" is there twice.")));
        }
    }
    let missing = |name: &str| FieldError::new(format!("/{name}"), "missing_field", format!("The field \"{name}\" is needed."));
    // A form with a wrong field was not read to its end: what is missing then is not known.
    if wrong.is_empty() {
        wrong.extend(form.kind.is_none().then(|| missing("kind")));
        wrong.extend(form.file.is_none().then(|| missing("file")));
    }
    match (form.kind, form.file) {
        (Some(kind), Some(taken)) if wrong.is_empty() => {
            let (mode, dry_run) = (form.mode.unwrap_or(ImportMode::Partial), form.dry_run.unwrap_or(false));
            let mut digest = Sha256::new();
            digest.update(format!("{kind} {mode} {dry_run} {}\0", taken.claim.file_name));
            digest.update(taken.digest);
            Ok(Upload { kind, mode, dry_run, claim: taken.claim, file: taken.file, bytes: taken.bytes, digest: digest.finalize().into() })
        }
        _ => Err(Error::invalid(wrong)),
    }
}

async fn in_time<T>(next: impl Future<Output = T>) -> Result<T> {
    let stalled = |_| Error::refused(ErrorCode::RequestTimeout, "No more data of the file has arrived for 30 seconds. Upload it again.");
    tokio::time::timeout(STALLED, next).await.map_err(stalled)
}

fn form_error(error: MultipartError) -> Error {
    match error {
        MultipartError::ContentTypeMissing | MultipartError::ContentTypeParse | MultipartError::ContentTypeIncompatible => {
            Error::refused(ErrorCode::UnsupportedMediaType, "This address accepts a form with a file. Send it as multipart/form-data.")
        }
        other => {
            tracing::debug!(error = %other, "malformed multipart body");
            Error::refused(ErrorCode::MalformedMultipart, "The form is not well-formed multipart/form-data, or is incomplete. Send it again.")
        }
    }
}

/// A short field that must be one of a few words. A wrong one is noted and stands for the first of its kind.
async fn choice<T>(mut field: Field, parse: impl Fn(&str) -> Option<T>, choices: &str, wrong: &mut Vec<FieldError>) -> Result<T> {
    let name = field.name().unwrap_or_default().to_owned();
    let bytes = in_time(field.bytes(MAX_FIELD_BYTES)).await?;
    let text = match bytes {
        Ok(bytes) => String::from_utf8_lossy(&bytes.map_err(form_error)?).trim().to_owned(),
        Err(_too_long) => String::new(),
    };
    if let Some(value) = parse(&text) {
        return Ok(value);
    }
    wrong.push(FieldError::new(format!("/{name}"), "unknown_value", format!("{name} must be {choices}.")));
    Err(Error::invalid(std::mem::take(wrong)))
}

async fn take_file(mut field: Field, max_bytes: u64) -> Result<TakenFile> {
    let given = field.content_disposition().and_then(|disposition| disposition.get_filename()).unwrap_or_default();
    // Some browsers send the whole path.
    let name: String = given.rsplit(['/', '\\']).next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
    let claim = Claim {
        file_name: if name.trim().is_empty() { "file".to_owned() } else { name },
        content_type: field.content_type().map(|mime| mime.essence_str().to_ascii_lowercase()),
    };
    let file = Arc::new(tempfile::tempfile().map_err(anyhow::Error::from)?);
    let mut digest = Sha256::new();
    let mut bytes: u64 = 0;
    let mut block = Vec::with_capacity(BLOCK);
    while let Some(chunk) = in_time(field.next()).await? {
        let chunk = chunk.map_err(form_error)?;
        bytes += chunk.len() as u64;
        if bytes > max_bytes {
            return Err(too_large(max_bytes));
        }
        digest.update(&chunk);
        block.extend_from_slice(&chunk);
        if block.len() >= BLOCK {
            write(&file, std::mem::replace(&mut block, Vec::with_capacity(BLOCK))).await?;
        }
    }
    write(&file, block).await?;
    Ok(TakenFile { claim, file, bytes, digest: digest.finalize().into() })
}

/// The refusal of a file that is too large.
pub fn too_large(max_bytes: u64) -> Error {
    Error::refused(ErrorCode::PayloadTooLarge, format!("The file is larger than the limit of {max_bytes} bytes. Split it into several files."))
}

async fn write(file: &Arc<File>, block: Vec<u8>) -> Result<()> {
    let file = file.clone();
    let written = tokio::task::spawn_blocking(move || (&*file).write_all(&block)).await;
    Ok(written.map_err(anyhow::Error::from)?.map_err(anyhow::Error::from)?)
}
