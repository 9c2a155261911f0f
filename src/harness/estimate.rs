//! What a run will take, before it is begun: disk, and time in round figures.
//!
//! Owns the assumptions. A machine that is not as they say takes longer or less; what is asked of the answer is whether it is
//! minutes or a day.

use super::config::Config;
use super::run::scopes;
use super::scope::Scope;
use super::space;
use crate::error::Result;
use crate::store::{Cancel, Context};
use crate::workload::{AnswerKind, Workload};

/// What a sample takes beside its bytes: regimes proved, processes asked, answers compared.
const SECONDS_PER_SAMPLE: f64 = 0.2;

/// How fast bytes are written, synced, read and digested, one with another.
const BYTES_PER_SECOND: f64 = 4e8;

/// How many cells are generated in a second.
const CELLS_PER_SECOND: f64 = 2e8;

/// What a run will take, about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Matrices that are compared on.
    pub matrices: usize,
    /// Trials.
    pub trials: usize,
    /// Bytes of disk, at the hungriest moment.
    pub disk_bytes: u64,
    /// Seconds.
    pub seconds: f64,
}

/// What a run of `config` will take. An input is read once for it.
///
/// # Errors
/// Where the configuration makes no sense, or the input cannot be read.
pub fn estimate(config: &Config, cancel: &Cancel) -> Result<Estimate> {
    let context =
        Context::new(config.budget).with_threads(config.threads).with_cancel(cancel.clone());
    let points = config.points()?;
    points.iter().try_for_each(Config::check)?;
    let scopes = scopes(&points, &context)?;
    let trials = |scope: &Scope<'_>| scope.pairs().len() * scope.config.regimes.len();
    Ok(Estimate {
        matrices: scopes.len(),
        trials: scopes.iter().map(trials).sum(),
        disk_bytes: scopes.iter().map(space::needed_bytes).max().unwrap_or(0),
        seconds: scopes.iter().map(seconds).sum(),
    })
}

/// Seconds for the trials on one matrix, and for what is made before them.
fn seconds(scope: &Scope<'_>) -> f64 {
    let made: u64 = scope.forms().iter().map(|&form| scope.extent.bytes(form)).sum();
    let cells = scope.extent.shape.rows as f64 * scope.extent.shape.cols as f64;
    let samples = f64::from(scope.config.samples.expected()) * scope.config.regimes.len() as f64;
    let sample = |(contender, workload): (_, Workload)| {
        let file = scope.extent.bytes(scope.config.form(contender)) as f64;
        let work = match workload.answer() {
            // Generated, written, evicted, read back.
            AnswerKind::File => 3.0 * file / BYTES_PER_SECOND + cells / CELLS_PER_SECOND,
            _ => (file + scope.bytes_requested(workload) as f64) / BYTES_PER_SECOND,
        };
        SECONDS_PER_SAMPLE + work
    };
    let all: f64 = scope.pairs().into_iter().map(sample).sum();
    made as f64 / BYTES_PER_SECOND + 2.0 * cells / CELLS_PER_SECOND + samples * all
}

#[cfg(test)]
mod tests {
    use super::super::testing::config;
    use super::*;

    #[test]
    fn a_sweep_takes_what_its_points_take_and_the_disk_of_the_largest() {
        let of = |sweep: &str| {
            let config = Config { sweep: Some(sweep.parse().unwrap()), ..config() };
            estimate(&config, &Cancel::default()).unwrap()
        };
        let (small, large, both) = (of("rows=1e5"), of("rows=1e7"), of("rows=1e5,1e7"));
        assert_eq!((small.matrices, both.matrices, both.trials), (2, 4, 2 * small.trials));
        assert_eq!(both.disk_bytes, large.disk_bytes);
        assert!((both.seconds - small.seconds - large.seconds).abs() < 1e-6);
        assert!(large.seconds > 10.0 * small.seconds, "{} {}", small.seconds, large.seconds);
    }
}
