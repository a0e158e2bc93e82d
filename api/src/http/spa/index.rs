//! The HTML page of the app, built once at the start for the base path of the server.

use std::io::Write;

use actix_web::http::header::HeaderValue;
use anyhow::{Context, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use brotli::enc::BrotliEncoderParams;
use flate2::Compression;
use flate2::write::GzEncoder;
use regex::{Captures, Regex};
use sha2::{Digest, Sha256};

use super::Content;
use crate::http::base_path::BasePath;

/// The page in every encoding, and its Content-Security-Policy.
pub struct Index {
    /// The smallest first, the uncompressed page last.
    contents: Vec<Content>,
    /// Its Content-Security-Policy.
    pub policy: HeaderValue,
}

impl Index {
    /// Creates the page from the built one. `is_file` returns whether a path is that of a file of
    /// the app.
    ///
    /// # Errors
    /// Fails if the page was not built for the root of a host, or if SvelteKit now writes its pages
    /// differently.
    pub fn new(built: &str, base: &BasePath, is_file: impl Fn(&str) -> bool) -> anyhow::Result<Self> {
        let page = if base.is_root() { built.to_owned() } else { moved(built, base, is_file)? };
        let mut brotli = Vec::new();
        brotli::BrotliCompress(&mut page.as_bytes(), &mut brotli, &BrotliEncoderParams::default())?;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(page.as_bytes())?;
        let policy = policy(&page);
        let contents = [(brotli, Some("br")), (gzip.finish()?, Some("gzip")), (page.into_bytes(), None)]
            .map(|(bytes, encoding)| {
                let sha256 = Sha256::digest(&bytes);
                Content::new(bytes.into(), &sha256, encoding)
            })
            .into();
        Ok(Self { contents, policy })
    }

    /// The page in the best of these encodings, or uncompressed.
    pub(super) fn content(&self, accepted: &[&'static str]) -> Content {
        let best = self.contents.iter().find(|content| content.encoding.is_none_or(|encoding| accepted.contains(&encoding)));
        best.expect("the last one is the uncompressed page").clone()
    }
}

/// What SvelteKit writes into a page built for the root, and reads at startup.
const ROOT_BASE: &str = "base: \"\"";

/// The page under `base`: prefixes the addresses of the app's own files and the base that SvelteKit
/// reads.
fn moved(built: &str, base: &BasePath, is_file: impl Fn(&str) -> bool) -> anyhow::Result<String> {
    let addresses = Regex::new(r#"(["'])/([^"'\s<>]+)(["'])"#)?;
    let page = addresses.replace_all(built, |found: &Captures<'_>| {
        let base = if is_file(&found[2]) { base.as_str() } else { "" };
        format!("{}{base}/{}{}", &found[1], &found[2], &found[3])
    });
    ensure!(
        page.matches(ROOT_BASE).count() == 1,
        "BASE_PATH requires a web app that was built without a base path: run `make build` with BASE_PATH unset"
    );
    let start = page.find(ROOT_BASE).and_then(|at| page[..at].rfind("__sveltekit_")).and_then(|at| page[..at].rfind('{'));
    let (head, script) = page.split_at(start.context("the page of the web app has no start script")?);
    Ok(format!("{head}{}{}", guard(base), script.replace(ROOT_BASE, &format!("base: \"{base}\""))))
}

/// Code before the block that starts the app: redirects a browser that opened the server's own
/// address to the base path, because SvelteKit would reload a page outside of it endlessly. Only
/// the browser knows its address: a proxy may have stripped the path.
fn guard(base: &BasePath) -> String {
    format!(
        "if (!(location.pathname + '/').startsWith('{base}/'))\n\
         location.replace('{base}' + location.pathname + location.search + location.hash);\nelse "
    )
}

/// Hash of the one style attribute in the page: SvelteKit uses it to hide the live region that
/// announces navigations.
const ANNOUNCER_STYLE: &str = "'unsafe-hashes' 'sha256-S8qMpvofolR8Mpjy4kQvEm7m1q8clzU4dfDH0AmvZjo='";

/// The policy of the page: its own scripts and styles, the one inline start script by its hash, and
/// nothing from other origins. The camera's code reader is WebAssembly.
fn policy(page: &str) -> HeaderValue {
    let hashes: String = inline_scripts(page).map(|script| format!(" 'sha256-{}'", STANDARD.encode(Sha256::digest(script)))).collect();
    let policy = format!(
        "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'{hashes}; style-src 'self' {ANNOUNCER_STYLE}; img-src 'self' data: blob:; \
         media-src 'self' blob:; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).expect("the hashes are base64")
}

fn inline_scripts(page: &str) -> impl Iterator<Item = &str> {
    page.split("<script").skip(1).filter_map(|after| {
        let (attributes, rest) = after.split_once('>')?;
        let (script, _) = rest.split_once("</script>")?;
        (!attributes.contains("src=") && !script.trim().is_empty()).then_some(script)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_inline_scripts_and_leaves_linked_ones() {
        let page = "<script src=\"/a.js\"></script><script>\n go() \n</script><script type=\"module\">x</script><script></script>";
        assert_eq!(inline_scripts(page).collect::<Vec<_>>(), ["\n go() \n", "x"]);
    }

    const BUILT: &str = "<link href=\"/icon.svg\"><a href=\"/\">x</a><p title='/icon.svg'>it's \"/icons\"</p>\
        <script>{ __sveltekit_abc = { base: \"\" }; import(\"/_app/start.js\"); const url = '/service-worker.js'; }</script>";

    #[test]
    fn addresses_of_files_move_and_nothing_else() {
        let is_file = |path: &str| ["icon.svg", "_app/start.js", "service-worker.js"].contains(&path);
        let page = moved(BUILT, &"/tracking".parse().unwrap(), is_file).unwrap();
        for there in ["href=\"/tracking/icon.svg\"", "href=\"/\"", "\"/icons\"", "base: \"/tracking\"", "import(\"/tracking/_app/start.js\")"] {
            assert!(page.contains(there), "{there} in {page}");
        }
        assert!(page.contains("'/tracking/service-worker.js'"));
        assert!(page.contains("location.hash);\nelse { __sveltekit_abc"), "{page}");
    }

    #[test]
    fn a_page_built_for_another_path_is_not_taken() {
        let elsewhere = BUILT.replace("base: \"\"", "base: \"/elsewhere\"");
        assert!(Index::new(&elsewhere, &"/tracking".parse().unwrap(), |_| true).is_err());
        assert!(Index::new(BUILT, &BasePath::default(), |_| true).is_ok());
    }
}
