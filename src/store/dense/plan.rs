//! Which bytes of a dense file an access moves, and in what pieces: decided without I/O.
//!
//! A read is one of three: direct (runs copied straight into the caller's block), a scan (windows of
//! several lines, the wanted items gathered out of each) or ranges (each wanted stretch by itself). The
//! choice follows from the gaps between what is wanted and from how the device moves bytes.

use std::ops::Range;

use super::engine::PREFETCH_RANGES;
use super::geometry::Geometry;
use super::kernel::BlockOrder;
use super::windows::{PAGE_BYTES, SHARED_WINDOW_BYTES, SMALLEST_WINDOW_BYTES, window_memory};
use crate::array::Picks;
use crate::store::{Plan, Step, StepKind};
use crate::sys::{Advice, DeviceKind};

/// Wanted bytes closer than this are read in one go: passing over so many costs less than another call
/// or another random read.
pub(super) const GAP_BYTES: u64 = 32 << 10;

/// Runs from this length on are copied by several threads.
const SHARED_RUN_BYTES: u64 = 4 << 20;

/// Reads up to this long are announced as a whole: left to itself, the kernel reads ahead as much again and more.
const SHORT_BYTES: u64 = 16 << 20;

/// Reads from this length on are told to be sequential: the kernel then reads twice as far ahead.
const LONG_BYTES: u64 = 256 << 20;

/// What is known of a piece of a block that a thread of its own writes to.
const PIECE_BYTES: u64 = size_of::<&[u8]>() as u64;

/// What there is to read with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Means {
    /// Memory that is free.
    pub available_bytes: u64,
    pub threads: usize,
    /// See [`super::windows::window_bytes`].
    pub window_bytes: u64,
}

/// How the wanted items are moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadKind {
    /// Runs of the file are runs of the block.
    Direct,
    /// Windows of evenly spaced lines, gathered.
    Scan,
    /// Each segment of each line.
    Ranges,
}

/// A read of some positions of some lines.
#[derive(Debug)]
pub(super) struct ReadPlan<'a> {
    pub kind: ReadKind,
    /// The run of bytes that is wanted, where it is one in the file and in the block.
    pub run: Option<Range<u64>>,
    geometry: Geometry,
    device: DeviceKind,
    lines: Picks<'a>,
    /// For a list of lines: its positions, by line from front to back. Empty for a range.
    by_line: Vec<usize>,
    /// Stretches of positions that are read in one go, from front to back.
    pub segments: Vec<Range<usize>>,
    window_bytes: u64,
    /// Windows that are read and gathered from at once, each by a thread of its own.
    pub workers: usize,
    /// Memory for what is listed of lines, positions and pieces.
    list_bytes: u64,
    /// Whether so much lies between what is wanted that read-ahead would be waste.
    pub scattered: bool,
}

/// One contiguous stretch of the file, and which of the wanted lines it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Window {
    /// Ordinals in line order: see [`ReadPlan::pick`].
    pub ordinals: Range<usize>,
    /// The bytes, from the first line's first wanted byte to the last line's last.
    pub bytes: Range<u64>,
}

