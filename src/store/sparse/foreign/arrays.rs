//! COO, BSR and DIA, as `save_npz` writes them: arrays that are read side by side, from front to back.

use super::{BATCH_ENTRIES, Placing, PutEntries};
use crate::array::{Bits, Order};
use crate::error::{Error, Result};
use crate::format::npz::{BsrLayout, CooLayout, DiaLayout};
use crate::store::reader::DeviceReader;
use crate::store::sparse::numbers::{Numbers, malformed};
use crate::store::{Context, Reservation, StoredZeros};
use crate::sys::Device;

/// How many entries are read at a time, and the memory for these: half of what there is, the other half is for
/// decompressing. At least one.
fn batch_entries(entry_bytes: usize, context: &Context) -> Result<(usize, Reservation)> {
    let most = context.available_bytes() / 2 / entry_bytes as u64;
    let count = most.clamp(1, BATCH_ENTRIES as u64);
    let memory = context.reserve(count * entry_bytes as u64)?;
    Ok((count as usize, memory))
}

pub(super) fn read_coo<W: Bits>(
    layout: &CooLayout,
    placing: Placing,
    device: &dyn Device,
    context: &Context,
    put: &mut PutEntries<'_, W>,
) -> Result<()> {
    let mut sources = [(); 3].map(|()| DeviceReader::new(device));
    let [row, col, data] = &mut sources;
    let mut rows = Numbers::new(&layout.row, row)?;
    let mut cols = Numbers::new(&layout.col, col)?;
    let mut data = Numbers::new(&layout.data, data)?;
    let (mut these_rows, mut these_cols, mut values) = (Vec::new(), Vec::new(), Vec::new());
    let mut keys = Vec::new();
    // Row, column and value as they are read, the largest of these in the file's bytes, and a key.
    let entry_bytes = 4 * size_of::<u64>() + 2 * size_of::<W>();
    let (most, _memory) = batch_entries(entry_bytes, context)?;
    let mut left = layout.data.elements;
    while left > 0 {
        let count = left.min(most as u64) as usize;
        rows.integers(count, &mut these_rows)?;
        cols.integers(count, &mut these_cols)?;
        data.values(count, &mut values)?;
        keys.clear();
        for (&row, &col) in these_rows.iter().zip(&these_cols) {
            keys.push(placing.checked_key(row, col)?);
        }
        put(&keys, &values)?;
        left -= count as u64;
        context.advance((count * (16 + size_of::<W>())) as u64)?;
    }
    Ok(())
}

pub(super) fn read_bsr<W: Bits>(
    layout: &BsrLayout,
    placing: Placing,
    device: &dyn Device,
    context: &Context,
    put: &mut PutEntries<'_, W>,
) -> Result<()> {
    let mut sources = [(); 3].map(|()| DeviceReader::new(device));
    let [indptr, indices, data] = &mut sources;
    let mut ends = Numbers::new(&layout.indptr, indptr)?;
    let mut positions = Numbers::new(&layout.indices, indices)?;
    let mut data = Numbers::new(&layout.data, data)?;
    let blocks = layout.indices.elements as i64;
    let (mut these_ends, mut these_positions) = (Vec::new(), Vec::new());
    // SciPy's `tocsr` keeps the zeros of blocks too.
    let mut batch = Batch::new(StoredZeros::Kept, context)?;
    ends.integers(1, &mut these_ends)?;
    let mut begin = these_ends[0];
    if begin != 0 {
        return Err(malformed("indptr does not begin at 0".into()));
    }
    let block_rows = layout.shape.rows / layout.block.rows;
    for block_row in 0..block_rows {
        ends.integers(1, &mut these_ends)?;
        let end = these_ends[0];
        if end < begin || end > blocks {
            return Err(malformed("indptr does not rise from 0 to the number of blocks".into()));
        }
        for _ in begin..end {
            positions.integers(1, &mut these_positions)?;
            let first_row = block_row * layout.block.rows;
            let first_col = these_positions[0].checked_mul(layout.block.cols as i64);
            let first_col = first_col.ok_or_else(|| outside(these_positions[0], "block"))?;
            for row in 0..layout.block.rows {
                let mut col = 0;
                while col < layout.block.cols {
                    let count = (layout.block.cols - col).min(batch.most);
                    batch.read_values(&mut data, count)?;
                    for k in 0..count {
                        let at = (first_row + row) as i64;
                        let key = placing.checked_key(at, first_col + (col + k) as i64)?;
                        batch.push(key, k);
                    }
                    batch.put_full(put)?;
                    col += count;
                }
            }
        }
        begin = end;
        context.advance(0)?;
    }
    // Blocks behind the last row's are nobody's: SciPy drops them.
    batch.put_all(put)
}

