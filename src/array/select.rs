//! Which cells of a matrix: rows × columns, each all, a range with a positive step, or a list.
//!
//! Owns [`Selection`] and [`Axis`], their resolution against a length ([`Picks`]) and the text form
//! that the command line accepts ([`AxisExpr`]).

use std::str::FromStr;

use super::Shape;
use crate::error::{Error, ErrorKind, Result};

/// Some of the indices along one axis.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Axis {
    /// Every index.
    #[default]
    All,
    /// `start`, `start + step`, … below `stop`. `step` is at least 1.
    Range {
        /// The first index.
        start: usize,
        /// The index before which to end.
        stop: usize,
        /// The distance from one index to the next.
        step: usize,
    },
    /// These indices, in this order; repeats are allowed.
    Indices(Vec<usize>),
}

impl Axis {
    /// The one index `index`.
    pub fn one(index: usize) -> Self {
        Self::from(index..index + 1)
    }

    /// The indices that this picks of an axis of `len`.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfBounds`] where an index is not below `len`, [`ErrorKind::InvalidArgument`]
    /// for a step of 0.
    pub fn resolve(&self, len: usize) -> Result<Picks<'_>> {
        let outside = |index: usize| {
            Error::new(
                ErrorKind::OutOfBounds,
                "select",
                format!("index {index} is out of bounds for an axis of length {len}"),
            )
        };
        match *self {
            Self::All => Ok(Picks::Range { start: 0, step: 1, count: len }),
            Self::Range { step: 0, .. } => Err(Error::new(
                ErrorKind::InvalidArgument,
                "select",
                "the step of a range must be at least 1",
            )),
            Self::Range { start, stop, .. } if start >= stop => {
                Ok(Picks::Range { start: 0, step: 1, count: 0 })
            }
            Self::Range { start, stop, step } => {
                let count = (stop - start).div_ceil(step);
                let last = start + (count - 1) * step;
                if last >= len {
                    return Err(outside(last));
                }
                Ok(Picks::Range { start, step, count })
            }
            Self::Indices(ref indices) => match indices.iter().find(|&&index| index >= len) {
                Some(&index) => Err(outside(index)),
                None => Ok(Picks::List(indices)),
            },
        }
    }
}

impl From<std::ops::Range<usize>> for Axis {
    fn from(range: std::ops::Range<usize>) -> Self {
        Self::Range { start: range.start, stop: range.end, step: 1 }
    }
}

/// The indices that an [`Axis`] picks of an axis of known length: all within bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picks<'a> {
    /// `count` indices from `start`, `step` apart.
    Range {
        /// The first index, or 0 where there is none.
        start: usize,
        /// At least 1.
        step: usize,
        /// How many.
        count: usize,
    },
    /// These indices.
    List(&'a [usize]),
}

impl<'a> Picks<'a> {
    /// The picks at `positions` among these.
    ///
    /// # Panics
    /// Where `positions` reaches beyond [`Picks::len`].
    pub fn part(&self, positions: std::ops::Range<usize>) -> Picks<'a> {
        match *self {
            Self::Range { start, step, count } => {
                assert!(positions.end <= count, "positions {positions:?} of {count} picks");
                Picks::Range { start: start + positions.start * step, step, count: positions.len() }
            }
            Self::List(indices) => Picks::List(&indices[positions]),
        }
    }

    /// How many indices are picked.
    pub fn len(&self) -> usize {
        match self {
            Self::Range { count, .. } => *count,
            Self::List(indices) => indices.len(),
        }
    }

    /// Whether none is picked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `position`-th picked index.
    ///
    /// # Panics
    /// Where `position` is not below [`Picks::len`].
    pub fn at(&self, position: usize) -> usize {
        match self {
            Self::Range { start, step, count } => {
                assert!(position < *count, "position {position} of {count} picks");
                start + position * step
            }
            Self::List(indices) => indices[position],
        }
    }

    /// The picked indices, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        (0..self.len()).map(|position| self.at(position))
    }

    /// The picks as one run of neighbours, if that is what they are.
    pub fn as_run(&self) -> Option<std::ops::Range<usize>> {
        match *self {
            Self::Range { start, count, step } if step == 1 || count <= 1 => {
                Some(start..start + count)
            }
            Self::List(indices) if indices.windows(2).all(|pair| pair[1] == pair[0] + 1) => {
                let first = indices.first().copied().unwrap_or(0);
                Some(first..first + indices.len())
            }
            _ => None,
        }
    }

    /// The smallest range that holds every pick; empty where there is none.
    pub fn span(&self) -> std::ops::Range<usize> {
        match *self {
            Self::Range { count: 0, .. } => 0..0,
            Self::Range { start, step, count } => start..start + (count - 1) * step + 1,
            Self::List(indices) => match (indices.iter().min(), indices.iter().max()) {
                (Some(&first), Some(&last)) => first..last + 1,
                _ => 0..0,
            },
        }
    }
}

