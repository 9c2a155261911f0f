//! Results as data on disk: the lines of `results.jsonl`, record schema v1 (docs/record-schema-v1.md).
//!
//! Owns the only types of the crate that are kept serialised, and how they are read back. Knows no other room but
//! `error`: harness writes records, report reads them, and the two never meet otherwise. Fields may be
//! added within a schema version, never renamed or given another meaning. All that is known is written,
//! `null` where a number could not be had: null is never zero.

mod read;

pub use read::{Records, read_lines};

use serde::{Deserialize, Serialize};

/// The version of the schema that this module writes.
pub const SCHEMA: u32 = 1;

/// One line of `results.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Line {
    /// The first line: how and where the trials were made.
    Run(Box<Run>),
    /// One trial: a backend at a workload in a regime, with all its samples.
    Trial(Box<Trial>),
}

/// How and where the trials of a run were made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// [`SCHEMA`].
    pub schema: u32,
    /// This program's version.
    pub version: String,
    /// The git commit it was built from, where known.
    pub git_commit: Option<String>,
    /// When the run began, RFC 3339, UTC.
    pub started: String,
    /// The command's arguments, from the subcommand on, without the program's own path.
    pub arguments: Vec<String>,
    /// The seed of data, row choices and order.
    pub seed: u64,
    /// Memory budget asked for, in bytes.
    pub memory_requested_bytes: u64,
    /// Memory budget kept to, in bytes.
    pub memory_effective_bytes: u64,
    /// Threads of each trial.
    pub threads: usize,
    /// The machine, as far as it explains the figures.
    pub environment: Environment,
    /// The machine's measured limits, where they were measured: before the first trial.
    pub limits: Option<Limits>,
    /// The same behind the last trial: what differs is how far the machine drifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits_after: Option<Limits>,
    /// What was compared at several values: `rows`, `cols`, `density`, `memory`, `columns-read`, `threads`; left out where
    /// nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<String>,
    /// How many other runs had their data in the same folder meanwhile, where there were any: the most that were seen at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_runs: Option<usize>,
}

/// The machine: what explains figures, nothing that identifies it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Environment {
    /// Operating system and kernel release.
    pub kernel: String,
    /// Processor model.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Physical memory in bytes.
    pub memory_bytes: u64,
    /// Type of the file system that holds the data.
    pub file_system: String,
    /// Kind of the device below it (`virtio`, `nvme`, `ssd`, `rotational`, …).
    pub device: String,
    /// The device's read-ahead in KiB, where known.
    pub read_ahead_kib: Option<u64>,
    /// Transparent huge pages' setting, where known.
    pub transparent_huge_pages: Option<String>,
    /// CPU frequency governor, where known.
    pub governor: Option<String>,
    /// Whether this is a virtual machine, whose host may hold what the guest evicted.
    pub virtual_machine: Option<bool>,
    /// Memory limit set for this process by a cgroup.
    pub memory_limit_bytes: Option<u64>,
    /// The least time that the clock of samples tells from none, in seconds; left out where it was not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_seconds: Option<f64>,
    /// Version of the control groups that `limited` regimes were made by: `v1`, `v2`; left out where there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<String>,
}

/// What the machine can do on the data's file system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Copying in memory, bytes a second, one thread.
    pub memcpy_bytes_per_second: Option<f64>,
    /// Reading memory, bytes a second, all threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_read_bytes_per_second: Option<f64>,
    /// Writing sequentially and syncing, bytes a second.
    pub write_sync_bytes_per_second: Option<f64>,
    /// Reading sequentially what is not cached, bytes a second.
    pub cold_read_bytes_per_second: Option<f64>,
    /// Random 4 KiB reads a second, one at a time.
    pub random_reads_per_second_depth_1: Option<f64>,
    /// Random 4 KiB reads a second, 32 in flight.
    pub random_reads_per_second_depth_32: Option<f64>,
    /// A minor page fault, in seconds.
    pub page_fault_seconds: Option<f64>,
}

/// A backend at a workload in a regime.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// [`SCHEMA`].
    pub schema: u32,
    /// `memmap`, `seek`, `sparse-csr`, `sparse-csc`; a peer's own name for peers.
    pub backend: String,
    /// The peer's name and version; null for this crate's backends.
    pub peer: Option<String>,
    /// `fill-columns`, `extract-column`, `extract-columns`, `extract-rows`, `extract-block`, `scan`.
    pub workload: String,
    /// `warm`, `cold`, `limited:SIZE`.
    pub regime: String,
    /// What was worked on.
    pub data: Data,
    /// Whether it was done.
    pub status: Status,
    /// Why not, where it was not.
    pub reason: Option<String>,
    /// Threads of the trial; left out by versions that swept nothing, where they are the run's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// How many columns `extract-column` reads; left out where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns_read: Option<usize>,
    /// Bytes of values that the workload asks for.
    pub bytes_requested: u64,
    /// The least time in which this machine could do it, where known.
    pub limit_seconds: Option<f64>,
    /// How that time comes about: what must move, over how fast it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_formula: Option<String>,
    /// Every sample, in the order taken; what was taken before a failure stays.
    pub samples: Vec<Sample>,
    /// The samples summed up; null where no sample counts.
    pub summary: Option<Summary>,
}

