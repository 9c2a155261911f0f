//! To come.
use super::Outcome;
use super::args::{Common, CompareArgs};
pub(super) fn run(_args: &CompareArgs, _common: &Common) -> anyhow::Result<Outcome> {
    todo!()
}
pub(super) fn serve_trial() -> anyhow::Result<Outcome> {
    todo!()
}
