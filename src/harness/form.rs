//! In what form a contender keeps the matrix: a file that all of its layout share, or files of its own.

use std::fmt;

use crate::array::Order;
use crate::store::Layout;

/// How a contender's data lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// A file in a layout that this crate reads and writes: one serves all who want it.
    Shared(Layout),
    /// A contiguous dataset in an HDF5 file, in C order.
    Hdf5,
    /// A file or folder in a format of this peer's own, which nobody else reads.
    Own {
        /// Which peer, as its place in the configuration.
        peer: usize,
    },
}

impl Form {
    /// What records say of the layout of files that are a peer's own.
    pub const OWN: &str = "own";

    /// The layout, where this crate knows it.
    pub const fn layout(self) -> Option<Layout> {
        match self {
            Self::Shared(layout) => Some(layout),
            Self::Hdf5 => Some(Layout::Dense(Order::C)),
            Self::Own { .. } => None,
        }
    }

    /// Whether the file is a sparse one; of files of a peer's own it is not known, and they are taken as dense.
    pub const fn is_sparse(self) -> bool {
        matches!(self, Self::Shared(Layout::Sparse(_)))
    }

    /// The extension of its files.
    pub(super) const fn extension(self) -> &'static str {
        match self {
            Self::Shared(Layout::Dense(_)) => "npy",
            Self::Shared(Layout::Sparse(_)) => "npz",
            Self::Hdf5 => "h5",
            Self::Own { .. } => Self::OWN,
        }
    }
}

impl From<Layout> for Form {
    fn from(layout: Layout) -> Self {
        Self::Shared(layout)
    }
}

/// What tells its files from others in one folder.
impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared(layout) => layout.fmt(f),
            Self::Hdf5 => f.write_str("hdf5"),
            Self::Own { peer } => write!(f, "{}-{peer}", Self::OWN),
        }
    }
}
