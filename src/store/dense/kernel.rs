//! The inner loops: gather, scatter and transpose, by item size.
//!
//! Items are `[u8; N]`: any alignment, any element type of that size, five instances in all. Knows
//! neither devices nor plans.

use std::ops::Range;

use rayon::prelude::*;

use crate::array::Picks;

/// Evenly spaced lines within a buffer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines {
    /// Offset of the first line's first item in the buffer, in bytes.
    pub offset: usize,
    /// Bytes from one line to the next.
    pub stride: usize,
    /// How many lines.
    pub count: usize,
}

/// How the caller's block lies, seen as lines of the file × positions in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockOrder {
    /// The items of one line are neighbours, as in the file.
    AsFile,
    /// The items of one position are neighbours: the transpose of the file.
    Across,
}

/// The caller's block: `lines` × `positions` items, contiguous in one of the two orders.
#[derive(Debug)]
pub(super) struct Block<'a> {
    /// The items' bytes.
    pub bytes: &'a mut [u8],
    /// Which items are neighbours.
    pub order: BlockOrder,
    /// Extent along the file's lines.
    pub lines: usize,
    /// Extent along a line.
    pub positions: usize,
}

/// Below this many bytes a second thread costs more than it brings.
const PARALLEL_BYTES: usize = 1 << 20;

/// Memory comes in stretches of this size: an item alone costs as much as all of one.
const CACHE_LINE_BYTES: usize = 64;

/// Bytes of a column that are moved at a time when rows are turned into columns or back: some cache lines
/// in a row, so that each is loaded once, even where all columns begin at the same place of a page and
/// compete for the same places of the cache.
const RUN_BYTES: usize = 512;

/// Items on either side of a transposed tile: those of one run, so that a tile stays in the second-level cache.
const fn run_items<const N: usize>() -> usize {
    RUN_BYTES / N
}

/// Calls `$kernel::<N>` with the item size as a constant.
macro_rules! by_item_size {
    ($size:expr, $kernel:ident($($argument:expr),*)) => {
        match $size {
            1 => $kernel::<1>($($argument),*),
            2 => $kernel::<2>($($argument),*),
            4 => $kernel::<4>($($argument),*),
            8 => $kernel::<8>($($argument),*),
            16 => $kernel::<16>($($argument),*),
            other => unreachable!("no element type has {other} bytes"),
        }
    };
}

impl<'a> Block<'a> {
    /// The `positions` of `line`.
    pub(super) fn part(
        &mut self,
        item_bytes: usize,
        line: usize,
        positions: Range<usize>,
    ) -> Part<'_> {
        // As in the file, the line's items lie together; across, the positions' items of all lines do.
        let (items, lines, at) = match self.order {
            BlockOrder::AsFile => {
                let first = line * self.positions;
                (first + positions.start..first + positions.end, 1, 0)
            }
            BlockOrder::Across => {
                (positions.start * self.lines..positions.end * self.lines, self.lines, line)
            }
        };
        let bytes = &mut self.bytes[items.start * item_bytes..items.end * item_bytes];
        Part { block: Block { bytes, order: self.order, lines, positions: positions.len() }, at }
    }

    /// The block in pieces of so many lines, for [`gather_cut`]: together all of its lines.
    pub(super) fn cut(
        &mut self,
        item_bytes: usize,
        lines: impl Iterator<Item = usize>,
    ) -> Vec<Piece<'_>> {
        let (order, positions) = (self.order, self.positions);
        // One run for all positions, or one for each.
        let (runs, wide) = match order {
            BlockOrder::AsFile => (1, positions * item_bytes),
            BlockOrder::Across => (positions, item_bytes),
        };
        let mut rest: Vec<_> = match self.bytes.len() / runs.max(1) {
            0 => Vec::new(),
            run => self.bytes.chunks_mut(run).collect(),
        };
        let piece = |count: usize| {
            let runs = rest.iter_mut().map(|run| run.split_off_mut(..count * wide));
            Piece {
                order,
                runs: runs.map(|run| run.expect("no more lines than there are")).collect(),
            }
        };
        lines.map(piece).collect()
    }
}

/// Some positions of one line of a block: a smaller block, in which the line is number `at`.
#[derive(Debug)]
pub(super) struct Part<'a> {
    pub block: Block<'a>,
    pub at: usize,
}

/// Some lines of a block.
#[derive(Debug)]
pub(super) struct Piece<'a> {
    order: BlockOrder,
    /// The lines as they lie; where the block lies across them, each position's items.
    runs: Vec<&'a mut [u8]>,
}

