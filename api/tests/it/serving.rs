//! The web app from the binary, and the whole server under a path of its host.

use reqwest::Method;
use serde_json::json;
use traitortrack::config::Config;
use traitortrack::http::base_path::BasePath;

use crate::support::{Answer, Person, Warehouse};

/// A server under this path.
async fn under(path: &str) -> Warehouse {
    let base_path: BasePath = path.parse().expect("a path");
    Warehouse::open_with(|config| config.base_path = base_path).await
}

/// Someone who goes by the address with the path.
fn visitor(warehouse: &Warehouse, path: &str) -> Person {
    Person::new(&format!("{}{path}", warehouse.base_url))
}

/// GET with headers.
async fn get_with(person: &Person, path: &str, headers: &[(&str, &str)]) -> reqwest::Response {
    let request = person.client.get(format!("{}{path}", person.base_url));
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send().await.expect("an answer")
}

/// The addresses of files that a page of the app loads.
fn addresses(page: &str) -> Vec<&str> {
    page.split('"').filter(|text| text.starts_with('/') && text.contains('.')).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn hashed_files_are_kept_for_ever_and_everything_else_is_asked_for_again() {
    let warehouse = Warehouse::open().await;
    let nobody = warehouse.nobody();
    let page = nobody.get_root("/").await.expect(200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    for path in addresses(&page.text).into_iter().chain(["/index.html", "/robots.txt", "/_app/version.json", "/scan"]) {
        let file = nobody.get_root(path).await.expect(200);
        let expected = if path.starts_with("/_app/immutable/") { "public, max-age=31536000, immutable" } else { "no-cache" };
        assert_eq!(file.header("cache-control"), expected, "{path}");
    }
    // A file of an older build is gone, and the page in its place would be run as a script.
    nobody.get_root("/_app/immutable/chunks/gone.js").await.problem(404, "not_found");
    nobody.get_root("/_app/immutable/chunks/gone").await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_is_not_sent_again() {
    let warehouse = Warehouse::open().await;
    let nobody = warehouse.nobody();
    for (path, encoding) in [("/", "br"), ("/", "identity"), ("/icon.svg", "gzip"), ("/bags/SB12345", "gzip")] {
        let first = get_with(&nobody, path, &[("accept-encoding", encoding)]).await;
        let tag = first.headers()["etag"].to_str().expect("text").to_owned();
        let again = get_with(&nobody, path, &[("accept-encoding", encoding), ("if-none-match", &format!("\"other\", {tag}"))]).await;
        assert_eq!(again.status(), 304, "{path} {encoding}");
        assert_eq!(again.headers()["etag"], tag.as_str());
        assert_eq!(again.headers()["cache-control"], "no-cache");
        assert!(again.bytes().await.expect("a body").is_empty());
        let other = get_with(&nobody, path, &[("accept-encoding", encoding), ("if-none-match", "\"other\"")]).await;
        assert_eq!(other.status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compressions_are_prepared_and_chosen_by_what_is_accepted() {
    for base in ["", "/tracking"] {
        let warehouse = under(base).await;
        let visitor = visitor(&warehouse, base);
        let page = visitor.get_root("/").await.expect(200);
        let style = addresses(&page.text).into_iter().find(|path| path.ends_with(".css")).expect("a style sheet");
        let style = style.strip_prefix(base).expect("under the path");
        for path in ["/", "/bags/SB12345", style] {
            let mut sizes = Vec::new();
            for (accepted, encoding) in
                [("br;q=0, gzip;q=0", None), ("gzip", Some("gzip")), ("gzip, deflate, br, zstd", Some("br")), ("gzip, br;q=0", Some("gzip"))]
            {
                let answer = get_with(&visitor, path, &[("accept-encoding", accepted)]).await;
                assert_eq!(answer.headers().get("content-encoding").map(|value| value.to_str().expect("text")), encoding, "{path} {accepted}");
                assert!(answer.headers()["vary"].to_str().expect("text").to_lowercase().contains("accept-encoding"));
                sizes.push(answer.bytes().await.expect("a body").len());
            }
            assert!(sizes[0] > sizes[1] && sizes[1] > sizes[2], "{path}: {sizes:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_links_lead_into_the_app_and_addresses_of_the_api_do_not() {
    for base in ["", "/tracking"] {
        let warehouse = under(base).await;
        let visitor = visitor(&warehouse, base);
        let page = visitor.get_root("/").await.expect(200).text;
        for path in ["", "/scan", "/bags/SB12345", "/bills/B-1", "/users?role=admin"] {
            assert_eq!(visitor.get_root(path).await.expect(200).text, page, "{base}{path}");
        }
        assert_eq!(Answer::of(visitor.client.head(format!("{}/scan", visitor.base_url))).await.expect(200).header("cache-control"), "no-cache");
        for path in ["/api/v1/nothing", "/api/nothing", "/nothing.txt"] {
            let refused = visitor.get_root(path).await.expect(404);
            assert_eq!(refused.body["type"], format!("{base}/problems/not_found"));
        }
        let refused = Answer::of(visitor.client.post(format!("{}/scan", visitor.base_url))).await.expect(404);
        assert_eq!(refused.code(), "not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_announces_the_files_it_needs_besides_those_it_names() {
    for base in ["", "/tracking"] {
        let warehouse = under(base).await;
        let visitor = visitor(&warehouse, base);
        let link = |page: &Answer| page.header("link").to_owned();
        let bag = visitor.get_root("/bags/SB12345").await.expect(200);
        let scripts: Vec<_> = link(&bag).split(", ").filter(|part| part.ends_with("; rel=modulepreload")).map(str::to_owned).collect();
        assert!(!scripts.is_empty());
        for part in link(&bag).split(", ") {
            let address = part.strip_prefix('<').and_then(|rest| rest.split_once('>')).expect("an address in angle brackets").0;
            assert!(address.starts_with(&format!("{base}/")), "{address}");
            Answer::of(visitor.client.get(format!("{}{address}", warehouse.base_url))).await.expect(200);
        }
        let bills = visitor.get_root("/bills").await.expect(200);
        assert_ne!(link(&bills), link(&bag));
        assert_eq!(link(&visitor.get_root("/nowhere").await.expect(200)), "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_path_the_page_names_only_addresses_below_it() {
    let warehouse = under("/a/tracking").await;
    let visitor = visitor(&warehouse, "/a/tracking");
    let page = visitor.get_root("/bags/SB12345").await.expect(200);
    assert!(page.text.contains("base: \"/a/tracking\""), "{}", page.text);
    assert!(addresses(&page.text).len() > 5);
    for address in addresses(&page.text) {
        assert!(address.starts_with("/a/tracking/"), "{address}");
        Answer::of(visitor.client.get(format!("{}{address}", warehouse.base_url))).await.expect(200);
    }
    // The start script is another one than in the file, and the policy names its hash.
    let root = Warehouse::open().await.nobody().get_root("/").await.expect(200);
    assert_ne!(page.header("content-security-policy"), root.header("content-security-policy"));
    assert_ne!(page.header("etag"), root.header("etag"));
    assert!(page.header("content-security-policy").contains("script-src 'self' 'wasm-unsafe-eval' 'sha256-"));
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_path_every_address_in_an_answer_has_it() {
    let warehouse = under("/tracking").await;
    let nobody = visitor(&warehouse, "/tracking");
    let admin = nobody.clone().signed_in("admin", crate::support::warehouse::ADMIN_PASSWORD).await;
    let scan = admin.scans("SB12345").await.expect(201);
    let location = scan.header("location").to_owned();
    assert!(location.starts_with("/tracking/api/v1/scans/"), "{location}");
    Answer::of(admin.client.get(format!("{}{location}", warehouse.base_url)).bearer_auth(admin.token.clone().expect("signed in"))).await.expect(200);

    // Stored with the key and given again: the path must not come twice.
    let bag = json!({"qr_code": "SB12346"});
    for _ in 0..2 {
        assert_eq!(admin.post_once("k1", "/bags", bag.clone()).await.expect(201).header("location"), "/tracking/api/v1/bags/SB12346");
    }
    let link = admin.get("/bags?limit=1").await.expect(200).header("link").to_owned();
    assert!(link.starts_with("</tracking/api/v1/bags?limit=1&cursor="), "{link}");
    let next = link.trim_start_matches('<').split('>').next().expect("an address");
    let rest = admin.client.get(format!("{}{next}", warehouse.base_url)).bearer_auth(admin.token.clone().expect("signed in"));
    assert_eq!(Answer::of(rest).await.expect(200).rows().len(), 1);

    let refused = admin.get("/bags/SB99999").await.expect(404);
    assert_eq!(refused.body["type"], "/tracking/problems/bag_not_found");
    assert!(nobody.get_root("/problems/bag_not_found").await.expect(200).text.contains("bag_not_found"));
    let batch = admin.post("/scans/batch", json!({"scans": [{"qr_code": "CB-1", "parent_qr_code": "SB99999"}]})).await.expect(200);
    assert_eq!(batch.body["results"][0]["problem"]["type"], "/tracking/problems/unknown_parent");
    let method = Answer::of(admin.request(Method::DELETE, "/scans")).await.expect(405);
    assert_eq!((method.body["type"].as_str(), method.header("allow")), (Some("/tracking/problems/method_not_allowed"), "GET, POST"));

    assert_eq!(nobody.get_root("/openapi.json").await.expect(200).body["servers"][0]["url"], "/tracking");
    assert!(nobody.get_root("/openapi.yaml").await.expect(200).text.contains("url: /tracking"));
    assert_eq!(nobody.get_root("/.well-known/jwks.json").await.expect(200).body["keys"], json!([]));
    let docs = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let redirect = docs.get(format!("{}/docs", nobody.base_url)).send().await.expect("an answer");
    assert_eq!(redirect.headers()["location"], "/tracking/docs/");
    let page = nobody.get_root("/docs/").await.expect(200);
    assert!(page.header("content-security-policy").contains("'unsafe-inline'"), "the policy of the documentation");
    assert!(!page.text.contains("=\"/"), "addresses relative to the page");
    assert!(nobody.get_root("/docs/swagger-initializer.js").await.expect(200).text.contains("\"../openapi.json\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_path_the_cookie_is_sent_below_it_only_and_keeps_the_session() {
    let warehouse = under("/tracking").await;
    let nobody = visitor(&warehouse, "/tracking");
    let login = json!({"username": "admin", "password": crate::support::warehouse::ADMIN_PASSWORD});
    let answer = nobody.post("/auth/login", login).await.expect(200);
    let cookie = answer.header("set-cookie").to_owned();
    for part in ["Path=/tracking/api/v1/auth", "SameSite=Strict", "HttpOnly", "Secure"] {
        assert!(cookie.split("; ").any(|attribute| attribute == part), "{part} in {cookie}");
    }
    let mut admin = nobody.clone();
    admin.keep_tokens(&answer);
    let refreshed = admin.act("/auth/refresh").await.expect(200);
    admin.keep_tokens(&refreshed);
    let out = admin.act("/auth/logout").await.expect(204);
    assert!(out.header("set-cookie").contains("Path=/tracking/api/v1/auth"), "the path of the cookie that is to go");
    admin.act("/auth/refresh").await.expect(401);
}

/// Load balancers and Prometheus go to the server itself; some proxies take the path off.
#[tokio::test(flavor = "multi_thread")]
async fn requests_without_the_path_are_answered_too_and_other_paths_are_not_taken_for_it() {
    let warehouse = under("/tracking").await;
    let (inside, outside) = (visitor(&warehouse, "/tracking"), warehouse.nobody());
    for path in ["/health", "/health/live", "/health/ready", "/api/health/detailed"] {
        assert_eq!(outside.get_root(path).await.expect(200).body["status"], "healthy", "{path}");
        assert_eq!(inside.get_root(path).await.expect(200).body["status"], "healthy", "{path}");
    }
    inside.get("/me").await.expect(401);
    assert_eq!(outside.get("/me").await.expect(401).body["type"], "/tracking/problems/missing_token");
    assert_eq!(outside.get_root("/").await.expect(200).text, inside.get_root("/").await.expect(200).text);
    let twin = Answer::of(outside.client.get(format!("{}/trackings/api/v1/me", warehouse.base_url))).await.expect(200);
    assert!(twin.header("content-type").starts_with("text/html"), "a deep link like any other");
    let twice = inside.get_root("/tracking/api/v1/me").await.expect(200);
    assert!(twice.header("content-type").starts_with("text/html"), "the path is taken off once");

    let metrics = outside.get_root("/metrics").await.expect(200).text;
    assert!(metrics.contains("route=\"/api/v1/me\",status=\"401\"") && !metrics.contains("/tracking"), "labels are the routes");
}

/// Keys are held to their scopes by the path inside.
#[tokio::test(flavor = "multi_thread")]
async fn under_a_path_api_keys_open_what_they_should() {
    let warehouse = under("/tracking").await;
    let admin = visitor(&warehouse, "/tracking").signed_in("admin", crate::support::warehouse::ADMIN_PASSWORD).await;
    let key = admin.post("/api-keys", json!({"name": "ERP", "scopes": ["bags:read"]})).await.expect(201);
    assert!(key.header("location").starts_with("/tracking/api/v1/api-keys/"));
    let erp = Person { token: Some(key.body["key"].as_str().expect("a key").to_owned()), cookie: None, ..visitor(&warehouse, "/tracking") };
    erp.get("/bags").await.expect(200);
    assert_eq!(erp.get("/users").await.expect(403).code(), "insufficient_scope");
    assert_eq!(erp.post("/bags", json!({"qr_code": "SB12345"})).await.expect(403).code(), "insufficient_scope");
}

#[tokio::test(flavor = "multi_thread")]
async fn links_in_mails_have_the_path() {
    let mut config = Config::defaults();
    config.base_path = "/tracking".parse().expect("a path");
    let smtp = crate::support::mail::SmtpServer::start().await;
    let warehouse = Warehouse::open_with(|opened| {
        opened.base_path = config.base_path;
        opened.smtp_url = smtp.url();
    })
    .await;
    let admin = warehouse.admin().await;
    let asha = json!({"username": "asha", "email": "asha@example.com", "password": crate::support::warehouse::PASSWORD, "role": "biller"});
    admin.post("/users", asha).await.expect(201);
    warehouse.nobody().post("/auth/password/forgot", json!({"email": "asha@example.com"})).await.expect(202);
    let mail = crate::support::mail::decoded(&smtp.inbox.nth(1).await);
    assert!(mail.contains(&format!("{}/tracking/reset-password#token=", warehouse.base_url)), "{mail}");
}
