//! The OpenAPI 3.1 document, made from the routes themselves, and the Swagger UI that shows it.

use actix_web::web::Bytes;
use actix_web::{App, HttpResponse, Responder, get, web};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi as Document, Ref, RefOr, ServerBuilder};
use utoipa::{Modify, OpenApi};
use utoipa_actix_web::AppExt;
use utoipa_swagger_ui::SwaggerUi;

use crate::config::Config;
use crate::consistency;
use crate::http::base_path::BasePath;
use crate::routes::{Limits, routes};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "TraitorTrack",
        description = "Bag tracking for warehouses: pack child bags into parent bags by scanning, collect parents on bills, and see who did what.\n\n\
                       Sign in with `POST /api/v1/auth/login` and send the access token as `Authorization: Bearer …`. \
                       Every error response is an RFC 9457 problem with a stable `code`.",
        license(name = "GPL-3.0-or-later", identifier = "GPL-3.0-or-later"),
    ),
    servers((url = "/", description = "This server")),
    tags(
        (name = "auth", description = "Sign in and sign out"),
        (name = "me", description = "Your own account"),
        (name = "users", description = "People with an account"),
        (name = "promotion-requests", description = "Requests for another role"),
        (name = "notifications", description = "Notifications of a person"),
        (name = "api-keys", description = "Keys for other systems"),
        (name = "dispatch-areas", description = "Places that dispatch bags"),
        (name = "bag-formats", description = "Format and meaning of bag codes"),
        (name = "scans", description = "Scanning: opening parents, linking children, undo"),
        (name = "bags", description = "Parent and child bags"),
        (name = "bills", description = "Shipments of parent bags, and their reports"),
        (name = "audit-logs", description = "The audit log"),
        (name = "search", description = "Search across all data"),
        (name = "reports", description = "Reports as JSON, CSV, XLSX and PDF"),
        (name = "exports", description = "Lists as files"),
        (name = "imports", description = "Files of bags and links"),
        (name = "stats", description = "Figures for dashboards"),
        (name = "events", description = "Live events"),
        (name = "admin", description = "The system"),
        (name = "health", description = "For load balancers and monitoring"),
    ),
    modifiers(&Security),
    security(("bearer" = [])),
)]
struct Base;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_with(Default::default);
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("Access token of `POST /api/v1/auth/login`, or an API key (`ttk_…`) of `POST /api/v1/api-keys`"))
            .build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let cookie = ApiKeyValue::with_description(crate::access::refresh_token::COOKIE, "Refresh token, set by signing in");
        components.add_security_scheme("refresh_cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    }
}

/// The document without paths, to which the routes add theirs.
pub fn base() -> Document {
    Base::openapi()
}

/// The whole document.
pub fn document() -> Document {
    let limits = Limits::new(&Config::defaults());
    let mut document = App::new().into_utoipa_app().openapi(base()).configure(routes(&limits)).split_for_parts().1;
    refer_to_problem(&mut document);
    consistency::describe(&mut document);
    document
}

/// The document as a server under this path shows it: its addresses begin there.
pub fn document_under(base: &BasePath) -> Document {
    let mut document = document();
    if !base.is_root() {
        document.servers = Some(vec![ServerBuilder::new().url(base.as_str()).description(Some("This server")).build()]);
    }
    document
}

/// utoipa writes the schema out in every response of a group; a reference reads better and makes one type in clients.
fn refer_to_problem(document: &mut Document) {
    let operations =
        document.paths.paths.values_mut().flat_map(|item| {
            [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete].into_iter().flatten().collect::<Vec<_>>()
        });
    for response in operations.flat_map(|operation| operation.responses.responses.values_mut()) {
        let RefOr::T(response) = response else { continue };
        if let Some(RefOr::T(content)) = response.content.get_mut("application/problem+json")
            && matches!(content.schema, Some(RefOr::T(_)))
        {
            content.schema = Some(Ref::from_schema_name("Problem").into());
        }
    }
}

/// The document as `openapi.yaml` has it.
///
/// # Errors
/// When it can't be written as YAML (never for a document made by utoipa).
pub fn yaml() -> anyhow::Result<String> {
    Ok(document().to_yaml()?)
}

/// The document as served, written once for all workers.
pub struct ServedDocument {
    json: Bytes,
    yaml: Bytes,
}

impl ServedDocument {
    /// Writes the document in both forms.
    ///
    /// # Errors
    /// When it can't be written (never for a document made by utoipa).
    pub fn new(document: &Document) -> anyhow::Result<Self> {
        Ok(Self { json: document.to_json()?.into(), yaml: document.to_yaml()?.into() })
    }
}

/// The document as JSON.
#[get("/openapi.json")]
pub async fn get_openapi_json(document: web::Data<ServedDocument>) -> impl Responder {
    HttpResponse::Ok().content_type("application/json").body(document.json.clone())
}

/// The document as YAML.
#[get("/openapi.yaml")]
pub async fn get_openapi_yaml(document: web::Data<ServedDocument>) -> impl Responder {
    HttpResponse::Ok().content_type("application/yaml; charset=utf-8").body(document.yaml.clone())
}

/// Starts the Swagger UI, and hands it the access token when somebody signs in there.
#[get("/docs/swagger-initializer.js")]
pub async fn get_swagger_initializer() -> impl Responder {
    HttpResponse::Ok().content_type("text/javascript; charset=utf-8").body(include_str!("swagger-initializer.js"))
}

/// `/docs` is what people type.
#[get("/docs")]
pub async fn redirect_to_docs() -> impl Responder {
    web::Redirect::to("/docs/").permanent()
}

/// The Swagger UI from the binary's own files. Its initializer names the document.
pub fn swagger_ui() -> SwaggerUi {
    SwaggerUi::new("/docs/{_:.*}")
}
