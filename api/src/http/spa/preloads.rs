//! The files that each page of the app needs in addition to those that its HTML names. They are
//! announced with the page, so that the browser requests all of them at once instead of discovering
//! one file through another.

use actix_web::dev::ResourceDef;
use actix_web::http::header::HeaderValue;
use anyhow::Context;
use serde::Deserialize;

/// One page, as written by `frontend/scripts/write-preloads.mjs`.
#[derive(Deserialize)]
struct Page {
    /// SvelteKit's name of the page: `/bags/[qr_code]`.
    route: String,
    scripts: Vec<String>,
    /// Ordered by size: the page renders nothing before the first ones have loaded.
    styles: Vec<String>,
}

/// The `Link` headers of the app's pages.
#[derive(Default)]
pub struct Preloads(Vec<(ResourceDef, HeaderValue)>);

impl Preloads {
    /// Parses the file that the build wrote.
    ///
    /// # Errors
    /// Fails if its format is not what this version of the server expects.
    pub fn new(written: &[u8]) -> anyhow::Result<Self> {
        let pages: Vec<Page> = serde_json::from_slice(written).context("preloads.json of the web app can't be read: build it again")?;
        let mut links =
            pages.into_iter().map(|page| Ok((ResourceDef::new(pattern(&page.route)), link(&page)?))).collect::<anyhow::Result<Vec<_>>>()?;
        // `/bills/new` is a page of its own, not a bill.
        links.sort_by_key(|(resource, _)| resource.pattern().is_some_and(|pattern| pattern.contains('{')));
        Ok(Self(links))
    }

    /// The `Link` header of the page at this path.
    pub fn link(&self, path: &str) -> Option<HeaderValue> {
        let found = self.0.iter().find(|(resource, _)| resource.is_match(path));
        found.map(|(_, link)| link.clone()).filter(|link| !link.is_empty())
    }
}

/// Converts `/bags/[qr_code]` to the server's pattern `/bags/{qr_code}`.
fn pattern(route: &str) -> String {
    route.replace('[', "{").replace(']', "}")
}

fn link(page: &Page) -> anyhow::Result<HeaderValue> {
    let scripts = page.scripts.iter().map(|file| format!("</{file}>; rel=modulepreload"));
    let styles = page.styles.iter().map(|file| format!("</{file}>; rel=preload; as=style"));
    let links: Vec<_> = styles.chain(scripts).collect();
    Ok(HeaderValue::from_str(&links.join(", "))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: &[u8] = br#"[
        {"route": "/bills/[bill_number]", "scripts": ["b.js"], "styles": []},
        {"route": "/bills/new", "scripts": ["n.js", "c.js"], "styles": ["n.css"]},
        {"route": "/settings", "scripts": [], "styles": []}
    ]"#;

    #[test]
    fn each_page_announces_its_own_files() {
        let preloads = Preloads::new(WRITTEN).unwrap();
        let link = |path| preloads.link(path).map(|link| link.to_str().unwrap().to_owned());
        assert_eq!(link("/bills/SB-1").as_deref(), Some("</b.js>; rel=modulepreload"));
        let new = "</n.css>; rel=preload; as=style, </n.js>; rel=modulepreload, </c.js>; rel=modulepreload";
        assert_eq!(link("/bills/new").as_deref(), Some(new));
        assert_eq!(link("/settings"), None);
        assert_eq!(link("/nowhere"), None);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        assert!(Preloads::new(b"{").is_err());
    }
}
