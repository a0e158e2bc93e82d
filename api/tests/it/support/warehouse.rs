//! A running application, and the people in it.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;
use traitortrack::config::{Config, Secret};
use traitortrack::server::{Application, Stopper};

use super::{Person, database};

/// Password of the admin that every test database has.
pub const ADMIN_PASSWORD: &str = "Correct-Horse7";
/// Password of everyone else.
pub const PASSWORD: &str = "Battery-Staple9";

/// Lifetime of tokens and idle sessions: longer than any test on any machine.
pub const A_DAY_SECONDS: i64 = 86_400;

/// The application under test, with a database of its own.
pub struct Warehouse {
    pub base_url: String,
    pub database_url: String,
    stopper: Option<Stopper>,
    run: Option<tokio::task::JoinHandle<anyhow::Result<()>>>,
    people: AtomicU32,
}

impl Warehouse {
    /// Opens with the default settings, limits aside.
    pub async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    /// Opens with settings of the test's own.
    pub async fn open_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::open_on(database::migrated().await, change).await
    }

    /// Opens a further process on a database.
    pub async fn open_on(database_url: String, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::defaults();
        config.bind = "127.0.0.1:0".parse().expect("an address");
        config.workers = 2;
        config.skip_migrations = true;
        config.database.database_url = Some(Secret::from(database_url.clone()));
        config.database.data_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("data").join(uuid::Uuid::new_v4().to_string());
        config.access_token_seconds = A_DAY_SECONDS;
        config.session_idle_seconds = A_DAY_SECONDS;
        config.sign_in_limit_per_minute = 100_000;
        config.request_limit_per_minute = 1_000_000;
        config.scan_limit_per_minute = 1_000_000;
        // People of a test get the password that they go on with.
        config.require_password_change = false;
        change(&mut config);
        let application = Application::build(config).await.expect("the application starts");
        Self {
            base_url: format!("http://{}", application.address()),
            database_url,
            stopper: Some(application.stopper()),
            run: Some(tokio::spawn(application.run())),
            people: AtomicU32::new(0),
        }
    }

    /// Stops gracefully and waits until everything is written.
    pub async fn close(mut self) {
        self.stopper.take().expect("closed once").stop().await;
        self.run.take().expect("closed once").await.expect("no panic").expect("a clean end");
    }

    /// Someone who has not signed in.
    pub fn nobody(&self) -> Person {
        Person::new(&self.base_url)
    }

    /// The first admin, signed in.
    pub async fn admin(&self) -> Person {
        self.nobody().signed_in("admin", ADMIN_PASSWORD).await
    }

    /// A new dispatcher of an area, signed in.
    pub async fn packer(&self, area: &str) -> Person {
        self.person("dispatcher", Some(area)).await
    }

    /// A new biller, signed in.
    pub async fn biller(&self) -> Person {
        self.person("biller", None).await
    }

    async fn person(&self, role: &str, area: Option<&str>) -> Person {
        let username = format!("{role}-{}", self.people.fetch_add(1, Ordering::Relaxed));
        let body = json!({"username": username, "password": PASSWORD, "role": role, "dispatch_area": area});
        self.admin().await.post("/users", body).await.expect(201);
        self.nobody().signed_in(&username, PASSWORD).await
    }

    /// Counts kept by triggers and by the scan writer equal what is in the tables.
    pub async fn assert_counts_equal_rows(&self) {
        database::assert_counts_equal_rows(&self.database_url).await;
    }
}
