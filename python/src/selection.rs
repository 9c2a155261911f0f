//! Selections as the Python half states them: per axis a range, or a list of indices.

use arraystore::array::{Axis, Selection};
use numpy::PyReadonlyArray1;
use pyo3::exceptions::PyIndexError;
use pyo3::{FromPyObject, PyResult};

/// One axis of a selection.
#[derive(FromPyObject)]
pub enum Picked<'py> {
    /// `(start, stop, step)`, which has a step of at least 1.
    Range(usize, usize, usize),
    /// Indices, none of them negative.
    List(PyReadonlyArray1<'py, i64>),
}

impl Picked<'_> {
    fn into_axis(self) -> PyResult<Axis> {
        Ok(match self {
            Self::Range(start, stop, step) => Axis::Range { start, stop, step },
            Self::List(list) => Axis::Indices(indices(&list)?),
        })
    }
}

/// The cells of these rows and columns.
pub fn selection(rows: Picked<'_>, cols: Picked<'_>) -> PyResult<Selection> {
    Ok(Selection { rows: rows.into_axis()?, cols: cols.into_axis()? })
}

/// A list of indices, none of them negative.
pub fn indices(list: &PyReadonlyArray1<'_, i64>) -> PyResult<Vec<usize>> {
    let list = list.as_array();
    let indices = list.iter().map(|&index| usize::try_from(index));
    indices.collect::<Result<_, _>>().map_err(|_| PyIndexError::new_err("a negative index"))
}