impl<'a> ReadPlan<'a> {
    /// Plans a read of `positions` of `lines` into a block in `order`.
    pub(super) fn new(
        geometry: Geometry,
        device: DeviceKind,
        lines: Picks<'a>,
        positions: &Picks<'_>,
        order: BlockOrder,
        Means { available_bytes, threads, mut window_bytes }: Means,
    ) -> Self {
        let by_line = match lines {
            Picks::Range { .. } => Vec::new(),
            Picks::List(list) => {
                let mut by_line: Vec<usize> = (0..list.len()).collect();
                by_line.sort_by_key(|&ordinal| list[ordinal]);
                by_line
            }
        };
        let mut list_bytes = list_bytes(lines, positions);
        if device == DeviceKind::Positioned {
            let left = available_bytes.saturating_sub(list_bytes);
            window_bytes = window_bytes.min(left.max(SMALLEST_WINDOW_BYTES));
        }
        let segments = segments(positions, geometry.item_bytes as u64, window_bytes);
        let span = positions.span();
        let unwanted = line_distance(&lines, geometry.line_bytes() as u64)
            .saturating_sub((span.len() * geometry.item_bytes) as u64);
        let run = positions.as_run().filter(|_| order == BlockOrder::AsFile);
        let is_whole =
            |run: &Range<usize>| run.len() == geometry.line_items && lines.as_run().is_some();
        let one_run = run
            .clone()
            .filter(|run| lines.len() == 1 || !lines.is_empty() && is_whole(run))
            .map(|run| {
                let last = lines.at(lines.len() - 1);
                geometry.offset(lines.at(0), run.start)..geometry.offset(last, run.end)
            });
        let scattered = one_run.is_none() && (segments.len() > 1 || unwanted > GAP_BYTES);
        // A short run of every line is cheaper gathered from windows than copied by a call each.
        let direct = one_run.is_some() || run.is_some() && unwanted > GAP_BYTES;
        let kind = match segments.len() {
            _ if direct => ReadKind::Direct,
            0 | 1 => ReadKind::Scan,
            _ => ReadKind::Ranges,
        };
        let mut workers = 1;
        let is_shared = kind == ReadKind::Scan && device == DeviceKind::Positioned && !scattered;
        if is_shared && by_line.is_empty() && lines.len() > 1 {
            let shared = window_bytes.min(SHARED_WINDOW_BYTES);
            let one = shared.max((span.len() * geometry.item_bytes) as u64);
            let stride = (line_distance(&lines, geometry.line_bytes() as u64)).max(1);
            // Each window has a piece of the block: of each position one, where the block lies across.
            let windows = (lines.len() as u64).div_ceil((shared / stride).max(1));
            let pieces = match order {
                BlockOrder::AsFile => windows,
                BlockOrder::Across => windows.saturating_mul(positions.len() as u64),
            };
            let pieces = pieces.saturating_mul(PIECE_BYTES);
            let wanted = (lines.len() * positions.len() * geometry.item_bytes) as u64;
            if pieces <= (wanted / 4).min(available_bytes / 8) {
                let count = usize::try_from(available_bytes / 4 / one).unwrap_or(usize::MAX);
                workers = count.clamp(1, threads);
                if workers > 1 {
                    (window_bytes, list_bytes) = (shared, list_bytes + pieces);
                }
            }
        }
        // What is copied without a stop needs no memory for that.
        let wanted = lines.len() as u64 * (positions.len() * geometry.item_bytes) as u64;
        if one_run.is_some() && device == DeviceKind::Positioned && wanted >= SHARED_RUN_BYTES {
            workers = threads;
        }
        Self {
            kind,
            run: one_run,
            geometry,
            device,
            lines,
            by_line,
            segments,
            window_bytes,
            workers,
            list_bytes,
            scattered,
        }
    }

    /// The least memory that a read of `positions` of `lines` takes.
    pub(super) fn least_bytes(lines: Picks<'_>, positions: &Picks<'_>) -> u64 {
        list_bytes(lines, positions) + SMALLEST_WINDOW_BYTES
    }

    /// The place in the caller's block, and the line, of the `ordinal`-th wanted line from the file's front.
    pub(super) fn pick(&self, ordinal: usize) -> (usize, usize) {
        let place = self.by_line.get(ordinal).copied().unwrap_or(ordinal);
        (place, self.lines.at(place))
    }

    /// How many lines are wanted.
    pub(super) fn line_count(&self) -> usize {
        self.lines.len()
    }

    /// The lines' distance in bytes where they are evenly spaced.
    pub(super) fn even_stride(&self) -> Option<usize> {
        match self.lines {
            Picks::Range { step, .. } => Some(step * self.geometry.line_bytes()),
            Picks::List(_) => None,
        }
    }

