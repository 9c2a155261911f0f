//! Reading and writing cells of a dense file, by item size: the element type is erased here.
//!
//! Owns the device and carries out plans on it. The same code runs over every kind of device.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::geometry::Geometry;
use super::kernel::{self, Block, BlockOrder, Lines, Part};
use super::plan::{Means, ReadKind, ReadPlan, Window};
use super::windows::{PAGE_BYTES, SHARED_WINDOW_BYTES, window_bytes};
use crate::array::Picks;
use crate::error::Result;
use crate::store::{Context, Extents, StepKind};
use crate::sys::{Advice, Device, DeviceKind};

/// Pieces in which long copies are made, so that progress shows and a wish to stop is heard.
pub(super) const COPY_BYTES: usize = 16 << 20;

/// How many ranges are asked for ahead of use.
pub(super) const PREFETCH_RANGES: usize = 1024;

/// Lines of items on a device.
#[derive(Debug)]
pub(super) struct Engine {
    pub device: Box<dyn Device>,
    pub geometry: Geometry,
    /// Bytes of the unit to be reversed where the file is of the other byte order; 1 where it is native.
    pub swap_unit: usize,
    /// Where the last short read ended: one that follows is left to the kernel, which reads ahead.
    read_until: AtomicU64,
}

/// What a read is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    /// Nothing: the kernel is told of it.
    Nothing,
    /// A pass over the file, of which the kernel was told.
    Pass,
}

impl Engine {
    pub(super) fn new(device: Box<dyn Device>, geometry: Geometry, swap_unit: usize) -> Self {
        let engine = Self { device, geometry, swap_unit, read_until: AtomicU64::new(u64::MAX) };
        engine.device.advise(engine.usual_advice());
        engine
    }

    /// Where the elements lie, if a program that maps the file could use them there.
    pub(super) fn extents(&self) -> Option<Extents> {
        let Geometry { item_bytes, data_offset: offset, .. } = self.geometry;
        let is_aligned = offset.is_multiple_of(item_bytes.min(8) as u64);
        (self.swap_unit == 1 && is_aligned && self.device.path().is_some())
            .then_some(Extents::Dense { offset })
    }

    /// How the file's windows are cut.
    pub(super) fn window_bytes(&self, context: &Context) -> u64 {
        window_bytes(self.device.kind(), self.device.len(), context)
    }

