//! Writing a new file: lines from the first to the last, each part straight to its place.
//!
//! How many entries there will be is not known before the last one is written, and the values lie behind the
//! positions. Room is therefore left for as many positions as are expected; what was left too much is closed
//! at the end by moving the values, and what was left too little is widened on the way.

use std::path::PathBuf;
use std::sync::Arc;

use crc32fast::Hasher;

use super::base::{Base, Facts};
use super::ints::{Int, with_indices};
use crate::array::{Bits, IndexWidth};
use crate::error::Result;
use crate::format::npz::{NpzPlan, Part};
use crate::store::behind::WriteBehind;
use crate::store::{Context, Indices, join};
use crate::sys::{Device, Existing, Medium};

/// Bytes that are moved or converted at a time.
pub(super) const CHUNK_BYTES: usize = 256 << 10;

/// Bytes below which checksums are not worth another thread's wake-up.
const PARALLEL_BYTES: usize = 1 << 20;

/// Where the new file goes.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub medium: Arc<dyn Medium>,
    pub path: PathBuf,
    /// None for a nameless file that only this store sees.
    pub existing: Option<Existing>,
}

/// A file being written.
#[derive(Debug)]
pub(super) struct Builder {
    device: Box<dyn Device>,
    target: Target,
    facts: Facts,
    plan: NpzPlan,
    width: IndexWidth,
    capacity: u64,
    lines: usize,
    entries: u64,
    indptr: Hasher,
    indices: Hasher,
    data: Hasher,
    behind: [WriteBehind; 2],
}

impl Builder {
    /// Begins a file in which `expected` entries are. `fresh` is a device to begin it on, if there is one
    /// already.
    pub(super) fn new(
        target: Target,
        facts: Facts,
        expected: u64,
        fresh: Option<Box<dyn Device>>,
    ) -> Result<Self> {
        let capacity = expected.min(most_entries(facts));
        let (plan, width) = planned(facts, capacity)?;
        let device = match (fresh, target.existing) {
            (Some(mut device), _) => {
                device.set_len(plan.file_bytes())?;
                device
            }
            (None, Some(existing)) => {
                target.medium.create(&target.path, plan.file_bytes(), existing)?
            }
            (None, None) => target.medium.scratch(&target.path, plan.file_bytes())?,
        };
        let mut builder = Self {
            device,
            target,
            facts,
            plan,
            width,
            capacity,
            lines: 0,
            entries: 0,
            indptr: Hasher::new(),
            indices: Hasher::new(),
            data: Hasher::new(),
            behind: Default::default(),
        };
        builder.write_ends(&[0])?;
        Ok(builder)
    }

    /// How many lines are there.
    pub(super) fn lines(&self) -> usize {
        self.lines
    }

    /// Appends lines whose entries begin at `offsets`, which rise from 0.
    pub(super) fn push<W: Bits>(
        &mut self,
        offsets: &[usize],
        indices: Indices<'_>,
        values: &[W],
        context: &Context,
    ) -> Result<()> {
        let before = self.entries;
        self.push_part(indices, values, context)?;
        for ends in offsets[1..].chunks(CHUNK_BYTES / 8) {
            let ends: Vec<u64> = ends.iter().map(|&end| before + end as u64).collect();
            self.lines += ends.len();
            self.write_ends(&ends)?;
        }
        Ok(())
    }

