//! The end of this process at once, without its destructors: what these would do for runs is done here.

use super::{folder, results};
use crate::sys::{MemoryGroup, family};

/// Ends the trials that run, removes their control groups and the folders of data, and ends the process with `code`.
///
/// Records stay as they are: whole lines, without a report, and older ones that were to be replaced beside them.
pub fn halt(code: i32) -> ! {
    // What ends the trials now is no word on them.
    results::freeze();
    // From then on no other thread gets past the end of a run, and ends the process before this has been done.
    let folders = folder::keep_all();
    family::end_all();
    MemoryGroup::remove_all();
    folder::remove(&folders);
    std::process::exit(code)
}
