//! ndarray-npy: `.npy` files as views of memory maps, as its documentation shows, by one who knows that a column of a
//! C-order file is spread over all of it.

use std::fs::{File, OpenOptions};
use std::path::Path;

use memmap2::{Advice, Mmap, MmapMut};
use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut2, Axis, s};
use ndarray_npy::{
    ViewElement, ViewMutElement, ViewMutNpyExt, ViewNpyExt, WritableElement, write_zeroed_npy,
};
use num_complex::Complex;
use peers::*;
use rustix::fs::{FallocateFlags, fallocate};

/// Columns in memory at a time: these make a stretch of some cache lines in each row.
const GROUP_BYTES: usize = 128;
/// Rows that are turned at a time: few enough for the caches.
const TURNED_ROWS: usize = 4096;
/// Bytes of a block that is read in one run.
const RUN_BYTES: usize = 4 << 20;
/// Of wider rows parts are announced to the kernel, row by row.
const WIDE_ROW_BYTES: usize = 32 << 10;
/// Batches of an epoch that are announced at a time.
const AHEAD: usize = 16;

trait Cell: Element + WritableElement + ViewElement + ViewMutElement {}
impl<T: Element + WritableElement + ViewElement + ViewMutElement> Cell for T {}

struct NdarrayNpy;

