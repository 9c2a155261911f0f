//! Chunks into cells: fetching what is stored, undoing filters, putting elements where they are wanted.

use std::collections::VecDeque;
use std::ops::Range;

use ndarray::{ArrayViewMut2, s};

use super::grid::{Grid, Line, Run};
use crate::array::{DType, Element, Picks};
use crate::error::{Error, ErrorKind, Result};
use crate::format::hdf5::{Chunks, Stored};
use crate::store::dense::swap_bytes;
use crate::store::{Context, Reservation, StepKind};
use crate::sys::Device;

/// Rows of a chunk that is stored as it is are read each by itself where there are so many times as many of them between the first and
/// the last.
const SCATTERED: usize = 4;

/// Bytes that are asked for ahead of use.
const AHEAD_BYTES: u64 = 16 << 20;

/// What decompressing takes beside the bytes on both sides.
const DECODER_BYTES: u64 = 64 << 10;

/// A dataset's chunks on a device.
#[derive(Debug)]
pub(super) struct Engine {
    pub device: Box<dyn Device>,
    pub grid: Grid,
    pub chunks: Chunks,
    pub item_size: usize,
    /// Bytes of the unit to be reversed where the file is of the other byte order; 1 where it is native.
    pub swap_unit: usize,
}

/// What is wanted of one chunk.
#[derive(Debug, Clone)]
struct Task {
    place: usize,
    /// The first row of its band.
    top: usize,
    lines: Range<usize>,
    runs: Range<usize>,
}

/// What a read is made of: rows, columns, and the chunks in which both are.
#[derive(Debug)]
pub(super) struct Wanted {
    lines: Vec<Line>,
    runs: Vec<Run>,
    tasks: Vec<Task>,
    memory: Reservation,
}

/// Memory for the lists of so many rows and neighbouring columns.
pub(super) fn list_bytes(grid: &Grid, rows: usize, cols: usize) -> u64 {
    (rows * size_of::<Line>() + grid.most_runs(cols, true) * size_of::<Run>()) as u64
}

impl Wanted {
    /// How many chunks it lies in.
    pub fn chunks(&self) -> usize {
        self.tasks.len()
    }

    /// Memory for the lists of it.
    pub fn list_bytes(&self) -> u64 {
        self.memory.bytes()
    }
}

impl Engine {
    /// What is wanted of which chunks.
    pub fn wanted(&self, rows: Picks<'_>, cols: Picks<'_>, context: &Context) -> Result<Wanted> {
        let runs = self.grid.most_runs(cols.len(), cols.as_run().is_some());
        let lists = rows.len() * size_of::<Line>() + runs * size_of::<Run>();
        let memory = context.reserve(lists as u64)?;
        let (lines, runs) = (self.grid.lines(&rows), self.grid.runs(&cols));
        let mut tasks = Vec::new();
        let stripes = grouped(&runs, |run| run.stripe);
        for (band, lines) in grouped(&lines, |line| line.row / self.grid.height) {
            tasks.extend(stripes.iter().map(|(stripe, runs)| Task {
                place: band * self.grid.stripes + stripe,
                top: band * self.grid.height,
                lines: lines.clone(),
                runs: runs.clone(),
            }));
        }
        Ok(Wanted { lines, runs, tasks, memory })
    }

    /// Chunks that are decoded at once, and memory for that.
    pub fn at_once(&self, context: &Context) -> (usize, u64) {
        if self.chunks.pipeline.is_empty() {
            return (1, self.chunks.bytes as u64);
        }
        let stored = self.chunks.stored().iter().map(|chunk| chunk.stored.bytes_in_file());
        let longest = stored.max().unwrap_or(0);
        // While one filter is undone there are the bytes before and after it, and what is kept in case there was none.
        let one = longest + 2 * self.chunks.bytes as u64 + DECODER_BYTES;
        let fitting = usize::try_from(context.available_bytes() / one).unwrap_or(usize::MAX);
        let many = fitting.clamp(1, context.threads());
        (many, one * many as u64)
    }

    /// Bytes that are read for what is wanted.
    pub fn stored_bytes(&self, wanted: &Wanted) -> u64 {
        let chunks =
            wanted.tasks.iter().filter_map(|task| Some((task, self.chunks.at(task.place)?)));
        chunks
            .map(|(task, chunk)| match &chunk.stored {
                Stored::Held(_) => 0,
                Stored::At(range) if !self.chunks.pipeline.is_empty() => range.end - range.start,
                Stored::At(range) => {
                    let pieces = self.pieces(&wanted.lines[task.lines.clone()], task.top);
                    pieces
                        .map(|(rows, _)| self.bytes_of(range, rows))
                        .map(|it| it.end - it.start)
                        .sum()
                }
            })
            .sum()
    }

