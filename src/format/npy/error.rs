//! What can be wrong with an npy header, exactly, and how it is told.

use thiserror::Error as ThisError;

use super::{MAX_AXES, MAX_DICTIONARY_BYTES};
use crate::error::{Error, ErrorKind};

/// Characters of a file's own text that an error line quotes at most.
const EXCERPT_CHARS: usize = 40;

#[derive(Debug, ThisError)]
pub(super) enum NpyError {
    #[error("not an npy file: it begins with \"{0}\"")]
    Magic(String),
    #[error("npy version {0}.{1} is not known; 1.0, 2.0 and 3.0 are")]
    Version(u8, u8),
    #[error("truncated: ends inside its header, after {has} of {needs} bytes")]
    Truncated { has: usize, needs: usize },
    #[error("the header claims to be {0} bytes long, more than the {MAX_DICTIONARY_BYTES} allowed")]
    HeaderLength(u32),
    #[error("the header is not UTF-8, as version 3.0 demands")]
    Encoding,
    #[error(
        "malformed header: {expected} expected at character {position}, but there is \"{found}\""
    )]
    Syntax { position: usize, expected: &'static str, found: String },
    #[error("malformed header: unknown key '{0}'")]
    UnknownKey(String),
    #[error("malformed header: key '{0}' appears twice")]
    DuplicateKey(&'static str),
    #[error("malformed header: key '{0}' is missing")]
    MissingKey(&'static str),
    #[error("malformed header: the shape has a negative length")]
    NegativeLength,
    #[error("malformed header: the shape has a length that does not fit in 64 bits")]
    LengthTooLarge,
    #[error("the shape has more than {MAX_AXES} axes")]
    TooManyAxes,
    #[error("malformed header: shape {shape} of {dtype} holds more bytes than can be addressed")]
    ShapeTooLarge { shape: String, dtype: &'static str },
    #[error("structured dtype {0} is not supported")]
    Structured(String),
    #[error("{what} dtype '{descr}' is not supported")]
    Dtype { descr: String, what: &'static str },
    #[error("malformed header: '{0}' is not a dtype")]
    NotADtype(String),
}

impl From<NpyError> for Error {
    fn from(error: NpyError) -> Self {
        let kind = match &error {
            NpyError::Truncated { .. } => ErrorKind::Truncated,
            NpyError::Version(..)
            | NpyError::TooManyAxes
            | NpyError::Structured(_)
            | NpyError::Dtype { .. } => ErrorKind::Unsupported,
            _ => ErrorKind::Malformed,
        };
        let lifted = Self::new(kind, "read header", error.to_string());
        match error {
            NpyError::Magic(begin) if begin.starts_with("PK") => {
                lifted.hint("it looks like a zip archive: its name should end in .npz")
            }
            NpyError::Magic(_) => lifted.hint("a file without a header needs another extension"),
            NpyError::Structured(_) => lifted.hint("save each field as an array of its own"),
            NpyError::Dtype { .. } => lifted.hint("convert it with NumPy's astype before saving"),
            _ => lifted,
        }
    }
}

/// The begin of `bytes` in one printable line: each byte a Latin-1 character, controls escaped.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    let mut line = String::new();
    for character in bytes.iter().take(EXCERPT_CHARS).map(|&byte| char::from(byte)) {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    if bytes.len() > EXCERPT_CHARS {
        line.push('…');
    }
    line
}
