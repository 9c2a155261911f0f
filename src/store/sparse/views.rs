//! Handing the file's own arrays out, once they were checked.

use super::SparseStore;
use super::base::values;
use crate::array::{Compression, Element, IndexWidth};
use crate::error::{Error, ErrorKind, Result};
use crate::format::npz::Part;
use sprs::CsMatViewI;

/// A sparse matrix over the bytes of a file: nothing is copied.
#[derive(Debug, Clone)]
pub enum SparseView<'a, T> {
    /// With indices of 32 bits.
    I32(CsMatViewI<'a, T, i32>),
    /// With indices of 64 bits.
    I64(CsMatViewI<'a, T, i64>),
}

impl<T: Element> SparseStore<T> {
    /// The matrix as `sprs` has it, over the file's own bytes. Reads all indices once, to check them: take one
    /// view and keep it.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where the file is not mapped, was opened for writing, is compressed or not
    /// aligned, mixes index widths, or has unsorted or duplicate indices, which `sprs` does not take
    /// ([`crate::store::copy`] makes a file without these).
    pub fn view(&self) -> Result<SparseView<'_, T>> {
        let base = &self.engine.base;
        base.ready(&self.engine.context)?;
        let refuse = |reason: String| {
            let error = Error::new(ErrorKind::Unsupported, "view", reason)
                .hint("convert it to a new .npz first and open that mapped, for reading");
            match base.device().and_then(|device| device.path()) {
                Some(path) => error.at(path),
                None => error,
            }
        };
        let part = |part: Part| {
            base.borrow(part)?.ok_or_else(|| refuse("entries cannot be used in place".into()))
        };
        let ((indptr, width), (indices, index_width)) = (part(Part::Indptr)?, part(Part::Indices)?);
        let data: &[T] = values(part(Part::Data)?.0);
        if width != index_width {
            return Err(refuse("indptr and indices are of different widths".into()));
        }
        if !data.iter().all(Element::is_valid) {
            return Err(base.malformed("a boolean is neither 0 nor 1"));
        }
        let shape = (self.spec.shape.rows, self.spec.shape.cols);
        macro_rules! checked {
            ($variant:ident) => {{
                let (indptr, indices) = (values(indptr), values(indices));
                let made = match self.engine.facts.compression {
                    Compression::Csr => CsMatViewI::try_new(shape, indptr, indices, data),
                    Compression::Csc => CsMatViewI::try_new_csc(shape, indptr, indices, data),
                };
                made.map(SparseView::$variant).map_err(|(.., error)| refuse(error.to_string()))
            }};
        }
        match width {
            IndexWidth::I32 => checked!(I32),
            IndexWidth::I64 => checked!(I64),
        }
    }
}
