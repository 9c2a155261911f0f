//! The workloads: which cells each asks for, and what its answer is.

use std::fmt;
use std::str::FromStr;

use ndarray::Array2;

use super::generated::chosen_rows;
use super::{BATCH_ROWS, Value};
use crate::array::{Axis, DType, Selection, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Access, ArrayStore, ArrayStoreExt, TileOrder};

/// How many rows [`Workload::ExtractRows`] asks for at most.
const ROWS: usize = 2000;

/// Something that is done with a matrix, and measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Workload {
    /// Every column is written, one after another, until it is durable.
    FillColumns,
    /// The last column is read; or as many of the last ones as [`Choice::columns`] says.
    ExtractColumn,
    /// Every column is read, one after another, and summed.
    ExtractColumns,
    /// Random rows are read: at most 2000, all different, in random order.
    ExtractRows,
    /// The block in the middle is read: a quarter of the rows × a quarter of the columns.
    ExtractBlock,
    /// Each column's sum is made, by whichever way through the matrix is best.
    Scan,
    /// The matrix is multiplied by a vector.
    Spmv,
    /// Every row is read once, in batches of random rows.
    ShuffleEpoch,
}

/// What the cells that a workload asks for follow from, beside the matrix's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// The seed of random rows.
    pub seed: u64,
    /// How many columns [`Workload::ExtractColumn`] reads: the last ones.
    pub columns: usize,
}

/// One column, and the rows of this seed.
impl From<u64> for Choice {
    fn from(seed: u64) -> Self {
        Self { seed, columns: 1 }
    }
}

/// What the answer to a workload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnswerKind {
    /// The file that was written, and its last column as it was given.
    File,
    /// The selected values.
    Values,
    /// One sum for each column.
    Sums,
    /// One number for each row.
    Product,
}

impl Workload {
    /// Every workload, in the order in which reports show them.
    pub const ALL: [Self; 8] = [
        Self::FillColumns,
        Self::ExtractColumn,
        Self::ExtractColumns,
        Self::ExtractRows,
        Self::ExtractBlock,
        Self::Scan,
        Self::Spmv,
        Self::ShuffleEpoch,
    ];

    /// What a comparison is made of where nothing else is asked for: all but the product and the epoch.
    pub const USUAL: &[Self] = Self::ALL.split_at(6).0;

    /// The name in records and on the command line.
    pub const fn id(self) -> &'static str {
        match self {
            Self::FillColumns => "fill-columns",
            Self::ExtractColumn => "extract-column",
            Self::ExtractColumns => "extract-columns",
            Self::ExtractRows => "extract-rows",
            Self::ExtractBlock => "extract-block",
            Self::Scan => "scan",
            Self::Spmv => "spmv",
            Self::ShuffleEpoch => "shuffle-epoch",
        }
    }

    /// What the answer is.
    pub const fn answer(self) -> AnswerKind {
        match self {
            Self::FillColumns => AnswerKind::File,
            Self::ExtractColumn | Self::ExtractRows | Self::ExtractBlock => AnswerKind::Values,
            Self::ExtractColumns | Self::Scan | Self::ShuffleEpoch => AnswerKind::Sums,
            Self::Spmv => AnswerKind::Product,
        }
    }

    /// The cells that are read of a matrix of `shape`; none for a fill and for visits, which concern all.
    /// Random rows follow from the choice's seed (docs/generated-v1.md).
    pub fn selection(self, shape: Shape, choice: impl Into<Choice>) -> Option<Selection> {
        let Choice { seed, columns } = choice.into();
        match self {
            Self::FillColumns
            | Self::ExtractColumns
            | Self::Scan
            | Self::Spmv
            | Self::ShuffleEpoch => None,
            Self::ExtractColumn => {
                Some(Selection::cols(shape.cols.saturating_sub(columns)..shape.cols))
            }
            Self::ExtractRows => Some(Selection::rows(chosen_rows(seed, shape.rows, ROWS))),
            Self::ExtractBlock => {
                Some(Selection::block(middle_quarter(shape.rows), middle_quarter(shape.cols)))
            }
        }
    }

    /// What is accessed of a matrix of `shape`.
    pub fn access(self, shape: Shape, choice: impl Into<Choice>) -> Access {
        match self.selection(shape, choice) {
            Some(selection) => Access::Read(selection),
            None => match self {
                Self::FillColumns => Access::FillColumns,
                Self::ExtractColumns => Access::Visit(TileOrder::Columns),
                Self::ShuffleEpoch => Access::Shuffle { batch: BATCH_ROWS },
                _ => Access::Visit(TileOrder::Any),
            },
        }
    }

    /// The order in which the rows of a matrix of `shape` are read, where that is part of the work: all of them in
    /// random order, which follows from `seed` as the selection does.
    pub fn order(self, shape: Shape, seed: u64) -> Option<Vec<usize>> {
        (self == Self::ShuffleEpoch).then(|| chosen_rows(seed, shape.rows, shape.rows))
    }

    /// Bytes of values that are asked for of a matrix of `shape`, where [`Choice::columns`] is `columns`.
    pub fn bytes_requested(self, shape: Shape, dtype: DType, columns: usize) -> u64 {
        let quarter = |length: usize| length.div_ceil(4);
        let (rows, cols) = match self {
            Self::FillColumns
            | Self::ExtractColumns
            | Self::Scan
            | Self::Spmv
            | Self::ShuffleEpoch => (shape.rows, shape.cols),
            Self::ExtractColumn => (shape.rows, shape.cols.min(columns)),
            Self::ExtractRows => (shape.rows.min(ROWS), shape.cols),
            Self::ExtractBlock => (quarter(shape.rows), quarter(shape.cols)),
        };
        (rows as u64).saturating_mul(cols as u64).saturating_mul(dtype.item_size() as u64)
    }
}

