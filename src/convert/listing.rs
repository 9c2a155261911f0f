//! Files that list entries or values one by one: SciPy's COO and Matrix Market. They are written from front to back
//! and kept by no store.

use std::ops::Range;
use std::path::Path;

use crate::array::{DType, IndexWidth, Number, dispatch};
use crate::error::{Error, ErrorKind, Result};
use crate::format::mtx::{self, Form};
use crate::format::npz::{NpzForm, NpzPlan, Part};
use crate::store::{AnyStore, Context, StoredZeros, Tile, TileOrder, Values, visit_numbers};
use crate::sys::{Device, DiskMedium, Existing, Medium};

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listing {
    /// An `.npz` of rows, columns and values.
    Coo,
    /// Matrix Market: an entry in each line.
    MarketCoordinate,
    /// Matrix Market: a value in each line, column by column.
    MarketArray,
}

/// Entries that are made into bytes at a time by one thread.
const PART_ENTRIES: usize = 8 << 10;

/// Bytes that such an entry takes at most: as a number, and as the longest line.
const ENTRY_BYTES: u64 = 160;

/// Bytes by which a text file grows at a time.
const GROWTH_BYTES: u64 = 64 << 20;

/// An entry: row, column, value.
type Entry = (usize, usize, Number);

/// Writes `from` as values of `dtype` to a new file, which has its name once it is durable.
pub(super) fn write(
    from: &AnyStore,
    listing: Listing,
    (dtype, zeros): (DType, StoredZeros),
    (output, existing): (&Path, Existing),
    context: &Context,
) -> Result<()> {
    // A half each for reading and for what is made of it.
    let (reading, making) = (context.share(1, 2), context.share(1, 2));
    let source = Source { from, dtype, zeros, context: &reading };
    let medium = DiskMedium::positioned();
    let mut device = match listing {
        Listing::Coo => write_coo(&source, &medium, (output, existing), &making)?,
        Listing::MarketCoordinate => {
            let (order, entries) = (TileOrder::Any, source.entries()?);
            let mut text = Text::new(medium.create(output, 0, existing)?);
            let shape = from.spec().shape;
            text.push(mtx::header_lines(Form::Coordinate, dtype, shape, entries).as_bytes())?;
            let line = |out: &mut Vec<u8>, &(row, col, value): &Entry| {
                mtx::push_entry(out, row, col, value, dtype);
            };
            source.each(order, &making, &mut |entries| text.push_lines(entries, &line, &making))?;
            text.finish()?
        }
        Listing::MarketArray => {
            let mut text = Text::new(medium.create(output, 0, existing)?);
            let shape = from.spec().shape;
            text.push(mtx::header_lines(Form::Array, dtype, shape, 0).as_bytes())?;
            let line = |out: &mut Vec<u8>, &(.., value): &Entry| mtx::push_value(out, value, dtype);
            source.each(TileOrder::Columns, &making, &mut |entries| {
                text.push_lines(entries, &line, &making)
            })?;
            text.finish()?
        }
    };
    device.sync()
}

/// What is written.
struct Source<'s> {
    from: &'s AnyStore,
    dtype: DType,
    zeros: StoredZeros,
    context: &'s Context,
}

impl Source<'_> {
    /// How many entries there are. Of what is dense, those that are not zero.
    fn entries(&self) -> Result<u64> {
        let mut count = 0;
        self.tiles(TileOrder::Any, &mut |tile| {
            count += match &tile.values {
                Values::Sparse(block) => block.data.len() as u64,
                Values::Dense(block) => {
                    block.iter().filter(|value| !value.is_zero_bits()).count() as u64
                }
            };
            Ok(())
        })?;
        Ok(count)
    }

    /// Shows all tiles, their values as they are written.
    fn tiles(
        &self,
        order: TileOrder,
        show: &mut dyn FnMut(Tile<'_, Number>) -> Result<()>,
    ) -> Result<()> {
        visit_numbers(self.from, order, (self.dtype, self.zeros), show, self.context)
    }

    /// Shows entries in the order of the visit, some at a time: of sparse tiles all, of dense ones those that are not
    /// zero, or all where the order is by columns.
    fn each(
        &self,
        order: TileOrder,
        making: &Context,
        show: &mut dyn FnMut(&[Entry]) -> Result<()>,
    ) -> Result<()> {
        let all = order == TileOrder::Columns;
        let most = PART_ENTRIES * making.threads();
        let most = most.min((making.available_bytes() / ENTRY_BYTES) as usize).max(1);
        let _memory = making.reserve(most as u64 * ENTRY_BYTES)?;
        let mut entries: Vec<Entry> = Vec::with_capacity(most);
        let mut next = (0, 0);
        self.tiles(order, &mut |tile| {
            let mut put = |entry| {
                entries.push(entry);
                if entries.len() < most {
                    return Ok(());
                }
                making.advance(entries.len() as u64)?;
                show(&std::mem::take(&mut entries))
            };
            let (rows, cols) = (tile.rows.clone(), tile.cols.clone());
            match &tile.values {
                Values::Sparse(block) => {
                    for (row, col, value) in block.entries() {
                        put((rows.start + row, cols.start + col, value))?;
                    }
                }
                Values::Dense(block) if all => {
                    check_next(&mut next, &rows, &cols, self.from.spec().shape.rows)?;
                    for (col, column) in cols.zip(block.columns()) {
                        rows.clone()
                            .zip(column)
                            .try_for_each(|(row, &value)| put((row, col, value)))?;
                    }
                }
                Values::Dense(block) => {
                    for ((row, col), &value) in
                        block.indexed_iter().filter(|(_, value)| !value.is_zero_bits())
                    {
                        put((rows.start + row, cols.start + col, value))?;
                    }
                }
            }
            Ok(())
        })?;
        show(&entries)
    }
}

