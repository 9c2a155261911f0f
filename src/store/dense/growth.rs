//! Growing in place: how lines get behind the last one of a file that may be cut off at any moment.
//!
//! Owns the file's length and its header while lines are appended; the lines themselves are written by whoever asked
//! for room. Whatever a crash leaves opens, and holds either what it held at the last sync or what it holds at
//! this one:
//!
//! 1. the header is marked as growing, and that made durable: from now on what follows the data is ignored;
//! 2. the file is made longer, with space, and lines are written behind the data;
//! 3. at `sync`, length and lines are made durable, then the header states the new shape without the mark.
//!
//! The mark is one byte, and the header's text lies within a sector, so that neither can arrive in part. A file without a
//! header cannot be marked: a crash leaves it longer than its caller says.

use super::engine::Engine;
use crate::array::{DType, Order};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{DenseLayout, StatedBy, npy};
use crate::store::GrowthAxis;
use crate::sys::Device;

/// Space is taken ahead for as much as was appended since the last sync, up to this: line after line then costs
/// what lines at once do, and a nearly full disk is not filled with space that nobody asked for.
const AHEAD_BYTES: u64 = 64 << 20;

/// What the file shows to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing: it has no name before its first sync.
    New,
    /// What it held at the last sync.
    Settled,
    /// The same, though it is longer: it bears the mark.
    Growing,
}

/// How far a file has grown beyond what others see in it.
#[derive(Debug)]
pub(super) struct Growth {
    stage: Stage,
    /// As it lies in the file; empty where there is none.
    header: Vec<u8>,
    dtype: DType,
    order: Order,
    /// The shape that the header states, but for the length of the growing axis.
    axes: Vec<usize>,
    /// Whether it lies in a file that holds other things too.
    is_contained: bool,
    /// How many lines others see, or will if nothing is appended.
    settled_lines: usize,
}

impl Growth {
    /// Of the file on `device`, which is opened for writing.
    pub(super) fn new(stage: Stage, device: &dyn Device, layout: &DenseLayout) -> Result<Self> {
        let header_bytes = match layout.stated_by {
            StatedBy::Caller | StatedBy::Container => 0,
            // At most [`npy::MAX_HEADER_BYTES`].
            StatedBy::Header | StatedBy::GrowingHeader => layout.data_offset as usize,
        };
        let mut header = vec![0; header_bytes];
        device.read_into(0, &mut header)?;
        let shape = layout.shape;
        let settled_lines = match layout.order {
            Order::C => shape.rows,
            Order::Fortran => shape.cols,
        };
        Ok(Self {
            stage,
            header,
            dtype: layout.dtype,
            order: layout.order,
            axes: layout.file_shape.clone().unwrap_or_else(|| vec![shape.rows, shape.cols]),
            is_contained: layout.stated_by == StatedBy::Container,
            settled_lines,
        })
    }

    /// What the file can take more of.
    pub(super) fn axis(&self) -> Option<GrowthAxis> {
        self.check(self.settled_lines.saturating_add(1)).ok()?;
        Some(match self.order {
            Order::C => GrowthAxis::Rows,
            Order::Fortran => GrowthAxis::Columns,
        })
    }

    /// Refuses where the file cannot say that it holds `lines` lines.
    pub(super) fn check(&self, lines: usize) -> Result<()> {
        let refuse = |reason| {
            let error = Error::new(ErrorKind::Unsupported, "append", reason);
            Err(error.hint("convert it to a two-dimensional .npy file first"))
        };
        match (&*self.axes, self.order) {
            _ if self.is_contained => refuse("a contiguous dataset of an HDF5 file does not grow"),
            ([], _) => refuse("a scalar has no axis to grow along"),
            ([_], Order::Fortran) => refuse("a 1-D array in Fortran order does not grow"),
            _ if self.header.is_empty() => Ok(()),
            _ => self.header_for(lines).map(drop),
        }
    }

    /// The file's own shape where it holds `lines` lines.
    pub(super) fn shape_of(&self, lines: usize) -> Vec<usize> {
        let mut shape = self.axes.clone();
        let growing = match self.order {
            Order::C => shape.first_mut(),
            Order::Fortran => shape.last_mut(),
        };
        *growing.expect("what has no axis was refused") = lines;
        shape
    }