    /// Appends entries of a line that does not end with them.
    pub(super) fn push_part<W: Bits>(
        &mut self,
        indices: Indices<'_>,
        values: &[W],
        context: &Context,
    ) -> Result<()> {
        if values.is_empty() {
            return Ok(());
        }
        let needed = self.entries + values.len() as u64;
        if needed > self.capacity {
            // What was expected so far was too little: room for half as much again.
            self.rearrange((needed + needed / 2).min(most_entries(self.facts)))?;
        }
        let bytes: &[u8] = bytemuck::cast_slice(values);
        let at = self.plan.offset(Part::Data) + self.entries * size_of::<W>() as u64;
        let index_at = self.plan.offset(Part::Indices) + self.entries * self.width.bytes() as u64;
        let is_same = matches!(
            (indices, self.width),
            (Indices::I32(_), IndexWidth::I32) | (Indices::I64(_), IndexWidth::I64)
        );
        let (data_hash, index_hash) = (&mut self.data, &mut self.indices);
        let (device, width) = (&mut *self.device, self.width);
        if is_same {
            let index_bytes = indices.bytes();
            let mut written = Ok(());
            let mut write = || {
                written = device
                    .write_at(index_at, index_bytes)
                    .and_then(|()| device.write_at(at, bytes));
            };
            let mut hash = || {
                index_hash.update(index_bytes);
                data_hash.update(bytes);
            };
            if bytes.len() < PARALLEL_BYTES || context.threads() == 1 {
                hash();
                write();
            } else {
                context.install(|| join(&mut write, &mut hash));
            }
            written?;
        } else {
            device.write_at(at, bytes)?;
            data_hash.update(bytes);
            let mut index_at = index_at;
            for from in (0..indices.len()).step_by(CHUNK_BYTES / 8) {
                let part = indices.part(from..indices.len().min(from + CHUNK_BYTES / 8));
                let bytes = in_width(part, width);
                index_hash.update(&bytes);
                device.write_at(index_at, &bytes)?;
                index_at += bytes.len() as u64;
            }
        }
        self.entries = needed;
        self.behind[0]
            .written(&*self.device, index_at..index_at + (values.len() * width.bytes()) as u64);
        self.behind[1].written(&*self.device, at..at + bytes.len() as u64);
        Ok(())
    }

    /// Ends the line that [`Builder::push_part`] appended to.
    pub(super) fn end_line(&mut self) -> Result<()> {
        self.lines += 1;
        self.write_ends(&[self.entries])
    }

    /// Completes the file: all lines must be there. It has its name after its device's sync.
    pub(super) fn finish(mut self) -> Result<Base> {
        debug_assert_eq!(self.lines, self.facts.lines());
        if self.capacity != self.entries {
            self.rearrange(self.entries)?;
        }
        self.device.set_len(self.plan.file_bytes())?;
        let checksum = |part, hasher: Hasher| {
            let mut whole = self.plan.hasher(part);
            whole.combine(&hasher);
            whole.finalize()
        };
        let checksums = [
            (Part::Indptr, checksum(Part::Indptr, self.indptr)),
            (Part::Indices, checksum(Part::Indices, self.indices)),
            (Part::Data, checksum(Part::Data, self.data)),
        ];
        let checksum = |part| checksums.iter().find(|(of, _)| *of == part).map_or(0, |it| it.1);
        for (offset, piece) in self.plan.frame(&checksum) {
            self.device.write_at(offset, &piece)?;
        }
        let Target { medium, path, .. } = self.target;
        let sizes = (self.facts.lines(), self.facts.dtype.item_size(), self.entries);
        Ok(Base::made(self.device, medium, path, (&self.plan, self.width), sizes))
    }

    /// Appends to `indptr`: the ends of the lines that were added last.
    fn write_ends(&mut self, ends: &[u64]) -> Result<()> {
        let begin = self.lines + 1 - ends.len();
        let bytes = match self.width {
            IndexWidth::I32 => {
                let ends: Vec<i32> = ends.iter().map(|&end| end as i32).collect();
                bytemuck::cast_slice(&ends).to_vec()
            }
            IndexWidth::I64 => bytemuck::cast_slice(ends).to_vec(),
        };
        self.indptr.update(&bytes);
        let at = self.plan.offset(Part::Indptr) + (begin * self.width.bytes()) as u64;
        self.device.write_at(at, &bytes)
    }

