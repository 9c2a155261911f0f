//! What was written and not yet merged into a file: layers over the entries, each newer than those before.
//!
//! A layer covers some lines × some positions and holds what is not zero there; or it covers just the cells
//! that it names. Cells written one by one gather in a map, which becomes a layer when it has grown. What
//! exceeds its share of the budget moves to a scratch file, layer by layer, and is read from there.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::runs::{Patch, Patches, Runs, Set};
use crate::array::Bits;
use crate::error::Result;
use crate::store::{Context, Reservation};
use crate::sys::{Device, Medium};

/// What a cell takes in the map, with the map's own share.
const CELL_BYTES: u64 = 80;

/// Writes of at most this many cells are kept cell by cell.
const FEW_CELLS: usize = 256;

/// What a layer takes beside its runs.
const LAYER_BYTES: u64 = 256;

/// Layers beyond this many cost every read more than merging them all does.
pub(super) const MOST_LAYERS: usize = 512;

/// The layers, oldest first.
#[derive(Debug)]
pub(super) struct Overlay<W> {
    layers: Vec<Layer<W>>,
    /// Newer than all layers. Zeros are kept: they cover what is below.
    cells: BTreeMap<(usize, usize), W>,
    log: Option<Box<dyn Device>>,
    log_bytes: u64,
    memory: Option<Reservation>,
}

#[derive(Debug)]
struct Layer<W> {
    /// Which lines and positions it covers; none where it covers what its runs name.
    cover: Option<(Set, Set)>,
    place: Place<W>,
    /// Whether it covers whole lines that came one after another, and may go on to.
    is_appended: bool,
}

#[derive(Debug)]
enum Place<W> {
    Held(Runs<W>),
    Logged { offset: u64, runs: u64, entries: u64 },
}

impl<W> Layer<W> {
    /// Bytes that stay in memory where the runs are logged.
    fn kept_bytes(&self) -> u64 {
        let list_bytes =
            |set: &Set| if let Set::List(list) = set { 8 * list.len() as u64 } else { 0 };
        let lists = self.cover.as_ref().map(|(lines, at)| list_bytes(lines) + list_bytes(at));
        LAYER_BYTES + lists.unwrap_or(0)
    }
}

/// Where a log is made, if one is needed.
#[derive(Debug)]
pub(super) struct LogPlace<'a> {
    pub medium: &'a Arc<dyn Medium>,
    pub near: &'a PathBuf,
}

