//! What each row or column comes to: its sum, how many of its elements are not zero, the largest. Each is a product with
//! ones, of numbers that add accordingly.

use super::{Lift, Product};
use crate::array::{Arithmetic, Element, Wide};
use crate::error::Result;
use crate::store::{ArrayStore, Context};

/// Of what there is one result each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Along {
    /// Of each row.
    Rows,
    /// Of each column.
    Columns,
}

/// The sum of each row or column.
pub(in crate::store) fn sums<T: Arithmetic>(
    store: &(impl ArrayStore<Elem = T> + ?Sized),
    along: Along,
    context: &Context,
) -> Result<Vec<T::Wide>> {
    reduce(store, along, T::widen, context)
}

/// How many elements of each row or column are not zero.
pub(in crate::store) fn count_nonzero<T: Element>(
    store: &(impl ArrayStore<Elem = T> + ?Sized),
    along: Along,
    context: &Context,
) -> Result<Vec<u64>> {
    let counts = reduce(store, along, |value: T| i64::from(!is_zero(value)), context)?;
    Ok(counts.into_iter().map(|count| count as u64).collect())
}

/// The largest element of each row or column; none where it has no element.
pub(in crate::store) fn largest<T: Arithmetic>(
    store: &(impl ArrayStore<Elem = T> + ?Sized),
    along: Along,
    context: &Context,
) -> Result<Vec<Option<T>>> {
    let shape = store.spec().shape;
    let length = match along {
        Along::Rows => shape.cols,
        Along::Columns => shape.rows,
    };
    let lift = |value: T| Largest { seen: 1, value: Some(value) };
    let found = reduce(store, along, lift, context)?;
    Ok(found
        .into_iter()
        .map(|Largest { seen, value }| match value {
            // What is not stored is zero.
            Some(value) if seen < length => Some(value.larger(T::default())),
            None if length > 0 => Some(T::default()),
            value => value,
        })
        .collect())
}

fn reduce<T: Element, N: Wide>(
    store: &(impl ArrayStore<Elem = T> + ?Sized),
    along: Along,
    lift: impl Lift<T, N>,
    context: &Context,
) -> Result<Vec<N>> {
    let shape = store.spec().shape;
    let (inner, outer) = match along {
        Along::Rows => (shape.cols, shape.rows),
        Along::Columns => (shape.rows, shape.cols),
    };
    let bytes = (inner as u64).saturating_add(outer as u64).saturating_mul(size_of::<N>() as u64);
    let _memory = context.reserve(bytes)?;
    let mut sums = vec![N::default(); outer];
    let ones = vec![N::ONE; inner];
    let product = Product { from: &ones, width: 1, transposed: along == Along::Columns, lift };
    product.add_to(&mut sums, store, context)?;
    Ok(sums)
}

/// Whether it is zero, of either sign.
fn is_zero<T: Element>(value: T) -> bool {
    value == T::default()
}

/// The largest of the elements that were seen. They add by comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Largest<T> {
    seen: usize,
    value: Option<T>,
}

impl<T> Default for Largest<T> {
    fn default() -> Self {
        Self { seen: 0, value: None }
    }
}

impl<T: Arithmetic> Wide for Largest<T> {
    const ONE: Self = Self { seen: 0, value: None };

    #[inline]
    fn plus(self, other: Self) -> Self {
        let value = match (self.value, other.value) {
            (Some(one), Some(other)) => Some(one.larger(other)),
            (one, other) => one.or(other),
        };
        Self { seen: self.seen + other.seen, value }
    }

    #[inline]
    fn times(self, _one: Self) -> Self {
        self
    }
}
