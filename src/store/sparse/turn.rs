//! Turning staged lines of the other axis into lines of the file: columns into rows, or rows into columns.

use std::ops::Range;

use super::ints::{Int, Ints, with_indices};
use super::stage::Part;
use crate::array::Bits;
use crate::store::{Context, Indices};

/// Lines turned at a time by one thread are so many that what they become, with a place for each, stays in its cache: in
/// each staged line they are searched for.
const STRIP_BYTES: usize = 1 << 20;
const STRIP_LINES: (usize, usize) = (512, 32 << 10);

/// Bytes below which a block is not worth another thread's wake-up.
const PARALLEL_BYTES: usize = 1 << 20;

/// Lines of the file, as somebody made them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines<'a, W> {
    /// Where each line's entries begin, and where the last one's end. From 0 on.
    pub offsets: &'a [usize],
    pub indices: Indices<'a>,
    pub values: &'a [W],
}

/// Lines of the file, made of parts of staged lines.
#[derive(Debug)]
pub(super) struct Turned<W> {
    pub offsets: Vec<usize>,
    pub indices: Ints,
    pub values: Vec<W>,
}

impl<W: Bits> Turned<W> {
    /// No lines; positions in them are below `length`.
    pub(super) fn new(length: usize) -> Self {
        Self { offsets: vec![0], indices: Ints::new(length), values: Vec::new() }
    }