    /// Moves what is there to where a file of `capacity` entries has it.
    fn rearrange(&mut self, capacity: u64) -> Result<()> {
        let (plan, width) = planned(self.facts, capacity)?;
        if plan.file_bytes() > self.plan.file_bytes() {
            self.device.set_len(plan.file_bytes())?;
        }
        let item = self.facts.dtype.item_size();
        let ends = self.lines as u64 + 1;
        let index = |plan: &NpzPlan, width: IndexWidth, part, count: u64| {
            let bytes = width.bytes();
            Run { offset: plan.offset(part), item: bytes, count }
        };
        let data =
            |plan: &NpzPlan| Run { offset: plan.offset(Part::Data), item, count: self.entries };
        let moves = [
            (data(&self.plan), data(&plan), Part::Data),
            (
                index(&self.plan, self.width, Part::Indices, self.entries),
                index(&plan, width, Part::Indices, self.entries),
                Part::Indices,
            ),
            (
                index(&self.plan, self.width, Part::Indptr, ends),
                index(&plan, width, Part::Indptr, ends),
                Part::Indptr,
            ),
        ];
        // Towards the end the last part goes first, towards the begin the first one.
        let outwards = plan.offset(Part::Data) > self.plan.offset(Part::Data);
        let order: [usize; 3] = if outwards { [0, 1, 2] } else { [2, 1, 0] };
        for k in order {
            let (from, to, part) = moves[k];
            move_run(&mut *self.device, from, to)?;
            if from.item != to.item {
                let hasher = hash_run(&*self.device, to)?;
                *(if part == Part::Indptr { &mut self.indptr } else { &mut self.indices }) = hasher;
            }
        }
        (self.plan, self.width, self.capacity) = (plan, width, capacity);
        self.behind = Default::default();
        Ok(())
    }
}

pub(super) fn planned(facts: Facts, capacity: u64) -> Result<(NpzPlan, IndexWidth)> {
    let width = IndexWidth::fitting(facts.shape, capacity);
    let plan = NpzPlan::new(facts.compression.into(), facts.shape, facts.dtype, width, capacity)?;
    Ok((plan, width))
}

/// Entries of a matrix that has one in every cell.
pub(super) fn most_entries(facts: Facts) -> u64 {
    (facts.lines() as u64).saturating_mul(facts.length() as u64)
}

fn in_width(indices: Indices<'_>, width: IndexWidth) -> Vec<u8> {
    with_indices!(indices, list => {
        let positions = list.iter().map(|index| index.position());
        match width {
            IndexWidth::I32 => positions.flat_map(|at| i32::of(at).to_le_bytes()).collect(),
            IndexWidth::I64 => positions.flat_map(|at| i64::of(at).to_le_bytes()).collect(),
        }
    })
}

/// `count` items of `item` bytes from `offset` on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub offset: u64,
    pub item: usize,
    pub count: u64,
}

/// Moves items within a device; where their sizes differ they are integers of these widths.
pub(super) fn move_run(device: &mut dyn Device, from: Run, to: Run) -> Result<()> {
    if (from.offset, from.item) == (to.offset, to.item) {
        return Ok(());
    }
    let step = (CHUNK_BYTES / from.item.max(to.item)) as u64;
    let mut buffer = vec![0; CHUNK_BYTES];
    let steps = from.count.div_ceil(step);
    let mut one = |index: u64| {
        let start = index * step;
        let count = step.min(from.count - start) as usize;
        let bytes = &mut buffer[..count * from.item];
        device.read_into(from.offset + start * from.item as u64, bytes)?;
        let at = to.offset + start * to.item as u64;
        match (from.item, to.item) {
            (8, 4) => {
                let narrow =
                    bytes.as_chunks::<8>().0.iter().flat_map(|&[a, b, c, d, ..]| [a, b, c, d]);
                device.write_at(at, &narrow.collect::<Vec<u8>>())
            }
            (4, 8) => {
                let wide = bytes
                    .as_chunks::<4>()
                    .0
                    .iter()
                    .flat_map(|&[a, b, c, d]| [a, b, c, d, 0, 0, 0, 0]);
                device.write_at(at, &wide.collect::<Vec<u8>>())
            }
            _ => device.write_at(at, bytes),
        }
    };
    let outwards = to.offset > from.offset || to.item > from.item;
    if outwards {
        (0..steps).rev().try_for_each(&mut one)
    } else {
        (0..steps).try_for_each(&mut one)
    }
}

fn hash_run(device: &dyn Device, run: Run) -> Result<Hasher> {
    let mut hasher = Hasher::new();
    let end = run.offset + run.count * run.item as u64;
    let mut at = run.offset;
    while at < end {
        let to = end.min(at + CHUNK_BYTES as u64);
        device.with(at..to, &mut |bytes| {
            hasher.update(bytes);
            Ok(())
        })?;
        at = to;
    }
    Ok(hasher)
}
