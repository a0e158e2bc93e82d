//! A file that is there completely or not at all, and never in the place of another.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use tempfile::{NamedTempFile, TempPath};
use tokio::fs::File;
use tokio::io::{AsyncWriteExt, BufWriter};

/// How unfinished files end.
const UNFINISHED: &str = ".unfinished";

/// A file of lines that is being written. Dropped before it is published, it leaves nothing.
pub struct ArchiveFile {
    folder: PathBuf,
    name: String,
    writer: BufWriter<File>,
    path: TempPath,
    lines: u64,
}

impl ArchiveFile {
    /// Begins `name`.ndjson in a folder, which is made when it is missing. Unfinished files of that
    /// name that a run left there are removed: the caller is the only one who writes it.
    ///
    /// # Errors
    /// When the folder can't be made or written.
    pub async fn create(folder: &Path, name: &str) -> anyhow::Result<Self> {
        let (folder, name) = (folder.to_owned(), name.to_owned());
        tokio::task::spawn_blocking(move || {
            let begun = begin(&folder, &name).with_context(|| format!("the folder for archives, {}", folder.display()))?;
            let (file, path) = begun.into_parts();
            Ok(Self { folder, name, writer: BufWriter::new(File::from_std(file)), path, lines: 0 })
        })
        .await?
    }

    /// Adds a line.
    ///
    /// # Errors
    /// When it can't be written.
    pub async fn append(&mut self, line: &str) -> io::Result<()> {
        self.writer.write_all(line.as_bytes()).await?;
        self.writer.write_all(b"\n").await?;
        self.lines += 1;
        Ok(())
    }

    /// Brings the content to disk, counts its lines there, and chooses a name: the first of
    /// name.ndjson, name.2.ndjson, … that is free, or that a run which was cut off has given to the
    /// same content. `None` when there are no lines.
    ///
    /// # Errors
    /// When it can't be written, or has other lines on disk than were written.
    pub async fn close(mut self) -> anyhow::Result<Option<ClosedFile>> {
        self.writer.flush().await?;
        self.writer.get_ref().sync_all().await?;
        let Self { folder, name, path, lines, writer } = self;
        if lines == 0 {
            return Ok(None);
        }
        let file = NamedTempFile::from_parts(writer.into_inner().into_std().await, path);
        tokio::task::spawn_blocking(move || {
            let on_disk = count_lines(file.path())?;
            ensure!(on_disk == lines, "{} has {on_disk} lines on disk, and {lines} were written", file.path().display());
            let (path, is_there) = choose_path(file.path(), &folder, &name)?;
            Ok(Some(ClosedFile { file, folder, path, is_there, lines }))
        })
        .await?
    }
}

/// A file that is on disk and has yet to get its name.
pub struct ClosedFile {
    file: NamedTempFile,
    folder: PathBuf,
    path: PathBuf,
    /// A file of that name and content is there.
    is_there: bool,
    lines: u64,
}

impl ClosedFile {
    /// Where it will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many lines it has.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Gives it its name, which survives a power cut. A file that has got the name meanwhile is not
    /// overwritten.
    ///
    /// # Errors
    /// When the name is taken, or the folder can't be written.
    pub async fn publish(self) -> anyhow::Result<PathBuf> {
        tokio::task::spawn_blocking(move || {
            let Self { file, folder, path, is_there, .. } = self;
            let named = || path.display().to_string();
            if is_there {
                std::fs::File::open(&path).and_then(|file| file.sync_all()).with_context(named)?;
            } else {
                file.persist_noclobber(&path).with_context(named)?;
            }
            sync_folder(&folder).with_context(named)?;
            Ok(path)
        })
        .await?
    }
}