    pub(super) fn lines(&self) -> Lines<'_, W> {
        Lines { offsets: &self.offsets, indices: self.indices.view(), values: &self.values }
    }

    /// Puts `lines` together: `parts` are those of each staged line, whose index is its position in them.
    /// Zeros of dense parts are left out; those among entries stay entries.
    pub(super) fn make(
        &mut self,
        lines: Range<usize>,
        parts: &[(usize, Part<'_, W>)],
        context: &Context,
    ) {
        let bytes = parts.len() * lines.len() * size_of::<W>();
        let height = strip_height(lines.len(), parts);
        let strips = lines.len().div_ceil(height);
        let strip_lines = |strip: usize| {
            let start = lines.start + strip * height;
            start..lines.end.min(start + height)
        };
        let context = if bytes < PARALLEL_BYTES { None } else { Some(context) };
        let bounds = Bounds::new(&lines, height, parts, context);
        self.offsets.clear();
        self.offsets.resize(lines.len() + 1, 0);
        let counts: Vec<_> = self.offsets[1..].chunks_mut(height).collect();
        each(context, counts, |strip, counts| {
            let strip = Strip { lines: strip_lines(strip), at: strip, bounds: &bounds };
            count(&lines, &strip, parts, counts);
        });
        let mut end = 0;
        for offset in &mut self.offsets {
            end += *offset;
            *offset = end;
        }
        self.indices.resize(end);
        self.values.resize(end, W::default());
        let offsets = &self.offsets;
        let strip_entries: Vec<usize> = (0..strips)
            .map(|strip| {
                let own = strip_lines(strip);
                offsets[own.end - lines.start] - offsets[own.start - lines.start]
            })
            .collect();
        let values = cut(&mut self.values, &strip_entries);
        match &mut self.indices {
            Ints::I32(indices) => {
                let strips = values.into_iter().zip(cut(indices, &strip_entries)).collect();
                each(context, strips, |strip, (values, indices)| {
                    let strip = Strip { lines: strip_lines(strip), at: strip, bounds: &bounds };
                    fill(&lines, &strip, parts, offsets, (values, indices));
                });
            }
            Ints::I64(indices) => {
                let strips = values.into_iter().zip(cut(indices, &strip_entries)).collect();
                each(context, strips, |strip, (values, indices)| {
                    let strip = Strip { lines: strip_lines(strip), at: strip, bounds: &bounds };
                    fill(&lines, &strip, parts, offsets, (values, indices));
                });
            }
        }
    }
}

/// How many lines are a strip, of which these are the parts.
fn strip_height<W: Bits>(lines: usize, parts: &[(usize, Part<'_, W>)]) -> usize {
    let entries: usize = parts
        .iter()
        .map(|(_, part)| match part {
            Part::Dense(values) => values.len(),
            Part::Entries(indices, _) => indices.len(),
        })
        .sum();
    let place_bytes = size_of::<usize>();
    let line_bytes = entries / lines.max(1) * (size_of::<i32>() + size_of::<W>()) + place_bytes;
    (STRIP_BYTES / line_bytes).clamp(STRIP_LINES.0, STRIP_LINES.1)
}

/// Does `work` for each part: on several threads, where there is a context for them.
fn each<P: Send>(context: Option<&Context>, parts: Vec<P>, work: impl Fn(usize, P) + Sync) {
    match context {
        Some(context) => context.for_each(parts, work),
        None => parts.into_iter().enumerate().for_each(|(index, part)| work(index, part)),
    }
}

/// `all` in pieces of these lengths.
fn cut<'a, I>(mut all: &'a mut [I], lengths: &[usize]) -> Vec<&'a mut [I]> {
    let piece = |&length: &usize| {
        let (piece, rest) = std::mem::take(&mut all).split_at_mut(length);
        all = rest;
        piece
    };
    lengths.iter().map(piece).collect()
}

/// Where each part's entries of each strip begin: looked for once.
struct Bounds {
    strips: usize,
    /// For each part one for each strip but the first.
    bounds: Vec<usize>,
}

impl Bounds {
    fn new<W: Bits>(
        lines: &Range<usize>,
        height: usize,
        parts: &[(usize, Part<'_, W>)],
        context: Option<&Context>,
    ) -> Self {
        let strips = lines.len().div_ceil(height).max(1);
        let inner = strips - 1;
        let mut bounds = vec![0; parts.len() * inner];
        if inner > 0 {
            const PARTS: usize = 64;
            let jobs = bounds.chunks_mut(PARTS * inner).zip(parts.chunks(PARTS)).collect();
            each(context, jobs, |_, (bounds, parts): (&mut [usize], &[(usize, Part<'_, W>)])| {
                for (bounds, (_, part)) in bounds.chunks_mut(inner).zip(parts) {
                    if let Part::Entries(indices, _) = part {
                        let mut begin = 0;
                        for (strip, bound) in (1..).zip(bounds) {
                            let rest = indices.part(begin..indices.len());
                            begin += rest.below_from_front(lines.start + strip * height);
                            *bound = begin;
                        }
                    }
                }
            });
        }
        Self { strips, bounds }
    }

    /// Which entries of a part, which are so many, are in a strip.
    fn within(&self, part: usize, strip: usize, entries: usize) -> Range<usize> {
        let bounds = &self.bounds[part * (self.strips - 1)..];
        let start = if strip == 0 { 0 } else { bounds[strip - 1] };
        start..if strip + 1 == self.strips { entries } else { bounds[strip] }
    }
}

/// Some of the lines, which are turned by one thread.
struct Strip<'b> {
    lines: Range<usize>,
    /// Which strip it is.
    at: usize,
    bounds: &'b Bounds,
}

impl Strip<'_> {
    /// Which entries of the `part`-th part are in it.
    fn within(&self, part: usize, indices: Indices<'_>) -> Range<usize> {
        self.bounds.within(part, self.at, indices.len())
    }
}

/// Counts the entries of each line of a strip.
fn count<W: Bits>(
    lines: &Range<usize>,
    strip: &Strip<'_>,
    parts: &[(usize, Part<'_, W>)],
    counts: &mut [usize],
) {
    let zero = W::default();
    for (k, (_, part)) in parts.iter().enumerate() {
        match part {
            Part::Dense(values) => {
                let own = strip.lines.start - lines.start..strip.lines.end - lines.start;
                let own = &values[own];
                for (count, value) in counts.iter_mut().zip(own) {
                    *count += usize::from(*value != zero);
                }
            }
            Part::Entries(indices, _) => {
                with_indices!(indices.part(strip.within(k, *indices)), own => {
                    for at in own {
                        counts[at.position() - strip.lines.start] += 1;
                    }
                });
            }
        }
    }
}

/// Fills a strip, of which these are the entries.
fn fill<W: Bits, I: Int>(
    lines: &Range<usize>,
    strip: &Strip<'_>,
    parts: &[(usize, Part<'_, W>)],
    offsets: &[usize],
    (values, indices): (&mut [W], &mut [I]),
) {
    let own = strip.lines.start - lines.start..strip.lines.end - lines.start;
    let zero = W::default();
    let begin = offsets[own.start];
    if values.len() == own.len() * parts.len() {
        return fill_full(own, parts, values, indices, strip);
    }
    let mut next: Vec<usize> = offsets[own.clone()].iter().map(|offset| offset - begin).collect();
    for (part_at, &(position, part)) in parts.iter().enumerate() {
        match part {
            Part::Dense(column) => {
                for (next, &value) in next.iter_mut().zip(&column[own.clone()]) {
                    if value != zero {
                        values[*next] = value;
                        indices[*next] = I::of(position);
                        *next += 1;
                    }
                }
            }
            Part::Entries(at, column) => {
                let own = strip.within(part_at, at);
                with_indices!(at.part(own.clone()), list => {
                    for (at, &value) in list.iter().zip(&column[own]) {
                        let next = &mut next[at.position() - strip.lines.start];
                        values[*next] = value;
                        indices[*next] = I::of(position);
                        *next += 1;
                    }
                });
            }
        }
    }
}

/// A strip in which every cell is an entry: the positions of all lines are alike.
fn fill_full<W: Bits, I: Int>(
    own: Range<usize>,
    parts: &[(usize, Part<'_, W>)],
    values: &mut [W],
    indices: &mut [I],
    strip: &Strip<'_>,
) {
    if parts.is_empty() {
        return;
    }
    let positions: Vec<I> = parts.iter().map(|&(position, _)| I::of(position)).collect();
    for line in indices.chunks_exact_mut(parts.len()) {
        line.copy_from_slice(&positions);
    }
    for (k, (_, part)) in parts.iter().enumerate() {
        let column = match part {
            Part::Dense(column) => &column[own.clone()],
            Part::Entries(at, column) => &column[strip.within(k, *at)],
        };
        for (line, &value) in values.chunks_exact_mut(parts.len()).zip(column) {
            line[k] = value;
        }
    }
}
