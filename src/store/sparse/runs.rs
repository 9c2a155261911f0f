//! Entries by line that lie over others: what a layer holds, and how it is laid over what is below.
//!
//! Knows neither where layers are kept nor when they are merged: see `overlay`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use crate::array::{Bits, Picks};

/// Entries by line: run `k` is of line `lines[k]` and ends before entry `ends[k]`.
#[derive(Debug, Clone)]
pub(super) struct Runs<W> {
    pub lines: Vec<u64>,
    pub ends: Vec<u64>,
    pub positions: Vec<u64>,
    pub values: Vec<W>,
}

/// Some indices, each once, rising.
#[derive(Debug, Clone)]
pub(super) enum Set {
    Range { start: usize, step: usize, count: usize },
    List(Vec<usize>),
}

impl Set {
    /// The picked indices, and for each which of the picks is its last one; none where each is picked once, in
    /// order.
    pub(super) fn of(picks: Picks<'_>) -> (Self, Option<Vec<usize>>) {
        match picks {
            Picks::Range { start, step, count } => (Self::Range { start, step, count }, None),
            Picks::List(list) => {
                let last: BTreeMap<usize, usize> =
                    list.iter().enumerate().map(|(at, &index)| (index, at)).collect();
                (Self::List(last.keys().copied().collect()), Some(last.into_values().collect()))
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Range { count, .. } => *count,
            Self::List(list) => list.len(),
        }
    }

    pub(super) fn at(&self, k: usize) -> usize {
        match self {
            Self::Range { start, step, .. } => start + k * step,
            Self::List(list) => list[k],
        }
    }

    pub(super) fn contains(&self, index: usize) -> bool {
        match *self {
            Self::Range { start, step, count } => {
                index >= start
                    && (index - start).is_multiple_of(step)
                    && (index - start) / step < count
            }
            Self::List(ref list) => list.binary_search(&index).is_ok(),
        }
    }

    /// Those from the `from`-th to before the `to`-th.
    pub(super) fn part(&self, range: Range<usize>) -> Self {
        match self {
            Self::Range { start, step, .. } => {
                Self::Range { start: start + range.start * step, step: *step, count: range.len() }
            }
            Self::List(list) => Self::List(list[range].to_vec()),
        }
    }

    pub(super) fn touches(&self, range: &Range<usize>) -> bool {
        let len = self.len();
        len > 0 && self.at(0) < range.end && self.at(len - 1) >= range.start
    }
}

impl<W: Bits> Runs<W> {
    pub(super) fn new() -> Self {
        Self { lines: Vec::new(), ends: Vec::new(), positions: Vec::new(), values: Vec::new() }
    }

    /// Appends an entry, which lies behind all others.
    pub(super) fn push(&mut self, line: usize, position: usize, value: W) {
        self.positions.push(position as u64);
        self.values.push(value);
        let end = self.values.len() as u64;
        if self.lines.last() == Some(&(line as u64)) {
            *self.ends.last_mut().expect("every run has an end") = end;
        } else {
            self.lines.push(line as u64);
            self.ends.push(end);
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        runs_bytes::<W>(self.lines.len() as u64, self.values.len() as u64)
    }

    /// Entries of the runs in `range`.
    pub(super) fn entries(&self, runs: Range<usize>) -> Range<usize> {
        let begin = |run: usize| if run == 0 { 0 } else { self.ends[run - 1] as usize };
        begin(runs.start)..begin(runs.end)
    }

    pub(super) fn runs_of(&self, lines: &Range<usize>) -> Range<usize> {
        let below = |line: usize| self.lines.partition_point(|&own| own < line as u64);
        below(lines.start)..below(lines.end)
    }
}

fn runs_bytes<W>(runs: u64, entries: u64) -> u64 {
    16 * runs + entries * (8 + size_of::<W>() as u64)
}

/// What the layers say of some lines, oldest first.
#[derive(Debug)]
pub(super) struct Patches<'a, W: Bits>(pub Vec<Patch<'a, W>>);

/// What one layer says of some lines.
#[derive(Debug)]
pub(super) struct Patch<'a, W: Bits> {
    pub cover: Option<&'a (Set, Set)>,
    pub runs: Cow<'a, Runs<W>>,
}

/// Entries of one line: rising positions and their values.
#[derive(Debug)]
pub(super) struct Line<W> {
    pub positions: Vec<usize>,
    pub values: Vec<W>,
}

impl<W> Default for Line<W> {
    fn default() -> Self {
        Self { positions: Vec::new(), values: Vec::new() }
    }
}

impl<W> Line<W> {
    pub(super) fn clear(&mut self) {
        self.positions.clear();
        self.values.clear();
    }
}

impl<W: Bits> Patches<'_, W> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Applies everything that concerns the positions of `line` in `part` to what is below. `spare` is
    /// memory to work in.
    pub(super) fn apply(
        &self,
        line: usize,
        part: &Range<usize>,
        below: &mut Line<W>,
        spare: &mut Line<W>,
    ) {
        for patch in &self.0 {
            let runs = &*patch.runs;
            let run = runs.runs_of(&(line..line + 1));
            let covered = match patch.cover {
                Some((lines, positions)) => lines.contains(line).then_some(positions),
                None => None,
            };
            if run.is_empty() && covered.is_none() {
                continue;
            }
            let all = runs.entries(run);
            let within =
                |bound: usize| runs.positions[all.clone()].partition_point(|&at| at < bound as u64);
            let range = all.start + within(part.start)..all.start + within(part.end);
            let over = (&runs.positions[range.clone()], &runs.values[range]);
            lay_over(below, over, covered, spare);
            std::mem::swap(below, spare);
        }
    }
}

/// `below` with what is covered taken out and what lies over it put in; zeros only take out.
fn lay_over<W: Bits>(
    below: &Line<W>,
    over: (&[u64], &[W]),
    covered: Option<&Set>,
    out: &mut Line<W>,
) {
    out.clear();
    let mut next = over.0.iter().map(|&at| at as usize).zip(over.1).peekable();
    let mut put = |position: usize, value: W, is_new: bool| {
        if !is_new || value != W::default() {
            out.positions.push(position);
            out.values.push(value);
        }
    };
    for (&position, &value) in below.positions.iter().zip(&below.values) {
        while let Some((at, &new)) = next.next_if(|&(at, _)| at < position) {
            put(at, new, true);
        }
        if let Some((at, &new)) = next.next_if(|&(at, _)| at == position) {
            put(at, new, true);
        } else if covered.is_none_or(|set| !set.contains(position)) {
            put(position, value, false);
        }
    }
    for (at, &new) in next {
        put(at, new, true);
    }
}
