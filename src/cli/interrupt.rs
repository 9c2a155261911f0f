//! Ctrl-C: a wish to stop, heard by the context at its next step, so that nothing is left half made.

use std::sync::OnceLock;

use anyhow::Context as _;

use crate::harness;
use crate::store::Cancel;

/// The code of a program that was ended by Ctrl-C.
const INTERRUPTED: i32 = 130;

/// The flag that Ctrl-C sets. Installs the handler at the first call.
///
/// A second Ctrl-C ends the process without waiting for that step. What is being made goes all the same: files are nameless until they
/// are whole (where the file system has no such files, one under a temporary name stays), and what a run has beside these
/// the harness ends and removes.
pub(super) fn cancel() -> anyhow::Result<Cancel> {
    static CANCEL: OnceLock<Cancel> = OnceLock::new();
    if let Some(cancel) = CANCEL.get() {
        return Ok(cancel.clone());
    }
    let cancel = CANCEL.get_or_init(Cancel::default).clone();
    let heard = cancel.clone();
    ctrlc::set_handler(move || {
        if heard.is_cancelled() {
            harness::halt(INTERRUPTED);
        }
        heard.cancel();
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(cancel)
}