impl<W: Bits> Overlay<W> {
    pub(super) fn new() -> Self {
        Self { layers: Vec::new(), cells: BTreeMap::new(), log: None, log_bytes: 0, memory: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.layers.is_empty() && self.cells.is_empty()
    }

    /// Whether merging everything is due: there are many layers, or what no log can take of them has grown
    /// beyond the share of the budget.
    pub(super) fn is_deep(&self, context: &Context) -> bool {
        let kept: u64 = self.layers.iter().map(Layer::kept_bytes).sum();
        self.layers.len() > MOST_LAYERS || kept > share_bytes(context)
    }

    #[cfg(test)]
    pub(super) fn depth(&self) -> usize {
        self.layers.len()
    }

    #[cfg(test)]
    pub(super) fn reserved_bytes(&self) -> u64 {
        self.memory.as_ref().map_or(0, Reservation::bytes)
    }

    /// Entries in all layers: at most so many are added to a file.
    pub(super) fn entries(&self) -> u64 {
        let layers = self.layers.iter().map(|layer| match &layer.place {
            Place::Held(runs) => runs.values.len() as u64,
            Place::Logged { entries, .. } => *entries,
        });
        layers.sum::<u64>() + self.cells.len() as u64
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    /// How many cells of a selection are written into one layer: what its share of the budget holds.
    pub(super) fn layer_cells(context: &Context) -> usize {
        let bytes = share_bytes(context) / 2 / (24 + size_of::<W>() as u64);
        usize::try_from(bytes).unwrap_or(usize::MAX).max(1)
    }

    /// Covers `lines` × `positions` with `value(line, position)` of the `l`-th and `p`-th.
    pub(super) fn write(
        &mut self,
        lines: Set,
        positions: Set,
        value: &dyn Fn(usize, usize) -> W,
        context: &Context,
        log: &LogPlace<'_>,
    ) -> Result<()> {
        let cells = lines.len().saturating_mul(positions.len());
        if cells <= FEW_CELLS {
            for l in 0..lines.len() {
                for p in 0..positions.len() {
                    self.cells.insert((lines.at(l), positions.at(p)), value(l, p));
                }
            }
        } else {
            let mut runs = Runs::new();
            for l in 0..lines.len() {
                for p in 0..positions.len() {
                    let value = value(l, p);
                    if value != W::default() {
                        runs.push(lines.at(l), positions.at(p), value);
                    }
                }
            }
            self.freeze_cells();
            self.layers.push(Layer {
                cover: Some((lines, positions)),
                place: Place::Held(runs),
                is_appended: false,
            });
        }
        self.keep_to_budget(context, log)
    }

    /// Covers `lines` × all of `length` positions, which nothing covered before, with what `value(line, position)` of the
    /// `l`-th line and a position is. Lines that come one after another are one layer.
    pub(super) fn append(
        &mut self,
        lines: Range<usize>,
        length: usize,
        value: &dyn Fn(usize, usize) -> W,
        context: &Context,
        log: &LogPlace<'_>,
    ) -> Result<()> {
        self.freeze_cells();
        let runs = match self.layers.last_mut() {
            Some(Layer {
                cover: Some((Set::Range { start, step: 1, count }, _)),
                place: Place::Held(runs),
                is_appended: true,
            }) if *start + *count == lines.start => {
                *count += lines.len();
                runs
            }
            _ => {
                let set = |start, count| Set::Range { start, step: 1, count };
                let cover = Some((set(lines.start, lines.len()), set(0, length)));
                let place = Place::Held(Runs::new());
                self.layers.push(Layer { cover, place, is_appended: true });
                let Some(Layer { place: Place::Held(runs), .. }) = self.layers.last_mut() else {
                    unreachable!("it was just pushed")
                };
                runs
            }
        };
        for (l, line) in lines.enumerate() {
            for position in 0..length {
                let value = value(l, position);
                if value != W::default() {
                    runs.push(line, position, value);
                }
            }
        }
        self.keep_to_budget(context, log)
    }

    /// Makes a layer of the cells written one by one.
    fn freeze_cells(&mut self) {
        if self.cells.is_empty() {
            return;
        }
        let mut runs = Runs::new();
        for ((line, position), value) in std::mem::take(&mut self.cells) {
            runs.push(line, position, value);
        }
        self.layers.push(Layer { cover: None, place: Place::Held(runs), is_appended: false });
    }

    /// Reserves what is held; what exceeds the overlay's share of the budget goes to the log.
    fn keep_to_budget(&mut self, context: &Context, log: &LogPlace<'_>) -> Result<()> {
        self.memory = None;
        let mut held = self.held_bytes();
        if held > share_bytes(context) {
            self.freeze_cells();
            self.spill(log)?;
            held = self.held_bytes();
        }
        self.memory = Some(context.reserve(held)?);
        Ok(())
    }

    fn held_bytes(&self) -> u64 {
        let layers = self.layers.iter().map(|layer| {
            let runs = if let Place::Held(runs) = &layer.place { runs.bytes() } else { 0 };
            layer.kept_bytes() + runs
        });
        layers.sum::<u64>() + self.cells.len() as u64 * CELL_BYTES
    }

    fn spill(&mut self, place: &LogPlace<'_>) -> Result<()> {
        let held = |layer: &Layer<W>| match &layer.place {
            Place::Held(runs) => runs.bytes().next_multiple_of(16),
            Place::Logged { .. } => 0,
        };
        let needed = self.log_bytes + self.layers.iter().map(held).sum::<u64>();
        let log = match &mut self.log {
            Some(log) => {
                log.set_len(needed)?;
                log
            }
            None => self.log.insert(place.medium.scratch(place.near, needed)?),
        };
        for layer in &mut self.layers {
            let Place::Held(runs) = &layer.place else { continue };
            let offset = self.log_bytes;
            let mut at = offset;
            for bytes in [
                bytemuck::cast_slice(&runs.lines),
                bytemuck::cast_slice(&runs.ends),
                bytemuck::cast_slice(&runs.positions),
                bytemuck::cast_slice::<W, u8>(&runs.values),
            ] {
                log.write_at(at, bytes)?;
                at += bytes.len() as u64;
            }
            self.log_bytes = at.next_multiple_of(16);
            let (runs, entries) = (runs.lines.len() as u64, runs.values.len() as u64);
            layer.place = Place::Logged { offset, runs, entries };
        }
        Ok(())
    }

    /// Entries at most that the layers hold for the positions of `lines` in `part`.
    pub(super) fn count(&self, lines: &Range<usize>, part: &Range<usize>) -> Result<usize> {
        let mut count = self.cells_of(lines, part).count();
        for layer in self.touching(lines) {
            count += match &layer.place {
                Place::Held(runs) => {
                    let range = runs.entries(runs.runs_of(lines));
                    within(&runs.positions[range], lines, part).len()
                }
                &Place::Logged { offset, runs, .. } => {
                    let logged = self.logged(offset, runs);
                    let range = logged.entries(logged.runs_of(lines)?)?;
                    length(logged.within(range, lines, part)?)
                }
            };
        }
        Ok(count)
    }

    /// What the layers hold for the positions of `lines` in `part`: what is logged is read.
    pub(super) fn patches(
        &self,
        lines: &Range<usize>,
        part: &Range<usize>,
    ) -> Result<Patches<'_, W>> {
        let mut patches = Vec::new();
        for layer in self.touching(lines) {
            let runs = match &layer.place {
                Place::Held(runs) => Cow::Borrowed(runs),
                &Place::Logged { offset, runs, entries } => {
                    Cow::Owned(self.logged(offset, runs).load(entries, lines, part)?)
                }
            };
            patches.push(Patch { cover: layer.cover.as_ref(), runs });
        }
        let mut runs = Runs::new();
        for ((line, position), &value) in self.cells_of(lines, part) {
            runs.push(*line, *position, value);
        }
        if !runs.values.is_empty() {
            patches.push(Patch { cover: None, runs: Cow::Owned(runs) });
        }
        Ok(Patches(patches))
    }

    fn touching(&self, lines: &Range<usize>) -> impl Iterator<Item = &Layer<W>> + use<'_, W> {
        let lines = lines.clone();
        self.layers.iter().filter(move |layer| match &layer.cover {
            Some((set, _)) => set.touches(&lines),
            None => true,
        })
    }

