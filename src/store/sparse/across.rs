//! Lines of the other axis on their way into the file: columns into rows, or rows into columns.
//!
//! They wait in a stage until they are turned all at once. Where they are so many and short that turning them would leave
//! the memory or the cache, their entries are sorted instead.

use std::ops::Range;

use super::Engine;
use super::base::window_bytes;
use super::builder::{Builder, most_entries};
use super::ints::{Int, Ints, with_indices};
use super::merge::{Covered, merge_turned};
use super::sorter::{Arrival, Emitted, Keys, Sorter};
use super::stage::{Part, Stage, stage_memory};
use super::stretches::Stretches;
use super::turn::{Lines, Turned};
use crate::array::Bits;
use crate::error::Result;
use crate::store::{Context, Indices};

/// Lines that wait.
#[derive(Debug)]
pub(super) enum Across<W> {
    Staged(Stage),
    Sorted(Box<Sorting<W>>),
}

impl<W: Bits> Across<W> {
    /// None waits yet.
    pub(super) fn new(engine: &Engine<W>, context: &Context) -> Result<Self> {
        let facts = engine.facts;
        let memory = stage_memory(context)?;
        let item_bytes = facts.dtype.item_size();
        Ok(Self::Staged(Stage::new(facts.lines(), item_bytes, engine.target(), memory)?))
    }

    /// Sees to it that there is room for a line more, and says whether it may be line `index`: not, where an older
    /// one is being sorted, and where the list of those has grown beyond its share.
    pub(super) fn takes(
        &mut self,
        index: usize,
        engine: &Engine<W>,
        context: &Context,
    ) -> Result<bool> {
        if let Self::Staged(stage) = self
            && (stage.is_full() || stage.is_better_turned(window_bytes(context)))
        {
            let lines = stage.indices().len().max(1) as u64;
            let entries = stage.entries() / lines + 1;
            self.sorted(entries, engine, context)?;
        }
        let most = context.budget().effective_bytes() / 16;
        Ok(match self {
            Self::Staged(_) => true,
            Self::Sorted(sorting) => sorting.takes(index) && sorting.given.bytes() <= most,
        })
    }

    /// From now on entries are sorted, of which each line is expected to have so many.
    fn sorted(
        &mut self,
        line_entries: u64,
        engine: &Engine<W>,
        context: &Context,
    ) -> Result<&mut Sorting<W>> {
        if let Self::Staged(stage) = self {
            let sorting = Sorting::of_staged(stage, line_entries, engine, context)?;
            // The stage's memory is for sorting.
            *self = Self::Sorted(Box::new(sorting));
            let Self::Sorted(sorting) = self else { unreachable!("it was just begun") };
            sorting.sorter.widen()?;
        }
        let Self::Sorted(sorting) = self else { unreachable!("what was staged is being sorted") };
        Ok(sorting)
    }

    /// Whether line `index` came already.
    pub(super) fn has(&self, index: usize) -> bool {
        match self {
            Self::Staged(stage) => stage.holds(index),
            Self::Sorted(sorting) => sorting.given.contains(index),
        }
    }

    /// Takes the line `index`, for which there is room, with these values.
    pub(super) fn put_dense(&mut self, index: usize, values: &[W]) -> Result<()> {
        match self {
            Self::Staged(stage) => stage.put_dense(index, values),
            Self::Sorted(sorting) => {
                sorting.begin_line(index);
                sorting.put_dense(index, 0, values)
            }
        }
    }

    /// Takes the line `index`, for which there is room, with these entries.
    pub(super) fn put_entries(
        &mut self,
        index: usize,
        indices: Indices<'_>,
        values: &[W],
    ) -> Result<()> {
        match self {
            Self::Staged(stage) => stage.put_entries(index, indices, values),
            Self::Sorted(sorting) => {
                sorting.begin_line(index);
                sorting.put_part(index, 0, indices, values)
            }
        }
    }

    /// Whether line `index` came as far as position `end`, and not further.
    pub(super) fn is_begun(&self, index: usize, end: usize) -> bool {
        matches!(self, Self::Sorted(sorting) if sorting.begun == Some((index, end)))
    }

