//! The machine, as far as it explains figures: read from the system's own files, for the record.
//!
//! Nothing here identifies a machine: no host name, no serial number, no path.

use std::fs;
use std::path::{Path, PathBuf};

use crate::measure::clock_step;
use crate::record::Environment;
use crate::sys;

/// The environment of a run whose data files are in `folder`.
pub(super) fn environment(folder: &Path) -> Environment {
    let system = sysinfo::System::new().ok().map(|mut system| {
        system.refresh_memory();
        system.refresh_cpu_all();
        system
    });
    let brand = system.as_ref().and_then(|system| system.cpus().first()).map(|cpu| cpu.brand());
    let kernel = sysinfo::System::kernel_version().unwrap_or_default();
    let mount = Mount::of(folder);
    Environment {
        kernel: format!("{} {kernel}", std::env::consts::OS).trim().to_owned(),
        cpu: brand.unwrap_or_default().trim().to_owned(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory_bytes: system.map_or(0, |system| system.total_memory()),
        file_system: mount.as_ref().map_or_else(|| "unknown".to_owned(), |m| m.kind.clone()),
        device: mount.as_ref().map_or("unknown", Mount::device_kind).to_owned(),
        read_ahead_kib: mount.as_ref().and_then(Mount::read_ahead_kib),
        transparent_huge_pages: line("/sys/kernel/mm/transparent_hugepage/enabled")
            .and_then(|choices| chosen(&choices)),
        governor: line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        virtual_machine: virtual_machine(),
        memory_limit_bytes: sys::memory_limit_bytes(),
        clock_seconds: Some(clock_step().as_secs_f64()),
        cgroup: None,
    }
}

/// The first line of a file of the system's.
fn line(path: impl AsRef<Path>) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
}

/// The choice in brackets: `madvise` of `always [madvise] never`.
fn chosen(choices: &str) -> Option<String> {
    let (_, rest) = choices.split_once('[')?;
    rest.split_once(']').map(|(choice, _)| choice.to_owned())
}

/// Whether a hypervisor says that it is one; none where nobody tells.
fn virtual_machine() -> Option<bool> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let flags = text.lines().find(|line| line.starts_with("flags"))?;
    Some(flags.split_whitespace().any(|flag| flag == "hypervisor"))
}

/// A mounted file system.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mount {
    /// Its type: `ext4`.
    kind: String,
    /// Its device, as `major:minor`.
    device: String,
}

impl Mount {
    /// The one that holds `folder`.
    fn of(folder: &Path) -> Option<Self> {
        let folder = fs::canonicalize(folder).ok()?;
        Self::find(&fs::read_to_string("/proc/self/mountinfo").ok()?, &folder)
    }

    /// The mount of `folder` in the text of `/proc/self/mountinfo` (proc_pid_mountinfo(5)), whose lines read
    /// `36 35 98:0 / /mnt rw,noatime master:1 - ext3 /dev/root rw`: the longest mount point that leads to it,
    /// the last one where there are several.
    fn find(mounts: &str, folder: &Path) -> Option<Self> {
        let parsed = mounts.lines().filter_map(|line| {
            let (place, system) = line.split_once(" - ")?;
            let mut place = place.split(' ').skip(2);
            let (device, _root, point) = (place.next()?, place.next()?, place.next()?);
            let point = point.replace("\\040", " ");
            let kind = system.split(' ').next()?.to_owned();
            folder
                .starts_with(&point)
                .then(|| (point.len(), Self { kind, device: device.to_owned() }))
        });
        parsed.max_by_key(|(length, _)| *length).map(|(_, mount)| mount)
    }

    /// What kind of device is below.
    fn device_kind(&self) -> &'static str {
        if matches!(&*self.kind, "tmpfs" | "ramfs") {
            return "memory";
        }
        let Some(folder) = self.device_folder() else { return "unknown" };
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
        let rotational = line(folder.join("queue/rotational"));
        match (name.as_deref().unwrap_or_default(), rotational.as_deref()) {
            (name, _) if name.starts_with("vd") => "virtio",
            (name, _) if name.starts_with("nvme") => "nvme",
            (name, _) if name.starts_with("mmcblk") => "flash card",
            (name, _) if name.starts_with("loop") => "loop",
            (_, Some("1")) => "rotational",
            (_, Some("0")) => "ssd",
            _ => "unknown",
        }
    }

    fn read_ahead_kib(&self) -> Option<u64> {
        let of_file_system = line(format!("/sys/class/bdi/{}/read_ahead_kb", self.device));
        let of_device = || line(self.device_folder()?.join("queue/read_ahead_kb"));
        of_file_system.or_else(of_device)?.parse().ok()
    }

    /// The device's folder in `/sys`: a partition's disk.
    fn device_folder(&self) -> Option<PathBuf> {
        let folder = fs::canonicalize(Path::new("/sys/dev/block").join(&self.device)).ok()?;
        if folder.join("queue").exists() {
            return Some(folder);
        }
        folder.parent().filter(|disk| disk.join("queue").exists()).map(Path::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 22 0:25 / /dev/shm rw - tmpfs tmpfs rw
31 22 259:3 / /mnt/my\\040disk rw shared:7 - xfs /dev/nvme0n1p3 rw
nonsense
";

    #[test]
    fn the_longest_mount_point_holds_a_folder() {
        let found = |path: &str| {
            let mount = Mount::find(MOUNTS, Path::new(path)).unwrap();
            (mount.kind, mount.device)
        };
        assert_eq!(found("/home/a"), ("ext4".into(), "254:0".into()));
        assert_eq!(found("/dev/shm"), ("tmpfs".into(), "0:25".into()));
        assert_eq!(found("/dev/shmem"), ("ext4".into(), "254:0".into()));
        assert_eq!(found("/mnt/my disk/b"), ("xfs".into(), "259:3".into()));
        assert_eq!(Mount::find("", Path::new("/")), None);
    }

    #[test]
    fn choices_stand_in_brackets() {
        assert_eq!(chosen("always [madvise] never").as_deref(), Some("madvise"));
        assert_eq!(chosen("always"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_is_described() {
        let environment = environment(Path::new("."));
        assert!(environment.kernel.starts_with("linux "), "{environment:?}");
        assert!(environment.cores > 0 && environment.memory_bytes > 0);
        assert_ne!(environment.file_system, "unknown");
    }
}
