//! The entries of a file: three arrays in an npz, used where they lie or, where they cannot be, from a copy.
//!
//! Owns where each line's entries are and the reading of raw runs of them. What indices say is not looked at
//! here: see `window`.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::array::{Compression, DType, IndexWidth, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::format::ByteOrder;
use crate::format::npz::{Member, NpzLayout, NpzPlan, Part};
use crate::store::reader::DeviceReader;
use crate::store::{Context, Indices};
use crate::sys::{Device, DeviceKind, Medium};

/// Bytes of a member that are copied, or of `indptr` that are checked, at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// Where members begin in a copy: at multiples of this.
const ALIGNMENT_BYTES: u64 = 64;

/// The entries that a file holds; none where there is no file yet.
#[derive(Debug)]
pub(super) struct Base {
    lines: usize,
    item_bytes: usize,
    entries: u64,
    file: Option<File>,
}

#[derive(Debug)]
struct File {
    device: Box<dyn Device>,
    /// As the archive tells it; none for a file made here, whose places are known.
    layout: Option<NpzLayout>,
    medium: Arc<dyn Medium>,
    near: PathBuf,
    places: OnceLock<Places>,
    copying: Mutex<()>,
}

/// Where the three arrays can be used.
#[derive(Debug)]
struct Places {
    /// A copy of what cannot be used in the file itself.
    copy: Option<Box<dyn Device>>,
    indptr: Place,
    indices: Place,
    data: Place,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    in_copy: bool,
    offset: u64,
    width: IndexWidth,
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
        Self { lines, item_bytes, entries: 0, file: None }
    }

    /// What the file on `device` holds. Checks `indptr` where it is used in place.
    pub(super) fn open(
        device: Box<dyn Device>,
        layout: NpzLayout,
        medium: Arc<dyn Medium>,
    ) -> Result<Self> {
        let near = device.path().map(PathBuf::from).unwrap_or_default();
        let lines = layout.compression.split(layout.shape).0;
        let base = Self {
            lines,
            item_bytes: layout.dtype.item_size(),
            entries: layout.entries(),
            file: Some(File {
                device,
                layout: Some(layout),
                medium,
                near,
                places: OnceLock::new(),
                copying: Mutex::new(()),
            }),
        };
        if base.is_in_place() {
            base.places()?;
        }
        Ok(base)
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
        let places = Places {
            copy: None,
            indptr: place(Part::Indptr),
            indices: place(Part::Indices),
            data: place(Part::Data),
        };
        let file = File {
            device,
            layout: None,
            medium,
            near,
            places: OnceLock::from(places),
            copying: Mutex::new(()),
        };
        Self { lines, item_bytes, entries, file: Some(file) }
    }

    pub(super) fn entries(&self) -> u64 {
        self.entries
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

    /// Whether entries are used where they lie in the file.
    pub(super) fn is_in_place(&self) -> bool {
        self.file.as_ref().and_then(|file| file.layout.as_ref()).is_none_or(|layout| {
            Part::ALL.iter().all(|&part| layout.member(part).in_place().is_some())
        })
    }

    /// Bytes of an entry, position and value, as they lie in the file.
    pub(super) fn entry_bytes(&self) -> usize {
        let width = |file: &File| match (&file.layout, file.places.get()) {
            (_, Some(places)) => places.indices.width.bytes(),
            (Some(layout), None) => layout.indices.dtype.item_size(),
            (None, None) => 0,
        };
        self.file.as_ref().map_or(4, width) + self.item_bytes
    }

    /// Where the entries of each of `lines` begin, and where the last one's end.
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
        let range = offset + lines.start as u64 * bytes..offset + (lines.end as u64 + 1) * bytes;
        device.with(range, &mut |bytes| {
            match width {
                IndexWidth::I32 => {
                    out.extend(
                        bytes.as_chunks().0.iter().map(|&end| i32::from_le_bytes(end) as u64),
                    );
                }
                IndexWidth::I64 => {
                    out.extend(
                        bytes.as_chunks().0.iter().map(|&end| i64::from_le_bytes(end) as u64),
                    );
                }
            }
            Ok(())
        })?;
        // It was checked when the file was opened, but another program may not keep to the lock.
        let rises = out.windows(2).fold(true, |rises, pair| rises & (pair[0] <= pair[1]));
        match out.last() {
            Some(&end) if rises && end <= self.entries => Ok(()),
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
            return show(Indices::I32(&[]), &[]);
        };
        let places = self.places()?;
        let range = |place: Place, bytes: u64| {
            place.offset + entries.start * bytes..place.offset + entries.end * bytes
        };
        let indices = range(places.indices, places.indices.width.bytes() as u64);
        let data = range(places.data, self.item_bytes as u64);
        let width = places.indices.width;
        let index_device = file.of(places, places.indices);
        let data_device = file.of(places, places.data);
        index_device.sweep(indices.clone());
        let Buffers { indices: index_buffer, values: value_buffer } = buffers;
        with_aligned(index_device, indices, width.bytes(), index_buffer, &mut |indices| {
            let indices = match width {
                IndexWidth::I32 => Indices::I32(bytemuck::cast_slice(indices)),
                IndexWidth::I64 => Indices::I64(bytemuck::cast_slice(indices)),
            };
            let align = self.item_bytes.min(8);
            with_aligned(data_device, data.clone(), align, value_buffer, &mut |data| {
                show(indices, data)
            })
        })
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
            Part::Indices => (places.indices, self.entries),
            Part::Data => (places.data, self.entries),
        };
        let item = if part == Part::Data { self.item_bytes } else { place.width.bytes() } as u64;
        let range = place.offset..place.offset + count * item;
        Ok(file.of(places, place).borrow(range).map(|bytes| (bytes, place.width)))
    }

    /// An error about what the file holds.
    pub(super) fn malformed(&self, reason: impl Into<std::borrow::Cow<'static, str>>) -> Error {
        match &self.file {
            Some(file) => file.malformed(reason),
            None => Error::new(ErrorKind::Malformed, "read", reason),
        }
    }

    /// Where the arrays can be used, copied first where they must be.
    fn places(&self) -> Result<&Places> {
        let file = self.file.as_ref().expect("callers know that there is a file");
        if let Some(places) = file.places.get() {
            return Ok(places);
        }
        let _one = file.copying.lock().unwrap_or_else(PoisonError::into_inner);
        if file.places.get().is_none() {
            let layout = file.layout.as_ref().expect("only opened files have places to be found");
            let places = file.locate(layout)?;
            file.check_indptr(&places, self.lines, self.entries)?;
            return Ok(file.places.get_or_init(|| places));
        }
        Ok(file.places.get().expect("it was found to be there"))
    }
}

