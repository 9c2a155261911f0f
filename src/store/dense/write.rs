//! Writing cells of a dense file in place: runs of bytes, windows of which some items change, or items by themselves.

use std::ops::Range;

use ndarray::ArrayView2;

use super::engine::{COPY_BYTES, Engine, shift};
use super::kernel::{self, Lines};
use super::plan::GAP_BYTES;
use super::windows::window_memory;
use crate::array::{Element, Picks};
use crate::error::Result;
use crate::store::{Context, Plan, Step, StepKind};
use crate::sys::DeviceKind;

/// How cells are written.
enum WriteKind {
    /// Runs of bytes.
    Runs,
    /// Windows of which some items are changed.
    Windows,
    /// Item by item.
    Items,
}

impl Engine {
    /// Sets `positions` of `lines` to `values`, which hold line after line of them. Where a line or
    /// position is picked twice, the last value stays.
    pub(super) fn write(
        &mut self,
        lines: Picks<'_>,
        positions: &Picks<'_>,
        values: &[u8],
        context: &Context,
    ) -> Result<()> {
        if lines.is_empty() || positions.is_empty() {
            return Ok(());
        }
        let kind = self.write_kind(lines, positions, context);
        let _step = context.step(self.step_kind(&kind));
        match kind {
            WriteKind::Windows => {
                self.device.advise(self.pass_advice());
                let written = self.write_windows(lines, positions, values, context);
                self.device.advise(self.usual_advice());
                return written;
            }
            WriteKind::Items => return self.write_items(lines, positions, values, context),
            WriteKind::Runs => {}
        }
        let first = positions.at(0);
        let line_bytes = positions.len() * self.geometry.item_bytes;
        if let Some(lines) = lines.as_run().filter(|_| line_bytes == self.geometry.line_bytes()) {
            return self.write_run(self.geometry.offset(lines.start, 0), values, context);
        }
        for (line, values) in lines.iter().zip(values.chunks_exact(line_bytes)) {
            self.write_run(self.geometry.offset(line, first), values, context)?;
        }
        Ok(())
    }

    /// What its user calls this.
    fn step_kind(&self, kind: &WriteKind) -> StepKind {
        match kind {
            WriteKind::Runs | WriteKind::Items => StepKind::CoalescedWrites,
            WriteKind::Windows if self.device.kind() == DeviceKind::Positioned => {
                StepKind::ReadModifyWrite
            }
            WriteKind::Windows => StepKind::StridedScatter,
        }
    }

    /// What [`Engine::write`] would move.
    pub(super) fn describe_write(
        &self,
        lines: Picks<'_>,
        positions: &Picks<'_>,
        context: &Context,
    ) -> Plan {
        let item_bytes = self.geometry.item_bytes;
        let line_bytes = (positions.len() * item_bytes) as u64;
        let requested = lines.len() as u64 * line_bytes;
        let kind = self.device.kind();
        let step = Step::new;
        let (step, memory_bytes) = match self.write_kind(lines, positions, context) {
            WriteKind::Runs => {
                let joined =
                    lines.as_run().is_some() && line_bytes == self.geometry.line_bytes() as u64;
                let times = if joined { 1 } else { lines.len() as u64 };
                (step(StepKind::CoalescedWrites, times, 0, requested), 0)
            }
            WriteKind::Items => {
                let times = (lines.len() * positions.len()) as u64;
                (step(StepKind::CoalescedWrites, times, 0, requested), 0)
            }
            WriteKind::Windows if kind == DeviceKind::Positioned => {
                let window = self.window_bytes(context);
                let (mut times, mut moved) = (0, 0);
                for (_, bytes) in self.write_batches(lines, positions.span(), window) {
                    times += 1;
                    moved += bytes.end - bytes.start;
                }
                (step(StepKind::ReadModifyWrite, times, moved, moved), window)
            }
            WriteKind::Windows => (step(StepKind::StridedScatter, 1, 0, requested), 0),
        };
        Plan { steps: vec![step], bytes_requested: requested, memory_bytes, ..Plan::default() }
    }

    /// How `positions` of `lines` are written.
    fn write_kind(&self, lines: Picks<'_>, positions: &Picks<'_>, context: &Context) -> WriteKind {
        let item_bytes = self.geometry.item_bytes;
        let line_bytes = (positions.len() * item_bytes) as u64;
        if let Some(run) = positions.as_run() {
            let joined = run.len() == self.geometry.line_items && lines.as_run().is_some();
            let span = (lines.span().len() * self.geometry.line_bytes()) as u64;
            let distance = span / (lines.len() as u64).max(1);
            let is_scattered = distance.saturating_sub(line_bytes) > GAP_BYTES;
            if joined || line_bytes > GAP_BYTES || lines.len() == 1 || is_scattered {
                return WriteKind::Runs;
            }
        }
        let longest = self.window_bytes(context);
        let span_bytes = (positions.span().len() * item_bytes) as u64;
        if span_bytes > longest || span_bytes > GAP_BYTES.max(4 * line_bytes) {
            return WriteKind::Items;
        }
        WriteKind::Windows
    }