    /// The plan for reading `positions` of `lines` into a block in `order`.
    pub(super) fn plan_read<'a>(
        &self,
        lines: Picks<'a>,
        positions: &Picks<'_>,
        order: BlockOrder,
        context: &Context,
    ) -> ReadPlan<'a> {
        let means = Means {
            available_bytes: context.available_bytes(),
            threads: context.threads(),
            window_bytes: self.window_bytes(context),
        };
        ReadPlan::new(self.geometry, self.device.kind(), lines, positions, order, means)
    }

    /// What the kernel is told of a file that is not being passed: a map's faults read what is needed then, and not as
    /// much as could be read ahead.
    pub(super) fn usual_advice(&self) -> Advice {
        match self.device.kind() {
            DeviceKind::Mapped => Advice::Random,
            DeviceKind::Positioned | DeviceKind::Memory => Advice::Normal,
        }
    }

    /// Tells the kernel of a short read: that nothing but `range` is wanted, or where that follows what was read last,
    /// that it may read ahead. Says whether `range` was asked for.
    fn announce(&self, range: &Range<u64>) -> bool {
        if self.read_until.swap(range.end, Ordering::Relaxed) == range.start {
            self.device.advise(Advice::Normal);
            return false;
        }
        self.device.advise(Advice::Random);
        self.device.prefetch(std::slice::from_ref(range));
        true
    }

    /// What the kernel is told before the file is passed from front to back: of a map nothing, it is swept; with the
    /// advice, it was read more slowly.
    pub(super) fn pass_advice(&self) -> Advice {
        match self.device.kind() {
            DeviceKind::Positioned => Advice::Sequential,
            DeviceKind::Mapped | DeviceKind::Memory => Advice::Normal,
        }
    }

    /// Copies `positions` of `lines` into `block`.
    pub(super) fn read(
        &self,
        lines: Picks<'_>,
        positions: &Picks<'_>,
        block: &mut Block<'_>,
        within: Within,
        context: &Context,
    ) -> Result<()> {
        if lines.is_empty() || positions.is_empty() {
            return Ok(());
        }
        if let (1, Some(run)) = (lines.len(), positions.as_run())
            && block.bytes.len() <= COPY_BYTES
        {
            // An element, or a part of a line: nothing to plan.
            let _step = context.step(StepKind::Windows);
            let is_told = within == Within::Nothing && block.bytes.len() > PAGE_BYTES as usize;
            if is_told {
                self.announce(&self.geometry.part_range(lines.at(0), run));
            }
            let read = self.read_run(lines.at(0), positions.at(0), block.bytes);
            if is_told {
                self.device.advise(self.usual_advice());
            }
            return read.and_then(|()| context.advance(block.bytes.len() as u64));
        }
        let plan = self.plan_read(lines, positions, block.order, context);
        let _memory = context.reserve(plan.memory_bytes())?;
        let _step = context.step(plan.step_kind());
        // Whether all of it was asked for, so that nothing is to be swept in.
        let mut is_announced = false;
        if within == Within::Nothing {
            if plan.is_short() {
                is_announced = self.announce(&plan.extent());
            } else {
                self.device.advise(plan.advice());
            }
        }
        let read = match plan.kind {
            ReadKind::Direct => self.read_direct(&plan, lines, positions, block, context),
            ReadKind::Scan => self.read_scan(&plan, positions, block, is_announced, context),
            ReadKind::Ranges => self.read_ranges(&plan, positions, block, context),
        };
        if within == Within::Nothing {
            self.device.advise(self.usual_advice());
        }
        read?;
        if self.swap_unit > 1 {
            kernel::swap_bytes(self.swap_unit, block.bytes);
        }
        Ok(())
    }

    /// The bytes of neighbouring items, from `position` of `line` on.
    pub(super) fn read_run(&self, line: usize, position: usize, out: &mut [u8]) -> Result<()> {
        self.device.read_into(self.geometry.offset(line, position), out)?;
        if self.swap_unit > 1 {
            kernel::swap_bytes(self.swap_unit, out);
        }
        Ok(())
    }

    /// Runs of the file that are runs of the block: copied without a stop between.
    fn read_direct(
        &self,
        plan: &ReadPlan<'_>,
        lines: Picks<'_>,
        positions: &Picks<'_>,
        block: &mut Block<'_>,
        context: &Context,
    ) -> Result<()> {
        if let Some(run) = &plan.run {
            let (workers, bytes) = match plan.workers {
                1 => (1, COPY_BYTES),
                workers => (workers, SHARED_WINDOW_BYTES as usize),
            };
            let pieces = block.bytes.chunks_mut(bytes).enumerate();
            return share(
                context,
                workers,
                pieces,
                || (),
                |(), (index, piece)| {
                    self.device.read_into(run.start + (index * bytes) as u64, piece)?;
                    context.advance(piece.len() as u64)
                },
            );
        }
        let run = positions.as_run().expect("a direct plan is made for a run of positions only");
        let row_bytes = run.len() * self.geometry.item_bytes;
        let segments = [run.clone()];
        let mut ahead = Ahead::new(self, plan, &segments);
        for ordinal in 0..lines.len() {
            ahead.reach(ordinal + 1);
            let (place, line) = plan.pick(ordinal);
            let out = &mut block.bytes[place * row_bytes..(place + 1) * row_bytes];
            self.device.read_into(self.geometry.offset(line, run.start), out)?;
            context.advance(row_bytes as u64)?;
        }
        Ok(())
    }

    /// Drops what was read and passed of a file that the memory does not hold: it would be gone before it is wanted
    /// again, and finding out which pages to drop costs the system more than being told.
    pub(super) fn passed(&self, range: Range<u64>, context: &Context) {
        if !context.budget().is_cached(self.device.len()) {
            self.device.release(range);
        }
    }

    /// Windows of several lines, the wanted items gathered out of each.
    fn read_scan(
        &self,
        plan: &ReadPlan<'_>,
        positions: &Picks<'_>,
        block: &mut Block<'_>,
        is_announced: bool,
        context: &Context,
    ) -> Result<()> {
        let segment = plan.segments[0].clone();
        let mut shifted = Vec::new();
        let picks = shift(positions, segment.start, &mut shifted);
        if plan.workers > 1 {
            return self.read_shared(plan, &segment, &picks, block, context);
        }
        let mut ahead = Ahead::new(self, plan, &plan.segments);
        for window in plan.windows(segment.clone()) {
            // Windows one after another are read ahead by the kernel itself, in large pages.
            if plan.scattered {
                ahead.reach(window.ordinals.end);
            } else if !is_announced {
                self.device.sweep(window.bytes.clone());
            }
            self.gather_window(plan, &window, &segment, &picks, block, context)?;
            if !plan.scattered {
                self.passed(window.bytes.clone(), context);
            }
            context.advance(window.bytes.end - window.bytes.start)?;
        }
        Ok(())
    }

    /// Windows of several lines, read and gathered from by as many threads as the plan says.
    fn read_shared(
        &self,
        plan: &ReadPlan<'_>,
        segment: &Range<usize>,
        picks: &Picks<'_>,
        block: &mut Block<'_>,
        context: &Context,
    ) -> Result<()> {
        let windows: Vec<_> = plan.windows(segment.clone()).collect();
        let item_bytes = self.geometry.item_bytes;
        let stride = plan.even_stride().expect("lists of lines are not shared among threads");
        let counts = windows.iter().map(|window| window.ordinals.len());
        let places = windows.iter().zip(block.cut(item_bytes, counts));
        let longest = windows.iter().map(|window| window.bytes.end - window.bytes.start).max();
        let buffer = || vec![0; longest.unwrap_or(0) as usize];
        share(context, plan.workers, places, buffer, |buffer, (window, mut place)| {
            let bytes = &mut buffer[..(window.bytes.end - window.bytes.start) as usize];
            self.device.read_into(window.bytes.start, bytes)?;
            let lines = Lines { offset: 0, stride, count: window.ordinals.len() };
            kernel::gather_cut(item_bytes, bytes, lines, picks, &mut place);
            self.passed(window.bytes.clone(), context);
            context.advance(bytes.len() as u64)
        })
    }

    /// Gathers what is wanted out of one window, whose lines begin at `segment.start`.
    fn gather_window(
        &self,
        plan: &ReadPlan<'_>,
        window: &Window,
        segment: &Range<usize>,
        picks: &Picks<'_>,
        block: &mut Block<'_>,
        context: &Context,
    ) -> Result<()> {
        let item_bytes = self.geometry.item_bytes;
        self.device.with(window.bytes.clone(), &mut |bytes| {
            if let Some(stride) = plan.even_stride() {
                let lines = Lines { offset: 0, stride, count: window.ordinals.len() };
                let at = window.ordinals.start;
                let moved = kernel::gathered_bytes(item_bytes, &lines, picks);
                context.install_for(moved, || {
                    kernel::gather(item_bytes, bytes, lines, picks, block, at);
                });
                return Ok(());
            }
            for ordinal in window.ordinals.clone() {
                let (place, line) = plan.pick(ordinal);
                let offset = self.geometry.offset(line, segment.start) - window.bytes.start;
                let lines = Lines { offset: offset as usize, stride: 0, count: 1 };
                kernel::gather(item_bytes, bytes, lines, picks, block, place);
            }
            Ok(())
        })
    }

    /// Each segment of each line by itself.
    fn read_ranges(
        &self,
        plan: &ReadPlan<'_>,
        positions: &Picks<'_>,
        block: &mut Block<'_>,
        context: &Context,
    ) -> Result<()> {
        let item_bytes = self.geometry.item_bytes;
        let listed = match positions {
            Picks::Range { .. } => Vec::new(),
            Picks::List(_) => members(&plan.segments, positions),
        };
        let mut ahead = Ahead::new(self, plan, &plan.segments);
        for ordinal in 0..block.lines {
            ahead.reach(ordinal + 1);
            let (place, line) = plan.pick(ordinal);
            let mut next = 0;
            for (index, segment) in plan.segments.iter().enumerate() {
                let range = self.geometry.part_range(line, segment.clone());
                if let Picks::Range { start, step, count } = *positions {
                    // Those that lie in the segment come one after another.
                    let end = (segment.end - start).div_ceil(step.max(1)).min(count);
                    let first = start + next * step - segment.start;
                    let picks = Picks::Range { start: first, step, count: end - next };
                    if end > next {
                        let mut part = block.part(item_bytes, place, next..end);
                        let moved = range.end.abs_diff(range.start) as usize;
                        self.device.with(range, &mut |bytes| {
                            let lines = Lines { offset: 0, stride: 0, count: 1 };
                            context.install_for(moved, || {
                                let Part { block, at } = &mut part;
                                kernel::gather(item_bytes, bytes, lines, &picks, block, *at);
                            });
                            Ok(())
                        })?;
                        next = end;
                    }
                    continue;
                }
                self.device.with(range, &mut |bytes| {
                    for &(position, column) in &listed[index] {
                        let item = match block.order {
                            BlockOrder::AsFile => place * block.positions + column,
                            BlockOrder::Across => column * block.lines + place,
                        };
                        let from = (position - segment.start) * item_bytes;
                        block.bytes[item * item_bytes..(item + 1) * item_bytes]
                            .copy_from_slice(&bytes[from..from + item_bytes]);
                    }
                    Ok(())
                })?;
            }
            context.advance((positions.len() * item_bytes) as u64)?;
        }
        Ok(())
    }
}