/// The axis that picks the same indices.
impl From<Picks<'_>> for Axis {
    fn from(picks: Picks<'_>) -> Self {
        match picks {
            Picks::Range { start, step, count } => {
                let stop = if count == 0 { start } else { start + (count - 1) * step + 1 };
                Self::Range { start, stop, step }
            }
            Picks::List(indices) => Self::Indices(indices.to_vec()),
        }
    }
}

/// Some rows × some columns.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Selection {
    /// Which rows.
    pub rows: Axis,
    /// Which columns.
    pub cols: Axis,
}

impl Selection {
    /// Every cell.
    pub fn all() -> Self {
        Self::default()
    }

    /// These rows, every column.
    pub fn rows(rows: impl Into<Axis>) -> Self {
        Self { rows: rows.into(), cols: Axis::All }
    }

    /// Every row of these columns.
    pub fn cols(cols: impl Into<Axis>) -> Self {
        Self { rows: Axis::All, cols: cols.into() }
    }

    /// The column `index`.
    pub fn column(index: usize) -> Self {
        Self::cols(Axis::one(index))
    }

    /// The row `index`.
    pub fn row(index: usize) -> Self {
        Self::rows(Axis::one(index))
    }

    /// The cell in this row and column.
    pub fn cell(row: usize, col: usize) -> Self {
        Self { rows: Axis::one(row), cols: Axis::one(col) }
    }

    /// These rows of these columns.
    pub fn block(rows: impl Into<Axis>, cols: impl Into<Axis>) -> Self {
        Self { rows: rows.into(), cols: cols.into() }
    }

    /// The picked rows and columns of a matrix of `shape`.
    ///
    /// # Errors
    /// As [`Axis::resolve`].
    pub fn resolve(&self, shape: Shape) -> Result<(Picks<'_>, Picks<'_>)> {
        Ok((self.rows.resolve(shape.rows)?, self.cols.resolve(shape.cols)?))
    }

    /// The shape of what is picked of a matrix of `shape`.
    ///
    /// # Errors
    /// As [`Axis::resolve`].
    pub fn shape(&self, shape: Shape) -> Result<Shape> {
        let (rows, cols) = self.resolve(shape)?;
        Ok(Shape::new(rows.len(), cols.len()))
    }
}

impl From<Vec<usize>> for Axis {
    fn from(indices: Vec<usize>) -> Self {
        Self::Indices(indices)
    }
}

/// An axis as people write it, before the length is known: `7`, `-1`, `0:10`, `::2`, `3,5,-1`, `0:10,50`.
///
/// As in NumPy: negative indices count from the end, slices are clipped, single indices out of range
/// are errors. Steps are positive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AxisExpr(Vec<Term>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Term {
    Index(i64),
    Slice { start: Option<i64>, stop: Option<i64>, step: usize },
}

impl AxisExpr {
    /// The indices that the expression picks of an axis of `len`.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfBounds`] for a single index out of range.
    pub fn resolve(&self, len: usize) -> Result<Axis> {
        if let [Term::Slice { .. }] = self.0[..] {
            let Term::Slice { start, stop, step } = self.0[0] else {
                unreachable!("matched above")
            };
            let (start, stop) = clip(start, stop, len);
            return Ok(Axis::Range { start, stop, step });
        }
        if let [Term::Index(index)] = self.0[..] {
            return Ok(Axis::one(wrap(index, len)?));
        }
        let mut indices = Vec::new();
        for term in &self.0 {
            match *term {
                Term::Index(index) => indices.push(wrap(index, len)?),
                Term::Slice { start, stop, step } => {
                    let (start, stop) = clip(start, stop, len);
                    indices.extend((start..stop).step_by(step));
                }
            }
        }
        Ok(Axis::Indices(indices))
    }
}

