//! How much memory there is: what the machine has free, and the limit that control groups set for this process, where
//! it is among them.

use std::fs;
use std::path::{Path, PathBuf};

/// The groups that every process is in, itself included.
pub(super) const OWN_GROUPS: &str = "/proc/self/cgroup";

/// Memory that the machine can give without swapping, in bytes, as the kernel estimates it; none where it does not.
#[cfg(target_os = "linux")]
pub fn free_memory_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Memory that the machine can give without swapping, in bytes.
#[cfg(not(target_os = "linux"))]
pub fn free_memory_bytes() -> Option<u64> {
    None
}

/// The memory limit set for this process by a control group, in bytes: the smallest along its way to the root.
/// None where there is none or it is not known.
pub fn memory_limit_bytes() -> Option<u64> {
    let groups = fs::read_to_string(OWN_GROUPS).ok()?;
    smallest(limit_files(&groups).filter_map(|file| fs::read_to_string(file).ok()))
}

/// The version of the kernel's control groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CgroupVersion {
    /// A hierarchy for each controller.
    V1,
    /// One hierarchy for all.
    V2,
}

impl CgroupVersion {
    /// The name in records.
    #[cfg(feature = "program")]
    pub const fn id(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }

    /// Where the hierarchy that bounds memory begins.
    fn root(self) -> &'static Path {
        Path::new(match self {
            Self::V1 => "/sys/fs/cgroup/memory",
            Self::V2 => "/sys/fs/cgroup",
        })
    }

    /// The file in a group's folder that holds its limit.
    pub(super) const fn limit_file(self) -> &'static str {
        match self {
            Self::V1 => "memory.limit_in_bytes",
            Self::V2 => "memory.max",
        }
    }
}

/// A process's place in a hierarchy that may bound memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub version: CgroupVersion,
    /// The group's path from the root.
    group: PathBuf,
}

impl Place {
    /// The folders of the group and of all around it, up to the root. In a container the group's own may be hidden:
    /// the root then is its own.
    pub(super) fn folders(&self) -> impl Iterator<Item = PathBuf> {
        self.group.ancestors().map(|group| self.version.root().join(group))
    }
}

/// The places in `groups`, the text of `/proc/self/cgroup`, whose lines read `4:memory:/a/b` (version 1) or `0::/a/b`
/// (version 2).
pub(super) fn places(groups: &str) -> impl Iterator<Item = Place> {
    groups.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, group) = (fields.next()?, fields.next()?);
        let version = if controllers.is_empty() {
            CgroupVersion::V2
        } else if controllers.split(',').any(|controller| controller == "memory") {
            CgroupVersion::V1
        } else {
            return None;
        };
        Some(Place { version, group: group.trim_start_matches('/').into() })
    })
}

/// The files that may hold a limit for a process in `groups`.
fn limit_files(groups: &str) -> impl Iterator<Item = PathBuf> {
    places(groups).flat_map(|place| {
        let files = place.folders().map(|folder| folder.join(place.version.limit_file()));
        files.collect::<Vec<_>>()
    })
}

/// The smallest limit that the files' texts state. "No limit" is `max` in version 2, and in version 1 a number
/// near 2⁶³.
fn smallest(texts: impl Iterator<Item = String>) -> Option<u64> {
    texts.filter_map(|text| text.trim().parse().ok()).filter(|&limit| limit < 1 << 62).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_name_their_files_up_to_the_root() {
        let expected = [
            "/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/a/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/c/memory.max",
            "/sys/fs/cgroup/memory.max",
        ];
        let found: Vec<_> = limit_files("5:cpu,memory:/a/b\n3:cpu:/x\n0::/c\n").collect();
        assert!(
            found.iter().map(|path| path.as_path()).eq(expected.iter().map(Path::new)),
            "{found:?}"
        );
        assert_eq!(limit_files("").count() + limit_files("nonsense").count(), 0);
    }

    #[test]
    fn free_memory_is_known() {
        assert!(free_memory_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }

    #[test]
    fn the_smallest_limit_counts_and_none_is_none() {
        let texts = |texts: &[&str]| smallest(texts.iter().map(|text| (*text).to_owned()));
        assert_eq!(texts(&["max\n", "1000\n", "2000\n"]), Some(1000));
        assert_eq!(texts(&["9223372036854771712\n", "max\n"]), None);
        assert_eq!(texts(&[]), None);
    }
}
