//! Rows in an order of their own, in batches: what a training loop takes of a matrix in each epoch.
//!
//! Random rows are slow to read one batch at a time: each costs a page, most of which is thrown away. As many batches
//! as the budget holds are therefore read at once, from front to back; or, where the file is so much larger than the
//! memory that this means many passes, the rows are put aside in the order of their batches, in one pass over the
//! file. Works over any store.

mod log;

use std::ops::Range;

use ndarray::{Array2, ArrayView2, Axis};

use self::log::{Places, RowLog, lie_at};
use super::buffer::Buffer;
use super::plan::WRITE_COST;
use super::stage::{Scratch, is_without_room};
use super::{Access, ArrayStore, Context, Plan, Step, StepKind, TileOrder};
use crate::array::{Element, Selection, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::Device;

/// Who is shown batches: the place of a batch's first row in the order, and its rows.
pub type BatchVisitor<'v, T> = dyn FnMut(usize, ArrayView2<'_, T>) -> Result<()> + 'v;

/// The least part of the log that is worth a write of its own, unless a row is longer.
const LEAST_WRITE_BYTES: u64 = 512;

/// Bytes of a sparse tile that are made dense at a time.
const PART_BYTES: usize = 1 << 20;

/// What a row's place in a list, and in the reader's own, takes.
const PLACE_BYTES: u64 = 24;

/// How rows are brought into their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ShufflePlan {
    /// Rows that are brought into order at a time: whole batches.
    group: usize,
    /// Whether they come from a log, in which each group lies together.
    is_logged: bool,
}

/// Shows `rows` of `store`, `batch` at a time, the last batch perhaps shorter. A log is kept in `scratch`, where
/// there is such a place.
pub(super) fn visit_rows<T: Element>(
    store: &dyn ArrayStore<Elem = T>,
    scratch: Option<&Scratch>,
    rows: &[usize],
    batch: usize,
    visitor: &mut BatchVisitor<'_, T>,
    context: &Context,
) -> Result<()> {
    let shape = store.spec().shape;
    check(rows, batch, shape)?;
    let (mut plan, _) = plan(store, rows.len(), batch, context)?;
    if plan.is_logged
        && let Some(scratch) = scratch
    {
        let log_bytes = rows.len() as u64 * row_bytes::<T>(shape);
        match scratch.medium.scratch(&scratch.near, log_bytes) {
            Ok(log) => return visit_logged(store, log, plan.group, rows, batch, visitor, context),
            Err(error) if !is_without_room(&error) => return Err(error),
            Err(_) => {}
        }
    }
    // A file is read also where nothing can be written beside it: more slowly then.
    plan.is_logged = false;
    visit_groups(store, plan.group, rows, batch, visitor, context)
}

/// The plan for rows in random order, as many as the matrix has, as its user sees it.
pub(super) fn describe<T: Element>(
    store: &dyn ArrayStore<Elem = T>,
    batch: usize,
    context: &Context,
) -> Result<Plan> {
    check(&[], batch, store.spec().shape)?;
    Ok(plan(store, store.spec().shape.rows, batch, context)?.1)
}

fn check(rows: &[usize], batch: usize, shape: Shape) -> Result<()> {
    if batch == 0 {
        let reason = "batches have at least one row";
        return Err(Error::new(ErrorKind::InvalidArgument, "visit rows", reason));
    }
    match rows.iter().find(|&&row| row >= shape.rows) {
        None => Ok(()),
        Some(row) => Err(Error::new(
            ErrorKind::OutOfBounds,
            "visit rows",
            format!("row {row} is outside of {} rows", shape.rows),
        )),
    }
}

fn row_bytes<T>(shape: Shape) -> u64 {
    (shape.cols * size_of::<T>()) as u64
}

