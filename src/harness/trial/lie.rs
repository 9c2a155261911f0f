//! Lies of a trial, each in one way that the harness has to notice: what its negative controls are made of.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// Bytes of a file that are written once more, and not synced.
const REWRITTEN_BYTES: u64 = 64 << 10;

/// By how much a clock begins late.
pub(super) const LATE: Duration = Duration::from_millis(300);

/// What a trial does that it should not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lie {
    /// One bit of the answer is another.
    WrongBit,
    /// A file is said to be durable that is not.
    Unsynced,
    /// What is called a memory map is read by calls.
    ReadingMap,
    /// The file is held in memory all the time: it cannot be evicted.
    HeldFile,
    /// The process leaves the control group that bounds its memory.
    Unbound,
    /// The work is said to be done before it was asked for.
    Early,
    /// The clock begins late.
    LateClock,
    /// The clock stands while the work is done.
    StandingClock,
    /// The file is still open when the work is said to be done, to be read for the answer.
    KeptFile,
    /// The work is done when the answer is asked for.
    Lazy,
}

impl Lie {
    /// Every lie.
    pub const ALL: [Self; 10] = [
        Self::WrongBit,
        Self::Unsynced,
        Self::ReadingMap,
        Self::HeldFile,
        Self::Unbound,
        Self::Early,
        Self::LateClock,
        Self::StandingClock,
        Self::KeptFile,
        Self::Lazy,
    ];

    /// The name on the command line.
    pub const fn id(self) -> &'static str {
        match self {
            Self::WrongBit => "wrong-bit",
            Self::Unsynced => "unsynced",
            Self::ReadingMap => "reading-map",
            Self::HeldFile => "held-file",
            Self::Unbound => "unbound",
            Self::Early => "early",
            Self::LateClock => "late-clock",
            Self::StandingClock => "standing-clock",
            Self::KeptFile => "kept-file",
            Self::Lazy => "lazy",
        }
    }
}

impl FromStr for Lie {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|lie| lie.id() == text).ok_or_else(|| {
            let reason = format!("'{text}' is no lie");
            Error::new(ErrorKind::InvalidArgument, "parse", reason)
        })
    }
}

/// Turns the first bit of the file at `path` over.
pub(super) fn turn_bit(path: &Path) -> Result<()> {
    rewrite(path, 1, |bytes| bytes.iter_mut().for_each(|byte| *byte ^= 1))
}

/// Writes the begin of the file at `path` once more as it is: it is changed, and not on the device.
pub(super) fn leave_unsynced(path: &Path) -> Result<()> {
    rewrite(path, REWRITTEN_BYTES, |_| {})
}

fn rewrite(path: &Path, bytes: u64, change: impl FnOnce(&mut [u8])) -> Result<()> {
    let at = |error| Error::io("rewrite", error).at(path);
    let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(at)?;
    let mut begin = Vec::new();
    (&mut file).take(bytes).read_to_end(&mut begin).map_err(at)?;
    change(&mut begin);
    file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(&begin)).map_err(at)
}