fn begin(folder: &Path, name: &str) -> io::Result<NamedTempFile> {
    if !folder.exists() {
        std::fs::create_dir_all(folder)?;
        if let Some(parent) = folder.canonicalize()?.parent() {
            sync_folder(parent)?;
        }
    }
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let is_left = entry.file_name().to_str().is_some_and(|file| file.trim_start_matches('.').starts_with(name) && file.ends_with(UNFINISHED));
        if is_left {
            std::fs::remove_file(entry.path())?;
        }
    }
    tempfile::Builder::new().prefix(&format!(".{name}.")).suffix(UNFINISHED).tempfile_in(folder)
}

fn count_lines(path: &Path) -> io::Result<u64> {
    let mut reader = BufReader::new(std::fs::File::open(path)?);
    let mut lines = 0;
    while reader.skip_until(b'\n')? > 0 {
        lines += 1;
    }
    Ok(lines)
}

/// A path that is free, or where the same content is already.
fn choose_path(file: &Path, folder: &Path, name: &str) -> io::Result<(PathBuf, bool)> {
    let mut number = 1_u64;
    loop {
        let path = folder.join(if number == 1 { format!("{name}.ndjson") } else { format!("{name}.{number}.ndjson") });
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((path, false)),
            Err(error) => return Err(error),
            Ok(found) if found.is_file() && has_same_content(file, &path)? => return Ok((path, true)),
            Ok(_) => number += 1,
        }
    }
}

fn has_same_content(one: &Path, other: &Path) -> io::Result<bool> {
    if std::fs::metadata(one)?.len() != std::fs::metadata(other)?.len() {
        return Ok(false);
    }
    let (mut one, mut other) = (BufReader::new(std::fs::File::open(one)?), BufReader::new(std::fs::File::open(other)?));
    loop {
        let (left, right) = (one.fill_buf()?, other.fill_buf()?);
        let same = left.len().min(right.len());
        if same == 0 || left[..same] != right[..same] {
            return Ok(left.is_empty() && right.is_empty());
        }
        one.consume(same);
        other.consume(same);
    }
}

/// A name in a folder survives a power cut once the folder is on disk.
fn sync_folder(folder: &Path) -> io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn written(folder: &Path, lines: &[&str]) -> (u64, Option<PathBuf>) {
        let mut file = ArchiveFile::create(folder, "month").await.expect("begun");
        for line in lines {
            file.append(line).await.expect("appended");
        }
        match file.close().await.expect("closed") {
            Some(closed) => (closed.lines(), Some(closed.publish().await.expect("published"))),
            None => (0, None),
        }
    }

    #[tokio::test]
    async fn files_are_complete_and_never_overwritten() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = place.path().join("new");
        let path = |name: &str| Some(folder.join(name));
        assert_eq!(written(&folder, &[]).await, (0, None));
        assert_eq!(written(&folder, &["a", "b"]).await, (2, path("month.ndjson")));
        assert_eq!(written(&folder, &["a", "b"]).await, (2, path("month.ndjson")), "the same content is there already");
        assert_eq!(written(&folder, &["a", "c"]).await, (2, path("month.2.ndjson")));
        assert_eq!(written(&folder, &["a"]).await, (1, path("month.3.ndjson")));
        assert_eq!(std::fs::read_to_string(folder.join("month.ndjson")).expect("a text"), "a\nb\n");
        // A name that is taken between the choice and its use.
        let mut file = ArchiveFile::create(&folder, "month").await.expect("begun");
        file.append("z").await.expect("appended");
        let closed = file.close().await.expect("closed").expect("a line");
        std::fs::write(closed.path(), "of another\n").expect("written");
        closed.publish().await.expect_err("taken");
        assert_eq!(std::fs::read_to_string(folder.join("month.4.ndjson")).expect("a text"), "of another\n");
        // One that was cut off, and one that is dropped.
        std::fs::write(folder.join(".month.x.unfinished"), "half").expect("written");
        drop(ArchiveFile::create(&folder, "month").await.expect("begun"));
        assert_eq!(std::fs::read_dir(&folder).expect("a folder").count(), 4);
    }
}
