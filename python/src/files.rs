//! What is done with whole files: making, filling, converting and comparing them, and the command line.

use std::ffi::OsString;
use std::path::PathBuf;

use arraystore::array::Compression;
use arraystore::cli::{self, Invocation};
use arraystore::convert::{self, SparseLayout, Target};
use arraystore::store::{AnyStore, Budget, Context, Layout, OpenOptions, compare};
use arraystore::sys::{Existing, Mode};
use arraystore::{Error, ErrorKind, dispatch};
use pyo3::{PyResult, Python, pyfunction};

use crate::errors::{exception, interruptible};
use crate::numbers::typed;

/// What happens where the output's name is taken.
pub fn existing(is_replaced: bool) -> Existing {
    if is_replaced { Existing::Replace } else { Existing::Refuse }
}

/// The layout of this name: `c`, `f`, `csr` or `csc`.
pub fn layout(name: &str) -> arraystore::Result<Layout> {
    match name {
        "csr" => Ok(Layout::Sparse(Compression::Csr)),
        "csc" => Ok(Layout::Sparse(Compression::Csc)),
        _ => name.parse().map(Layout::Dense),
    }
}

/// How a file is opened to be read from front to back.
fn options(context: &Context) -> OpenOptions {
    OpenOptions { mode: Mode::Read, context: context.clone(), ..OpenOptions::default() }
}

/// Converts a file to another: order or layout, element type, format. The rows, columns, element type and layout that it has become.
#[pyfunction]
#[pyo3(name = "_convert", signature = (input, output, *, order=None, dtype=None, overwrite=false, memory, threads=None))]
#[expect(clippy::too_many_arguments, reason = "the Python half states them all, by name")]
pub fn convert_file(
    py: Python<'_>,
    input: PathBuf,
    output: PathBuf,
    order: Option<&str>,
    dtype: Option<&str>,
    overwrite: bool,
    memory: u64,
    threads: Option<usize>,
) -> PyResult<(usize, usize, &'static str, String)> {
    let target = || {
        let mut target = Target { existing: existing(overwrite), ..Target::default() };
        target.dtype = dtype.map(str::parse).transpose()?;
        match order {
            None => {}
            Some("coo") => target.layout = Some(SparseLayout::Coo),
            Some(name) => match layout(name)? {
                Layout::Dense(order) => target.order = Some(order),
                Layout::Sparse(layout) => target.layout = Some(SparseLayout::Compressed(layout)),
            },
        }
        Ok(target)
    };
    let target = target().map_err(|error| exception(&error))?;
    interruptible(py, context(memory, threads), |context| {
        let made = convert::convert(&input, &output, target, &options(context), context)?.to;
        let (shape, layout) = (made.shape, made.layout.to_string());
        Ok((shape.rows, shape.cols, made.dtype.numpy_name(), layout))
    })
}

/// Where two files differ: none where every bit is equal; else how many cells do, and the first one's row and column.
#[pyfunction]
#[pyo3(name = "_verify", signature = (one, other, *, memory, threads=None))]
pub fn verify_files(
    py: Python<'_>,
    one: PathBuf,
    other: PathBuf,
    memory: u64,
    threads: Option<usize>,
) -> PyResult<Option<(u64, usize, usize)>> {
    interruptible(py, context(memory, threads), |context| {
        let [one, other] = [one, other].map(|path| AnyStore::open(path, &options(context)));
        let (one, other) = (one?, other?);
        if one.spec().dtype != other.spec().dtype {
            let words = format!("{} against {}", one.spec().dtype, other.spec().dtype);
            return Err(Error::new(ErrorKind::DtypeMismatch, "verify", words));
        }
        dispatch!(one.spec().dtype, T => {
            let found = compare(typed::<T>(&one), typed::<T>(&other), context)?;
            Ok(found.map(|found| (found.cells, found.first.0, found.first.1)))
        })
    })
}

fn context(memory: u64, threads: Option<usize>) -> Context {
    let context = Context::new(Budget::new(memory));
    match threads {
        Some(threads) => context.with_threads(threads),
        None => context,
    }
}

/// The command line with these arguments: its exit code. `program` is the command that begins it.
#[pyfunction]
#[pyo3(name = "_run")]
pub fn run(py: Python<'_>, program: Vec<OsString>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| cli::run(&Invocation { program, arguments }))
}
