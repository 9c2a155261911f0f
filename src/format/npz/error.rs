//! What can be wrong with a sparse npz file, exactly, and how it is told.

use std::io;

use thiserror::Error as ThisError;
use zip::result::ZipError;

use super::directory::MAX_MEMBERS;
use crate::array::{DType, Shape};
use crate::error::{Error, ErrorKind};

/// Characters of a reason given by the `zip` crate that an error line repeats at most.
const MAX_REASON_CHARS: usize = 200;

#[derive(Debug, ThisError)]
pub(super) enum NpzError {
    #[error("not an npz file: it begins with \"{0}\"")]
    NotAnArchive(String),
    #[error("truncated: the zip archive ends without its directory")]
    CutOff,
    #[error("over-long: bytes follow the end of the zip archive")]
    Trailing,
    #[error("the zip archive is damaged: {0}")]
    Archive(String),
    #[error("the zip archive lists {0} members, more than the {MAX_MEMBERS} allowed")]
    Members(u64),
    #[error("member '{0}' has a path for a name, which no member of an npz file has")]
    Path(String),
    #[error("a member is listed twice")]
    Duplicate,
    #[error("member '{0}' is missing")]
    Missing(String),
    #[error("member '{0}' is encrypted")]
    Encrypted(String),
    #[error("member '{name}' is compressed by {method}; only deflate is supported")]
    Method { name: String, method: String },
    #[error("member '{0}' reaches beyond the archive's directory")]
    Beyond(String),
    #[error("member '{name}' claims {bytes} bytes, which {stored} bytes in the file cannot hold")]
    Claim { name: String, bytes: u64, stored: u64 },
    #[error("member '{name}' holds {has} bytes where its header promises {needs}")]
    Length { name: String, has: u64, needs: u64 },
    #[error("member '{name}' is {bytes} bytes long, more than it can need")]
    TooLong { name: String, bytes: u64 },
    #[error("member '{0}' is damaged")]
    Damaged(String),
    #[error("member '{0}' ends too early")]
    Ends(String),
    #[error("member '{name}': {source}")]
    Header { name: String, source: Error },
    #[error("member '{name}' has {axes} axes where {needs} was expected")]
    Axes { name: String, axes: usize, needs: usize },
    #[error("member '{name}' is of dtype {dtype}, but should hold {needs}")]
    Dtype { name: String, dtype: String, needs: &'static str },
    #[error("indices of dtype {0} are not supported; integers are")]
    Index(DType),
    #[error("blocks of {block} do not divide a matrix of {shape}")]
    Blocks { block: Shape, shape: Shape },
    #[error("blocks in Fortran order are not supported")]
    FortranBlocks,
    #[error("member 'data.npy' holds {data} diagonals where there are {offsets} offsets")]
    Diagonals { data: u64, offsets: u64 },
    #[error("a sparse matrix in {0} format is not supported; csr, csc, coo, bsr and dia are")]
    Layout(String),
    #[error("member 'format.npy' names no format of a sparse matrix: \"{0}\"")]
    UnknownLayout(String),
    #[error("member 'shape.npy' holds {0}, which is no length of an axis")]
    Axis(i128),
    #[error("a sparse array of one axis is not supported; two are")]
    OneAxis,
    #[error("member 'shape.npy' holds {0} lengths where 2 were expected")]
    Lengths(usize),
    #[error("indptr holds {has} offsets, but should hold one more than the {lines} lines")]
    Indptr { has: u64, lines: usize },
    #[error("{data} values for {indices} indices")]
    Entries { data: u64, indices: u64 },
}

impl NpzError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::CutOff | Self::Ends(_) => ErrorKind::Truncated,
            Self::Length { has, needs, .. } if has < needs => ErrorKind::Truncated,
            Self::Encrypted(_)
            | Self::Method { .. }
            | Self::Index(_)
            | Self::Layout(_)
            | Self::FortranBlocks
            | Self::OneAxis => ErrorKind::Unsupported,
            Self::Header { source, .. } => source.kind(),
            _ => ErrorKind::Malformed,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotAnArchive(begin) if begin.contains("NUMPY") => {
                "it looks like a single array: its name should end in .npy".into()
            }
            Self::CutOff => {
                "it was cut off, or is still being written: copy or write it again".into()
            }
            Self::Missing(name) if name == "format.npy" => {
                "only files of scipy.sparse.save_npz are read: save arrays of np.savez one by one with \
                 np.save"
                    .into()
            }
            Self::Encrypted(_) => "unpack it with its password and pack it without".into(),
            Self::Method { .. } | Self::Index(_) => {
                "save it again with scipy.sparse.save_npz(path, matrix)".into()
            }
            Self::Layout(_) | Self::FortranBlocks => {
                "convert it with scipy.sparse: save_npz(new, load_npz(old).tocsr())".into()
            }
            Self::OneAxis => {
                "give it two with scipy.sparse: save_npz(new, load_npz(old).reshape(1, -1).tocsr())"
                    .into()
            }
            Self::Header { source, .. } if source.kind() == ErrorKind::Unsupported => {
                return source.advice().map(str::to_owned);
            }
            _ => return None,
        })
    }
}

impl From<NpzError> for Error {
    fn from(error: NpzError) -> Self {
        let lifted = Self::new(error.kind(), "read archive", error.to_string());
        match error.hint() {
            Some(hint) => lifted.hint(hint),
            None => lifted,
        }
    }
}

/// What the reading of the archive's own structure failed with.
pub(super) fn archive_error(error: ZipError) -> Error {
    match error {
        ZipError::Io(error) => match wrapped(error) {
            Ok(error) => error,
            Err(error) if is_content(&error) => damaged(&error.to_string()),
            Err(error) => Error::io("read archive", error),
        },
        ZipError::InvalidArchive(why) => damaged(&why),
        other => damaged(&other.to_string()),
    }
}

/// In one printable line: the `zip` crate quotes names as they are in the file.
fn damaged(why: &str) -> Error {
    let mut line = String::new();
    for character in why.chars().take(MAX_REASON_CHARS) {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    NpzError::Archive(line).into()
}

/// What the reading of the member `name` failed with.
pub(super) fn member_error(name: &str, error: io::Error) -> Error {
    match wrapped(error) {
        Ok(error) => error,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            NpzError::Ends(name.into()).into()
        }
        Err(error) if is_content(&error) => {
            Error::from(NpzError::Damaged(name.into())).caused_by(error)
        }
        Err(error) => Error::io("read archive", error),
    }
}

/// An error of this crate's own that a reader had to pass on as an `io::Error`.
fn wrapped(error: io::Error) -> Result<Error, io::Error> {
    error.downcast::<Error>()
}

/// Whether the bytes are at fault, rather than the operating system.
fn is_content(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof
    )
}
