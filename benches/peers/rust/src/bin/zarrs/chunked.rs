//! A matrix as an array of chunks: how it is divided, and how chunks are written and read. Knows no workload.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{ArrayView2, ArrayViewMut2, s};
use peers::*;
use zarrs::array::{Array, ArrayBuilder, ArrayBytes, ArraySubset, CodecOptions, FillValue};
use zarrs::filesystem::FilesystemStore;

use crate::Cell;

/// A chunk's bytes: enough to be read in one run.
const CHUNK_BYTES: usize = 4 << 20;
/// Columns of a chunk where rows are narrow: columns are what is filled and read most.
const CHUNK_COLUMNS: usize = 16;
/// Rows of more columns are in chunks that are as wide as they are long.
const NARROW_COLUMNS: usize = 256;
/// A read of one piece takes as long as it takes to read so many bytes of a chunk, from the disk or from the page cache.
const PIECE_BYTES: usize = 16 << 10;
/// Threads that wait for pieces.
const WAITING: usize = 16;
/// Chunks in memory by each thread: as it is, and as zarrs encodes it.
pub const CHUNK_COPIES: usize = 2;

/// An array and how it is divided. Threads are this program's, so zarrs is told to use one for each chunk.
pub struct Chunked {
    array: Array<FilesystemStore>,
    pub shape: (usize, usize),
    pub chunk: (usize, usize),
    /// Chunks down and across.
    pub grid: (usize, usize),
    options: CodecOptions,
    threads: usize,
}

/// Neighbours of an axis that are wanted: `length` from `first` of chunk `chunk` on, at place `at` of the answer.
pub struct Run {
    chunk: usize,
    first: usize,
    at: usize,
    length: usize,
}

impl Chunked {
    pub fn create<T: Cell>(trial: &Trial) -> Result<Self> {
        let (rows, cols) = trial.shape();
        let (height, width) = chunk_shape(trial, size_of::<T>());
        let shapes = [rows, cols, height, width].map(|length| length as u64);
        let zero = FillValue::new(vec![0; size_of::<T>()]);
        let store = Arc::new(FilesystemStore::new(&trial.path)?);
        let array = ArrayBuilder::new(shapes[..2].to_vec(), shapes[2..].to_vec(), T::NAME, zero)
            .build(store, "/")?;
        array.store_metadata()?;
        Self::of(array, trial)
    }

    pub fn open(trial: &Trial) -> Result<Self> {
        Self::of(Array::open(Arc::new(FilesystemStore::new(&trial.path)?), "/")?, trial)
    }

    fn of(array: Array<FilesystemStore>, trial: &Trial) -> Result<Self> {
        let chunk = array.chunk_shape(&[0, 0])?;
        let chunk = (chunk[0].get() as usize, chunk[1].get() as usize);
        let shape = trial.shape();
        if array.shape() != [shape.0 as u64, shape.1 as u64] {
            return Err("the array has another shape".into());
        }
        let grid = (shape.0.div_ceil(chunk.0), shape.1.div_ceil(chunk.1));
        let options = CodecOptions::default().with_concurrent_target(1);
        Ok(Self { array, shape, chunk, grid, options, threads: trial.threads })
    }

    pub fn chunk_bytes<T>(&self) -> usize {
        self.chunk.0 * self.chunk.1 * size_of::<T>()
    }

    pub fn rows_of(&self, i: usize) -> Range<usize> {
        i * self.chunk.0..((i + 1) * self.chunk.0).min(self.shape.0)
    }

    pub fn columns_of(&self, j: usize) -> Range<usize> {
        j * self.chunk.1..((j + 1) * self.chunk.1).min(self.shape.1)
    }

    /// Stores what a chunk has of the array; the rest of it is zero.
    pub fn store<T: Cell>(&self, i: usize, j: usize, part: ArrayView2<T>) -> Result<()> {
        let mut chunk = vec![T::default(); self.chunk.0 * self.chunk.1];
        let (rows, cols) = part.dim();
        let mut to = ArrayViewMut2::from_shape(self.chunk, &mut chunk)?;
        assign_by_tiles(to.slice_mut(s![..rows, ..cols]), part);
        Ok(self.array.store_chunk_opt(&[i as u64, j as u64], chunk, &self.options)?)
    }

    /// Shows a whole chunk, without a copy of it as elements.
    pub fn with_chunk<T: Cell>(
        &self,
        i: usize,
        j: usize,
        see: impl FnOnce(ArrayView2<T>),
    ) -> Result<()> {
        let bytes: ArrayBytes =
            self.array.retrieve_chunk_opt(&[i as u64, j as u64], &self.options)?;
        let bytes = bytes.into_fixed()?;
        let cells = bytemuck::checked::try_cast_slice(&bytes).map_err(|error| error.to_string())?;
        see(ArrayView2::from_shape(self.chunk, cells)?);
        Ok(())
    }

