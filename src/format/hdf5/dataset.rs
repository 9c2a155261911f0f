//! A dataset of an existing file, as the library `hdf5-pure` reads its metadata.

use hdf5_pure::{
    ChunkCacheConfig, FileAccessProperties, Group, Layout, MetadataCacheConfig, Source,
};

use super::chunks::{Chunks, Stored};
use super::elements::dtype_of;
use super::error::Hdf5Error;
use crate::array::DType;
use crate::error::Result;
use crate::format::ByteOrder;
use crate::format::layout::{array_bytes, python_tuple};

/// What the library keeps of metadata that it has read.
const METADATA_BYTES: usize = 1 << 20;

/// How far a file is searched for its only dataset: names of groups may lead in a circle.
const MOST_GROUPS: usize = 10_000;
const DEEPEST: usize = 32;

/// How many datasets of several are looked for.
const MOST_DATASETS: usize = 100;

/// What a dataset holds and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// The element type.
    pub dtype: DType,
    /// In which byte order elements are stored.
    pub byte_order: ByteOrder,
    /// The length of each axis, in C order.
    pub shape: Vec<usize>,
    /// Where the elements are.
    pub storage: Storage,
}

/// How a dataset's elements are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// One behind the other, from this byte of the file on.
    Contiguous {
        /// The first element's byte.
        address: u64,
    },
    /// In blocks, each by itself.
    Chunked(Chunks),
}

/// The dataset called `name` in the file of these bytes, or the only one there is.
///
/// # Errors
/// Where there is none or more, the file is damaged, or it is of a kind that is not supported.
pub fn read_dataset(
    source: impl Source + Send + Sync + 'static,
    name: Option<&str>,
) -> Result<Dataset> {
    Ok(found(source, name)?)
}

fn found(
    source: impl Source + Send + Sync + 'static,
    name: Option<&str>,
) -> Result<Dataset, Hdf5Error> {
    let file_len = source.len();
    let access = FileAccessProperties::new()
        .with_metadata_cache(MetadataCacheConfig::new(METADATA_BYTES))
        .with_chunk_cache(ChunkCacheConfig::disabled());
    let file = hdf5_pure::File::from_source_with_options(source, access)?;
    let name = match name {
        Some(name) => name.to_owned(),
        None => only_dataset(&file)?,
    };
    let dataset = file.dataset(&name).map_err(|error| match error {
        hdf5_pure::Error::Format(hdf5_pure::FormatError::PathNotFound(_))
        | hdf5_pure::Error::NotADataset(_)
        | hdf5_pure::Error::NotAGroup(_) => Hdf5Error::Missing(name.clone()),
        error => error.into(),
    })?;
    let (dtype, byte_order) = dtype_of(&dataset.datatype()?)?;
    let dims = dataset.shape()?;
    let too_large = || Hdf5Error::TooLarge(format!("{dims:?}"));
    let shape: Vec<usize> = dims
        .iter()
        .map(|&length| usize::try_from(length).map_err(|_| too_large()))
        .collect::<Result<_, _>>()?;
    let needs = array_bytes(&shape, dtype.item_size()).ok_or_else(too_large)?;
    let storage = storage(&dataset, &shape, dtype.item_size(), needs, file_len)?;
    Ok(Dataset { dtype, byte_order, shape, storage })
}

