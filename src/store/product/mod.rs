//! Products with what is in a file: A·B and Aᵀ·B for a dense B of few columns, in one visit.
//!
//! Owns the loops over tiles. A tile is *lines* that lie together, of whatever axis: either each line is multiplied with
//! what is at its positions and summed (*gathered*: A·B of rows), or each line's factor is spread over its positions
//! (*scattered*: A·B of columns). Knows no file.

mod dense;
mod lines;
mod reduce;
mod sparse;

#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use reduce::Along;
pub(super) use reduce::{count_nonzero, largest, sums};

use ndarray::{Array2, ArrayView2};

use self::sparse::Lines;
use super::{ArrayStore, Context, Indices, Tile, TileOrder, Values, check_shape};
use crate::array::{Arithmetic, Compression, Element, Shape, Wide};
use crate::error::Result;
use crate::sys::prefer_huge_pages;

/// Elements below which a tile is not worth another thread's wake-up.
const PARALLEL_ELEMENTS: usize = 1 << 15;

/// What each line's product is made with.
struct Factors<'f, N> {
    /// What lies at the tile's positions (gathered), or at its lines (scattered): `width` numbers for each.
    from: &'f [N],
    /// Columns of B.
    width: usize,
}

/// How an element becomes a number of the product. A float becomes a float of the same value: loops for floats alone rely on it.
trait Lift<T, N>: Fn(T) -> N + Copy + Send + Sync {}
impl<T, N, F: Fn(T) -> N + Copy + Send + Sync> Lift<T, N> for F {}

/// A·B, or Aᵀ·B where `transposed`.
pub(super) fn multiply<T: Arithmetic>(
    store: &(impl ArrayStore<Elem = T> + ?Sized),
    factor: ArrayView2<'_, T>,
    transposed: bool,
    context: &Context,
) -> Result<Array2<T>> {
    let Shape { rows, cols } = store.spec().shape;
    let (inner, outer) = if transposed { (rows, cols) } else { (cols, rows) };
    let width = factor.ncols();
    check_shape((factor.nrows(), width), (inner, width))?;
    let numbers = factor.len().saturating_add(outer.saturating_mul(width));
    let _memory = context.reserve((numbers as u64).saturating_mul(size_of::<T::Wide>() as u64))?;
    let mut from = Vec::with_capacity(factor.len());
    prefer_huge_pages(&mut from);
    from.extend(factor.iter().map(|value| value.widen()));
    let mut sums = zeros(outer * width);
    let product = Product { from: &from, width, transposed, lift: T::widen };
    product.add_to(&mut sums, store, context)?;
    let narrowed = sums.into_iter().map(T::narrow).collect();
    Ok(Array2::from_shape_vec((outer, width), narrowed).expect("a sum for each element"))
}

/// A·`factor` in f64, of what `lift` makes of each element: for workloads, whose answers are the same for every type.
#[cfg(feature = "program")]
pub(crate) fn multiply_as_f64<T: Element>(
    store: &(impl ArrayStore<Elem = T> + ?Sized),
    factor: &[f64],
    lift: impl Fn(T) -> f64 + Copy + Send + Sync,
    context: &Context,
) -> Result<Vec<f64>> {
    let Shape { rows, cols } = store.spec().shape;
    check_shape((factor.len(), 1), (cols, 1))?;
    let _memory = context.reserve(rows as u64 * size_of::<f64>() as u64)?;
    let mut sums = zeros(rows);
    let product = Product { from: factor, width: 1, transposed: false, lift };
    product.add_to(&mut sums, store, context)?;
    Ok(sums)
}

/// What a store is multiplied with: B, `from`, is `width` numbers wide; for Aᵀ·B where `transposed`.
#[derive(Clone, Copy)]
struct Product<'f, N, L> {
    from: &'f [N],
    width: usize,
    transposed: bool,
    lift: L,
}

