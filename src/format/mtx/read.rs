//! Lines of entries and of values.

use super::header::{Field, Header, Symmetry};
use super::numbers::{FieldValue, Misfit, digits, skip_blanks};

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineError {
    /// Which of the lines that were read, from 0 on.
    pub line: u64,
    /// What is wrong.
    pub reason: &'static str,
}

const NO_ROW: &str = "a row is expected here, from 1 on";
const NO_COLUMN: &str = "a column is expected here, from 1 on";
const NO_VALUE: &str = "a value is expected here";
const TOO_LARGE: &str = "an integer does not fit in 64 bits";
const OUTSIDE: &str = "row or column lies outside the matrix";
const FRACTION: &str = "an integer has a fraction or an exponent";
const MORE: &str = "something follows the entry";
const PATTERN_MORE: &str = "something follows the place, and entries of a pattern have no value";
const VALUE_MORE: &str = "something follows the value";

/// How many lines were read, and how many entries or values are stated in them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lines, whatever is in them.
    pub lines: u64,
    /// Entries or values.
    pub stated: u64,
}

/// Shows the entries in `text`, which is whole lines of a coordinate file, and those that they stand for above the
/// diagonal: (row, column, value), from 0 on.
///
/// # Errors
/// With the first line that is no entry, no comment and not blank.
pub fn read_entries<T: FieldValue>(
    header: &Header,
    text: &[u8],
    put: &mut impl FnMut(usize, usize, T),
) -> Result<Counts, LineError> {
    let (rows, cols) = (header.shape.rows as u64, header.shape.cols as u64);
    let is_pattern = header.field == Field::Pattern;
    let more = if is_pattern { PATTERN_MORE } else { MORE };
    each_line(text, |text| {
        let (row, rest) = index(text, NO_ROW)?;
        let (col, rest) = index(after_blanks(rest, NO_COLUMN)?, NO_COLUMN)?;
        let (value, rest) = if is_pattern {
            (T::one(), rest)
        } else {
            T::read(after_blanks(rest, NO_VALUE)?).map_err(|misfit| reason(misfit, NO_VALUE))?
        };
        // One less than 0 is more than any.
        let (row, col) = (row.wrapping_sub(1), col.wrapping_sub(1));
        if row >= rows || col >= cols {
            return Err(OUTSIDE);
        }
        let rest = line_end(rest, more)?;
        let (row, col) = (row as usize, col as usize);
        put(row, col, value);
        if row != col
            && let Some(mirrored) = mirrored(header.symmetry, value)
        {
            put(col, row, mirrored);
        }
        Ok(rest)
    })
}

/// Shows the values in `text`, which is whole lines of an array file, in the order in which they are there.
///
/// # Errors
/// As [`read_entries`].
pub fn read_values<T: FieldValue>(
    text: &[u8],
    put: &mut impl FnMut(T),
) -> Result<Counts, LineError> {
    each_line(text, |text| {
        let (value, rest) = T::read(text).map_err(|misfit| reason(misfit, NO_VALUE))?;
        let rest = line_end(rest, VALUE_MORE)?;
        put(value);
        Ok(rest)
    })
}

/// What a value below the diagonal is above it; none where that half is stated.
pub fn mirrored<T: FieldValue>(symmetry: Symmetry, value: T) -> Option<T> {
    match symmetry {
        Symmetry::General => None,
        Symmetry::Symmetric => Some(value),
        Symmetry::SkewSymmetric => Some(value.negated()),
        Symmetry::Hermitian => Some(value.conjugated()),
    }
}

/// Lets `read` take each line that is neither blank nor a comment: it is shown all text from there on, and gives back
/// what follows the line.
fn each_line<'t>(
    mut text: &'t [u8],
    mut read: impl FnMut(&'t [u8]) -> Result<&'t [u8], &'static str>,
) -> Result<Counts, LineError> {
    let mut counts = Counts::default();
    while !text.is_empty() {
        text = skip_blanks(text);
        text = match text.first() {
            None => break,
            Some(b'\n') => &text[1..],
            Some(b'%') => after_line(text),
            Some(_) => {
                counts.stated += 1;
                read(text).map_err(|reason| LineError { line: counts.lines, reason })?
            }
        };
        counts.lines += 1;
    }
    Ok(counts)
}

fn index<'t>(text: &'t [u8], missing: &'static str) -> Result<(u64, &'t [u8]), &'static str> {
    digits(text).map_err(|misfit| match misfit {
        Misfit::NoNumber => missing,
        Misfit::TooLarge | Misfit::Fraction => OUTSIDE,
    })
}

/// What follows the blanks that `text` begins with, one at least.
#[inline]
fn after_blanks<'t>(text: &'t [u8], missing: &'static str) -> Result<&'t [u8], &'static str> {
    match text {
        [b' ' | b'\t', rest @ ..] => Ok(skip_blanks(rest)),
        _ => Err(missing),
    }
}

/// What follows the line that `text` begins with, whatever is in it.
fn after_line(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|&byte| byte == b'\n');
    &text[end.map_or(text.len(), |end| end + 1)..]
}

/// What follows the line of which `text` is the end: nothing is in it, or a comment.
fn line_end<'t>(text: &'t [u8], misfit: &'static str) -> Result<&'t [u8], &'static str> {
    match skip_blanks(text) {
        [] => Ok(&[]),
        [b'\n', rest @ ..] => Ok(rest),
        comment @ [b'%', ..] => Ok(after_line(comment)),
        _ => Err(misfit),
    }
}

fn reason(misfit: Misfit, missing: &'static str) -> &'static str {
    match misfit {
        Misfit::NoNumber => missing,
        Misfit::TooLarge => TOO_LARGE,
        Misfit::Fraction => FRACTION,
    }
}