impl<T: Cell> Store<T> for NdarrayNpy {
    fn fill(trial: &Trial, given: &Columns<T>, clock: &mut Clock) -> Result<(Vec<T>, Flush)> {
        let (rows, cols) = trial.shape();
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&trial.path)?;
        write_zeroed_npy::<T, _>(&file, (rows, cols))?;
        // As the documentation advises; where the file system cannot do it, the file is sparse.
        let _ = fallocate(&file, FallocateFlags::empty(), 0, file.metadata()?.len());
        // SAFETY: a file of this trial's own.
        let mut map = unsafe { MmapMut::map_mut(&file)? };
        let mut view = ArrayViewMut2::<T>::view_mut_npy(&mut map)?;
        let length = group_length::<T>(trial);
        let mut group = Array2::from_elem((length, rows), T::default());
        let mut last = Vec::new();
        for (number, mut target) in view.axis_chunks_iter_mut(Axis(1), length).enumerate() {
            let first = number * length;
            let mut group = group.slice_mut(s![..target.ncols(), ..]);
            clock.standing(|| {
                for (index, mut column) in group.rows_mut().into_iter().enumerate() {
                    given.make(first + index, column.as_slice_mut().expect("rows are contiguous"));
                }
                if first + group.nrows() == cols {
                    last = group.row(group.nrows() - 1).to_vec();
                }
            });
            let blocks = target.axis_chunks_iter_mut(Axis(0), TURNED_ROWS);
            let columns = group.t();
            let blocks = blocks.zip(columns.axis_chunks_iter(Axis(0), TURNED_ROWS));
            in_turn(
                trial.threads,
                blocks,
                || (),
                |(), (to, from)| {
                    assign_by_tiles(to, from);
                    Ok(())
                },
            )?;
        }
        let path = trial.path.clone();
        let sync = move || {
            map.flush()?;
            file.sync_all()?;
            Ok(File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()?)
        };
        Ok((last, Box::new(sync)))
    }

    fn extract(trial: &Trial) -> Result<Vec<T>> {
        let map = map(trial)?;
        let view = ArrayView2::<T>::view_npy(&map)?;
        let (rows, cols) = (trial.rows(), trial.columns());
        let is_list = matches!(rows, Pick::List(_));
        let is_wide = row_bytes(&view) > WIDE_ROW_BYTES && cols.len() < view.ncols();
        if is_list {
            announce(&map, &view, (0..rows.len()).map(|place| rows.at(place)))?;
        } else if !is_wide && rows.len() == view.nrows() {
            // A part of the rows is read faster without: told so, the kernel begins with short reads.
            map.advise(Advice::Sequential)?;
        }
        let mut out = Array2::from_elem((rows.len(), cols.len()), T::default());
        let length = run_rows(&view);
        let blocks = out.axis_chunks_iter_mut(Axis(0), length).enumerate();
        in_turn(
            trial.threads,
            blocks,
            || (),
            |(), (number, mut block)| {
                let places = (number * length..).take(block.nrows());
                if is_wide && !is_list {
                    for row in places.clone().map(|place| rows.at(place)) {
                        announce_cells(
                            &map,
                            &view.slice(s![row, cols.at(0)..=cols.at(cols.len() - 1)]),
                        )?;
                    }
                }
                for (mut to, place) in block.rows_mut().into_iter().zip(places) {
                    let row = view.row(rows.at(place));
                    match &cols {
                        Pick::Steps { start, stop, step: 1 } => {
                            to.assign(&row.slice(s![*start..*stop]))
                        }
                        _ => to
                            .iter_mut()
                            .enumerate()
                            .for_each(|(place, to)| *to = row[cols.at(place)]),
                    }
                }
                Ok(())
            },
        )?;
        Ok(out.into_raw_vec_and_offset().0)
    }

    fn columns(trial: &Trial, visit: &mut dyn FnMut(ArrayView2<T>) -> Result<()>) -> Result<()> {
        let map = map(trial)?;
        map.advise(Advice::Sequential)?;
        let view = ArrayView2::<T>::view_npy(&map)?;
        let mut group = Array2::from_elem((group_length::<T>(trial), view.nrows()), T::default());
        for source in view.axis_chunks_iter(Axis(1), group.nrows()) {
            let mut columns = group.slice_mut(s![..source.ncols(), ..]);
            let blocks = columns.axis_chunks_iter_mut(Axis(1), TURNED_ROWS);
            let blocks = blocks.zip(source.axis_chunks_iter(Axis(0), TURNED_ROWS));
            in_turn(
                trial.threads,
                blocks,
                || (),
                |(), (to, from)| {
                    assign_by_tiles(to.reversed_axes(), from);
                    Ok(())
                },
            )?;
            visit(columns.view())?;
        }
        Ok(())
    }

    fn scan(trial: &Trial) -> Result<Vec<f64>> {
        let map = map(trial)?;
        map.advise(Advice::Sequential)?;
        let view = ArrayView2::<T>::view_npy(&map)?;
        let blocks = view.axis_chunks_iter(Axis(0), run_rows(&view));
        let sums = in_turn(
            trial.threads,
            blocks,
            || vec![0.0; view.ncols()],
            |sums, block| {
                add_rows(sums, block.as_slice().expect("whole rows are contiguous"), 1.0);
                Ok(())
            },
        )?;
        Ok(total(sums))
    }

    fn multiply(trial: &Trial) -> Result<Vec<f64>> {
        let map = map(trial)?;
        map.advise(Advice::Sequential)?;
        let view = ArrayView2::<T>::view_npy(&map)?;
        let factors = factors(view.ncols());
        let mut product = vec![0.0; view.nrows()];
        let length = run_rows(&view);
        let blocks = product.chunks_mut(length).zip(view.axis_chunks_iter(Axis(0), length));
        in_turn(
            trial.threads,
            blocks,
            || (),
            |(), (product, block)| {
                for (product, row) in product.iter_mut().zip(block.rows()) {
                    *product = dot(row.as_slice().expect("a row is contiguous"), &factors);
                }
                Ok(())
            },
        )?;
        Ok(product)
    }

    fn epoch(trial: &Trial) -> Result<Vec<f64>> {
        let map = map(trial)?;
        map.advise(Advice::Random)?;
        let view = ArrayView2::<T>::view_npy(&map)?;
        let Pick::List(order) = trial.rows() else { return Err("an epoch has its order".into()) };
        let stretches: Vec<_> = order.chunks(AHEAD * BATCH_ROWS).collect();
        let announce = |number: usize| {
            let rows = stretches.get(number).into_iter().copied().flatten();
            announce(&map, &view, rows.copied())
        };
        (0..trial.threads).try_for_each(announce)?;
        let sums = in_turn(
            trial.threads,
            0..stretches.len(),
            || vec![0.0; view.ncols()],
            |sums, number| {
                announce(number + trial.threads)?;
                for (batch, rows) in stretches[number].chunks(BATCH_ROWS).enumerate() {
                    let rows = view.select(Axis(0), rows);
                    // A stretch is a number of batches that four divides.
                    add_rows(
                        sums,
                        rows.as_slice().expect("made contiguous"),
                        (1 + batch % 4) as f64,
                    );
                }
                Ok(())
            },
        )?;
        Ok(total(sums))
    }
}

