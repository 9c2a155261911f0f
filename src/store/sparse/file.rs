//! What a sparse file holds, by its headers.

use std::io::BufReader;

use super::base::Facts;
use super::foreign::Foreign;
use crate::array::DType;
use crate::error::Result;
use crate::format::mtx::read_header;
use crate::format::npz::{NpzContents, NpzLayout, read_contents};
use crate::store::reader::DeviceReader;
use crate::sys::{Advice, Device};

/// What a sparse file holds, by its headers.
#[derive(Debug)]
pub(in crate::store) enum SparseFile {
    /// CSR or CSC.
    Compressed(NpzLayout),
    /// Another format.
    Foreign(Foreign),
}

impl SparseFile {
    /// Reads the headers of the file on `device`, which is a Matrix Market file or else an archive.
    ///
    /// # Errors
    /// Where it is none of the formats that are read.
    pub(in crate::store) fn read(device: &dyn Device, is_market: bool) -> Result<Self> {
        // Here and there a few bytes: on a map, a fault would bring in whatever lies around them.
        device.advise(Advice::Random);
        let read = if is_market {
            let mut reader = BufReader::new(DeviceReader::new(device));
            read_header(&mut reader, device.len()).map(Foreign::Market).map(Self::Foreign)
        } else {
            read_contents(DeviceReader::new(device)).map(|contents| match contents {
                NpzContents::Compressed(layout) => Self::Compressed(layout),
                NpzContents::Coo(layout) => Self::Foreign(Foreign::Coo(layout)),
                NpzContents::Bsr(layout) => Self::Foreign(Foreign::Bsr(layout)),
                NpzContents::Dia(layout) => Self::Foreign(Foreign::Dia(layout)),
            })
        };
        device.advise(Advice::Normal);
        read.map_err(|error| match device.path() {
            Some(path) => error.at(path),
            None => error,
        })
    }

    /// What never changes of it. Another format is read into CSR, but for values that lie column by column.
    pub(super) fn facts(&self) -> Facts {
        match self {
            Self::Compressed(layout) => {
                Facts { compression: layout.compression, shape: layout.shape, dtype: layout.dtype }
            }
            Self::Foreign(foreign) => Facts {
                compression: foreign.compression(),
                shape: foreign.shape(),
                dtype: foreign.dtype(),
            },
        }
    }

    /// The element type.
    pub(in crate::store) fn dtype(&self) -> DType {
        self.facts().dtype
    }
}
