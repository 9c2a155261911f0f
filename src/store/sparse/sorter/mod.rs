//! Entries in any order on their way into a file: sorted by line and position, duplicates summed, within the budget.
//!
//! An entry's place is a *key*: its line, and in the bits below that its position. Keys are shared out between *bins*
//! of neighbours as they come. When the memory is full, the bins are written to a scratch file one after another, a
//! *spill*; at the end each bin is read back, sorted where it fits the caches, and goes straight to its place. So every
//! entry is written aside once at most, wherever it came from. A bin that alone exceeds the memory is sorted the same
//! way, by the bits that its keys do not share.

mod bins;
mod emit;
mod keys;
mod sort;

use std::ops::Range;

pub(super) use emit::{Emitted, ShowEmitted};
pub(super) use keys::Keys;

use self::bins::{Held, Log, ReadBack};
use self::emit::{Emitter, Sorted};
use self::sort::{low_bits, sort, sorting_bytes};
use super::base::{Base, Facts};
use super::builder::{Builder, Target};
use crate::array::Bits;
use crate::error::Result;
use crate::store::{Context, Reservation, join};

/// Entries of a bin at which sorting stays in a core's cache.
const BIN_ENTRIES: u64 = 16 << 10;

/// The most bins: each has a block of its own that is being filled.
const MOST_BINS: u64 = 4096;

/// Entries of a block, at most.
const BLOCK_ENTRIES: usize = 256;

/// The most entries that are held: what comes before each bin is counted in 32 bits.
const MOST_HELD: u64 = 1 << 31;

/// Bytes that are written aside, or read back, in one call.
const CHUNK_BYTES: usize = 1 << 20;

/// Times what is held for which there is room in the log at first.
const FIRST_SPILLS: u64 = 4;

/// Memory below which one thread sorts alone.
const LITTLE_BYTES: u64 = 1 << 20;

/// Entries below which a group of bins is not worth another thread's wake-up.
const PARALLEL_ENTRIES: u64 = 1 << 15;

/// Entries of a group of bins: enough that each thread has some bins.
const GROUP_ENTRIES: u64 = 1 << 19;

/// Who is shown entries: keys, and as many values.
type ShowEntries<'s, W> = dyn FnMut(&[u64], &[W]) -> Result<()> + 's;

/// In which order entries come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// In any.
    Any,
    /// Those of each line by their positions.
    ByPosition,
}

/// Entries that wait to be sorted.
#[derive(Debug)]
pub(super) struct Sorter<W> {
    facts: Facts,
    keys: Keys,
    target: Target,
    context: Context,
    sum: fn(W, W) -> W,
    arrival: Arrival,
    /// The bits in which the keys differ, and how many of them a bin's keys differ in.
    bits: u32,
    bin_bits: u32,
    bins: usize,
    held: Held<W>,
    /// What was written aside.
    log: Option<Log<W>>,
    /// Entries that come in all, as far as is known.
    expected: u64,
    /// What is held takes it.
    memory: Option<Reservation>,
}

/// What emitting needs from one group of bins to the next.
struct Groups<W> {
    read: ReadBack,
    /// What waits to be shown, and what is being sorted.
    pair: [Sorted<W>; 2],
}

impl<W> Default for Groups<W> {
    fn default() -> Self {
        Self { read: ReadBack::default(), pair: [Sorted::default(), Sorted::default()] }
    }
}

impl<W: Bits> Sorter<W> {
    /// For about `expected` entries, all of which are to be sorted with `context`'s memory.
    ///
    /// # Errors
    /// As [`Keys::new`], and where the budget does not hold a few of them.
    pub(super) fn new(
        facts: Facts,
        (expected, arrival): (u64, Arrival),
        target: Target,
        sum: fn(W, W) -> W,
        context: Context,
    ) -> Result<Self> {
        let keys = Keys::new(facts)?;
        // Each thread needs memory of its own: where there is little, one of them gets further.
        let is_little = context.available_bytes() < LITTLE_BYTES;
        let context = if is_little { context.with_threads(1) } else { context };
        Self::over((facts, keys, keys.bits), (expected, arrival), target, sum, context)
    }