fn storage(
    dataset: &hdf5_pure::Dataset,
    shape: &[usize],
    item_size: usize,
    needs: u64,
    file_len: u64,
) -> Result<Storage, Hdf5Error> {
    let chunks = match dataset.layout()? {
        Layout::Contiguous { size: 0, .. } if shape.is_empty() => return Err(Hdf5Error::NoShape),
        // Where there is no element it does not matter where they are not.
        _ if needs == 0 => return Ok(Storage::Contiguous { address: 0 }),
        Layout::Contiguous { address: Some(address), size } => {
            if size != needs {
                return Err(Hdf5Error::Size { has: size, needs });
            }
            within(address, size, file_len)?;
            return Ok(Storage::Contiguous { address });
        }
        // Nothing was written yet, or it was to other files: which of them, reading what it holds tells.
        Layout::Contiguous { address: None, .. } => {
            Chunks::new(shape, shape.to_vec(), item_size, &[])?
        }
        Layout::Compact { size } => {
            if size != needs {
                return Err(Hdf5Error::Size { has: size, needs });
            }
            let mut chunks = Chunks::new(shape, shape.to_vec(), item_size, &[])?;
            let held = Stored::Held(dataset.read_raw()?);
            chunks.add(shape, &vec![0; shape.len()], held, 0)?;
            chunks
        }
        Layout::Chunked { chunk_shape, .. } => {
            let length = |&length: &u64| usize::try_from(length).ok();
            let lengths: Option<Vec<usize>> = chunk_shape.iter().map(length).collect();
            let lengths = lengths.ok_or_else(|| Hdf5Error::TooLarge(format!("{chunk_shape:?}")))?;
            let mut chunks = Chunks::new(shape, lengths, item_size, &dataset.filter_pipeline())?;
            for chunk in dataset.chunks()? {
                let range = within(chunk.address, chunk.storage_size, file_len)?;
                chunks.add(shape, &chunk.offset, Stored::At(range), chunk.filter_mask)?;
            }
            chunks.sort()?;
            if chunks.pipeline.leaves_no_trace() && chunks.stored().iter().any(|it| it.is_edge) {
                return Err(Hdf5Error::Edges);
            }
            chunks
        }
        Layout::Virtual => return Err(Hdf5Error::Virtual),
        other => return Err(Hdf5Error::Filter(format!("layout {other}"))),
    };
    let mut chunks = chunks;
    if let Some(place) = chunks.first_missing() {
        chunks.fill = fill_value(dataset, shape, item_size, &chunks, place)?;
    }
    Ok(Storage::Chunked(chunks))
}

/// The bytes from `address` on, which the file holds.
fn within(address: u64, size: u64, file_len: u64) -> Result<std::ops::Range<u64>, Hdf5Error> {
    let needs = address.saturating_add(size);
    if needs > file_len {
        return Err(Hdf5Error::Short { has: file_len, needs });
    }
    Ok(address..needs)
}

/// What an element is that is stored nowhere: the library's answer for the first one of the chunk at `place`.
fn fill_value(
    dataset: &hdf5_pure::Dataset,
    shape: &[usize],
    item_size: usize,
    chunks: &Chunks,
    place: usize,
) -> Result<Vec<u8>, Hdf5Error> {
    let position = chunks.position(place);
    let first: Vec<_> = position.iter().zip(&chunks.shape).map(|(at, chunk)| at * chunk).collect();
    let row = match first.first() {
        Some(&row) => dataset.read_raw_rows(row as u64, 1)?,
        None => dataset.read_raw()?,
    };
    let axes = shape.iter().zip(&first).skip(1);
    let element = axes.fold(0, |element, (length, at)| element * length + at);
    let short = || Hdf5Error::TooLarge(python_tuple(shape));
    Ok(row.get(element * item_size..(element + 1) * item_size).ok_or_else(short)?.to_vec())
}

/// The name of the only dataset of a file.
fn only_dataset(file: &hdf5_pure::File) -> Result<String, Hdf5Error> {
    let mut names = Vec::new();
    let mut groups = vec![(String::new(), 0, file.root())];
    let mut seen = 0;
    while let Some((path, depth, group)) = groups.pop() {
        seen += 1;
        names.extend(datasets(&group, &path)?);
        if seen >= MOST_GROUPS || names.len() >= MOST_DATASETS {
            break;
        }
        if depth < DEEPEST {
            for name in group.groups()? {
                let inner = group.group(&name)?;
                groups.push((format!("{path}/{name}"), depth + 1, inner));
            }
        }
    }
    names.sort();
    match names.len() {
        0 => Err(Hdf5Error::Empty),
        1 => Ok(names.remove(0)),
        _ => Err(Hdf5Error::Several(names)),
    }
}

fn datasets(group: &Group, path: &str) -> Result<Vec<String>, Hdf5Error> {
    Ok(group.datasets()?.into_iter().map(|name| format!("{path}/{name}")).collect())
}