pub(super) fn read_dia<W: Bits>(
    layout: &DiaLayout,
    placing: Placing,
    device: &dyn Device,
    context: &Context,
    put: &mut PutEntries<'_, W>,
) -> Result<()> {
    let mut sources = [(); 2].map(|()| DeviceReader::new(device));
    let [offsets, data] = &mut sources;
    let count = usize::try_from(layout.offsets.elements).unwrap_or(usize::MAX);
    let _memory = context.reserve((count as u64).saturating_mul(20))?;
    let mut offset_list = Vec::new();
    Numbers::new(&layout.offsets, offsets)?.integers(count, &mut offset_list)?;
    let mut sorted = offset_list.clone();
    sorted.sort_unstable();
    if let Some(pair) = sorted.array_windows().find(|[one, next]| one == next) {
        return Err(malformed(format!("diagonal {} is stated twice", pair[0])));
    }
    let mut data = Numbers::new(&layout.data, data)?;
    // SciPy's `tocsr` and `tocsc` leave the zeros of diagonals out.
    let mut batch = Batch::new(StoredZeros::Dropped, context)?;
    // In Fortran order the diagonals' values of a column lie together, else a diagonal's.
    let (outer, inner) = match layout.data.order {
        Order::C => (count, layout.length),
        Order::Fortran => (layout.length, count),
    };
    for one in 0..outer {
        for first in (0..inner).step_by(batch.most) {
            let some = batch.most.min(inner - first);
            batch.read_values(&mut data, some)?;
            for k in 0..some {
                let (diagonal, col) = match layout.data.order {
                    Order::C => (one, first + k),
                    Order::Fortran => (first + k, one),
                };
                let row = (col as i64).checked_sub(offset_list[diagonal]);
                // What lies outside the matrix is there for the rectangle's sake.
                let row = row.and_then(|row| usize::try_from(row).ok());
                if let Some(row) =
                    row.filter(|&row| row < placing.shape.rows && col < placing.shape.cols)
                {
                    batch.push(placing.key(row, col), k);
                }
            }
            batch.put_full(put)?;
        }
        context.advance((inner * size_of::<W>()) as u64)?;
    }
    batch.put_all(put)
}

/// Entries of dense parts on their way.
struct Batch<W> {
    most: usize,
    zeros: StoredZeros,
    read: Vec<W>,
    keys: Vec<u64>,
    values: Vec<W>,
    _memory: Reservation,
}

impl<W: Bits> Batch<W> {
    fn new(zeros: StoredZeros, context: &Context) -> Result<Self> {
        // A value as it is read, twice; and twice with its key, since what waits may be nearly a batch when one more comes.
        let entry_bytes = 2 * size_of::<W>() + 2 * (size_of::<u64>() + size_of::<W>());
        let (most, _memory) = batch_entries(entry_bytes, context)?;
        let (keys, values) = (Vec::with_capacity(2 * most), Vec::with_capacity(2 * most));
        Ok(Self { most, zeros, read: Vec::new(), keys, values, _memory })
    }

    fn read_values(&mut self, data: &mut Numbers<'_>, count: usize) -> Result<()> {
        data.values(count, &mut self.read)
    }

    /// Takes the `k`-th of the values that were read last.
    fn push(&mut self, key: u64, k: usize) {
        if self.zeros == StoredZeros::Kept || self.read[k] != W::default() {
            self.keys.push(key);
            self.values.push(self.read[k]);
        }
    }

    fn put_full(&mut self, put: &mut PutEntries<'_, W>) -> Result<()> {
        if self.keys.len() >= self.most { self.put_all(put) } else { Ok(()) }
    }

    fn put_all(&mut self, put: &mut PutEntries<'_, W>) -> Result<()> {
        put(&self.keys, &self.values)?;
        self.keys.clear();
        self.values.clear();
        Ok(())
    }
}

fn outside(index: i64, what: &str) -> Error {
    malformed(format!("{what} {index} lies outside the matrix"))
}

impl Placing {
    /// The key of the entry in `row` and `col`, as a file states them.
    fn checked_key(self, row: i64, col: i64) -> Result<u64> {
        match (usize::try_from(row), usize::try_from(col)) {
            (Ok(row_at), Ok(col_at)) if row_at < self.shape.rows && col_at < self.shape.cols => {
                Ok(self.key(row_at, col_at))
            }
            (Ok(at), _) if at < self.shape.rows => Err(outside(col, "column")),
            _ => Err(outside(row, "row")),
        }
    }
}