    /// For keys that differ in the lowest `bits` bits.
    fn over(
        (facts, keys, bits): (Facts, Keys, u32),
        (expected, arrival): (u64, Arrival),
        target: Target,
        sum: fn(W, W) -> W,
        context: Context,
    ) -> Result<Self> {
        // A bin should fit the cache, and the memory when it is sorted: a sorter for what did not must cut finer.
        let most = Self::most_held(expected, &context);
        let fits = context.available_bytes() / 4 / Self::bytes(1, 1, context.threads());
        let fits = fits.max(1);
        let least = if expected > fits { 2 } else { 1 };
        let bins = expected.div_ceil(BIN_ENTRIES.min(fits));
        let bins = bins.clamp(least, MOST_BINS.min(most / 64).max(least));
        let bin_bits = bits.saturating_sub(u64::BITS - (bins - 1).leading_zeros());
        let mut sorter = Self {
            facts,
            keys,
            target,
            context,
            sum,
            arrival,
            bits,
            bin_bits,
            bins: 1 << (bits - bin_bits),
            held: Held::none(0)?,
            log: None,
            expected,
            memory: None,
        };
        sorter.hold()?;
        Ok(sorter)
    }

    /// How many of `expected` entries are held before they are written aside.
    fn most_held(expected: u64, context: &Context) -> u64 {
        Self::held_entries(context).min(expected).clamp(2, MOST_HELD)
    }

    /// Takes its share of the memory for holding entries.
    fn hold(&mut self) -> Result<()> {
        let most = Self::most_held(self.expected, &self.context) as usize;
        let block = (most / (8 * self.bins)).clamp(1, BLOCK_ENTRIES);
        self.held = Held::new(self.bins, most, block)?;
        self.memory = Some(self.context.reserve(self.held.bytes())?);
        Ok(())
    }

    /// Entries for which there is memory: half of it holds what comes, a quarter of that for blocks that are not full and for
    /// lists; with the other half it is sorted.
    fn held_entries(context: &Context) -> u64 {
        context.available_bytes() / 8 * 3 / Self::ENTRY_BYTES
    }

    /// Bytes that `expected` entries will be written aside in, and read back: all of them, where they are not held.
    pub(in crate::store::sparse) fn logged_bytes(expected: u64, context: &Context) -> u64 {
        if expected > Self::held_entries(context) {
            expected.saturating_mul(Self::ENTRY_BYTES)
        } else {
            0
        }
    }

    /// Memory that sorting `expected` entries takes of `context`'s.
    pub(in crate::store::sparse) fn memory_bytes(expected: u64, context: &Context) -> u64 {
        Self::bytes(expected, expected, context.threads()).min(context.available_bytes())
    }

    /// How places are made keys.
    pub(super) fn keys(&self) -> Keys {
        self.keys
    }

    /// From now on entries come in any order.
    pub(super) fn lose_order(&mut self) {
        self.arrival = Arrival::Any;
    }

    /// Takes a larger share of the memory, of which there is more than there was, if it does not hold all that is expected.
    ///
    /// # Errors
    /// Where no scratch file can be made or written.
    pub(super) fn widen(&mut self) -> Result<()> {
        if self.held.capacity() as u64 >= self.expected {
            return Ok(());
        }
        self.spill()?;
        self.release()?;
        self.hold()
    }

    /// Gives back the memory for holding entries, where none is held.
    fn release(&mut self) -> Result<()> {
        self.held = Held::none(self.bins)?;
        self.memory = None;
        Ok(())
    }

    /// Takes entries.
    ///
    /// # Errors
    /// Where no scratch file can be made or written.
    pub(super) fn add(&mut self, keys: &[u64], values: &[W]) -> Result<()> {
        let (mask, bin_bits) = (low_bits(self.bits), self.bin_bits);
        let bin_of = |key: u64| (key & mask).checked_shr(bin_bits).unwrap_or(0) as usize;
        let mut taken = 0;
        while taken < keys.len() {
            taken += self.held.take(&keys[taken..], &values[taken..], bin_of);
            if taken < keys.len() {
                self.spill()?;
            }
        }
        Ok(())
    }

    /// Writes all that is held aside, bin by bin.
    fn spill(&mut self) -> Result<()> {
        if self.log.is_none() {
            let bytes = self.expected.saturating_mul(Self::ENTRY_BYTES);
            // It grows: more may be expected than comes.
            let begun = bytes.min(FIRST_SPILLS * self.held.bytes());
            let device = self.target.medium.scratch(&self.target.path, begun)?;
            self.log = Some(Log::new(device, bytes, self.context.budget()));
        }
        let chunk_bytes = self.chunk_bytes();
        let _memory = self.context.reserve(chunk_bytes as u64)?;
        let log = self.log.as_mut().expect("it was just made");
        log.spill(&mut self.held, chunk_bytes)?;
        self.context.advance(0)
    }

    /// Bytes that are written aside or read back in one call, beside what is held.
    fn chunk_bytes(&self) -> usize {
        (self.context.available_bytes() as usize / 8).min(CHUNK_BYTES)
    }

