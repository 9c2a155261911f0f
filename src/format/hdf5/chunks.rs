//! Where a chunked dataset's chunks are.

use std::ops::Range;

use super::error::Hdf5Error;
use super::filters::Pipeline;
use crate::format::layout::{array_bytes, python_tuple};

/// The chunks of a dataset: a grid of equal blocks of its axes, of which those at the far edges reach beyond it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunks {
    /// Elements of a chunk along each axis.
    pub shape: Vec<usize>,
    /// Chunks along each axis.
    pub grid: Vec<usize>,
    /// Bytes of a chunk's elements.
    pub bytes: usize,
    /// What was done to the bytes.
    pub pipeline: Pipeline,
    /// An element of what is stored nowhere, as it would lie in the file. Empty where everything is stored.
    pub fill: Vec<u8>,
    /// Those that are stored, in the order of their places.
    chunks: Vec<Chunk>,
}

/// A chunk that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Its place in the grid, in C order.
    pub place: usize,
    /// What is stored of it.
    pub stored: Stored,
    /// Bit `i` is set where filter `i` was not applied.
    pub skipped: u32,
    /// Whether it reaches beyond the dataset.
    pub is_edge: bool,
}

/// Where a chunk's stored bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// In the file.
    At(Range<u64>),
    /// In the dataset's own header, and here.
    Held(Vec<u8>),
}

impl Stored {
    /// Bytes of the file.
    pub fn bytes_in_file(&self) -> u64 {
        match self {
            Self::At(range) => range.end - range.start,
            Self::Held(_) => 0,
        }
    }
}

impl Chunks {
    /// Chunks of `shape` over a dataset of `dataset`, none of which is stored.
    pub(super) fn new(
        dataset: &[usize],
        shape: Vec<usize>,
        item_size: usize,
        filters: &[hdf5_pure::Filter],
    ) -> Result<Self, Hdf5Error> {
        if shape.len() != dataset.len() || shape.contains(&0) {
            return Err(Hdf5Error::EmptyChunk);
        }
        let too_large = || Hdf5Error::TooLarge(python_tuple(&shape));
        let bytes = array_bytes(&shape, item_size).ok_or_else(too_large)?;
        let bytes = usize::try_from(bytes).map_err(|_| Hdf5Error::ChunkSize(bytes))?;
        let pipeline = Pipeline::new(filters, item_size, bytes)?;
        let grid =
            dataset.iter().zip(&shape).map(|(length, chunk)| length.div_ceil(*chunk)).collect();
        Ok(Self { shape, grid, bytes, pipeline, fill: Vec::new(), chunks: Vec::new() })
    }

    /// Adds a chunk whose first element is at `at`, of a dataset of `dataset`. What lies outside, as what was cut off may, is left out.
    pub(super) fn add(
        &mut self,
        dataset: &[usize],
        at: &[u64],
        stored: Stored,
        skipped: u32,
    ) -> Result<(), Hdf5Error> {
        let misplaced = || Hdf5Error::ChunkPlace(format!("{at:?}"));
        if at.len() != dataset.len() {
            return Err(misplaced());
        }
        let (mut place, mut is_edge) = (0, false);
        for (axis, &at) in at.iter().enumerate() {
            let at = usize::try_from(at).map_err(|_| misplaced())?;
            if at % self.shape[axis] != 0 {
                return Err(misplaced());
            }
            if at >= dataset[axis] {
                return Ok(());
            }
            place = place * self.grid[axis] + at / self.shape[axis];
            is_edge |= dataset[axis] - at < self.shape[axis];
        }
        self.chunks.push(Chunk { place, stored, skipped, is_edge });
        Ok(())
    }

    /// Every chunk was added.
    pub(super) fn sort(&mut self) -> Result<(), Hdf5Error> {
        self.chunks.sort_unstable_by_key(|chunk| chunk.place);
        match self.chunks.windows(2).find(|pair| pair[0].place == pair[1].place) {
            Some(pair) => Err(Hdf5Error::ChunkPlace(format!("{:?}", self.position(pair[0].place)))),
            None => Ok(()),
        }
    }

    /// The first place in the grid that no chunk is stored for.
    pub(super) fn first_missing(&self) -> Option<usize> {
        let all: usize = self.grid.iter().product();
        let stored = self.chunks.iter().enumerate().find(|(index, chunk)| chunk.place != *index);
        stored
            .map(|(index, _)| index)
            .or_else(|| (self.chunks.len() < all).then_some(self.chunks.len()))
    }

    /// Those that are stored.
    pub fn stored(&self) -> &[Chunk] {
        &self.chunks
    }

    /// Bytes of the file that they take.
    pub fn stored_bytes(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.stored.bytes_in_file()).sum()
    }

    /// The chunk at a place, where it is stored.
    pub fn at(&self, place: usize) -> Option<&Chunk> {
        let index = self.chunks.binary_search_by_key(&place, |chunk| chunk.place).ok()?;
        Some(&self.chunks[index])
    }

    /// The coordinates in the grid of a place.
    pub fn position(&self, place: usize) -> Vec<usize> {
        let mut rest = place;
        let mut position: Vec<_> = self
            .grid
            .iter()
            .rev()
            .map(|&length| {
                let at = rest % length.max(1);
                rest /= length.max(1);
                at
            })
            .collect();
        position.reverse();
        position
    }
}