/// Copies the picked positions of evenly spaced lines of `source`, which the cache holds, to a piece of a block.
pub(super) fn gather_cut(
    item_bytes: usize,
    source: &[u8],
    lines: Lines,
    picks: &Picks<'_>,
    piece: &mut Piece<'_>,
) {
    by_item_size!(item_bytes, gather_piece(source, lines, picks, piece));
}

fn gather_piece<const N: usize>(
    source: &[u8],
    lines: Lines,
    picks: &Picks<'_>,
    piece: &mut Piece<'_>,
) {
    match piece.order {
        BlockOrder::AsFile => {
            for run in &mut piece.runs {
                let (out, _) = run.as_chunks_mut::<N>();
                for (index, out) in out.chunks_exact_mut(picks.len()).enumerate() {
                    gather_line(&source[lines.offset + index * lines.stride..], picks, out);
                }
            }
        }
        BlockOrder::Across => {
            let tile = run_items::<N>();
            for top in (0..lines.count).step_by(tile) {
                let bottom = lines.count.min(top + tile);
                for (position, run) in picks.iter().zip(&mut piece.runs) {
                    let offset = lines.offset + top * lines.stride + position * N;
                    let out = &mut run.as_chunks_mut::<N>().0[top..bottom];
                    gather_strided(&source[offset..], lines.stride, out);
                }
            }
        }
    }
}

/// Bytes that memory must give for some `positions` of each of some lines: what decides how many threads pay.
pub(super) fn gathered_bytes(item_bytes: usize, lines: &Lines, positions: &Picks<'_>) -> usize {
    let apart = match *positions {
        Picks::Range { step, .. } => step.saturating_mul(item_bytes),
        Picks::List(_) => usize::MAX,
    };
    let stretch = |apart: usize| apart.clamp(item_bytes, CACHE_LINE_BYTES.max(item_bytes));
    let in_line = positions.len().saturating_mul(stretch(apart));
    lines.count.saturating_mul(in_line.max(stretch(lines.stride)))
}

/// Copies the picked positions of evenly spaced lines of `source` to lines `at..` of `block`.
pub(super) fn gather(
    item_bytes: usize,
    source: &[u8],
    lines: Lines,
    picks: &Picks<'_>,
    block: &mut Block<'_>,
    at: usize,
) {
    by_item_size!(item_bytes, gather_items(source, lines, picks, block, at));
}

fn gather_items<const N: usize>(
    source: &[u8],
    lines: Lines,
    picks: &Picks<'_>,
    block: &mut Block<'_>,
    at: usize,
) {
    let parallel = gathered_bytes(N, &lines, picks) >= PARALLEL_BYTES;
    let (out, _) = block.bytes.as_chunks_mut::<N>();
    if block.positions == 0 || lines.count == 0 {
        return;
    }
    match block.order {
        // A single position lies the same way in both orders.
        BlockOrder::AsFile if block.positions > 1 => {
            let positions = block.positions;
            let out = &mut out[at * positions..(at + lines.count) * positions];
            let line = |(index, out): (usize, &mut [[u8; N]])| {
                gather_line(&source[lines.offset + index * lines.stride..], picks, out);
            };
            if parallel {
                out.par_chunks_mut(positions).with_min_len(64).enumerate().for_each(line);
            } else {
                out.chunks_mut(positions).enumerate().for_each(line);
            }
        }
        _ => {
            // Each task owns whole output lines (positions), or, where they are few, pieces of them.
            let extent = block.lines;
            if parallel && block.positions < 2 * rayon::current_num_threads() {
                for (position, out) in out.chunks_mut(extent).enumerate() {
                    let from = picks.at(position) * N;
                    let out = &mut out[at..at + lines.count];
                    let piece = out.len().div_ceil(rayon::current_num_threads()).max(1);
                    out.par_chunks_mut(piece).enumerate().for_each(|(index, out)| {
                        let offset = lines.offset + index * piece * lines.stride;
                        gather_strided(&source[offset + from..], lines.stride, out);
                    });
                }
                return;
            }
            let threads = if parallel { rayon::current_num_threads() } else { 1 };
            let width = block.positions.div_ceil(threads).min(run_items::<N>());
            let group = |(index, out): (usize, &mut [[u8; N]])| {
                transpose_group(source, lines, picks, index * width, out, extent, at);
            };
            if parallel {
                out.par_chunks_mut(extent * width).enumerate().for_each(group);
            } else {
                out.chunks_mut(extent * width).enumerate().for_each(group);
            }
        }
    }
}

