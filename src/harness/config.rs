//! What a run is to compare: the choices, before they become a plan.
//!
//! Owns the names of backends and regimes. Knows no process and no file's content.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::sampling::Sampling;
use super::{Form, Peer, Sweep};
use crate::array::{Compression, DType, Order, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Budget, Io, Layout, OpenOptions};
use crate::sys::Existing;
use crate::workload::{Choice, Workload};

/// One of this crate's ways to keep a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Backend {
    /// A dense file, memory-mapped.
    Memmap,
    /// A dense file, by positioned reads and writes.
    Seek,
    /// A file compressed by rows, mapped.
    SparseCsr,
    /// A file compressed by columns, mapped.
    SparseCsc,
    /// A contiguous dataset of an HDF5 file, in C order, by positioned reads and writes.
    Hdf5,
}

impl Backend {
    /// Every backend, in the order in which reports show them.
    pub const ALL: [Self; 5] =
        [Self::Memmap, Self::Seek, Self::SparseCsr, Self::SparseCsc, Self::Hdf5];

    /// Those that are compared where nothing else is said.
    pub const USUAL: [Self; 4] = [Self::Memmap, Self::Seek, Self::SparseCsr, Self::SparseCsc];

    /// The name in records and on the command line.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Memmap => "memmap",
            Self::Seek => "seek",
            Self::SparseCsr => "sparse-csr",
            Self::SparseCsc => "sparse-csc",
            Self::Hdf5 => "hdf5",
        }
    }

    /// How its files lie, where dense data lie in `order`.
    pub const fn layout(self, order: Order) -> Layout {
        match self {
            Self::Memmap | Self::Seek => Layout::Dense(order),
            Self::SparseCsr => Layout::Sparse(Compression::Csr),
            Self::SparseCsc => Layout::Sparse(Compression::Csc),
            Self::Hdf5 => Layout::Dense(Order::C),
        }
    }

    /// How it reaches its files.
    pub const fn io(self) -> Io {
        match self {
            Self::Seek | Self::Hdf5 => Io::Positioned,
            Self::Memmap | Self::SparseCsr | Self::SparseCsc => Io::Mapped,
        }
    }
}

impl FromStr for Backend {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|backend| backend.id() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::id).join(", ");
            mistake(format!("'{text}' is not a backend: write one of {names}"))
        })
    }
}

/// What of the input is in the page cache when a sample begins, and how much of memory there is for the trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Regime {
    /// All of it.
    Warm,
    /// None of it.
    Cold,
    /// None of it, and the process with all that it brings in is kept to a memory limit.
    Limited {
        /// The limit, at least [`Regime::LEAST_LIMIT_BYTES`].
        bytes: u64,
    },
}

impl Regime {
    /// Those that are compared where nothing else is said.
    pub const USUAL: [Self; 2] = [Self::Warm, Self::Cold];

    /// The least memory limit: below it, what a process needs to run at all is most of it.
    pub const LEAST_LIMIT_BYTES: u64 = 96 << 20;

    /// The memory limit around the trial, if there is one.
    pub const fn limit_bytes(self) -> Option<u64> {
        match self {
            Self::Warm | Self::Cold => None,
            Self::Limited { bytes } => Some(bytes),
        }
    }
}

/// The name in records and on the command line.
impl fmt::Display for Regime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Warm => f.write_str("warm"),
            Self::Cold => f.write_str("cold"),
            Self::Limited { bytes } => write!(f, "{LIMITED}{}", exact_size(*bytes)),
        }
    }
}

/// What the names of regimes with a memory limit begin with.
const LIMITED: &str = "limited:";

/// The largest binary unit that `bytes` are a whole number of, with that number: `160MiB`.
fn exact_size(bytes: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let whole = |&(power, _): &(u32, &str)| bytes > 0 && bytes.trailing_zeros() >= power;
    match units.into_iter().find(whole) {
        Some((power, unit)) => format!("{}{unit}", bytes >> power),
        None => format!("{bytes}B"),
    }
}

