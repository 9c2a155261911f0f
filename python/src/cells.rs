//! One row and one element, by the shortest way: what a loop in Python asks for.
//!
//! Knows integers as indices; every other key is the Python half's.

use arraystore::array::{Order, Selection};
use arraystore::store::{AnyStore, ArrayStore, ArrayStoreExt, Io, Layout};
use arraystore::with_store;
use ndarray::Axis;
use pyo3::exceptions::PyIndexError;
use pyo3::types::{PyAnyMethods, PyBool, PyInt, PyList, PySlice, PyTuple};
use pyo3::{Bound, PyAny, PyResult, Python};

use crate::errors::{Failure, caught};
use crate::numbers::{Block, Number, block};
use crate::store::Store;

/// Up to so many bytes of a mapped file are read without letting other threads of Python's run: a page.
const NEAR_BYTES: usize = 4096;

/// An index as NumPy counts it: from the end where it is negative.
pub fn counted(index: isize, length: usize, axis: usize) -> PyResult<usize> {
    let from_begin = match index {
        0.. => usize::try_from(index).ok(),
        _ => length.checked_add_signed(index),
    };
    from_begin.filter(|&index| index < length).ok_or_else(|| {
        let words = format!("index {index} is out of bounds for axis {axis} with size {length}");
        PyIndexError::new_err(words)
    })
}

/// `key`, where it is an integer that an index can be, Python's own or NumPy's.
pub fn integer(key: &Bound<'_, PyAny>) -> Option<isize> {
    if key.is_exact_instance_of::<PyInt>() {
        return key.extract().ok();
    }
    // What is often a key and no integer is told apart without raising; truths are integers to Python, not to NumPy.
    let is_other = key.is_instance_of::<PyTuple>()
        || key.is_instance_of::<PySlice>()
        || key.is_instance_of::<PyList>()
        || key.is_instance_of::<PyBool>();
    (!is_other).then(|| key.extract().ok()).flatten()
}

impl Store {
    /// Whether `cells` neighbouring ones are read before one has let go of Python's lock and taken it again.
    fn is_near(&self, cells: usize) -> bool {
        let bytes = cells.checked_mul(self.facts.dtype.item_size());
        self.current.opening().io == Io::Mapped && bytes.is_some_and(|bytes| bytes <= NEAR_BYTES)
    }

    /// As [`Store::block`], at once where it is near and nobody has to be waited for.
    fn near<'py>(
        &self,
        py: Python<'py>,
        is_near: bool,
        read: impl Fn(&AnyStore) -> arraystore::Result<Block> + Sync,
    ) -> PyResult<Bound<'py, PyAny>> {
        // Python is not called before the file is let go of: it could run whatever waits for the file.
        let found = is_near.then(|| self.current.at_once(|store| caught(|| read(store)))).flatten();
        match found {
            Some(found) => found.map_err(Failure::into_exception)?(py),
            None => self.block(py, &read),
        }
    }

    pub fn element<'py>(
        &self,
        py: Python<'py>,
        row: usize,
        col: usize,
    ) -> PyResult<Bound<'py, PyAny>> {
        fn get<T: Number>(
            store: &dyn ArrayStore<Elem = T>,
            (row, col): (usize, usize),
        ) -> arraystore::Result<Block> {
            let value = store.get(row, col)?;
            Ok(Box::new(move |py| T::scalar(py, value)))
        }
        self.near(
            py,
            self.is_near(1),
            |store| with_store!(store, store => get(&**store, (row, col))),
        )
    }

    pub fn row<'py>(&self, py: Python<'py>, row: usize) -> PyResult<Bound<'py, PyAny>> {
        fn get<T: Number>(
            store: &dyn ArrayStore<Elem = T>,
            selection: &Selection,
            is_near: bool,
        ) -> arraystore::Result<Block> {
            let cells = store.select(selection)?.index_axis_move(Axis(0), 0);
            Ok(match is_near {
                true => Box::new(move |py| {
                    Ok(T::copied(py, cells.as_slice().expect("a row lies together")))
                }),
                false => block(cells),
            })
        }
        let selection = Selection::row(row);
        let lies_together = self.facts.layout == Layout::Dense(Order::C);
        let is_near = lies_together && self.is_near(self.shape().cols);
        self.near(
            py,
            is_near,
            |store| with_store!(store, store => get(&**store, &selection, is_near)),
        )
    }
}
