//! Few positions of many lines: looked for in the indices alone, from front to back, each thread in lines of its own.
//!
//! Neither order nor duplicates matter to such a search, so nothing is checked but that indices are in range, and
//! values are read where something was found.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::Engine;
use super::base::{Buffers, values, window_bytes};
use super::gather::{Cells, Wanted};
use super::ints::{Int, is_below, with_indices};
use crate::array::{Bits, DType};
use crate::error::Result;
use crate::store::{Context, Indices};
use crate::sys::{Kernel, bring_near, in_widest_vectors};

/// Neighbouring positions at which a line by line search is as good.
pub(super) const MOST_POSITIONS: usize = 16;

/// Indices that are compared before it is asked whether any was meant.
const GROUP: usize = 128;

/// Indices between those that are compared and those that are brought near.
const AHEAD: usize = 1024;

/// Entries below which a search is not worth another thread's wake-up.
const PARALLEL_ENTRIES: u64 = 1 << 17;

/// Parts of a search for each thread: enough that none waits long for the last one.
const PARTS_PER_THREAD: usize = 4;

impl<W: Bits> Engine<W> {
    /// Reads the `wanted` positions of `lines` of a file over which nothing was written, into cells that are zero.
    pub(super) fn scan(
        &self,
        lines: Range<usize>,
        wanted: &Wanted,
        out: &mut Cells<'_, W>,
        context: &Context,
    ) -> Result<()> {
        self.base.ready(context)?;
        let first = lines.start;
        let out = Mutex::new(out);
        let threads = context.threads();
        if threads == 1 || self.base.entries() < PARALLEL_ENTRIES {
            return Searching::new(self, first, wanted, &out).lines(lines, context);
        }
        let mut parts = Vec::new();
        for share in self.shares(PARTS_PER_THREAD * threads)? {
            let own = share.start.max(lines.start)..share.end.min(lines.end);
            if !own.is_empty() {
                parts.push((own, Ok(())));
            }
        }
        context.for_each(parts.iter_mut().collect(), |_, (own, done)| {
            let context = context.share(1, threads as u64).with_threads(1);
            *done = Searching::new(self, first, wanted, &out).lines(own.clone(), &context);
        });
        parts.into_iter().try_for_each(|(_, done)| done)
    }
}

/// A thread's search.
struct Searching<'s, 'c, W> {
    engine: &'s Engine<W>,
    /// The line that is the first pick.
    first: usize,
    wanted: &'s Wanted,
    out: &'s Mutex<&'s mut Cells<'c, W>>,
    /// The line of what was found last.
    line: usize,
    /// Its cells that have a value, and the highest position among them: what comes above that comes first.
    seen: Vec<usize>,
    highest: usize,
    /// The same cells, where positions do not rise.
    set: HashSet<usize>,
    places: Vec<u32>,
}

impl<'s, 'c, W: Bits> Searching<'s, 'c, W> {
    fn new(
        engine: &'s Engine<W>,
        first: usize,
        wanted: &'s Wanted,
        out: &'s Mutex<&'s mut Cells<'c, W>>,
    ) -> Self {
        Self {
            engine,
            first,
            wanted,
            out,
            line: first,
            seen: Vec::new(),
            highest: 0,
            set: HashSet::new(),
            places: Vec::new(),
        }
    }

    /// Looks through `lines`, window by window.
    fn lines(&mut self, lines: Range<usize>, context: &Context) -> Result<()> {
        // Indices and values where they must be copied, what was found, and where lines end.
        let bytes = window_bytes(context);
        let _memory = context.reserve(3 * bytes)?;
        let base = &self.engine.base;
        let most = (bytes / base.entry_bytes() as u64).max(1);
        let most_lines =
            usize::try_from(bytes / size_of::<u64>() as u64).unwrap_or(usize::MAX).max(1);
        let (mut buffers, mut ends) = (Buffers::default(), Vec::new());
        let mut line = lines.start;
        self.line = line;
        while line < lines.end {
            let these = line..lines.end.min(line.saturating_add(most_lines));
            base.ends(these.clone(), &mut ends)?;
            let mut entry = ends[0];
            while entry < ends[these.len()] {
                let part = entry..ends[these.len()].min(entry + most);
                if lines.len() < self.engine.facts.lines() {
                    // Of a few lines no more than is wanted: faults would bring in what lies around it.
                    base.prefetch(std::slice::from_ref(&part));
                }
                base.with_entries(part.clone(), &mut buffers, &mut |indices, bytes| {
                    self.window(part.start, indices, values(bytes), (&these, &ends))
                })?;
                entry = part.end;
                context.advance(0)?;
            }
            line = these.end;
        }
        Ok(())
    }

