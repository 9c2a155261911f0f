//! Regimes: what of a file is in the page cache before a sample, brought about and proved page by page; and the
//! control group that bounds a trial's memory.

use std::path::Path;
use std::time::Duration;

use super::config::Regime;
use super::tree;
use crate::error::Error;
use crate::sys::{self, MemoryGroup, Residency};

/// More of a warm file than this is resident.
const WARM_SHARE: f64 = 0.99;

/// Less of a cold file than this is resident.
const COLD_SHARE: f64 = 0.01;

/// How often it is tried: pages that the kernel holds in lists of its own for a moment stay once.
const ATTEMPTS: usize = 4;

/// The control group that `regime` keeps a trial in; none where it bounds no memory.
///
/// # Errors
/// Why there is none, and what would permit it, in one line.
pub(super) fn control_group(regime: Regime) -> Result<Option<MemoryGroup>, String> {
    regime.limit_bytes().map(MemoryGroup::create).transpose().map_err(|error| with_advice(&error))
}

/// An error and what may help, in one line.
pub(super) fn with_advice(error: &Error) -> String {
    match error.advice() {
        Some(advice) => format!("{error}; {advice}"),
        None => error.to_string(),
    }
}

/// Brings the file at `path`, or all files in that folder, into the state that `regime` asks for, and proves it: the share
/// of their pages that is resident.
///
/// # Errors
/// Why the state could not be brought about, in one line.
pub(super) fn establish(regime: Regime, path: &Path) -> Result<f64, String> {
    let mut share = f64::NAN;
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
        let state = bring_about(regime, path).map_err(|error| error.to_string())?;
        share = state.share();
        let holds = match regime {
            Regime::Warm => share > WARM_SHARE,
            Regime::Cold | Regime::Limited { .. } => share < COLD_SHARE,
        };
        if holds {
            return Ok(share);
        }
    }
    let percent = share * 100.0;
    Err(match regime {
        Regime::Warm => format!("only {percent:.1} % of the file stays in the page cache"),
        Regime::Cold | Regime::Limited { .. } => {
            format!("{percent:.1} % of the file stays in the page cache after eviction")
        }
    })
}

fn bring_about(regime: Regime, path: &Path) -> crate::Result<Residency> {
    let files = tree::files(path)?;
    match regime {
        Regime::Warm => files.iter().try_for_each(|file| sys::make_resident(file))?,
        // Pages that stayed would be charged to whoever brought them in: they would escape a limit.
        Regime::Cold | Regime::Limited { .. } => {
            files.iter().try_for_each(|file| sys::evict(file))?
        }
    }
    tree::residency(path)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn each_regime_is_brought_about_and_proved_on_a_disk() {
        // Not in /tmp, which may be kept in memory.
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, vec![1; 3_000_000]).unwrap();
        for _ in 0..3 {
            assert!(establish(Regime::Cold, &path).unwrap() < 0.01);
            assert!(establish(Regime::Warm, &path).unwrap() > 0.99);
            let limited = Regime::Limited { bytes: Regime::LEAST_LIMIT_BYTES };
            assert!(establish(limited, &path).unwrap() < 0.01);
        }
    }

    #[test]
    fn only_a_limit_needs_a_control_group_and_why_there_is_none_is_said() {
        for regime in Regime::USUAL {
            assert!(control_group(regime).unwrap().is_none());
        }
        match control_group(Regime::Limited { bytes: Regime::LEAST_LIMIT_BYTES }) {
            Ok(group) => assert!(group.is_some()),
            Err(why) => assert!(why.contains("control group") && why.contains("run it"), "{why}"),
        }
    }

    #[test]
    fn what_cannot_be_evicted_is_said() {
        assert!(establish(Regime::Warm, Path::new("/nonexistent")).is_err());
        // Memory posing as a disk: nothing can be evicted from there.
        let Ok(folder) = tempfile::tempdir_in("/dev/shm") else { return };
        let path = folder.path().join("file");
        std::fs::write(&path, vec![1; 100_000]).unwrap();
        let told = establish(Regime::Cold, &path).unwrap_err();
        assert!(told.contains("100.0 % of the file stays"), "{told}");
    }
}
