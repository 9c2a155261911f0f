//! Opening, making and publishing files: what every device on a disk begins with.
//!
//! A new file is nameless until its first sync, where the system can do that, else under a temporary name
//! in the same folder; then it gets its name in one step. A crash leaves no half-written file under a name.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::{Existing, LockPolicy, Mode, lock};
use crate::error::{Error, ErrorKind, Result};

/// How often opening is tried anew when the file was replaced between opening and locking it.
const RETRIES: usize = 16;

/// Opens an existing regular file and takes its lock. Gives its length too.
pub(super) fn open(path: &Path, mode: Mode, policy: LockPolicy) -> Result<(File, u64)> {
    for _ in 0..RETRIES {
        // Asked before opening: to open a pipe would wait for whoever writes to it.
        check_regular(
            &fs::metadata(path).map_err(|error| Error::io("open", error).at(path))?,
            path,
        )?;
        let file = OpenOptions::new()
            .read(true)
            .write(mode == Mode::ReadWrite)
            .open(path)
            .map_err(|error| Error::io("open", error).at(path))?;
        lock::take(&file, path, mode, policy)?;
        let metadata = file.metadata().map_err(|error| Error::io("open", error).at(path))?;
        check_regular(&metadata, path)?;
        if still_named(&metadata, path) {
            return Ok((file, metadata.len()));
        }
    }
    Err(Error::new(ErrorKind::Locked, "open", "is being replaced again and again").at(path))
}

fn check_regular(metadata: &fs::Metadata, path: &Path) -> Result<()> {
    let reason = if metadata.is_dir() {
        "is a directory"
    } else if metadata.is_file() {
        return Ok(());
    } else {
        "is not a regular file"
    };
    Err(Error::new(ErrorKind::InvalidArgument, "open", reason).at(path))
}

/// Whether `path` still leads to the file that was opened: a writer may have put another in its place
/// before the lock was taken.
#[cfg(unix)]
fn still_named(opened: &fs::Metadata, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).is_ok_and(|named| (named.dev(), named.ino()) == (opened.dev(), opened.ino()))
}

#[cfg(not(unix))]
fn still_named(_opened: &fs::Metadata, _path: &Path) -> bool {
    // A file that is open cannot be replaced there.
    true
}

/// A new file that has not got its name yet.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
    existing: Existing,
    /// The file under a temporary name; none where it is nameless.
    named: Option<NamedTempFile>,
}

/// Makes a new file of `len` allocated zero bytes that is to appear under `path`.
pub(super) fn create(path: &Path, len: u64, existing: Existing) -> Result<(File, Draft)> {
    let at = |error| Error::io("create", error).at(path);
    // The file that a link leads to is replaced, not the link.
    let path = match fs::symlink_metadata(path) {
        Ok(found) if existing == Existing::Refuse => {
            let refused = |what| Error::new(ErrorKind::AlreadyExists, "create", what).at(path);
            return Err(match found.is_dir() {
                true => refused("is a directory"),
                false => refused("exists already")
                    .hint("give --force to replace it, or Existing::Replace in a program"),
            });
        }
        Ok(found) if found.is_symlink() => fs::canonicalize(path).map_err(at)?,
        _ => path.to_owned(),
    };
    if let Ok(found) = fs::metadata(&path) {
        check_regular(&found, &path)?;
    }
    if path.file_name().is_none() {
        return Err(Error::new(ErrorKind::InvalidArgument, "create", "names no file").at(&path));
    }
    let (file, named) = new_file(folder_of(&path)).map_err(at)?;
    lock::take(&file, &path, Mode::ReadWrite, LockPolicy::Enforce).or_else(|error| {
        // A new file needs its lock only against those who open it once it has its name.
        if error.kind() == ErrorKind::Unsupported { Ok(()) } else { Err(error) }
    })?;
    allocate(&file, 0, len).map_err(|error| without_room(at(error), len))?;
    Ok((file, Draft { path, existing, named }))
}