/// What a trial worked on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// Rows, columns.
    pub shape: [usize; 2],
    /// Element type.
    pub dtype: String,
    /// `c` or `f` for dense data.
    pub order: Option<String>,
    /// Share of cells that are not zero, as asked for or as counted in an input.
    pub density: f64,
    /// `csr` or `csc` for sparse data.
    pub layout: Option<String>,
    /// Length of the file; null where there was none.
    pub bytes_on_disk: Option<u64>,
    /// `generated`, or the input file's own name without its folder.
    #[serde(default)]
    pub source: Option<String>,
}

/// How a trial ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Every sample was taken and verified.
    Ok,
    /// The backend does not do this.
    Unsupported,
    /// The regime could not be established here.
    Unavailable,
    /// It went wrong: an error, a wrong answer, a regime that did not hold.
    Failed,
}

/// One execution of a workload.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// In which of the run's passes over its trials it was taken, from 1 on; left out where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass: Option<u32>,
    /// From open until durable, or until the values are in the caller's memory; without generating data.
    pub seconds: f64,
    /// What the program itself said, where it told of less than was waited for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told_seconds: Option<f64>,
    /// The part of `seconds` spent making it durable; null where nothing is written.
    pub durable_seconds: Option<f64>,
    /// How long its clock stood meanwhile, for values to be made. Left out by versions that did not record it, as are others
    /// with the same attribute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stood_seconds: Option<f64>,
    /// From the word to go until it said that it was done, by the harness's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elapsed_seconds: Option<f64>,
    /// Processor time in user mode.
    pub user_seconds: Option<f64>,
    /// Processor time in the kernel.
    pub system_seconds: Option<f64>,
    /// Processor time in both together, by a finer clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy_seconds: Option<f64>,
    /// The part of `seconds` in which no thread of it can have had a processor: what is left of them beside
    /// `busy_seconds`, which threads side by side make shorter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_seconds: Option<f64>,
    /// Bytes read from the device on the trial's behalf.
    pub device_bytes_read: Option<u64>,
    /// Bytes that the device wrote, whole machine, during the sample.
    pub device_bytes_written: Option<u64>,
    /// Bytes that the trial dirtied and that the device must write.
    pub device_dirtied_bytes: Option<u64>,
    /// Bytes moved by read calls.
    pub read_bytes: Option<u64>,
    /// Bytes moved by write calls.
    pub written_bytes: Option<u64>,
    /// Read system calls.
    pub read_calls: Option<u64>,
    /// Write system calls.
    pub write_calls: Option<u64>,
    /// Page faults served without the device.
    pub minor_faults: Option<u64>,
    /// Page faults that waited for the device.
    pub major_faults: Option<u64>,
    /// Largest anonymous memory seen, over what the process had when it was ready.
    pub peak_anonymous_bytes: Option<u64>,
    /// Most of mapped files and shared memory seen resident in it, over what the process had when it was ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_mapped_bytes: Option<u64>,
    /// What of the matrix's file, or files, was in the page cache when it was done, whoever had brought it there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_bytes: Option<u64>,
    /// Share of the input's pages that were resident just before; null for a fill.
    pub resident_before: Option<f64>,
    /// Digest v1 of the answer, or of the file that a fill left.
    pub digest: Option<String>,
    /// Whether it took a time far from that of the others; it counts all the same. Left out where it did not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outlier: bool,
    /// Whether the answer was right; for a fill, read back through another device.
    pub verified: bool,
    /// By which backend or device a fill was read back.
    pub verified_through: Option<String>,
    /// How often the memory limit of a `limited` regime was reached; left out in other regimes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_hits: Option<u64>,
    /// Pages of files that came back into memory not long after a `limited` regime had them taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refaulted_pages: Option<u64>,
}

/// Samples summed up.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Median of the samples' seconds.
    pub median_seconds: f64,
    /// Lower end of the median's interval; the median itself where there is one sample.
    pub low_seconds: f64,
    /// Upper end of the median's interval.
    pub high_seconds: f64,
}
