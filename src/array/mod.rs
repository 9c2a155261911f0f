//! The vocabulary: what a matrix is, whatever holds it.
//!
//! Owns [`Shape`], [`Order`], [`Compression`], [`DType`] and [`Element`], [`Selection`] and [`Digest`].
//! Does no I/O and knows neither files nor stores.

mod cast;
mod compression;
mod digest;
mod dtype;
mod element;
mod select;
mod shape;
mod wide;

pub use cast::Number;
pub use compression::{Compression, IndexWidth};
pub use digest::{Digest, Digester};
pub use dtype::DType;
pub use element::{Bits, Bool, Element};
pub use select::{Axis, AxisExpr, Picks, Selection};
pub use shape::{Order, Shape};
pub use wide::{Arithmetic, Wide};

pub use crate::dispatch;

pub use half::f16;
pub use num_complex::{Complex32, Complex64};
