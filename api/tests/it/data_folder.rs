//! The data folder of a server with its own PostgreSQL: everything is in it, wherever it is.
//!
//! Root only: other users run PostgreSQL as themselves, and have no folder that is closed to it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::process::{ServerProcess, run_api, text_of};
use crate::support::warehouse::ADMIN_PASSWORD;

/// Where an earlier version put databases.
const FORMER: &str = "/var/lib/traitortrack";

/// A folder that only root can enter, removed at the end.
struct Closed(PathBuf);

impl Closed {
    fn new(name: &str) -> Self {
        let name = format!("{name}-{}", uuid::Uuid::new_v4().simple());
        let folder = std::env::temp_dir().join(name);
        std::fs::DirBuilder::new().mode(0o700).create(&folder).expect("a folder");
        Self(folder)
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        let _left_behind = std::fs::remove_dir_all(&self.0);
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn former_folders() -> usize {
    std::fs::read_dir(FORMER).map_or(0, Iterator::count)
}

async fn stop(mut server: ServerProcess) {
    server.terminate().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_is_in_a_data_folder_that_postgresql_can_not_reach() {
    if !is_root() {
        return;
    }
    let closed = Closed::new("tt closed");
    let long = "n".repeat(120);
    for name in ["var", "deep/er/and an 'odd' \"name\"/var", &format!("{long}/var")] {
        let before = former_folders();
        let data_dir = closed.0.join(name);
        let server = ServerProcess::start(&data_dir, None).await;
        let admin = server.nobody().signed_in("admin", ADMIN_PASSWORD).await;
        admin.packs("SB12345", ["CB-1".into()]).await;
        // Beside the running server, and again when it was stopped.
        let folder = data_dir.display().to_string();
        let done = run_api(&["maintenance"], &[("DATA_DIR", &folder)]).await;
        assert!(done.status.success(), "{}", text_of(&done));
        stop(server).await;
        let server = ServerProcess::start(&data_dir, None).await;
        let admin = server.nobody().signed_in("admin", ADMIN_PASSWORD).await;
        assert_eq!(admin.get("/bags/SB12345").await.expect(200).body["child_count"], 1);
        stop(server).await;

        assert!(data_dir.join("postgres/PG_VERSION").exists(), "{name}: the database is in the data folder");
        assert_eq!(former_folders(), before, "{name}: and nowhere else");
        let mode = std::fs::metadata(&closed.0).expect("the folder").permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{name}: the closed folder stays closed");
        // As README says: without the folder the data are gone.
        std::fs::remove_dir_all(&data_dir).expect("it can be removed");
        let server = ServerProcess::start(&data_dir, None).await;
        let admin = server.nobody().signed_in("admin", ADMIN_PASSWORD).await;
        admin.get("/bags/SB12345").await.problem(404, "bag_not_found");
        stop(server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_that_is_closed_itself_keeps_its_other_files_to_its_owner() {
    if !is_root() {
        return;
    }
    let closed = Closed::new("tt-closed");
    let server = ServerProcess::start(&closed.0, None).await;
    server.nobody().signed_in("admin", ADMIN_PASSWORD).await;
    let mode = std::fs::metadata(&closed.0).expect("the folder").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    // What PostgreSQL sees of it.
    let pid_file = std::fs::read_to_string(closed.0.join("postgres/postmaster.pid")).expect("it runs");
    let root = format!("/proc/{}/root{}", pid_file.lines().next().expect("a process id"), closed.0.display());
    let mut seen: Vec<_> = std::fs::read_dir(root).expect("a folder").map(|entry| entry.expect("an entry").file_name()).collect();
    seen.sort();
    assert_eq!(seen, ["postgres", "socket"], "not the key, not the e-mails");
    stop(server).await;
}

/// The binary run by a root that may not mount, as in a container.
fn without_mounting(data_dir: &Path) -> Output {
    Command::new("setpriv")
        .args(["--bounding-set=-sys_admin", "--inh-caps=-all", "--", env!("CARGO_BIN_EXE_api"), "migrate"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("DATA_DIR", data_dir)
        .output()
        .expect("setpriv runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_way_can_be_made_the_start_is_refused_with_the_fix() {
    if !is_root() {
        return;
    }
    let closed = Closed::new("tt-closed");
    let data_dir = closed.0.join("x/var");
    let before = former_folders();
    let refused = without_mounting(&data_dir);
    let text = text_of(&refused);
    assert!(!refused.status.success());
    for part in [&*data_dir.to_string_lossy(), "Set DATA_DIR", &format!("chmod o+x \"{}\"", closed.0.display())] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    assert!(!data_dir.join("postgres").exists() && former_folders() == before, "nothing is made anywhere");
    // The fix is what it says.
    std::fs::set_permissions(&closed.0, std::fs::Permissions::from_mode(0o701)).expect("it is ours");
    let done = without_mounting(&data_dir);
    assert!(done.status.success(), "{}", text_of(&done));
    assert!(data_dir.join("postgres/PG_VERSION").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_an_earlier_version_put_elsewhere_is_not_left_behind() {
    if !is_root() {
        return;
    }
    let closed = Closed::new("tt-closed");
    let data_dir = closed.0.join("var");
    let server = ServerProcess::start(&data_dir, None).await;
    server.nobody().signed_in("admin", ADMIN_PASSWORD).await.packs("SB12345", ["CB-1".into()]).await;
    stop(server).await;
    let mut hasher = DefaultHasher::new();
    data_dir.hash(&mut hasher);
    let former = Path::new(FORMER).join(format!("{:016x}", hasher.finish()));
    std::fs::create_dir_all(&former).expect("a folder");
    std::fs::rename(data_dir.join("postgres"), former.join("postgres")).expect("one file system");

    let folder = data_dir.display().to_string();
    let refused = run_api(&["migrate"], &[("DATA_DIR", &folder)]).await;
    let text = text_of(&refused);
    let fix = format!("mv \"{}\" \"{}\"", former.join("postgres").display(), data_dir.join("postgres").display());
    assert!(!refused.status.success() && text.contains(&fix), "{fix} in {text}");
    let moved = Command::new("sh").args(["-c", &fix]).status().expect("sh runs");
    assert!(moved.success());
    let server = ServerProcess::start(&data_dir, None).await;
    let admin = server.nobody().signed_in("admin", ADMIN_PASSWORD).await;
    assert_eq!(admin.get("/bags/SB12345").await.expect(200).body["child_count"], 1);
    stop(server).await;
    std::fs::remove_dir_all(former).expect("it was made here");
}