/// How `count` rows in random order are shown, and what that moves.
fn plan<T: Element>(
    store: &dyn ArrayStore<Elem = T>,
    count: usize,
    batch: usize,
    context: &Context,
) -> Result<(ShufflePlan, Plan)> {
    let spec = store.spec();
    let row_bytes = row_bytes::<T>(spec.shape);
    let requested = row_bytes * count as u64;
    let available = context.available_bytes();
    let batch_bytes = batch.min(count) as u64 * (row_bytes + PLACE_BYTES);
    // Reading takes windows of its own.
    let room = available - available / 4;
    if batch_bytes > room {
        return Err(Error::new(
            ErrorKind::Budget,
            "visit rows",
            format!(
                "the memory budget of {available} bytes does not hold a batch of {batch} rows: at least {} are \
                 needed",
                batch_bytes + batch_bytes / 3 + 4
            ),
        )
        .hint("raise it with --memory, or Budget::new in a program"));
    }
    let fitting = usize::try_from(room / (row_bytes + PLACE_BYTES)).unwrap_or(usize::MAX);
    let group = (fitting.min(count) / batch).max(1).saturating_mul(batch).min(count.max(1));
    let groups = count.div_ceil(group) as u64;

    // Rows in random order are as far apart as evenly spaced ones. From the last to the first, which is no run.
    let some = group.min(spec.shape.rows);
    let spaced = |place: usize| (place as u128 * spec.shape.rows as u128 / some as u128) as usize;
    let one = Selection::rows((0..some).rev().map(spaced).collect::<Vec<_>>());
    let mut read = store.plan(&Access::Read(one), context)?;
    for step in read.steps.iter_mut().filter(|step| !step.kind.is_once()) {
        step.times *= groups;
        step.bytes_read *= groups;
        step.bytes_paged *= groups;
    }
    read.bytes_requested = requested;
    read.memory_bytes += group as u64 * (row_bytes + PLACE_BYTES);
    let cached = context.budget().is_cached(store.stats().bytes_on_disk);
    let read = read.over(store.stats().bytes_on_disk, context.budget());
    let plan = ShufflePlan { group, is_logged: false };

    let Some(visiting) = visiting(count, spec.shape, row_bytes, context).filter(|visiting| {
        let waiting = visiting.available_bytes() / groups;
        // A batch is put together beside the group that it comes from.
        !cached && waiting >= row_bytes.max(LEAST_WRITE_BYTES) && batch_bytes <= available / 4
    }) else {
        return Ok((plan, read));
    };
    let pass = store.plan(&Access::Visit(TileOrder::Rows), &visiting)?;
    let cost = |plan: &Plan| -> u64 {
        plan.steps.iter().map(|step| step.bytes_read + WRITE_COST * step.bytes_written).sum()
    };
    if cost(&pass) + (1 + WRITE_COST) * requested >= cost(&read) {
        return Ok((plan, read));
    }
    let mut steps = pass.steps;
    steps.push(Step::new(StepKind::LogRows, groups, 0, requested));
    steps.push(Step::new(StepKind::ReadLog, groups, requested, 0));
    let memory_bytes = read.memory_bytes.max(pass.memory_bytes + list_bytes(count, spec.shape));
    let logged = Plan { steps, bytes_requested: requested, memory_bytes, ..Plan::default() };
    Ok((ShufflePlan { group, is_logged: true }, logged))
}

/// The part of the budget with which the file is passed for a log; none where too little is left for the lists and
/// for what waits to be written.
fn visiting(count: usize, shape: Shape, row_bytes: u64, context: &Context) -> Option<Context> {
    let lists = list_bytes(count, shape);
    let left = context.without(lists);
    // Of no rows there are no groups.
    let is_listed =
        (1..=u32::MAX as usize).contains(&count) && lists <= context.available_bytes() / 2;
    let visiting = left.share(1, 2);
    // Tiles of whole rows are needed.
    (is_listed && row_bytes > 0 && row_bytes <= visiting.available_bytes() / 8).then_some(visiting)
}

/// Memory for the lists of which row goes where.
fn list_bytes(count: usize, shape: Shape) -> u64 {
    4 * (count as u64 + shape.rows as u64 + 1)
}