/// One line: its picked items, in order.
fn gather_line<const N: usize>(line: &[u8], picks: &Picks<'_>, out: &mut [[u8; N]]) {
    match *picks {
        Picks::Range { start, step: 1, count } => {
            out.as_flattened_mut().copy_from_slice(&line[start * N..(start + count) * N]);
        }
        Picks::Range { start, step, .. } => gather_strided(&line[start * N..], step * N, out),
        Picks::List(positions) => {
            let (items, _) = line.as_chunks::<N>();
            for (out, &position) in out.iter_mut().zip(positions) {
                *out = items[position];
            }
        }
    }
}

/// Items at a fixed distance.
fn gather_strided<const N: usize>(source: &[u8], stride: usize, out: &mut [[u8; N]]) {
    for (index, out) in out.iter_mut().enumerate() {
        let from = index * stride;
        out.copy_from_slice(&source[from..from + N]);
    }
}

/// Some positions of all lines, from the `first` picked on, to as many output lines of `extent` items, tile by
/// tile.
fn transpose_group<const N: usize>(
    source: &[u8],
    lines: Lines,
    picks: &Picks<'_>,
    first: usize,
    out: &mut [[u8; N]],
    extent: usize,
    at: usize,
) {
    let tile = run_items::<N>();
    for top in (0..lines.count).step_by(tile) {
        let bottom = lines.count.min(top + tile);
        for (position, out) in (first..).zip(out.chunks_mut(extent)) {
            let offset = lines.offset + top * lines.stride + picks.at(position) * N;
            gather_strided(&source[offset..], lines.stride, &mut out[at + top..at + bottom]);
        }
    }
}

/// Copies `values`, line after line of the picked positions, to evenly spaced lines of `target`.
pub(super) fn scatter(
    item_bytes: usize,
    target: &mut [u8],
    lines: Lines,
    picks: &Picks<'_>,
    values: &[u8],
) {
    by_item_size!(item_bytes, scatter_items(target, lines, picks, values));
}

fn scatter_items<const N: usize>(
    target: &mut [u8],
    lines: Lines,
    picks: &Picks<'_>,
    values: &[u8],
) {
    let (values, _) = values.as_chunks::<N>();
    for (index, values) in values.chunks_exact(picks.len()).take(lines.count).enumerate() {
        let line = &mut target[lines.offset + index * lines.stride..];
        if let Picks::Range { start, step: 1, count } = *picks {
            line[start * N..(start + count) * N].copy_from_slice(values.as_flattened());
            continue;
        }
        for (value, pick) in values.iter().zip(picks.iter()) {
            line[pick * N..(pick + 1) * N].copy_from_slice(value);
        }
    }
}

/// Interleaves columns into rows: item `i` of `columns[k].1` becomes item `columns[k].0` of line `i` of
/// `target`, whose lines are `line_items` long.
pub(super) fn interleave(
    item_bytes: usize,
    columns: &[(usize, &[u8])],
    target: &mut [u8],
    line_items: usize,
) {
    by_item_size!(item_bytes, interleave_items(columns, target, line_items));
}

fn interleave_items<const N: usize>(
    columns: &[(usize, &[u8])],
    target: &mut [u8],
    line_items: usize,
) {
    let columns: Vec<_> =
        columns.iter().map(|(at, bytes)| (*at, bytes.as_chunks::<N>().0)).collect();
    let (items, _) = target.as_chunks_mut::<N>();
    let height = run_items::<N>();
    let strip = |(index, strip): (usize, &mut [[u8; N]])| {
        let top = index * height;
        for group in columns.chunks(height) {
            interleave_tile(group, top, strip, line_items);
        }
    };
    if items.len() * N >= PARALLEL_BYTES {
        items.par_chunks_mut(height * line_items).enumerate().for_each(strip);
    } else {
        items.chunks_mut(height * line_items).enumerate().for_each(strip);
    }
}

/// The items from `top` on of some columns, to the lines of `strip`.
fn interleave_tile<const N: usize>(
    columns: &[(usize, &[[u8; N]])],
    top: usize,
    strip: &mut [[u8; N]],
    line_items: usize,
) {
    let lines = strip.len() / line_items;
    for (at, column) in columns {
        let run = &column[top..top + lines];
        for (line, item) in strip.chunks_exact_mut(line_items).zip(run) {
            line[*at] = *item;
        }
    }
}

