//! The sum of each column: what visits answer with. It is inside the timing, so it is made to cost less
//! than memory's own speed.

use super::Value;
use crate::error::Result;
use crate::store::{ArrayStore, Context, TileOrder};

/// The visiting workloads: each column's sum in f64, made in one visit in `order`
/// ([`TileOrder::Columns`] for `extract-columns`, [`TileOrder::Any`] for `scan`).
///
/// A complex number counts as the sum of its parts, `true` as 1.
///
/// # Errors
/// As [`ArrayStore::visit`].
pub fn column_sums<T: Value>(
    _store: &dyn ArrayStore<Elem = T>,
    _order: TileOrder,
    _context: &Context,
) -> Result<Vec<f64>> {
    todo!()
}