fn map(trial: &Trial) -> Result<Mmap> {
    // SAFETY: a file of the harness, which nobody changes while the trial is under way.
    Ok(unsafe { Mmap::map(&File::open(&trial.path)?)? })
}

fn row_bytes<T>(view: &ArrayView2<T>) -> usize {
    (view.ncols() * size_of::<T>()).max(1)
}

/// Rows of a block that is read in one run.
fn run_rows<T>(view: &ArrayView2<T>) -> usize {
    (RUN_BYTES / row_bytes(view)).max(1)
}

/// How many columns are in memory at a time. Where a limit does not hold the file, each group is one more pass over the
/// disk: then as many as the memory holds.
fn group_length<T>(trial: &Trial) -> usize {
    let (rows, cols) = trial.shape();
    let column_bytes = (rows * size_of::<T>()).max(1);
    let fitting = trial.memory / column_bytes;
    let is_tight =
        trial.limit.is_some_and(|limit| column_bytes * cols > limit - trial.memory.min(limit));
    let usual = if is_tight { fitting } else { fitting.min(GROUP_BYTES / size_of::<T>()) };
    usual.clamp(1, cols.max(1))
}

/// Tells the kernel of rows that are needed soon: it reads them all at once.
fn announce<T>(map: &Mmap, view: &ArrayView2<T>, rows: impl Iterator<Item = usize>) -> Result<()> {
    for row in rows {
        announce_cells(map, &view.row(row))?;
    }
    Ok(())
}

fn announce_cells<T>(map: &Mmap, cells: &ArrayView1<T>) -> Result<()> {
    let offset = cells.as_ptr() as usize - map.as_ptr() as usize;
    Ok(map.advise_range(
        Advice::WillNeed,
        offset,
        size_of_val(cells.as_slice().unwrap_or_default()),
    )?)
}

fn sampling(dtype: &str, trial: Trial) -> Option<Box<dyn Sampler>> {
    Some(match dtype {
        "bool" => Sampling::<bool, NdarrayNpy>::boxed(trial),
        "i8" => Sampling::<i8, NdarrayNpy>::boxed(trial),
        "i16" => Sampling::<i16, NdarrayNpy>::boxed(trial),
        "i32" => Sampling::<i32, NdarrayNpy>::boxed(trial),
        "i64" => Sampling::<i64, NdarrayNpy>::boxed(trial),
        "u8" => Sampling::<u8, NdarrayNpy>::boxed(trial),
        "u16" => Sampling::<u16, NdarrayNpy>::boxed(trial),
        "u32" => Sampling::<u32, NdarrayNpy>::boxed(trial),
        "u64" => Sampling::<u64, NdarrayNpy>::boxed(trial),
        "f32" => Sampling::<f32, NdarrayNpy>::boxed(trial),
        "f64" => Sampling::<f64, NdarrayNpy>::boxed(trial),
        "complex64" => Sampling::<Complex<f32>, NdarrayNpy>::boxed(trial),
        "complex128" => Sampling::<Complex<f64>, NdarrayNpy>::boxed(trial),
        _ => return None, // ndarray-npy has no f16
    })
}

fn main() {
    let versions = ["ndarray-npy", "ndarray", "memmap2"].map(lock_version);
    let version =
        format!("ndarray-npy {} on ndarray {}, memmap2 {}", versions[0], versions[1], versions[2]);
    serve(&version, (Some("c"), None), sampling);
}
