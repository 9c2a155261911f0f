//! Where entries wait: in memory, in blocks that belong to bins, and in the log, one spill after another.

use std::marker::PhantomData;
use std::ops::Range;

use crate::array::Bits;
use crate::error::Result;
use crate::store::Budget;
use crate::store::behind::WriteBehind;
use crate::sys::{Device, Pages};

/// Memory for entries: blocks of which each belongs to a bin.
#[derive(Debug)]
pub(super) struct Held<W> {
    keys: Pages,
    values: Pages,
    /// Entries of a block, a power of two.
    block: usize,
    /// Blocks, and those of them that belong to a bin.
    blocks: usize,
    used: usize,
    /// For each bin, where its next entry goes: a multiple of `block` where it has no block that is not full.
    next: Vec<usize>,
    /// For each bin, its blocks, all of them full but the last.
    lists: Vec<Vec<u32>>,
    of: PhantomData<W>,
}

impl<W: Bits> Held<W> {
    /// Room for so many entries of `bins`, in blocks of no more than `block`.
    pub(super) fn new(bins: usize, entries: usize, block: usize) -> Result<Self> {
        let block = (block + 1).next_power_of_two() / 2;
        let blocks = entries.div_ceil(block) + bins;
        let keys = Pages::new(blocks * block * size_of::<u64>())?;
        let values = Pages::new(blocks * block * size_of::<W>())?;
        let (next, lists) = (vec![0; bins], vec![Vec::new(); bins]);
        Ok(Self { keys, values, block, blocks, used: 0, next, lists, of: PhantomData })
    }

    /// None at all.
    pub(super) fn none(bins: usize) -> Result<Self> {
        let (keys, values) = (Pages::new(0)?, Pages::new(0)?);
        let (next, lists) = (vec![0; bins], vec![Vec::new(); bins]);
        Ok(Self { keys, values, block: 1, blocks: 0, used: 0, next, lists, of: PhantomData })
    }

    /// Entries that it has room for, wherever they go.
    pub(super) fn capacity(&self) -> usize {
        (self.blocks - self.next.len()) * self.block
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> u64 {
        let entries = self.blocks * self.block * (size_of::<u64>() + size_of::<W>());
        let lists = self.next.len() * (size_of::<usize>() + size_of::<Vec<u32>>());
        (entries + lists + self.blocks * 2 * size_of::<u32>()) as u64
    }

    /// Takes entries until one finds no room: how many. `bin_of` says which bin is a key's.
    pub(super) fn take(
        &mut self,
        keys: &[u64],
        values: &[W],
        bin_of: impl Fn(u64) -> usize,
    ) -> usize {
        let own_keys: &mut [u64] = bytemuck::cast_slice_mut(&mut self.keys);
        let own_values: &mut [W] = bytemuck::cast_slice_mut(&mut self.values);
        for (k, (&key, &value)) in keys.iter().zip(values).enumerate() {
            let bin = bin_of(key);
            let mut at = self.next[bin];
            if at & (self.block - 1) == 0 {
                if self.used == self.blocks {
                    return k;
                }
                at = self.used * self.block;
                self.lists[bin].push(self.used as u32);
                self.used += 1;
            }
            own_keys[at] = key;
            own_values[at] = value;
            self.next[bin] = at + 1;
        }
        keys.len()
    }

    /// How many entries of `bin` are held.
    pub(super) fn entries(&self, bin: usize) -> usize {
        match self.lists[bin].last() {
            None => 0,
            Some(&last) => {
                let last = self.next[bin] - last as usize * self.block;
                (self.lists[bin].len() - 1) * self.block + last
            }
        }
    }

    /// The entries of `bin`, block by block.
    pub(super) fn blocks(&self, bin: usize) -> impl Iterator<Item = (&[u64], &[W])> {
        let keys: &[u64] = bytemuck::cast_slice(&self.keys);
        let values: &[W] = bytemuck::cast_slice(&self.values);
        let entries = self.entries(bin);
        self.lists[bin].iter().enumerate().map(move |(k, &block)| {
            let at = block as usize * self.block;
            let range = at..at + self.block.min(entries - k * self.block);
            (&keys[range.clone()], &values[range])
        })
    }

    /// Forgets all entries.
    fn clear(&mut self) {
        self.next.fill(0);
        self.lists.iter_mut().for_each(Vec::clear);
        self.used = 0;
    }
}

/// What was written aside at once: the bins one after another, of each first the keys and then the values.
#[derive(Debug)]
struct Spill {
    /// Where in the log it begins.
    begin: u64,
    /// For each bin and one more, how many entries come before it.
    ends: Vec<u32>,
}

/// What was written aside.
#[derive(Debug)]
pub(super) struct Log<W> {
    device: Box<dyn Device>,
    bytes: u64,
    behind: WriteBehind,
    spills: Vec<Spill>,
    of: PhantomData<W>,
}

impl<W: Bits> Log<W> {
    const ENTRY_BYTES: u64 = (size_of::<u64>() + size_of::<W>()) as u64;

    /// On `device`, of which `bytes` are expected to be used.
    pub(super) fn new(device: Box<dyn Device>, bytes: u64, budget: Budget) -> Self {
        let behind = WriteBehind::scratch(bytes, budget);
        Self { device, bytes: 0, behind, spills: Vec::new(), of: PhantomData }
    }