    /// Takes entries of the line `index`, which cover these of its positions: from its first one on, where there is room
    /// for the line, or from where it [was begun](Across::is_begun). What does not come of it before another line stays
    /// what it was.
    pub(super) fn put_part(
        &mut self,
        index: usize,
        positions: &Range<usize>,
        (indices, values): (Indices<'_>, &[W]),
        engine: &Engine<W>,
        context: &Context,
    ) -> Result<()> {
        let length = engine.facts.lines();
        let share = (length / positions.len().max(1) + 1) as u64;
        let sorting = self.sorted(share.saturating_mul(values.len() as u64), engine, context)?;
        if positions.start == 0 {
            sorting.begin_line(index);
        }
        sorting.begun = (positions.end < length).then_some((index, positions.end));
        sorting.put_part(index, positions.start, indices, values)
    }

    /// Takes many lines from `first` on at once, if it can.
    pub(super) fn put_lines(
        &mut self,
        first: usize,
        offsets: &[usize],
        indices: Indices<'_>,
        values: &[W],
    ) -> Result<bool> {
        match self {
            Self::Sorted(sorting) if sorting.is_behind(first) => {
                sorting.put_lines(first, offsets, indices, values)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Writes the file anew, with all that waits in the place of what was there.
    pub(super) fn finish(self, engine: &mut Engine<W>, context: &Context) -> Result<()> {
        match self {
            Self::Staged(stage) => {
                let mut file = NewFile::begin(engine, stage.entries())?;
                let covered = |_, index| stage.holds(index);
                turn(engine, &stage, context, &mut |lines, turned| {
                    file.put(engine, &lines, turned.lines(), &covered, context)
                })?;
                engine.replace(file.builder.finish()?)
            }
            Self::Sorted(sorting) => sorting.finish(engine, context),
        }
    }
}

/// Entries that are sorted at a time, beside those that wait.
const BATCH_ENTRIES: usize = 4 << 10;

/// Lines whose entries are being sorted.
#[derive(Debug)]
pub(super) struct Sorting<W> {
    sorter: Sorter<W>,
    places: Keys,
    /// The lines that were given, the last of them, and whether they all came in order. Where they did, and the file holds
    /// nothing that they cover, also lines between them: these have no entries.
    given: Stretches,
    last: Option<usize>,
    is_rising: bool,
    is_alone: bool,
    /// The line that was given last, and its positions before which it was, where that is not all of it.
    begun: Option<(usize, usize)>,
    entries: u64,
    /// Entries on their way to the sorter.
    keys: Vec<u64>,
    values: Vec<W>,
}

impl<W: Bits> Sorting<W> {
    /// Begins with what waits in `stage`, where each line is expected to have so many entries.
    fn of_staged(
        stage: &Stage,
        line_entries: u64,
        engine: &Engine<W>,
        context: &Context,
    ) -> Result<Self> {
        let facts = engine.facts;
        let expected = line_entries.saturating_mul(facts.length() as u64);
        let coming = (expected.min(most_entries(facts)), Arrival::ByPosition);
        let sorter = Sorter::new(facts, coming, engine.target(), engine.sum, context.clone())?;
        let mut sorting = Self {
            places: sorter.keys(),
            sorter,
            given: Stretches::default(),
            last: None,
            is_rising: true,
            is_alone: engine.is_empty(),
            begun: None,
            entries: 0,
            keys: Vec::new(),
            values: Vec::new(),
        };
        let mut buffer = Vec::new();
        for (index, stored) in stage.iter() {
            sorting.begin_line(index);
            for from in (0..stored.entries()).step_by(BATCH_ENTRIES) {
                let part = from..stored.entries().min(from + BATCH_ENTRIES);
                buffer.resize(stage.logged_bytes(&stored, part.len()).div_ceil(8), 0u64);
                let mut room = bytemuck::cast_slice_mut(&mut buffer);
                match stage.part::<W>(&stored, part, &mut room)? {
                    Part::Entries(indices, values) => {
                        sorting.put_part(index, 0, indices, values)?;
                    }
                    Part::Dense(values) => sorting.put_dense(index, from, values)?,
                }
            }
        }
        sorting.flush()?;
        Ok(sorting)
    }

    /// Whether the next line may be line `index`: not, where it came already, nor where a line before it came in part
    /// and lies over what the file holds.
    fn takes(&self, index: usize) -> bool {
        !self.given.contains(index) && (self.begun.is_none() || self.is_alone)
    }

    /// Notes that line `index` comes next, which did not come before.
    fn begin_line(&mut self, index: usize) {
        self.begun = None;
        if self.is_rising && self.last.is_some_and(|last| index < last) {
            self.is_rising = false;
            self.sorter.lose_order();
        }
        match self.is_alone && self.is_rising {
            true => self.given.extend_to(index),
            false => self.given.insert(index),
        }
        self.last = Some(index);
    }

    /// Whether all lines came in order, cover nothing, and lie before line `first`.
    fn is_behind(&self, first: usize) -> bool {
        self.is_alone && self.is_rising && self.last.is_none_or(|last| first > last)
    }

    /// Takes lines from `first` on, which is behind all others.
    fn put_lines(
        &mut self,
        first: usize,
        offsets: &[usize],
        indices: Indices<'_>,
        values: &[W],
    ) -> Result<()> {
        with_indices!(indices, list => {
            for (index, ends) in (first..).zip(offsets.windows(2)) {
                self.put_list(index, 0, &list[ends[0]..ends[1]], &values[ends[0]..ends[1]])?;
            }
        });
        let last = first + offsets.len() - 2;
        self.given.extend_to(last);
        (self.last, self.begun) = (Some(last), None);
        Ok(())
    }

    /// Takes entries of line `index`, whose positions are counted from `start` on.
    fn put_part(
        &mut self,
        index: usize,
        start: usize,
        indices: Indices<'_>,
        values: &[W],
    ) -> Result<()> {
        with_indices!(indices, list => self.put_list(index, start, list, values))
    }

    fn put_list<I: Int>(
        &mut self,
        index: usize,
        start: usize,
        list: &[I],
        values: &[W],
    ) -> Result<()> {
        for (list, values) in list.chunks(BATCH_ENTRIES).zip(values.chunks(BATCH_ENTRIES)) {
            self.keys.extend(list.iter().map(|at| self.places.of(start + at.position(), index)));
            self.values.extend_from_slice(values);
            self.flush_full()?;
        }
        Ok(())
    }

    /// Takes what is not zero of values of line `index` from `first` on.
    fn put_dense(&mut self, index: usize, first: usize, values: &[W]) -> Result<()> {
        let zero = W::default();
        for (chunk, values) in values.chunks(BATCH_ENTRIES).enumerate() {
            let first = first + chunk * BATCH_ENTRIES;
            for (at, &value) in (first..).zip(values).filter(|&(_, &value)| value != zero) {
                self.keys.push(self.places.of(at, index));
                self.values.push(value);
            }
            self.flush_full()?;
        }
        Ok(())
    }

    fn flush_full(&mut self) -> Result<()> {
        if self.keys.len() >= BATCH_ENTRIES { self.flush() } else { Ok(()) }
    }

    /// Hands entries to the sorter.
    fn flush(&mut self) -> Result<()> {
        self.entries += self.keys.len() as u64;
        self.sorter.add(&self.keys, &self.values)?;
        self.keys.clear();
        self.values.clear();
        Ok(())
    }

    fn finish(mut self, engine: &mut Engine<W>, context: &Context) -> Result<()> {
        self.flush()?;
        let mut file = NewFile::begin(engine, self.entries)?;
        let (given, begun, shown) = (&self.given, self.begun, &*engine);
        let covered = |line, index| {
            given.contains(index) && begun.is_none_or(|(last, end)| index != last || line < end)
        };
        self.sorter.finish(&mut |lines, emitted| match emitted {
            Emitted::Lines(made) => file.put(shown, &lines, made, &covered, context),
            Emitted::Part(made, _) if file.is_alone => {
                file.builder.push_part(made.indices, made.values, context)
            }
            Emitted::Part(made, positions) => {
                let place = (&lines, &positions);
                merge_turned(shown, place, made, &covered, &mut file.builder, context)
            }
            Emitted::End => file.builder.end_line(),
        })?;
        engine.replace(file.builder.finish()?)
    }
}

/// The file that takes the old one's place.
struct NewFile {
    builder: Builder,
    /// Whether the old one holds nothing.
    is_alone: bool,
}

impl NewFile {
    fn begin<W: Bits>(engine: &mut Engine<W>, entries: u64) -> Result<Self> {
        let others = engine.base.entries() + engine.overlay.entries();
        let expected = (entries + others).min(most_entries(engine.facts));
        Ok(Self { builder: engine.builder(expected)?, is_alone: engine.is_empty() })
    }

    /// Appends lines: what was made of them, and what the old file holds where that covers nothing.
    fn put<W: Bits>(
        &mut self,
        engine: &Engine<W>,
        lines: &Range<usize>,
        made: Lines<'_, W>,
        covered: &Covered<'_>,
        context: &Context,
    ) -> Result<()> {
        if self.is_alone {
            return self.builder.push(made.offsets, made.indices, made.values, context);
        }
        let place = (lines, &(0..engine.facts.length()));
        merge_turned(engine, place, made, covered, &mut self.builder, context)
    }
}

/// Who is shown lines of the file, put together from all that waited.
type ShowTurned<'s, W> = dyn FnMut(Range<usize>, &Turned<W>) -> Result<()> + 's;

/// Shows all lines of the file, block by block, each put together from all staged lines of the other axis.
fn turn<W: Bits>(
    engine: &Engine<W>,
    stage: &Stage,
    context: &Context,
    show: &mut ShowTurned<'_, W>,
) -> Result<()> {
    let facts = engine.facts;
    let room = window_bytes(context);
    let _memory = context.reserve(room * 2)?;
    let entry = (Ints::width(facts.length()).bytes() + size_of::<W>()) as u64;
    let average = stage.entries().div_ceil(facts.lines().max(1) as u64).max(1);
    let expected_lines = (room / (entry * average + 16)).max(1);
    let mut turned = Turned::new(facts.length());
    let mut buffer: Vec<u64> = Vec::new();
    // For each line that waits: how many of its entries were turned, and how many will be after the next block.
    let mut turned_entries = vec![0; stage.iter().len()];
    let mut next_entries = turned_entries.clone();
    let mut line = 0;
    while line < facts.lines() {
        let mut lines = line..facts.lines().min(line + expected_lines as usize);
        let logged = loop {
            let (mut logged, mut entries) = (0, 0);
            let counts = turned_entries.iter().zip(&mut next_entries);
            for ((_, stored), (&from, next)) in stage.iter().zip(counts) {
                *next = stage.below(&stored, from, lines.end)?;
                logged += stage.logged_bytes(&stored, *next - from);
                entries += *next - from;
            }
            let bytes = entries as u64 * entry + lines.len() as u64 * 8;
            if lines.len() == 1 || (bytes <= room && logged as u64 <= room) {
                break logged;
            }
            lines.end = lines.start + lines.len() / 2;
        };
        buffer.resize(logged.div_ceil(8), 0);
        let mut rest: &mut [u8] = bytemuck::cast_slice_mut(&mut buffer);
        let mut parts = Vec::with_capacity(stage.indices().len());
        let counts = turned_entries.iter_mut().zip(&next_entries);
        for ((index, stored), (from, &next)) in stage.iter().zip(counts) {
            parts.push((index, stage.part::<W>(&stored, *from..next, &mut rest)?));
            *from = next;
        }
        turned.make(lines.clone(), &parts, context);
        show(lines.clone(), &turned)?;
        context.advance(turned.values.len() as u64 * entry)?;
        line = lines.end;
    }
    Ok(())
}
