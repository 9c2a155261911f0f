//! The clock.

use std::time::{Duration, Instant};

/// A monotonic clock that can be made to stand, for what is not to be measured.
#[derive(Debug, Clone)]
pub struct Stopwatch {
    started: Instant,
    stood: Duration,
}

impl Stopwatch {
    /// A clock that runs from now on.
    pub fn start() -> Self {
        Self { started: Instant::now(), stood: Duration::ZERO }
    }

    /// Lets the clock stand while `work` runs.
    pub fn standing<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let from = Instant::now();
        let result = work();
        self.stood += from.elapsed();
        result
    }

    /// How long the clock has run, without what it stood.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed().saturating_sub(self.stood)
    }

    /// How long the clock has stood.
    pub fn stood(&self) -> Duration {
        self.stood
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_while_it_stands_is_not_counted() {
        let mut watch = Stopwatch::start();
        let pause = Duration::from_millis(30);
        assert_eq!(watch.standing(|| std::thread::sleep(pause)), ());
        assert!(watch.stood() >= pause);
        let before = watch.elapsed();
        std::thread::sleep(Duration::from_millis(5));
        assert!(watch.elapsed() >= before + Duration::from_millis(5));
        // All that passed is either counted or stood.
        assert!(watch.elapsed() + watch.stood() <= watch.started.elapsed());
    }
}