    /// Shows all lines from the first to the last, with all entries.
    ///
    /// # Errors
    /// Where reading fails, or `show`.
    pub(super) fn finish(self, show: &mut ShowEmitted<'_, W>) -> Result<()> {
        let lines = self.facts.lines();
        let mut emitter = Emitter::new(self.keys, self.facts.length(), show);
        self.emit_all(&mut emitter)?;
        emitter.end_lines(lines)
    }

    /// Writes all lines to a new file, for about so many entries.
    ///
    /// # Errors
    /// Where reading what was written aside fails, or writing the file.
    pub(super) fn into_file(self, entries: u64) -> Result<Base> {
        let mut builder = Builder::new(self.target.clone(), self.facts, entries, None)?;
        let context = self.context.clone();
        self.finish(&mut |_, emitted| match emitted {
            Emitted::Lines(made) => builder.push(made.offsets, made.indices, made.values, &context),
            Emitted::Part(made, _) => builder.push_part(made.indices, made.values, &context),
            Emitted::End => builder.end_line(),
        })?;
        builder.finish()
    }

    fn emit_all(mut self, emitter: &mut Emitter<'_, W>) -> Result<()> {
        let largest = (0..self.bins).map(|bin| self.entries(bin)).max().unwrap_or(0);
        if self.log.is_some() || Self::bytes(largest, largest, self.context.threads()) > self.room()
        {
            self.spill()?;
            // The memory is needed for sorting.
            self.release()?;
        }
        emitter.set_bin_bits(self.bin_bits);
        let mut groups = Groups::default();
        let room = self.room();
        let mut group = self.group(0, room);
        while !group.is_empty() {
            let next = self.group(group.end, room);
            if let Some(log) = &self.log {
                log.prefetch(&next);
            }
            let first = self.entries(group.start);
            if Self::bytes(first, first, self.context.threads()) <= room {
                self.emit(group, &mut groups, emitter)?;
            } else {
                groups.pair[0].put(emitter)?;
                groups = Groups::default();
                self.emit_large(group.start, emitter)?;
                emitter.set_bin_bits(self.bin_bits);
            }
            group = next;
        }
        groups.pair[0].put(emitter)
    }

    /// The bins from `first` on that are sorted at once: enough for all threads, no more than fit. Empty at the end.
    fn group(&self, first: usize, room: u64) -> Range<usize> {
        let (mut all, mut largest) = (0, 0);
        let mut end = first;
        while end < self.bins && all < GROUP_ENTRIES {
            let entries = self.entries(end);
            (all, largest) = (all + entries, largest.max(entries));
            if end > first && Self::bytes(all, largest, self.context.threads()) > room {
                break;
            }
            end += 1;
        }
        first..end
    }

    /// What sorting may take of what is left: a quarter is for whoever is shown the lines.
    fn room(&self) -> u64 {
        self.context.available_bytes() / 4 * 3
    }

    /// How many entries wait in a bin.
    fn entries(&self, bin: usize) -> u64 {
        self.held.entries(bin) as u64 + self.log.as_ref().map_or(0, |log| log.entries(bin))
    }

    /// Bytes that it takes to sort bins of so many entries, and in the largest so many, while those before are shown.
    fn bytes(all: u64, largest: u64, threads: usize) -> u64 {
        let sorting = largest.saturating_mul(Self::sorting_bytes(threads));
        all.saturating_mul(3 * Self::ENTRY_BYTES).saturating_add(sorting)
    }

    const ENTRY_BYTES: u64 = (size_of::<u64>() + size_of::<W>()) as u64;

    /// Bytes that sorting takes for each entry of the largest bin, on every thread.
    const fn sorting_bytes(threads: usize) -> u64 {
        sorting_bytes::<W>() * threads as u64
    }

