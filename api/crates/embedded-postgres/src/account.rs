//! Who the server runs as. PostgreSQL refuses root, so root steps down.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::Path;
use std::process::Command;

use super::EmbeddedError;
use super::closed::ClosedFolder;

/// The account that Debian's packages make for the server.
const SERVER_USER: &str = "postgres";

/// The user and group ids to step down to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    uid: u32,
    gid: u32,
    /// What is in its way to the data folder.
    closed: Option<ClosedFolder>,
}

impl Account {
    /// For a server in this data folder; `None` when this process is not root and simply stays who it is.
    pub(super) fn to_step_down_to(data_dir: &Path) -> Result<Option<Self>, EmbeddedError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let passwd = fs::read_to_string("/etc/passwd").map_err(EmbeddedError::file("/etc/passwd"))?;
        let account = Self::in_passwd(&passwd).ok_or(EmbeddedError::NoAccount)?;
        let closed = ClosedFolder::on_the_way(&account, data_dir)?;
        Ok(Some(Self { closed, ..account }))
    }

    fn in_passwd(passwd: &str) -> Option<Self> {
        let line = passwd.lines().find(|line| line.split(':').next() == Some(SERVER_USER))?;
        let mut fields = line.split(':').skip(2);
        Some(Self { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()?, closed: None })
    }
}

/// A command that runs as the account, and is told to shut down fast (SIGINT) when its parent dies, however it dies.
///
/// `setpriv` sets the death signal after it has changed the user: changing it clears the signal.
pub(super) fn command(account: Option<&Account>, program: &Path) -> Command {
    let mut command = match account.and_then(|account| account.closed.as_ref()) {
        Some(closed) => closed.opened(Path::new("setpriv")),
        None => Command::new("setpriv"),
    };
    command.args(["--pdeathsig", "INT"]);
    if let Some(Account { uid, gid, .. }) = account {
        command.arg(format!("--reuid={uid}")).arg(format!("--regid={gid}")).arg("--clear-groups");
    }
    command.arg("--").arg(program);
    // The folder of the caller may be closed to the account.
    command.current_dir("/");
    command
}

/// Makes a folder that only the account may look into, or takes it over.
pub(super) fn private_folder(account: Option<&Account>, folder: &Path) -> Result<(), EmbeddedError> {
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(EmbeddedError::file(folder)(error)),
        _ => {}
    }
    give(account, folder)
}

/// Gives a file or folder to the account.
pub(super) fn give(account: Option<&Account>, path: &Path) -> Result<(), EmbeddedError> {
    match account {
        Some(Account { uid, gid, .. }) => chown(path, Some(*uid), Some(*gid)).map_err(EmbeddedError::file(path)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_account_in_passwd() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\npostgresx:x:7:7::/:/bin/sh\npostgres:x:101:104:PostgreSQL:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(Account::in_passwd(passwd), Some(Account { uid: 101, gid: 104, closed: None }));
        assert_eq!(Account::in_passwd("root:x:0:0::/root:/bin/sh\n"), None);
    }
}
