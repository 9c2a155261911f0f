//! Files that are no CSR and no CSC: the other formats of SciPy's, and Matrix Market. They are read once, from front to
//! back, into a nameless compressed file beside them, which is then used like any other.
//!
//! Owns what such a file is, and the way of its entries into the sorter. What its bytes mean is `format`'s.

mod arrays;
mod market;

use super::base::{Base, Facts};
use super::builder::Target;
use super::sorter::{Arrival, Keys, Sorter};
use crate::array::{Bits, Compression, DType, Element, Shape};
use crate::error::Result;
use crate::format::mtx;
use crate::format::npz::{BsrLayout, CooLayout, DiaLayout};
use crate::store::Context;
use crate::sys::Device;

/// Entries that are handed on at a time.
const BATCH_ENTRIES: usize = 16 << 10;

/// A file that is read once, by its headers.
#[derive(Debug, Clone)]
pub(in crate::store) enum Foreign {
    Coo(CooLayout),
    Bsr(BsrLayout),
    Dia(DiaLayout),
    Market(mtx::Header),
}

impl Foreign {
    /// The format's name.
    pub(super) fn format(&self) -> &'static str {
        match self {
            Self::Coo(_) => "coo",
            Self::Bsr(_) => "bsr",
            Self::Dia(_) => "dia",
            Self::Market(header) if header.form == mtx::Form::Array => "mtx array",
            Self::Market(_) => "mtx coordinate",
        }
    }

    pub(super) fn shape(&self) -> Shape {
        match self {
            Self::Coo(layout) => layout.shape,
            Self::Bsr(layout) => layout.shape,
            Self::Dia(layout) => layout.shape,
            Self::Market(header) => header.shape,
        }
    }

    pub(super) fn dtype(&self) -> DType {
        match self {
            Self::Coo(layout) => layout.data.dtype,
            Self::Bsr(layout) => layout.data.dtype,
            Self::Dia(layout) => layout.data.dtype,
            Self::Market(header) => header.field.dtype(),
        }
    }

    /// Whether it is an archive, whose members have checksums.
    pub(super) fn is_archive(&self) -> bool {
        !matches!(self, Self::Market(_))
    }

    /// What it is read into: CSR, but for values that lie column by column, and for rows that are many more than all
    /// else: each would be a place in the file.
    pub(super) fn compression(&self) -> Compression {
        let shape = self.shape();
        let is_mostly_rows =
            shape.rows > shape.cols && shape.rows as u64 / 4 > self.stated() + 1024;
        match self {
            Self::Market(header) if header.form == mtx::Form::Array => Compression::Csc,
            _ if is_mostly_rows => Compression::Csc,
            _ => Compression::Csr,
        }
    }

    /// Values that are stated.
    pub(super) fn stated(&self) -> u64 {
        match self {
            Self::Coo(layout) => layout.data.elements,
            Self::Bsr(layout) => layout.data.elements,
            Self::Dia(layout) => layout.data.elements,
            Self::Market(header) => header.stated,
        }
    }

    /// The memory in which it is sorted, and that in which it is read and then written: a quarter for text or members.
    pub(super) fn shares(context: &Context) -> (Context, Context) {
        (context.share(3, 4), context.share(1, 4))
    }

    /// Entries that it can have at most.
    pub(super) fn most_entries(&self) -> u64 {
        match self {
            Self::Market(header) => header.most_entries(),
            _ => self.stated(),
        }
    }
}

/// Where an entry goes.
#[derive(Debug, Clone, Copy)]
struct Placing {
    keys: Keys,
    compression: Compression,
    shape: Shape,
}

impl Placing {
    #[inline]
    fn key(self, row: usize, col: usize) -> u64 {
        match self.compression {
            Compression::Csr => self.keys.of(row, col),
            Compression::Csc => self.keys.of(col, row),
        }
    }
}

/// Who is handed entries: keys, and as many values.
type PutEntries<'p, W> = dyn FnMut(&[u64], &[W]) -> Result<()> + Send + 'p;

/// Reads the foreign file on `device` into a compressed one beside it, within the budget.
pub(super) fn import<T: Element>(
    foreign: &Foreign,
    facts: Facts,
    device: &dyn Device,
    target: &Target,
    context: &Context,
) -> Result<Base> {
    let entries = foreign.most_entries();
    context.begin("read", device.len());
    let (sorting, reading) = Foreign::shares(context);
    let coming = (entries, Arrival::Any);
    let mut sorter = Sorter::new(facts, coming, target.clone(), super::sum_bits::<T>, sorting)?;
    let placing =
        Placing { keys: sorter.keys(), compression: facts.compression, shape: facts.shape };
    read::<T::Bits>(foreign, placing, device, &reading, &mut |keys, values| {
        sorter.add(keys, values)
    })?;
    sorter.into_file(entries)
}

fn read<W: Bits>(
    foreign: &Foreign,
    placing: Placing,
    device: &dyn Device,
    context: &Context,
    put: &mut PutEntries<'_, W>,
) -> Result<()> {
    match foreign {
        Foreign::Coo(layout) => arrays::read_coo(layout, placing, device, context, put),
        Foreign::Bsr(layout) => arrays::read_bsr(layout, placing, device, context, put),
        Foreign::Dia(layout) => arrays::read_dia(layout, placing, device, context, put),
        Foreign::Market(header) => market::read(header, placing, device, context, put),
    }
}
