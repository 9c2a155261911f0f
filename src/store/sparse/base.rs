//! The entries of a file: three arrays in an npz, used where they lie or, where they cannot be, from a copy.
//!
//! Owns where each line's entries are and the reading of raw runs of them. What indices say is not looked at
//! here: see `window`.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard, OnceLock};

use super::ints::NONE;
use super::long_lines::LongLines;
use super::places::{File, Import, Place, Places, Source};
use crate::array::{Bits, Compression, DType, IndexWidth, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::format::npz::{NpzLayout, NpzPlan, Part, check_members};
use crate::store::reader::DeviceReader;
use crate::store::{Context, Extents, Indices, Plan};
use crate::sys::{Device, DeviceKind, Kernel, Medium, in_widest_vectors};

/// The entries that a file holds; none where there is no file yet.
#[derive(Debug)]
pub(super) struct Base {
    lines: usize,
    item_bytes: usize,
    /// As the file's headers tell: of another format, at most so many.
    stated: u64,
    file: Option<File>,
}

/// The arrays of a file, borrowed: where lines begin and the last one ends, positions and values. What they say is checked
/// nowhere yet.
pub(super) struct Arrays<'a, W> {
    pub ends: Indices<'a>,
    pub indices: Indices<'a>,
    pub data: &'a [W],
}

/// A run of entries: their positions and the bytes of their values.
pub(super) type ShowEntries<'s> = dyn FnMut(Indices<'_>, &[u8]) -> Result<()> + 's;

/// Memory in which runs are copied from devices that do not lend any.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    indices: Vec<u64>,
    values: Vec<u64>,
}

impl Base {
    /// A matrix without entries, in no file.
    pub(super) fn empty(lines: usize, item_bytes: usize) -> Self {
        Self { lines, item_bytes, stated: 0, file: None }
    }

    /// What the file on `device` holds. Checks `indptr` where it is used in place.
    pub(super) fn open(
        device: Box<dyn Device>,
        layout: NpzLayout,
        medium: Arc<dyn Medium>,
        context: &Context,
    ) -> Result<Self> {
        let lines = layout.compression.split(layout.shape).0;
        let (item_bytes, stated) = (layout.dtype.item_size(), layout.entries());
        if let [Some(offset), ..] = layout.in_place()
            && let Some(width) = IndexWidth::holding(layout.indptr.dtype)
        {
            let bytes = (lines as u64 + 1) * width.bytes() as u64;
            device.prefetch(std::slice::from_ref(&(offset..offset + bytes)));
        }
        let file = File::new(device, Source::Archive(layout), medium);
        let base = Self { lines, item_bytes, stated, file: Some(file) };
        if base.is_in_place() {
            base.ready(context)?;
        }
        Ok(base)
    }

    /// What the file on `device` holds in another format, which is read when its entries are first asked for.
    pub(super) fn foreign(
        device: Box<dyn Device>,
        import: Import,
        medium: Arc<dyn Medium>,
    ) -> Self {
        let (lines, item_bytes) = (import.facts.lines(), import.facts.dtype.item_size());
        let stated = import.foreign.stated();
        let file = File::new(device, Source::Foreign(import), medium);
        Self { lines, item_bytes, stated, file: Some(file) }
    }

    /// What was written to `device` as `plan` says.
    pub(super) fn made(
        device: Box<dyn Device>,
        medium: Arc<dyn Medium>,
        near: PathBuf,
        (plan, width): (&NpzPlan, IndexWidth),
        (lines, item_bytes, entries): (usize, usize, u64),
    ) -> Self {
        let place = |part| Place { in_copy: false, offset: plan.offset(part), width };
        let places = OnceLock::from(Places {
            copy: None,
            indptr: place(Part::Indptr),
            indices: place(Part::Indices),
            data: place(Part::Data),
            entries,
        });
        let file = File { near, places, ..File::new(device, Source::Made, medium) };
        Self { lines, item_bytes, stated: entries, file: Some(file) }
    }

    /// Makes the arrays where that has to be done first, with `context`'s memory.
    pub(super) fn ready(&self, context: &Context) -> Result<()> {
        self.file.as_ref().map_or(Ok(()), |file| file.places(context, self.lines).map(|_| ()))
    }

    /// What is still to be done before that, as a plan.
    pub(super) fn opening<W: Bits>(&self, context: &Context) -> Result<Plan> {
        self.file.as_ref().map_or(Ok(Plan::default()), |file| file.opening::<W>(context))
    }

    /// How many there are; of another format that was not read yet, how many it states.
    pub(super) fn entries(&self) -> u64 {
        let places = self.file.as_ref().and_then(|file| file.places.get());
        places.map_or(self.stated, |places| places.entries)
    }

