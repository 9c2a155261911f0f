//! Ctrl-C: a wish to stop, heard by the context at its next step, so that nothing is left half made.

use std::sync::OnceLock;

use anyhow::Context as _;

use crate::store::Cancel;

/// The flag that Ctrl-C sets. Installs the handler at the first call.
///
/// A second Ctrl-C ends the process at once: nameless files leave nothing behind even then.
pub(super) fn cancel() -> anyhow::Result<Cancel> {
    static CANCEL: OnceLock<Cancel> = OnceLock::new();
    if let Some(cancel) = CANCEL.get() {
        return Ok(cancel.clone());
    }
    let cancel = CANCEL.get_or_init(Cancel::default).clone();
    let heard = cancel.clone();
    ctrlc::set_handler(move || {
        if heard.is_cancelled() {
            std::process::exit(130);
        }
        heard.cancel();
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(cancel)
}