    /// Looks through the entries from `start` on, which are of the lines `these`, whose entries begin at `ends`.
    fn window(
        &mut self,
        start: u64,
        indices: Indices<'_>,
        values: &[W],
        (these, ends): (&Range<usize>, &[u64]),
    ) -> Result<()> {
        let length = self.engine.facts.length();
        let mut places = std::mem::take(&mut self.places);
        places.clear();
        let wanted = self.wanted;
        let in_range = with_indices!(indices, list => {
            in_widest_vectors(Search { indices: list, wanted, length, places: &mut places })
        });
        if !in_range {
            let is_misfit = |at: &usize| indices.at(*at) >= length;
            let misfit = (0..indices.len()).find(is_misfit).unwrap_or(0);
            self.reach_line(start + misfit as u64, (these, ends));
            return Err(self.engine.out_of_range(self.line));
        }
        if !places.is_empty() {
            let out = self.out;
            let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
            for &place in &places {
                let place = place as usize;
                let value = values[place];
                if self.engine.facts.dtype == DType::Bool && bytemuck::bytes_of(&value)[0] > 1 {
                    return Err(self.engine.base.malformed("a boolean is neither 0 nor 1"));
                }
                self.reach_line(start + place as u64, (these, ends));
                let position = indices.at(place);
                let is_first = self.seen.is_empty() || position > self.highest;
                self.highest = if is_first { position } else { self.highest };
                self.wanted.picks_of(position, &mut |pick| {
                    self.put(pick, value, is_first, &mut out);
                });
            }
        }
        self.places = places;
        Ok(())
    }

    /// Goes on to the line of `entry`.
    fn reach_line(&mut self, entry: u64, (these, ends): (&Range<usize>, &[u64])) {
        let begin = self.line.saturating_sub(these.start);
        // Mostly it is one of the next lines.
        let mut step = 1;
        while begin + step < these.len() && ends[begin + step] <= entry {
            step *= 2;
        }
        let (low, high) = (begin + step / 2, these.len().min(begin + step));
        let line = these.start + low + ends[low..=high].partition_point(|&end| end <= entry) - 1;
        if line != self.line {
            self.seen.clear();
            self.set.clear();
            self.line = line;
        }
    }

    /// Puts a value of this line to what is the `pick`-th position.
    fn put(&mut self, pick: usize, value: W, is_first: bool, out: &mut Cells<'_, W>) {
        let at = (self.line - self.first) * out.line_stride + pick * out.position_stride;
        let cell = &mut out.cells[at];
        if !is_first {
            if self.set.is_empty() {
                self.set.extend(&self.seen);
            }
            if !self.set.insert(at) {
                *cell = (self.engine.sum)(*cell, value);
                return;
            }
        } else if !self.set.is_empty() {
            self.set.insert(at);
        }
        *cell = value;
        self.seen.push(at);
    }
}

/// Appends the places of those indices that are wanted; whether all of them are below `length`.
struct Search<'a, I> {
    indices: &'a [I],
    wanted: &'a Wanted,
    length: usize,
    places: &'a mut Vec<u32>,
}

impl<I: Int> Kernel for Search<'_, I> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let Self { indices, wanted, length, places } = self;
        match wanted {
            Wanted::Run(run) => search_run(indices, run, length, places),
            Wanted::Stepped { .. } => unreachable!("steps are not looked for"),
            Wanted::List { mask, .. } => {
                if !is_below(indices, length) {
                    return false;
                }
                let is_meant = |position: usize| mask[position / 64] >> (position % 64) & 1 == 1;
                let meant = (0..).zip(indices).filter(|(_, index)| is_meant(index.position()));
                places.extend(meant.map(|(at, _)| at));
                true
            }
        }
    }
}

#[inline(always)]
fn search_run<I: Int>(
    indices: &[I],
    run: &Range<usize>,
    length: usize,
    places: &mut Vec<u32>,
) -> bool {
    // A file's indices may be narrower than its shape: then none is out of range but the negative ones.
    let (low, last) = (I::saturating(run.start), I::saturating(run.end - 1));
    let (zero, highest) = (I::of(0), I::saturating(length - 1));
    // A run beyond what the file's width can say has no entry.
    let can_be = low.position() == run.start;
    let is_meant = |index: I| (index >= low) & (index <= last) & can_be;
    let mut outside = 0u32;
    for (group, own) in (0..).step_by(GROUP).zip(indices.chunks(GROUP)) {
        let ahead = (group as usize + AHEAD).min(indices.len());
        bring_near(&indices[ahead..indices.len().min(ahead + GROUP)]);
        // Counted without a branch, in numbers as wide as most indices: the compiler makes vectors of it.
        let (mut meant, mut out) = (0u32, 0u32);
        for &index in own {
            meant += u32::from(is_meant(index));
            out += u32::from((index < zero) | (index > highest));
        }
        outside |= out;
        if meant > 0 {
            let meant = (group..).zip(own).filter(|&(_, &index)| is_meant(index));
            places.extend(meant.map(|(at, _)| at));
        }
    }
    outside == 0
}
