//! What a sparse npz file holds and where: of the two compressed formats, which are used in place, and of the others,
//! which are read from front to back.

use std::io::{Read, Seek};

use super::directory::Directory;
use super::error::{NpzError, member_error};
use super::small::Small;
use super::{Member, Part};
use crate::array::{Compression, DType, IndexWidth, Order, Shape};
use crate::error::Result;

/// What a sparse npz file holds and where, checked against the archive's directory and the file's length.
///
/// The lengths of the three arrays agree with each other and with the shape; what they contain was not read.
#[derive(Debug, Clone)]
pub struct NpzLayout {
    /// Along which axis the matrix is compressed.
    pub compression: Compression,
    /// Rows and columns.
    pub shape: Shape,
    /// The type of the values.
    pub dtype: DType,
    /// Where each line's entries begin: lines + 1 integers.
    pub indptr: Member,
    /// Each entry's position in its line: integers, not always as wide as `indptr`.
    pub indices: Member,
    /// Each entry's value.
    pub data: Member,
    /// Whether SciPy makes a `csr_array` of it (rather than a `csr_matrix`); none where the file does not say.
    pub is_array: Option<bool>,
}

impl NpzLayout {
    /// The length of `indices` and of `data`: as many entries are stored, or fewer, where `indptr` ends before.
    pub fn entries(&self) -> u64 {
        self.data.elements
    }

    /// Where each of the three arrays can be used as it lies: as [`Member::in_place`], indices of 32 or 64 bits with a
    /// sign only.
    pub fn in_place(&self) -> [Option<u64>; 3] {
        let index = |member: &Member| {
            let width = IndexWidth::holding(member.dtype)?;
            member.in_place().filter(|_| member.dtype == width.dtype())
        };
        [index(&self.indptr), index(&self.indices), self.data.in_place()]
    }

    /// The three arrays, in the order of [`Part::COMPRESSED`].
    pub fn members(&self) -> [&Member; 3] {
        [&self.indptr, &self.indices, &self.data]
    }
}

/// What a sparse npz file holds, in any of the formats that `save_npz` writes.
#[derive(Debug, Clone)]
pub enum NpzContents {
    /// CSR or CSC.
    Compressed(NpzLayout),
    /// Entries one by one.
    Coo(CooLayout),
    /// Dense blocks, compressed along rows.
    Bsr(BsrLayout),
    /// Diagonals.
    Dia(DiaLayout),
}

/// Entries in any order, some of which may have the same place: their values are summed.
#[derive(Debug, Clone)]
pub struct CooLayout {
    /// Rows and columns.
    pub shape: Shape,
    /// Each entry's row: integers.
    pub row: Member,
    /// Each entry's column.
    pub col: Member,
    /// Each entry's value.
    pub data: Member,
}

/// Dense blocks of one shape, compressed along rows of blocks.
#[derive(Debug, Clone)]
pub struct BsrLayout {
    /// Rows and columns, of elements.
    pub shape: Shape,
    /// Rows and columns of a block: they divide the matrix.
    pub block: Shape,
    /// Where each row of blocks begins: (rows ∕ rows of a block) + 1 indices.
    pub indptr: Member,
    /// Each block's position in its row of blocks.
    pub indices: Member,
    /// The blocks: number × rows × columns, in C order.
    pub data: Member,
}

/// Diagonals, each as long as the longest.
#[derive(Debug, Clone)]
pub struct DiaLayout {
    /// Rows and columns.
    pub shape: Shape,
    /// Which diagonals: that of row r and column r + offset.
    pub offsets: Member,
    /// Their values by column: number × length.
    pub data: Member,
    /// Values of a diagonal: columns beyond these have none.
    pub length: usize,
}

