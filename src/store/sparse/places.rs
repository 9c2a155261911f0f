//! Where a file's three arrays can be used: where they lie, or from a copy that is made once, when they are first needed.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::base::{Base, Facts};
use super::builder::Target;
use super::foreign::Foreign;
use super::long_lines::LongLines;
use super::numbers::Numbers;
use crate::array::IndexWidth;
use crate::error::{Error, ErrorKind, Result};
use crate::format::npz::{Member, NpzLayout, Placement};
use crate::store::reader::DeviceReader;
use crate::store::{Context, StepKind};
use crate::sys::{Device, DeviceKind, Medium};

/// Parts that copying takes memory for: one of a member, twice as many bytes where its integers are widened on the way,
/// and as they are written.
const COPYING_PARTS: u64 = 4;

/// The most of an array that is copied, or of `indptr` checked, at a time, and the least.
const CHUNK_BYTES: usize = 256 << 10;
const LEAST_CHUNK_BYTES: usize = 16;

/// Where members begin in a copy: at multiples of this.
const ALIGNMENT_BYTES: u64 = 64;

/// A file and where the arrays of it are.
#[derive(Debug)]
pub(super) struct File {
    pub(super) device: Box<dyn Device>,
    pub(super) source: Source,
    pub(super) medium: Arc<dyn Medium>,
    pub(super) near: PathBuf,
    pub(super) places: OnceLock<Places>,
    pub(super) copying: Mutex<()>,
    pub(super) long_lines: Mutex<LongLines>,
}

/// What tells where the three arrays are.
#[derive(Debug)]
pub(super) enum Source {
    /// Whoever wrote them: the places are known.
    Made,
    /// The archive that they are members of.
    Archive(NpzLayout),
    /// Nobody yet: they are made of another format.
    Foreign(Import),
}

impl Source {
    /// Whether the file is an archive that somebody wrote.
    pub(super) fn is_archive(&self) -> bool {
        match self {
            Self::Made => false,
            Self::Archive(_) => true,
            Self::Foreign(import) => import.foreign.is_archive(),
        }
    }
}

/// How another format becomes the three arrays.
#[derive(Debug)]
pub(super) struct Import {
    pub foreign: Foreign,
    pub facts: Facts,
    pub import: fn(&Foreign, Facts, &dyn Device, &Target, &Context) -> Result<Base>,
}

/// Where the three arrays can be used.
#[derive(Debug)]
pub(super) struct Places {
    /// A copy of what cannot be used in the file itself.
    pub(super) copy: Option<Box<dyn Device>>,
    pub(super) indptr: Place,
    pub(super) indices: Place,
    pub(super) data: Place,
    /// How many there are.
    pub(super) entries: u64,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) in_copy: bool,
    pub(super) offset: u64,
    pub(super) width: IndexWidth,
}

impl File {
    pub(super) fn new(device: Box<dyn Device>, source: Source, medium: Arc<dyn Medium>) -> Self {
        let near = device.path().map(PathBuf::from).unwrap_or_default();
        let (places, copying, long_lines) = Default::default();
        Self { device, source, medium, near, places, copying, long_lines }
    }

    /// What is known of long lines; none where they were written here, in order.
    pub(super) fn long_lines(&self) -> Option<MutexGuard<'_, LongLines>> {
        match &self.source {
            Source::Made | Source::Foreign(_) => None,
            Source::Archive(_) => {
                Some(self.long_lines.lock().unwrap_or_else(PoisonError::into_inner))
            }
        }
    }

    /// Where the arrays of `lines` lines can be used, made or copied first where they must be.
    pub(super) fn places(&self, context: &Context, lines: usize) -> Result<&Places> {
        if let Some(places) = self.places.get() {
            return Ok(places);
        }
        let _one = self.copying.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = self.places.get() {
            return Ok(places);
        }
        let places = match &self.source {
            Source::Made => unreachable!("the places of a file that was made here are known"),
            Source::Archive(layout) => {
                let mut places = self.locate(layout, context)?;
                places.entries = self.check_indptr(&places, lines, context)?;
                places
            }
            Source::Foreign(import) => self.import(import, context)?,
        };
        Ok(self.places.get_or_init(|| places))
    }

    /// Makes the arrays of another format.
    fn import(&self, import: &Import, context: &Context) -> Result<Places> {
        let _step = context.step(StepKind::SortEntries);
        let target =
            Target { medium: Arc::clone(&self.medium), path: self.near.clone(), existing: None };
        let made = (import.import)(&import.foreign, import.facts, &*self.device, &target, context)
            .map_err(|error| error.at(&self.near))?;
        let (device, places) = made.into_arrays();
        let in_copy = |place: Place| Place { in_copy: true, ..place };
        Ok(Places {
            copy: Some(device),
            indptr: in_copy(places.indptr),
            indices: in_copy(places.indices),
            data: in_copy(places.data),
            entries: places.entries,
        })
    }

    pub(super) fn of<'a>(&'a self, places: &'a Places, place: Place) -> &'a dyn Device {
        match &places.copy {
            Some(copy) if place.in_copy => &**copy,
            _ => &*self.device,
        }
    }

    pub(super) fn malformed(&self, reason: impl Into<std::borrow::Cow<'static, str>>) -> Error {
        Error::new(ErrorKind::Malformed, "read", reason).at(&self.near)
    }

    /// Finds each array in the file or copies it out.
    fn locate(&self, layout: &NpzLayout, context: &Context) -> Result<Places> {
        let arrays = Array::all(layout);
        let bytes: u64 = arrays.iter().map(Array::copied_bytes).sum();
        let needs_copy = !arrays.iter().all(Array::is_in_place);
        let _step = needs_copy.then(|| context.step(StepKind::CopyMembers));
        let chunk_bytes = chunk_bytes(context);
        let _memory = context.reserve(if needs_copy { copying_bytes(context) } else { 0 })?;
        let mut copy = match needs_copy {
            true => Some(self.medium.scratch(&self.near, bytes)?),
            false => None,
        };
        let mut end = 0;
        let mut place = |array: &Array<'_>| -> Result<Place> {
            let width = array.index_width.unwrap_or(IndexWidth::I32);
            if let Some(offset) = array.in_place {
                return Ok(Place { in_copy: false, offset, width });
            }
            let copy = copy.as_mut().expect("there is a copy where something is copied");
            array
                .copy(&*self.device, (&mut **copy, end), chunk_bytes)
                .map_err(|error| error.at(&self.near))?;
            let offset = end;
            end += array.copied_bytes();
            Ok(Place { in_copy: true, offset, width })
        };
        let [indptr, indices, data] = &arrays;
        let (indptr, indices, data) = (place(indptr)?, place(indices)?, place(data)?);
        Ok(Places { copy, indptr, indices, data, entries: layout.entries() })
    }

    /// Checks that `indptr` begins at 0, never falls and ends within the entries: how many of them lines have.
    fn check_indptr(&self, places: &Places, lines: usize, context: &Context) -> Result<u64> {
        let device = self.of(places, places.indptr);
        let Place { offset, width, .. } = places.indptr;
        let bytes = width.bytes() as u64;
        let all = offset..offset + (lines as u64 + 1) * bytes;
        let mut last = 0;
        let mut first = true;
        let chunk_bytes = chunk_bytes(context) as u64;
        let is_lent = device.kind() != DeviceKind::Positioned;
        let _memory = context.reserve(if is_lent { 0 } else { chunk_bytes })?;
        let mut at = all.start;
        while at < all.end {
            let to = all.end.min(at + chunk_bytes);
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
        let (last, entries) = (last as u64, places.entries);
        if last > entries {
            return Err(
                self.malformed(format!("indptr ends at {last} where there are {entries} entries"))
            );
        }
        Ok(last)
    }
}

