//! Runs PostgreSQL's own tools on the server's database.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

const NAME: &str = "traitortrack";

/// `psql` and `pgbench` of the newest installed version.
pub struct Tools {
    bin: PathBuf,
    /// Arguments that select the database.
    database: Vec<String>,
}

impl Tools {
    /// Tools for the database whose private socket is in this folder.
    pub fn on_socket(socket: &Path) -> anyhow::Result<Self> {
        let socket = socket.to_str().context("the folder's name is not text")?;
        Ok(Self { bin: newest()?, database: ["-h", socket, "-U", NAME, "-d", NAME].map(str::to_owned).into() })
    }

    /// Tools for the database at this address.
    pub fn at(url: &str) -> anyhow::Result<Self> {
        Ok(Self { bin: newest()?, database: vec!["-d".into(), url.into()] })
    }

    /// Runs SQL and returns the unformatted result: one line per row, with `|` between the values.
    pub fn sql(&self, statements: &str) -> anyhow::Result<String> {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(statements.as_bytes())?;
        let output = self.psql().arg("-f").arg(file.path()).output()?;
        ensure!(output.status.success(), "psql: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Runs a query and discards its rows.
    pub fn discard(&self, statement: &str) -> anyhow::Result<()> {
        let status = self.psql().args(["-c", statement]).stdout(Stdio::null()).status()?;
        ensure!(status.success(), "psql failed: {statement}");
        Ok(())
    }

    fn psql(&self) -> Command {
        let mut command = Command::new(self.bin.join("psql"));
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]).args(&self.database);
        command
    }

    /// Runs a script on many connections. Returns transactions per second.
    pub fn rate(&self, script: &str, clients: u32, seconds: u64) -> anyhow::Result<f64> {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(script.as_bytes())?;
        let (options, name) = self.database.split_at(self.database.len() - 2);
        let output = Command::new(self.bin.join("pgbench"))
            .args(["-n", "-M", "prepared", "-D", "n=0", "-c", &clients.to_string(), "-j", "2", "-T", &seconds.to_string()])
            .args(options)
            .arg("-f")
            .arg(file.path())
            .args(&name[1..])
            .output()?;
        let text = String::from_utf8(output.stdout)?;
        ensure!(output.status.success(), "pgbench: {}", String::from_utf8_lossy(&output.stderr));
        let line = text.lines().find(|line| line.starts_with("tps = ")).with_context(|| format!("no rate in: {text}"))?;
        Ok(line.trim_start_matches("tps = ").split(' ').next().unwrap_or_default().parse()?)
    }
}

fn newest() -> anyhow::Result<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .context("PostgreSQL is not installed in /usr/lib/postgresql")?
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join("pgbench").exists())
        .collect();
    versions.sort();
    let (_, bin) = versions.pop().context("pgbench is not installed: apt-get install postgresql")?;
    Ok(bin)
}