/// Checks that a tile continues column by column.
fn check_next(
    next: &mut (usize, usize),
    rows: &Range<usize>,
    cols: &Range<usize>,
    height: usize,
) -> Result<()> {
    let is_next = (rows.start, cols.start) == *next && (cols.len() == 1 || rows.len() == height);
    *next = if rows.end == height { (0, cols.end) } else { (rows.end, cols.start) };
    if is_next {
        return Ok(());
    }
    let reason = "the memory budget does not hold a column";
    Err(Error::new(ErrorKind::Budget, "convert", reason).hint("raise it with --memory"))
}

/// A text file that grows.
struct Text {
    device: Box<dyn Device>,
    bytes: u64,
}

impl Text {
    fn new(device: Box<dyn Device>) -> Self {
        Self { device, bytes: 0 }
    }

    fn push(&mut self, text: &[u8]) -> Result<()> {
        let end = self.bytes + text.len() as u64;
        if end > self.device.len() {
            self.device
                .set_len(end.next_multiple_of(GROWTH_BYTES))
                .or_else(|_| self.device.set_len(end))?;
        }
        self.device.write_at(self.bytes, text)?;
        self.bytes = end;
        Ok(())
    }

    /// Appends a line for each entry, made on all cores.
    fn push_lines(
        &mut self,
        entries: &[Entry],
        line: &(dyn Fn(&mut Vec<u8>, &Entry) + Sync),
        context: &Context,
    ) -> Result<()> {
        let mut parts: Vec<(&[Entry], Vec<u8>)> =
            entries.chunks(PART_ENTRIES).map(|part| (part, Vec::new())).collect();
        context.for_each(parts.iter_mut().collect(), |_, (part, text)| {
            part.iter().for_each(|entry| line(text, entry));
        });
        parts.iter().try_for_each(|(_, text)| self.push(text))
    }

    fn finish(mut self) -> Result<Box<dyn Device>> {
        self.device.set_len(self.bytes)?;
        Ok(self.device)
    }
}

fn write_coo(
    source: &Source<'_>,
    medium: &DiskMedium,
    (output, existing): (&Path, Existing),
    making: &Context,
) -> Result<Box<dyn Device>> {
    let shape = source.from.spec().shape;
    let entries = source.entries()?;
    let width = IndexWidth::fitting(shape, entries);
    let plan = NpzPlan::new(NpzForm::Coo, shape, source.dtype, width, entries)?;
    let mut device = medium.create(output, plan.file_bytes(), existing)?;
    let mut parts = [Part::Row, Part::Col, Part::Data].map(|part| CooPart {
        part,
        at: plan.offset(part),
        hasher: plan.hasher(part),
        bytes: Vec::new(),
    });
    source.each(TileOrder::Any, making, &mut |entries| {
        let [rows, cols, data] = &mut parts;
        push_indices(&mut rows.bytes, entries.iter().map(|entry| entry.0), width);
        push_indices(&mut cols.bytes, entries.iter().map(|entry| entry.1), width);
        dispatch!(source.dtype, T => {
            let values = entries.iter().map(|&(.., value)| <T as crate::array::Element>::from_number(value));
            values.for_each(|value| data.bytes.extend_from_slice(bytemuck::bytes_of(&value)));
        });
        for part in &mut parts {
            device.write_at(part.at, &part.bytes)?;
            part.hasher.update(&part.bytes);
            part.at += part.bytes.len() as u64;
            part.bytes.clear();
        }
        Ok(())
    })?;
    let checksums = parts.map(|CooPart { part, hasher, .. }| (part, hasher.finalize()));
    let checksum = |part| checksums.iter().find(|(of, _)| *of == part).map_or(0, |it| it.1);
    for (offset, piece) in plan.frame(&checksum) {
        device.write_at(offset, &piece)?;
    }
    Ok(device)
}

/// One of the three arrays, on its way.
struct CooPart {
    part: Part,
    at: u64,
    hasher: crc32fast::Hasher,
    bytes: Vec<u8>,
}

fn push_indices(out: &mut Vec<u8>, indices: impl Iterator<Item = usize>, width: IndexWidth) {
    match width {
        IndexWidth::I32 => {
            indices.for_each(|index| out.extend_from_slice(&(index as i32).to_le_bytes()))
        }
        IndexWidth::I64 => {
            indices.for_each(|index| out.extend_from_slice(&(index as i64).to_le_bytes()))
        }
    }
}