    fn cells_of(
        &self,
        lines: &Range<usize>,
        part: &Range<usize>,
    ) -> impl Iterator<Item = (&(usize, usize), &W)> + use<'_, W> {
        let (range, part) = ((lines.start, 0)..(lines.end, 0), part.clone());
        self.cells.range(range).filter(move |((_, position), _)| part.contains(position))
    }

    fn logged(&self, offset: u64, runs: u64) -> Logged<'_> {
        let log = self.log.as_deref().expect("what is logged has a log");
        Logged { log, lines: offset, runs }
    }
}

fn share_bytes(context: &Context) -> u64 {
    context.budget().effective_bytes() / 4
}

/// Of the entries of some lines those in `part`, where there is but one line; else all.
fn within<'p>(positions: &'p [u64], lines: &Range<usize>, part: &Range<usize>) -> &'p [u64] {
    if lines.len() != 1 {
        return positions;
    }
    let below = |bound: usize| positions.partition_point(|&at| at < bound as u64);
    &positions[below(part.start)..below(part.end)]
}

/// A layer's runs in the log: four arrays, one after another, the first at `lines`.
struct Logged<'a> {
    log: &'a dyn Device,
    lines: u64,
    runs: u64,
}

impl Logged<'_> {
    fn number(&self, base: u64, at: u64) -> Result<u64> {
        let mut bytes = [0; 8];
        self.log.read_into(base + 8 * at, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// The first of the numbers `range` from `base` on, which rise, that is not below `bound`.
    fn below(&self, base: u64, mut range: Range<u64>, bound: u64) -> Result<u64> {
        while range.start < range.end {
            let middle = range.start.midpoint(range.end);
            if self.number(base, middle)? < bound {
                range.start = middle + 1;
            } else {
                range.end = middle;
            }
        }
        Ok(range.start)
    }

    fn runs_of(&self, lines: &Range<usize>) -> Result<Range<u64>> {
        let start = self.below(self.lines, 0..self.runs, lines.start as u64)?;
        Ok(start..self.below(self.lines, start..self.runs, lines.end as u64)?)
    }

    fn entries(&self, runs: Range<u64>) -> Result<Range<u64>> {
        let ends = self.lines + 8 * self.runs;
        let begin = |run: u64| if run == 0 { Ok(0) } else { self.number(ends, run - 1) };
        Ok(begin(runs.start)?..begin(runs.end)?)
    }

    fn within(
        &self,
        entries: Range<u64>,
        lines: &Range<usize>,
        part: &Range<usize>,
    ) -> Result<Range<u64>> {
        if lines.len() != 1 {
            return Ok(entries);
        }
        let positions = self.lines + 16 * self.runs;
        let start = self.below(positions, entries.clone(), part.start as u64)?;
        Ok(start..self.below(positions, start..entries.end, part.end as u64)?)
    }

    /// The runs of `lines`, of a layer that has `entries` in all.
    fn load<W: Bits>(
        &self,
        entries: u64,
        lines: &Range<usize>,
        part: &Range<usize>,
    ) -> Result<Runs<W>> {
        let runs = self.runs_of(lines)?;
        let all = self.entries(runs.clone())?;
        let wanted = self.within(all, lines, part)?;
        let count = (runs.end - runs.start) as usize;
        let mut out = Runs::<W> {
            lines: vec![0; count],
            ends: vec![0; count],
            positions: vec![0; (wanted.end - wanted.start) as usize],
            values: vec![W::default(); (wanted.end - wanted.start) as usize],
        };
        let ends = self.lines + 8 * self.runs;
        let positions = ends + 8 * self.runs;
        let values = positions + 8 * entries;
        let item = size_of::<W>() as u64;
        self.log
            .read_into(self.lines + 8 * runs.start, bytemuck::cast_slice_mut(&mut out.lines))?;
        self.log.read_into(ends + 8 * runs.start, bytemuck::cast_slice_mut(&mut out.ends))?;
        self.log.read_into(
            positions + 8 * wanted.start,
            bytemuck::cast_slice_mut(&mut out.positions),
        )?;
        self.log
            .read_into(values + item * wanted.start, bytemuck::cast_slice_mut(&mut out.values))?;
        for end in &mut out.ends {
            *end = (*end).min(wanted.end) - wanted.start;
        }
        Ok(out)
    }
}

fn length(range: Range<u64>) -> usize {
    (range.end - range.start) as usize
}
