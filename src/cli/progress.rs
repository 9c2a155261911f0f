//! Progress bars on stderr, where it is a terminal.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::Common;
use super::interrupt;
use crate::store::{Context, Progress};

/// A bar of bytes.
struct Bar(ProgressBar);

impl Progress for Bar {
    fn begin(&self, what: &str, total: u64) {
        self.0.set_message(what.to_owned());
        self.0.set_length(total);
        self.0.set_position(0);
    }

    fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Whether progress is shown.
pub(super) fn is_shown(common: &Common) -> bool {
    !common.quiet && io::stderr().is_terminal()
}

/// The context of a long command: with the budget and threads asked for, stopped by Ctrl-C, with a bar.
pub(super) fn context(common: &Common) -> anyhow::Result<Context> {
    let context = common.context().with_cancel(interrupt::cancel()?);
    if !is_shown(common) {
        return Ok(context);
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    bar.set_style(ProgressStyle::with_template(style)?);
    Ok(context.with_progress(Arc::new(Bar(bar))))
}