    /// Bytes of entries behind the last line's, as far as that is known without reading them: SciPy drops them too.
    pub(super) fn ignored_bytes(&self) -> u64 {
        (self.stated - self.entries()) * self.entry_bytes() as u64
    }

    /// Reads an archive once from front to back, for the checksums of its members.
    pub(super) fn check_members(&self, context: &Context) -> Result<()> {
        let Some(file) = self.file.as_ref().filter(|file| file.source.is_archive()) else {
            return Ok(());
        };
        check_members(DeviceReader::new(&*file.device), &mut |_| context.advance(0))
            .map_err(|error| error.at(&file.near))
    }

    /// The name of the other format that the file is in.
    pub(super) fn foreign_format(&self) -> Option<&'static str> {
        match &self.file.as_ref()?.source {
            Source::Foreign(import) => Some(import.foreign.format()),
            _ => None,
        }
    }

    /// Length of the file.
    pub(super) fn file_bytes(&self) -> u64 {
        self.file.as_ref().map_or(0, |file| file.device.len())
    }

    pub(super) fn device(&self) -> Option<&dyn Device> {
        self.file.as_ref().map(|file| &*file.device)
    }

    pub(super) fn device_mut(&mut self) -> Option<&mut Box<dyn Device>> {
        self.file.as_mut().map(|file| &mut file.device)
    }

    pub(super) fn into_device(self) -> Option<Box<dyn Device>> {
        self.file.map(|file| file.device)
    }

    /// A file that was made here, and where its arrays are.
    pub(super) fn into_arrays(self) -> (Box<dyn Device>, Places) {
        let File { device, places, .. } = self.file.expect("a builder makes a file");
        (device, places.into_inner().expect("a builder knows the places"))
    }

    /// Whether entries are used where they lie in the file.
    pub(super) fn is_in_place(&self) -> bool {
        match self.file.as_ref().map(|file| &file.source) {
            None | Some(Source::Made) => true,
            Some(Source::Archive(layout)) => layout.in_place().iter().all(Option::is_some),
            Some(Source::Foreign(_)) => false,
        }
    }

    /// Where the three arrays lie, if they are used there and the file has a name.
    pub(super) fn extents(&self) -> Option<Extents> {
        let file = self.file.as_ref().filter(|file| file.device.path().is_some())?;
        let places = self.is_in_place().then(|| file.places.get()).flatten()?;
        let Places { indptr, indices, data, entries, .. } = *places;
        Some(Extents::Sparse {
            indptr: indptr.offset,
            indptr_width: indptr.width,
            indices: indices.offset,
            indices_width: indices.width,
            data: data.offset,
            entries,
        })
    }

    /// Bytes of an entry, position and value, as they lie in the file.
    pub(super) fn entry_bytes(&self) -> usize {
        let width = |file: &File| match (&file.source, file.places.get()) {
            (_, Some(places)) => places.indices.width.bytes(),
            (Source::Archive(layout), None) => {
                IndexWidth::holding(layout.indices.dtype).map_or(0, IndexWidth::bytes)
            }
            (Source::Foreign(Import { facts, .. }), None) => {
                IndexWidth::fitting(facts.shape, self.stated).bytes()
            }
            (Source::Made, None) => 0,
        };
        self.file.as_ref().map_or(4, width) + self.item_bytes
    }

    /// How many lines the file has.
    pub(super) fn lines(&self) -> usize {
        self.lines
    }

    /// Where the entries of each of `lines` begin, and where the last one's end. Lines behind the file's last one have
    /// none.
    pub(super) fn ends(&self, lines: Range<usize>, out: &mut Vec<u64>) -> Result<()> {
        out.clear();
        let Some(file) = &self.file else {
            out.resize(lines.len() + 1, 0);
            return Ok(());
        };
        let places = self.places()?;
        let Place { offset, width, .. } = places.indptr;
        let device = file.of(places, places.indptr);
        let bytes = width.bytes() as u64;
        let own = lines.start.min(self.lines)..lines.end.min(self.lines);
        let range = offset + own.start as u64 * bytes..offset + (own.end as u64 + 1) * bytes;
        let mut rises = false;
        device.with(range, &mut |bytes| {
            rises = in_widest_vectors(Ends { bytes, width, out: &mut *out });
            Ok(())
        })?;
        // It was checked when the file was opened, but another program may not keep to the lock.
        match out.last() {
            Some(&end) if rises && end <= places.entries => {
                out.resize(lines.len() + 1, end);
                Ok(())
            }
            _ => Err(file.malformed("indptr does not rise from 0 to the number of entries")),
        }
    }

    /// Shows a run of entries as they lie.
    pub(super) fn with_entries(
        &self,
        entries: Range<u64>,
        buffers: &mut Buffers,
        show: &mut ShowEntries<'_>,
    ) -> Result<()> {
        let Some(file) = self.file.as_ref().filter(|_| !entries.is_empty()) else {
            return show(NONE, &[]);
        };
        let Buffers { indices, values } = buffers;
        self.with_run(entries.clone(), indices, &mut |indices| {
            let places = self.places()?;
            let bytes = self.item_bytes as u64;
            let data = places.data.offset + entries.start * bytes
                ..places.data.offset + entries.end * bytes;
            let device = file.of(places, places.data);
            with_aligned(device, data, self.item_bytes.min(8), values, &mut |data| {
                show(indices, data)
            })
        })
    }

    /// Shows the positions alone of a run of entries.
    pub(super) fn with_indices(
        &self,
        entries: Range<u64>,
        buffers: &mut Buffers,
        show: &mut dyn FnMut(Indices<'_>) -> Result<()>,
    ) -> Result<()> {
        self.with_run(entries, &mut buffers.indices, show)
    }

    fn with_run(
        &self,
        entries: Range<u64>,
        buffer: &mut Vec<u64>,
        show: &mut dyn FnMut(Indices<'_>) -> Result<()>,
    ) -> Result<()> {
        let Some(file) = self.file.as_ref().filter(|_| !entries.is_empty()) else {
            return show(NONE);
        };
        let places = self.places()?;
        let Place { offset, width, .. } = places.indices;
        let bytes = width.bytes() as u64;
        let range = offset + entries.start * bytes..offset + entries.end * bytes;
        let device = file.of(places, places.indices);
        device.sweep(range.clone());
        with_aligned(device, range, width.bytes(), buffer, &mut |bytes| {
            show(match width {
                IndexWidth::I32 => Indices::I32(bytemuck::cast_slice(bytes)),
                IndexWidth::I64 => Indices::I64(bytemuck::cast_slice(bytes)),
            })
        })
    }

    /// What is known of long lines; none where all lines are in order.
    pub(super) fn long_lines(&self) -> Option<MutexGuard<'_, LongLines>> {
        self.file.as_ref().and_then(File::long_lines)
    }

    /// Whether entries are lent, and not copied.
    pub(super) fn is_lent(&self) -> bool {
        self.device().is_some_and(|device| device.kind() != DeviceKind::Positioned)
    }

    /// Asks for runs of entries ahead of use.
    pub(super) fn prefetch(&self, runs: &[Range<u64>]) {
        let Some((file, places)) =
            self.file.as_ref().and_then(|file| Some((file, file.places.get()?)))
        else {
            return;
        };
        for (place, bytes) in [
            (places.indices, places.indices.width.bytes() as u64),
            (places.data, self.item_bytes as u64),
        ] {
            let ranges: Vec<_> = runs
                .iter()
                .map(|run| place.offset + run.start * bytes..place.offset + run.end * bytes)
                .collect();
            file.of(places, place).prefetch(&ranges);
        }
    }

    /// Says how entries will be read.
    pub(super) fn advise(&self, advice: crate::sys::Advice) {
        if let Some(file) = &self.file {
            file.device.advise(advice);
        }
    }

    /// Where the arrays can be borrowed for as long as this lives, as [`Device::borrow`] lends them: the
    /// bytes of the part, and for indices their width.
    pub(super) fn borrow(&self, part: Part) -> Result<Option<(&[u8], IndexWidth)>> {
        let Some(file) = &self.file else { return Ok(None) };
        let places = self.places()?;
        let (place, count) = match part {
            Part::Indptr => (places.indptr, self.lines as u64 + 1),
            Part::Indices => (places.indices, places.entries),
            Part::Data => (places.data, places.entries),
            Part::Row | Part::Col => return Ok(None),
        };
        let item = if part == Part::Data { self.item_bytes } else { place.width.bytes() } as u64;
        let range = place.offset..place.offset + count * item;
        Ok(file.of(places, place).borrow(range).map(|bytes| (bytes, place.width)))
    }

    /// All three arrays where they can be borrowed and lie as values do; none where not.
    pub(super) fn arrays<W: bytemuck::Pod>(&self) -> Result<Option<Arrays<'_, W>>> {
        let (Some((ends, ends_width)), Some((indices, width)), Some((data, _))) =
            (self.borrow(Part::Indptr)?, self.borrow(Part::Indices)?, self.borrow(Part::Data)?)
        else {
            return Ok(None);
        };
        let as_indices = |bytes, width| match width {
            IndexWidth::I32 => bytemuck::try_cast_slice(bytes).ok().map(Indices::I32),
            IndexWidth::I64 => bytemuck::try_cast_slice(bytes).ok().map(Indices::I64),
        };
        let data = if data.is_empty() { Ok(&[][..]) } else { bytemuck::try_cast_slice(data) };
        let arrays = (as_indices(ends, ends_width), as_indices(indices, width), data);
        Ok(match arrays {
            (Some(ends), Some(indices), Ok(data)) => Some(Arrays { ends, indices, data }),
            _ => None,
        })
    }

    /// An error about what the file holds.
    pub(super) fn malformed(&self, reason: impl Into<std::borrow::Cow<'static, str>>) -> Error {
        match &self.file {
            Some(file) => file.malformed(reason),
            None => Error::new(ErrorKind::Malformed, "read", reason),
        }
    }

    /// Where the arrays can be used, once they are [ready](Self::ready).
    fn places(&self) -> Result<&Places> {
        let file = self.file.as_ref().expect("callers know that there is a file");
        match file.places.get() {
            Some(places) => Ok(places),
            None => file.places(&Context::default(), self.lines),
        }
    }
}

