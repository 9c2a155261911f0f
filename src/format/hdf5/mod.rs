//! HDF5: which dataset of which file a path names, where its elements lie, and the header of a new file.
//!
//! Owns the metadata on both sides. A new file is what `h5py` makes of a contiguous dataset; what is found in an existing one is told as
//! byte ranges, which a store reads by its own devices. The bytes of chunks become elements in `filters`. Metadata are read by the
//! library `hdf5-pure`, of which nothing is seen outside of this folder but [`Source`].

#[cfg(feature = "hdf5")]
mod chunks;
#[cfg(feature = "hdf5")]
mod dataset;
#[cfg(feature = "hdf5")]
mod elements;
#[cfg(feature = "hdf5")]
mod error;
#[cfg(feature = "hdf5")]
mod filters;
#[cfg(feature = "hdf5")]
mod header;
mod location;

#[cfg(all(test, feature = "hdf5"))]
mod tests;

#[cfg(feature = "hdf5")]
pub use chunks::{Chunk, Chunks, Stored};
#[cfg(feature = "hdf5")]
pub use dataset::{Dataset, Storage, read_dataset};
#[cfg(feature = "hdf5")]
pub use filters::Pipeline;
#[cfg(feature = "hdf5")]
pub use hdf5_pure::{FormatError as SourceError, Source};
#[cfg(feature = "hdf5")]
pub use header::header_bytes;
pub use location::Location;
