//! The sum of each column: what visits answer with. Made inside the timing, so it is to cost less than
//! memory's own speed: loops that the compiler vectorises, over what is contiguous, on all threads.

use ndarray::{ArrayView2, Axis};

use super::Value;
use crate::array::{Compression, Element};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{ArrayStore, Compressed, Context, Indices, Tile, TileOrder, Values, join};

/// Elements that one thread sums at once: large beside the cost of handing work over.
const LEAF: usize = 1 << 16;

/// Columns whose sums stay in the first-level cache: 16 KiB of them.
const WIDTH: usize = 2048;

/// Independent additions in flight along a column; rows shorter than four times this are joined.
const LANES: usize = 16;

/// The visiting workloads: each column's sum in f64, made in one visit in `order`
/// ([`TileOrder::Columns`] for `extract-columns`, [`TileOrder::Any`] for `scan`).
///
/// A complex number counts as the sum of its parts, `true` as 1.
///
/// # Errors
/// As [`ArrayStore::visit`], and [`ErrorKind::Budget`] where there is no memory for the sums.
pub fn column_sums<T: Value>(
    store: &dyn ArrayStore<Elem = T>,
    order: TileOrder,
    context: &Context,
) -> Result<Vec<f64>> {
    let mut sums = zeros(store.spec().shape.cols)?;
    let add = &mut |tile: Tile<'_, T>| {
        add_tile(&tile, &mut sums, T::addend, context);
        Ok(())
    };
    store.visit(order, add, context)?;
    Ok(sums)
}

/// A sum for each of `cols` columns.
pub(super) fn zeros(cols: usize) -> Result<Vec<f64>> {
    let mut sums = Vec::new();
    sums.try_reserve_exact(cols).map_err(|source| {
        Error::new(ErrorKind::Budget, "allocate", "not enough memory for a sum of each column")
            .caused_by(source)
    })?;
    sums.resize(cols, 0.0);
    Ok(sums)
}

/// What a value adds to its column's sum.
pub(super) trait Addend<T>: Fn(T) -> f64 + Copy + Send + Sync {}
impl<T, F: Fn(T) -> f64 + Copy + Send + Sync> Addend<T> for F {}

/// Adds a tile's values to the sums of the matrix's columns.
pub(super) fn add_tile<T: Element>(
    tile: &Tile<'_, T>,
    sums: &mut [f64],
    addend: impl Addend<T>,
    context: &Context,
) {
    let sums = &mut sums[tile.cols.clone()];
    match &tile.values {
        Values::Dense(block) if block.len() <= LEAF => add_dense(block.view(), sums, addend),
        Values::Dense(block) => context.install(|| add_dense(block.view(), sums, addend)),
        Values::Sparse(block) if block.data.len() <= LEAF => add_sparse(block, sums, addend),
        Values::Sparse(block) => context.install(|| add_sparse(block, sums, addend)),
    }
}

/// Adds a block's columns, halving it until the parts are small.
fn add_dense<T: Element>(block: ArrayView2<'_, T>, sums: &mut [f64], addend: impl Addend<T>) {
    let (rows, cols) = block.dim();
    let by_columns = block.strides()[0] == 1;
    // Columns first: their sums are apart. What is cut by rows needs sums of its own for one half.
    let widest = if by_columns { 1 } else { WIDTH };
    if cols > widest && (cols > WIDTH || rows * cols > LEAF) {
        let half = cols / 2;
        let (left, right) = block.split_at(Axis(1), half);
        let (left_sums, right_sums) = sums.split_at_mut(half);
        join(&mut || add_dense(left, left_sums, addend), &mut || {
            add_dense(right, right_sums, addend)
        });
    } else if rows > 1 && rows * cols > LEAF {
        let (upper, lower) = block.split_at(Axis(0), rows / 2);
        let mut other = vec![0.0; cols];
        join(&mut || add_dense(upper, sums, addend), &mut || add_dense(lower, &mut other, addend));
        add_all(sums, &other);
    } else if by_columns {
        for (column, sum) in block.columns().into_iter().zip(sums) {
            *sum += match column.to_slice() {
                Some(values) => sum_of(values, addend),
                None => column.iter().map(|&value| addend(value)).sum(),
            };
        }
    } else {
        add_rows(block, sums, addend);
    }
}