/// Ends of lines as they lie in a file, appended to a list.
struct Ends<'a> {
    bytes: &'a [u8],
    width: IndexWidth,
    out: &'a mut Vec<u64>,
}

impl Kernel for Ends<'_> {
    /// Whether none is below the one before.
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let Self { bytes, width, out } = self;
        match width {
            IndexWidth::I32 => {
                out.extend(bytes.as_chunks().0.iter().map(|&end| i32::from_le_bytes(end) as u64));
            }
            IndexWidth::I64 => {
                out.extend(bytes.as_chunks().0.iter().map(|&end| i64::from_le_bytes(end) as u64));
            }
        }
        let pairs = out.iter().zip(&out[1..]);
        pairs.fold(0u64, |falls, (one, next)| falls + u64::from(one > next)) == 0
    }
}

/// Shows a range of a device aligned for items of `align` bytes: lent, or copied to `buffer`.
fn with_aligned(
    device: &dyn Device,
    range: Range<u64>,
    align: usize,
    buffer: &mut Vec<u64>,
    show: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let copied = |buffer: &mut Vec<u64>, show: &mut dyn FnMut(&[u8]) -> Result<()>| {
        let bytes = (range.end - range.start) as usize;
        buffer.resize(bytes.div_ceil(8), 0);
        let out = &mut bytemuck::cast_slice_mut(buffer)[..bytes];
        device.read_into(range.start, out)?;
        show(out)
    };
    if device.kind() == DeviceKind::Positioned {
        return copied(buffer, show);
    }
    let mut is_aligned = true;
    device.with(range.clone(), &mut |bytes| {
        is_aligned = bytes.as_ptr().addr().is_multiple_of(align);
        if is_aligned { show(bytes) } else { Ok(()) }
    })?;
    if is_aligned { Ok(()) } else { copied(buffer, show) }
}