/// Reads every byte of every member of the archive behind `reader`, those that mean nothing here too, for their checksums.
/// `advance` is told how many bytes were read, and may end it.
///
/// # Errors
/// [`crate::ErrorKind::Malformed`] where a member is damaged; otherwise as [`read_contents`].
pub fn check_members<R: Read + Seek>(
    mut reader: R,
    advance: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<()> {
    /// Bytes that are read at a time.
    const CHUNK_BYTES: usize = 256 << 10;
    let mut chunk = vec![0; CHUNK_BYTES];
    for entry in Directory::read(&mut reader)?.members()? {
        let mut member = entry.open(&mut reader)?;
        loop {
            let count =
                member.read(&mut chunk).map_err(|error| member_error(&entry.name, error))?;
            if count == 0 {
                break;
            }
            advance(count as u64)?;
        }
    }
    Ok(())
}

/// Reads what the sparse npz file behind `reader` holds. Reads headers and the few bytes of `format`, `shape`
/// and `_is_array`, but no element of the arrays.
///
/// # Errors
/// [`crate::ErrorKind::Malformed`] or [`crate::ErrorKind::Truncated`] where it is no archive, a member is
/// missing, listed twice, damaged, named as if to be written outside a folder, or where lengths disagree;
/// [`crate::ErrorKind::Unsupported`] for other formats of SciPy's, for encryption, for compressions other than
/// deflate and for dtypes that are not numbers; otherwise what the reader fails with.
pub fn read_contents<R: Read + Seek>(mut reader: R) -> Result<NpzContents> {
    let reader = &mut reader;
    let directory = Directory::read(reader)?;
    let format = Small::read(directory.member("format.npy")?, reader)?.text()?;
    let shape = Small::read(directory.member("shape.npy")?, reader)?.integers()?;
    let shape = matrix_shape(&shape)?;
    let compression = match format.as_str() {
        "csr" => Compression::Csr,
        "csc" => Compression::Csc,
        "coo" => return coo(&directory, reader, shape).map(NpzContents::Coo),
        "bsr" => return bsr(&directory, reader, shape).map(NpzContents::Bsr),
        "dia" => return dia(&directory, reader, shape).map(NpzContents::Dia),
        "dok" | "lil" => return Err(NpzError::Layout(format).into()),
        _ => return Err(NpzError::UnknownLayout(format.escape_default().to_string()).into()),
    };
    let is_array = match directory.find("_is_array.npy")? {
        Some(entry) => Some(Small::read(entry, reader)?.boolean()?),
        None => None,
    };
    let mut array = |part: Part| Member::open(directory.member(part.member_name())?, 1, reader);
    let (indptr, indices) = (array(Part::Indptr)?, array(Part::Indices)?);
    let data = array(Part::Data)?;
    check_arrays(compression.split(shape).0, &indptr, &indices, &data)?;
    let dtype = data.dtype;
    let layout = NpzLayout { compression, shape, dtype, indptr, indices, data, is_array };
    Ok(NpzContents::Compressed(layout))
}

fn coo<R: Read + Seek>(directory: &Directory, reader: &mut R, shape: Shape) -> Result<CooLayout> {
    let mut array = |name| Member::open(directory.member(name)?, 1, reader);
    let (row, col, data) = (array("row.npy")?, array("col.npy")?, array("data.npy")?);
    for indices in [&row, &col] {
        check_index(indices)?;
        if data.elements != indices.elements {
            let (data, indices) = (data.elements, indices.elements);
            return Err(NpzError::Entries { data, indices }.into());
        }
    }
    Ok(CooLayout { shape, row, col, data })
}

fn bsr<R: Read + Seek>(directory: &Directory, reader: &mut R, shape: Shape) -> Result<BsrLayout> {
    let mut array = |name, axes| Member::open(directory.member(name)?, axes, reader);
    let (indptr, indices) = (array("indptr.npy", 1)?, array("indices.npy", 1)?);
    let data = array("data.npy", 3)?;
    check_index(&indptr)?;
    check_index(&indices)?;
    let [blocks, rows, cols] = data.shape[..] else { unreachable!("it has three axes") };
    let block = Shape::new(rows, cols);
    let divides = |block: usize, all: usize| block > 0 && all.is_multiple_of(block);
    if !divides(rows, shape.rows) || !divides(cols, shape.cols) {
        return Err(NpzError::Blocks { block, shape }.into());
    }
    if data.order == Order::Fortran && !data.is_in_either_order() {
        return Err(NpzError::FortranBlocks.into());
    }
    if indptr.elements.checked_sub(1) != Some((shape.rows / rows) as u64) {
        let lines = shape.rows / rows;
        return Err(NpzError::Indptr { has: indptr.elements, lines }.into());
    }
    if indices.elements != blocks as u64 {
        return Err(NpzError::Entries { data: blocks as u64, indices: indices.elements }.into());
    }
    Ok(BsrLayout { shape, block, indptr, indices, data })
}

fn dia<R: Read + Seek>(directory: &Directory, reader: &mut R, shape: Shape) -> Result<DiaLayout> {
    let offsets = Member::open(directory.member("offsets.npy")?, 1, reader)?;
    let data = Member::open(directory.member("data.npy")?, 2, reader)?;
    check_index(&offsets)?;
    let [diagonals, length] = data.shape[..] else { unreachable!("it has two axes") };
    if offsets.elements != diagonals as u64 {
        let (data, offsets) = (diagonals as u64, offsets.elements);
        return Err(NpzError::Diagonals { data, offsets }.into());
    }
    Ok(DiaLayout { shape, offsets, data, length })
}

fn check_index(member: &Member) -> Result<(), NpzError> {
    match IndexWidth::holding(member.dtype) {
        Some(_) => Ok(()),
        None => Err(NpzError::Index(member.dtype)),
    }
}

fn matrix_shape(lengths: &[i128]) -> Result<Shape, NpzError> {
    let length = |length: i128| match i64::try_from(length).map(usize::try_from) {
        Ok(Ok(length)) => Ok(length),
        _ => Err(NpzError::Axis(length)),
    };
    match *lengths {
        [rows, cols] => Ok(Shape::new(length(rows)?, length(cols)?)),
        [_] => Err(NpzError::OneAxis),
        _ => Err(NpzError::Lengths(lengths.len())),
    }
}

/// Checks that the three arrays make a matrix of so many lines, as far as their lengths and types go.
fn check_arrays(
    lines: usize,
    indptr: &Member,
    indices: &Member,
    data: &Member,
) -> Result<(), NpzError> {
    check_index(indptr)?;
    check_index(indices)?;
    if indptr.elements.checked_sub(1) != Some(lines as u64) {
        return Err(NpzError::Indptr { has: indptr.elements, lines });
    }
    if data.elements != indices.elements {
        return Err(NpzError::Entries { data: data.elements, indices: indices.elements });
    }
    Ok(())
}