    fn header_for(&self, lines: usize) -> Result<Vec<u8>> {
        npy::resized_header(&self.header, self.dtype, self.order, &self.shape_of(lines))
    }

    /// How many lines others see.
    pub(super) fn settled_lines(&self) -> usize {
        self.settled_lines
    }

    /// Whether no appended line waits for a sync.
    pub(super) fn is_settled(&self) -> bool {
        self.stage == Stage::Settled
    }

    /// Makes the file long enough for `lines` lines, more than it holds.
    pub(super) fn make_room(&mut self, engine: &mut Engine, lines: usize) -> Result<()> {
        if self.stage == Stage::Settled {
            self.mark(engine, npy::GrowthMark::Growing)?;
            self.stage = Stage::Growing;
            if !self.header.is_empty() {
                engine.device.sync()?;
            }
        }
        let needed = engine.geometry.offset(lines, 0);
        if needed <= engine.device.len() {
            return Ok(());
        }
        let appended = engine.geometry.lines_range(self.settled_lines..engine.geometry.lines);
        let ahead = (appended.end - appended.start).min(AHEAD_BYTES);
        match engine.device.set_len(needed.saturating_add(ahead)) {
            Err(error) if ahead > 0 && error.kind() == ErrorKind::NoSpace => {
                engine.device.set_len(needed)
            }
            done => done,
        }
    }

    fn mark(&mut self, engine: &mut Engine, mark: npy::GrowthMark) -> Result<()> {
        let Some(at) = npy::mark_offset(&self.header) else { return Ok(()) };
        if self.header[at] != mark.byte() {
            engine.device.write_at(at as u64, &[mark.byte()])?;
            self.header[at] = mark.byte();
        }
        Ok(())
    }

    /// Makes durable what the engine holds, and known to others.
    pub(super) fn sync(&mut self, engine: &mut Engine) -> Result<()> {
        match self.stage {
            Stage::Settled => engine.device.sync(),
            Stage::New => {
                cut(engine, engine.geometry.lines)?;
                self.state(engine)?;
                engine.device.sync()?;
                self.stage = Stage::Settled;
                Ok(())
            }
            Stage::Growing => {
                cut(engine, engine.geometry.lines)?;
                engine.device.sync()?;
                self.state(engine)?;
                self.stage = Stage::Settled;
                engine.device.sync()
            }
        }
    }

    /// Lets the header state what the engine holds.
    fn state(&mut self, engine: &mut Engine) -> Result<()> {
        let lines = engine.geometry.lines;
        let is_stated = self.stage == Stage::New && lines == self.settled_lines;
        if !self.header.is_empty() && !is_stated {
            let header = self.header_for(lines)?;
            engine.device.write_at(0, &header).inspect_err(|_| {
                // A part of it may be there: over it, what was there before. The first error is the one to tell.
                let _ = engine.device.write_at(0, &self.header);
            })?;
            self.header = header;
        }
        self.settled_lines = lines;
        Ok(())
    }

    /// Lets the file be as others see it, where it has grown beyond that and no appended line is to be kept.
    ///
    /// As far as that can be done: at whichever step it ends, the file opens and holds the same.
    pub(super) fn put_back(&mut self, engine: &mut Engine) {
        if self.stage == Stage::Growing {
            let _ = self.try_put_back(engine);
        }
    }

    fn try_put_back(&mut self, engine: &mut Engine) -> Result<()> {
        cut(engine, self.settled_lines)?;
        if !self.header.is_empty() {
            // Durable first: a longer file without the mark would be none.
            engine.device.sync()?;
            self.mark(engine, npy::GrowthMark::Settled)?;
        }
        self.stage = Stage::Settled;
        Ok(())
    }
}

/// Makes the file exactly as long as `lines` lines take.
fn cut(engine: &mut Engine, lines: usize) -> Result<()> {
    let needed = engine.geometry.offset(lines, 0);
    if engine.device.len() == needed { Ok(()) } else { engine.device.set_len(needed) }
}
