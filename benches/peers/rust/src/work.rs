//! Loops: on threads, by tiles, over numbers.

use std::sync::Mutex;
use std::thread;

use ndarray::{ArrayView2, ArrayViewMut2, Axis};

use crate::{Element, Result};

/// Does `work` on every item, in their order as threads become free: what is under way at a time lies close together in
/// the file. Each thread has a state of its own; all of them come back.
pub fn in_turn<I, S>(
    threads: usize,
    items: I,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, I::Item) -> Result<()> + Sync,
) -> Result<Vec<S>>
where
    I: Iterator + Send,
    S: Send,
{
    let items = Mutex::new(items.fuse());
    let next = || items.lock().ok()?.next();
    let run = || {
        let mut own = state();
        while let Some(item) = next() {
            work(&mut own, item)?;
        }
        Ok(own)
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        let mut states = vec![run()];
        states.extend(
            others
                .into_iter()
                .map(|other| other.join().unwrap_or_else(|_| Err("a thread panicked".into()))),
        );
        states.into_iter().collect()
    })
}

/// Assigns where one side is in C order and the other in Fortran order: rows by tiles that stay in the first cache.
pub fn assign_by_tiles<T: Copy>(mut to: ArrayViewMut2<T>, from: ArrayView2<T>) {
    const TILE_ROWS: usize = 64;
    let tiles =
        to.axis_chunks_iter_mut(Axis(0), TILE_ROWS).zip(from.axis_chunks_iter(Axis(0), TILE_ROWS));
    for (mut to, from) in tiles {
        for (mut to, from) in to.columns_mut().into_iter().zip(from.columns()) {
            to.assign(&from);
        }
    }
}

const LANES: usize = 8;

/// Adds in lanes, or each addition would wait for the one before.
pub fn sum<T: Element>(values: &[T]) -> f64 {
    let (whole, rest) = values.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for values in whole {
        lanes.iter_mut().zip(values).for_each(|(lane, value)| *lane += value.number());
    }
    lanes.iter().sum::<f64>() + rest.iter().map(|value| value.number()).sum::<f64>()
}

/// The product of a row and as many factors.
pub fn dot<T: Element>(values: &[T], factors: &[f64]) -> f64 {
    let ((whole, rest), (by, rest_by)) =
        (values.as_chunks::<LANES>(), factors.as_chunks::<LANES>());
    let mut lanes = [0.0; LANES];
    for (values, by) in whole.iter().zip(by) {
        for ((lane, value), factor) in lanes.iter_mut().zip(values).zip(by) {
            *lane += value.number() * factor;
        }
    }
    let rest = rest.iter().zip(rest_by).map(|(value, factor)| value.number() * factor);
    lanes.iter().sum::<f64>() + rest.sum::<f64>()
}

/// Adds rows of `sums.len()` values, each `weight` times.
pub fn add_rows<T: Element>(sums: &mut [f64], rows: &[T], weight: f64) {
    for row in rows.chunks_exact(sums.len().max(1)) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value.number());
    }
}

/// The sum of what the threads have summed.
pub fn total(sums: Vec<Vec<f64>>) -> Vec<f64> {
    let add = |mut all: Vec<f64>, part: Vec<f64>| {
        all.iter_mut().zip(part).for_each(|(all, part)| *all += part);
        all
    };
    sums.into_iter().reduce(add).unwrap_or_default()
}

/// The vector that `spmv` multiplies by.
pub fn factors(columns: usize) -> Vec<f64> {
    (0..columns).map(|column| (1 + column % 4) as f64).collect()
}
