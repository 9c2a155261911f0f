//! Where the values of a fill come from.

use ndarray::ArrayViewMut2;

use super::{Generated, Value};
use crate::array::{DType, Selection, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::store::ArrayStore;

/// Where values come from: generated data, or a matrix that exists.
#[derive(Debug)]
pub enum Source<T> {
    /// Generated data.
    Generated(Generated),
    /// A store. One that keeps columns together gives them fastest.
    Input(Box<dyn ArrayStore<Elem = T>>),
}

impl<T: Value> Source<T> {
    /// Rows and columns.
    pub fn shape(&self) -> Shape {
        match self {
            Self::Generated(generated) => generated.shape,
            Self::Input(store) => store.spec().shape,
        }
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        T::DTYPE
    }

    /// Column `col`, as long as the matrix has rows.
    ///
    /// # Errors
    /// Where the column does not exist, `out` is not as long as it, or reading fails.
    pub fn column(&self, col: usize, out: &mut [T]) -> Result<()> {
        let rows = self.shape().rows;
        if out.len() != rows {
            return Err(Error::new(
                ErrorKind::ShapeMismatch,
                "make a column",
                format!("a column of {rows} rows does not fit in a buffer of {}", out.len()),
            ));
        }
        match self {
            Self::Generated(generated) => {
                generated.fill_column(col, 0..rows, out);
                Ok(())
            }
            Self::Input(store) => {
                let view = ArrayViewMut2::from_shape((rows, 1), out)
                    .expect("the buffer's length was checked");
                store.read(&Selection::column(col), view)
            }
        }
    }
}