impl FromStr for Regime {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match (text, text.strip_prefix(LIMITED)) {
            ("warm", _) => Ok(Self::Warm),
            ("cold", _) => Ok(Self::Cold),
            (_, Some(size)) => limited(size),
            _ => {
                let forms = "write warm, cold, or a memory limit as limited:160MiB";
                Err(mistake(format!("'{text}' is not a regime: {forms}")))
            }
        }
    }
}

fn limited(size: &str) -> Result<Regime> {
    let bytes = size.parse::<bytesize::ByteSize>().map_err(|_| {
        let forms = "write limited:160MiB or limited:2GB";
        mistake(format!("'{LIMITED}{size}' is a regime without a size: {forms}"))
    })?;
    let (bytes, least) = (bytes.as_u64(), Regime::LEAST_LIMIT_BYTES);
    if bytes < least {
        let least = exact_size(least);
        let reason = format!("a memory limit of {size} is too small: a trial needs {least}");
        return Err(mistake(reason));
    }
    Ok(Regime::Limited { bytes })
}

/// The matrix that is worked on.
#[derive(Debug, Clone)]
pub enum Data {
    /// Generated data, once for each density.
    Generated {
        /// Rows and columns.
        shape: Shape,
        /// The element type.
        dtype: DType,
        /// Shares of cells that are not zero.
        densities: Vec<f64>,
    },
    /// A file.
    Input {
        /// Where it is.
        path: PathBuf,
        /// How it is opened: what it holds, if it has no header.
        options: Box<OpenOptions>,
    },
}

/// What a run is to compare, how, and where.
#[derive(Debug, Clone)]
pub struct Config {
    /// The matrix.
    pub data: Data,
    /// The order of dense files.
    pub order: Order,
    /// This crate's backends.
    pub backends: Vec<Backend>,
    /// Other programs.
    pub peers: Vec<Peer>,
    /// What is done.
    pub workloads: Vec<Workload>,
    /// In which states of the page cache, within which memory.
    pub regimes: Vec<Regime>,
    /// How many samples a trial has.
    pub samples: Sampling,
    /// What data, row choices and orders follow from.
    pub seed: u64,
    /// How many columns `extract-column` reads: the last ones.
    pub columns_read: usize,
    /// What is compared at several values, if anything is.
    pub sweep: Option<Sweep>,
    /// The memory that a trial may take for its own buffers.
    pub budget: Budget,
    /// The threads of a trial.
    pub threads: usize,
    /// Whether the machine's limits are measured before the first trial and behind the last.
    pub is_probed: bool,
    /// How long a trial may be silent; by default a minute and what a slow disk needs for the data.
    pub silence: Option<Duration>,
    /// The command that speaks the trial protocol for this crate's backends.
    pub trial_command: Vec<OsString>,
    /// The folder for `results.jsonl`.
    pub out: PathBuf,
    /// The folder for data files meanwhile.
    pub data_dir: PathBuf,
    /// Whether results that stand in `out` may be replaced.
    pub existing: Existing,
    /// The arguments of the command, for the record.
    pub arguments: Vec<String>,
}

/// One who takes part: by its place in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Contender {
    /// This crate's backend.
    Backend(Backend),
    /// The peer of this number.
    Peer(usize),
}

impl Config {
    /// All who take part, backends first.
    pub fn contenders(&self) -> Vec<Contender> {
        let backends = self.backends.iter().copied().map(Contender::Backend);
        backends.chain((0..self.peers.len()).map(Contender::Peer)).collect()
    }

    /// The contender's name in records.
    pub fn name(&self, contender: Contender) -> &str {
        match contender {
            Contender::Backend(backend) => backend.id(),
            Contender::Peer(index) => &self.peers[index].name,
        }
    }

    /// How the contender's data lie.
    pub fn form(&self, contender: Contender) -> Form {
        match contender {
            Contender::Backend(Backend::Hdf5) => Form::Hdf5,
            Contender::Backend(backend) => Form::Shared(backend.layout(self.order)),
            Contender::Peer(peer) => {
                self.peers[peer].layout.map_or(Form::Own { peer }, Form::Shared)
            }
        }
    }

    /// The layout of the dense file that peers make files of their own from.
    pub(super) fn source(&self) -> Layout {
        Layout::Dense(self.order)
    }

