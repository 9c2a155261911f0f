//! Selections beyond the budget, some rows at a time.

use ndarray::ArrayView2;

use crate::array::{Element, Selection, Shape};
use crate::error::Result;
use crate::store::{ArrayStore, ArrayStoreExt, Context};

/// What reading a part takes at least, beside the part.
const READING_BYTES: u64 = 4 << 10;

/// The parts in which `selection` is read: (rows before, part), as many rows as a quarter of the budget holds. Each is
/// made as it is asked for: its columns may be a long list.
pub(super) fn parts<'s, T: Element>(
    store: &dyn ArrayStore<Elem = T>,
    selection: &'s Selection,
    context: &Context,
) -> Result<impl Iterator<Item = (usize, Selection)> + use<'s, T>> {
    let Shape { rows, cols } = selection.shape(store.spec().shape)?;
    let picks = selection.rows.resolve(store.spec().shape.rows)?;
    // Where rows are scattered, each part costs a pass: they are as large as the budget allows.
    let available = context.available_bytes();
    let part_bytes = (available / 4).min(available.saturating_sub(READING_BYTES));
    let row_bytes = (cols * size_of::<T>()).max(1) as u64;
    let step = usize::try_from(part_bytes / row_bytes).unwrap_or(usize::MAX).clamp(1, rows.max(1));
    let part = move |top: usize| {
        let rows = picks.part(top..rows.min(top + step)).into();
        (top, Selection { rows, cols: selection.cols.clone() })
    };
    Ok((0..rows).step_by(step).map(part))
}

/// Shows the selected cells part by part: (rows before, block).
pub(super) fn for_each_part<T: Element>(
    store: &dyn ArrayStore<Elem = T>,
    selection: &Selection,
    context: &Context,
    show: &mut dyn FnMut(usize, ArrayView2<'_, T>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut held = None;
    for (top, part) in parts(store, selection, context)? {
        if held.is_none() {
            // The first is the largest.
            let cells = part.shape(store.spec().shape)?.elements()?;
            let bytes = (cells * size_of::<T>()) as u64;
            drop(context.reserve(bytes + READING_BYTES)?);
            held = Some(context.reserve(bytes)?);
        }
        let block = store.select(&part)?;
        show(top, block.view())?;
        context.advance((block.len() * size_of::<T>()) as u64)?;
    }
    Ok(())
}
