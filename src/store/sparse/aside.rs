//! The whole matrix turned into a nameless file, compressed along its other axis: for visits across the lines that would
//! have to pass over them many times.

use super::Engine;
use super::base::{Base, Facts};
use super::builder::planned;
use super::bulk::Bulk;
use super::overlay::Overlay;
use crate::array::Bits;
use crate::error::{ErrorKind, Result};
use crate::store::plan::WRITE_COST;
use crate::store::{Context, Step, StepKind};
use crate::sys::Mode;

/// What turning moves, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turning {
    /// Of the file as it is.
    pub file: u64,
    /// Put aside on the way, and read back.
    pub logged: u64,
    /// Of the file that is made.
    pub made: u64,
}

impl Turning {
    /// What it costs with one visit of what was made, in bytes read.
    pub(super) fn cost(self) -> u64 {
        let Self { file, logged, made } = self;
        let written = (1 + WRITE_COST).saturating_mul(logged.saturating_add(made));
        file.saturating_add(written)
    }

    pub(super) fn step(self) -> Step {
        let Self { file, logged, made } = self;
        Step::new(StepKind::TurnEntries, 1, file + logged, logged + made)
    }
}

impl<W: Bits> Engine<W> {
    fn facts_aside(&self) -> Facts {
        let Facts { compression, shape, dtype } = self.facts;
        Facts { compression: compression.other(), shape, dtype }
    }

    /// What turning all of it with `context`'s memory moves.
    pub(super) fn turning(&self, context: &Context) -> Result<Turning> {
        let facts = self.facts_aside();
        let (plan, width) = planned(facts, self.stored())?;
        let waits = self.stored().saturating_mul((width.bytes() + size_of::<W>()) as u64);
        let held = shares(context).0.available_bytes() / 2;
        let logged = if waits > held { waits } else { 0 };
        Ok(Turning { file: self.file_bytes(self.facts.lines()), logged, made: plan.file_bytes() })
    }

    /// All of it, turned; none where that fails, as where no scratch file can be made: passes need none, and tell what
    /// else is wrong.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`].
    pub(super) fn turn_aside(&self, context: &Context) -> Result<Option<Self>> {
        let _step = context.step(StepKind::TurnEntries);
        match self.turned_aside(context) {
            Err(error) if error.kind() == ErrorKind::Cancelled => Err(error),
            turned => Ok(turned.ok()),
        }
    }

    fn turned_aside(&self, context: &Context) -> Result<Self> {
        let facts = self.facts_aside();
        let mut turned = Self {
            facts,
            base: Base::empty(facts.lines(), size_of::<W>()),
            overlay: Overlay::new(),
            medium: self.medium.clone(),
            path: self.path.clone(),
            // What is written is for nobody else.
            mode: Mode::CopyOnWrite,
            existing: self.existing,
            fresh: None,
            named: None,
            is_named: true,
            stats: self.stats,
            sum: self.sum,
            context: context.clone(),
        };
        let (writing, reading) = shares(context);
        let mut bulk = Bulk::new(&mut turned, &writing);
        let length = self.facts.length();
        self.show_along(
            0..self.facts.lines(),
            &mut |shown| {
                let (first, positions) = (shown.lines.start, &shown.positions);
                if positions.len() == length {
                    return bulk.put_across_entries(
                        first,
                        shown.offsets,
                        shown.indices,
                        shown.values,
                    );
                }
                bulk.put_part_across(first, positions, shown.indices, shown.values)
            },
            &reading,
        )?;
        bulk.finish()?;
        Ok(turned)
    }
}

/// The memory in which what is turned waits, and that in which it is read.
fn shares(context: &Context) -> (Context, Context) {
    (context.share(3, 4), context.share(1, 4))
}
