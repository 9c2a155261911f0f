//! Whether an answer is right: read by the harness itself, compared with what is known beforehand.
//!
//! A fill is read back after eviction and through another device than the one that wrote it: a file compared
//! with itself through the map that wrote it would prove nothing.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::config::{Backend, Contender, Regime};
use super::matrix::Matrix;
use super::{regime, values_path};
use crate::array::{Digest, Order, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{AnyStore, ArrayStoreExt, Context, Io, Layout, OpenOptions, RawLayout};
use crate::with_store;
use crate::workload::Workload;

/// What is wrong where the column that a fill ended with is not in its file.
const OTHER_COLUMN: &str = "the last column, as kept by the writer, differs from the file's";

/// What was found in an answer that could be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Found {
    /// The digest of the values, where all of them were there.
    pub digest: Option<Digest>,
    /// What a fill was read back through.
    pub through: Option<String>,
    /// What is wrong with it.
    pub wrong: Option<String>,
}

/// Reads answers and compares them.
#[derive(Debug)]
pub(super) struct Checker<'a> {
    pub matrix: &'a Matrix,
    pub context: &'a Context,
}

impl Checker<'_> {
    /// Checks the values that an extract left at `path`, in C order.
    ///
    /// # Errors
    /// Where they cannot be read, or are not as many as there should be.
    pub(super) fn values(&self, workload: Workload, shape: Shape, path: &Path) -> Result<Found> {
        let digest = self.raw_digest(shape, Order::C, path)?;
        let wrong = self.matrix.answers.check_selection(workload, digest).err();
        Ok(Found { digest: Some(digest), through: None, wrong })
    }

    /// Checks the sums that a visit left at `path` and, where it was asked for them, all values, which lie as `values` says.
    ///
    /// # Errors
    /// As [`Checker::values`].
    pub(super) fn sums(
        &self,
        workload: Workload,
        path: &Path,
        values: Option<Layout>,
    ) -> Result<Found> {
        let bytes = read_exactly(path, self.matrix.shape.cols.saturating_mul(8))?;
        let sums: Vec<f64> = bytemuck::pod_collect_to_vec(&bytes);
        let mut found = Found {
            wrong: self.matrix.answers.check_sums(workload, &sums).err(),
            ..Found::default()
        };
        if let Some(layout) = values {
            let path = values_path(path, layout);
            let digest = match layout {
                Layout::Dense(order) => self.raw_digest(self.matrix.shape, order, &path)?,
                Layout::Sparse(_) => self.sparse_digest(&path)?,
            };
            found.digest = Some(digest);
            found.wrong = found.wrong.or(self.matrix.answers.check_matrix(digest).err());
        }
        Ok(found)
    }

    /// Checks the product that was left at `path`.
    ///
    /// # Errors
    /// As [`Checker::values`].
    pub(super) fn product(&self, path: &Path) -> Result<Found> {
        let bytes = read_exactly(path, self.matrix.shape.rows.saturating_mul(8))?;
        let product: Vec<f64> = bytemuck::pod_collect_to_vec(&bytes);
        let wrong = self.matrix.answers.check_product(&product).err();
        Ok(Found { wrong, ..Found::default() })
    }

    /// Checks the file that `contender` filled and the last column that it kept at `kept`.
    ///
    /// # Errors
    /// Where either cannot be read, or the file is no such file as was asked for.
    pub(super) fn file(
        &self,
        contender: Contender,
        layout: Layout,
        path: &Path,
        kept: &Path,
    ) -> Result<Found> {
        let (io, mut through) = other_device(contender, layout);
        if regime::establish(Regime::Cold, path).is_err() {
            // It is still another device, but some bytes may never have left the cache.
            through.push_str(", from the page cache");
        }
        let options = OpenOptions { io, context: self.context.clone(), ..OpenOptions::default() };
        let store = AnyStore::open(path, &options)?;
        self.check_spec(&store, layout)?;
        let digest = store.digest(self.context)?;
        let mut wrong = self.matrix.answers.check_matrix(digest).err();
        if wrong.is_none() && !self.keeps_last_column(&store, kept)? {
            wrong = Some(OTHER_COLUMN.to_owned());
        }
        Ok(Found { digest: Some(digest), through: Some(through), wrong })
    }

    /// Checks all values of what was filled, as they were read back to `values`, column after column, and the last column that was
    /// kept at `kept`.
    ///
    /// # Errors
    /// As [`Checker::values`].
    pub(super) fn read_back(&self, values: &Path, kept: &Path) -> Result<Found> {
        let Matrix { shape, dtype, .. } = *self.matrix;
        let digest = self.raw_digest(shape, Order::Fortran, values)?;
        let mut wrong = self.matrix.answers.check_matrix(digest).err();
        let raw = RawLayout { dtype, shape, order: Order::Fortran, offset: 0 };
        let options = OpenOptions { raw: Some(raw), ..OpenOptions::default() };
        if wrong.is_none() && !self.keeps_last_column(&AnyStore::open(values, &options)?, kept)? {
            wrong = Some(OTHER_COLUMN.to_owned());
        }
        Ok(Found { digest: Some(digest), through: None, wrong })
    }

    /// Checks that a data file holds the matrix.
    ///
    /// # Errors
    /// Where it cannot be read or holds something else.
    pub(super) fn data_file(&self, layout: Layout, path: &Path) -> Result<()> {
        let options = OpenOptions { context: self.context.clone(), ..OpenOptions::default() };
        let store = AnyStore::open(path, &options)?;
        self.check_spec(&store, layout)?;
        let checked = self.matrix.answers.check_matrix(store.digest(self.context)?);
        checked.map_err(|wrong| Error::new(ErrorKind::Malformed, "prepare", wrong))
    }

    /// The digest of the matrix in the sparse file at `path`.
    fn sparse_digest(&self, path: &Path) -> Result<Digest> {
        let options = OpenOptions { context: self.context.clone(), ..OpenOptions::default() };
        AnyStore::open(path, &options)?.digest(self.context)
    }

    fn check_spec(&self, store: &AnyStore, layout: Layout) -> Result<()> {
        let (found, matrix) = (store.spec(), self.matrix);
        if (found.shape, found.dtype, found.layout) == (matrix.shape, matrix.dtype, layout) {
            return Ok(());
        }
        let reason = format!(
            "the file is {} {} {}, not {} {} {layout}",
            found.shape, found.dtype, found.layout, matrix.shape, matrix.dtype
        );
        Err(Error::new(ErrorKind::ShapeMismatch, "verify", reason))
    }

    /// Whether the column at `kept` is the last one of `store`, bit for bit.
    fn keeps_last_column(&self, store: &AnyStore, kept: &Path) -> Result<bool> {
        let Shape { rows, cols } = self.matrix.shape;
        let kept = read_exactly(kept, rows.saturating_mul(self.matrix.dtype.item_size()))?;
        let Some(last) = cols.checked_sub(1) else { return Ok(true) };
        with_store!(store, store => {
            let column = store.column(last)?;
            let mut bytes = kept.chunks_exact(kept.len().checked_div(rows).unwrap_or(0).max(1));
            Ok(column.iter().all(|value| bytes.next() == Some(bytemuck::bytes_of(value))))
        })
    }

    /// The digest of the matrix of `shape` that lies without a header at `path`.
    fn raw_digest(&self, shape: Shape, order: Order, path: &Path) -> Result<Digest> {
        let raw = RawLayout { dtype: self.matrix.dtype, shape, order, offset: 0 };
        let options =
            OpenOptions { raw: Some(raw), context: self.context.clone(), ..OpenOptions::default() };
        AnyStore::open(path, &options)?.digest(self.context)
    }
}

