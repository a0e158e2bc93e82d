//! Many connections at once: they take open files, and other clients must not be affected.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::process::ServerProcess;
use crate::support::warehouse::ADMIN_PASSWORD;
use crate::support::{Answer, Person, Warehouse, database, eventually};

const MANY: usize = 1_060;

/// A server with these soft and hard limits of open files.
async fn server_with(soft: u32, hard: u32, settings: &[(&str, &str)]) -> (ServerProcess, PathBuf) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    // The test holds the other side of each connection.
    rustix::process::setrlimit(rustix::process::Resource::Nofile, {
        let limits = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        rustix::process::Rlimit { current: limits.maximum, maximum: limits.maximum }
    })
    .expect("the limit can be raised");
    let database_url = database::migrated().await;
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("files-{}-{n}", std::process::id()));
    let limit = format!("--nofile={soft}:{hard}");
    let settings: Vec<(&str, &str)> = settings.iter().copied().chain([("SKIP_MIGRATIONS", "true")]).collect();
    (ServerProcess::start_under(&["prlimit", &limit], &folder, Some(&database_url), &settings).await, folder)
}

/// An idle connection, after one request or without any.
async fn idle(address: &str, asks: bool) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    if asks {
        stream.write_all(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n").await.ok()?;
        let mut answer = [0; 64];
        let read = tokio::time::timeout(std::time::Duration::from_secs(60), stream.read(&mut answer)).await;
        assert!(read.expect("it is answered").ok()? > 0);
    }
    Some(stream)
}

/// Opens an event stream over a connection of its own; returns the status and the connection.
async fn listen(address: &str, person: &Person) -> (u16, TcpStream) {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    let token = person.token.as_deref().expect("signed in");
    let request = format!("GET /api/v1/events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it is sent");
    let mut answer = [0; 1_024];
    let read = tokio::time::timeout(std::time::Duration::from_secs(60), stream.read(&mut answer)).await;
    let length = read.expect("it is answered").expect("an answer");
    let head = String::from_utf8_lossy(&answer[..length]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no status in {head:?}"));
    assert!(status == 200 || head.to_lowercase().contains("\r\nretry-after: "), "{head}");
    (status, stream)
}

fn address_of(base_url: &str) -> String {
    base_url.strip_prefix("http://").expect("an address").to_owned()
}

async fn assert_serves(server: &ServerProcess, admin: &Person, what: &str) {
    for n in 0..5 {
        assert!(server.is_ready().await, "{what}: {}", server.log());
        // Each request uses a new connection.
        let other = Person { client: Person::new(&admin.base_url).client, ..admin.clone() };
        let scan = other.request(Method::POST, "/scans").json(&json!({"qr_code": format!("SB4000{n}")}));
        let answer = Answer::of(scan.timeout(std::time::Duration::from_secs(10))).await;
        assert!(matches!(answer.status, 200 | 201), "{what}: {}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn idle_connections_do_not_affect_other_clients() {
    for (soft, hard) in [(1_024, 20_000), (256, 4_096), (1_024, 1_024)] {
        for asks in [true, false] {
            let what = format!("{soft} of {hard} files, answered: {asks}");
            let (server, _folder) = server_with(soft, hard, &[]).await;
            let admin = server.nobody().signed_in("admin", ADMIN_PASSWORD).await;
            let address = address_of(&server.base_url);
            let mut held = Vec::new();
            for _ in 0..MANY {
                held.extend(idle(&address, asks).await);
            }
            assert_serves(&server, &admin, &what).await;
            if hard > 4_000 {
                assert_eq!(held.len(), MANY, "{what}");
            }
            drop(held);
            assert_serves(&server, &admin, &what).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn event_streams_do_not_affect_other_clients() {
    let (server, _folder) = server_with(1_024, 20_000, &[("EVENT_STREAMS_PER_CALLER", "2000")]).await;
    let admin = server.nobody().signed_in("admin", ADMIN_PASSWORD).await;
    let mut streams = Vec::new();
    for _ in 0..MANY {
        let (status, stream) = listen(&address_of(&server.base_url), &admin).await;
        assert_eq!(status, 200);
        streams.push(stream);
    }
    assert_serves(&server, &admin, "streams").await;
}

/// With few files, the total number of streams is limited, so that scans and health checks get
/// their connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_total_number_of_event_streams_is_limited_when_files_are_few() {
    let (server, _folder) = server_with(1_024, 1_024, &[("EVENT_STREAMS_PER_CALLER", "2000")]).await;
    let admin = server.nobody().signed_in("admin", ADMIN_PASSWORD).await;
    let (mut streams, mut refused) = (Vec::new(), 0);
    for _ in 0..MANY {
        match listen(&address_of(&server.base_url), &admin).await {
            (200, stream) => streams.push(stream),
            (503, _) => refused += 1,
            (other, _) => panic!("{other}"),
        }
    }
    assert!(streams.len() > 100 && refused > 100, "{} stand, {refused} were refused", streams.len());
    assert_serves(&server, &admin, "streams").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_caller_has_a_limit_of_event_streams() {
    let warehouse = Warehouse::open().await;
    let (packer, other) = (warehouse.packer("Lucknow").await, warehouse.packer("Lucknow").await);
    let address = address_of(&warehouse.base_url);
    let mut streams = Vec::new();
    for _ in 0..20 {
        let (status, stream) = listen(&address, &packer).await;
        assert_eq!(status, 200);
        streams.push(stream);
    }
    let refused = Answer::of(packer.request(Method::GET, "/events")).await.problem(429, "too_many_streams");
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(listen(&address, &other).await.0, 200, "the limit is per caller");
    packer.scans("SB00001").await.expect(201);
    // A page is reloaded: its old stream is closed.
    for _ in 0..3 {
        streams.pop();
        eventually("a stream that ended makes room", async || {
            let (status, stream) = listen(&address, &packer).await;
            drop(stream);
            status == 200
        })
        .await;
    }
}
