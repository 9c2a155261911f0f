//! What both peers need: trial protocol v1, generated data v1, and loops on threads. Knows no file format but the
//! `.npy` files that columns are given in.

mod data;
mod protocol;
mod work;

pub use data::{Columns, Dense, Element};
pub use protocol::{Clock, Pick, Sampler, Sampling, Trial, lock_version, serve};
pub use work::{add_rows, assign_by_tiles, dot, factors, in_turn, sum, total};

use ndarray::ArrayView2;

/// Every reason to fail is told in one line, so none has a type of its own.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
pub type Result<T> = std::result::Result<T, Error>;

/// Rows that an epoch takes at a time.
pub const BATCH_ROWS: usize = 256;

/// Makes what a fill wrote durable.
pub type Flush = Box<dyn FnOnce() -> Result<()>>;

/// A way to keep a matrix of `T`: all that differs between peers. Each call opens anew and keeps nothing.
pub trait Store<T: Element> {
    /// Makes the peer's own files from a dense one.
    fn convert(_trial: &Trial, _source: ArrayView2<T>) -> Result<()> {
        Err("works on .npy files".into())
    }

    /// Writes every column; the last one, and what is left to do to make all of them durable.
    fn fill(trial: &Trial, columns: &Columns<T>, clock: &mut Clock) -> Result<(Vec<T>, Flush)>;

    /// The selected cells in C order.
    fn extract(trial: &Trial) -> Result<Vec<T>>;

    /// Brings every column into memory, one after another, and shows them in groups: each as a row that is contiguous.
    fn columns(trial: &Trial, visit: &mut dyn FnMut(ArrayView2<T>) -> Result<()>) -> Result<()>;

    /// The sum of each column.
    fn scan(trial: &Trial) -> Result<Vec<f64>>;

    /// The product with [`factors`].
    fn multiply(trial: &Trial) -> Result<Vec<f64>>;

    /// The sum of each column, over rows in the given order and weighted by batch.
    fn epoch(trial: &Trial) -> Result<Vec<f64>>;
}
