//! Lines of the other axis on their way into the file: columns into rows, or rows into columns.
//!
//! They wait in a stage until they are turned all at once. Where they are many and short, a full stage is turned by
//! itself and put aside as a run; then the file is made of the runs.

use std::ops::Range;

use super::Engine;
use super::base::window_bytes;
use super::builder::{Builder, most_entries};
use super::ints::Ints;
use super::merge::merge_turned;
use super::spill::{Merged, Run, Spill, merge};
use super::stage::{Stage, stage_memory};
use super::turn::Turned;
use crate::array::Bits;
use crate::error::Result;
use crate::store::Context;

/// Lines that wait.
#[derive(Debug)]
pub(super) struct Across {
    /// None while it is being put aside.
    stage: Option<Stage>,
    spill: Spill,
}

impl Across {
    /// None waits yet.
    pub(super) fn new<W: Bits>(engine: &Engine<W>, context: &Context) -> Result<Self> {
        Ok(Self { stage: Some(new_stage(engine, context)?), spill: Spill::default() })
    }

    /// Sees to it that there is room for a line more, and says whether it may be line `index`: not, where an older
    /// one was put aside, and where the list of what was has grown beyond its share.
    pub(super) fn takes<W: Bits>(
        &mut self,
        index: usize,
        engine: &Engine<W>,
        context: &Context,
    ) -> Result<bool> {
        let block_bytes = window_bytes(context);
        let is_done = |stage: &Stage| stage.is_full() || stage.is_better_turned(block_bytes);
        if self.stage.as_ref().is_none_or(is_done) {
            self.put_aside(engine, context)?;
            self.stage = Some(new_stage(engine, context)?);
        }
        let most = context.budget().effective_bytes() / 16;
        Ok(!self.spill.covers(index) && self.spill.list_bytes() <= most)
    }

    /// Whether line `index` waits, or was put aside.
    pub(super) fn has(&self, index: usize) -> bool {
        self.spill.covers(index) || self.stage.as_ref().is_some_and(|stage| stage.holds(index))
    }

    /// Where the line waits that was said to be taken.
    pub(super) fn stage(&mut self) -> &mut Stage {
        self.stage.as_mut().expect("there is one whenever nothing is being put aside")
    }

    /// Turns what waits and puts it aside.
    fn put_aside<W: Bits>(&mut self, engine: &Engine<W>, context: &Context) -> Result<()> {
        let Some(stage) = self.stage.take().filter(|stage| stage.iter().len() > 0) else {
            return Ok(());
        };
        let (facts, target) = (engine.facts, engine.target());
        let first = stage.indices().next().unwrap_or(0);
        let span = first..stage.indices().next_back().map_or(first, |last| last + 1);
        let mut run = Run::new(facts, &target, stage.entries(), span)?;
        turn(engine, &stage, context, &mut |_, turned| run.push(turned))?;
        self.spill.cover(stage.indices());
        // Its memory is for merging.
        drop(stage);
        self.spill.add::<W>(run, (facts, &target), context)
    }

    /// Writes the file anew, with all that waits in the place of what was there.
    pub(super) fn finish<W: Bits>(
        mut self,
        engine: &mut Engine<W>,
        context: &Context,
    ) -> Result<()> {
        if self.spill.is_empty()
            && let Some(stage) = self.stage.take()
        {
            let mut file = NewFile::begin(engine, stage.entries())?;
            let covered = |index| stage.holds(index);
            turn(engine, &stage, context, &mut |lines, turned| {
                file.put(engine, &lines, turned, &covered, context)
            })?;
            return engine.replace(file.builder.finish()?);
        }
        self.put_aside(engine, context)?;
        let (facts, target) = (engine.facts, engine.target());
        let runs = self.spill.few::<W>((facts, &target), context)?;
        let mut file = NewFile::begin(engine, runs.iter().map(Run::entries).sum())?;
        let covered = |index| self.spill.covers(index);
        merge::<W>(&runs, facts, context, &mut |lines, merged| match merged {
            Merged::Lines(turned) => file.put(engine, &lines, turned, &covered, context),
            Merged::Part(turned, _) if file.is_alone => {
                file.builder.push_part(turned.indices.view(), &turned.values, context)
            }
            Merged::Part(turned, positions) => {
                let place = (&lines, &positions);
                merge_turned(engine, place, turned, &covered, &mut file.builder, context)
            }
            Merged::End => file.builder.end_line(),
        })?;
        engine.replace(file.builder.finish()?)
    }
}

fn new_stage<W: Bits>(engine: &Engine<W>, context: &Context) -> Result<Stage> {
    let facts = engine.facts;
    let memory = stage_memory(context)?;
    Stage::new(facts.lines(), facts.dtype.item_size(), engine.target(), memory)
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
        let is_alone = engine.base.entries() == 0 && engine.overlay.is_empty();
        Ok(Self { builder: engine.builder(expected)?, is_alone })
    }

    /// Appends lines: what was turned, and what the old file holds where that covers nothing.
    fn put<W: Bits>(
        &mut self,
        engine: &Engine<W>,
        lines: &Range<usize>,
        turned: &Turned<W>,
        covered: &dyn Fn(usize) -> bool,
        context: &Context,
    ) -> Result<()> {
        if self.is_alone {
            let (offsets, indices) = (&turned.offsets, turned.indices.view());
            return self.builder.push(offsets, indices, &turned.values, context);
        }
        let place = (lines, &(0..engine.facts.length()));
        merge_turned(engine, place, turned, covered, &mut self.builder, context)
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
