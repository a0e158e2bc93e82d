//! Documents of tables: one model, written as CSV, XLSX and PDF. Knows no feature; the features
//! define the content.

pub mod csv;
pub mod document;
pub mod pdf;
mod pdf_text;
pub mod xlsx;

use actix_web::HttpResponse;
use actix_web::http::header::{self, ContentDisposition, DispositionParam, DispositionType};
use serde::Serialize;

use crate::error::Result;
use document::{Document, Format};

/// Answers with a report in the requested format. Spreadsheets and PDF files are written outside
/// the async threads.
///
/// # Errors
/// Fails if the report can't be written, for example if it has more rows than Excel supports.
pub async fn respond<T: Serialize>(
    format: Format,
    report: &T,
    document: impl FnOnce(&T) -> Document,
    time_zone: chrono_tz::Tz,
) -> Result<HttpResponse> {
    if format == Format::Json {
        return Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "private, no-cache")).json(report));
    }
    let document = document(report);
    let (content_type, ending) = match format {
        Format::Json => ("application/json", "json"),
        Format::Csv => ("text/csv; charset=utf-8", "csv"),
        Format::Xlsx => ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
        Format::Pdf => ("application/pdf", "pdf"),
    };
    let file_name = format!("{}.{ending}", document.file_name);
    let write = move || match format {
        Format::Xlsx => xlsx::write(&document, time_zone),
        Format::Pdf => pdf::write(&document, time_zone),
        Format::Csv | Format::Json => csv::write(&document, time_zone),
    };
    let bytes = tokio::task::spawn_blocking(write).await.map_err(anyhow::Error::from)??;
    // Browsers show a PDF. Other programs open the other formats.
    let disposition = if format == Format::Pdf { DispositionType::Inline } else { DispositionType::Attachment };
    Ok(HttpResponse::Ok()
        .content_type(content_type)
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .insert_header(ContentDisposition { disposition, parameters: vec![DispositionParam::Filename(file_name)] })
        .body(bytes))
}
