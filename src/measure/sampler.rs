//! Quantities looked at again and again while something else runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Looks at `N` quantities at an interval, on a thread of its own, and keeps the largest value of each.
#[derive(Debug)]
pub struct PeakSampler<const N: usize> {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Option<[u64; N]>>,
}

impl<const N: usize> PeakSampler<N> {
    /// Looks at `quantities` now and then `every` so often; values that are not there are passed over.
    pub fn start(
        every: Duration,
        mut quantities: impl FnMut() -> Option<[u64; N]> + Send + 'static,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut peaks: Option<[u64; N]> = None;
            loop {
                // Read before looking, so that a last look follows the wish to stop.
                let last = stopped.load(Ordering::Acquire);
                if let Some(seen) = quantities() {
                    let peaks = peaks.get_or_insert(seen);
                    peaks.iter_mut().zip(seen).for_each(|(peak, seen)| *peak = seen.max(*peak));
                }
                if last {
                    return peaks;
                }
                thread::park_timeout(every);
            }
        });
        Self { stop, thread }
    }

    /// Looks a last time; the largest values seen, none where there never were any.
    pub fn finish(self) -> Option<[u64; N]> {
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
    fn peaks_are_kept_though_they_have_passed() {
        let value = Arc::new(AtomicU64::new(3));
        let seen = Arc::clone(&value);
        let sampler = PeakSampler::start(Duration::from_micros(200), move || {
            let value = seen.load(Ordering::Relaxed);
            (value != 0).then_some([value, 10 - value])
        });
        for next in [9, 0, 4] {
            thread::sleep(Duration::from_millis(30));
            value.store(next, Ordering::Relaxed);
        }
        assert_eq!(sampler.finish(), Some([9, 7]));
        assert_eq!(PeakSampler::<1>::start(Duration::from_secs(100), || None).finish(), None);
    }
}