    /// Writes all that is held aside, about `chunk_bytes` in one call.
    pub(super) fn spill(&mut self, held: &mut Held<W>, chunk_bytes: usize) -> Result<()> {
        let begin = self.bytes;
        let mut ends = vec![0];
        let mut chunk = Vec::with_capacity(chunk_bytes);
        for bin in 0..held.lists.len() {
            ends.push(ends[bin] + held.entries(bin) as u32);
            for (keys, _) in held.blocks(bin) {
                self.append(bytemuck::cast_slice(keys), &mut chunk)?;
            }
            for (_, values) in held.blocks(bin) {
                self.append(bytemuck::cast_slice(values), &mut chunk)?;
            }
        }
        self.write(&mut chunk)?;
        self.spills.push(Spill { begin, ends });
        held.clear();
        Ok(())
    }

    /// Appends to what is written in one call.
    fn append(&mut self, bytes: &[u8], chunk: &mut Vec<u8>) -> Result<()> {
        if chunk.len() + bytes.len() > chunk.capacity() {
            self.write(chunk)?;
        }
        chunk.extend_from_slice(bytes);
        Ok(())
    }

    /// Appends `chunk` to the log, and empties it.
    fn write(&mut self, chunk: &mut Vec<u8>) -> Result<()> {
        let range = self.bytes..self.bytes + chunk.len() as u64;
        if range.end > self.device.len() {
            let room = range.end.max(self.device.len() / 2 * 3);
            self.device.set_len(room)?;
        }
        self.device.write_at(range.start, chunk)?;
        self.behind.written(&*self.device, range.clone());
        self.bytes = range.end;
        chunk.clear();
        Ok(())
    }

    /// How many entries of `bin` were written aside.
    pub(super) fn entries(&self, bin: usize) -> u64 {
        self.spills.iter().map(|spill| u64::from(spill.ends[bin + 1] - spill.ends[bin])).sum()
    }

    /// Where the bins `bins` lie in each spill.
    fn ranges(&self, bins: &Range<usize>) -> impl Iterator<Item = Range<u64>> {
        let (start, end) = (bins.start, bins.end);
        self.spills.iter().map(move |spill| {
            let at = |bin: usize| spill.begin + u64::from(spill.ends[bin]) * Self::ENTRY_BYTES;
            at(start)..at(end)
        })
    }

    /// Sets the disk to reading `bins`.
    pub(super) fn prefetch(&self, bins: &Range<usize>) {
        self.device.prefetch(&self.ranges(bins).collect::<Vec<_>>());
    }

    /// Reads all of `bins`.
    pub(super) fn read(&self, bins: &Range<usize>, out: &mut ReadBack) -> Result<()> {
        let ReadBack { bytes, begins } = out;
        begins.clear();
        let mut end = 0;
        for range in self.ranges(bins) {
            begins.push(end);
            end += (range.end - range.start) as usize;
        }
        bytes.resize(end, 0);
        let mut rest = &mut bytes[..];
        for range in self.ranges(bins) {
            let (own, others) = rest.split_at_mut((range.end - range.start) as usize);
            self.device.read_into(range.start, own)?;
            rest = others;
        }
        Ok(())
    }

    /// Copies the entries of `bin` of what was read of bins from `first` on: how many.
    pub(super) fn collect(
        &self,
        read: &ReadBack,
        (first, bin): (usize, usize),
        keys: &mut [u64],
        values: &mut [W],
    ) -> usize {
        let mut end = 0;
        for (spill, begin) in self.spills.iter().zip(&read.begins) {
            let count = (spill.ends[bin + 1] - spill.ends[bin]) as usize;
            let before = (spill.ends[bin] - spill.ends[first]) as usize;
            let at = begin + before * Self::ENTRY_BYTES as usize;
            let values_at = at + count * size_of::<u64>();
            let own = end..end + count;
            let key_bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut keys[own.clone()]);
            key_bytes.copy_from_slice(&read.bytes[at..values_at]);
            let value_bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut values[own.clone()]);
            value_bytes.copy_from_slice(&read.bytes[values_at..][..count * size_of::<W>()]);
            end = own.end;
        }
        end
    }

    /// Shows the entries of `bin` in parts of no more than `most`, in the order in which they came.
    pub(super) fn each_chunk(
        &self,
        bin: usize,
        most: usize,
        show: &mut super::ShowEntries<'_, W>,
    ) -> Result<()> {
        let (mut keys, mut values) = (vec![0; most], vec![W::default(); most]);
        for (spill, range) in self.spills.iter().zip(self.ranges(&(bin..bin + 1))) {
            let count = (spill.ends[bin + 1] - spill.ends[bin]) as usize;
            let values_at = range.start + (count * size_of::<u64>()) as u64;
            for first in (0..count).step_by(most) {
                let some = most.min(count - first);
                let (keys, values) = (&mut keys[..some], &mut values[..some]);
                let from = range.start + (first * size_of::<u64>()) as u64;
                self.device.read_into(from, bytemuck::cast_slice_mut(keys))?;
                let from = values_at + (first * size_of::<W>()) as u64;
                self.device.read_into(from, bytemuck::cast_slice_mut(values))?;
                show(keys, values)?;
            }
        }
        Ok(())
    }
}

/// Some bins as they were written aside, spill by spill.
#[derive(Debug, Default)]
pub(super) struct ReadBack {
    bytes: Vec<u8>,
    /// Where each spill's begin.
    begins: Vec<usize>,
}
