//! Plans: how an access would be done, as data that can be printed, compared and tested without I/O.

use std::fmt;

use super::{Budget, Layout};
use crate::array::Selection;
use crate::sys::Advice;

/// What writing a byte to a log costs, in bytes read: disks write more slowly than they read.
pub(super) const WRITE_COST: u64 = 2;

/// The order in which a visit passes tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TileOrder {
    /// Groups of whole columns from left to right (cut by rows only where one column exceeds the
    /// budget: then each column's parts come one after another, from top to bottom).
    Columns,
    /// Groups of whole rows from top to bottom (cut by columns likewise).
    Rows,
    /// Whichever of the two costs less.
    Any,
}

/// What is to be accessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Read a selection.
    Read(Selection),
    /// Write a selection.
    Write(Selection),
    /// Visit everything once.
    Visit(TileOrder),
    /// Visit every row once in random order, in batches of so many.
    Shuffle {
        /// Rows of a batch.
        batch: usize,
    },
    /// Write every column, one after another.
    FillColumns,
}

/// How an access is done: its steps in order, and what they move.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// Bytes that the caller asked for.
    pub bytes_requested: u64,
    /// Memory that the steps take at once, beside the caller's own.
    pub memory_bytes: u64,
    /// Which other layout of the file would do it with how many times fewer bytes, where it is worth telling.
    pub cheaper: Option<(Layout, u64)>,
}

/// One kind of work within a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What is done.
    pub kind: StepKind,
    /// How often.
    pub times: u64,
    /// Bytes read from the file or scratch file, over all times.
    pub bytes_read: u64,
    /// Bytes of the pages that hold what is read: what comes from the device where none of it is cached.
    pub bytes_paged: u64,
    /// Bytes written to the file or scratch file, over all times.
    pub bytes_written: u64,
    /// What the kernel is told of it.
    pub advice: Advice,
    /// How many reads are asked for before the first of them is waited for.
    pub in_flight: u64,
}

impl Step {
    /// A step done `times` times, without advice, one at a time.
    pub const fn new(kind: StepKind, times: u64, bytes_read: u64, bytes_written: u64) -> Self {
        Self {
            kind,
            times,
            bytes_read,
            bytes_paged: bytes_read,
            bytes_written,
            advice: Advice::Normal,
            in_flight: 1,
        }
    }

    /// The same step, whose pages are so many bytes.
    #[must_use]
    pub const fn paged(self, bytes_paged: u64) -> Self {
        Self { bytes_paged, ..self }
    }

    /// The same step, of which the kernel is told so.
    #[must_use]
    pub const fn advised(self, advice: Advice) -> Self {
        Self { advice, ..self }
    }

    /// The same step with so many reads at once.
    #[must_use]
    pub const fn at_once(self, in_flight: u64) -> Self {
        Self { in_flight, ..self }
    }
}

/// The kinds of work that plans are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StepKind {
    /// Touch only the wanted elements, in place: through a map or in memory.
    StridedGather,
    /// Write only the wanted elements, in place.
    StridedScatter,
    /// Read windows from front to back and pick the wanted elements out of each.
    ScanGather,
    /// Read each run of wanted bytes by itself, neighbours joined.
    CoalescedRanges,
    /// Write each run of bytes by itself.
    CoalescedWrites,
    /// Read windows, change some elements, write them back.
    ReadModifyWrite,
    /// Show whole windows as they lie.
    Windows,
    /// A pass over the file for each group of lines that the budget holds.
    GroupedPasses,
    /// Turn blocks of lines as the file is passed, and append them to a scratch file.
    TurnBlocks,
    /// Read the scratch file, in the order for which it was made.
    ReadLog,
    /// Append rows to a scratch file, each where its batch is.
    LogRows,
    /// Append columns to a scratch file, for what the budget does not hold.
    LogColumns,
    /// Transpose logged and held columns, block by block, into place.
    TransposeBlocks,
    /// Copy what cannot be used in place to a scratch file, before the first value is used.
    CopyMembers,
    /// Read a list of entries, sort them and write them to a scratch file, before the first value is used.
    SortEntries,
    /// Read every entry and write them, compressed along the other axis, to a scratch file.
    TurnEntries,
    /// Read the entries of the wanted compressed lines.
    SliceLines,
    /// Pass over every entry and keep the wanted ones.
    ScanEntries,
    /// Hold written entries in memory and scratch until `sync`.
    StageEntries,
    /// Merge staged entries with the file into a new one.
    MergeEntries,
    /// Read the chunks that hold wanted elements, and undo what was done to make them smaller.
    DecodeChunks,
}

