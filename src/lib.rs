//! Matrices larger than memory behind one trait.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

#[cfg(target_endian = "big")]
compile_error!(
    "arraystore maps little-endian files in place and supports little-endian machines only"
);

pub mod array;
pub mod convert;
pub mod error;
pub mod format;
pub mod store;
pub mod sys;

#[cfg(feature = "program")]
pub mod cli;
#[cfg(feature = "program")]
pub mod harness;
#[cfg(feature = "program")]
pub mod measure;
#[cfg(feature = "program")]
pub mod record;
#[cfg(feature = "program")]
pub mod report;
#[cfg(feature = "program")]
pub mod workload;

pub use error::{Error, ErrorKind, Result};
