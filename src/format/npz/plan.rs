//! The plan of an npz file to be written: every byte's place, before the first value is known.

use std::fmt;

use super::Part;
use super::records::{Record, aligned_offset, directory};
use crate::array::{Compression, DType, IndexWidth, Order, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::format::npy::{header_bytes, header_of_descr};

/// Members, and so their elements after a header of 64 bytes or a multiple, begin at a multiple of this.
const ALIGNMENT_BYTES: u16 = 64;

/// The formats that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NpzForm {
    /// CSR or CSC: [`Part::Indptr`], [`Part::Indices`], [`Part::Data`].
    Compressed(Compression),
    /// Entries one by one: [`Part::Row`], [`Part::Col`], [`Part::Data`].
    Coo,
}

impl From<Compression> for NpzForm {
    fn from(compression: Compression) -> Self {
        Self::Compressed(compression)
    }
}

/// `csr`, `csc` or `coo`.
impl fmt::Display for NpzForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compressed(compression) => compression.fmt(f),
            Self::Coo => f.write_str("coo"),
        }
    }
}

/// Where everything will lie in an npz file of a given matrix, stored and aligned.
///
/// Who writes the file makes it [`file_bytes`](Self::file_bytes) long, writes each part's elements at its
/// [`offset`](Self::offset) in any order, little-endian, feeds them from front to back to its
/// [`hasher`](Self::hasher), and writes the [`frame`](Self::frame) last.
#[derive(Debug, Clone)]
pub struct NpzPlan {
    members: Vec<Planned>,
    directory_offset: u64,
    file_bytes: u64,
}

/// A member that has its place.
#[derive(Debug, Clone)]
struct Planned {
    name: &'static str,
    /// Of which part the elements are; none for a member that is all here.
    part: Option<Part>,
    /// The npy header, and the elements too of a member that is no part.
    known: Vec<u8>,
    /// Bytes of the elements that are not known yet.
    element_bytes: u64,
    local_offset: u64,
    offset: u64,
}

impl NpzPlan {
    /// The plan for a matrix of `shape` and `dtype` with `entries` stored entries.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] where `width` cannot hold an index or the number of entries, or the file
    /// would be larger than any can be.
    pub fn new(
        form: NpzForm,
        shape: Shape,
        dtype: DType,
        width: IndexWidth,
        entries: u64,
    ) -> Result<Self> {
        if width == IndexWidth::I32 && IndexWidth::fitting(shape, entries) != IndexWidth::I32 {
            return Err(invalid(format!(
                "{entries} entries of shape {shape} do not fit in indices of 32 bits"
            )));
        }
        let too_large =
            || invalid(format!("{entries} entries of shape {shape} are too many for a file"));
        let offsets = match form {
            NpzForm::Compressed(compression) => {
                Some(compression.split(shape).0.checked_add(1).ok_or_else(too_large)?)
            }
            NpzForm::Coo => None,
        };
        let entries = usize::try_from(entries).map_err(|_| too_large())?;
        let index = match width {
            IndexWidth::I32 => DType::I32,
            IndexWidth::I64 => DType::I64,
        };
        let array = |part: Part, dtype: DType, length: usize| -> Result<Content> {
            let known = header_bytes(dtype, Order::C, &[length])?;
            let element_bytes = (length * dtype.item_size()) as u64;
            Ok((part.member_name(), Some(part), known, element_bytes))
        };
        let mut contents = small_members(form, shape)?;
        match offsets {
            Some(offsets) => {
                contents.push(array(Part::Indptr, index, offsets)?);
                contents.push(array(Part::Indices, index, entries)?);
            }
            None => {
                contents.push(array(Part::Row, index, entries)?);
                contents.push(array(Part::Col, index, entries)?);
            }
        }
        contents.push(array(Part::Data, dtype, entries)?);
        Self::placed(contents).ok_or_else(too_large)
    }

