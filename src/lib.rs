//! Matrices larger than memory behind one trait.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

#[cfg(target_endian = "big")]
compile_error!("arraystore maps little-endian files in place and supports little-endian machines only");

pub mod array;
pub mod error;
#[cfg(feature = "program")]
pub mod record;
pub mod store;
pub mod sys;

pub use error::{Error, ErrorKind, Result};
