//! A small file system that can be filled.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small tmpfs, unmounted at the end of the test.
pub struct SmallDisk {
    pub folder: PathBuf,
}

impl SmallDisk {
    /// `None`, with a message, where mounting is not permitted. CI runs the tests as root.
    pub fn mount(megabytes: u32) -> Option<Self> {
        let folder = std::env::temp_dir().join(format!("tt-disk-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&folder).expect("a folder");
        let options = format!("size={megabytes}m,mode=0755");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&folder).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self { folder });
        }
        eprintln!("SKIPPED: a small disk can't be mounted here (it takes root)");
        std::fs::remove_dir(&folder).expect("it is empty");
        None
    }

    /// Fills it, except for this many KiB.
    pub fn fill(&self, leave_kibibytes: u64) {
        let stat = rustix::fs::statvfs(&self.folder).expect("it is mounted");
        let mut left = (stat.f_bavail * stat.f_frsize).saturating_sub(leave_kibibytes * 1024);
        let mut ballast = File::create(self.ballast()).expect("a file");
        while left > 0 {
            let chunk = vec![1; usize::try_from(left.min(1 << 20)).expect("small")];
            if ballast.write_all(&chunk).is_err() {
                return;
            }
            left -= chunk.len() as u64;
        }
    }

    /// Frees the space again.
    pub fn free(&self) {
        std::fs::remove_file(self.ballast()).expect("it was filled");
    }

    fn ballast(&self) -> PathBuf {
        Path::new(&self.folder).join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, because a process on it may still be ending.
        let _still_mounted = Command::new("umount").arg("--lazy").arg(&self.folder).status();
        let _left_behind = std::fs::remove_dir(&self.folder);
    }
}