impl File {
    fn of<'a>(&'a self, places: &'a Places, place: Place) -> &'a dyn Device {
        match &places.copy {
            Some(copy) if place.in_copy => &**copy,
            _ => &*self.device,
        }
    }

    fn malformed(&self, reason: impl Into<std::borrow::Cow<'static, str>>) -> Error {
        Error::new(ErrorKind::Malformed, "read", reason).at(&self.near)
    }

    /// Finds each array in the file or copies it out.
    fn locate(&self, layout: &NpzLayout) -> Result<Places> {
        let to_copy = |part: &Part| layout.member(*part).in_place().is_none();
        let padded = |part| layout.member(part).element_bytes().next_multiple_of(ALIGNMENT_BYTES);
        let bytes: u64 = Part::ALL.into_iter().filter(to_copy).map(padded).sum();
        let mut copy = match bytes {
            0 if Part::ALL.iter().all(|part| !to_copy(part)) => None,
            bytes => Some(self.medium.scratch(&self.near, bytes)?),
        };
        let mut end = 0;
        let mut place = |part: Part| -> Result<Place> {
            let member = layout.member(part);
            let width = if member.dtype == DType::I64 { IndexWidth::I64 } else { IndexWidth::I32 };
            if let Some(offset) = member.in_place() {
                return Ok(Place { in_copy: false, offset, width });
            }
            let copy = copy.as_mut().expect("there is a copy where something is copied");
            copy_member(&*self.device, member, &mut **copy, end)
                .map_err(|error| error.at(&self.near))?;
            let offset = end;
            end += padded(part);
            Ok(Place { in_copy: true, offset, width })
        };
        let (indptr, indices, data) =
            (place(Part::Indptr)?, place(Part::Indices)?, place(Part::Data)?);
        Ok(Places { copy, indptr, indices, data })
    }

    /// Checks that `indptr` begins at 0, never falls and ends at the number of entries.
    fn check_indptr(&self, places: &Places, lines: usize, entries: u64) -> Result<()> {
        let device = self.of(places, places.indptr);
        let Place { offset, width, .. } = places.indptr;
        let bytes = width.bytes() as u64;
        let all = offset..offset + (lines as u64 + 1) * bytes;
        let mut last = 0;
        let mut first = true;
        let mut at = all.start;
        while at < all.end {
            let to = all.end.min(at + CHUNK_BYTES as u64);
            device.with(at..to, &mut |chunk| {
                let mut check = |end: i64| {
                    let fits = end >= last && !(std::mem::take(&mut first) && end != 0);
                    last = end;
                    fits
                };
                let rises = match width {
                    IndexWidth::I32 => {
                        chunk.as_chunks().0.iter().all(|&end| check(i32::from_le_bytes(end).into()))
                    }
                    IndexWidth::I64 => {
                        chunk.as_chunks().0.iter().all(|&end| check(i64::from_le_bytes(end)))
                    }
                };
                if rises {
                    return Ok(());
                }
                Err(self.malformed("indptr does not rise from 0"))
            })?;
            at = to;
        }
        if last as u64 != entries {
            return Err(
                self.malformed(format!("indptr ends at {last} where there are {entries} entries"))
            );
        }
        Ok(())
    }
}

/// Copies a member's elements, decompressed and in this machine's byte order, to `offset` of `copy`.
fn copy_member(
    device: &dyn Device,
    member: &Member,
    copy: &mut dyn Device,
    offset: u64,
) -> Result<()> {
    let mut source = DeviceReader::new(device);
    let mut reader = member.reader(&mut source)?;
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut at = offset;
    while reader.left_bytes() > 0 {
        let count = usize::try_from(reader.left_bytes()).unwrap_or(usize::MAX).min(CHUNK_BYTES);
        let chunk = &mut buffer[..count];
        reader.fill(chunk)?;
        if member.byte_order == ByteOrder::Swapped {
            chunk.chunks_mut(member.dtype.swap_size()).for_each(<[u8]>::reverse);
        }
        copy.write_at(at, chunk)?;
        at += count as u64;
    }
    Ok(())
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

/// How much a reader of lines may hold at once.
pub(super) fn window_bytes(context: &Context) -> u64 {
    const LARGEST_BYTES: u64 = 8 << 20;
    (context.available_bytes() / 8).clamp(64, LARGEST_BYTES)
}