    /// The stretches of the file to read for `segment`, from front to back.
    pub(super) fn windows(&self, segment: Range<usize>) -> impl Iterator<Item = Window> + '_ {
        let mut from = 0;
        std::iter::from_fn(move || {
            let count = self.lines.len();
            if from >= count {
                return None;
            }
            let part = |ordinal| self.geometry.part_range(self.pick(ordinal).1, segment.clone());
            let mut bytes = part(from);
            let mut to = from + 1;
            if let Some(stride) = self.even_stride().filter(|&stride| stride > 0) {
                let gap = (stride as u64).saturating_sub(bytes.end - bytes.start);
                if self.device != DeviceKind::Positioned || gap <= GAP_BYTES {
                    let room = self.window_bytes.saturating_sub(bytes.end - bytes.start);
                    to +=
                        usize::try_from(room / stride as u64).unwrap_or(usize::MAX).min(count - to);
                    bytes.end = part(to - 1).end;
                }
            } else {
                while to < count {
                    let next = part(to);
                    if next.end - bytes.start > self.window_bytes
                        || next.start.saturating_sub(bytes.end) > GAP_BYTES
                    {
                        break;
                    }
                    bytes.end = bytes.end.max(next.end);
                    to += 1;
                }
            }
            let ordinals = from..to;
            from = to;
            Some(Window { ordinals, bytes })
        })
    }

    /// The memory that carrying this out takes.
    pub(super) fn memory_bytes(&self) -> u64 {
        let longest = self.segments.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
        let one_line = (longest * self.geometry.item_bytes) as u64;
        let all_lines = self.lines.span().len() as u64 * self.geometry.line_bytes() as u64;
        let window = match self.kind {
            ReadKind::Direct => 0,
            ReadKind::Scan => self.window_bytes.min(all_lines).max(one_line),
            ReadKind::Ranges => one_line,
        };
        self.list_bytes + self.workers as u64 * window_memory(self.device, window)
    }

    /// The plan as its user sees it.
    pub(super) fn describe(&self, positions: &Picks<'_>) -> Plan {
        let lines = self.lines.len() as u64;
        let requested = lines * (positions.len() * self.geometry.item_bytes) as u64;
        let mut windows = 0;
        let mut bytes_read = 0;
        for segment in &self.segments {
            for window in self.windows(segment.clone()) {
                windows += 1;
                bytes_read += window.bytes.end - window.bytes.start;
            }
        }
        let mapped = self.device != DeviceKind::Positioned;
        let paged = self.paged_bytes();
        if mapped && self.scattered {
            bytes_read = bytes_read.min(paged);
        }
        if self.kind == ReadKind::Direct && !mapped {
            bytes_read = requested;
        }
        let step = Step::new(self.step_kind(), windows, bytes_read, 0);
        let step = step.paged(paged).advised(self.advice());
        let in_flight = if self.scattered { lines.min(PREFETCH_RANGES as u64) } else { 1 };
        Plan {
            steps: vec![step.at_once(in_flight.max(self.workers as u64))],
            bytes_requested: requested,
            memory_bytes: self.memory_bytes(),
            ..Plan::default()
        }
    }

    /// What its user calls this read.
    pub(super) fn step_kind(&self) -> StepKind {
        match self.kind {
            ReadKind::Direct if !self.scattered => StepKind::Windows,
            ReadKind::Scan if self.device != DeviceKind::Positioned => StepKind::StridedGather,
            ReadKind::Scan if !self.scattered => StepKind::ScanGather,
            _ => StepKind::CoalescedRanges,
        }
    }

    /// What the kernel is told before the file is read.
    pub(super) fn advice(&self) -> Advice {
        if self.scattered || self.is_short() {
            return Advice::Random;
        }
        match self.device {
            DeviceKind::Positioned if self.extent().end - self.extent().start >= LONG_BYTES => {
                Advice::Sequential
            }
            // A map that is swept is read ahead of as it is; told so, the kernel begins with short reads, and a part of
            // the file took three times as long.
            _ => Advice::Normal,
        }
    }

    /// Whether so little is read that the kernel is told what, rather than let to read ahead beyond it.
    pub(super) fn is_short(&self) -> bool {
        !self.scattered && self.extent().end - self.extent().start <= SHORT_BYTES
    }

    /// The bytes from the first to the last that is wanted.
    pub(super) fn extent(&self) -> Range<u64> {
        let (first, last) = match (self.lines.len(), self.segments.first(), self.segments.last()) {
            (1.., Some(first), Some(last)) => (first.start, last.end),
            _ => return 0..0,
        };
        let lines = self.lines.span();
        self.geometry.offset(lines.start, first)..self.geometry.offset(lines.end - 1, last)
    }

    /// Bytes of the pages that hold something wanted: what the device moves where nothing is cached.
    fn paged_bytes(&self) -> u64 {
        let mut pages = PageCount::default();
        if self.scattered {
            for ordinal in 0..self.lines.len() {
                let line = self.pick(ordinal).1;
                for segment in &self.segments {
                    pages.add(&self.geometry.part_range(line, segment.clone()));
                }
            }
        } else {
            for segment in &self.segments {
                self.windows(segment.clone()).for_each(|window| pages.add(&window.bytes));
            }
        }
        pages.count * PAGE_BYTES
    }
}

