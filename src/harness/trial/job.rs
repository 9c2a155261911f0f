//! The work of a trial: a request understood, and the workload done over a backend on the clock.
//!
//! Owns what is inside the timing and what is not. Knows neither the dialogue nor how an answer is left.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use super::super::config::Backend;
use super::super::protocol::{Done, TrialRequest};
use super::answer::Answer;
use super::lie::{self, Lie};
use crate::array::{DType, Order, Picks, Selection, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::measure::Stopwatch;
use crate::store::{
    self, Access, ArrayStore, ArrayStoreExt, Budget, Context, CreateOptions, Io, Layout,
    OpenOptions, RawLayout, TileOrder,
};
use crate::sys::{Existing, Mode};
use crate::workload::{
    AnswerKind, Generated, Source, Value, Workload, column_sums, epoch_sums, extract, product,
};

/// Memory for reading a column to fill with.
const SOURCE_BYTES: u64 = 4 << 20;

/// A trial request, understood.
#[derive(Debug)]
pub(super) struct Job {
    request: TrialRequest,
    backend: Backend,
    workload: Workload,
    shape: Shape,
    pub dtype: DType,
    order: Order,
    selection: Selection,
    context: Context,
    /// What it does that it should not.
    pub lie: Option<Lie>,
}

impl Job {
    /// What `request` asks for.
    ///
    /// # Errors
    /// Where this crate does not do it, or it makes no sense.
    pub(super) fn new(request: TrialRequest, lie: Option<Lie>) -> Result<Self> {
        let [rows, cols] = request.data.shape;
        let shape = Shape::new(rows, cols);
        let selection = request.selection();
        selection.shape(shape)?;
        let context = Context::new(Budget::new(request.memory)).with_threads(request.threads);
        Ok(Self {
            backend: request.backend.parse()?,
            workload: request.workload.parse()?,
            shape,
            dtype: request.data.dtype.parse()?,
            order: request.data.order.as_deref().map_or(Ok(Order::C), str::parse)?,
            selection,
            context,
            request,
            lie,
        })
    }

    /// What a lie holds from before the first sample until behind the last.
    pub(super) fn hold<T: Value>(&self) -> Result<Option<Box<dyn ArrayStore<Elem = T>>>> {
        match self.lie {
            Some(Lie::HeldFile) => {
                let store = self.open::<T>()?;
                store.digest(&self.context)?;
                Ok(Some(store))
            }
            Some(Lie::Unbound) => crate::sys::leave_memory_group().map(|()| None),
            _ => Ok(None),
        }
    }

    /// What a lie holds when it says that it is done.
    pub(super) fn keep(&self) -> Result<Option<File>> {
        let at = |error| Error::io("open", error).at(&self.request.path);
        let is_kept = self.lie == Some(Lie::KeptFile);
        is_kept.then(|| File::open(&self.request.path)).transpose().map_err(at)
    }

    /// One execution of the workload, on the clock from opening to closing.
    pub(super) fn work<T: Value>(&self) -> Result<(Done, Answer<T>)> {
        match self.workload.answer() {
            AnswerKind::File => self.fill(),
            AnswerKind::Values => {
                self.read(|store| extract(store, &self.selection).map(Answer::Values))
            }
            AnswerKind::Sums => self.read(|store| {
                if let Access::Visit(order) = self.workload.access(self.shape, self.request.seed) {
                    return column_sums(store, order, &self.context).map(Answer::Sums);
                }
                let rows = self.selection.resolve(self.shape)?.0;
                let order = match rows {
                    Picks::List(order) => order,
                    Picks::Range { .. } => return Err(no_order()),
                };
                epoch_sums(store, order, &self.context).map(Answer::Sums)
            }),
            AnswerKind::Product => {
                self.read(|store| product(store, &self.context).map(Answer::Sums))
            }
        }
    }

    fn fill<T: Value>(&self) -> Result<(Done, Answer<T>)> {
        let source = self.source::<T>()?;
        let last = self.shape.cols.saturating_sub(1);
        let mut column = Vec::new();
        let options = CreateOptions {
            shape: self.shape,
            dtype: T::DTYPE,
            layout: self.backend.layout(self.order),
            io: self.backend.io(),
            existing: Existing::Refuse,
            file_shape: None,
            context: self.context.clone(),
        };
        let mut watch = Stopwatch::start();
        let mut store = store::create::<T>(&self.request.path, &options)?;
        store.fill_columns(&self.context, &mut |index, out| {
            watch.standing(|| {
                source.column(index, out)?;
                if index == last {
                    column = out.to_vec();
                }
                Ok(())
            })
        })?;
        let filled = watch.elapsed();
        store.sync()?;
        drop(store);
        let done = watch.elapsed();
        if self.lie == Some(Lie::Unsynced) {
            lie::leave_unsynced(&self.request.path)?;
        }
        let reply = Done {
            seconds: done.as_secs_f64(),
            durable_seconds: Some((done - filled).as_secs_f64()),
            stood_seconds: Some(watch.stood().as_secs_f64()),
            ..Done::default()
        };
        Ok((reply, Answer::Column(column)))
    }

    fn read<T: Value>(
        &self,
        work: impl FnOnce(&dyn ArrayStore<Elem = T>) -> Result<Answer<T>>,
    ) -> Result<(Done, Answer<T>)> {
        if self.lie == Some(Lie::LateClock) {
            std::thread::sleep(lie::LATE);
        }
        let watch = Stopwatch::start();
        let store = self.open::<T>()?;
        let answer = work(&*store)?;
        drop(store);
        let mut done = done(watch.elapsed());
        if self.lie == Some(Lie::StandingClock) {
            done.stood_seconds = Some(std::mem::take(&mut done.seconds));
        }
        Ok((done, answer))
    }

    fn open<T: Value>(&self) -> Result<Box<dyn ArrayStore<Elem = T>>> {
        let io = match self.lie {
            Some(Lie::ReadingMap) => Io::Positioned,
            _ => self.backend.io(),
        };
        let options = OpenOptions { io, context: self.context.clone(), ..OpenOptions::default() };
        let store = store::open::<T>(&self.request.path, &options)?;
        let (found, layout) = (store.spec(), self.backend.layout(self.order));
        if (found.shape, found.layout) == (self.shape, layout) {
            return Ok(store);
        }
        let reason = format!(
            "holds {} {} where {} {layout} is needed",
            found.shape, found.layout, self.shape
        );
        Err(Error::new(ErrorKind::ShapeMismatch, "open", reason).at(&self.request.path))
    }

    /// Where the values of a fill come from.
    fn source<T: Value>(&self) -> Result<Source<T>> {
        let data = &self.request.data;
        Ok(match &self.request.input {
            Some(path) => {
                // Of its own memory, since the fill may take all that it is given, and on one thread: see `Observed::sample`.
                let context = Context::new(Budget::new(SOURCE_BYTES)).with_threads(1);
                let options = OpenOptions { context, ..OpenOptions::default() };
                Source::Input(store::open::<T>(path, &options)?)
            }
            None => Source::Generated(Generated {
                seed: self.request.seed,
                shape: self.shape,
                dtype: self.dtype,
                density: data.density,
            }),
        })
    }

    /// Leaves every value at `path`, in a file of `layout`: a dense one without a header, or a sparse one.
    pub(super) fn write_values<T: Value>(&self, path: &Path, layout: Layout) -> Result<()> {
        let Layout::Dense(order) = layout else {
            return self.write_sparse_values::<T>(path, layout);
        };
        let at = |error| Error::io("write", error).at(path);
        let bytes = self.shape.dense_bytes(size_of::<T>())? as u64;
        File::create(path).and_then(|file| file.set_len(bytes)).map_err(at)?;
        let layout = RawLayout { dtype: T::DTYPE, shape: self.shape, order, offset: 0 };
        let options = OpenOptions {
            mode: Mode::ReadWrite,
            raw: Some(layout),
            context: self.context.clone(),
            ..OpenOptions::default()
        };
        let mut values = store::open::<T>(path, &options)?;
        // Not synced: the answer is read once, from the page cache, and removed.
        store::copy(&*self.open::<T>()?, &mut *values, &self.context)
    }

    /// Leaves every entry as the workload is shown them.
    fn write_sparse_values<T: Value>(&self, path: &Path, layout: Layout) -> Result<()> {
        let order = match self.workload.access(self.shape, self.request.seed) {
            Access::Visit(order) => order,
            _ => TileOrder::Any,
        };
        let (visiting, writing) = (self.context.share(1, 2), self.context.share(1, 2));
        let options = CreateOptions {
            context: writing.clone(),
            ..CreateOptions::new(self.shape, T::DTYPE).layout(layout)
        };
        let mut values = store::create::<T>(path, &options)?;
        let mut writer = values.tile_writer(&writing)?;
        self.open::<T>()?.visit(order, &mut |tile| writer.write(&tile), &visiting)?;
        writer.finish()?;
        values.sync()
    }
}

fn no_order() -> Error {
    Error::new(ErrorKind::InvalidArgument, "shuffle", "the order of the rows is not given")
}

fn done(elapsed: Duration) -> Done {
    Done { seconds: elapsed.as_secs_f64(), ..Done::default() }
}