    /// What the cells that workloads ask for follow from.
    pub fn choice(&self) -> Choice {
        Choice { seed: self.seed, columns: self.columns_read }
    }

    /// The configurations of a sweep, without one themselves; this one alone where nothing is swept.
    ///
    /// # Errors
    /// Where the sweep is of what an input has.
    pub fn points(&self) -> Result<Vec<Self>> {
        match &self.sweep {
            Some(sweep) => sweep.points(self),
            None => Ok(vec![self.clone()]),
        }
    }

    /// Checks what no single choice shows.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a choice that makes no sense.
    pub fn check(&self) -> Result<()> {
        if let Data::Generated { shape, dtype, densities } = &self.data {
            shape.dense_bytes(dtype.item_size())?;
            if shape.is_empty() {
                return Err(mistake(format!("there is nothing to measure in a matrix of {shape}")));
            }
            if let Some(bad) = densities.iter().find(|density| !(0.0..=1.0).contains(*density)) {
                return Err(mistake(format!("density {bad} is not between 0 and 1")));
            }
        }
        let mut names: Vec<_> =
            self.contenders().iter().map(|&c| self.name(c).to_owned()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(mistake(format!("'{}' takes part twice", pair[0])));
        }
        let ours = |peer: &&Peer| Backend::ALL.iter().any(|backend| backend.id() == peer.name);
        if let Some(peer) = self.peers.iter().find(ours) {
            return Err(mistake(format!("'{}' is a backend's name, not a peer's", peer.name)));
        }
        match () {
            () if self.backends.contains(&Backend::Hdf5) && !cfg!(feature = "hdf5") => {
                Err(mistake("backend hdf5: this build lacks the feature hdf5"))
            }
            () if names.is_empty() => Err(mistake("no backend takes part")),
            () if self.workloads.is_empty() => Err(mistake("there is no workload")),
            () if self.regimes.is_empty() => Err(mistake("there is no regime")),
            () => self.samples.check(),
        }
    }
}

/// A choice that makes no sense.
pub(super) fn mistake(reason: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidArgument, "compare", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_others_refused() {
        for backend in Backend::ALL {
            assert_eq!(backend.id().parse::<Backend>().unwrap(), backend);
        }
        for regime in Regime::USUAL {
            assert_eq!(regime.to_string().parse::<Regime>().unwrap(), regime);
        }
        assert!("mmap".parse::<Backend>().unwrap_err().to_string().contains("memmap, seek"));
        let told = "hot".parse::<Regime>().unwrap_err().to_string();
        assert!(told.contains("warm, cold, or a memory limit"), "{told}");
    }

    #[test]
    fn memory_limits_have_one_name_whatever_they_were_given_as() {
        for (given, name) in [
            ("limited:96MiB", "limited:96MiB"),
            ("limited:163840KiB", "limited:160MiB"),
            ("limited:167772160", "limited:160MiB"),
            ("limited:2GiB", "limited:2GiB"),
            ("limited:1.5GiB", "limited:1536MiB"),
            ("limited:200MB", "limited:200000000B"),
            ("limited:102400000", "limited:100000KiB"),
            ("limited:1TiB", "limited:1TiB"),
        ] {
            let regime: Regime = given.parse().unwrap();
            assert_eq!(regime.to_string(), name);
            assert_eq!(name.parse::<Regime>().unwrap(), regime);
        }
        assert_eq!("limited:160MiB".parse::<Regime>().unwrap().limit_bytes(), Some(160 << 20));
        assert_eq!(Regime::Cold.limit_bytes(), None);
    }

    #[test]
    fn memory_limits_that_are_none_or_too_small_are_refused() {
        for (given, reason) in [
            ("limited", "not a regime"),
            ("limited:", "without a size"),
            ("limited:abc", "without a size"),
            ("limited:-1MiB", "without a size"),
            ("limited:1MiB", "a memory limit of 1MiB is too small: a trial needs 96MiB"),
            ("limited:100663295", "too small"),
        ] {
            let error = given.parse::<Regime>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.to_string().contains(reason), "{given}: {error}");
        }
    }
}
