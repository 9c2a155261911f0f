//! Sparse matrices in `.npz` files: the entries that are not zero, compressed along rows (CSR) or columns
//! (CSC).
//!
//! A thin typed layer ([`SparseStore`]) over an engine that works by the bits of elements and by lines (the
//! axis that is compressed) × positions. A file that is stored and aligned is used in place; others are copied
//! out first. Opening reads `indptr` only; indices are checked wherever they are used. What is written lies
//! over the file, in memory and a scratch file, until `sync` merges both into a new file, which takes the old
//! one's place whole.

mod across;
mod aside;
mod base;
mod builder;
mod bulk;
mod entries;
mod file;
mod foreign;
mod gather;
mod ints;
mod long_lines;
mod merge;
mod numbers;
mod opening;
mod overlay;
mod parts;
mod places;
mod plan;
mod read;
mod runs;
mod scan;
mod sorter;
mod stage;
mod stretches;
#[cfg(test)]
mod tests;
mod turn;
mod views;
mod visit;
mod window;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::{ArrayView2, ArrayViewMut2};

pub(super) use file::SparseFile;
pub use views::SparseView;

use self::base::{Base, Facts};
use self::builder::{Builder, Target};
use self::overlay::Overlay;
use self::places::Import;
use self::runs::Set;
use self::visit::Shown;
use self::write::SparseWriter;
use super::stage::Scratch;
use super::{
    Access, ArrayStore, BatchVisitor, Capabilities, ColumnWriter, Context, Entries, Extents,
    GrowthAxis, Layout, Plan, Spec, Stats, Tile, TileOrder, TileWriter, check_shape, shuffle,
};
use crate::array::{Bits, Compression, Element, Selection, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::{Device, DeviceKind, Existing, LockPolicy, Medium, Mode};

/// A sparse matrix in a file.
#[derive(Debug)]
pub struct SparseStore<T: Element> {
    engine: Engine<T::Bits>,
    spec: Spec,
}

/// What the store does, by the bits of its elements.
#[derive(Debug)]
struct Engine<W> {
    facts: Facts,
    base: Base,
    overlay: Overlay<W>,
    medium: Arc<dyn Medium>,
    path: PathBuf,
    mode: Mode,
    /// What to do where the name is taken, at the next sync.
    existing: Existing,
    /// A new file's device, until the first entries are written to it.
    fresh: Option<Box<dyn Device>>,
    /// The file under the name, while `base` is a newer one that has not got it yet: it carries the lock.
    named: Option<Box<dyn Device>>,
    /// Whether `base` is the file under the name.
    is_named: bool,
    stats: Stats,
    /// The sum of duplicates.
    sum: fn(W, W) -> W,
    context: Context,
}

impl<T: Element> SparseStore<T> {
    /// Opens the file at `path` for `mode`.
    ///
    /// # Errors
    /// As [`SparseStore::from_device`], and where the file cannot be opened or is locked.
    pub fn open(path: impl AsRef<Path>, mode: Mode, context: &Context) -> Result<Self> {
        let medium = super::Io::Mapped.medium();
        let device = medium.open(path.as_ref(), mode, LockPolicy::Enforce)?;
        Self::from_device(device, medium, mode, context)
    }

    /// The matrix in the file on `device`, opened for `mode`. Reads headers and `indptr`; a compressed file is
    /// read when its entries are first asked for.
    ///
    /// # Errors
    /// Where the file is none that `scipy.sparse.save_npz` writes for CSR or CSC, or holds another type
    /// ([`ErrorKind::DtypeMismatch`]).
    pub fn from_device(
        device: Box<dyn Device>,
        medium: Arc<dyn Medium>,
        mode: Mode,
        context: &Context,
    ) -> Result<Self> {
        let file = SparseFile::read(&*device, false)?;
        Self::from_file(device, file, medium, mode, context)
    }

    /// The matrix in the file on `device`, whose headers were read.
    pub(super) fn from_file(
        device: Box<dyn Device>,
        file: SparseFile,
        medium: Arc<dyn Medium>,
        mode: Mode,
        context: &Context,
    ) -> Result<Self> {
        let facts = file.facts();
        let Facts { compression, shape, dtype } = facts;
        let path = device.path().map(PathBuf::from).unwrap_or_default();
        if dtype != T::DTYPE {
            let reason = format!("holds {dtype}, not {}", T::DTYPE);
            return Err(Error::new(ErrorKind::DtypeMismatch, "open", reason).at(&path));
        }
        let bytes_on_disk = device.len();
        let base = match file {
            SparseFile::Compressed(layout) => {
                Base::open(device, layout, Arc::clone(&medium), context)?
            }
            SparseFile::Foreign(foreign) if mode == Mode::ReadWrite => {
                let reason = format!("a file in {} format is not written to", foreign.format());
                return Err(Error::new(ErrorKind::Unsupported, "open", reason)
                    .at(&path)
                    .hint("convert it to a new .npz, which is"));
            }
            SparseFile::Foreign(foreign) => {
                let import = Import { foreign, facts, import: foreign::import::<T> };
                Base::foreign(device, import, Arc::clone(&medium))
            }
        };
        let stats = Stats {
            bytes_on_disk,
            stored: base.entries(),
            ignored_bytes: base.ignored_bytes(),
            read_from: base.foreign_format(),
            chunks: None,
        };
        let spec = Spec { shape, dtype, layout: Layout::Sparse(compression), file_shape: None };
        let engine = Engine {
            facts,
            base,
            overlay: Overlay::new(),
            medium,
            path,
            mode,
            existing: Existing::Replace,
            fresh: None,
            named: None,
            is_named: true,
            stats,
            sum: sum_bits::<T>,
            context: context.clone(),
        };
        Ok(Self { engine, spec })
    }

    /// A new file of zeros, which appears under `path` at the first [`ArrayStore::sync`].
    ///
    /// # Errors
    /// Where the shape is too large, or the file exists and `existing` refuses that.
    pub fn create(
        medium: Arc<dyn Medium>,
        path: &Path,
        shape: Shape,
        compression: Compression,
        existing: Existing,
        context: &Context,
    ) -> Result<Self> {
        let facts = Facts { compression, shape, dtype: T::DTYPE };
        let fresh = medium.create(path, 0, existing)?;
        let engine = Engine {
            facts,
            base: Base::empty(facts.lines(), size_of::<T>()),
            overlay: Overlay::new(),
            medium,
            path: path.to_owned(),
            mode: Mode::ReadWrite,
            existing,
            fresh: Some(fresh),
            named: None,
            is_named: false,
            stats: Stats {
                bytes_on_disk: 0,
                stored: 0,
                ignored_bytes: 0,
                read_from: None,
                chunks: None,
            },
            sum: sum_bits::<T>,
            context: context.clone(),
        };
        let layout = Layout::Sparse(compression);
        Ok(Self { engine, spec: Spec { shape, dtype: T::DTYPE, layout, file_shape: None } })
    }

    fn check_writable(&self) -> Result<()> {
        if self.engine.mode != Mode::Read {
            return Ok(());
        }
        let error = Error::new(ErrorKind::ReadOnly, "write", "opened for reading only");
        Err(error.at(&self.engine.path))
    }

    /// Whether so many lines can be appended.
    fn check_growth(&self, lines: usize) -> Result<()> {
        let refuse =
            |kind, reason: String| Error::new(kind, "append", reason).at(&self.engine.path);
        match self.engine.mode {
            Mode::ReadWrite => {}
            Mode::Read => return self.check_writable(),
            Mode::CopyOnWrite => {
                let reason = "a private copy does not grow".to_owned();
                return Err(refuse(ErrorKind::Unsupported, reason)
                    .hint("open the file for reading and writing"));
            }
        }
        let most = i64::MAX as usize;
        match self.engine.facts.lines().checked_add(lines).filter(|&all| all <= most) {
            Some(_) => Ok(()),
            None => {
                let reason =
                    format!("{lines} more than {} are too many", self.engine.facts.lines());
                Err(refuse(ErrorKind::InvalidArgument, reason))
            }
        }
    }
}

fn sum_bits<T: Element>(one: T::Bits, other: T::Bits) -> T::Bits {
    bytemuck::cast(bytemuck::cast::<_, T>(one).sum(bytemuck::cast(other)))
}

impl<T: Element> ArrayStore for SparseStore<T> {
    type Elem = T;

    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn capabilities(&self) -> Capabilities {
        let Engine { medium, mode, base, .. } = &self.engine;
        let kind = medium.kind();
        Capabilities {
            write: *mode != Mode::Read,
            in_place: false,
            mapped: kind == DeviceKind::Mapped && base.is_in_place(),
            sparse: true,
            durable: *mode == Mode::ReadWrite && kind != DeviceKind::Memory,
            grows: (*mode == Mode::ReadWrite).then_some(match self.engine.facts.compression {
                Compression::Csr => GrowthAxis::Rows,
                Compression::Csc => GrowthAxis::Columns,
            }),
        }
    }

    fn stats(&self) -> Stats {
        self.engine.stats
    }

    fn extents(&self) -> Option<Extents> {
        self.engine.base.extents()
    }

    fn read(&self, selection: &Selection, mut out: ArrayViewMut2<'_, T>) -> Result<()> {
        let (rows, cols) = selection.resolve(self.spec.shape)?;
        check_shape(out.dim(), (rows.len(), cols.len()))?;
        if read::is_contiguous(&out) {
            out.fill(T::default());
        }
        self.read_picks(rows, cols, out)
    }

    fn read_into_zeros(&self, selection: &Selection, out: ArrayViewMut2<'_, T>) -> Result<()> {
        let (rows, cols) = selection.resolve(self.spec.shape)?;
        check_shape(out.dim(), (rows.len(), cols.len()))?;
        self.read_picks(rows, cols, out)
    }

    fn select_entries(&self, selection: &Selection) -> Result<Entries<T>> {
        let (rows, cols) = selection.resolve(self.spec.shape)?;
        let (lines, positions) = self.engine.split(rows, cols);
        let found = self.engine.entries_of(lines, positions, &self.engine.context)?;
        let Entries { compression, shape, offsets, indices, data } = found;
        let data = bytemuck::allocation::cast_vec(data);
        Ok(Entries { compression, shape, offsets, indices, data })
    }

    fn write(&mut self, selection: &Selection, values: ArrayView2<'_, T>) -> Result<()> {
        self.check_writable()?;
        let (rows, cols) = selection.resolve(self.spec.shape)?;
        check_shape(values.dim(), (rows.len(), cols.len()))?;
        let (lines, positions) = self.engine.split(rows, cols);
        let values = match self.engine.facts.compression {
            Compression::Csr => values,
            Compression::Csc => values.reversed_axes(),
        };
        let ((lines, last_lines), (positions, last_positions)) =
            (Set::of(lines), Set::of(positions));
        let pick = |last: &Option<Vec<usize>>, k: usize| last.as_ref().map_or(k, |last| last[k]);
        let context = self.engine.context.clone();
        let value = |l: usize, p: usize| {
            bytemuck::cast(values[(pick(&last_lines, l), pick(&last_positions, p))])
        };
        self.engine.write(lines, positions, &value, &context)
    }

    fn visit(
        &self,
        order: TileOrder,
        visitor: &mut dyn FnMut(Tile<'_, T>) -> Result<()>,
        context: &Context,
    ) -> Result<()> {
        let mut show = |shown: Shown<'_, T::Bits>| visitor(shown.tile());
        if self.engine.is_across(order) {
            self.engine.visit_across(&mut show, context)
        } else {
            self.engine.visit_along(&mut show, context)
        }
    }

    fn visit_concurrently(
        &self,
        visitor: &(dyn Fn(Tile<'_, T>) -> Result<()> + Sync),
        context: &Context,
    ) -> Result<()> {
        self.engine.visit_concurrently(&|shown| visitor(shown.tile()), context)
    }

    fn visit_rows(
        &self,
        rows: &[usize],
        batch: usize,
        visitor: &mut BatchVisitor<'_, T>,
        context: &Context,
    ) -> Result<()> {
        let Engine { medium, path, .. } = &self.engine;
        let scratch = Scratch { medium: Arc::clone(medium), near: path.clone() };
        shuffle::visit_rows(self, Some(&scratch), rows, batch, visitor, context)
    }

    fn column_writer<'a>(
        &'a mut self,
        context: &Context,
    ) -> Result<Box<dyn ColumnWriter<Elem = T> + 'a>> {
        self.check_writable()?;
        Ok(Box::new(SparseWriter::new(self, context)))
    }

    fn tile_writer<'a>(
        &'a mut self,
        context: &Context,
    ) -> Result<Box<dyn TileWriter<Elem = T> + 'a>> {
        self.check_writable()?;
        Ok(Box::new(SparseWriter::new(self, context)))
    }

    fn append(&mut self, values: ArrayView2<'_, T>) -> Result<()> {
        let values = match self.engine.facts.compression {
            Compression::Csr => values,
            Compression::Csc => values.reversed_axes(),
        };
        self.check_growth(values.nrows())?;
        let length = self.engine.facts.length();
        if values.ncols() != length {
            let line = match self.engine.facts.compression {
                Compression::Csr => "row",
                Compression::Csc => "column",
            };
            let width = values.ncols();
            let reason = format!("has {line}s of {length} elements, the values' have {width}");
            return Err(
                Error::new(ErrorKind::ShapeMismatch, "append", reason).at(&self.engine.path)
            );
        }
        Shape::new(values.nrows(), length).dense_bytes(size_of::<T>())?;
        let context = self.engine.context.clone();
        let value = |l: usize, p: usize| bytemuck::cast(values[(l, p)]);
        let appended = self.engine.append(values.nrows(), &value, &context);
        self.spec.shape = self.engine.facts.shape;
        appended
    }

    fn append_zeros(&mut self, lines: usize) -> Result<()> {
        self.check_growth(lines)?;
        self.engine.grow(lines);
        self.spec.shape = self.engine.facts.shape;
        Ok(())
    }

    fn check(&self, context: &Context) -> Result<()> {
        self.engine.base.check_members(context)?;
        self.engine.visit_along(&mut |_| Ok(()), context)
    }

    fn sync(&mut self) -> Result<()> {
        if self.engine.mode == Mode::ReadWrite { self.engine.sync() } else { Ok(()) }
    }

    fn plan(&self, access: &Access, context: &Context) -> Result<Plan> {
        match access {
            Access::Shuffle { batch } => shuffle::describe(self, *batch, context),
            access => self.engine.plan(access, context),
        }
    }
}

