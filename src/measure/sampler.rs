//! A quantity looked at again and again while something else runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Looks at a quantity at an interval, on a thread of its own, and keeps the largest value.
#[derive(Debug)]
pub struct PeakSampler {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Option<u64>>,
}

impl PeakSampler {
    /// Looks at `quantity` now and then `every` so often; values that are not there are passed over.
    pub fn start(
        every: Duration,
        mut quantity: impl FnMut() -> Option<u64> + Send + 'static,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut peak = None;
            loop {
                // Read before looking, so that a last look follows the wish to stop.
                let last = stopped.load(Ordering::Acquire);
                peak = peak.max(quantity());
                if last {
                    return peak;
                }
                thread::park_timeout(every);
            }
        });
        Self { stop, thread }
    }

    /// Looks a last time; the largest value seen, none where there never was one.
    pub fn finish(self) -> Option<u64> {
        self.stop.store(true, Ordering::Release);
        self.thread.thread().unpark();
        self.thread.join().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn the_peak_is_kept_though_it_has_passed() {
        let value = Arc::new(AtomicU64::new(3));
        let seen = Arc::clone(&value);
        let sampler = PeakSampler::start(Duration::from_micros(200), move || {
            Some(seen.load(Ordering::Relaxed)).filter(|&value| value != 0)
        });
        for next in [9, 0, 4] {
            thread::sleep(Duration::from_millis(30));
            value.store(next, Ordering::Relaxed);
        }
        assert_eq!(sampler.finish(), Some(9));
        assert_eq!(PeakSampler::start(Duration::from_secs(100), || None).finish(), None);
    }
}
