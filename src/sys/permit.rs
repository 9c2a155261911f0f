//! Why a control group cannot be made or entered, and what would permit it.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use super::limit::CgroupVersion;
use crate::error::{Error, ErrorKind};

/// Why no group is made in `parent`, and what would permit it.
pub(super) fn refused(
    version: CgroupVersion,
    parent: &Path,
    cause: io::Error,
    is_root: bool,
) -> Error {
    let parent_shown = parent.display();
    let reason = match (version, cause.kind()) {
        (CgroupVersion::V2, io::ErrorKind::ResourceBusy) => {
            format!("{parent_shown} has processes of its own, so passes no memory limits on")
        }
        (CgroupVersion::V2, io::ErrorKind::NotFound) => {
            format!("{parent_shown} itself is given no memory controller that it could pass on")
        }
        (_, io::ErrorKind::ReadOnlyFilesystem) => format!("{parent_shown} is read-only"),
        _ => "no control group with a memory limit may be made here".to_owned(),
    };
    let advice = advice(version, parent, cause.kind(), is_root);
    Error::new(ErrorKind::PermissionDenied, "create a control group", reason)
        .hint(advice)
        .caused_by(cause)
}

/// What would permit to make groups in `folder`, where that failed so.
pub(super) fn advice(
    version: CgroupVersion,
    folder: &Path,
    failed: io::ErrorKind,
    is_root: bool,
) -> Cow<'static, str> {
    match (version, failed) {
        (_, io::ErrorKind::ReadOnlyFilesystem) => {
            "run it in a container that may write to /sys/fs/cgroup, or in none".into()
        }
        (CgroupVersion::V2, io::ErrorKind::ResourceBusy) => format!(
            "run it when these are in a group inside of it: cd {} && mkdir rest && \
             for pid in $(cat cgroup.procs); do echo $pid > rest/cgroup.procs; done",
            folder.display()
        )
        .into(),
        (CgroupVersion::V2, _) if !is_root => {
            "run it as root, or in a scope that may have groups: \
             systemd-run --user --scope -p Delegate=yes arraystore compare …"
                .into()
        }
        (CgroupVersion::V1, _) if !is_root => "run it as root: sudo arraystore compare …".into(),
        _ => "run it where root may make groups that bound memory: not here, for the reason given"
            .into(),
    }
}

/// The error where there are no groups at all.
pub(super) fn absent() -> Error {
    let reason = "this system has no control groups that bound memory";
    Error::new(ErrorKind::Unsupported, "create a control group", reason)
        .hint("run it on Linux, with /sys/fs/cgroup mounted")
}

/// Whether this process may do what nobody forbids.
#[cfg(unix)]
pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(not(unix))]
pub(super) fn is_root() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_goes_by_the_case() {
        use io::ErrorKind::{NotFound, PermissionDenied, ReadOnlyFilesystem, ResourceBusy};
        let told = |version, kind, is_root| {
            let error = refused(version, Path::new("/g"), io::Error::from(kind), is_root);
            let advice = error.advice().unwrap().to_owned();
            assert!(advice.contains("run it"), "{advice}");
            format!("{error}; {advice}")
        };
        let (v1, v2) = (CgroupVersion::V1, CgroupVersion::V2);
        for is_root in [true, false] {
            let busy = told(v2, ResourceBusy, is_root);
            assert!(busy.contains("/g has processes of its own") && busy.contains("cd /g"));
            assert!(told(v2, ReadOnlyFilesystem, is_root).contains("container"));
            // Who is root already is not told to be.
            for (version, kind) in [(v1, PermissionDenied), (v2, PermissionDenied), (v2, NotFound)]
            {
                assert_eq!(told(version, kind, is_root).contains("run it as root"), !is_root);
            }
        }
        assert!(told(v2, NotFound, true).contains("no memory controller"));
    }
}