/// A quarter of `length`, rounded up, in the middle.
fn middle_quarter(length: usize) -> Axis {
    let count = length.div_ceil(4);
    let start = (length - count) / 2;
    Axis::from(start..start + count)
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for Workload {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|workload| workload.id() == text).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidArgument,
                "parse",
                format!(
                    "'{text}' is not a workload: write one of {}",
                    Self::ALL.map(Self::id).join(", ")
                ),
            )
        })
    }
}

/// The extract workloads: the selected values of `store`, in C order in memory.
///
/// # Errors
/// As [`ArrayStore::read`].
pub fn extract<T: Value>(
    store: &dyn ArrayStore<Elem = T>,
    selection: &Selection,
) -> Result<Array2<T>> {
    store.select(selection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    #[test]
    fn ids_are_read_back() {
        for workload in Workload::ALL {
            assert_eq!(workload.to_string().parse::<Workload>().unwrap(), workload);
        }
        assert!(
            "fill".parse::<Workload>().unwrap_err().to_string().contains("extract-block, scan")
        );
    }

    #[test]
    fn selections_fit_every_shape_and_hold_the_bytes_that_are_requested() {
        for (rows, cols) in [(0, 0), (0, 9), (9, 0), (1, 1), (5, 3), (10_000, 101)] {
            let shape = Shape::new(rows, cols);
            for workload in Workload::ALL {
                for columns in [1, 2, 50] {
                    let bytes = workload.bytes_requested(shape, DType::F32, columns);
                    let choice = Choice { seed: 1, columns };
                    let selection = workload.selection(shape, choice).unwrap_or_default();
                    let selected = selection.shape(shape).unwrap();
                    assert_eq!(bytes, selected.dense_bytes(4).unwrap() as u64, "{workload}");
                }
            }
        }
    }

    #[test]
    fn the_block_is_in_the_middle() {
        let selection = Workload::ExtractBlock.selection(Shape::new(1_000_000, 100), 0).unwrap();
        assert_eq!(selection, Selection::block(375_000..625_000, 37..62));
    }

    #[test]
    fn rows_follow_from_the_seed() {
        let rows = |seed| Workload::ExtractRows.selection(Shape::new(10_000, 2), seed).unwrap();
        assert_eq!(rows(1), rows(1));
        assert_ne!(rows(1), rows(2));
    }

    #[test]
    fn what_is_extracted_lies_in_c_order() {
        let array = ndarray::array![[1, 2, 3], [4, 5, 6]];
        let selection = Selection::cols(vec![2, 0]);
        let values = extract(&MemoryStore::new(array), &selection).unwrap();
        assert_eq!(values.as_slice().unwrap(), [3, 1, 6, 4]);
    }
}