impl Plan {
    /// Bytes read and written, over all steps.
    pub fn bytes_moved(&self) -> u64 {
        self.steps.iter().map(|step| step.bytes_read + step.bytes_written).sum()
    }

    /// Bytes that come from the device where nothing is cached: whole pages.
    pub fn bytes_paged(&self) -> u64 {
        self.steps.iter().map(|step| step.bytes_paged).sum()
    }

    /// The same over a file of `file_bytes`: where the page cache holds that, what one pass brought in is there for the
    /// next.
    #[must_use]
    pub(crate) fn over(mut self, file_bytes: u64, budget: Budget) -> Self {
        if budget.is_cached(file_bytes) {
            self.steps.iter_mut().for_each(|it| it.bytes_paged = it.bytes_paged.min(file_bytes));
        }
        self
    }

    /// This plan, and then `other`: like steps are counted as one, and what is done once is not done again.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.cheaper = self.cheaper.or(other.cheaper);
        for step in other.steps {
            match self.steps.iter_mut().find(|own| own.kind == step.kind) {
                Some(own) if own.kind.is_once() => {}
                Some(own) => {
                    own.times += step.times;
                    own.bytes_read += step.bytes_read;
                    own.bytes_paged += step.bytes_paged;
                    own.bytes_written += step.bytes_written;
                    own.in_flight = own.in_flight.max(step.in_flight);
                }
                None => self.steps.push(step),
            }
        }
        self.bytes_requested += other.bytes_requested;
        self.memory_bytes = self.memory_bytes.max(other.memory_bytes);
        self
    }

    /// Bytes moved for each byte asked for; 0 where nothing was asked for.
    pub fn amplification(&self) -> f64 {
        if self.bytes_requested == 0 {
            0.0
        } else {
            self.bytes_moved() as f64 / self.bytes_requested as f64
        }
    }
}

impl StepKind {
    /// Whether it is done to a file once, whatever is read of it.
    pub(in crate::store) fn is_once(self) -> bool {
        matches!(self, Self::CopyMembers | Self::SortEntries)
    }

    /// The step's name, as `explain` prints it.
    pub fn name(self) -> &'static str {
        match self {
            Self::StridedGather => "strided gather",
            Self::StridedScatter => "strided scatter",
            Self::ScanGather => "sequential scan and gather",
            Self::CoalescedRanges => "coalesced ranges",
            Self::CoalescedWrites => "coalesced writes",
            Self::ReadModifyWrite => "read, modify, write",
            Self::Windows => "windows",
            Self::GroupedPasses => "grouped passes",
            Self::TurnBlocks => "turn blocks",
            Self::ReadLog => "read the log",
            Self::LogRows => "log rows",
            Self::LogColumns => "log columns",
            Self::TransposeBlocks => "transpose blocks",
            Self::CopyMembers => "copy members",
            Self::SortEntries => "sort entries",
            Self::TurnEntries => "turn entries",
            Self::SliceLines => "slice lines",
            Self::ScanEntries => "scan entries",
            Self::StageEntries => "stage entries",
            Self::MergeEntries => "merge entries",
            Self::DecodeChunks => "decode chunks",
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.steps.iter().enumerate() {
            writeln!(
                f,
                "{}. {} ×{}: reads {} B, writes {} B",
                index + 1,
                step.kind.name(),
                step.times,
                step.bytes_read,
                step.bytes_written
            )?;
        }
        write!(
            f,
            "asked for {} B, moves {} B ({:.2}×), holds {} B",
            self.bytes_requested,
            self.bytes_moved(),
            self.amplification(),
            self.memory_bytes
        )
    }
}