/// Counts the pages of ranges that come from front to back, each once.
#[derive(Default)]
struct PageCount {
    count: u64,
    /// The first page that was not counted yet.
    next: u64,
}

impl PageCount {
    fn add(&mut self, range: &Range<u64>) {
        let first = (range.start / PAGE_BYTES).max(self.next);
        let end = range.end.div_ceil(PAGE_BYTES);
        self.count += end.saturating_sub(first);
        self.next = self.next.max(end);
    }
}

/// Memory for what is made of lists of lines and positions: an order of the lines; the positions sorted, counted from
/// a window's begin, and with the places where they are wanted.
fn list_bytes(lines: Picks<'_>, positions: &Picks<'_>) -> u64 {
    let listed = |picks: &Picks<'_>, bytes: u64| match picks {
        Picks::Range { .. } => 0,
        Picks::List(list) => list.len() as u64 * bytes,
    };
    listed(&lines, 8) + listed(positions, 32)
}

/// Bytes from one wanted line to the next: the average for a list.
fn line_distance(lines: &Picks<'_>, line_bytes: u64) -> u64 {
    match *lines {
        Picks::Range { step, count, .. } if count > 1 => step as u64 * line_bytes,
        Picks::Range { .. } => 0,
        Picks::List(list) => lines.span().len() as u64 * line_bytes / (list.len() as u64).max(1),
    }
}

