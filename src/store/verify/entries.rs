//! Two sparse matrices compared entry by entry: both are visited at once, in one order, the other one by a thread of its own.
//!
//! What has no entry and what has one of +0.0 are equal: both are cells of zero bits.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::{Difference, note};
use crate::array::{Compression, Element};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{ArrayStore, Compressed, Context, Layout, Tile, TileOrder, Values};

/// Entries that are handed over at a time, at most.
const RUN_ENTRIES: u64 = 64 << 10;

/// Runs that are there at once: one of each matrix that is being filled, one that waits, and one that is compared.
const RUNS: u64 = 4;

/// Entries whose bits are not zero, in the order of a visit.
struct Run<T> {
    /// (line, position): rows and columns in a visit of rows, columns and rows in one of columns.
    places: Vec<(usize, usize)>,
    values: Vec<T>,
}

impl<T: Element> Run<T> {
    fn with_capacity(entries: usize) -> Self {
        Self { places: Vec::with_capacity(entries), values: Vec::with_capacity(entries) }
    }

    fn push(&mut self, place: (usize, usize), value: T) {
        if !value.is_zero_bits() {
            self.places.push(place);
            self.values.push(value);
        }
    }

    fn clear(&mut self) {
        self.places.clear();
        self.values.clear();
    }
}

/// Compares the entries of two matrices of one shape.
pub(super) fn compare<T: Element>(
    one: &dyn ArrayStore<Elem = T>,
    other: &dyn ArrayStore<Elem = T>,
    context: &Context,
) -> Result<Option<Difference<T>>> {
    let order = order_of(one, other);
    let entry_bytes = (size_of::<(usize, usize)>() + size_of::<T>()) as u64;
    let fit = context.available_bytes() / 4 / (RUNS * entry_bytes);
    let most = fit.clamp(1, RUN_ENTRIES) as usize;
    let _memory = context.reserve(RUNS * most as u64 * entry_bytes)?;
    let (visiting, theirs) = (context.share(1, 2), context.share(1, 2));
    let (send, receive) = sync_channel(0);
    let mut comparison = Comparison { order, theirs: Theirs::new(receive), found: None };
    thread::scope(|scope| {
        scope.spawn(move || {
            // That nobody takes them any more has a reason of its own.
            let taken = runs(other, order, most, &theirs, &mut |run| hand_over(&send, run));
            if let Err(error) = taken {
                let _ = send.send(Err(error));
            }
        });
        let compared = runs(one, order, most, &visiting, &mut |run| comparison.take(run));
        let ended = compared.and_then(|()| comparison.end());
        // From here on nobody takes what the other visit finds: it ends.
        let found = comparison.into_found();
        ended.map(|()| found)
    })
}

/// The order in which the larger of the two lies.
fn order_of<T: Element>(
    one: &dyn ArrayStore<Elem = T>,
    other: &dyn ArrayStore<Elem = T>,
) -> TileOrder {
    let larger = if one.stats().stored >= other.stats().stored { one } else { other };
    match larger.spec().layout {
        Layout::Sparse(Compression::Csr) | Layout::Dense(_) => TileOrder::Rows,
        Layout::Sparse(Compression::Csc) => TileOrder::Columns,
    }
}

/// Gives a run to whoever compares, for an empty one.
fn hand_over<T: Element>(send: &SyncSender<Result<Run<T>>>, run: &mut Run<T>) -> Result<()> {
    let empty = Run::with_capacity(run.values.len());
    let is_taken = send.send(Ok(std::mem::replace(run, empty))).is_ok();
    if is_taken { Ok(()) } else { Err(Error::new(ErrorKind::Cancelled, "verify", "was ended")) }
}

/// Shows all entries of a matrix, no more than `most` at a time.
fn runs<T: Element>(
    store: &dyn ArrayStore<Elem = T>,
    order: TileOrder,
    most: usize,
    context: &Context,
    show: &mut dyn FnMut(&mut Run<T>) -> Result<()>,
) -> Result<()> {
    let mut run = Run::with_capacity(most);
    store.visit(
        order,
        &mut |tile| {
            each_entry(&tile, order, &mut |place, value| {
                run.push(place, value);
                if run.values.len() < most {
                    return Ok(());
                }
                show(&mut run)?;
                run.clear();
                Ok(())
            })
        },
        context,
    )?;
    show(&mut run)
}

/// Who is shown entries: line, position, and value.
type ShowEntry<'s, T> = dyn FnMut((usize, usize), T) -> Result<()> + 's;

