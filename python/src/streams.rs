//! Blocks made ahead of use by a thread: batches of rows, columns.

use std::collections::VecDeque;
use std::fmt::{self, Debug, Formatter};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use arraystore::array::Selection;
use arraystore::store::{
    AnyStore, ArrayStore, ArrayStoreExt, Cancel, Context, Tile, TileOrder, Values,
};
use arraystore::{Error, ErrorKind, Result};
use ndarray::{Array1, Array2, Axis, CowArray, ShapeBuilder, Slice};
use pyo3::exceptions::PyRuntimeError;
use pyo3::{Bound, PyAny, PyRef, PyResult, Python, pyclass, pymethods};

use crate::errors::{Failure, PATIENCE, caught, exception};
use crate::handle::{Handle, closed, forks};
use crate::numbers::{Block, Number, block};

/// Takes a block; an error where nobody wants more.
pub type Sink<'s> = dyn FnMut(Block) -> Result<()> + 's;

type Made = std::result::Result<Block, Failure>;

/// Blocks on their way from the thread that makes them to who takes them.
#[derive(Default)]
pub struct Queue {
    state: Mutex<State>,
    /// Told whenever there is more or less in it; those who wait look by themselves, too.
    changed: Condvar,
    cancel: Cancel,
}

#[derive(Default)]
struct State {
    blocks: VecDeque<Made>,
    end: Option<End>,
}

/// Why nothing more comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All of it was made.
    Whole,
    /// Whoever took blocks wants no more.
    Left,
    /// The file was closed.
    ArrayClosed,
}

impl Debug for Queue {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("end", &self.state().end).finish_non_exhaustive()
    }
}

impl Queue {
    /// Whether more may come.
    pub fn is_open(&self) -> bool {
        self.state().end.is_none()
    }

    /// Says that nothing more comes, and to the thread that it can stop.
    pub fn close(&self, end: End) {
        self.state().end.get_or_insert(end);
        if end != End::Whole {
            self.cancel.cancel();
        }
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is less than `ahead` in it, and puts `made` behind that.
    fn put(&self, made: Made, ahead: usize) -> Result<()> {
        let is_full = |state: &mut State| state.end.is_none() && state.blocks.len() >= ahead.max(1);
        let state = self.changed.wait_while(self.state(), is_full);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.end.is_some() {
            return Err(Error::new(ErrorKind::Cancelled, "read ahead", "cancelled"));
        }
        state.blocks.push_back(made);
        self.changed.notify_all();
        Ok(())
    }

    /// What comes next, or why nothing does; neither where one has to wait longer.
    fn take(&self) -> Option<std::result::Result<Made, End>> {
        let is_empty = |state: &mut State| state.end.is_none() && state.blocks.is_empty();
        let waited = self.changed.wait_timeout_while(self.state(), PATIENCE, is_empty);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let next = match state.end {
            // What was made before the end is for whoever takes it, unless that is not to be any more.
            Some(end @ (End::Left | End::ArrayClosed)) => Some(Err(end)),
            end => state.blocks.pop_front().map(Ok).or(end.map(Err)),
        };
        self.changed.notify_all();
        next
    }
}

/// Blocks that a thread reads while those before them are being used.
#[pyclass(frozen, module = "arraystore._arraystore")]
#[derive(Debug)]
pub struct Stream {
    queue: Arc<Queue>,
    born: u64,
}

impl Stream {
    /// Lets `make` run in a thread of its own, at most `ahead` blocks before who takes them.
    pub fn begin(
        handle: Arc<Handle>,
        context: Context,
        ahead: usize,
        make: impl FnOnce(&AnyStore, &Context, &mut Sink<'_>) -> Result<()> + Send + 'static,
    ) -> PyResult<Self> {
        let queue = Arc::new(Queue::default());
        let context = context.with_cancel(queue.cancel.clone());
        handle.enlist(&queue);
        let fed = Arc::clone(&queue);
        let work = move || {
            let made = caught(|| {
                let sink: &mut Sink<'_> = &mut |block| fed.put(Ok(block), ahead);
                handle.read(|store| make(store, &context, sink))
            });
            // The file can be closed from here on.
            drop(handle);
            if let Err(failure) = made {
                let _ = fed.put(Err(failure), usize::MAX); // nobody listens where it was cancelled
            }
            fed.close(End::Whole);
        };
        let thread = thread::Builder::new().name("arraystore-ahead".into());
        let stream = Self { queue, born: forks() };
        thread.spawn(work).map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
        Ok(stream)
    }
}

#[pymethods]
impl Stream {
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        if self.born != forks() {
            let words = "the iteration was begun before this process was forked: begin it anew";
            return Err(PyRuntimeError::new_err(words));
        }
        loop {
            match py.detach(|| self.queue.take()) {
                Some(Ok(Ok(block))) => return block(py).map(Some),
                Some(Ok(Err(failure))) => return Err(failure.into_exception()),
                Some(Err(End::ArrayClosed)) => return Err(exception(&closed())),
                Some(Err(End::Whole | End::Left)) => return Ok(None),
                None => py.check_signals()?,
            }
        }
    }

    /// Wants no more: the thread stops at its next step.
    fn close(&self) {
        if self.born == forks() {
            self.queue.close(End::Left);
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.close();
    }
}

/// Gives `sink` the rows of these indices, `batch` at a time.
pub fn show_batches<T: Number>(
    store: &dyn ArrayStore<Elem = T>,
    order: &[usize],
    batch: usize,
    sink: &mut Sink<'_>,
    context: &Context,
) -> Result<()> {
    let lie_together = !store.spec().layout.is_columnar();
    if !lie_together || order.windows(2).any(|pair| pair[1] != pair[0] + 1) {
        return store.visit_rows(
            order,
            batch,
            &mut |_, rows| sink(block(rows.to_owned())),
            context,
        );
    }
    // As they lie in the file: each batch is one read, and nothing has to be brought into an order.
    for rows in order.chunks(batch) {
        sink(block(store.select(&Selection::rows(rows[0]..rows[0] + rows.len()))?))?;
        context.advance(0)?;
    }
    Ok(())
}

/// Gives `sink` each column of `store`, from left to right, also where a visit shows a column in parts.
pub fn show_columns<T: Number>(
    store: &dyn ArrayStore<Elem = T>,
    sink: &mut Sink<'_>,
    context: &Context,
) -> Result<()> {
    let rows = store.spec().shape.rows;
    let mut column = Array1::from_elem(rows, T::default());
    let show = &mut |tile: Tile<'_, T>| {
        let cells = match &tile.values {
            Values::Dense(cells) => CowArray::from(*cells),
            Values::Sparse(_) => {
                let mut cells =
                    Array2::from_elem((tile.rows.len(), tile.cols.len()).f(), T::default());
                tile.copy_to(cells.view_mut());
                CowArray::from(cells)
            }
        };
        for part in cells.columns() {
            column.slice_axis_mut(Axis(0), Slice::from(tile.rows.clone())).assign(&part);
            if tile.rows.end == rows {
                let next = Array1::from_elem(rows, T::default());
                sink(block(std::mem::replace(&mut column, next)))?;
            }
        }
        Ok(())
    };
    store.visit(TileOrder::Columns, show, context)
}