/// Reads group after group.
fn visit_groups<T: Element>(
    store: &dyn ArrayStore<Elem = T>,
    group: usize,
    rows: &[usize],
    batch: usize,
    visitor: &mut BatchVisitor<'_, T>,
    context: &Context,
) -> Result<()> {
    let cols = store.spec().shape.cols;
    let mut block = Buffer::<T>::new(group.min(rows.len()) * cols, context)?;
    for (index, some) in rows.chunks(group).enumerate() {
        let values = block.part(some.len() * cols);
        let out = ndarray::ArrayViewMut2::from_shape((some.len(), cols), values);
        store.read(&Selection::rows(some.to_vec()), out.map_err(super::shape_error)?)?;
        let values = &*block.part(some.len() * cols);
        for (place, values) in
            (index * group..).step_by(batch).zip(values.chunks((batch * cols).max(1)))
        {
            show(place, values, cols, visitor)?;
        }
        if cols == 0 {
            show_empty(index * group..index * group + some.len(), batch, visitor)?;
        }
        context.advance(0)?;
    }
    Ok(())
}

fn show<T: Element>(
    place: usize,
    values: &[T],
    cols: usize,
    visitor: &mut BatchVisitor<'_, T>,
) -> Result<()> {
    let batch = ArrayView2::from_shape((values.len() / cols, cols), values);
    visitor(place, batch.map_err(super::shape_error)?)
}

/// Batches of rows of no columns.
fn show_empty<T: Element>(
    places: Range<usize>,
    batch: usize,
    visitor: &mut BatchVisitor<'_, T>,
) -> Result<()> {
    for place in places.clone().step_by(batch) {
        visitor(place, Array2::default((batch.min(places.end - place), 0)).view())?;
    }
    Ok(())
}

/// Passes the file once and puts each row aside where its group is, then shows group after group.
fn visit_logged<T: Element>(
    store: &dyn ArrayStore<Elem = T>,
    log: Box<dyn Device>,
    group: usize,
    rows: &[usize],
    batch: usize,
    visitor: &mut BatchVisitor<'_, T>,
    context: &Context,
) -> Result<()> {
    let shape = store.spec().shape;
    let row_bytes = shape.cols * size_of::<T>();
    let log = {
        let visiting = visiting(rows.len(), shape, row_bytes as u64, context)
            .expect("what is planned with a log has memory for its lists");
        let places = Places::new(rows, shape.rows, context)?;
        let waiting = context.available_bytes().saturating_sub(visiting.available_bytes());
        let groups = rows.len().div_ceil(group);
        let mut log = RowLog::new(log, row_bytes, (group, groups), waiting, context)?;
        let mut row_values = Vec::new();
        let put = &mut |tile: super::Tile<'_, T>| {
            let _step = context.step(StepKind::LogRows);
            tile.for_each_dense(Axis(0), PART_BYTES, &mut |these, _, block| {
                for (row, values) in these.zip(block.rows()) {
                    let values = match values.to_slice() {
                        Some(values) => values,
                        None => {
                            row_values.clear();
                            row_values.extend(values.iter().copied());
                            &row_values
                        }
                    };
                    for &place in places.of(row) {
                        log.put(place as usize, bytemuck::must_cast_slice(values))?;
                    }
                }
                Ok(())
            })
        };
        store.visit(TileOrder::Rows, put, &visiting)?;
        let _step = context.step(StepKind::LogRows);
        log.finish()?
    };
    let mut block = Buffer::<T>::new(group.min(rows.len()) * shape.cols, context)?;
    let mut shown = Buffer::<T>::new(batch.min(rows.len()) * shape.cols, context)?;
    let _memory = context.reserve(8 * group.min(rows.len()) as u64)?;
    let mut at = vec![0u32; group.min(rows.len())];
    for (index, some) in rows.chunks(group).enumerate() {
        let from = (index * group) as u64 * row_bytes as u64;
        let to = from + (some.len() * row_bytes) as u64;
        let next = to..(to + (group * row_bytes) as u64).min(log.len());
        log.prefetch(std::slice::from_ref(&next));
        let values = block.part(some.len() * shape.cols);
        let step = context.step(StepKind::ReadLog);
        log.read_into(from, bytemuck::must_cast_slice_mut(values))?;
        drop(step);
        let values = &*values;
        lie_at(some, &mut at);
        for (number, some_at) in at[..some.len()].chunks(batch).enumerate() {
            let out = shown.part(some_at.len() * shape.cols);
            for (out, &at) in out.chunks_exact_mut(shape.cols).zip(some_at) {
                out.copy_from_slice(&values[at as usize * shape.cols..][..shape.cols]);
            }
            show(index * group + number * batch, out, shape.cols, visitor)?;
        }
        context.advance(0)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
