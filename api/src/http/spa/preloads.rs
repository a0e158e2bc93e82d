//! What each page of the app needs besides what its HTML names: announced with the page, so that the browser asks for
//! all of it at once instead of learning of one file from another.

use actix_web::dev::ResourceDef;
use actix_web::http::header::HeaderValue;
use anyhow::Context;
use serde::Deserialize;

/// One page, as `frontend/scripts/write-preloads.mjs` writes it.
#[derive(Deserialize)]
struct Page {
    /// SvelteKit's name of it: `/bags/[qr_code]`.
    route: String,
    scripts: Vec<String>,
    /// In the order of their weight: nothing is shown before the first ones are there.
    styles: Vec<String>,
}

/// The `Link` headers of the app's pages.
#[derive(Default)]
pub struct Preloads(Vec<(ResourceDef, HeaderValue)>);

impl Preloads {
    /// Reads what the build wrote.
    ///
    /// # Errors
    /// When it is not what this version of the server expects.
    pub fn new(written: &[u8]) -> anyhow::Result<Self> {
        let pages: Vec<Page> = serde_json::from_slice(written).context("preloads.json of the web app can't be read: build it again")?;
        let mut links =
            pages.into_iter().map(|page| Ok((ResourceDef::new(pattern(&page.route)), link(&page)?))).collect::<anyhow::Result<Vec<_>>>()?;
        // `/bills/new` is a page of its own, and no bill.
        links.sort_by_key(|(resource, _)| resource.pattern().is_some_and(|pattern| pattern.contains('{')));
        Ok(Self(links))
    }

    /// The `Link` header of the page at this path.
    pub fn link(&self, path: &str) -> Option<HeaderValue> {
        let found = self.0.iter().find(|(resource, _)| resource.is_match(path));
        found.map(|(_, link)| link.clone()).filter(|link| !link.is_empty())
    }
}

/// `/bags/[qr_code]` as the server writes it: `/bags/{qr_code}`.
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