    fn write_run(&mut self, offset: u64, bytes: &[u8], context: &Context) -> Result<()> {
        for (index, piece) in bytes.chunks(COPY_BYTES).enumerate() {
            self.device.write_at(offset + (index * COPY_BYTES) as u64, piece)?;
            context.advance(piece.len() as u64)?;
        }
        Ok(())
    }

    /// Windows of evenly spaced lines, or single lines, changed in place.
    fn write_windows(
        &mut self,
        lines: Picks<'_>,
        positions: &Picks<'_>,
        values: &[u8],
        context: &Context,
    ) -> Result<()> {
        let kind = self.device.kind();
        let longest = self.window_bytes(context);
        let span = positions.span();
        let item_bytes = self.geometry.item_bytes;
        let line_bytes = positions.len() * item_bytes;
        let _memory = context.reserve(window_memory(kind, longest))?;
        let mut shifted = Vec::new();
        let picks = shift(positions, span.start, &mut shifted);
        let mut values = values;
        for (batch, bytes) in self.write_batches(lines, span, longest).collect::<Vec<_>>() {
            let (these, rest) = values.split_at(batch.count * line_bytes);
            let moved = bytes.end - bytes.start;
            self.device.update(bytes, &mut |bytes| {
                kernel::scatter(item_bytes, bytes, batch, &picks, these);
                Ok(())
            })?;
            values = rest;
            context.advance(moved)?;
        }
        Ok(())
    }

    /// The stretches of the file in which `span` of `lines` is changed, in the lines' order: evenly spaced lines
    /// together as far as `longest` bytes hold them and no long gap lies between, else one by one.
    fn write_batches<'a>(
        &'a self,
        lines: Picks<'a>,
        span: Range<usize>,
        longest: u64,
    ) -> impl Iterator<Item = (Lines, Range<u64>)> + 'a {
        let span_bytes = (span.len() * self.geometry.item_bytes) as u64;
        let mut from = 0;
        std::iter::from_fn(move || {
            if from == lines.len() {
                return None;
            }
            let mut batch = Lines { offset: 0, stride: 0, count: 1 };
            if let Picks::Range { step, .. } = lines {
                batch.stride = step * self.geometry.line_bytes();
                let gap = (batch.stride as u64).saturating_sub(span_bytes);
                let near = self.device.kind() != DeviceKind::Positioned || gap <= GAP_BYTES;
                if batch.stride > 0 && near {
                    let more = longest.saturating_sub(span_bytes) / batch.stride as u64;
                    batch.count +=
                        usize::try_from(more).unwrap_or(usize::MAX).min(lines.len() - from - 1);
                }
            }
            let first = self.geometry.part_range(lines.at(from), span.clone());
            let last = self.geometry.part_range(lines.at(from + batch.count - 1), span.clone());
            from += batch.count;
            Some((batch, first.start..last.end))
        })
    }

    /// Item by item: for positions so far apart that nothing between them should be touched.
    fn write_items(
        &mut self,
        lines: Picks<'_>,
        positions: &Picks<'_>,
        values: &[u8],
        context: &Context,
    ) -> Result<()> {
        let item_bytes = self.geometry.item_bytes;
        for (line, values) in lines.iter().zip(values.chunks_exact(positions.len() * item_bytes)) {
            for (position, value) in positions.iter().zip(values.chunks_exact(item_bytes)) {
                self.device.write_at(self.geometry.offset(line, position), value)?;
            }
            context.advance(values.len() as u64)?;
        }
        Ok(())
    }
}

/// The values of `block`, whose columns are contiguous, row after row.
pub(super) fn turned<T: Element>(block: ArrayView2<'_, T>, context: &Context) -> Vec<T> {
    let columns: Vec<_> = block
        .columns()
        .into_iter()
        .map(|column| bytemuck::must_cast_slice(column.to_slice().expect("a part of a run")))
        .enumerate()
        .collect();
    let mut turned = vec![T::default(); block.len()];
    let target = bytemuck::must_cast_slice_mut(&mut turned);
    let bytes = target.len();
    context.install_for(bytes, || {
        kernel::interleave(size_of::<T>(), &columns, target, block.ncols());
    });
    turned
}
