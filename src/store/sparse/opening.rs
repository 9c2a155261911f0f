//! What is made of a file that cannot be used in place, before its first value is: as a plan.

use super::base::Facts;
use super::builder::{most_entries, planned};
use super::foreign::Foreign;
use super::places::{Array, File, Source, copying_bytes};
use super::sorter::Sorter;
use crate::array::Bits;
use crate::error::Result;
use crate::format::npz::NpzLayout;
use crate::store::{Context, Plan, Step, StepKind};

impl File {
    /// What is still to be done before entries can be read with `context`'s memory; nothing where they can be.
    pub(super) fn opening<W: Bits>(&self, context: &Context) -> Result<Plan> {
        match &self.source {
            _ if self.places.get().is_some() => Ok(Plan::default()),
            Source::Made => Ok(Plan::default()),
            Source::Archive(layout) => Ok(copying(layout, context)),
            Source::Foreign(import) => {
                sorting::<W>(&import.foreign, import.facts, self.device.len(), context)
            }
        }
    }
}

fn plan(step: Step, memory_bytes: u64) -> Plan {
    Plan { steps: vec![step], memory_bytes, ..Plan::default() }
}

/// Of an archive, those arrays that are compressed, not aligned, or of other integers than are used.
fn copying(layout: &NpzLayout, context: &Context) -> Plan {
    let arrays = Array::all(layout);
    let copied: Vec<_> = arrays.iter().filter(|array| !array.is_in_place()).collect();
    if copied.is_empty() {
        return Plan::default();
    }
    let read = copied.iter().map(|array| array.stored_bytes()).sum();
    let written = copied.iter().map(|array| array.copied_bytes()).sum();
    plan(Step::new(StepKind::CopyMembers, 1, read, written), copying_bytes(context))
}

/// Of another format, all of it: its entries, and what of them the memory does not hold, once more.
fn sorting<W: Bits>(
    foreign: &Foreign,
    facts: Facts,
    file_bytes: u64,
    context: &Context,
) -> Result<Plan> {
    let entries = foreign.most_entries();
    let (sorting, reading) = Foreign::shares(context);
    let logged = Sorter::<W>::logged_bytes(entries, &sorting);
    let made = planned(facts, entries.min(most_entries(facts)))?.0.file_bytes();
    let memory = Sorter::<W>::memory_bytes(entries, &sorting) + reading.available_bytes();
    Ok(plan(Step::new(StepKind::SortEntries, 1, file_bytes + logged, logged + made), memory))
}
