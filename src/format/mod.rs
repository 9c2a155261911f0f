//! Bytes ↔ headers and extents: npy, npz, HDF5, raw; lines of Matrix Market.
//!
//! Owns parsing and writing of headers. Knows no store and opens no file: it is handed bytes or readers
//! and gives back where values lie and what they are. A dense file, whatever its format, becomes a
//! [`DenseLayout`] that was checked against the file's length. Each format has exact errors of its own,
//! private to it, which are lifted into [`crate::Error`].

pub mod hdf5;
mod layout;
pub mod mtx;
pub mod npy;
pub mod npz;
pub mod raw;

pub use layout::{ByteOrder, DenseLayout, StatedBy, matrix_shape};