/// Bytes as the values that they are. No bytes may lie anywhere.
pub(super) fn values<W: bytemuck::Pod>(bytes: &[u8]) -> &[W] {
    if bytes.is_empty() { &[] } else { bytemuck::cast_slice(bytes) }
}

/// Along which axis, of what shape, of which type: what never changes of a sparse matrix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    pub compression: Compression,
    pub shape: Shape,
    pub dtype: DType,
}

impl Facts {
    pub(super) fn lines(&self) -> usize {
        self.compression.split(self.shape).0
    }

    /// Positions in a line.
    pub(super) fn length(&self) -> usize {
        self.compression.split(self.shape).1
    }
}

/// How much a reader of lines may hold at once: what a thread that works alone keeps in its cache; several share a larger
/// window, so that it pays to hand parts of it out.
pub(super) fn window_bytes(context: &Context) -> u64 {
    const ALONE_BYTES: u64 = 512 << 10;
    let most = if context.threads() == 1 { ALONE_BYTES } else { WIDE_BYTES };
    (context.available_bytes() / 8).clamp(64, most)
}

/// How much a reader of long lines may hold at once, alone or not: many of them, since what is done with each goes over as
/// many positions; more where they are lent than where they are copied.
pub(super) fn wide_window_bytes(context: &Context, is_lent: bool) -> u64 {
    let most = if is_lent { 4 * WIDE_BYTES } else { WIDE_BYTES };
    (context.available_bytes() / 8).clamp(64, most)
}

const WIDE_BYTES: u64 = 8 << 20;