/// Reverses the bytes of every unit of `unit` bytes: from one byte order to the other.
pub(in crate::store) fn swap_bytes(unit: usize, bytes: &mut [u8]) {
    fn swap<const N: usize>(bytes: &mut [u8]) {
        let (units, _) = bytes.as_chunks_mut::<N>();
        units.iter_mut().for_each(|unit| unit.reverse());
    }
    by_item_size!(unit, swap(bytes));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of 5 lines × 7 items whose item (i, j) is `10 i + j`.
    fn source<const N: usize>() -> Vec<u8> {
        (0..5u8).flat_map(|i| (0..7u8).flat_map(move |j| [10 * i + j; N])).collect()
    }

    fn check<const N: usize>(picks: &Picks<'_>) {
        for order in [BlockOrder::AsFile, BlockOrder::Across] {
            let positions = picks.len();
            let mut bytes = vec![255; 6 * positions * N];
            let mut block = Block { bytes: &mut bytes, order, lines: 6, positions };
            let lines = Lines { offset: 7 * N, stride: 14 * N, count: 2 };
            gather(N, &source::<N>(), lines, picks, &mut block, 3);
            for line in 0..6 {
                for position in 0..positions {
                    let item = match order {
                        BlockOrder::AsFile => line * positions + position,
                        BlockOrder::Across => position * 6 + line,
                    };
                    let expected = match line {
                        3 => 10 + picks.at(position) as u8,
                        4 => 30 + picks.at(position) as u8,
                        _ => 255,
                    };
                    assert_eq!(bytes[item * N..(item + 1) * N], [expected; N]);
                }
            }
            if order == BlockOrder::Across || positions == 0 {
                continue;
            }
            let mut target = vec![0; 5 * 7 * N];
            scatter(N, &mut target, lines, picks, &bytes[3 * positions * N..]);
            for (item, value) in target.chunks(N).enumerate() {
                let (i, j) = (item / 7, item % 7);
                let picked = (i == 1 || i == 3) && picks.iter().any(|pick| pick == j);
                let expected = if picked { (10 * i + j) as u8 } else { 0 };
                assert_eq!(value, [expected; N]);
            }
        }
    }

    #[test]
    fn gather_and_scatter_in_both_orders_and_all_sizes() {
        let list = [6, 0, 3];
        for picks in [
            Picks::Range { start: 0, step: 1, count: 7 },
            Picks::Range { start: 2, step: 1, count: 3 },
            Picks::Range { start: 1, step: 3, count: 2 },
            Picks::Range { start: 6, step: 1, count: 1 },
            Picks::List(&list),
            Picks::List(&[]),
        ] {
            check::<1>(&picks);
            check::<2>(&picks);
            check::<4>(&picks);
            check::<8>(&picks);
            check::<16>(&picks);
        }
    }

    #[test]
    fn large_blocks_are_transposed_alike_on_several_threads() {
        let (lines, items) = (1500, 301);
        let source: Vec<u8> =
            (0..(lines * items) as u32).flat_map(|item| item.to_le_bytes()).collect();
        for count in [1, 3, items] {
            let picks = Picks::Range { start: items - count, step: 1, count };
            let mut bytes = vec![0; lines * count * 4];
            let mut block =
                Block { bytes: &mut bytes, order: BlockOrder::Across, lines, positions: count };
            let all = Lines { offset: 0, stride: items * 4, count: lines };
            gather(4, &source, all, &picks, &mut block, 0);
            for (item, value) in bytes.chunks(4).enumerate() {
                let expected = (item % lines) * items + picks.at(item / lines);
                assert_eq!(value, (expected as u32).to_le_bytes());
            }
            let columns: Vec<_> = (0..count)
                .map(|k| (items - count + k, &bytes[k * lines * 4..(k + 1) * lines * 4]))
                .collect();
            let mut target = vec![0; source.len()];
            interleave(4, &columns, &mut target, items);
            for (item, value) in target.chunks(4).enumerate() {
                let expected = if item % items >= items - count { item as u32 } else { 0 };
                assert_eq!(value, expected.to_le_bytes());
            }
        }
    }

    #[test]
    fn swapping_reverses_each_unit() {
        let mut bytes = [1, 2, 3, 4, 5, 6, 7, 8];
        swap_bytes(4, &mut bytes);
        assert_eq!(bytes, [4, 3, 2, 1, 8, 7, 6, 5]);
        swap_bytes(1, &mut bytes);
        assert_eq!(bytes, [4, 3, 2, 1, 8, 7, 6, 5]);
    }
}
