//! Where the values of a fill come from.

use ndarray::ArrayViewMut2;

use super::{Answers, Generated, Value, Workload};
use crate::array::{DType, Selection, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{ArrayStore, Context};

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
            Self::Generated(generated) if T::DTYPE != generated.dtype => Err(Error::new(
                ErrorKind::DtypeMismatch,
                "make a column",
                format!("generated data of {} is not {}", generated.dtype, T::DTYPE),
            )),
            Self::Generated(generated) => {
                Selection::column(col).resolve(generated.shape)?;
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

    /// The right answers to `workloads` over these values. `seed` chooses rows.
    ///
    /// # Errors
    /// As [`Answers::of_generated`] and [`Answers::of_store`].
    pub fn answers(&self, seed: u64, workloads: &[Workload], context: &Context) -> Result<Answers> {
        match self {
            Self::Generated(generated) => {
                Answers::of_generated(generated, seed, workloads, context)
            }
            Self::Input(store) => Answers::of_store(&**store, seed, workloads, context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    #[test]
    fn columns_are_given_and_what_does_not_fit_is_refused() {
        let shape = Shape::new(4, 3);
        let generated = Generated { seed: 8, shape, dtype: DType::F32, density: 1.0 };
        let array = generated.select::<f32>(&Selection::all()).unwrap();
        let sources: [Source<f32>; 2] = [
            Source::Generated(generated),
            Source::Input(Box::new(MemoryStore::new(array.clone()))),
        ];
        for source in &sources {
            let mut column = [0.0; 4];
            source.column(1, &mut column).unwrap();
            assert!(column.iter().eq(array.column(1)));
            let error = source.column(3, &mut column).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::OutOfBounds);
            let error = source.column(1, &mut column[1..]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ShapeMismatch);
        }
        let context = Context::default();
        let answers = sources[0].answers(1, &[], &context).unwrap();
        answers.check_matrix(sources[1].answers(1, &[], &context).unwrap().matrix()).unwrap();
        let other = Source::<f64>::Generated(generated);
        let error = other.column(0, &mut [0.0; 4]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DtypeMismatch);
    }
}
