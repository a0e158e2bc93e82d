//! Someone who acts over HTTP, and the answers they get.

use reqwest::header::{HeaderMap, HeaderValue, SET_COOKIE};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use uuid::Uuid;

/// Someone with an HTTP client, signed in or not.
#[derive(Clone)]
pub struct Person {
    pub client: Client,
    pub base_url: String,
    pub token: Option<String>,
    /// The refresh cookie, as `name=value`.
    pub cookie: Option<String>,
}

impl Person {
    pub fn new(base_url: &str) -> Self {
        // Answers are looked at as they are sent, whatever else in the workspace has reqwest do.
        let client = Client::builder().no_gzip().no_brotli().no_zstd().no_deflate().build().expect("a client");
        Self { client, base_url: base_url.to_owned(), token: None, cookie: None }
    }

    /// The same person after signing in.
    pub async fn signed_in(mut self, username: &str, password: &str) -> Self {
        let answer = self.post("/auth/login", json!({"username": username, "password": password})).await.expect(200);
        self.keep_tokens(&answer);
        self
    }

    /// Takes over the tokens of an answer.
    pub fn keep_tokens(&mut self, answer: &Answer) {
        self.token = Some(answer.body["access_token"].as_str().expect("a token").to_owned());
        self.cookie = answer.cookie();
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(body)).await
    }

    /// A merge patch of what was read: the ETag of `seen` goes along.
    pub async fn patch_seen(&self, path: &str, seen: &Answer, body: Value) -> Answer {
        let request = self.request(Method::PATCH, path).header("if-match", seen.header("etag"));
        Answer::of(request.header("content-type", "application/merge-patch+json").body(body.to_string())).await
    }

    /// A DELETE of what was read.
    pub async fn delete_seen(&self, path: &str, seen: &Answer) -> Answer {
        Answer::of(self.request(Method::DELETE, path).header("if-match", seen.header("etag"))).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// A POST with an idempotency key.
    pub async fn post_once(&self, key: &str, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::POST, path).header("idempotency-key", key).json(&body)).await
    }

    /// A POST without a body.
    pub async fn act(&self, path: &str) -> Answer {
        self.send(Method::POST, path, None).await
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}/api/v1{path}", self.base_url);
        let mut request = self.client.request(method, url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        request
    }

    /// GET of a path outside `/api/v1`.
    pub async fn get_root(&self, path: &str) -> Answer {
        Answer::of(self.client.get(format!("{}{path}", self.base_url))).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::of(request).await
    }

    /// Scans a code alone: opens a parent, looks a child up.
    pub async fn scans(&self, code: &str) -> Answer {
        self.post("/scans", json!({"qr_code": code})).await
    }

    /// Scans a child into a parent.
    pub async fn scans_into(&self, parent: &str, child: &str) -> Answer {
        self.post("/scans", json!({"qr_code": child, "parent_qr_code": parent})).await
    }

    /// Opens a parent and packs children into it.
    pub async fn packs(&self, parent: &str, children: impl IntoIterator<Item = String>) {
        self.scans(parent).await.expect(201);
        for child in children {
            self.scans_into(parent, &child).await.expect(201);
        }
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap<HeaderValue>,
    /// Null when the answer has no JSON.
    pub body: Value,
    pub text: String,
}

impl Answer {
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.expect("the server answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.expect("the answer is text");
        Self { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::Null), text }
    }

    /// Asserts the status and hands the answer on.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// Asserts an RFC 9457 problem with this status and code.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self.code()), (status, code), "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.body["status"], status);
        assert_eq!(self.body["type"], format!("/problems/{code}"));
        for field in ["title", "detail", "request_id"] {
            assert!(self.body[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {}", self.text);
        }
        assert_eq!(self.body["request_id"], self.header("x-request-id"));
        self
    }

    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    pub fn outcome(&self) -> &str {
        self.body["outcome"].as_str().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn cookie(&self) -> Option<String> {
        let set = self.headers.get(SET_COOKIE)?.to_str().ok()?;
        set.split(';').next().map(str::to_owned)
    }

    /// The rows of a page.
    pub fn rows(&self) -> &Vec<Value> {
        self.body["data"].as_array().expect("a page")
    }
}

/// A new id for a scan, as a device makes it.
pub fn scan_id() -> String {
    Uuid::now_v7().to_string()
}