/// The stretches of a line that hold wanted positions: neighbours joined across gaps of at most
/// [`GAP_BYTES`], none longer than `window_bytes` (but at least one item).
fn segments(positions: &Picks<'_>, item_bytes: u64, window_bytes: u64) -> Vec<Range<usize>> {
    let gap = usize::try_from(GAP_BYTES / item_bytes).unwrap_or(usize::MAX);
    let longest = usize::try_from(window_bytes / item_bytes).unwrap_or(usize::MAX).max(1);
    let mut segments: Vec<Range<usize>> = Vec::new();
    match *positions {
        Picks::Range { count: 0, .. } => {}
        Picks::Range { step, .. } if step <= gap => {
            let span = positions.span();
            let cuts = span.clone().step_by(longest);
            segments.extend(cuts.map(|from| from..span.end.min(from.saturating_add(longest))));
        }
        _ => {
            let mut sorted: Vec<usize> = positions.iter().collect();
            sorted.sort_unstable();
            for position in sorted {
                match segments.last_mut() {
                    Some(last)
                        if position < last.end.saturating_add(gap)
                            && position < last.start.saturating_add(longest) =>
                    {
                        last.end = last.end.max(position + 1);
                    }
                    _ => segments.push(position..position + 1),
                }
            }
        }
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::{DType, Order, Shape};
    use crate::store::dense::windows::window_bytes;
    use crate::store::{Budget, Context};

    fn plan<'a>(
        rows: usize,
        cols: usize,
        device: DeviceKind,
        lines: Picks<'a>,
        positions: &Picks<'_>,
    ) -> ReadPlan<'a> {
        let geometry = Geometry::new(Shape::new(rows, cols), Order::C, DType::F32, 128);
        let context = Context::new(Budget::new(256 << 20).with_cache(u64::MAX));
        let means = Means {
            available_bytes: 256 << 20,
            threads: 2,
            window_bytes: window_bytes(device, geometry.total_bytes(), &context),
        };
        ReadPlan::new(geometry, device, lines, positions, BlockOrder::Across, means)
    }

    const fn range(start: usize, step: usize, count: usize) -> Picks<'static> {
        Picks::Range { start, step, count }
    }

    #[test]
    fn a_column_of_narrow_rows_is_a_scan_that_passes_everything_once() {
        let plan =
            plan(1_000_000, 100, DeviceKind::Positioned, range(0, 1, 1_000_000), &range(99, 1, 1));
        assert_eq!(plan.kind, ReadKind::Scan);
        let described = plan.describe(&range(99, 1, 1));
        assert!(described.bytes_moved() <= 400_000_000);
        assert!(described.amplification() > 90.0);
        assert!(described.memory_bytes <= 8 << 20);
    }

    #[test]
    fn a_column_of_wide_rows_is_read_by_ranges() {
        let positions = range(7, 1, 1);
        let ranges = plan(50_000, 20_000, DeviceKind::Positioned, range(0, 1, 50_000), &positions);
        assert!(ranges.scattered);
        assert_eq!(ranges.describe(&positions).bytes_moved(), 200_000);
        let touched = plan(50_000, 20_000, DeviceKind::Mapped, range(0, 1, 50_000), &positions);
        assert_eq!(touched.describe(&positions).bytes_moved(), 50_000 * 4096);
        assert_eq!(touched.memory_bytes(), 0);
    }

    #[test]
    fn windows_cover_every_wanted_line_once_from_front_to_back() {
        let list = [900_000, 3, 3, 4, 17];
        for lines in [range(5, 3, 1000), range(0, 1, 0), range(9, 1, 1), Picks::List(&list)] {
            for device in [DeviceKind::Mapped, DeviceKind::Positioned] {
                let plan = plan(1_000_000, 100, device, lines, &range(10, 1, 5));
                let mut places = Vec::new();
                let mut end = 0;
                for window in plan.windows(10..15) {
                    for ordinal in window.ordinals {
                        let (place, line) = plan.pick(ordinal);
                        assert!(window.bytes.start <= plan.geometry.offset(line, 10));
                        assert!(window.bytes.end >= plan.geometry.offset(line, 15));
                        places.push(place);
                    }
                    assert!(window.bytes.start >= end || lines.len() == 5);
                    end = window.bytes.end;
                }
                places.sort_unstable();
                assert!(places.into_iter().eq(0..lines.len()));
            }
        }
    }

    #[test]
    fn segments_join_neighbours_and_keep_to_the_window() {
        let list = [100_000, 5, 9, 5];
        assert_eq!(segments(&Picks::List(&list), 4, 1 << 20), [5..10, 100_000..100_001]);
        assert_eq!(segments(&range(0, 1, 100), 4, 160), [0..40, 40..80, 80..100]);
        assert_eq!(segments(&range(0, 1, 3), 16, 1), [0..1, 1..2, 2..3]);
        assert!(segments(&range(0, 1, 0), 4, 100).is_empty());
    }
}
