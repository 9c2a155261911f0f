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

pub(super) use keys::Keys;

use self::bins::{Bin, Held, Log};
use self::emit::{Emitter, Sorted};
use self::sort::{low_bits, sort};
use super::base::Facts;
use super::builder::{Builder, Target};
use super::ints::Ints;
use crate::array::Bits;
use crate::error::Result;
use crate::store::behind::WriteBehind;
use crate::store::{Context, Reservation, join};

/// Entries of a bin at which sorting stays in a core's cache.
const BIN_ENTRIES: u64 = 16 << 10;

/// The most bins: each has a block of its own that is being filled.
const MOST_BINS: u64 = 4096;

/// Entries of a block, at most.
const BLOCK_ENTRIES: usize = 256;

/// Bytes that are written aside, or read back, in one call.
const CHUNK_BYTES: usize = 1 << 20;

/// Who is shown entries: keys, and as many values.
type ShowEntries<'s, W> = dyn FnMut(&[u64], &[W]) -> Result<()> + 's;

/// Entries below which a group of bins is not worth another thread's wake-up.
const PARALLEL_ENTRIES: u64 = 1 << 15;

/// Entries of a group of bins: enough that each thread has some bins.
const GROUP_ENTRIES: u64 = 1 << 19;

/// Entries that wait to be sorted.
pub(super) struct Sorter<'c, W> {
    facts: Facts,
    keys: Keys,
    target: &'c Target,
    context: &'c Context,
    sum: fn(W, W) -> W,
    /// The bits in which the keys differ, and how many of them a bin's keys differ in.
    bits: u32,
    bin_bits: u32,
    bins: Vec<Bin>,
    held: Held<W>,
    /// What was written aside.
    log: Option<Log>,
    /// Entries that come in all.
    expected: u64,
    /// What is held takes it.
    memory: Option<Reservation>,
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Keys,
    Values,
}

impl<'c, W: Bits> Sorter<'c, W> {
    /// For `expected` entries at most, all of which are to be sorted with `context`'s memory.
    ///
    /// # Errors
    /// As [`Keys::new`], and where the budget does not hold a few of them.
    pub(super) fn new(
        facts: Facts,
        expected: u64,
        target: &'c Target,
        sum: fn(W, W) -> W,
        context: &'c Context,
    ) -> Result<Self> {
        let keys = Keys::new(facts)?;
        Self::over((facts, keys, keys.bits), expected, target, sum, context)
    }

    /// For keys that differ in the lowest `bits` bits.
    fn over(
        (facts, keys, bits): (Facts, Keys, u32),
        expected: u64,
        target: &'c Target,
        sum: fn(W, W) -> W,
        context: &'c Context,
    ) -> Result<Self> {
        let entry = Self::ENTRY_BYTES;
        let most = Self::held_entries(context).min(expected).max(2);
        // A bin should fit the cache, and the memory when it is sorted: a sorter for what did not must cut finer.
        let threads = context.threads() as u64;
        let sorted = 2 * entry + Self::sorting_bytes(threads);
        let fits = (context.available_bytes() / 4 / sorted).max(1);
        let least = if expected > fits { 2 } else { 1 };
        let bins = expected.div_ceil(BIN_ENTRIES.min(fits));
        let bins = bins.clamp(least, MOST_BINS.min(most / 64).max(least));
        let bin_bits = bits.saturating_sub(u64::BITS - (bins - 1).leading_zeros());
        let bins = 1usize << (bits - bin_bits);
        let block = (most as usize / (8 * bins)).clamp(1, BLOCK_ENTRIES);
        let blocks = (most as usize).div_ceil(block) + bins;
        let list = bins * size_of::<Bin>() + blocks * size_of::<u32>() * 2;
        Ok(Self {
            memory: Some(context.reserve((blocks * block) as u64 * entry + list as u64)?),
            facts,
            keys,
            target,
            context,
            sum,
            bits,
            bin_bits,
            bins: vec![Bin::default(); bins],
            held: Held::new(blocks, block)?,
            log: None,
            expected,
        })
    }