    /// One after another, each at the next multiple of the alignment; none where the file would be too large.
    fn placed(contents: Vec<Content>) -> Option<Self> {
        let mut members = Vec::with_capacity(contents.len());
        let mut end = 0u64;
        for (name, part, known, element_bytes) in contents {
            let bytes = element_bytes.checked_add(known.len() as u64)?;
            let offset = aligned_offset(name, bytes, end, ALIGNMENT_BYTES.into())?;
            members.push(Planned { name, part, known, element_bytes, local_offset: end, offset });
            end = offset.checked_add(bytes)?;
        }
        let mut plan = Self { members, directory_offset: end, file_bytes: end };
        plan.file_bytes = end.checked_add(plan.directory(&[0; 6]).len() as u64)?;
        i64::try_from(plan.file_bytes).ok().map(|_| plan)
    }

    /// Length of the whole file.
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// Where the first element of `part` lies: a multiple of 64.
    pub fn offset(&self, part: Part) -> u64 {
        let member = self.member(part);
        member.offset + member.known.len() as u64
    }

    /// Bytes that the elements of `part` take.
    pub fn element_bytes(&self, part: Part) -> u64 {
        self.member(part).element_bytes
    }

    /// The checksum of the member `part` up to its first element: to be continued with the elements' bytes.
    pub fn hasher(&self, part: Part) -> crc32fast::Hasher {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.member(part).known);
        hasher
    }

    /// All bytes of the file that are not elements of the three parts, each piece with its offset, from front
    /// to back. A few kilobytes, however large the matrix. `checksum` gives a part's checksum (CRC-32), header and
    /// elements, as [`NpzPlan::hasher`] begins it.
    pub fn frame(&self, checksum: &dyn Fn(Part) -> u32) -> Vec<(u64, Vec<u8>)> {
        let crcs: Vec<u32> = self.members.iter().map(|member| member.crc32(checksum)).collect();
        let mut pieces = Vec::new();
        let (mut begin, mut piece) = (0, Vec::new());
        for (member, &crc32) in self.members.iter().zip(&crcs) {
            piece.extend(member.record(crc32).local_header(ALIGNMENT_BYTES));
            piece.extend_from_slice(&member.known);
            if member.part.is_some() {
                let next = begin + piece.len() as u64 + member.element_bytes;
                pieces.push((std::mem::replace(&mut begin, next), std::mem::take(&mut piece)));
            }
        }
        pieces.push((self.directory_offset, self.directory(&crcs)));
        pieces
    }

    fn directory(&self, crcs: &[u32]) -> Vec<u8> {
        let records: Vec<_> =
            self.members.iter().zip(crcs).map(|(member, &crc32)| member.record(crc32)).collect();
        directory(&records, self.directory_offset)
    }

    fn member(&self, part: Part) -> &Planned {
        let found = self.members.iter().find(|member| member.part == Some(part));
        found.expect("every part was planned")
    }
}

impl Planned {
    fn crc32(&self, checksum: &dyn Fn(Part) -> u32) -> u32 {
        self.part.map_or_else(|| crc32fast::hash(&self.known), checksum)
    }

    fn record(&self, crc32: u32) -> Record<'_> {
        Record {
            name: self.name,
            crc32,
            bytes: self.known.len() as u64 + self.element_bytes,
            local_offset: self.local_offset,
            offset: self.offset,
        }
    }
}

/// A member before it has its place: name, part, what is known of it, bytes of its elements.
type Content = (&'static str, Option<Part>, Vec<u8>, u64);

/// The members of a few bytes, as `scipy.sparse.save_npz` writes them.
///
/// `_is_array` is true: SciPy's `csr_matrix` would narrow indices of 64 bits where it can, its `csr_array`
/// leaves them.
fn small_members(form: NpzForm, shape: Shape) -> Result<Vec<Content>> {
    let mut format = header_of_descr("|S3", Order::C, &[]);
    format.extend_from_slice(form.to_string().as_bytes());
    let mut lengths = header_bytes(DType::I64, Order::C, &[2])?;
    for length in [shape.rows, shape.cols] {
        let length = i64::try_from(length)
            .map_err(|_| invalid(format!("shape {shape} does not fit in 64 bits, signed")))?;
        lengths.extend_from_slice(&length.to_le_bytes());
    }
    let mut is_array = header_bytes(DType::Bool, Order::C, &[])?;
    is_array.push(1);
    let small = |name, known| (name, None, known, 0);
    Ok(vec![
        small("format.npy", format),
        small("shape.npy", lengths),
        small("_is_array.npy", is_array),
    ])
}

fn invalid(reason: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, "write archive", reason)
}
