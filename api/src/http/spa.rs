//! The web app, from the binary itself: prepared compressions, long caching of hashed files, deep links.

use std::borrow::Cow;
use std::sync::OnceLock;

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rust_embed::{EmbeddedFile, RustEmbed};
use sha2::{Digest, Sha256};

/// What `npm run build` made: every file, and beside it the same with `.br` and `.gz`.
#[derive(RustEmbed)]
#[folder = "../frontend/build"]
struct Files;

const INDEX: &str = "index.html";
const SERVICE_WORKER: &str = "service-worker.js";

/// Answers with the file at `path`, or with the app itself for a deep link; `None` for what is no page of the app.
pub fn respond(req: &HttpRequest) -> Option<HttpResponse> {
    let path = req.path().trim_start_matches('/');
    if !path.is_empty() && path != INDEX && Files::get(path).is_some() {
        return Some(file(req, path));
    }
    let is_page = !path.rsplit('/').next().unwrap_or_default().contains('.') && !path.starts_with("api/") && !path.starts_with("_app/");
    (is_page || path == INDEX).then(|| file(req, INDEX)).filter(|_| Files::get(INDEX).is_some())
}

fn file(req: &HttpRequest, path: &str) -> HttpResponse {
    let (content, encoding) = best_encoding(req, path);
    let etag = format!("\"{}\"", hex(&content.metadata.sha256_hash()[..12]));
    let mut response = HttpResponse::Ok();
    response.insert_header((header::ETAG, etag.clone()));
    response.insert_header((header::VARY, "Accept-Encoding"));
    response
        .insert_header((header::CACHE_CONTROL, if path.starts_with("_app/immutable/") { "public, max-age=31536000, immutable" } else { "no-cache" }));
    // A service worker is held to the policy that comes with its own script.
    if path == INDEX || path == "service-worker.js" {
        response.insert_header((header::CONTENT_SECURITY_POLICY, page_policy()));
    }
    let is_known = req
        .headers()
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|known| known.split(',').any(|tag| tag.trim() == etag));
    if is_known {
        response.status(actix_web::http::StatusCode::NOT_MODIFIED);
        return response.finish();
    }
    if let Some(encoding) = encoding {
        response.insert_header((header::CONTENT_ENCODING, encoding));
    }
    response.content_type(mime_guess::from_path(path).first_or_octet_stream().essence_str().to_owned() + charset(path));
    match content.data {
        Cow::Borrowed(bytes) => response.body(bytes),
        Cow::Owned(bytes) => response.body(bytes),
    }
}

fn charset(path: &str) -> &'static str {
    if [".html", ".js", ".css", ".json", ".svg", ".webmanifest", ".txt"].iter().any(|ending| path.ends_with(ending)) { "; charset=utf-8" } else { "" }
}

fn best_encoding(req: &HttpRequest, path: &str) -> (EmbeddedFile, Option<&'static str>) {
    let accepted = req.headers().get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let accepts = |name: &str| {
        accepted.split(',').any(|entry| {
            let mut parts = entry.split(';');
            parts.next().is_some_and(|coding| coding.trim() == name) && !parts.any(|weight| weight.trim() == "q=0")
        })
    };
    for (encoding, ending) in [("br", "br"), ("gzip", "gz")] {
        if accepts(encoding)
            && let Some(content) = Files::get(&format!("{path}.{ending}"))
        {
            return (content, Some(encoding));
        }
    }
    (Files::get(path).expect("the caller has looked"), None)
}

/// Hash of the one style attribute in the page: SvelteKit hides the live region that announces navigations with it.
const ANNOUNCER_STYLE: &str = "'unsafe-hashes' 'sha256-S8qMpvofolR8Mpjy4kQvEm7m1q8clzU4dfDH0AmvZjo='";

/// Policy of the page: its own scripts and styles, the one inline start script by its hash, nothing from elsewhere.
fn page_policy() -> HeaderValue {
    static POLICY: OnceLock<HeaderValue> = OnceLock::new();
    POLICY
        .get_or_init(|| {
            let page = Files::get(INDEX).map(|file| String::from_utf8_lossy(&file.data).into_owned()).unwrap_or_default();
            let hashes: String = inline_scripts(&page).map(|script| format!(" 'sha256-{}'", STANDARD.encode(Sha256::digest(script)))).collect();
            let policy = format!(
                "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'{hashes}; style-src 'self' {ANNOUNCER_STYLE}; img-src 'self' data: blob:; media-src 'self' blob:; \
                 connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
            );
            HeaderValue::from_str(&policy).expect("hashes are base64")
        })
        .clone()
}

fn inline_scripts(page: &str) -> impl Iterator<Item = &str> {
    page.split("<script").skip(1).filter_map(|after| {
        let (attributes, rest) = after.split_once('>')?;
        let (script, _) = rest.split_once("</script>")?;
        (!attributes.contains("src=") && !script.trim().is_empty()).then_some(script)
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_inline_scripts_and_leaves_linked_ones() {
        let page = "<script src=\"/a.js\"></script><script>\n go() \n</script><script type=\"module\">x</script><script></script>";
        assert_eq!(inline_scripts(page).collect::<Vec<_>>(), ["\n go() \n", "x"]);
    }
}
