//! The arguments, as clap parses them. Names are fixed by the project's contract; meanings live with
//! the subcommands.

mod runs;

use std::path::PathBuf;

use bytesize::ByteSize;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::array::{AxisExpr, Compression, DType, Order, Shape};
use crate::convert::SparseLayout;
use crate::format::raw::RawLayout;
use crate::store::{Budget, Context, Io, Layout, OpenOptions};
use crate::sys::{Existing, Mode};
use crate::workload::Workload;

pub(super) use self::runs::{CompareArgs, ProbeArgs, ReportArgs, ReportFormat, TrialArgs};

/// Matrices larger than memory: memory-mapped, positioned-read or sparse, and which of them to use.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100, propagate_version = true)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub common: Common,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub(super) struct Common {
    /// Memory that the program may take for itself [default: 256MiB, less inside a smaller cgroup]
    #[arg(long, global = true, value_name = "SIZE", help_heading = "Everywhere",
          value_parser = parse_size)]
    pub memory: Option<ByteSize>,
    /// Threads to use [default: all cores]
    #[arg(long, global = true, value_name = "N", help_heading = "Everywhere",
          value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// No progress, no warnings; errors only
    #[arg(long, short, global = true, help_heading = "Everywhere")]
    pub quiet: bool,
}

fn parse_size(text: &str) -> Result<ByteSize, String> {
    text.parse().map_err(|_| format!("'{text}' is not a size: write 160MiB or 2GB"))
}

