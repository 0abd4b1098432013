//! Where a file is: this distinguishes it from its copies.

use serde::{Deserialize, Serialize};
use std::fs::{self, Metadata};
use std::path::Path;
use std::time::UNIX_EPOCH;

/// The place of a file, as far as the platform shows it. It is stored inside the file. A copy
/// contains the place of its original.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    path: String,
    /// The number of the disk.
    disk: Option<u64>,
    /// The number of the file on its disk.
    file: Option<u64>,
    /// When the file was made, in nanoseconds since 1970.
    made_at_ns: Option<u64>,
}

impl Place {
    /// Reads the place of a file; `None` if there is no such file, as for a database in memory.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        let path = fs::canonicalize(path).ok()?.to_string_lossy().into_owned();
        let made_at = metadata.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let (disk, file) = numbers(&metadata);
        let made_at_ns = made_at.and_then(|at| u64::try_from(at.as_nanos()).ok());
        Some(Self { path, disk, file, made_at_ns })
    }

    /// Whether both are places of the same file, which was at most renamed.
    ///
    /// File numbers are reused. So a restored file may have the number of the file that it
    /// replaces, and the creation time distinguishes them. If the platform has no creation time,
    /// only an unmoved file counts as the same. The number of a disk may change when the machine
    /// restarts. So the same path is enough even if the disk's number differs.
    pub(super) fn is_same_file(&self, now: &Self) -> bool {
        let is_same_path = self.path == now.path;
        let is_same_disk = self.disk == now.disk;
        match (self.file, self.made_at_ns) {
            _ if self.file != now.file || self.made_at_ns != now.made_at_ns => false,
            (Some(_), Some(_)) => is_same_path || is_same_disk,
            _ => is_same_path && is_same_disk,
        }
    }
}

#[cfg(unix)]
fn numbers(metadata: &Metadata) -> (Option<u64>, Option<u64>) {
    use std::os::unix::fs::MetadataExt;
    (Some(metadata.dev()), Some(metadata.ino()))
}

#[cfg(not(unix))]
fn numbers(_: &Metadata) -> (Option<u64>, Option<u64>) {
    (None, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &str, disk: u64, file: u64, made_at_ns: Option<u64>) -> Place {
        Place { path: path.to_owned(), disk: Some(disk), file: Some(file), made_at_ns }
    }

    #[track_caller]
    fn check(before: &Place, now: &Place, is_same: bool) {
        assert_eq!(is_same, before.is_same_file(now), "{before:?} {now:?}");
    }

    #[test]
    fn a_file_stays_itself_where_it_is_and_where_it_is_renamed() {
        let file = place("/a", 1, 7, Some(5));

        check(&file, &file, true);
        check(&file, &place("/b", 1, 7, Some(5)), true);
        check(&file, &place("/a", 2, 7, Some(5)), true);
    }

    #[test]
    fn a_copy_a_file_that_was_put_back_and_one_on_another_disk_are_others() {
        let file = place("/a", 1, 7, Some(5));

        check(&file, &place("/b", 1, 8, Some(9)), false);
        check(&file, &place("/a", 1, 7, Some(9)), false);
        check(&file, &place("/a", 1, 8, Some(5)), false);
        check(&file, &place("/b", 2, 7, Some(5)), false);
    }

    #[test]
    fn without_the_time_when_it_was_made_only_what_has_not_moved_is_the_same() {
        let file = place("/a", 1, 7, None);

        check(&file, &file, true);
        check(&file, &place("/b", 1, 7, None), false);
        check(&file, &place("/a", 2, 7, None), false);
    }
}
