//! Matrix Market files: a banner that says what is in the file, comments, a line of sizes, then numbers in text.
//!
//! *Coordinate* files have an entry in each line (row, column, value; from 1 on), *array* files every value, column by
//! column. Symmetric ones, of whatever kind, have the half below and on the diagonal only. Owns the syntax: [`Header`],
//! the reading of lines ([`read_entries`], [`read_values`]) and the writing of them ([`push_entry`]). Knows no store, opens
//! no file, and is handed whole lines: who reads the file cuts them.
//!
//! What is accepted is what `scipy.io.mmread` accepts, and beside it: comments and Fortran's exponents (`1.0D+05`)
//! among the entries, and words of the banner in any case. What it takes for numbers followed by something else is
//! refused here.

mod error;
mod header;
mod numbers;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use header::{Field, Form, Header, Symmetry, read_header};
pub use numbers::{FieldValue, Misfit};
pub use read::{Counts, LineError, mirrored, read_entries, read_values};
pub use write::{header_lines, push_entry, push_value};
