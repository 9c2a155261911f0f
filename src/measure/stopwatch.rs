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

/// The least time that the clock tells from none: what lies between two looks at it that differ.
pub fn clock_step() -> Duration {
    const LOOKS: usize = 10_000;
    let mut before = Instant::now();
    let steps = (0..LOOKS).filter_map(|_| {
        let now = Instant::now();
        let step = now.saturating_duration_since(std::mem::replace(&mut before, now));
        (!step.is_zero()).then_some(step)
    });
    steps.min().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_tells_microseconds() {
        let step = clock_step();
        assert!(step > Duration::ZERO && step < Duration::from_millis(1), "{step:?}");
    }

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