/// Works on `items`, which are taken in their order, on `workers` threads, until there are none or one fails. Each
/// thread has a `state` of its own.
fn share<I, S>(
    context: &Context,
    workers: usize,
    items: I,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, I::Item) -> Result<()> + Sync,
) -> Result<()>
where
    I: Iterator + Send,
{
    if workers == 1 {
        let mut state = state();
        return items.into_iter().try_for_each(|item| work(&mut state, item));
    }
    // None once one has failed: then no thread goes on.
    let items = Mutex::new(Some(items));
    let run = || {
        let mut state = state();
        loop {
            // Nothing that can panic is done while it is held.
            let next = items.lock().expect("no panic").as_mut().and_then(Iterator::next);
            let Some(item) = next else { return Ok(()) };
            work(&mut state, item).inspect_err(|_| *items.lock().expect("no panic") = None)?;
        }
    };
    context.install(|| (0..workers).into_par_iter().try_for_each(|_| run()))
}

/// The same picks, counted from `origin`.
pub(super) fn shift<'a>(
    picks: &Picks<'_>,
    origin: usize,
    shifted: &'a mut Vec<usize>,
) -> Picks<'a> {
    match *picks {
        Picks::Range { start, step, count } => {
            Picks::Range { start: start.saturating_sub(origin), step, count }
        }
        Picks::List(list) => {
            shifted.extend(list.iter().map(|position| position - origin));
            Picks::List(shifted)
        }
    }
}

