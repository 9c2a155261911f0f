//! The arguments of what measures, and of what shows measurements.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::ForceArgs;
use crate::array::{DType, Order, Shape};
use crate::harness::Sweep;

#[derive(Debug, Args)]
pub(in crate::cli) struct CompareArgs {
    /// Rows and columns; of an input without a header, its own [default: 1000000x100]
    #[arg(long, value_name = "ROWSxCOLS")]
    pub shape: Option<Shape>,
    /// Element type [default: f32]
    #[arg(long, value_name = "TYPE")]
    pub dtype: Option<DType>,
    /// Shares of cells that are not zero [default: 1,0.01]
    #[arg(long, value_name = "D,D", value_delimiter = ',')]
    pub density: Vec<f64>,
    /// Backends; hdf5 is one more [default: memmap,seek,sparse-csr,sparse-csc]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub backends: Vec<String>,
    /// Manifests of other programs to take part; all: those of a checkout of this project, with what they need
    #[arg(long, value_name = "FILES", value_delimiter = ',')]
    pub peers: Vec<PathBuf>,
    /// Workloads [default: all but spmv and shuffle-epoch]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub workloads: Vec<String>,
    /// Regimes: warm, cold, limited:SIZE (evicted, and within a memory limit of at least 96MiB; wants Linux and the
    /// right to make control groups) [default: warm, cold, and a limit of 40 % of the array where that is more
    /// than 96MiB; with --quick warm and cold]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub regimes: Vec<String>,
    /// Compare at several values of one choice: rows, cols, density, memory (limits around each trial, instead of
    /// --regimes), columns-read (by extract-column) or threads: rows=1e5,1e6. Warm and cold, where no --regimes are given;
    /// what it will take is said first, and asked for
    #[arg(long, value_name = "WHAT=V,V", conflicts_with = "self_test")]
    pub sweep: Option<Sweep>,
    /// Do not ask before a sweep
    #[arg(long, requires = "sweep")]
    pub yes: bool,
    /// Samples of each trial [default: until --precision or --trial-time, at least five where one takes less than a second
    /// and three in any case, at most fifteen; with --quick 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub samples: Option<u32>,
    /// How wide a median's interval may be, in percent of the median, for no more samples to be taken [default: 5]
    #[arg(long, value_name = "PERCENT", conflicts_with = "samples", value_parser = percent)]
    pub precision: Option<f64>,
    /// Seconds of samples after which no more are taken of a trial [default: 2]
    #[arg(long, value_name = "SECONDS", conflicts_with = "samples")]
    pub trial_time: Option<f64>,
    /// Seed of data, row choices and order
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Order of dense data, and of an input without a header
    #[arg(long, value_name = "c|f", default_value = "c")]
    pub order: Order,
    /// A file to work on instead of generated data: .npy, .npz, .mtx, or raw with --shape and --dtype
    #[arg(long, value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// Where the data of an input without a header begin, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub offset: u64,
    /// Leave the machine's limits unmeasured, which are else measured before and afterwards: some seconds each
    #[arg(long)]
    pub no_probe: bool,
    /// Compare nothing: let trials lie, each in a way of its own, and see whether every lie is found out; some seconds in all
    #[arg(long, conflicts_with_all = ["quick", "input", "backends", "peers", "workloads", "regimes", "samples", "shape", "density"])]
    pub self_test: bool,
    /// A small array and one sample, no limits: some seconds in all
    #[arg(long)]
    pub quick: bool,
    /// Where results.jsonl and report.md go
    #[arg(long, value_name = "DIR", default_value = "arraystore-report")]
    pub out: PathBuf,
    /// Where data files are put meanwhile [default: --out]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub force: ForceArgs,
    /// The records on standard output as one JSON document, instead of the table
    #[arg(long)]
    pub json: bool,
}

/// A number of percent, with its sign or without.
fn percent(text: &str) -> Result<f64, std::num::ParseFloatError> {
    text.strip_suffix('%').unwrap_or(text).trim_end().parse()
}

#[derive(Debug, Args)]
pub(in crate::cli) struct TrialArgs {
    /// Do wrong in this way: what negative controls are made of
    #[arg(long, value_name = "NAME")]
    pub lie: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ProbeArgs {
    /// A folder on the file system; 256 MiB are written there and removed again
    #[arg(default_value = ".", value_name = "DIR")]
    pub folder: PathBuf,
    /// One JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ReportArgs {
    /// Folders with a results.jsonl each; several are set side by side
    #[arg(required = true, value_name = "DIR")]
    pub runs: Vec<PathBuf>,
    /// Formats to write to --out [default: all], or the one to print [default: a table]
    #[arg(long, value_name = "FORMATS", value_delimiter = ',')]
    pub format: Vec<ReportFormat>,
    /// Folder to write report.md, report.csv and report.json to [default: print]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub force: ForceArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ReportFormat {
    Md,
    Csv,
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_has_its_sign_or_not() {
        assert_eq!([percent("5"), percent("2.5%"), percent("10 %")], [Ok(5.0), Ok(2.5), Ok(10.0)]);
        assert!(percent("%").is_err() && percent("five").is_err());
    }
}
