//! PostgreSQL's own tools on the server's database.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

const NAME: &str = "traitortrack";

/// `psql` and `pgbench` of the newest installed version.
pub struct Tools {
    bin: PathBuf,
    socket: PathBuf,
}

impl Tools {
    pub fn find(socket: &Path) -> anyhow::Result<Self> {
        let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
            .context("PostgreSQL is not installed in /usr/lib/postgresql")?
            .flatten()
            .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
            .filter(|(_, bin)| bin.join("pgbench").exists())
            .collect();
        versions.sort();
        let (_, bin) = versions.pop().context("pgbench is not installed: apt-get install postgresql")?;
        Ok(Self { bin, socket: socket.to_owned() })
    }

    /// Runs SQL and returns what it selects, unadorned.
    pub fn sql(&self, statements: &str) -> anyhow::Result<String> {
        let output = Command::new(self.bin.join("psql"))
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", NAME, "-d", NAME, "-c", statements])
            .arg("-h")
            .arg(&self.socket)
            .output()?;
        ensure!(output.status.success(), "psql: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Runs a script on many connections; transactions per second.
    pub fn rate(&self, script: &str, clients: u32, seconds: u64) -> anyhow::Result<f64> {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(script.as_bytes())?;
        let output = Command::new(self.bin.join("pgbench"))
            .args(["-n", "-M", "prepared", "-U", NAME, "-D", "n=0", "-c", &clients.to_string(), "-j", "2", "-T", &seconds.to_string()])
            .arg("-h")
            .arg(&self.socket)
            .arg("-f")
            .arg(file.path())
            .arg(NAME)
            .stderr(Stdio::piped())
            .output()?;
        let text = String::from_utf8(output.stdout)?;
        ensure!(output.status.success(), "pgbench: {}", String::from_utf8_lossy(&output.stderr));
        let line = text.lines().find(|line| line.starts_with("tps = ")).with_context(|| format!("no rate in: {text}"))?;
        Ok(line.trim_start_matches("tps = ").split(' ').next().unwrap_or_default().parse()?)
    }
}