    /// Entries that are held before they are written aside: half of the memory holds what comes, a quarter of that for
    /// blocks that are not full and for lists; with the other half it is sorted.
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
        let bytes = Self::ENTRY_BYTES * 3 + Self::sorting_bytes(context.threads() as u64);
        expected.saturating_mul(bytes).min(context.available_bytes())
    }

    /// How places are made keys.
    pub(super) fn keys(&self) -> Keys {
        self.keys
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
            taken += self.held.take(&keys[taken..], &values[taken..], &mut self.bins, bin_of);
            if taken < keys.len() {
                self.spill()?;
            }
        }
        Ok(())
    }

    /// Writes all that is held aside, bin by bin.
    fn spill(&mut self) -> Result<()> {
        if self.log.is_none() {
            let bytes = self.expected * (size_of::<u64>() + size_of::<W>()) as u64;
            let device = self.target.medium.scratch(&self.target.path, bytes)?;
            let behind = WriteBehind::scratch(bytes, self.context.budget());
            self.log = Some(Log { device, bytes: 0, behind });
        }
        let log = self.log.as_mut().expect("it was just made");
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        for bin in self.bins.iter_mut().filter(|bin| bin.held > 0) {
            for part in [Part::Keys, Part::Values] {
                for (keys, values) in self.held.blocks(bin) {
                    let bytes: &[u8] = match part {
                        Part::Keys => bytemuck::cast_slice(keys),
                        Part::Values => bytemuck::cast_slice(values),
                    };
                    if chunk.len() + bytes.len() > CHUNK_BYTES {
                        log.write(&mut chunk)?;
                    }
                    chunk.extend_from_slice(bytes);
                }
                if part == Part::Keys {
                    let keys_bytes = (bin.held * size_of::<u64>()) as u64;
                    let begin = log.bytes + chunk.len() as u64 - keys_bytes;
                    bin.pieces.push((begin, bin.held as u32));
                }
            }
            bin.held = 0;
            bin.blocks.clear();
        }
        log.write(&mut chunk)?;
        self.held.used = 0;
        self.context.advance(0)
    }

    /// Appends all entries to `builder`, and ends every line.
    ///
    /// # Errors
    /// Where reading or writing fails.
    pub(super) fn finish(self, builder: &mut Builder) -> Result<()> {
        let (keys, context, lines) = (self.keys, self.context, self.facts.lines());
        let mut emitter = Emitter {
            builder,
            keys,
            context,
            offsets: Vec::new(),
            indices: Ints::new(self.facts.length()),
        };
        self.emit_all(&mut emitter)?;
        emitter.end_lines(lines)
    }

    fn emit_all(mut self, emitter: &mut Emitter<'_>) -> Result<()> {
        if self.log.is_some() {
            self.spill()?;
            // The memory is needed for sorting.
            self.held = Held::new(0, 1)?;
            self.memory = None;
        }
        let room = self.context.available_bytes() / 8 * 7;
        let sorting_bytes = Self::sorting_bytes(self.context.threads() as u64);
        // One group is sorted while the one before is appended.
        let fits = |all: u64, largest: u64| {
            let sorted = all.saturating_mul(2 * Self::ENTRY_BYTES);
            sorted.saturating_add(largest.saturating_mul(sorting_bytes)) <= room
        };
        let mut pair = [Sorted::default(), Sorted::default()];
        let mut group: Range<usize> = 0..0;
        let (mut all, mut largest) = (0, 0);
        for index in 0..self.bins.len() {
            let entries = self.bins[index].entries();
            if entries > 0 && (all >= GROUP_ENTRIES || !fits(all + entries, largest.max(entries))) {
                self.emit(group, &mut pair, emitter)?;
                group = index..index;
                (all, largest) = (0, 0);
                if !fits(entries, entries) {
                    pair[0].put(emitter)?;
                    pair = [Sorted::default(), Sorted::default()];
                    self.emit_large(index, emitter)?;
                    group = index + 1..index + 1;
                    continue;
                }
            }
            (all, largest) = (all + entries, largest.max(entries));
            group.end = index + 1;
        }
        self.emit(group, &mut pair, emitter)?;
        pair[0].put(emitter)
    }

    const ENTRY_BYTES: u64 = (size_of::<u64>() + size_of::<W>()) as u64;

    /// Bytes that sorting takes for each entry of the largest bin, on every thread: twice its key and its place, and its
    /// value.
    const fn sorting_bytes(threads: u64) -> u64 {
        (2 * size_of::<(u64, u32)>() + size_of::<W>()) as u64 * threads
    }

    /// Sorts some bins into the first of `pair`, while what was sorted there before is appended.
    fn emit(
        &self,
        bins: Range<usize>,
        pair: &mut [Sorted<W>; 2],
        emitter: &mut Emitter<'_>,
    ) -> Result<()> {
        let bins: Vec<&Bin> = self.bins[bins].iter().filter(|bin| bin.entries() > 0).collect();
        let all: u64 = bins.iter().map(|bin| bin.entries()).sum();
        let largest = bins.iter().map(|bin| bin.entries()).max().unwrap_or(0);
        let [ready, next] = &mut *pair;
        let sorting_bytes = largest * Self::sorting_bytes(self.context.threads() as u64);
        let take = |next: &mut Sorted<W>| {
            next.make_room(all as usize, self.context)?;
            self.context.reserve(sorting_bytes)
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
        let mut make = || made = self.sort(&bins, next);
        let mut append = || put = ready.put(emitter);
        if all < PARALLEL_ENTRIES || self.context.threads() == 1 {
            append();
            make();
        } else {
            self.context.install(|| join(&mut append, &mut make));
        }
        put?;
        made?;
        pair.swap(0, 1);
        self.context.advance(0)
    }

    /// Brings the entries of `bins` together and sorts them.
    fn sort(&self, bins: &[&Bin], sorted: &mut Sorted<W>) -> Result<()> {
        let mut parts = Vec::with_capacity(bins.len());
        sorted.counts.clear();
        sorted.counts.extend(bins.iter().map(|bin| (bin.entries() as usize, 0)));
        let (mut keys, mut values) = (&mut sorted.keys[..], &mut sorted.values[..]);
        for (bin, counts) in bins.iter().zip(&mut sorted.counts) {
            let (own_keys, rest) = std::mem::take(&mut keys).split_at_mut(counts.0);
            keys = rest;
            let (own_values, rest) = std::mem::take(&mut values).split_at_mut(counts.0);
            values = rest;
            parts.push((*bin, own_keys, own_values, counts, Ok(())));
        }
        self.context.for_each(parts.iter_mut().collect(), |_, part| {
            let (bin, keys, values, counts, done) = part;
            *done = self.collect(bin, keys, values);
            counts.1 = sort(keys, values, self.bin_bits, self.sum);
        });
        parts.into_iter().try_for_each(|(.., done)| done)
    }

    /// Brings a bin's entries together, in the order in which they came.
    fn collect(&self, bin: &Bin, keys: &mut [u64], values: &mut [W]) -> Result<()> {
        let mut end = 0;
        if let Some(log) = &self.log {
            for &(at, count) in &bin.pieces {
                let own = end..end + count as usize;
                log.read(at, &mut keys[own.clone()], &mut values[own.clone()])?;
                end = own.end;
            }
        }
        for (block_keys, block_values) in self.held.blocks(bin) {
            let own = end..end + block_keys.len();
            keys[own.clone()].copy_from_slice(block_keys);
            values[own.clone()].copy_from_slice(block_values);
            end = own.end;
        }
        Ok(())
    }

    /// Sorts and appends a bin that exceeds the memory.
    fn emit_large(&self, index: usize, emitter: &mut Emitter<'_>) -> Result<()> {
        let bin = &self.bins[index];
        if self.bin_bits == 0 {
            return self.emit_same(bin, emitter);
        }
        let context = self.context.share(3, 4);
        let facts = (self.facts, self.keys, self.bin_bits);
        let mut finer = Sorter::over(facts, bin.entries(), self.target, self.sum, &context)?;
        self.each_chunk(bin, &mut |keys, values| finer.add(keys, values))?;
        finer.emit_all(emitter)
    }

    /// Appends the sum of a bin whose entries all have one place.
    fn emit_same(&self, bin: &Bin, emitter: &mut Emitter<'_>) -> Result<()> {
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
    fn each_chunk(&self, bin: &Bin, show: &mut ShowEntries<'_, W>) -> Result<()> {
        let entry = size_of::<u64>() + size_of::<W>();
        let most = (self.context.available_bytes() as usize / 8).min(CHUNK_BYTES) / entry;
        let (mut keys, mut values) = (vec![0; most.max(1)], vec![W::default(); most.max(1)]);
        if let Some(log) = &self.log {
            for &(at, count) in &bin.pieces {
                let values_at = at + u64::from(count) * size_of::<u64>() as u64;
                for first in (0..count as usize).step_by(most.max(1)) {
                    let some = most.max(1).min(count as usize - first);
                    let keys = &mut keys[..some];
                    let values = &mut values[..some];
                    let from = at + (first * size_of::<u64>()) as u64;
                    log.device.read_into(from, bytemuck::cast_slice_mut(keys))?;
                    let from = values_at + (first * size_of::<W>()) as u64;
                    log.device.read_into(from, bytemuck::cast_slice_mut(values))?;
                    show(keys, values)?;
                }
            }
        }
        self.held.blocks(bin).try_for_each(|(keys, values)| show(keys, values))
    }
}
