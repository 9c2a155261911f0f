//! Text output: standard output, or a file that appears whole or not at all.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::sys::{Existing, NewFile};

/// Where text goes.
pub(super) enum Output {
    /// Standard output.
    Stdout(BufWriter<io::StdoutLock<'static>>),
    /// A file that has no name until it is whole.
    File { file: BufWriter<NewFile>, path: PathBuf },
}

impl Output {
    /// Standard output for `-`, else the file at `path`.
    pub(super) fn open(path: &Path, existing: Existing) -> Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Stdout(BufWriter::new(io::stdout().lock())));
        }
        let file = BufWriter::new(NewFile::create(path, existing)?);
        Ok(Self::File { file, path: path.to_owned() })
    }

    /// Writes out what is buffered; a file becomes durable and gets its name.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Stdout(mut out) => Ok(out.flush()?),
            Self::File { file, path } => {
                let io = |error| Error::io("write", error).at(&path);
                let file = file.into_inner().map_err(|error| io(error.into_error()))?;
                Ok(file.publish()?)
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
