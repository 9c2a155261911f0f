//! What of a run is left out for the size of its matrix, and why: what no memory holds, and what nobody would wait for.
//!
//! Owns the bounds, and what follows from them: which workloads, files and copies there are. Makes none of them.

use super::Form;
use super::config::{Config, Contender, Data, Regime};
use super::entrant::Entrant;
use super::protocol::MAX_LISTED_ROWS;
use super::space::Extent;
use crate::array::{Compression, Order};
use crate::store::Layout;
use crate::sys;
use crate::workload::{AnswerKind, Workload};

/// A sparse matrix of more bytes as a dense one is not made dense: its entries are few among cells that nobody keeps, and
/// to go over these takes a minute a time, which a run would spend on each sample of each who takes part.
const MOST_DENSE_BYTES: u64 = 64 << 30;

/// The part of the memory that is free, one in so many, that the values of an extract may take: they are in the trial's
/// memory and, as a file, in the page cache.
const ANSWER_SHARE: u64 = 2;

/// What of a run takes place on one matrix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    pub config: &'a Config,
    pub extent: Extent,
    /// Memory that is free.
    memory_bytes: u64,
}

impl<'a> Scope<'a> {
    /// On the matrix of `extent`, on this machine as it is now.
    pub(super) fn new(config: &'a Config, extent: Extent) -> Self {
        let memory_bytes = sys::free_memory_bytes().unwrap_or(u64::MAX);
        Self { config, extent, memory_bytes }
    }

    /// Why `workload` is left out in `regime` over data of `form`; none where it takes place.
    pub(super) fn excludes(
        &self,
        workload: Workload,
        regime: Regime,
        form: Form,
    ) -> Option<String> {
        self.unheld(workload, regime)
            .or_else(|| self.unlisted(workload))
            .or_else(|| self.undensified(workload, form))
    }

    /// Bytes of values that `workload` asks for.
    pub(super) fn bytes_requested(&self, workload: Workload) -> u64 {
        workload.bytes_requested(self.extent.shape, self.extent.dtype, self.config.columns_read)
    }

    /// Where the values that `workload` answers with are more than memory holds.
    fn unheld(&self, workload: Workload, regime: Regime) -> Option<String> {
        let bytes = self.bytes_requested(workload);
        let (most, holds) = match regime.limit_bytes() {
            Some(limit) => (limit, "the memory limit"),
            None => (self.memory_bytes / ANSWER_SHARE, "half of the free memory"),
        };
        (workload.answer() == AnswerKind::Values && bytes > most)
            .then(|| format!("its answer takes {}: {holds} is {}", size(bytes), size(most)))
    }

    /// Where a request cannot list the rows.
    fn unlisted(&self, workload: Workload) -> Option<String> {
        let is_listed = workload == Workload::ShuffleEpoch;
        (is_listed && self.extent.shape.rows > MAX_LISTED_ROWS)
            .then(|| format!("the order of more than {MAX_LISTED_ROWS} rows cannot be sent"))
    }

    /// Where a sparse input would have to be made dense, and is too large for that.
    fn undensified(&self, workload: Workload, form: Form) -> Option<String> {
        let bytes = self.extent.dense_bytes();
        if !self.extent.is_sparse_input() || bytes <= MOST_DENSE_BYTES {
            return None;
        }
        let what = match (form, workload) {
            (Form::Shared(Layout::Dense(_)) | Form::Hdf5, _) => "its dense file",
            (Form::Own { .. }, _) => "the dense file that it makes its own from",
            (_, Workload::FillColumns) => "all columns that it is given",
            (_, Workload::ShuffleEpoch) => "all rows that it is given",
            _ => return None,
        };
        let (bytes, most) = (size(bytes), size(MOST_DENSE_BYTES));
        Some(format!(
            "{what} would take {bytes}: no more than {most} of a sparse input is made dense"
        ))
    }

