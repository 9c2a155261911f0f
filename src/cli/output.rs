//! Text output: standard output, or a file that appears whole or not at all.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{Error, ErrorKind, Result};
use crate::sys::Existing;

/// Where text goes.
pub(super) enum Output {
    /// Standard output.
    Stdout(BufWriter<io::StdoutLock<'static>>),
    /// A file under another name until it is whole.
    File { file: BufWriter<NamedTempFile>, path: PathBuf, existing: Existing },
}

impl Output {
    /// Standard output for `-`, else the file at `path`.
    pub(super) fn open(path: &Path, existing: Existing) -> Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Stdout(BufWriter::new(io::stdout().lock())));
        }
        if existing == Existing::Refuse {
            refuse_existing(path)?;
        }
        // A folder cannot be replaced by a file: said now, not once all has been written.
        if path.is_dir() {
            return Err(Error::new(ErrorKind::InvalidArgument, "create", "is a directory").at(path));
        }
        let folder = folder_of(path);
        let file = new_file(folder).map_err(|error| Error::io("create", error).at(path))?;
        Ok(Self::File { file: BufWriter::new(file), path: path.to_owned(), existing })
    }

    /// Writes out what is buffered; a file becomes durable and gets its name.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Stdout(mut out) => Ok(out.flush()?),
            Self::File { file, path, existing } => {
                let io = |error| Error::io("write", error).at(&path);
                let file = file.into_inner().map_err(|error| io(error.into_error()))?;
                file.as_file().sync_all().map_err(io)?;
                let named = match existing {
                    Existing::Replace => file.persist(&path),
                    Existing::Refuse => file.persist_noclobber(&path),
                };
                named.map_err(|error| match error.error.kind() {
                    io::ErrorKind::AlreadyExists => exists(&path),
                    _ => io(error.error),
                })?;
                let folder = fs::File::open(folder_of(&path)).map_err(io)?;
                Ok(folder.sync_all().map_err(io)?)
            }
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(bytes),
            Self::File { file, .. } => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File { file, .. } => file.flush(),
        }
    }
}

/// Writes `text` to the file at `path`, whole or not at all.
pub(super) fn write_file(path: &Path, text: &str, existing: Existing) -> anyhow::Result<()> {
    let mut output = Output::open(path, existing)?;
    output.write_all(text.as_bytes()).map_err(|error| Error::io("write", error).at(path))?;
    output.finish()
}

/// Refuses a path where something is already.
pub(super) fn refuse_existing(path: &Path) -> Result<()> {
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => {
            Err(Error::new(ErrorKind::AlreadyExists, "create", "is a directory").at(path))
        }
        Ok(_) => Err(exists(path)),
        Err(_) => Ok(()),
    }
}

fn exists(path: &Path) -> Error {
    Error::new(ErrorKind::AlreadyExists, "create", "exists already")
        .at(path)
        .hint("give --force to replace it")
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// A new file with the permissions that any new file has, not the private ones of a temporary one.
fn new_file(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".arraystore-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}
