//! What carrying out a plan came to: seconds, and what the kernel counted, step by step.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::measure::PeakSampler;
use crate::store::{Observer, StepKind};
use crate::sys::{self, ProcessCounters};

/// How often the program's own memory is looked at.
const LOOKING: Duration = Duration::from_millis(1);

/// What a step or the whole came to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spent {
    pub time: Duration,
    pub counters: ProcessCounters,
}

/// What each kind of step came to, without the steps within it.
#[derive(Debug, Default)]
pub(super) struct Steps(Mutex<Ledger>);

#[derive(Debug, Default)]
struct Ledger {
    /// The steps that have begun and not ended.
    open: Vec<StepKind>,
    spent: Vec<(StepKind, Spent)>,
    /// When it was last looked at.
    looked: Option<Look>,
}

/// What the clock and the kernel said at some time.
#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    counters: ProcessCounters,
}

impl Look {
    /// None where the kernel does not tell: steps have no figures then.
    fn now() -> Option<Self> {
        let counters = ProcessCounters::of(std::process::id()).ok()?;
        Some(Self { at: Instant::now(), counters })
    }

    fn since(&self, earlier: &Self) -> Spent {
        Spent { time: self.at - earlier.at, counters: self.counters.since(&earlier.counters) }
    }
}

impl Ledger {
    /// Charges what came since the last look to the innermost step.
    fn look(&mut self) {
        let now = Look::now();
        let before = std::mem::replace(&mut self.looked, now);
        let (Some(now), Some(before), Some(&kind)) = (now, before, self.open.last()) else {
            return;
        };
        let more = now.since(&before);
        let index = self.spent.iter().position(|(own, _)| *own == kind).unwrap_or_else(|| {
            self.spent.push((kind, Spent::default()));
            self.spent.len() - 1
        });
        let spent = &mut self.spent[index].1;
        spent.time += more.time;
        spent.counters = spent.counters.plus(&more.counters);
    }
}

impl Steps {
    fn change(&self, change: impl FnOnce(&mut Vec<StepKind>)) {
        let mut ledger = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.look();
        change(&mut ledger.open);
    }
}

impl Observer for Steps {
    fn begin(&self, step: StepKind) {
        self.change(|open| open.push(step));
    }

    fn end(&self) {
        self.change(|open| {
            open.pop();
        });
    }
}

/// What carrying out a plan came to.
#[derive(Debug)]
pub(super) struct Analysis {
    pub total: Spent,
    pub peak_bytes: Option<u64>,
    steps: Vec<(StepKind, Spent)>,
}

impl Analysis {
    /// Of `work`, whose steps are told to `steps`.
    pub(super) fn of(
        steps: &Steps,
        work: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let own = std::process::id();
        let sampler = PeakSampler::start(LOOKING, move || {
            sys::process_memory(own).ok().map(|memory| [memory.anonymous_bytes])
        });
        let before = Look { at: Instant::now(), counters: ProcessCounters::of(own)? };
        work()?;
        let after = Look { at: Instant::now(), counters: ProcessCounters::of(own)? };
        let ledger = std::mem::take(&mut *steps.0.lock().unwrap_or_else(PoisonError::into_inner));
        let peak_bytes = sampler.finish().map(|[anonymous]| anonymous);
        Ok(Self { total: after.since(&before), peak_bytes, steps: ledger.spent })
    }

    /// What all steps of this kind came to, where they were told of.
    pub(super) fn of_step(&self, kind: StepKind) -> Option<&Spent> {
        self.steps.iter().find(|(own, _)| *own == kind).map(|(_, spent)| spent)
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    #[test]
    fn a_step_is_not_charged_for_the_steps_within_it() {
        let steps = Steps::default();
        let wait = Duration::from_millis(20);
        let analysis = Analysis::of(&steps, || {
            for _ in 0..2 {
                steps.begin(StepKind::Windows);
                steps.begin(StepKind::LogRows);
                sleep(wait);
                steps.end();
                steps.end();
                sleep(wait);
            }
            Ok(())
        })
        .unwrap();
        let windows = analysis.of_step(StepKind::Windows).unwrap().time;
        let rows = analysis.of_step(StepKind::LogRows).unwrap().time;
        assert!(rows >= 2 * wait && analysis.total.time >= 4 * wait);
        assert!(windows + rows + 2 * wait <= analysis.total.time);
        assert!(windows < rows, "{windows:?} {rows:?}");
        assert!(analysis.of_step(StepKind::ReadLog).is_none());
    }
}