/// Adds the rows of a block that is not kept by columns.
fn add_rows<T: Element>(block: ArrayView2<'_, T>, sums: &mut [f64], addend: impl Addend<T>) {
    let cols = block.ncols();
    if let Some(values) = block.to_slice()
        && cols < 4 * LANES
    {
        return add_short_rows(values, sums, addend);
    }
    // Four rows at a time: the sums are fetched and put back once for four.
    for rows in block.axis_chunks_iter(Axis(0), 4) {
        let line = |row: usize| rows.index_axis_move(Axis(0), row).to_slice();
        if rows.nrows() == 4
            && let (Some(a), Some(b), Some(c), Some(d)) = (line(0), line(1), line(2), line(3))
        {
            for ((((sum, &a), &b), &c), &d) in sums.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                *sum += (addend(a) + addend(b)) + (addend(c) + addend(d));
            }
            continue;
        }
        for row in rows.rows() {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum += addend(value);
            }
        }
    }
}

/// Adds rows of a few values each, as many of them at once as make a line worth a loop.
fn add_short_rows<T: Element>(values: &[T], sums: &mut [f64], addend: impl Addend<T>) {
    let cols = sums.len();
    if cols == 0 {
        return;
    }
    let joined = (4 * LANES).div_ceil(cols) * cols;
    let mut line = vec![0.0; joined];
    let lines = values.chunks_exact(joined);
    let rest = lines.remainder();
    for values in lines {
        for (sum, &value) in line.iter_mut().zip(values) {
            *sum += addend(value);
        }
    }
    for row in line.chunks_exact(cols) {
        add_all(sums, row);
    }
    for row in rest.chunks_exact(cols) {
        for (sum, &value) in sums.iter_mut().zip(row) {
            *sum += addend(value);
        }
    }
}

/// Adds a sparse block's entries: whole lines of columns, or entries one by one where lines are rows.
fn add_sparse<T: Element>(block: &Compressed<'_, T>, sums: &mut [f64], addend: impl Addend<T>) {
    match (block.compression, block.indices) {
        (Compression::Csc, _) => add_lines(block.offsets, block.data, sums, addend),
        (Compression::Csr, Indices::I32(cols)) => add_entries(cols, block.data, sums, addend),
        (Compression::Csr, Indices::I64(cols)) => add_entries(cols, block.data, sums, addend),
    }
}

/// Adds lines of `data`, which begin at `offsets`, one to each sum.
fn add_lines<T: Element>(offsets: &[usize], data: &[T], sums: &mut [f64], addend: impl Addend<T>) {
    let lines = sums.len();
    if lines > 1 && offsets[lines] - offsets[0] > LEAF {
        let half = lines / 2;
        let (first, second) = sums.split_at_mut(half);
        join(&mut || add_lines(&offsets[..=half], data, first, addend), &mut || {
            add_lines(&offsets[half..], data, second, addend)
        });
        return;
    }
    for (sum, ends) in sums.iter_mut().zip(offsets.windows(2)) {
        *sum += sum_of(&data[ends[0]..ends[1]], addend);
    }
}

/// Adds each of `data` to the sum of its column.
fn add_entries<T: Element, I: Position>(
    cols: &[I],
    data: &[T],
    sums: &mut [f64],
    addend: impl Addend<T>,
) {
    // Half of the entries get sums of their own, which are worth it where there are many entries a column.
    if data.len() > LEAF.max(4 * sums.len()) {
        let half = data.len() / 2;
        let mut other = vec![0.0; sums.len()];
        join(&mut || add_entries(&cols[..half], &data[..half], sums, addend), &mut || {
            add_entries(&cols[half..], &data[half..], &mut other, addend)
        });
        return add_all(sums, &other);
    }
    for (col, &value) in cols.iter().zip(data) {
        sums[col.place()] += addend(value);
    }
}

