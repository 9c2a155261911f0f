//! The right answers, and whether an answer is one of them.

use super::{Generated, Value, Workload};
use crate::array::Digest;
use crate::error::Result;
use crate::store::{AnyStore, ArrayStore, Context};

/// How closely sums must agree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Exactness {
    /// In every bit: the sums are exact whatever the order of addition.
    Exact,
    /// Within this share of the sum of the column's magnitudes: as far as the order of addition in f64 can
    /// move a sum.
    Within(f64),
}

/// The right answers to all workloads over one matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    matrix: Digest,
    selections: Vec<(Workload, Digest)>,
    sums: Vec<f64>,
    magnitudes: Vec<f64>,
    exactness: Exactness,
}

impl Answers {
    /// The right answers over generated data. `seed` chooses rows, as in [`Workload::selection`].
    ///
    /// # Errors
    /// Where the context is cancelled or its budget too small.
    pub fn of_generated(_data: &Generated, _seed: u64, _context: &Context) -> Result<Self> {
        todo!()
    }

    /// The right answers over the matrix in `store`: an input, opened by a backend that is trusted.
    ///
    /// # Errors
    /// Where reading fails or the context is cancelled.
    pub fn of_store<T: Value>(
        _store: &dyn ArrayStore<Elem = T>,
        _seed: u64,
        _context: &Context,
    ) -> Result<Self> {
        todo!()
    }

    /// [`Answers::of_store`] for a store of any element type.
    ///
    /// # Errors
    /// As [`Answers::of_store`].
    pub fn of_any(_store: &AnyStore, _seed: u64, _context: &Context) -> Result<Self> {
        todo!()
    }

    /// The digest of the whole matrix.
    pub fn matrix(&self) -> Digest {
        self.matrix
    }

    /// The digest of what `workload` selects; for a fill that of the last column; none for visits.
    pub fn selection(&self, workload: Workload) -> Option<Digest> {
        self.selections.iter().find(|(of, _)| *of == workload).map(|&(_, digest)| digest)
    }

    /// Each column's sum.
    pub fn sums(&self) -> &[f64] {
        &self.sums
    }

    /// How closely sums must agree.
    pub fn exactness(&self) -> Exactness {
        self.exactness
    }

    /// Checks the digest of a whole matrix: the file that a fill left, or all values that a visit saw.
    ///
    /// # Errors
    /// One line that says what differs.
    pub fn check_matrix(&self, _found: Digest) -> Result<(), String> {
        todo!()
    }

    /// Checks the digest of the values that an extract answered with, or of the column that a fill kept.
    ///
    /// # Errors
    /// One line that says what differs.
    pub fn check_selection(&self, _workload: Workload, _found: Digest) -> Result<(), String> {
        todo!()
    }

    /// Checks the sums that a visit answered with.
    ///
    /// # Errors
    /// One line that says what differs.
    pub fn check_sums(&self, _found: &[f64]) -> Result<(), String> {
        todo!()
    }
}
