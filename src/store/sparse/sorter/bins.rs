//! Where entries wait: in blocks that belong to bins, and in the log.

use std::marker::PhantomData;

use crate::array::Bits;
use crate::error::Result;
use crate::store::behind::WriteBehind;
use crate::sys::{Device, Pages};

/// Neighbouring keys.
#[derive(Debug, Clone, Default)]
pub(super) struct Bin {
    /// Blocks that are held, all of them full but the last.
    pub(super) blocks: Vec<u32>,
    /// Entries that are held.
    pub(super) held: usize,
    /// Where entries are that were written aside: byte of the log, and how many.
    pub(super) pieces: Vec<(u64, u32)>,
}

impl Bin {
    pub(super) fn entries(&self) -> u64 {
        self.held as u64 + self.pieces.iter().map(|&(_, count)| u64::from(count)).sum::<u64>()
    }
}

/// Memory for entries: blocks of which each belongs to a bin.
pub(super) struct Held<W> {
    pub(super) keys: Pages,
    pub(super) values: Pages,
    pub(super) block: usize,
    /// Blocks, and those of them that belong to a bin.
    pub(super) blocks: usize,
    pub(super) used: usize,
    pub(super) of: PhantomData<W>,
}

impl<W: Bits> Held<W> {
    pub(super) fn new(blocks: usize, block: usize) -> Result<Self> {
        let entries = blocks * block;
        let keys = Pages::new(entries * size_of::<u64>())?;
        let values = Pages::new(entries * size_of::<W>())?;
        Ok(Self { keys, values, block, blocks, used: 0, of: PhantomData })
    }

    /// Takes entries until one finds no room: how many. `bin_of` says which bin is a key's.
    pub(super) fn take(
        &mut self,
        keys: &[u64],
        values: &[W],
        bins: &mut [Bin],
        bin_of: impl Fn(u64) -> usize,
    ) -> usize {
        let own_keys: &mut [u64] = bytemuck::cast_slice_mut(&mut self.keys);
        let own_values: &mut [W] = bytemuck::cast_slice_mut(&mut self.values);
        for (k, (&key, &value)) in keys.iter().zip(values).enumerate() {
            let bin = &mut bins[bin_of(key)];
            let place = bin.held % self.block;
            if place == 0 {
                if self.used == self.blocks {
                    return k;
                }
                bin.blocks.push(self.used as u32);
                self.used += 1;
            }
            let at = bin.blocks[bin.blocks.len() - 1] as usize * self.block + place;
            own_keys[at] = key;
            own_values[at] = value;
            bin.held += 1;
        }
        keys.len()
    }

    /// The entries of `bin`, block by block.
    pub(super) fn blocks<'h>(&'h self, bin: &'h Bin) -> impl Iterator<Item = (&'h [u64], &'h [W])> {
        let keys: &[u64] = bytemuck::cast_slice(&self.keys);
        let values: &[W] = bytemuck::cast_slice(&self.values);
        bin.blocks.iter().enumerate().map(move |(k, &block)| {
            let at = block as usize * self.block;
            let range = at..at + self.block.min(bin.held - k * self.block);
            (&keys[range.clone()], &values[range])
        })
    }
}

/// What was written aside.
pub(super) struct Log {
    pub(super) device: Box<dyn Device>,
    pub(super) bytes: u64,
    pub(super) behind: WriteBehind,
}

impl Log {
    /// Appends `chunk`, and empties it.
    pub(super) fn write(&mut self, chunk: &mut Vec<u8>) -> Result<()> {
        let range = self.bytes..self.bytes + chunk.len() as u64;
        if range.end > self.device.len() {
            self.device.set_len(range.end)?;
        }
        self.device.write_at(range.start, chunk)?;
        self.behind.written(&*self.device, range.clone());
        self.bytes = range.end;
        chunk.clear();
        Ok(())
    }

    /// The entries at `at`: first all keys, then all values.
    pub(super) fn read<W: Bits>(&self, at: u64, keys: &mut [u64], values: &mut [W]) -> Result<()> {
        let values_at = at + size_of_val(keys) as u64;
        self.device.read_into(at, bytemuck::cast_slice_mut(keys))?;
        self.device.read_into(values_at, bytemuck::cast_slice_mut(values))
    }
}
