//! Columns that Python code makes, on their way into a file.

use std::sync::mpsc::sync_channel;
use std::thread;

use arraystore::store::{Cancel, Context};
use ndarray::Array2;
use pyo3::exceptions::PyRuntimeError;
use pyo3::types::PyAnyMethods;
use pyo3::{Bound, PyAny, PyResult, Python};

use crate::errors::{awaited, caught, exception};
use crate::handle::Handle;
use crate::numbers::{Number, typed_mut};

/// Columns, or groups of these, that were made and are not written yet.
const COLUMNS_AHEAD: usize = 2;

/// Writes the columns that `source` gives, from the first one on: how many that were.
pub fn fill<T: Number>(
    py: Python<'_>,
    handle: &Handle,
    context: Context,
    source: &Bound<'_, PyAny>,
) -> PyResult<usize> {
    let filling = handle.begin_filling().map_err(|error| exception(&error))?;
    let (sender, receiver) = sync_channel::<Array2<T>>(COLUMNS_AHEAD);
    let (done, written) = sync_channel(1);
    let cancel = Cancel::default();
    let context = context.with_cancel(cancel.clone());
    thread::scope(|scope| {
        let write = move || {
            filling.write(|store| {
                let mut writer = typed_mut::<T>(store).column_writer(&context)?;
                let mut first = 0;
                for columns in receiver {
                    writer.write(first, columns.view())?;
                    first += columns.ncols();
                }
                writer.finish()?;
                Ok(first)
            })
        };
        scope.spawn(move || {
            let _ = done.send(caught(write)); // whoever waits is still there
        });
        let mut give = |columns: PyResult<Bound<'_, PyAny>>| {
            let columns = T::with_numpy(&columns?, |columns| Ok(columns.to_owned()))?;
            // Where nobody takes it any more, the writer says why.
            py.detach(|| sender.send(columns)).map_err(|_| PyRuntimeError::new_err("not written"))
        };
        let given = source.try_iter().and_then(|mut columns| columns.try_for_each(&mut give));
        drop(sender);
        let written = awaited(py, written, &cancel)?;
        given.map(|()| written)
    })
}