/// Shows the elements of a tile in the order of the visit.
fn each_entry<T: Element>(
    tile: &Tile<'_, T>,
    order: TileOrder,
    show: &mut ShowEntry<'_, T>,
) -> Result<()> {
    let by_columns = order == TileOrder::Columns;
    let (lines, positions) =
        if by_columns { (&tile.cols, &tile.rows) } else { (&tile.rows, &tile.cols) };
    let place = |line: usize, position: usize| (lines.start + line, positions.start + position);
    match &tile.values {
        Values::Dense(block) => {
            let block = if by_columns { block.t() } else { block.view() };
            block.indexed_iter().try_for_each(|((l, p), &value)| show(place(l, p), value))
        }
        Values::Sparse(block) if (block.compression == Compression::Csc) == by_columns => {
            each_of_lines(block, &mut |at, value| show(place(at.0, at.1), value))
        }
        Values::Sparse(block) => {
            let mut turned: Vec<_> = Vec::with_capacity(block.data.len());
            each_of_lines(block, &mut |(l, p), value| {
                turned.push((place(p, l), value));
                Ok(())
            })?;
            turned.sort_unstable_by_key(|entry| entry.0);
            turned.into_iter().try_for_each(|(place, value)| show(place, value))
        }
    }
}

fn each_of_lines<T: Element>(block: &Compressed<'_, T>, show: &mut ShowEntry<'_, T>) -> Result<()> {
    (0..block.lines()).try_for_each(|line| {
        block.line(line).try_for_each(|(position, &value)| show((line, position), value))
    })
}

/// The other matrix' entries, as they come.
struct Theirs<T> {
    receive: Receiver<Result<Run<T>>>,
    run: Run<T>,
    /// How many of the run were compared.
    done: usize,
    has_ended: bool,
}

impl<T: Element> Theirs<T> {
    fn new(receive: Receiver<Result<Run<T>>>) -> Self {
        Self { receive, run: Run::with_capacity(0), done: 0, has_ended: false }
    }

    /// Sees to it that there is an entry that was not compared, unless all were.
    fn fill(&mut self) -> Result<()> {
        while self.done == self.run.values.len() && !self.has_ended {
            match self.receive.recv() {
                Ok(run) => (self.run, self.done) = (run?, 0),
                Err(_) => self.has_ended = true,
            }
        }
        Ok(())
    }

    fn left(&self) -> (&[(usize, usize)], &[T]) {
        (&self.run.places[self.done..], &self.run.values[self.done..])
    }
}

struct Comparison<T> {
    order: TileOrder,
    theirs: Theirs<T>,
    found: Option<Difference<T>>,
}

impl<T: Element> Comparison<T> {
    /// Compares a run of the one with what there is of the other up to its last entry.
    fn take(&mut self, run: &Run<T>) -> Result<()> {
        let mut begin = 0;
        while begin < run.values.len() {
            self.theirs.fill()?;
            let (places, values) = self.theirs.left();
            let (ours, our_values) = (&run.places[begin..], &run.values[begin..]);
            let count = ours.len().min(places.len());
            if count > 0
                && ours[..count] == places[..count]
                && bits(&our_values[..count]) == bits(&values[..count])
            {
                begin += count;
                self.theirs.done += count;
                continue;
            }
            let (mut at, mut there) = (0, 0);
            let mut differing = Vec::new();
            // Where the other's run ends, the next one of it goes on; where it has none, zeros are what it has.
            while at < ours.len() && (there < places.len() || self.theirs.has_ended) {
                let (place, other) = (ours[at], places.get(there).copied());
                let is_first = other.is_none_or(|other| place <= other);
                let is_second = other.is_some_and(|other| other <= place);
                let here = if is_first { our_values[at] } else { T::zeroed() };
                let value = if is_second { values[there] } else { T::zeroed() };
                let differ = bytemuck::bytes_of(&here) != bytemuck::bytes_of(&value);
                if differ {
                    let place = if is_first { place } else { other.unwrap_or(place) };
                    differing.push((place, here, value));
                }
                at += usize::from(is_first);
                there += usize::from(is_second);
            }
            begin += at;
            self.theirs.done += there;
            for (place, here, value) in differing {
                self.note(place, here, value);
            }
        }
        Ok(())
    }

    /// Compares what is left of the other, of which the one has nothing.
    fn end(&mut self) -> Result<()> {
        loop {
            self.theirs.fill()?;
            if self.theirs.has_ended {
                return Ok(());
            }
            let run = std::mem::replace(&mut self.theirs.run, Run::with_capacity(0));
            let done = std::mem::take(&mut self.theirs.done);
            for (&place, &value) in run.places[done..].iter().zip(&run.values[done..]) {
                self.note(place, T::zeroed(), value);
            }
        }
    }

    fn into_found(self) -> Option<Difference<T>> {
        self.found
    }

    fn note(&mut self, (line, position): (usize, usize), here: T, there: T) {
        let cell = match self.order {
            TileOrder::Columns => (position, line),
            TileOrder::Rows | TileOrder::Any => (line, position),
        };
        note(&mut self.found, cell, (here, there));
    }
}

fn bits<T: Element>(values: &[T]) -> &[u8] {
    bytemuck::cast_slice(values)
}