impl Common {
    /// The context that these options ask for, without progress.
    pub fn context(&self) -> Context {
        let budget = self.memory.map_or_else(Budget::default, |size| Budget::new(size.as_u64()));
        let context = Context::new(budget);
        match self.threads {
            Some(threads) => context.with_threads(usize::from(threads)),
            None => context,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a new array of zeros or of seeded random values
    Create(CreateArgs),
    /// Say what a file holds; reads no data
    Info(InfoArgs),
    /// Take rows × columns out of a file, as .npy, .csv or text
    Extract(ExtractArgs),
    /// Say how rows × columns would be read, or a workload done: in what steps, moving how many bytes
    Explain(ExplainArgs),
    /// Set rows × columns of a file in place, durable on return
    Assign(AssignArgs),
    /// Append rows to a C-order or csr file, columns to a Fortran-order or csc one, durable on return
    Append(AppendArgs),
    /// Turn a file into another order, layout, dtype or format, out of core
    Convert(ConvertArgs),
    /// Compare two files cell by cell
    Verify(VerifyArgs),
    /// Print the fingerprint of the logical matrix, the same in every order, layout and format
    Digest(DigestArgs),
    /// Read all of a file, to see whether it is whole
    Check(CheckArgs),
    /// Measure what this machine can do on a file system: what every figure can be held against
    Probe(ProbeArgs),
    /// Run the same workloads over all backends, verified, and say which is best here
    Compare(Box<CompareArgs>),
    /// Render the records of one run or several again
    Report(ReportArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Speak trial protocol v1 on standard input and output
    #[command(hide = true)]
    Trial(TrialArgs),
}

/// What a file without a header holds.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(super) struct RawArgs {
    /// Rows and columns of a file without a header
    #[arg(long, value_name = "ROWSxCOLS")]
    pub shape: Option<Shape>,
    /// Element type of a file without a header
    #[arg(long, value_name = "TYPE")]
    pub dtype: Option<DType>,
    /// Order of a file without a header [default: c]
    #[arg(long, value_name = "c|f")]
    pub order: Option<Order>,
    /// Where the data of a file without a header begin, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub offset: u64,
}

impl RawArgs {
    /// The layout that these describe, if they describe one.
    pub fn layout(&self) -> Option<RawLayout> {
        Some(RawLayout {
            dtype: self.dtype?,
            shape: self.shape?,
            order: self.order.unwrap_or(Order::C),
            offset: self.offset,
        })
    }
}

/// How a file is accessed.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(super) struct AccessArgs {
    /// How the file is accessed [default: memmap for dense files, sparse-… for sparse ones]
    #[arg(long, value_name = "BACKEND")]
    pub backend: Option<Backend>,
    /// By a memory map, or by positioned reads and writes [default: as the backend does]
    #[arg(long, value_name = "IO")]
    pub io: Option<IoArg>,
}

impl AccessArgs {
    /// The options with which to open a file so.
    pub fn options(&self, raw: Option<RawLayout>, mode: Mode, context: &Context) -> OpenOptions {
        let by_backend = match self.backend {
            Some(Backend::Seek) => Io::Positioned,
            _ => Io::Mapped,
        };
        let io = self.io.map_or(by_backend, Io::from);
        OpenOptions { mode, io, raw, context: context.clone(), ..OpenOptions::default() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Backend {
    Memmap,
    Seek,
    SparseCsr,
    SparseCsc,
}

impl Backend {
    /// Whether files of this layout are this backend's.
    pub fn keeps(self, layout: Layout) -> bool {
        match self {
            Self::Memmap | Self::Seek => matches!(layout, Layout::Dense(_)),
            Self::SparseCsr => layout == Layout::Sparse(Compression::Csr),
            Self::SparseCsc => layout == Layout::Sparse(Compression::Csc),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum IoArg {
    Mapped,
    Positioned,
}

impl From<IoArg> for Io {
    fn from(io: IoArg) -> Self {
        match io {
            IoArg::Mapped => Self::Mapped,
            IoArg::Positioned => Self::Positioned,
        }
    }
}

/// Some rows × some columns, as in NumPy: `7`, `-1`, `0:10`, `::2`, `3,5,-1`.
#[derive(Debug, Clone, Args)]
pub(super) struct SelectionArgs {
    /// Rows, as in NumPy: 7, -1, 0:10, ::2, 3,5,-1 [default: all]
    #[arg(long, value_name = "SEL", allow_hyphen_values = true)]
    pub rows: Option<AxisExpr>,
    /// Columns, likewise
    #[arg(long, value_name = "SEL", allow_hyphen_values = true, visible_alias = "cols")]
    pub columns: Option<AxisExpr>,
}

/// Whether an existing output is replaced.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct ForceArgs {
    /// Replace an existing output, when the new one is whole
    #[arg(long)]
    pub force: bool,
}

impl ForceArgs {
    pub fn existing(self) -> Existing {
        if self.force { Existing::Replace } else { Existing::Refuse }
    }
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// The file to make: .npy, .npz (sparse), or any other name for a file without a header
    pub out: PathBuf,
    /// Rows and columns
    #[arg(long, value_name = "ROWSxCOLS")]
    pub shape: Shape,
    /// Element type: bool, i8 to i64, u8 to u64, f16, f32, f64, complex64, complex128
    #[arg(long, value_name = "TYPE", default_value = "f32")]
    pub dtype: DType,
    /// Order of a dense file [default: c]
    #[arg(long, value_name = "c|f")]
    pub order: Option<Order>,
    /// Compression of a sparse file [default: csr]
    #[arg(long, value_name = "csr|csc")]
    pub layout: Option<CompressionArg>,
    /// What to fill it with
    #[arg(long, value_name = "FILL", default_value = "zeros")]
    pub fill: Fill,
    /// Share of cells that are not zero, for uniform and normal [default: 1]
    #[arg(long, value_name = "D")]
    pub density: Option<f64>,
    /// Seed: the same gives the same matrix in every format
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub force: ForceArgs,
    /// By a memory map, or by positioned writes [default: positioned]
    #[arg(long, value_name = "IO")]
    pub io: Option<IoArg>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Fill {
    Zeros,
    Uniform,
    Normal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum CompressionArg {
    Csr,
    Csc,
}

impl From<CompressionArg> for Compression {
    fn from(compression: CompressionArg) -> Self {
        match compression {
            CompressionArg::Csr => Self::Csr,
            CompressionArg::Csc => Self::Csc,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LayoutArg {
    Csr,
    Csc,
    Coo,
}

impl From<LayoutArg> for SparseLayout {
    fn from(layout: LayoutArg) -> Self {
        match layout {
            LayoutArg::Csr => Self::Compressed(Compression::Csr),
            LayoutArg::Csc => Self::Compressed(Compression::Csc),
            LayoutArg::Coo => Self::Coo,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct InfoArgs {
    /// The file
    pub file: PathBuf,
    #[command(flatten)]
    pub raw: RawArgs,
    /// One JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ExtractArgs {
    /// The file
    pub file: PathBuf,
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Where to; - is standard output
    #[arg(long, value_name = "FILE", default_value = "-", allow_hyphen_values = true)]
    pub out: PathBuf,
    /// As what [default: npy or csv by the extension of --out, else text]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<ExtractFormat>,
    #[command(flatten)]
    pub force: ForceArgs,
    #[command(flatten)]
    pub access: AccessArgs,
    #[command(flatten)]
    pub raw: RawArgs,
}

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The file
    pub file: PathBuf,
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// How a workload of `compare` would be done, instead of reading rows × columns
    #[arg(long, value_name = "NAME", conflicts_with_all = ["rows", "columns"])]
    pub workload: Option<Workload>,
    /// Do it too, and say what each step came to
    #[arg(long)]
    pub analyze: bool,
    /// Drop the file from the page cache first, so that what is read comes from the device
    #[arg(long)]
    pub cold: bool,
    /// One JSON document
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub access: AccessArgs,
    #[command(flatten)]
    pub raw: RawArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ExtractFormat {
    /// NumPy's file, in C order
    Npy,
    /// Values parted by commas
    Csv,
    /// Values parted by spaces
    Text,
}

#[derive(Debug, Args)]
pub(super) struct AssignArgs {
    /// The file
    pub file: PathBuf,
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// The values: a file of the selection's shape and the same dtype
    #[arg(long, value_name = "VALUES.npy")]
    pub from: PathBuf,
    #[command(flatten)]
    pub access: AccessArgs,
    #[command(flatten)]
    pub raw: RawArgs,
}

#[derive(Debug, Args)]
pub(super) struct AppendArgs {
    /// The file: .npy, .npz (csr, csc), or without a header, whose shape is then the new one
    pub file: PathBuf,
    /// What to append: a file of the same dtype, with as many columns (to a Fortran-order or csc file: rows)
    #[arg(long, value_name = "VALUES")]
    pub from: PathBuf,
    #[command(flatten)]
    pub access: AccessArgs,
    #[command(flatten)]
    pub raw: RawArgs,
}

#[derive(Debug, Args)]
pub(super) struct ConvertArgs {
    /// The file to read
    pub input: PathBuf,
    /// The file to write: .npy, .npz (sparse), .mtx (Matrix Market), or any other name for a file without a header
    pub output: PathBuf,
    /// Order of a dense output [default: the one nearest to the input]
    #[arg(long, value_name = "c|f")]
    pub order: Option<Order>,
    /// Compression of a sparse output [default: the one nearest to the input]
    #[arg(long, value_name = "csr|csc|coo")]
    pub layout: Option<LayoutArg>,
    /// Leave out zeros that a sparse input has among its entries
    #[arg(long)]
    pub drop_zeros: bool,
    /// Element type of the output [default: the input's]
    #[arg(long, value_name = "TYPE")]
    pub dtype: Option<DType>,
    #[command(flatten)]
    pub force: ForceArgs,
    /// Rows and columns of an input without a header
    #[arg(long, value_name = "ROWSxCOLS")]
    pub shape: Option<Shape>,
    /// Element type of an input without a header [default: --dtype]
    #[arg(long, value_name = "TYPE")]
    pub input_dtype: Option<DType>,
    /// Order of an input without a header [default: c]
    #[arg(long, value_name = "c|f")]
    pub input_order: Option<Order>,
    /// Where the data of an input without a header begin, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub offset: u64,
    #[command(flatten)]
    pub access: AccessArgs,
}

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// One file
    pub one: PathBuf,
    /// The other
    pub other: PathBuf,
    #[command(flatten)]
    pub raw: RawArgs,
    /// One JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(super) struct DigestArgs {
    /// The files
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub access: AccessArgs,
    #[command(flatten)]
    pub raw: RawArgs,
    /// One JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The files
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub raw: RawArgs,
    /// One JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}
