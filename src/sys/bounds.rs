//! Checks that ranges lie within a device: the one place where offsets become safe.

use std::ops::Range;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// `range` as indices into `len` bytes.
///
/// # Errors
/// [`ErrorKind::OutOfBounds`] where it does not lie within them.
pub(super) fn check(range: &Range<u64>, len: u64, path: Option<&Path>) -> Result<Range<usize>> {
    let indices = || Some(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?);
    match indices() {
        Some(indices) if range.start <= range.end && range.end <= len => Ok(indices),
        _ => Err(named(
            Error::new(
                ErrorKind::OutOfBounds,
                "access",
                format!("bytes {}..{} lie outside a file of {len} bytes", range.start, range.end),
            ),
            path,
        )),
    }
}

/// The range of `len` bytes from `offset`.
pub(super) fn range(offset: u64, len: usize) -> Range<u64> {
    offset..offset.saturating_add(len as u64)
}

/// `error`, about the file at `path` if there is one.
pub(super) fn named(error: Error, path: Option<&Path>) -> Error {
    match path {
        Some(path) => error.at(path),
        None => error,
    }
}

/// Joins ranges that overlap, touch or lie within `gap` of each other; empty ones are dropped.
pub(super) fn join(ranges: &[Range<u64>], gap: u64) -> Vec<Range<u64>> {
    let mut sorted: Vec<_> =
        ranges.iter().filter(|range| range.start < range.end).cloned().collect();
    sorted.sort_unstable_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::with_capacity(sorted.len());
    for range in sorted {
        match joined.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(gap) => {
                last.end = last.end.max(range.end);
            }
            _ => joined.push(range),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ranges_within_are_let_through() {
        assert_eq!(check(&(2..5), 5, None).unwrap(), 2..5);
        assert_eq!(check(&(5..5), 5, None).unwrap(), 5..5);
        for bad in [2..6, 6..6, u64::MAX - 1..u64::MAX] {
            assert_eq!(check(&bad, 5, None).unwrap_err().kind(), ErrorKind::OutOfBounds);
        }
        #[allow(clippy::reversed_empty_ranges)]
        let reversed = 3..2;
        assert!(check(&reversed, 5, None).is_err());
        assert!(check(&range(u64::MAX, 5), 5, None).is_err());
    }

    #[test]
    fn near_ranges_are_joined() {
        assert_eq!(join(&[10..12, 0..4, 4..5, 7..7, 3..4], 0), [0..5, 10..12]);
        assert_eq!(join(&[10..12, 0..4, 90..91], 6), [0..12, 90..91]);
    }
}
