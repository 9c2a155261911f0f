//! What can be wrong with a Matrix Market file, exactly, and how it is told.

use thiserror::Error as ThisError;

use crate::error::{Error, ErrorKind};

/// Characters of a line that an error repeats at most.
const MAX_SHOWN_CHARS: usize = 60;

#[derive(Debug, ThisError)]
pub(super) enum MtxError {
    #[error("not a Matrix Market file: it begins with \"{0}\"")]
    Banner(String),
    #[error("line 1: '{word}' is no {what} of Matrix Market: {allowed}")]
    Word { what: &'static str, word: String, allowed: &'static str },
    #[error("line 1: a banner has five words, and this one {0}")]
    Words(usize),
    #[error("line 1: {0}")]
    Combination(&'static str),
    #[error("line {line}: sizes are {needs}, and this is \"{text}\"")]
    Sizes { line: u64, needs: &'static str, text: String },
    #[error("line {line}: a {symmetry} matrix is square, and this is {rows}x{cols}")]
    NotSquare { line: u64, symmetry: &'static str, rows: usize, cols: usize },
    #[error("line {0} is longer than any line of sizes")]
    Long(u64),
    #[error("truncated: it ends before its sizes")]
    NoSizes,
    #[error(
        "truncated: line {line} promises {stated}, which the {bytes} bytes after it cannot hold"
    )]
    Promise { line: u64, stated: String, bytes: u64 },
}

impl MtxError {
    /// Some text of the file, as an error repeats it.
    pub(super) fn shown(text: &[u8]) -> String {
        let text = String::from_utf8_lossy(text);
        let shown: String = text.trim_end().chars().take(MAX_SHOWN_CHARS).collect();
        shown.escape_debug().to_string()
    }
}

impl From<MtxError> for Error {
    fn from(error: MtxError) -> Self {
        let reason = error.to_string();
        match error {
            MtxError::NoSizes | MtxError::Promise { .. } => {
                Self::new(ErrorKind::Truncated, "read header", reason)
                    .hint("it was cut off, or is still being written: copy or write it again")
            }
            _ => Self::new(ErrorKind::Malformed, "read header", reason),
        }
    }
}