/// A single index, counted from the end where it is negative.
fn wrap(index: i64, len: usize) -> Result<usize> {
    let distance = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
    let wrapped = if index < 0 { len.checked_sub(distance) } else { Some(distance) };
    wrapped.filter(|&wrapped| wrapped < len).ok_or_else(|| {
        Error::new(
            ErrorKind::OutOfBounds,
            "select",
            format!("index {index} is out of bounds for an axis of length {len}"),
        )
    })
}

/// A slice's bounds, clipped to the axis.
fn clip(start: Option<i64>, stop: Option<i64>, len: usize) -> (usize, usize) {
    let bound = |bound: i64| {
        let distance = usize::try_from(bound.unsigned_abs()).unwrap_or(usize::MAX);
        if bound < 0 { len.saturating_sub(distance) } else { distance.min(len) }
    };
    (start.map_or(0, bound), stop.map_or(len, bound))
}

impl FromStr for AxisExpr {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.split(',')
            .map(|term| parse_term(term.trim()))
            .collect::<Option<Vec<_>>>()
            .map(Self)
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::InvalidArgument,
                    "parse",
                    format!("'{text}' is not a selection: write 7, -1, 0:10, ::2 or 3,5,0:10 (steps are positive)"),
                )
            })
    }
}

fn parse_term(text: &str) -> Option<Term> {
    if !text.contains(':') {
        return text.parse().ok().map(Term::Index);
    }
    let bound = |part: &str| match part.trim() {
        "" => Some(None),
        part => part.parse().ok().map(Some),
    };
    let mut parts = text.split(':');
    let start = bound(parts.next()?)?;
    let stop = bound(parts.next()?)?;
    let step = match parts.next() {
        Some(part) => bound(part)?.unwrap_or(1),
        None => 1,
    };
    let step = usize::try_from(step).ok().filter(|&step| step > 0)?;
    parts.next().is_none().then_some(Term::Slice { start, stop, step })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(text: &str, len: usize) -> Vec<usize> {
        let axis = text.parse::<AxisExpr>().unwrap().resolve(len).unwrap();
        axis.resolve(len).unwrap().iter().collect()
    }

    #[test]
    fn expressions_pick_what_numpy_picks() {
        assert_eq!(picked("7", 10), [7]);
        assert_eq!(picked("-1", 10), [9]);
        assert_eq!(picked("0:3", 10), [0, 1, 2]);
        assert_eq!(picked("-3:", 10), [7, 8, 9]);
        assert_eq!(picked("::4", 10), [0, 4, 8]);
        assert_eq!(picked("5:100", 7), [5, 6]);
        assert_eq!(picked("-100:2", 7), [0, 1]);
        assert_eq!(picked("5:2", 7), [0usize; 0]);
        assert_eq!(picked("9:", 7), [0usize; 0]);
        assert_eq!(picked("3,5,-1,3", 10), [3, 5, 9, 3]);
        assert_eq!(picked("0:2,8", 10), [0, 1, 8]);
        assert_eq!(picked(":", 0), [0usize; 0]);
    }

    #[test]
    fn what_is_not_a_selection_is_an_error() {
        for bad in ["", "a", "1:2:3:4", "::-1", "::0", "1.5", "1,,2", "99999999999999999999"] {
            assert!(bad.parse::<AxisExpr>().is_err(), "{bad}");
        }
        for outside in ["10", "-11", "3,10", "9223372036854775807", "-9223372036854775808"] {
            let error = outside.parse::<AxisExpr>().unwrap().resolve(10).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::OutOfBounds, "{outside}");
        }
    }

    #[test]
    fn runs_and_spans() {
        let axis = Axis::Indices(vec![4, 5, 6]);
        assert_eq!(axis.resolve(10).unwrap().as_run(), Some(4..7));
        let axis = Axis::Indices(vec![6, 4]);
        assert_eq!(axis.resolve(10).unwrap().as_run(), None);
        assert_eq!(axis.resolve(10).unwrap().span(), 4..7);
        let axis = Axis::Range { start: 1, stop: 9, step: 3 };
        assert_eq!(axis.resolve(9).unwrap().span(), 1..8);
        assert!(axis.resolve(7).is_err());
        assert!(Axis::Range { start: 0, stop: 1, step: 0 }.resolve(1).is_err());
    }
}