    fn runs(pick: &Pick, chunk_length: usize) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for at in 0..pick.len() {
            let (chunk, first) = (pick.at(at) / chunk_length, pick.at(at) % chunk_length);
            match runs.last_mut() {
                Some(run) if run.chunk == chunk && run.first + run.length == first => {
                    run.length += 1
                }
                _ => runs.push(Run { chunk, first, at, length: 1 }),
            }
        }
        runs
    }

    /// The selected cells in C order. Threads take rows of chunks: what these go to is disjoint.
    pub fn gather<T: Cell>(&self, rows: &Pick, cols: &Pick) -> Result<Vec<T>> {
        let width = cols.len();
        let mut out = vec![T::default(); rows.len() * width];
        let (row_runs, mut col_runs) =
            (Self::runs(rows, self.chunk.0), Self::runs(cols, self.chunk.1));
        let mut parts: Vec<Vec<(usize, &mut [T])>> = Vec::new();
        parts.resize_with(self.grid.0, Vec::new);
        let mut rest = out.as_mut_slice();
        for run in &row_runs {
            let part;
            (part, rest) = rest.split_at_mut(run.length * width);
            parts[run.chunk].push((run.first, part));
        }
        let pieces = rows.len() * col_runs.len();
        col_runs.sort_by_key(|run| run.chunk);
        let col_chunks: Vec<_> = col_runs.chunk_by(|run, next| run.chunk == next.chunk).collect();
        let chunks = parts.iter().filter(|part| !part.is_empty()).count() * col_chunks.len();
        let by_pieces = pieces * PIECE_BYTES < chunks * self.chunk_bytes::<T>();
        let threads = if by_pieces { WAITING } else { self.threads };
        in_turn(
            threads,
            parts.into_iter().enumerate(),
            || (),
            |(), (i, mut part)| {
                if part.is_empty() {
                    return Ok(());
                }
                col_chunks.iter().try_for_each(|runs| {
                    if by_pieces {
                        return self.take_pieces(i, runs, &mut part, width);
                    }
                    self.with_chunk(i, runs[0].chunk, |chunk| {
                        for (first, to) in &mut part {
                            let rows = chunk.slice_move(s![*first.., ..]);
                            for (to, from) in to.chunks_exact_mut(width).zip(rows.rows()) {
                                let from = from.to_slice().expect("a row is contiguous");
                                for run in *runs {
                                    to[run.at..][..run.length]
                                        .copy_from_slice(&from[run.first..][..run.length]);
                                }
                            }
                        }
                    })
                })
            },
        )?;
        Ok(out)
    }

    /// Reads only what is wanted of a chunk.
    fn take_pieces<T: Cell>(
        &self,
        i: usize,
        runs: &[Run],
        part: &mut [(usize, &mut [T])],
        width: usize,
    ) -> Result<()> {
        let mut subsets = Vec::new();
        for (first, to) in part.iter() {
            let rows = *first as u64..(first + to.len() / width) as u64;
            let columns = runs.iter().map(|run| run.first as u64..(run.first + run.length) as u64);
            subsets.extend(
                columns.map(|columns| ArraySubset::new_with_ranges(&[rows.clone(), columns])),
            );
        }
        let decoder =
            self.array.partial_decoder_opt(&[i as u64, runs[0].chunk as u64], &self.options)?;
        let bytes = decoder.partial_decode(&subsets, &self.options)?.into_fixed()?;
        let mut cells: &[T] =
            bytemuck::checked::try_cast_slice(&bytes).map_err(|error| error.to_string())?;
        for (_, to) in part {
            for run in runs {
                for to in to.chunks_exact_mut(width) {
                    let piece;
                    (piece, cells) = cells.split_at(run.length);
                    to[run.at..][..run.length].copy_from_slice(piece);
                }
            }
        }
        Ok(())
    }
}

/// Columns that the memory holds beside what each thread does with a chunk.
pub fn columns_within(trial: &Trial, chunk_bytes: usize, cell_bytes: usize) -> usize {
    let spare = trial.memory.saturating_sub(trial.threads * CHUNK_COPIES * chunk_bytes);
    (spare / (trial.shape().0 * cell_bytes).max(1)).max(1)
}

/// The chunks' shape: equally large ones, so that none is mostly padding.
fn chunk_shape(trial: &Trial, cell_bytes: usize) -> (usize, usize) {
    let (rows, cols) = trial.shape();
    let cells = CHUNK_BYTES / cell_bytes;
    let even = |length: usize, most: usize| length.div_ceil(length.div_ceil(most).max(1)).max(1);
    let usual =
        if cols <= NARROW_COLUMNS { CHUNK_COLUMNS } else { cells.isqrt().max(cells / rows.max(1)) };
    let width = even(cols, usual.min(columns_within(trial, CHUNK_BYTES, cell_bytes)));
    (even(rows, (cells / width).max(1)), width)
}