/// The sum of values that lie together, in several lanes: one addition need not wait for the last.
pub(super) fn sum_of<T: Element>(values: &[T], addend: impl Addend<T>) -> f64 {
    let mut lanes = [0.0; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane += addend(value);
        }
    }
    lanes.iter().sum::<f64>() + rest.iter().map(|&value| addend(value)).sum::<f64>()
}

fn add_all(sums: &mut [f64], others: &[f64]) {
    for (sum, other) in sums.iter_mut().zip(others) {
        *sum += other;
    }
}

/// An index in a sparse file's width: checked by the store to be within the line.
trait Position: Copy + Send + Sync {
    fn place(self) -> usize;
}

impl Position for i32 {
    fn place(self) -> usize {
        self as usize
    }
}

impl Position for i64 {
    fn place(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, ShapeBuilder, s};

    use super::*;
    use crate::store::MemoryStore;

    fn sample(rows: usize, cols: usize) -> Array2<i32> {
        Array2::from_shape_fn((rows, cols), |(i, j)| (i * 31 + j * 17) as i32 % 1001 - 300)
    }

    /// The sums that a loop over cells makes.
    fn expected(array: &ArrayView2<'_, i32>) -> Vec<f64> {
        array
            .columns()
            .into_iter()
            .map(|column| column.iter().map(|&v| f64::from(v)).sum())
            .collect()
    }

    fn tile_sums(tile: &Tile<'_, i32>, cols: usize) -> Vec<f64> {
        let mut sums = vec![0.0; cols];
        add_tile(tile, &mut sums, i32::addend, &Context::default().with_threads(3));
        sums
    }

    #[test]
    fn dense_tiles_of_every_shape_and_order() {
        for (rows, cols) in [
            (0, 3),
            (3, 0),
            (1, 1),
            (7, 1),
            (1, 9),
            (70_001, 3),
            (1003, 131),
            (3, 50_001),
            (200_003, 1),
        ] {
            let c = sample(rows, cols);
            let mut f = Array2::zeros((rows, cols).f());
            f.assign(&c);
            let wide = sample(rows, 2 * cols + 1);
            let views = [c.view(), f.view(), wide.slice(s![.., 1..;2]), wide.slice(s![.., ..cols])];
            for view in views {
                let right = expected(&view);
                let tile =
                    Tile { rows: 0..rows, cols: 0..cols, values: Values::Dense(view.view()) };
                assert_eq!(tile_sums(&tile, cols), right, "{rows}x{cols}, {:?}", view.strides());
            }
        }
    }

    #[test]
    fn sparse_tiles_of_both_kinds_and_widths() {
        for (lines, length) in [(3, 100_000), (1000, 300), (5, 0)] {
            let mut offsets = vec![0];
            let (mut positions, mut data) = (Vec::new(), Vec::new());
            for line in 0..lines {
                for position in (line % 3..length).step_by(2) {
                    positions.push(position as i32);
                    data.push((line * 7 + position) as i32 % 100 - 30);
                }
                offsets.push(data.len());
            }
            let wide: Vec<_> = positions.iter().map(|&p| i64::from(p)).collect();
            for indices in [Indices::I32(&positions), Indices::I64(&wide)] {
                for compression in [Compression::Csr, Compression::Csc] {
                    let block = Compressed { compression, offsets: &offsets, indices, data: &data };
                    let (rows, cols) = match compression {
                        Compression::Csr => (lines, length),
                        Compression::Csc => (length, lines),
                    };
                    let mut dense = Array2::zeros((rows, cols));
                    let tile = Tile { rows: 0..rows, cols: 0..cols, values: Values::Sparse(block) };
                    tile.copy_to(dense.view_mut());
                    assert_eq!(tile_sums(&tile, cols), expected(&dense.view()));
                }
            }
        }
    }

    #[test]
    fn a_visit_in_any_order_gives_every_sum() {
        let array = sample(40, 7);
        let right = expected(&array.view());
        let store = MemoryStore::new(array);
        for order in [TileOrder::Columns, TileOrder::Rows, TileOrder::Any] {
            assert_eq!(column_sums(&store, order, &Context::default()).unwrap(), right);
        }
    }

    #[test]
    fn an_empty_matrix_of_countless_columns_is_an_error() {
        let error = zeros(usize::MAX / 16).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Budget);
    }
}
