//! Plans as Python has them.

use arraystore::store::{Access, Plan, TileOrder};
use pyo3::exceptions::PyValueError;
use pyo3::types::{PyDict, PyDictMethods};
use pyo3::{Bound, PyResult, Python};

/// `plan` as Python's own types.
pub fn as_dict<'py>(py: Python<'py>, plan: &Plan) -> PyResult<Bound<'py, PyDict>> {
    let steps = plan.steps.iter().map(|step| {
        let dict = PyDict::new(py);
        dict.set_item("kind", step.kind.name())?;
        dict.set_item("times", step.times)?;
        dict.set_item("bytes_read", step.bytes_read)?;
        dict.set_item("bytes_paged", step.bytes_paged)?;
        dict.set_item("bytes_written", step.bytes_written)?;
        dict.set_item("in_flight", step.in_flight)?;
        Ok(dict)
    });
    let dict = PyDict::new(py);
    dict.set_item("steps", steps.collect::<PyResult<Vec<_>>>()?)?;
    dict.set_item("bytes_requested", plan.bytes_requested)?;
    dict.set_item("bytes_moved", plan.bytes_moved())?;
    dict.set_item("bytes_paged", plan.bytes_paged())?;
    dict.set_item("memory_bytes", plan.memory_bytes)?;
    let cheaper = plan.cheaper.map(|(layout, times)| (layout.to_string(), times));
    dict.set_item("cheaper", cheaper)?;
    Ok(dict)
}

/// How the file is used by the work of this name.
pub fn work_named(work: &str, batch: usize) -> PyResult<Access> {
    Ok(match work {
        "scan" => Access::Visit(TileOrder::Any),
        "columns" => Access::Visit(TileOrder::Columns),
        "rows" => Access::Visit(TileOrder::Rows),
        "batches" => Access::Shuffle { batch },
        "fill_columns" => Access::FillColumns,
        _ => {
            let words = format!("{work:?} is none of scan, columns, rows, batches, fill_columns");
            return Err(PyValueError::new_err(words));
        }
    })
}
