//! The comparison: the same workloads over all backends, each trial in a process of its own, in regimes
//! that are proved, with answers that are checked.
//!
//! Owns the plan of a run ([`Plan`]), trial processes and their handshake (docs/trial-protocol-v1.md, whose
//! other side is [`serve`]), the data files meanwhile, and `results.jsonl`. Writes records and never reads
//! them: it does not know how they are shown. Prints nothing; an [`Observer`] hears how far a run is.

mod claim;
mod config;
mod controls;
mod entrant;
mod environment;
mod estimate;
mod floor;
mod folder;
mod form;
mod group;
mod halt;
mod matrix;
mod observe;
mod own;
mod peers;
mod plan;
mod probe;
mod process;
mod protocol;
mod regime;
mod results;
mod run;
mod sample;
mod sampling;
mod scope;
mod space;
mod sweep;
#[cfg(test)]
mod testing;
#[cfg(all(test, unix))]
mod tests;
mod tree;
mod trial;
mod verify;

pub use config::{Backend, Config, Contender, Data, Regime};
pub use controls::{Finding, Verdict, self_test};
pub use estimate::{Estimate, estimate};
pub use form::Form;
pub use halt::halt;
pub use peers::Peer;
pub use plan::{Group, Part, Plan};
pub use probe::{Probed, probe};
pub use results::RESULTS;
pub use run::{Ending, Outcome, run};
pub use sampling::Sampling;
pub use sweep::{Sweep, Swept};
pub use trial::{Lie, serve};

use std::path::{Path, PathBuf};

use crate::store::Layout;

/// Hears how far a run is.
pub trait Observer {
    /// So many samples are planned.
    fn planned(&mut self, samples: usize);
    /// This is being done now.
    fn doing(&mut self, what: &str);
    /// So many planned samples more are taken, or will not be.
    fn passed(&mut self, samples: usize);
}

/// Where all values lie whose sums are answered at `answer`: dense without a header, or sparse.
fn values_path(answer: &Path, layout: Layout) -> PathBuf {
    let mut path = answer.as_os_str().to_owned();
    path.push(match layout {
        Layout::Dense(_) => ".values",
        Layout::Sparse(_) => ".values.npz",
    });
    path.into()
}