    /// Copies what is wanted into `out`, whose shape is the selection's.
    pub fn read<T: Element>(
        &self,
        wanted: &Wanted,
        mut out: ArrayViewMut2<'_, T>,
        context: &Context,
    ) -> Result<()> {
        let (at_once, memory) = self.at_once(context);
        let _memory = context.reserve(memory)?;
        let _step = context.step(StepKind::DecodeChunks);
        let mut ahead = Ahead::new(&wanted.tasks);
        for tasks in wanted.tasks.chunks(at_once) {
            ahead.ask(self, tasks.len());
            let mut decoded: Vec<Result<Option<Vec<u8>>>> =
                tasks.iter().map(|_| Ok(None)).collect();
            let parts: Vec<_> = tasks.iter().zip(&mut decoded).collect();
            if self.chunks.pipeline.is_empty() || tasks.len() == 1 {
                parts.into_iter().for_each(|(task, decoded)| *decoded = self.decoded(task));
            } else {
                context.for_each(parts, |_, (task, decoded)| *decoded = self.decoded(task));
            }
            for (task, decoded) in tasks.iter().zip(decoded) {
                let (lines, runs) =
                    (&wanted.lines[task.lines.clone()], &wanted.runs[task.runs.clone()]);
                let decoded = decoded.map_err(|error| self.named(error))?;
                self.put(task, decoded.as_deref(), lines, runs, &mut out)?;
                let bytes =
                    lines.len() * runs.iter().map(|run| run.len).sum::<usize>() * size_of::<T>();
                context.advance(bytes as u64)?;
            }
        }
        Ok(())
    }

    /// The elements of a chunk to which filters were applied; none of others.
    fn decoded(&self, task: &Task) -> Result<Option<Vec<u8>>> {
        let pipeline = &self.chunks.pipeline;
        let Some(chunk) = self.chunks.at(task.place).filter(|_| !pipeline.is_empty()) else {
            return Ok(None);
        };
        let stored = match &chunk.stored {
            Stored::Held(bytes) => bytes.clone(),
            Stored::At(range) => {
                let mut bytes = vec![0; (range.end - range.start) as usize];
                self.device.read_into(range.start, &mut bytes)?;
                bytes
            }
        };
        let mut bytes = pipeline.decode(stored, chunk.skipped, chunk.is_edge)?;
        swap_bytes(self.swap_unit, &mut bytes);
        Ok(Some(bytes))
    }

    /// Puts what is wanted of a chunk where it belongs.
    fn put<T: Element>(
        &self,
        task: &Task,
        decoded: Option<&[u8]>,
        lines: &[Line],
        runs: &[Run],
        out: &mut ArrayViewMut2<'_, T>,
    ) -> Result<()> {
        let line_bytes = self.grid.width * self.item_size;
        if let Some(bytes) = decoded {
            return self.scatter(bytes, task.top, lines, runs, out);
        }
        match self.chunks.at(task.place).map(|chunk| &chunk.stored) {
            None => {
                let mut fill = self.chunks.fill.clone();
                swap_bytes(self.swap_unit, &mut fill);
                let value = self.element::<T>(&fill)?;
                for line in lines {
                    for run in runs {
                        out.slice_mut(s![line.at, run.at..run.at + run.len]).fill(value);
                    }
                }
                Ok(())
            }
            Some(Stored::Held(bytes)) => self.put_plain(bytes, task.top, lines, runs, out),
            Some(Stored::At(range)) => {
                for (rows, these) in self.pieces(lines, task.top) {
                    let lines = &lines[these];
                    let part = self.bytes_of(range, rows.clone());
                    debug_assert_eq!((part.end - part.start) as usize, rows.len() * line_bytes);
                    self.device.with(part, &mut |bytes| {
                        self.put_plain(bytes, task.top + rows.start, lines, runs, out)
                    })?;
                }
                Ok(())
            }
        }
    }

    /// The bytes of some rows of a chunk that is stored as it is, from `stored.start` on.
    fn bytes_of(&self, stored: &Range<u64>, rows: Range<usize>) -> Range<u64> {
        let line_bytes = (self.grid.width * self.item_size) as u64;
        stored.start + rows.start as u64 * line_bytes..stored.start + rows.end as u64 * line_bytes
    }

