//! To come.
use super::Outcome;
use super::args::{Common, ReportArgs};
pub(super) fn run(_args: &ReportArgs, _common: &Common) -> anyhow::Result<Outcome> {
    todo!()
}
