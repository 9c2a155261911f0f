//! zarrs: a Zarr version 3 array in a filesystem store. Uncompressed, in chunks that are written and read whole by several
//! threads; a few cells by partial decoding.

mod chunked;

use std::fs::{File, read_dir};
use std::path::Path;

use half::f16;
use ndarray::{Array2, ArrayView2, Axis, s};
use num_complex::Complex;
use peers::*;

use chunked::{CHUNK_COPIES, Chunked, Run, columns_within};

pub trait Cell: Element + zarrs::array::Element {
    /// As Zarr names it.
    const NAME: &str;
}

macro_rules! cells {
    ($($dtype:literal $type:ty = $name:literal;)*) => {
        $(impl Cell for $type {
            const NAME: &str = $name;
        })*

        fn sampling(dtype: &str, trial: Trial) -> Option<Box<dyn Sampler>> {
            match dtype {
                $($dtype => Some(Sampling::<$type, Zarrs>::boxed(trial)),)*
                _ => None,
            }
        }
    };
}

cells! {
    "bool" bool = "bool";
    "i8" i8 = "int8";
    "i16" i16 = "int16";
    "i32" i32 = "int32";
    "i64" i64 = "int64";
    "u8" u8 = "uint8";
    "u16" u16 = "uint16";
    "u32" u32 = "uint32";
    "u64" u64 = "uint64";
    "f16" f16 = "float16";
    "f32" f32 = "float32";
    "f64" f64 = "float64";
    "complex64" Complex<f32> = "complex64";
    "complex128" Complex<f64> = "complex128";
}

struct Zarrs;

impl<T: Cell> Store<T> for Zarrs {
    fn convert(trial: &Trial, source: ArrayView2<T>) -> Result<()> {
        let chunked = Chunked::create::<T>(trial)?;
        let places = (0..chunked.grid.0).flat_map(|i| (0..chunked.grid.1).map(move |j| (i, j)));
        in_turn(
            trial.threads,
            places,
            || (),
            |(), (i, j)| {
                let (rows, cols) = (chunked.rows_of(i), chunked.columns_of(j));
                let part = source.slice(s![rows, cols]);
                chunked.store(i, j, part)
            },
        )?;
        sync_folders(&trial.path)
    }

    fn fill(trial: &Trial, given: &Columns<T>, clock: &mut Clock) -> Result<(Vec<T>, Flush)> {
        let chunked = Chunked::create::<T>(trial)?;
        let (rows, cols) = chunked.shape;
        let mut group = Array2::from_elem((chunked.chunk.1, rows), T::default());
        let mut last = Vec::new();
        for j in 0..chunked.grid.1 {
            let range = chunked.columns_of(j);
            clock.standing(|| {
                for (index, mut column) in range.clone().zip(group.rows_mut()) {
                    given.make(index, column.as_slice_mut().expect("rows are contiguous"));
                }
                if range.end == cols {
                    last = group.row(range.len() - 1).to_vec();
                }
            });
            let columns = group.slice(s![..range.len(), ..]).reversed_axes();
            let blocks = columns.axis_chunks_iter(Axis(0), chunked.chunk.0).enumerate();
            in_turn(trial.threads, blocks, || (), |(), (i, block)| chunked.store(i, j, block))?;
        }
        let path = trial.path.clone();
        Ok((last, Box::new(move || sync_folders(&path))))
    }

    fn extract(trial: &Trial) -> Result<Vec<T>> {
        Chunked::open(trial)?.gather(&trial.rows(), &trial.columns())
    }

    fn columns(trial: &Trial, visit: &mut dyn FnMut(ArrayView2<T>) -> Result<()>) -> Result<()> {
        let chunked = Chunked::open(trial)?;
        // Another may have made the chunks, with more memory: then each is read more than once.
        let length =
            columns_within(trial, chunked.chunk_bytes::<T>(), size_of::<T>()).min(chunked.chunk.1);
        let mut group = Array2::from_elem((length, chunked.shape.0), T::default());
        for j in 0..chunked.grid.1 {
            let width = chunked.columns_of(j).len();
            for first in (0..width).step_by(length) {
                let mut columns = group.slice_mut(s![..length.min(width - first), ..]);
                let blocks = columns.axis_chunks_iter_mut(Axis(1), chunked.chunk.0).enumerate();
                in_turn(
                    trial.threads,
                    blocks,
                    || (),
                    |(), (i, block)| {
                        let to = block.reversed_axes();
                        let (rows, cols) = to.dim();
                        chunked.with_chunk(i, j, |chunk| {
                            assign_by_tiles(to, chunk.slice(s![..rows, first..first + cols]))
                        })
                    },
                )?;
                visit(columns.view())?;
            }
        }
        Ok(())
    }

