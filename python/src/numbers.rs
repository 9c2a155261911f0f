//! Element types on both sides: what a block of them is in NumPy.

use arraystore::array::{Arithmetic, Bool, Complex32, Complex64, f16};
use arraystore::store::{AnyElement, AnyStore, ArrayStore, Entries, OwnedIndices};
use ndarray::{Array, Array1, Array2, ArrayView2, Dimension};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::types::PyAnyMethods;
use pyo3::{Bound, IntoPyObject, PyAny, PyResult, Python, intern};

/// What becomes an array of NumPy's once Python's lock is held.
pub type Block = Box<dyn for<'py> FnOnce(Python<'py>) -> PyResult<Bound<'py, PyAny>> + Send>;

/// `values` for NumPy.
pub fn block<T: Number, D: Dimension + 'static>(values: Array<T, D>) -> Block {
    Box::new(move |py| T::into_numpy(py, values))
}

/// Entries for SciPy: (indptr, indices, data, shape).
pub fn entries<T: Number>(entries: Entries<T>) -> Block {
    let Entries { shape, offsets, indices, data, .. } = entries;
    Box::new(move |py| {
        let (indptr, indices) = match indices {
            // Both of one width, as SciPy has them.
            OwnedIndices::I32(list) => {
                let narrow: Vec<_> = offsets.iter().map(|&offset| offset as i32).collect();
                (narrow.into_pyarray(py).into_any(), list.into_pyarray(py).into_any())
            }
            OwnedIndices::I64(list) => {
                let wide: Vec<_> = offsets.iter().map(|&offset| offset as i64).collect();
                (wide.into_pyarray(py).into_any(), list.into_pyarray(py).into_any())
            }
        };
        let data = T::into_numpy(py, Array1::from(data))?;
        Ok((indptr, indices, data, (shape.rows, shape.cols)).into_pyobject(py)?.into_any())
    })
}

/// The store in `any`, whose element type is known to be `T`.
pub fn typed<T: Number>(any: &AnyStore) -> &dyn ArrayStore<Elem = T> {
    T::in_any(any).expect("a file keeps its element type")
}

/// The same, for writing.
pub fn typed_mut<T: Number>(any: &mut AnyStore) -> &mut dyn ArrayStore<Elem = T> {
    T::of_any(any).expect("a file keeps its element type")
}

/// An element type that NumPy has.
pub trait Number: AnyElement + Arithmetic {
    /// `values` as an array of NumPy's, which owns them from now on. Nothing is copied.
    fn into_numpy<'py, D: Dimension>(
        py: Python<'py>,
        values: Array<Self, D>,
    ) -> PyResult<Bound<'py, PyAny>>;

    /// Shows the elements of `array`, which has this type and two axes.
    fn with_numpy<R>(
        array: &Bound<'_, PyAny>,
        show: impl FnOnce(ArrayView2<'_, Self>) -> PyResult<R>,
    ) -> PyResult<R>;

    /// `values` as an array of NumPy's own memory: where there are few, to copy them is cheaper than to give them away.
    fn copied<'py>(py: Python<'py>, values: &[Self]) -> Bound<'py, PyAny>;

    /// `value` as a scalar of NumPy's.
    fn scalar<'py>(py: Python<'py>, value: Self) -> PyResult<Bound<'py, PyAny>> {
        Self::copied(py, &[value]).get_item(0)
    }
}

macro_rules! numbers {
    ($($T:ty),*) => {$(
        impl Number for $T {
            fn into_numpy<'py, D: Dimension>(
                py: Python<'py>,
                values: Array<Self, D>,
            ) -> PyResult<Bound<'py, PyAny>> {
                Ok(values.into_pyarray(py).into_any())
            }

            fn copied<'py>(py: Python<'py>, values: &[Self]) -> Bound<'py, PyAny> {
                PyArray1::from_slice(py, values).into_any()
            }

            fn with_numpy<R>(
                array: &Bound<'_, PyAny>,
                show: impl FnOnce(ArrayView2<'_, Self>) -> PyResult<R>,
            ) -> PyResult<R> {
                let array = array.cast::<PyArray2<$T>>()?.try_readonly()?;
                show(array.as_array())
            }
        }
    )*};
}
numbers!(i8, i16, i32, i64, u8, u16, u32, u64, f16, f32, f64, Complex32, Complex64);

/// By way of bytes: NumPy's booleans are bytes that are 0 or 1, as ours are once a store has checked them.
impl Number for Bool {
    fn into_numpy<'py, D: Dimension>(
        py: Python<'py>,
        values: Array<Self, D>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let bytes = values.mapv_into_any(|value| u8::from(value.is_true()));
        bytes.into_pyarray(py).call_method1(intern!(py, "view"), ("?",))
    }

    fn copied<'py>(py: Python<'py>, values: &[Self]) -> Bound<'py, PyAny> {
        let values: Vec<bool> = values.iter().map(|value| value.is_true()).collect();
        PyArray1::from_slice(py, &values).into_any()
    }

    fn with_numpy<R>(
        array: &Bound<'_, PyAny>,
        show: impl FnOnce(ArrayView2<'_, Self>) -> PyResult<R>,
    ) -> PyResult<R> {
        let array = array.cast::<PyArray2<bool>>()?;
        debug_assert_eq!(array.ndim(), 2);
        let values: Array2<Self> = array.try_readonly()?.as_array().mapv(Self::from);
        show(values.view())
    }
}