impl<W: Bits> Engine<W> {
    /// Whether neither the file nor what was written since has an entry.
    fn is_empty(&self) -> bool {
        self.base.entries() == 0 && self.overlay.is_empty()
    }

    /// Where new files go.
    fn target(&self) -> Target {
        Target {
            medium: Arc::clone(&self.medium),
            path: self.path.clone(),
            existing: (self.mode == Mode::ReadWrite).then_some(self.existing),
        }
    }

    /// Begins a new file, in which `expected` entries are.
    fn builder(&mut self, expected: u64) -> Result<Builder> {
        Builder::new(self.target(), self.facts, expected, self.fresh.take())
    }

    /// Takes a new file for what the store holds.
    fn replace(&mut self, base: Base) -> Result<()> {
        let before = std::mem::replace(&mut self.base, base);
        if std::mem::take(&mut self.is_named) {
            self.named = before.into_device();
        }
        self.overlay.clear();
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        let context = self.context.clone();
        self.fold(&context)?;
        if self.base.device().is_none() {
            let mut builder = self.builder(0)?;
            merge::copy_lines(self, 0..self.facts.lines(), &mut builder, &context)?;
            self.replace(builder.finish()?)?;
        }
        if self.is_named {
            return Ok(());
        }
        self.base.device_mut().expect("it was just made").sync()?;
        self.is_named = true;
        self.named = None;
        self.existing = Existing::Replace;
        self.stats = Stats {
            bytes_on_disk: self.base.file_bytes(),
            stored: self.base.entries(),
            ignored_bytes: 0,
            read_from: None,
            chunks: None,
        };
        Ok(())
    }
}