    fn scan(trial: &Trial) -> Result<Vec<f64>> {
        let chunked = Chunked::open(trial)?;
        let places = (0..chunked.grid.1).flat_map(|j| (0..chunked.grid.0).map(move |i| (i, j)));
        let sums = in_turn(
            trial.threads,
            places,
            || vec![0.0; chunked.shape.1],
            |sums, (i, j)| {
                let (rows, cols) = (chunked.rows_of(i), chunked.columns_of(j));
                chunked.with_chunk(i, j, |chunk: ArrayView2<T>| {
                    for row in chunk.rows().into_iter().take(rows.len()) {
                        add_rows(
                            &mut sums[cols.clone()],
                            &row.as_slice().expect("contiguous")[..cols.len()],
                            1.0,
                        );
                    }
                })
            },
        )?;
        Ok(total(sums))
    }

    fn multiply(trial: &Trial) -> Result<Vec<f64>> {
        let chunked = Chunked::open(trial)?;
        let factors = factors(chunked.shape.1);
        let mut product = vec![0.0; chunked.shape.0];
        let blocks = product.chunks_mut(chunked.chunk.0).enumerate();
        in_turn(
            trial.threads,
            blocks,
            || (),
            |(), (i, product)| {
                (0..chunked.grid.1).try_for_each(|j| {
                    let factors = &factors[chunked.columns_of(j)];
                    chunked.with_chunk(i, j, |chunk: ArrayView2<T>| {
                        for (product, row) in product.iter_mut().zip(chunk.rows()) {
                            *product +=
                                dot(&row.as_slice().expect("contiguous")[..factors.len()], factors);
                        }
                    })
                })
            },
        )?;
        Ok(product)
    }

    fn epoch(trial: &Trial) -> Result<Vec<f64>> {
        let chunked = Chunked::open(trial)?;
        let Pick::List(order) = trial.rows() else { return Err("an epoch has its order".into()) };
        let cols = chunked.shape.1;
        // All chunks are read for as many batches as the memory holds; four divides their number, for the weights.
        let row_bytes = cols * size_of::<T>() + size_of::<Run>() + size_of::<(usize, &[T])>();
        let spare =
            trial.memory.saturating_sub(trial.threads * CHUNK_COPIES * chunked.chunk_bytes::<T>());
        let stretch = (spare / row_bytes / (4 * BATCH_ROWS)).max(1) * 4 * BATCH_ROWS;
        let mut sums = vec![0.0; cols];
        for rows in order.chunks(stretch) {
            let rows: Vec<T> = chunked.gather(&Pick::List(rows.to_vec()), &Pick::all(cols))?;
            let batches = rows.chunks(BATCH_ROWS * cols).enumerate();
            let parts = in_turn(
                trial.threads,
                batches,
                || vec![0.0; cols],
                |sums, (batch, rows)| {
                    add_rows(sums, rows, (1 + batch % 4) as f64);
                    Ok(())
                },
            )?;
            sums = total(vec![sums, total(parts)]);
        }
        Ok(sums)
    }
}

/// zarrs syncs each file when it is written, but not the folders that have their names.
fn sync_folders(path: &Path) -> Result<()> {
    fn below(folder: &Path) -> Result<()> {
        for entry in read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                below(&entry.path())?;
            }
        }
        Ok(File::open(folder)?.sync_all()?)
    }
    below(path)?;
    Ok(File::open(path.parent().unwrap_or(path))?.sync_all()?)
}

fn main() {
    let version = format!(
        "zarrs {} with zarrs_filesystem {}",
        lock_version("zarrs"),
        lock_version("zarrs_filesystem")
    );
    serve(&version, (None, Some("own")), sampling);
}