    /// The rows of a chunk that are read together, counted from its first, and which of `lines` these are.
    fn pieces<'l>(
        &self,
        lines: &'l [Line],
        top: usize,
    ) -> impl Iterator<Item = (Range<usize>, Range<usize>)> + 'l {
        let span = match lines {
            [] => 0..0,
            [first, .., last] => first.row - top..last.row - top + 1,
            [only] => only.row - top..only.row - top + 1,
        };
        let is_scattered = span.len() > SCATTERED * lines.len();
        let count = if is_scattered { lines.len() } else { usize::from(!lines.is_empty()) };
        (0..count).map(move |index| match is_scattered {
            true => {
                let row = lines[index].row - top;
                (row..row + 1, index..index + 1)
            }
            false => (span.clone(), 0..lines.len()),
        })
    }

    /// Puts elements that lie as they are stored.
    fn put_plain<T: Element>(
        &self,
        bytes: &[u8],
        top: usize,
        lines: &[Line],
        runs: &[Run],
        out: &mut ArrayViewMut2<'_, T>,
    ) -> Result<()> {
        if self.swap_unit == 1 {
            return self.scatter(bytes, top, lines, runs, out);
        }
        let mut bytes = bytes.to_vec();
        swap_bytes(self.swap_unit, &mut bytes);
        self.scatter(&bytes, top, lines, runs, out)
    }

    /// Puts elements of this machine's byte order, of a chunk's rows from `top` on.
    fn scatter<T: Element>(
        &self,
        bytes: &[u8],
        top: usize,
        lines: &[Line],
        runs: &[Run],
        out: &mut ArrayViewMut2<'_, T>,
    ) -> Result<()> {
        let item = self.item_size;
        let line_bytes = self.grid.width * item;
        for line in lines {
            let values = &bytes[(line.row - top) * line_bytes..][..line_bytes];
            for run in runs {
                let from = &values[run.within * item..][..run.len * item];
                if run.len == 1 {
                    out[(line.at, run.at)] = self.element(from)?;
                    continue;
                }
                let mut target = out.slice_mut(s![line.at, run.at..run.at + run.len]);
                match target.as_slice_mut() {
                    Some(target) => {
                        bytemuck::must_cast_slice_mut(&mut *target).copy_from_slice(from)
                    }
                    None => {
                        for (value, from) in target.iter_mut().zip(from.chunks_exact(item)) {
                            *value = bytemuck::pod_read_unaligned(from);
                        }
                    }
                }
                if T::DTYPE == DType::Bool && !target.iter().all(Element::is_valid) {
                    return Err(self.named(no_boolean()));
                }
            }
        }
        Ok(())
    }

    /// The element of these bytes.
    fn element<T: Element>(&self, bytes: &[u8]) -> Result<T> {
        let value: T = bytemuck::pod_read_unaligned(bytes);
        if value.is_valid() { Ok(value) } else { Err(self.named(no_boolean())) }
    }

    /// `error`, about this file.
    pub fn named(&self, error: Error) -> Error {
        match self.device.path() {
            Some(path) => error.at(path),
            None => error,
        }
    }
}

fn no_boolean() -> Error {
    let reason = "a boolean element is neither 0 nor 1: the file holds something else";
    Error::new(ErrorKind::Malformed, "read", reason)
}

/// Neighbours of one key, with their places.
fn grouped<T>(items: &[T], key: impl Fn(&T) -> usize) -> Vec<(usize, Range<usize>)> {
    let mut groups: Vec<(usize, Range<usize>)> = Vec::new();
    for (at, item) in items.iter().enumerate() {
        match groups.last_mut() {
            Some((known, range)) if *known == key(item) => range.end = at + 1,
            _ => groups.push((key(item), at..at + 1)),
        }
    }
    groups
}

/// What is asked for ahead of use.
#[derive(Debug)]
struct Ahead<'t> {
    tasks: &'t [Task],
    /// Bytes that were asked for and not used yet, of each chunk.
    waiting: VecDeque<u64>,
    bytes: u64,
}

impl<'t> Ahead<'t> {
    fn new(tasks: &'t [Task]) -> Self {
        Self { tasks, waiting: VecDeque::new(), bytes: 0 }
    }

    /// Asks for what follows, as `used` chunks are taken.
    fn ask(&mut self, engine: &Engine, used: usize) {
        let mut ranges = Vec::new();
        while self.bytes < AHEAD_BYTES || self.waiting.len() < used {
            let Some((task, rest)) = self.tasks.split_first() else { break };
            self.tasks = rest;
            let stored = engine.chunks.at(task.place).map(|chunk| &chunk.stored);
            let range = match stored {
                Some(Stored::At(range)) if !engine.chunks.pipeline.is_empty() => range.clone(),
                _ => 0..0,
            };
            self.bytes += range.end - range.start;
            self.waiting.push_back(range.end - range.start);
            if !range.is_empty() {
                ranges.push(range);
            }
        }
        if !ranges.is_empty() {
            engine.device.prefetch(&ranges);
        }
        for _ in 0..used {
            self.bytes -= self.waiting.pop_front().unwrap_or(0);
        }
    }
}
