//! The page that the `type` of a problem links to.

use actix_web::{HttpResponse, Responder, get, web};

use crate::error::{Error, ErrorCode, Problem, Result};

/// The page that the `type` of a problem links to.
#[utoipa::path(
    operation_id = "get_problem", tag = "health", summary = "Explain a problem code.",
    params(("code" = String, Path, description = "Code of the problem", example = "parent_full")),
    responses((status = 200, description = "A page about the problem", content_type = "text/html", body = String),
              (status = 404, description = "No such code", body = Problem, content_type = "application/problem+json")),
    security(()),
)]
#[get("/problems/{code}")]
pub async fn get_problem(code: web::Path<String>) -> Result<impl Responder> {
    let code = ErrorCode::ALL
        .iter()
        .find(|known| known.as_str() == code.as_str())
        .ok_or_else(|| Error::refused(ErrorCode::NotFound, "No problem has this code."))?;
    Ok(HttpResponse::Ok().content_type("text/html; charset=utf-8").body(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><h1>{title}</h1><p>{explanation}</p><p>HTTP status {status}, code <code>{name}</code>.</p></html>",
        title = code.title(),
        explanation = code.explanation().trim(),
        status = code.status().as_u16(),
        name = code.as_str(),
    )))
}
