//! Matrices kept in files: the trait, the three ways to keep them, and copying between them.
//!
//! Owns [`ArrayStore`] and its implementations, dense and sparse, the plans that they follow and the
//! [`Context`] that long operations run in. All bytes pass through [`crate::sys`] devices. Knows
//! nothing of workloads, measurements or the command line; prints and times nothing.

mod context;
mod plan;
mod spec;
mod tile;
mod traits;

pub use context::{Budget, Cancel, Context, Progress, Reservation};
pub use plan::{Access, Plan, Step, StepKind, TileOrder};
pub use spec::{Capabilities, Compression, IndexWidth, Layout, Spec, Stats};
pub use tile::{Compressed, Indices, Tile, Values};
pub use traits::{ArrayStore, ArrayStoreExt, ColumnWriter};
