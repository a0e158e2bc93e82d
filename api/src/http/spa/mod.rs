//! The web app, served from the binary itself: precompressed files, long caching of hashed files,
//! deep links.

mod index;
mod preloads;

use std::borrow::Cow;

use actix_web::http::{StatusCode, header};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use rust_embed::RustEmbed;

use self::index::Index;
use self::preloads::Preloads;
use super::base_path::BasePath;

/// The output of `npm run build`: every file, and compressed copies with `.br` and `.gz`.
#[derive(RustEmbed)]
#[folder = "../frontend/build"]
struct Files;

const INDEX: &str = "index.html";
const PRELOADS: &str = "preloads.json";
const SERVICE_WORKER: &str = "service-worker.js";
/// Files below this path have a hash of their content in their names.
const IMMUTABLE: &str = "_app/immutable/";
/// Precompressed encodings, the smallest first, with their file extensions.
const ENCODINGS: [(&str, &str); 2] = [("br", "br"), ("gzip", "gz")];

/// Bytes of a file's hash in its ETag.
const FINGERPRINT_BYTES: usize = 12;

/// The web app as served under one base path.
pub struct WebApp {
    /// Absent if the app was not built, as in a quick `cargo run`.
    index: Option<Index>,
    preloads: Preloads,
}

impl WebApp {
    /// Creates the app's page for the base path.
    ///
    /// # Errors
    /// Fails if the app in this binary was built for another path.
    pub fn under(base: &BasePath) -> anyhow::Result<Self> {
        let built = Files::get(INDEX).map(|file| String::from_utf8_lossy(&file.data).into_owned());
        let index = built.map(|page| Index::new(&page, base, |path| Files::get(path).is_some())).transpose()?;
        let preloads = Files::get(PRELOADS).map(|file| Preloads::new(&file.data)).transpose()?.unwrap_or_default();
        Ok(Self { index, preloads })
    }

    /// Answers with the file at the path of the request, or with the app itself for a deep link.
    /// `None` if the path is not a page of the app.
    pub fn respond(&self, req: &HttpRequest) -> Option<HttpResponse> {
        let path = req.path().trim_start_matches('/');
        if path != INDEX
            && let Some(content) = file(path, &accepted(req))
        {
            let mut response = answer(req, path, content);
            // A service worker is subject to the policy that is sent with its own script.
            if let Some(index) = self.index.as_ref().filter(|_| path == SERVICE_WORKER) {
                response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, index.policy.clone());
            }
            return Some(response);
        }
        let is_page = !path.rsplit('/').next().unwrap_or_default().contains('.') && !path.starts_with("api/") && !path.starts_with("_app/");
        let index = self.index.as_ref().filter(|_| is_page || path == INDEX)?;
        let mut response = answer(req, INDEX, index.content(&accepted(req)));
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, index.policy.clone());
        if let Some(link) = self.preloads.link(req.path()) {
            response.headers_mut().insert(header::LINK, link);
        }
        Some(response)
    }
}

/// The content of a response: bytes in one encoding, and their ETag.
#[derive(Clone)]
struct Content {
    bytes: Bytes,
    etag: String,
    encoding: Option<&'static str>,
}

impl Content {
    fn new(bytes: Bytes, sha256: &[u8], encoding: Option<&'static str>) -> Self {
        let fingerprint: String = sha256.iter().take(FINGERPRINT_BYTES).map(|byte| format!("{byte:02x}")).collect();
        Self { bytes, etag: format!("\"{fingerprint}\""), encoding }
    }
}

/// The file at `path` in the best encoding that is both precompressed and accepted.
fn file(path: &str, accepted: &[&'static str]) -> Option<Content> {
    let content = |path: &str, encoding| {
        let file = Files::get(path)?;
        let bytes = match file.data {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => Bytes::from(bytes),
        };
        Some(Content::new(bytes, &file.metadata.sha256_hash(), encoding))
    };
    let endings = ENCODINGS.iter().filter(|(encoding, _)| accepted.contains(encoding));
    endings
        .map(|(encoding, ending)| (format!("{path}.{ending}"), *encoding))
        .find_map(|(path, encoding)| content(&path, Some(encoding)))
        .or_else(|| content(path, None))
}

/// Precompressed encodings that the client accepts, the smallest first.
fn accepted(req: &HttpRequest) -> Vec<&'static str> {
    let header = req.headers().get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let accepts = |name: &str| {
        header.split(',').any(|entry| {
            let mut parts = entry.split(';');
            parts.next().is_some_and(|coding| coding.trim() == name) && !parts.any(|weight| weight.trim() == "q=0")
        })
    };
    ENCODINGS.iter().map(|(encoding, _)| *encoding).filter(|encoding| accepts(encoding)).collect()
}

fn answer(req: &HttpRequest, path: &str, content: Content) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((header::ETAG, content.etag.as_str()));
    response.insert_header((header::VARY, "Accept-Encoding"));
    response.insert_header((header::CACHE_CONTROL, if path.starts_with(IMMUTABLE) { "public, max-age=31536000, immutable" } else { "no-cache" }));
    let is_known = req
        .headers()
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|known| known.split(',').any(|tag| tag.trim() == content.etag));
    if is_known {
        response.status(StatusCode::NOT_MODIFIED);
        return response.finish();
    }
    if let Some(encoding) = content.encoding {
        response.insert_header((header::CONTENT_ENCODING, encoding));
    }
    response.content_type(mime_guess::from_path(path).first_or_octet_stream().essence_str().to_owned() + charset(path));
    response.body(content.bytes)
}

fn charset(path: &str) -> &'static str {
    if [".html", ".js", ".css", ".json", ".svg", ".webmanifest", ".txt"].iter().any(|ending| path.ends_with(ending)) { "; charset=utf-8" } else { "" }
}