    /// Whether `contender` takes part in `workload`, in one regime at least.
    fn includes(&self, contender: Contender, workload: Workload) -> bool {
        let form = self.config.form(contender);
        let takes_place = |&regime: &Regime| self.excludes(workload, regime, form).is_none();
        Entrant::new(self.config, contender).declines(workload).is_none()
            && self.config.regimes.iter().any(takes_place)
    }

    /// Who takes part in which workload.
    pub(super) fn pairs(&self) -> Vec<(Contender, Workload)> {
        let contenders = self.config.contenders().into_iter();
        let pairs = contenders.flat_map(|contender| {
            self.config.workloads.iter().map(move |&workload| (contender, workload))
        });
        pairs.filter(|&(contender, workload)| self.includes(contender, workload)).collect()
    }

    /// The workloads that take place, each once.
    pub(super) fn workloads(&self) -> Vec<Workload> {
        each_once(self.pairs().into_iter().map(|(_, workload)| workload))
    }

    /// The forms of the data that are made, each once. A peer makes its own from a dense file.
    pub(super) fn forms(&self) -> Vec<Form> {
        let forms = |(contender, workload)| {
            let form = self.config.form(contender);
            let is_made = form.layout().is_none() && workload != Workload::FillColumns;
            [form].into_iter().chain(is_made.then(|| self.config.source().into()))
        };
        each_once(self.pairs().into_iter().flat_map(forms))
    }

    /// The copies of an input whose columns fills take, each once: none where nothing is filled.
    pub(super) fn copies(&self) -> Vec<Layout> {
        let fills =
            self.pairs().into_iter().filter(|(_, workload)| *workload == Workload::FillColumns);
        each_once(fills.filter_map(|(contender, _)| self.copy_for(contender)))
    }

    /// How the copy of an input lies that `contender` takes columns from; none where they are generated. A sparse one
    /// stays sparse, but for peers: the trial protocol gives them a dense file.
    pub(super) fn copy_for(&self, contender: Contender) -> Option<Layout> {
        matches!(self.config.data, Data::Input { .. }).then(|| match contender {
            Contender::Backend(_) if self.extent.is_sparse_input() => {
                Layout::Sparse(Compression::Csc)
            }
            Contender::Backend(_) | Contender::Peer(_) => Layout::Dense(Order::Fortran),
        })
    }

    /// How all values of a visit over data of `form` are left to be checked: as a sparse file where the program leaves
    /// such and it is smaller, else as a dense one, if that is made at all.
    pub(super) fn values(&self, form: Form, leaves_sparse: bool) -> Option<Layout> {
        let (sparse, dense) = (Layout::Sparse(Compression::Csc), Layout::Dense(Order::Fortran));
        let is_made_dense = self.undensified(Workload::Scan, dense.into()).is_none();
        let is_smaller = self.extent.file_bytes(sparse) < self.extent.file_bytes(dense);
        if leaves_sparse && form.is_sparse() && (is_smaller || !is_made_dense) {
            return Some(sparse);
        }
        is_made_dense.then_some(dense)
    }

    /// What would help where the disk does not hold the files.
    pub(super) fn advice(&self) -> &'static str {
        let copies = || self.copies().into_iter().map(Form::Shared);
        let makes_dense = || self.forms().into_iter().chain(copies()).any(|form| !form.is_sparse());
        match &self.config.data {
            Data::Generated { .. } => {
                "put them elsewhere with --data-dir, or take a smaller --shape"
            }
            Data::Input { .. } if self.extent.is_sparse_input() && makes_dense() => {
                "put them elsewhere with --data-dir, or leave out who needs dense ones: --backends \
                 sparse-csr,sparse-csc, without --peers"
            }
            Data::Input { .. } => "put them elsewhere with --data-dir",
        }
    }
}

fn size(bytes: u64) -> String {
    bytesize::ByteSize(bytes).to_string()
}

