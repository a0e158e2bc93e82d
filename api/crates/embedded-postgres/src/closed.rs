//! Data folders that the server's account can't reach, as one in /root.
//!
//! The account gets a view of its own, a mount namespace, in which the way to its folders is open and
//! nothing else of the closed folder is to be seen. Paths are the same in it; the folders themselves
//! and the permissions of what is above them stay as they are.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::account::{Account, command};
use super::{EmbeddedError, FOLDERS};

/// Covers the closed folder with an empty one, shows those folders in it that come before `--`, and
/// goes on with the program after it. What is mounted here is gone with the last process that sees it.
const SCRIPT: &str = r#"
set -e
closed=$1
shift
cd "$closed"
mount -c -t tmpfs -o mode=755,size=64k,nosuid,nodev,noexec tmpfs "$closed"
while [ "$1" != -- ]; do
  (umask 022 && mkdir -p "$closed/$1")
  mount -c --bind "./$1" "$closed/$1"
  shift
done
shift
cd /
exec "$@"
"#;

/// The topmost folder on the way to a data folder, or that itself, which lets the account not through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClosedFolder {
    path: PathBuf,
    data_dir: PathBuf,
}

impl ClosedFolder {
    /// `None` when the account can reach the data folder.
    ///
    /// # Errors
    /// [`EmbeddedError::Closed`] when this process may not mount: in most containers.
    pub(super) fn on_the_way(account: &Account, data_dir: &Path) -> Result<Option<Self>, EmbeddedError> {
        if can_enter(account, data_dir) {
            return Ok(None);
        }
        let mut folders: Vec<&Path> = data_dir.ancestors().collect();
        folders.reverse();
        let Some(path) = folders.into_iter().find(|folder| !can_enter(account, folder)) else { return Ok(None) };
        let closed = Self { path: path.to_owned(), data_dir: data_dir.to_owned() };
        let can_mount = closed.opened(Path::new("true")).stdout(Stdio::null()).stderr(Stdio::null()).status();
        if can_mount.is_ok_and(|status| status.success()) {
            return Ok(Some(closed));
        }
        Err(EmbeddedError::Closed { data_dir: data_dir.to_owned(), fix: closed.fix() })
    }

    /// A command that runs with the way to the folders of the server open.
    pub(super) fn opened(&self, program: &Path) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "--", "sh", "-c", SCRIPT, "sh"]).arg(&self.path);
        for folder in FOLDERS.map(|name| self.data_dir.join(name)).iter().filter(|folder| folder.is_dir()) {
            command.arg(folder.strip_prefix(&self.path).unwrap_or(folder));
        }
        command.arg("--").arg(program);
        command
    }

    /// What a person runs to let the account through.
    fn fix(&self) -> String {
        let is_closed = |folder: &&Path| folder.metadata().is_ok_and(|found| found.permissions().mode() & 0o001 == 0);
        let way = self.data_dir.ancestors().take_while(|folder| folder.starts_with(&self.path));
        let mut folders: Vec<String> = way.filter(is_closed).map(|folder| format!("\"{}\"", folder.display())).collect();
        folders.reverse();
        format!("chmod o+x {}", folders.join(" "))
    }
}

/// Every folder above it must let the account through, too.
fn can_enter(account: &Account, folder: &Path) -> bool {
    command(Some(account), Path::new("test")).args([OsStr::new("-x"), folder.as_os_str()]).status().is_ok_and(|status| status.success())
}