/// The way to a file that its writer did not take, and its name.
fn other_device(contender: Contender, layout: Layout) -> (Io, String) {
    let io = match contender {
        Contender::Backend(backend) if backend.io() == Io::Positioned => Io::Mapped,
        _ => Io::Positioned,
    };
    let name = match (layout, io) {
        (Layout::Dense(_), Io::Mapped) => Backend::Memmap.id().to_owned(),
        (Layout::Dense(_), Io::Positioned) => Backend::Seek.id().to_owned(),
        (Layout::Sparse(compression), Io::Mapped) => format!("sparse-{compression}, mapped"),
        (Layout::Sparse(compression), Io::Positioned) => {
            format!("sparse-{compression}, positioned")
        }
    };
    (io, name)
}

/// The bytes of a file that holds `expected` of them.
fn read_exactly(path: &Path, expected: usize) -> Result<Vec<u8>> {
    let at = |error| Error::io("read", error).at(path);
    let file = File::open(path).map_err(at)?;
    let mut bytes = Vec::new();
    // One more than expected, so that a file that is too long shows.
    file.take(expected as u64 + 1).read_to_end(&mut bytes).map_err(at)?;
    if bytes.len() == expected {
        return Ok(bytes);
    }
    let found = if bytes.len() > expected { "more".to_owned() } else { bytes.len().to_string() };
    let reason = format!("the answer holds {found} bytes, not {expected}");
    Err(Error::new(ErrorKind::ShapeMismatch, "verify", reason))
}
