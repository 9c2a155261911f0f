//! How much memory there is: the limit that a control group sets for this process, and what the machine has free.

/// Memory that the machine can give without swapping, in bytes, as the kernel estimates it; none where it does not.
#[cfg(target_os = "linux")]
pub fn free_memory_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
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
#[cfg(target_os = "linux")]
pub fn memory_limit_bytes() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let read = |file: &std::path::Path| std::fs::read_to_string(file).ok();
    smallest(files(&groups).iter().filter_map(|file| read(file)))
}

/// The memory limit set for this process by a control group, in bytes.
#[cfg(not(target_os = "linux"))]
pub fn memory_limit_bytes() -> Option<u64> {
    None
}

/// The files that may hold a limit, given `/proc/self/cgroup`, whose lines read `4:memory:/a/b` (version 1) or
/// `0::/a/b` (version 2). In a container the group's path may be hidden: the root's file then is its own.
#[cfg(target_os = "linux")]
fn files(groups: &str) -> Vec<std::path::PathBuf> {
    use std::path::Path;
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else { continue };
        let (root, file) = if controllers.is_empty() {
            ("/sys/fs/cgroup", "memory.max")
        } else if controllers.split(',').any(|controller| controller == "memory") {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
        } else {
            continue;
        };
        let group = Path::new(group.trim_start_matches('/'));
        files.extend(group.ancestors().map(|group| Path::new(root).join(group).join(file)));
    }
    files
}

/// The smallest limit that the files' texts state. "No limit" is `max` in version 2, and in version 1 a number
/// near 2⁶³.
#[cfg(target_os = "linux")]
fn smallest(texts: impl Iterator<Item = String>) -> Option<u64> {
    texts.filter_map(|text| text.trim().parse().ok()).filter(|&limit| limit < 1 << 62).min()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn both_versions_name_their_files_up_to_the_root() {
        let found = files("5:cpu,memory:/a/b\n3:cpu:/x\n0::/c\n");
        let expected = [
            "/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/a/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/c/memory.max",
            "/sys/fs/cgroup/memory.max",
        ];
        assert!(
            found.iter().map(|path| path.as_path()).eq(expected.iter().map(Path::new)),
            "{found:?}"
        );
        assert!(files("").is_empty() && files("nonsense").is_empty());
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