fn each_once<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut once = Vec::new();
    for item in items {
        if !once.contains(&item) {
            once.push(item);
        }
    }
    once
}

#[cfg(test)]
mod tests {
    use super::super::testing::config;
    use super::*;
    use crate::array::{DType, Shape};
    use crate::harness::{Backend, Peer, space};

    const CSR: Layout = Layout::Sparse(Compression::Csr);
    const CSC: Layout = Layout::Sparse(Compression::Csc);
    const C: Layout = Layout::Dense(Order::C);
    const F: Layout = Layout::Dense(Order::Fortran);

    /// All backends at all workloads, over an input.
    fn of_input() -> Config {
        Config {
            data: Data::Input { path: "web.mtx".into(), options: Box::default() },
            backends: Backend::USUAL.to_vec(),
            workloads: Workload::ALL.to_vec(),
            regimes: vec![Regime::Warm],
            ..config()
        }
    }

    /// A sparse input of so many rows and columns, on a machine with 16 GiB to spare.
    fn sparse(config: &Config, lines: usize) -> Scope<'_> {
        let (shape, density) = (Shape::new(lines, lines), 3.0 / lines as f64);
        let extent = Extent { shape, dtype: DType::F64, density, input: Some(CSR) };
        Scope { config, extent, memory_bytes: 16 << 30 }
    }

    fn peer(layout: Option<Layout>, workloads: Option<Vec<Workload>>) -> Peer {
        Peer {
            name: "scipy".to_owned(),
            version: Vec::new(),
            command: vec!["python3".into()],
            tuning: String::new(),
            layout,
            workloads,
            folder: ".".into(),
        }
    }

    #[test]
    fn a_large_sparse_input_is_not_made_dense_and_all_else_takes_place() {
        let config = of_input();
        let web = sparse(&config, 325_729);
        let kept = [Workload::ExtractColumn, Workload::ExtractColumns, Workload::ExtractRows];
        for workload in [&kept[..], &[Workload::Scan, Workload::Spmv]].concat() {
            assert_eq!(web.excludes(workload, Regime::Warm, CSR.into()), None, "{workload}");
            let told = web.excludes(workload, Regime::Warm, C.into()).unwrap();
            assert_eq!(
                told,
                "its dense file would take 790.5 GiB: no more than 64.0 GiB of a sparse input is made dense"
            );
        }
        for (workload, reason) in [
            (Workload::FillColumns, "all columns that it is given would take 790.5 GiB"),
            (Workload::ShuffleEpoch, "all rows that it is given would take 790.5 GiB"),
            (
                Workload::ExtractBlock,
                "its answer takes 49.4 GiB: half of the free memory is 8.0 GiB",
            ),
        ] {
            let told = web.excludes(workload, Regime::Warm, CSC.into()).unwrap();
            assert!(told.starts_with(reason), "{told}");
        }
        assert_eq!(web.forms(), [CSR.into(), CSC.into()]);
        assert!(web.copies().is_empty() && !web.workloads().contains(&Workload::FillColumns));
        // Two files, and the rows that are answered with: nothing as large as the matrix would be.
        let rows = 2000 * 325_729 * 8;
        assert!((rows..rows + (100 << 20)).contains(&space::needed_bytes(&web)));
        assert_eq!(web.values(CSR.into(), true), Some(CSC));
        assert_eq!(web.values(CSR.into(), false), None);
    }

    #[test]
    fn what_fits_takes_place_and_its_copy_is_as_the_input_is() {
        let mut config = of_input();
        let small = sparse(&config, 10_000);
        assert_eq!(small.workloads(), Workload::ALL);
        assert_eq!(small.forms(), [C, CSR, CSC].map(Form::from));
        assert_eq!(small.copies(), [CSC]);
        assert_eq!(
            (small.values(C.into(), true), small.values(CSC.into(), true)),
            (Some(F), Some(CSC))
        );
        assert_eq!(small.values(CSC.into(), false), Some(F));
        let dense = Scope { extent: Extent { input: Some(C), ..small.extent }, ..small };
        assert_eq!(dense.copies(), [F]);
        // A dense one may be as large as the disk allows.
        let web = sparse(&config, 325_729);
        let dense = Scope { extent: Extent { input: Some(C), ..web.extent }, ..web };
        assert_eq!(dense.excludes(Workload::FillColumns, Regime::Warm, C.into()), None);
        assert!(!dense.advice().contains("--backends") && !dense.advice().contains("--shape"));

        config.workloads = vec![Workload::Scan, Workload::ExtractColumn];
        assert!(sparse(&config, 10_000).copies().is_empty());
    }

    #[test]
    fn peers_get_the_dense_file_that_the_protocol_says_where_they_fill_at_all() {
        let mut config = of_input();
        config.backends = vec![Backend::SparseCsc];
        config.peers = vec![peer(Some(CSC), Some(vec![Workload::Scan]))];
        assert_eq!(sparse(&config, 10_000).copies(), [CSC]);
        config.peers = vec![peer(Some(CSC), None)];
        let scope = sparse(&config, 10_000);
        assert_eq!(scope.copies(), [CSC, F]);
        assert_eq!(scope.copy_for(Contender::Peer(0)), Some(F));
        assert!(space::needed_bytes(&scope) > 2 * 800_000_000, "the copy, and all values");
        assert!(scope.advice().contains("--backends sparse-csr,sparse-csc, without --peers"));
        config.data = super::super::testing::config().data;
        assert_eq!(sparse(&config, 10_000).copy_for(Contender::Peer(0)), None);
    }

    #[test]
    fn files_of_a_peers_own_are_made_from_a_dense_one_where_they_are_read() {
        let own = Form::Own { peer: 0 };
        let mut config = of_input();
        config.backends = vec![Backend::SparseCsc];
        config.peers = vec![peer(None, None)];
        config.workloads = vec![Workload::FillColumns];
        assert_eq!(sparse(&config, 10_000).forms(), [CSC.into(), own]);
        config.workloads = vec![Workload::Scan];
        let scope = sparse(&config, 10_000);
        assert_eq!(scope.forms(), [CSC.into(), own, C.into()]);
        assert!(space::needed_bytes(&scope) > 2 * 800_000_000, "the dense file, and their own");
        assert_eq!(scope.values(own, true), Some(F));
        let told = sparse(&config, 325_729).excludes(Workload::Scan, Regime::Warm, own).unwrap();
        assert!(told.starts_with("the dense file that it makes its own from would take"), "{told}");
    }

    #[test]
    fn an_answer_that_a_memory_limit_cannot_hold_is_left_out_in_that_regime() {
        let limited = Regime::Limited { bytes: 1 << 30 };
        let config = Config { regimes: vec![Regime::Warm, limited], ..of_input() };
        let web = sparse(&config, 325_729);
        assert_eq!(web.excludes(Workload::ExtractRows, Regime::Warm, CSR.into()), None);
        let told = web.excludes(Workload::ExtractRows, limited, CSR.into()).unwrap();
        assert_eq!(told, "its answer takes 4.9 GiB: the memory limit is 1.0 GiB");
        assert!(web.workloads().contains(&Workload::ExtractRows));
    }

    #[test]
    fn what_was_generated_takes_place_whatever_its_size() {
        let config = Config { workloads: vec![Workload::FillColumns], ..config() };
        let shape = Shape::new(1 << 20, 1 << 20);
        let extent = Extent { shape, dtype: DType::F64, density: 1e-6, input: None };
        let scope = Scope { config: &config, extent, memory_bytes: 0 };
        assert_eq!(scope.excludes(Workload::FillColumns, Regime::Warm, CSR.into()), None);
        assert!(scope.copies().is_empty() && scope.advice().contains("--shape"));
    }
}