    /// Sorts some bins, while what was sorted before is shown.
    fn emit(
        &self,
        bins: Range<usize>,
        groups: &mut Groups<W>,
        emitter: &mut Emitter<'_, W>,
    ) -> Result<()> {
        let counts: Vec<usize> = bins.clone().map(|bin| self.entries(bin) as usize).collect();
        let (all, largest) =
            (counts.iter().sum::<usize>(), counts.iter().max().map_or(0, |&it| it));
        let mut bytes = largest as u64 * Self::sorting_bytes(self.context.threads());
        if self.log.is_some() {
            bytes += all as u64 * Self::ENTRY_BYTES;
        }
        let Groups { read, pair } = groups;
        let [ready, next] = &mut *pair;
        let take = |next: &mut Sorted<W>| {
            next.make_room(all, &self.context)?;
            self.context.reserve(bytes)
        };
        let _memory = match take(next) {
            Ok(memory) => memory,
            Err(_) => {
                // What earlier groups needed more of is given back first.
                ready.put(emitter)?;
                (*ready, *next) = (Sorted::default(), Sorted::default());
                take(next)?
            }
        };
        let (mut made, mut put) = (Ok(()), Ok(()));
        let mut make = || made = self.sort(bins.clone(), &counts, read, next);
        let mut show = || put = ready.put(emitter);
        if all < PARALLEL_ENTRIES as usize || self.context.threads() == 1 {
            show();
            make();
        } else {
            self.context.install(|| join(&mut show, &mut make));
        }
        put?;
        made?;
        pair.swap(0, 1);
        self.context.advance(0)
    }

    /// Brings the entries of `bins` together and sorts them.
    fn sort(
        &self,
        bins: Range<usize>,
        counts: &[usize],
        read: &mut ReadBack,
        sorted: &mut Sorted<W>,
    ) -> Result<()> {
        if let Some(log) = &self.log {
            log.read(&bins, read)?;
        }
        let Sorted { keys, values, counts: found, .. } = sorted;
        found.clear();
        found.extend(counts.iter().map(|&count| (count, 0)));
        let (mut keys, mut values) = (&mut keys[..], &mut values[..]);
        let mut parts = Vec::with_capacity(bins.len());
        for (bin, found) in bins.clone().zip(found) {
            let (own_keys, rest) = std::mem::take(&mut keys).split_at_mut(found.0);
            keys = rest;
            let (own_values, rest) = std::mem::take(&mut values).split_at_mut(found.0);
            values = rest;
            parts.push((bin, own_keys, own_values, found));
        }
        let lowest = match self.arrival {
            Arrival::Any => 0,
            Arrival::ByPosition => self.keys.position_bits.min(self.bin_bits),
        };
        self.context.for_each(parts, |_, (bin, keys, values, found)| {
            self.collect(read, (bins.start, bin), keys, values);
            found.1 = sort(keys, values, lowest..self.bin_bits, self.sum);
        });
        Ok(())
    }

    /// Brings a bin's entries together, in the order in which they came: what was read of bins from `first` on, and what is
    /// held.
    fn collect(
        &self,
        read: &ReadBack,
        (first, bin): (usize, usize),
        keys: &mut [u64],
        values: &mut [W],
    ) {
        let mut end =
            self.log.as_ref().map_or(0, |log| log.collect(read, (first, bin), keys, values));
        for (block_keys, block_values) in self.held.blocks(bin) {
            let own = end..end + block_keys.len();
            keys[own.clone()].copy_from_slice(block_keys);
            values[own.clone()].copy_from_slice(block_values);
            end = own.end;
        }
    }

    /// Sorts and shows a bin that exceeds the memory.
    fn emit_large(&self, bin: usize, emitter: &mut Emitter<'_, W>) -> Result<()> {
        if self.bin_bits == 0 {
            return self.emit_same(bin, emitter);
        }
        let keys = (self.facts, self.keys, self.bin_bits);
        let coming = (self.entries(bin), self.arrival);
        let (target, context) = (self.target.clone(), self.context.clone());
        let mut finer = Self::over(keys, coming, target, self.sum, context)?;
        self.each_chunk(bin, &mut |keys, values| finer.add(keys, values))?;
        finer.emit_all(emitter)
    }

    /// Shows the sum of a bin whose entries all have one place.
    fn emit_same(&self, bin: usize, emitter: &mut Emitter<'_, W>) -> Result<()> {
        let mut total: Option<(u64, W)> = None;
        self.each_chunk(bin, &mut |keys, values| {
            for (&key, &value) in keys.iter().zip(values) {
                let sum = total.map_or(value, |(_, before)| (self.sum)(before, value));
                total = Some((key, sum));
            }
            Ok(())
        })?;
        match total {
            Some((key, sum)) => emitter.put(&[key], &[sum]),
            None => Ok(()),
        }
    }

    /// Shows a bin's entries in parts of few bytes, in the order in which they came.
    fn each_chunk(&self, bin: usize, show: &mut ShowEntries<'_, W>) -> Result<()> {
        let most = (self.chunk_bytes() / Self::ENTRY_BYTES as usize).max(1);
        if let Some(log) = &self.log {
            log.each_chunk(bin, most, show)?;
        }
        self.held.blocks(bin).try_for_each(|(keys, values)| show(keys, values))
    }
}