/// For each segment, the wanted positions in it: (position, place among the picks).
fn members(segments: &[Range<usize>], positions: &Picks<'_>) -> Vec<Vec<(usize, usize)>> {
    let mut members = vec![Vec::new(); segments.len()];
    for (place, position) in positions.iter().enumerate() {
        let segment = segments.partition_point(|segment| segment.end <= position);
        members[segment].push((position, place));
    }
    members
}

/// Asks for what a scattered read will use: half of what may be in flight whenever the other half is used up, so that
/// the device is never without work.
struct Ahead<'r> {
    engine: &'r Engine,
    plan: &'r ReadPlan<'r>,
    segments: &'r [Range<usize>],
    /// Lines of which the segments are asked for at a time.
    lines: usize,
    /// The ordinal up to which they were asked for.
    until: usize,
}

impl<'r> Ahead<'r> {
    fn new(engine: &'r Engine, plan: &'r ReadPlan<'r>, segments: &'r [Range<usize>]) -> Self {
        let lines = (PREFETCH_RANGES / 2 / segments.len().max(1)).max(1);
        // One line by itself is read at once.
        let until = if plan.scattered && plan.line_count() > 1 { 0 } else { usize::MAX };
        Self { engine, plan, segments, lines, until }
    }

    /// Makes sure that the lines before ordinal `end` are asked for, and as many again as are at a time.
    fn reach(&mut self, end: usize) {
        let count = self.plan.line_count();
        while self.until < count.min(end.saturating_add(self.lines)) {
            let to = count.min(self.until + self.lines);
            let part = |ordinal, segment: &Range<usize>| {
                self.engine.geometry.part_range(self.plan.pick(ordinal).1, segment.clone())
            };
            let ranges: Vec<_> = (self.until..to)
                .flat_map(|ordinal| self.segments.iter().map(move |segment| part(ordinal, segment)))
                .collect();
            self.engine.device.prefetch(&ranges);
            self.until = to;
        }
    }
}