/// A new file that is written from front to back, and appears under its name whole or not at all.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    draft: Draft,
}

impl NewFile {
    /// Begins a file that is to appear under `path`.
    ///
    /// # Errors
    /// Where there is one that `existing` does not let be replaced, or none can be made there.
    pub fn create(path: &Path, existing: Existing) -> Result<Self> {
        let (file, draft) = create(path, 0, existing)?;
        Ok(Self { file, draft })
    }

    /// Makes it durable and gives it its name.
    ///
    /// # Errors
    /// Where writing fails, or the name was taken meanwhile.
    pub fn publish(mut self) -> Result<()> {
        self.file.sync_all().map_err(|error| Error::io("sync", error).at(&self.draft.path))?;
        self.draft.publish(&self.file)
    }
}

impl io::Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Draft {
    /// Gives the file, whose bytes are durable, its name, and makes that durable too.
    pub(super) fn publish(&mut self, file: &File) -> Result<()> {
        if self.existing == Existing::Replace
            && let Ok(old) = fs::metadata(&self.path)
        {
            file.set_permissions(old.permissions())
                .map_err(|error| Error::io("keep the permissions", error).at(&self.path))?;
        }
        let named = match self.named.take() {
            Some(named) => persist(named, &self.path, self.existing),
            None => link(file, &self.path, self.existing),
        };
        named.map_err(|error| {
            if error.kind() == io::ErrorKind::AlreadyExists {
                Error::new(ErrorKind::AlreadyExists, "create", "was made by another meanwhile")
            } else {
                Error::io("name the new file", error)
            }
            .at(&self.path)
        })?;
        sync_folder(folder_of(&self.path)).map_err(|error| Error::io("sync", error).at(&self.path))
    }
}

fn persist(named: NamedTempFile, path: &Path, existing: Existing) -> io::Result<()> {
    match existing {
        Existing::Replace => named.persist(path),
        Existing::Refuse => named.persist_noclobber(path),
    }
    .map(drop)
    .map_err(|error| error.error)
}

/// A nameless file of `len` allocated zero bytes in the folder of `near` or, where nothing can be made there, in the
/// system's folder for such files.
pub(super) fn scratch(near: &Path, len: u64) -> Result<File> {
    let at = |error| Error::io("make a scratch file beside it", error).at(near);
    let is_refused = |error: &io::Error| {
        matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
    };
    let file = match tempfile::tempfile_in(folder_of(near)) {
        // Why it was not possible beside the file is what its user should know, whatever was wrong elsewhere.
        Err(error) if is_refused(&error) => tempfile::tempfile().map_err(|_| at(error))?,
        made => made.map_err(at)?,
    };
    allocate(&file, 0, len).map_err(|error| without_room(at(error), len))?;
    Ok(file)
}

/// `error`, and where it is for want of space, how much was wanted.
fn without_room(error: Error, len: u64) -> Error {
    match error.kind() {
        ErrorKind::NoSpace => error.hint(format!("{len} bytes are needed there")),
        _ => error,
    }
}

/// Makes `file`, now `from` bytes long, `len` bytes long; new bytes are zero and have space of their own. Where
/// there is none, the file is as long as it was.
pub(super) fn allocate(file: &File, from: u64, len: u64) -> io::Result<()> {
    file.set_len(len)?;
    if len <= from {
        return Ok(());
    }
    reserve_space(file, from, len - from).inspect_err(|_| {
        // That there is no space is the error to tell.
        let _ = file.set_len(from);
    })
}

#[cfg(target_os = "linux")]
fn reserve_space(file: &File, offset: u64, len: u64) -> io::Result<()> {
    use rustix::io::Errno;
    loop {
        match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), offset, len) {
            Err(Errno::INTR) => {}
            // A file system that cannot promise space: writing will tell.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) | Ok(()) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn reserve_space(_file: &File, _offset: u64, _len: u64) -> io::Result<()> {
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    // Folders cannot be opened there; the rename is journalled.
    Ok(())
}

