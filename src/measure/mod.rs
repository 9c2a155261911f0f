//! Measuring: a clock that can stand, a sampler of what a process holds meanwhile, and statistics.
//!
//! Runs closures and sums up numbers. Knows neither stores nor workloads, and writes nothing.

mod sampler;
mod statistics;
mod stopwatch;

pub use sampler::PeakSampler;
pub use statistics::{Interval, median, median_interval, outliers};
pub use stopwatch::{Stopwatch, clock_step};