/// How much of an array is copied, or of `indptr` checked, at a time: whole elements of any type.
fn chunk_bytes(context: &Context) -> usize {
    let share = usize::try_from(context.available_bytes() / 8).unwrap_or(usize::MAX);
    share.clamp(LEAST_CHUNK_BYTES, CHUNK_BYTES) / LEAST_CHUNK_BYTES * LEAST_CHUNK_BYTES
}

/// Memory that copying takes.
pub(super) fn copying_bytes(context: &Context) -> u64 {
    COPYING_PARTS * chunk_bytes(context) as u64
}

/// One of the three arrays of an archive.
pub(super) struct Array<'l> {
    member: &'l Member,
    /// How wide its integers are used, where it is of indices.
    index_width: Option<IndexWidth>,
    in_place: Option<u64>,
}

impl<'l> Array<'l> {
    pub(super) fn all(layout: &'l NpzLayout) -> [Self; 3] {
        let width = |member: &Member| IndexWidth::holding(member.dtype);
        let NpzLayout { indptr, indices, data, .. } = layout;
        let [indptr_place, indices_place, data_place] = layout.in_place();
        [
            Self { member: indptr, index_width: width(indptr), in_place: indptr_place },
            Self { member: indices, index_width: width(indices), in_place: indices_place },
            Self { member: data, index_width: None, in_place: data_place },
        ]
    }

    /// Bytes of an element in a copy.
    fn item_bytes(&self) -> usize {
        self.index_width.map_or(self.member.dtype.item_size(), IndexWidth::bytes)
    }

    pub(super) fn is_in_place(&self) -> bool {
        self.in_place.is_some()
    }

    /// Bytes that it takes in the file.
    pub(super) fn stored_bytes(&self) -> u64 {
        match self.member.placement {
            Placement::Stored { .. } => self.member.element_bytes(),
            Placement::Compressed { bytes } => bytes,
        }
    }

    /// Bytes that it takes in a copy: none where it is used in place.
    pub(super) fn copied_bytes(&self) -> u64 {
        match self.in_place {
            Some(_) => 0,
            None => {
                (self.member.elements * self.item_bytes() as u64).next_multiple_of(ALIGNMENT_BYTES)
            }
        }
    }

    /// Copies its elements, decompressed, in this machine's byte order and as wide as they are used, to `offset` of `copy`,
    /// some `chunk_bytes` at a time.
    fn copy(
        &self,
        device: &dyn Device,
        (copy, offset): (&mut dyn Device, u64),
        chunk_bytes: usize,
    ) -> Result<()> {
        let mut source = DeviceReader::new(device);
        let mut numbers = Numbers::new(self.member, &mut source)?;
        let is_widened = self.index_width.is_some_and(|width| width.dtype() != self.member.dtype);
        let item_bytes = self.item_bytes();
        let (mut integers, mut widened) = (Vec::new(), Vec::new());
        let (mut at, mut left) = (offset, self.member.elements);
        while left > 0 {
            let count = left.min((chunk_bytes / item_bytes) as u64) as usize;
            if is_widened {
                numbers.integers(count, &mut integers)?;
                widened.clear();
                // The lowest bytes of an integer that fits come first.
                let lowest = integers.iter().map(|integer| integer.to_le_bytes());
                lowest.for_each(|bytes| widened.extend_from_slice(&bytes[..item_bytes]));
                copy.write_at(at, &widened)?;
            } else {
                copy.write_at(at, numbers.next_bytes(count)?)?;
            }
            at += (count * item_bytes) as u64;
            left -= count as u64;
        }
        Ok(())
    }
}
