//! Matrix Market files: a banner that says what is in the file, comments, a line of sizes, then numbers in text.
//!
//! *Coordinate* files have an entry in each line (row, column, value; from 1 on), *array* files every value, column by
//! column. Symmetric ones, of whatever kind, have the half below and on the diagonal only. Owns the syntax: [`Header`],
//! the reading of lines ([`read_entries`], [`read_values`]) and the writing of them ([`push_entry`]). Knows no store, opens
//! no file, and is handed whole lines: who reads the file cuts them.
//!
//! What `scipy.io.mmread` accepts is accepted, and read to the same values, but for what it loses without a word. These
//! are refused here, with their line:
//!
//! - what follows an entry or a value on its line, unless it is a comment: the value of a pattern's entry, a second value
//!   of an array, the rest of what is no number (`1.5x`, `0x10`);
//! - fractions and exponents of integers (`1.5` would be 1, and `1e5` too); a fraction of zeros is none;
//! - a symmetry of what is not square.
//!
//! Beside that are accepted, where SciPy refuses or misreads: comments among the entries and behind them, exponents as
//! Fortran writes them (`1.0D+05`), a plus sign, and `%%MatrixMarket` in any case.

mod error;
mod header;
mod numbers;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use header::{Field, Form, Header, Symmetry, read_header};
pub use numbers::{FieldValue, Misfit, skip_blanks};
pub use read::{Counts, LineError, mirrored, read_entries, read_values};
pub use write::{header_lines, push_entry, push_value};
