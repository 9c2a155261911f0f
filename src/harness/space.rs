//! How much disk a run takes at most, and whether it is there.

use std::path::Path;

use super::Form;
use super::config::Contender;
use super::scope::Scope;
use crate::array::{DType, IndexWidth, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::store::Layout;
use crate::sys;
use crate::workload::{AnswerKind, Workload};

/// Headers, zip directories and alignment of all files together, generously.
const OVERHEAD_BYTES: u64 = 1 << 20;

/// What a format of a peer's own may take beyond the values: one part in so many.
const OWN_OVERHEAD: u64 = 8;

/// What is known of a matrix before its files are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Extent {
    pub shape: Shape,
    pub dtype: DType,
    pub density: f64,
    /// How an input lies; none where the matrix is generated.
    pub input: Option<Layout>,
}

impl Extent {
    pub(super) fn is_sparse_input(self) -> bool {
        matches!(self.input, Some(Layout::Sparse(_)))
    }

    /// The length of its values, all of them.
    pub(super) fn dense_bytes(self) -> u64 {
        let cells = (self.shape.rows as u64).saturating_mul(self.shape.cols as u64);
        cells.saturating_mul(self.dtype.item_size() as u64)
    }

    /// The length of its data in `form`, about. Of a format that is not known it is taken that it fills up chunks at the edges.
    pub(super) fn bytes(self, form: Form) -> u64 {
        let own = || self.dense_bytes().saturating_add(self.dense_bytes() / OWN_OVERHEAD);
        form.layout().map_or_else(own, |layout| self.file_bytes(layout))
    }

    /// The length of its file in `layout`, about.
    pub(super) fn file_bytes(self, layout: Layout) -> u64 {
        let Layout::Sparse(compression) = layout else { return self.dense_bytes() };
        let (lines, _) = compression.split(self.shape);
        let (rows, cols) = (self.shape.rows as u64, self.shape.cols as u64);
        // The density of generated data is an expectation; one in a hundred more is far beyond chance.
        let entries = (rows.saturating_mul(cols) as f64 * self.density * 1.01) as u64;
        let index = IndexWidth::fitting(self.shape, entries).bytes() as u64;
        let entry = self.dtype.item_size() as u64 + index;
        entries
            .saturating_mul(entry)
            .saturating_add((lines as u64).saturating_add(1).saturating_mul(index))
    }
}

/// Bytes that the files of a run within `scope` take at most at any moment, whatever memory a trial has: a file in each
/// layout and the copies of an input, and beside them what the hungriest step needs, be it a fill or an answer.
pub(super) fn needed_bytes(scope: &Scope<'_>) -> u64 {
    let forms = scope.forms();
    // Beside the file that is filled: columns that wait.
    let scratch = forms.iter().map(|&form| scope.extent.bytes(form)).max().unwrap_or(0);
    let pairs = scope.pairs();
    let answer = pairs.iter().map(|&pair| answer_bytes(scope, pair)).max().unwrap_or(0);
    let files = forms.into_iter().chain(scope.copies().into_iter().map(Form::Shared));
    [scratch.max(answer), OVERHEAD_BYTES]
        .into_iter()
        .chain(files.map(|form| scope.extent.bytes(form)))
        .fold(0, u64::saturating_add)
}

/// Bytes that `contender` leaves when it is asked what `workload` came to, but for a number for each row or column.
fn answer_bytes(scope: &Scope<'_>, (contender, workload): (Contender, Workload)) -> u64 {
    let Scope { config, extent, .. } = scope;
    match workload.answer() {
        AnswerKind::Values => scope.bytes_requested(workload),
        AnswerKind::Sums => {
            let is_ours = matches!(contender, Contender::Backend(_));
            let values = scope.values(config.form(contender), is_ours);
            values.map_or(0, |layout| extent.file_bytes(layout))
        }
        AnswerKind::File | AnswerKind::Product => 0,
    }
}

/// Refuses what needs more than the file system of `folder` has, with an advice.
///
/// # Errors
/// [`ErrorKind::NoSpace`], with how much is needed and where.
pub(super) fn check(needed_bytes: u64, folder: &Path, advice: &'static str) -> Result<()> {
    let available = match sys::available_space(folder) {
        // Not to know is no reason not to try.
        Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(()),
        answer => answer?,
    };
    if needed_bytes <= available {
        return Ok(());
    }
    let size = |bytes| bytesize::ByteSize(bytes).to_string();
    let reason =
        format!("{} are needed for data files, {} are free", size(needed_bytes), size(available));
    Err(Error::new(ErrorKind::NoSpace, "begin", reason).at(folder).hint(advice))
}

#[cfg(test)]
mod tests {
    use super::super::testing::config;
    use super::*;
    use crate::harness::{Backend, Config};

    fn extent(rows: usize, cols: usize, dtype: DType) -> Extent {
        Extent { shape: Shape::new(rows, cols), dtype, density: 1.0, input: None }
    }

    #[test]
    fn the_recipe_stays_within_three_gigabytes() {
        let mut config = config();
        config.backends = Backend::USUAL.to_vec();
        let recipe = extent(1_000_000, 100, DType::F32);
        let bytes = needed_bytes(&Scope::new(&config, recipe));
        assert!((2_000_000_000..3_000_000_000).contains(&bytes), "{bytes}");
        let sparse = needed_bytes(&Scope::new(&config, Extent { density: 0.01, ..recipe }));
        assert!(sparse < bytes / 2, "{sparse}");
    }

    #[test]
    fn each_layout_has_one_file_at_a_time_and_columns_wait_beside_one() {
        let dense = extent(1000, 1000, DType::F32);
        let files = |config: &Config| {
            (needed_bytes(&Scope::new(config, dense)) - OVERHEAD_BYTES) / 4_000_000
        };
        let mut config = config();
        assert_eq!(files(&config), 2);
        config.workloads = vec![crate::workload::Workload::Scan];
        assert_eq!(files(&config), 2);
        config.workloads = vec![crate::workload::Workload::FillColumns];
        config.backends = vec![Backend::Seek];
        assert_eq!(files(&config), 2);
    }

    #[test]
    fn what_is_not_there_is_refused_in_one_line() {
        let folder = tempfile::tempdir().unwrap();
        check(1, folder.path(), "").unwrap();
        let error = check(u64::MAX, folder.path(), "another folder").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSpace);
        assert!(error.to_string().contains("are needed"), "{error}");
        assert!(error.advice().unwrap().contains("another folder"));
        let huge = extent(usize::MAX, usize::MAX, DType::F64);
        assert_eq!(needed_bytes(&Scope::new(&config(), huge)), u64::MAX);
    }
}
