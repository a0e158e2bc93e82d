//! Handles requests that no route matches: the web app, a wrong method, or an unknown address.

use std::collections::BTreeMap;

use actix_web::http::Method;
use actix_web::{HttpRequest, Responder, web};
use utoipa::openapi::OpenApi;

use super::base_path;
use super::spa::WebApp;
use crate::error::{Error, ErrorCode, Result};

/// Methods of every documented path. The document is generated from the routes, so it can't
/// contradict them.
#[derive(Clone)]
pub struct RouteTable(BTreeMap<String, Vec<&'static str>>);

impl RouteTable {
    /// Reads the paths of the OpenAPI document.
    pub fn new(document: &OpenApi) -> Self {
        let methods = |item: &utoipa::openapi::PathItem| {
            [("GET", &item.get), ("POST", &item.post), ("PUT", &item.put), ("PATCH", &item.patch), ("DELETE", &item.delete)]
                .into_iter()
                .filter_map(|(name, operation)| operation.as_ref().map(|_| name))
                .collect()
        };
        Self(document.paths.paths.iter().map(|(path, item)| (path.clone(), methods(item))).collect())
    }

    fn methods(&self, path: &str) -> Option<String> {
        let matches = |template: &str| {
            let (mut ours, mut theirs) = (template.split('/'), path.split('/'));
            loop {
                match (ours.next(), theirs.next()) {
                    (None, None) => return true,
                    (Some(template), Some(part)) if template == part || (template.starts_with('{') && !part.is_empty()) => {}
                    _ => return false,
                }
            }
        };
        self.0.iter().find(|(template, _)| matches(template)).map(|(_, methods)| methods.join(", "))
    }
}

/// The default service.
///
/// # Errors
/// Returns 405 `method_not_allowed` if only the method is wrong, otherwise 404 `not_found`.
pub async fn fallback(req: HttpRequest, table: web::Data<RouteTable>, app: web::Data<WebApp>) -> Result<impl Responder> {
    if let Some(methods) = table.methods(req.path()) {
        return Err(
            Error::refused(ErrorCode::MethodNotAllowed, format!("{} supports {methods}, not {}.", req.path(), req.method())).with_allow(methods)
        );
    }
    let is_page_request = req.method() == Method::GET || req.method() == Method::HEAD;
    if is_page_request && let Some(response) = app.respond(&req) {
        return Ok(response);
    }
    Err(Error::refused(ErrorCode::NotFound, format!("This address does not exist. See {}/docs for the available addresses.", base_path::current())))
}
