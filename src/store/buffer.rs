//! Elements that are reused from tile to tile, counted against the budget.

use std::marker::PhantomData;

use super::{Context, Reservation};
use crate::array::Element;
use crate::error::Result;
use crate::sys::Pages;

/// Room for elements, in huge pages where the system gives them.
#[derive(Debug)]
pub(super) struct Buffer<T> {
    pages: Pages,
    _memory: Reservation,
    element: PhantomData<T>,
}

impl<T: Element> Buffer<T> {
    /// Room for `len` elements.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Budget`] where the budget does not hold them.
    pub(super) fn new(len: usize, context: &Context) -> Result<Self> {
        let bytes = len * size_of::<T>();
        let _memory = context.reserve(bytes as u64)?;
        Ok(Self { pages: Pages::new(bytes)?, _memory, element: PhantomData })
    }

    /// The first `len` elements.
    pub(super) fn part(&mut self, len: usize) -> &mut [T] {
        let bytes = &mut self.pages[..len * size_of::<T>()];
        bytemuck::try_cast_slice_mut(bytes).expect("pages are aligned for any element")
    }
}