impl<N: Wide, L> Product<'_, N, L> {
    /// Adds the product with `store` to `sums`.
    fn add_to<T: Element>(
        self,
        sums: &mut [N],
        store: &(impl ArrayStore<Elem = T> + ?Sized),
        context: &Context,
    ) -> Result<()>
    where
        L: Lift<T, N>,
    {
        if store.capabilities().sparse && context.threads() > 1 {
            // Threads that scatter have sums of their own.
            let bytes = (size_of_val(sums) * context.threads()) as u64;
            if let Ok(_memory) = context.reserve(bytes) {
                return self.add_concurrently(sums, store, context);
            }
        }
        let mut add = |tile: Tile<'_, T>| {
            let outer = self.outer(&tile);
            self.add_tile(&tile, &mut sums[outer], context);
            Ok(())
        };
        store.visit(TileOrder::Any, &mut add, context)
    }

    /// The same, with tiles on several threads at once: what lines are gathered into is of one tile alone; what they are
    /// scattered over is summed apart.
    fn add_concurrently<T: Element>(
        self,
        sums: &mut [N],
        store: &(impl ArrayStore<Elem = T> + ?Sized),
        context: &Context,
    ) -> Result<()>
    where
        L: Lift<T, N>,
    {
        let count = sums.len();
        let (sums, apart) = (Mutex::new(sums), Mutex::new(Vec::<Vec<N>>::new()));
        let alone = context.clone().with_threads(1);
        let add = |tile: Tile<'_, T>| {
            let outer = self.outer(&tile);
            if self.is_gathered(&tile) {
                let mut own = vec![N::default(); outer.len()];
                self.add_tile(&tile, &mut own, &alone);
                add_all(&mut lock(&sums)[outer], &own);
                return Ok(());
            }
            let spare = lock(&apart).pop();
            let mut own = spare.unwrap_or_else(|| zeros(count));
            self.add_tile(&tile, &mut own[outer], &alone);
            lock(&apart).push(own);
            Ok(())
        };
        store.visit_concurrently(&add, context)?;
        let mut sums = lock(&sums);
        for own in lock(&apart).iter() {
            let part = count.div_ceil(context.threads()).max(1);
            let parts = sums.chunks_mut(part).zip(own.chunks(part)).collect();
            context.for_each(parts, |_, (sums, own)| add_all(sums, own));
        }
        Ok(())
    }

    /// Which of the sums a tile adds to.
    fn outer<T>(&self, tile: &Tile<'_, T>) -> Range<usize> {
        let outer = if self.transposed { &tile.cols } else { &tile.rows };
        outer.start * self.width..outer.end * self.width
    }

    /// Whether the lines of a sparse tile are gathered: rows for A·B, columns for Aᵀ·B. Of a dense one either will do.
    fn is_gathered<T>(&self, tile: &Tile<'_, T>) -> bool {
        match &tile.values {
            Values::Sparse(block) => (block.compression == Compression::Csr) != self.transposed,
            Values::Dense(_) => false,
        }
    }

    /// Adds a tile's share to the sums of what it covers.
    fn add_tile<T: Element>(&self, tile: &Tile<'_, T>, sums: &mut [N], context: &Context)
    where
        L: Lift<T, N>,
    {
        let inner = if self.transposed { &tile.rows } else { &tile.cols };
        let from = &self.from[inner.start * self.width..inner.end * self.width];
        let factors = Factors { from, width: self.width };
        if self.width == 0 || sums.is_empty() {
            return;
        }
        match &tile.values {
            Values::Sparse(block) => {
                let is_gathered = self.is_gathered(tile);
                match block.indices {
                    Indices::I32(indices) => {
                        let lines = Lines::new(block, indices, &factors, self.lift);
                        lines.add(is_gathered, sums, context);
                    }
                    Indices::I64(indices) => {
                        let lines = Lines::new(block, indices, &factors, self.lift);
                        lines.add(is_gathered, sums, context);
                    }
                }
            }
            Values::Dense(block) => {
                let by_columns = block.strides()[0] == 1 && block.ncols() != 1;
                let lines = if by_columns { block.t() } else { block.view() };
                if by_columns == self.transposed {
                    dense::gather(lines, &factors, sums, self.lift, context);
                } else {
                    dense::scatter(lines, &factors, sums, self.lift, context);
                }
            }
        }
    }
}

fn lock<L>(mutex: &Mutex<L>) -> MutexGuard<'_, L> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn zeros<N: Wide>(count: usize) -> Vec<N> {
    let mut zeros = vec![N::default(); count];
    prefer_huge_pages(&mut zeros);
    zeros
}

fn add_all<N: Wide>(sums: &mut [N], others: &[N]) {
    sums.iter_mut().zip(others).for_each(|(sum, &other)| *sum = sum.plus(other));
}

/// The sum of all lanes: halves onto halves, so that vectors stay whole.
#[inline(always)]
fn sum_of<N: Wide, const LANES: usize>(mut lanes: [N; LANES]) -> N {
    let mut half = LANES / 2;
    while half > 0 {
        for k in 0..half {
            lanes[k] = lanes[k].plus(lanes[k + half]);
        }
        half /= 2;
    }
    lanes[0]
}

/// sum += value · factor, for each column of B.
#[inline]
fn add_scaled<N: Wide>(sums: &mut [N], value: N, factors: &[N]) {
    for (sum, &factor) in sums.iter_mut().zip(factors) {
        *sum = sum.plus(value.times(factor));
    }
}
