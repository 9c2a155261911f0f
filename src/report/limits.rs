//! A machine's limits as text.

use std::fmt::Write;

use super::number::{bytes, count, known, seconds};
use crate::record::{Environment, Limits};

/// What was measured, a line for each limit; a dash where it could not be.
pub fn limits(environment: &Environment, limits: &Limits) -> String {
    let rate = |value: Option<f64>| known(value, |rate| format!("{}/s", bytes(rate as u64)));
    let reads = |value: Option<f64>| known(value, |rate| format!("{}/s", count(rate as u64)));
    let rows = [
        ("memory copied", rate(limits.memcpy_bytes_per_second), "one thread"),
        ("memory read", rate(limits.memory_read_bytes_per_second), "all threads"),
        ("written and synced", rate(limits.write_sync_bytes_per_second), "from front to back"),
        ("read cold", rate(limits.cold_read_bytes_per_second), "from front to back"),
        ("random 4 KiB reads", reads(limits.random_reads_per_second_depth_1), "one at a time"),
        ("random 4 KiB reads", reads(limits.random_reads_per_second_depth_32), "32 in flight"),
        ("minor page fault", known(limits.page_fault_seconds, seconds), "in a resident file"),
    ];
    let mut text = format!(
        "{}, {} cores; {} on {}\n\n",
        environment.cpu, environment.cores, environment.file_system, environment.device
    );
    for (what, value, how) in rows {
        writeln!(text, "{what:<20}{value:>12}   {how}").expect("strings take all text");
    }
    text
}