/// A new file in `folder`: nameless where that can be, else under a temporary name.
fn new_file(folder: &Path) -> io::Result<(File, Option<NamedTempFile>)> {
    #[cfg(target_os = "linux")]
    if let Some(file) = nameless(folder)? {
        return Ok((file, None));
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(".arraystore-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // What any new file gets, less the mask; temporary files are private otherwise.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let named = builder.tempfile_in(folder)?;
    // A second handle to the same open file, so that the lock is one and the same.
    Ok((named.as_file().try_clone()?, Some(named)))
}

/// A file without a name, which the system removes when it is closed; none where it cannot do that.
#[cfg(target_os = "linux")]
fn nameless(folder: &Path) -> io::Result<Option<File>> {
    use rustix::fs::{Mode, OFlags};
    use rustix::io::Errno;
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::open(folder, flags, Mode::from_raw_mode(0o666)) {
        Ok(file) => Ok(Some(File::from(file))),
        // What kernels and file systems say that do not know the flag.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Gives a nameless file its name.
#[cfg(target_os = "linux")]
fn link(file: &File, path: &Path, existing: Existing) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD};
    use std::os::fd::AsRawFd;
    let by_descriptor = format!("/proc/self/fd/{}", file.as_raw_fd());
    let link_to = |path: &Path| {
        rustix::fs::linkat(CWD, by_descriptor.as_str(), CWD, path, AtFlags::SYMLINK_FOLLOW)
    };
    if existing == Existing::Refuse {
        return Ok(link_to(path)?);
    }
    // A link cannot replace a file, a rename can: first a temporary name, then the real one.
    for attempt in 0..u32::MAX {
        let name = format!(".arraystore-{}-{attempt}.tmp", std::process::id());
        let temporary = folder_of(path).join(name);
        match link_to(&temporary) {
            Ok(()) => {
                return fs::rename(&temporary, path).inspect_err(|_| {
                    // The rename's error is the one to tell.
                    let _ = fs::remove_file(&temporary);
                });
            }
            Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(not(target_os = "linux"))]
fn link(_file: &File, _path: &Path, _existing: Existing) -> io::Result<()> {
    unreachable!("only Linux makes nameless files")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_regular_file_is_named_as_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let open = |path: &Path| open(path, Mode::Read, LockPolicy::Enforce).unwrap_err();
        assert!(open(folder.path()).to_string().ends_with("is a directory"));
        assert_eq!(open(&folder.path().join("none")).kind(), ErrorKind::NotFound);
        assert!(open(Path::new("/dev/zero")).to_string().contains("not a regular file"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn both_ways_to_make_a_file_end_alike() {
        use std::os::unix::fs::PermissionsExt;
        for nameless in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("new");
            let make = |existing| {
                let (file, mut draft) = create(&path, 5, existing)?;
                if !nameless {
                    let named = NamedTempFile::new_in(folder.path()).unwrap();
                    draft.named = Some(named);
                }
                Ok::<_, Error>((file, draft))
            };
            drop(make(Existing::Refuse).unwrap());
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
            let (file, mut draft) = make(Existing::Refuse).unwrap();
            let (other, mut late) = make(Existing::Refuse).unwrap();
            draft.publish(&file).unwrap();
            assert_eq!(late.publish(&other).unwrap_err().kind(), ErrorKind::AlreadyExists);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            let (file, mut draft) = make(Existing::Replace).unwrap();
            draft.publish(&file).unwrap();
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
            if nameless {
                assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_file_behind_a_link_is_replaced_not_the_link() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&path, "old").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let (file, mut draft) = create(&link, 7, Existing::Replace).unwrap();
        draft.publish(&file).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&path).unwrap().len(), 7);
    }
}
