//! What a long operation runs in: how much memory it may take, how many threads, who hears of its
//! progress and who may stop it.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rayon::prelude::*;

use super::StepKind;
use crate::error::{Error, ErrorKind, Result};
use crate::sys;

/// Memory that operations may take for themselves when nothing else is said: 256 MiB.
const DEFAULT_BUDGET_BYTES: u64 = 256 << 20;

/// What a process needs beside its operations' buffers, left free inside a memory limit.
const LIMIT_MARGIN_BYTES: u64 = 32 << 20;

/// Work below this many bytes is not worth another thread's wake-up.
const THREADED_BYTES: usize = 1 << 20;

/// How much memory operations may take for their own buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    requested_bytes: u64,
    effective_bytes: u64,
    cache_bytes: u64,
}

impl Budget {
    /// `requested_bytes`, but never more than ⅔ of (the memory limit set for this process − 32 MiB).
    pub fn new(requested_bytes: u64) -> Self {
        let free = sys::free_memory_bytes().unwrap_or(u64::MAX);
        let cache_bytes = free.saturating_sub(requested_bytes);
        let budget = Self { requested_bytes, effective_bytes: requested_bytes, cache_bytes };
        sys::memory_limit_bytes().map_or(budget, |limit| budget.within(limit))
    }

    /// The same inside a memory limit: never more than ⅔ of (`limit_bytes` − 32 MiB).
    #[must_use]
    pub fn within(self, limit_bytes: u64) -> Self {
        let ceiling = limit_bytes.saturating_sub(LIMIT_MARGIN_BYTES) / 3 * 2;
        let effective_bytes = self.effective_bytes.min(ceiling);
        let cache_bytes = self.cache_bytes.min(limit_bytes.saturating_sub(effective_bytes));
        Self { effective_bytes, cache_bytes, ..self }
    }

    /// The same, where the system has so much memory for pages of files. [`Budget::new`] takes what the system says.
    #[must_use]
    pub fn with_cache(self, cache_bytes: u64) -> Self {
        Self { cache_bytes, ..self }
    }

    /// Memory that the system has for pages of files.
    pub fn cache_bytes(self) -> u64 {
        self.cache_bytes
    }

    /// Whether a file of so many bytes can stay in the page cache while the budget is used.
    pub fn is_cached(self, file_bytes: u64) -> bool {
        file_bytes <= self.cache_bytes
    }

    /// What was asked for.
    pub fn requested_bytes(self) -> u64 {
        self.requested_bytes
    }

    /// What operations keep to.
    pub fn effective_bytes(self) -> u64 {
        self.effective_bytes
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(DEFAULT_BUDGET_BYTES)
    }
}

/// Hears how far an operation has come.
pub trait Progress: Send + Sync {
    /// A part named `what` begins, of `total` bytes.
    fn begin(&self, what: &str, total: u64);
    /// `bytes` more of the part are done.
    fn advance(&self, bytes: u64);
}

/// Hears which steps of plans are carried out. Steps nest: rows are logged while windows are shown.
pub trait Observer: Send + Sync {
    /// A step begins.
    fn begin(&self, step: StepKind);
    /// The step that began last ends.
    fn end(&self);
}

/// A wish to stop, shared between who wishes and what runs.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks every operation that holds this to stop at its next step.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether a stop was asked for.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The budget that its user gave, of which a context may be a part.
#[derive(Debug, Clone, Copy)]
struct Origin {
    bytes: u64,
    /// Bytes of it for each byte of the part, and those beside the part.
    scale: f64,
    beside: f64,
}

impl Origin {
    /// How large it would have to be for a part of so many bytes.
    fn needed(&self, bytes: u64) -> u64 {
        if self.scale == 1.0 && self.beside == 0.0 {
            return bytes;
        }
        // One more than rounding may have taken.
        (bytes as f64 * self.scale + self.beside).ceil() as u64 + 1
    }
}

/// What a long operation runs in. Cheap to clone; clones share the ledger, the cancel flag and the threads.
#[derive(Clone)]
pub struct Context {
    budget: Budget,
    origin: Origin,
    reserved: Arc<AtomicU64>,
    threads: usize,
    pool: Arc<OnceLock<rayon::ThreadPool>>,
    cancel: Cancel,
    progress: Option<Arc<dyn Progress>>,
    observer: Option<Arc<dyn Observer>>,
}

impl Context {
    /// A context with `budget`, all cores, no progress shown.
    pub fn new(budget: Budget) -> Self {
        Self {
            budget,
            origin: Origin { bytes: budget.effective_bytes(), scale: 1.0, beside: 0.0 },
            reserved: Arc::default(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            pool: Arc::default(),
            cancel: Cancel::default(),
            progress: None,
            observer: None,
        }
    }

    /// The same with `threads` threads (at least 1).
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self.pool = Arc::default();
        self
    }

    /// The same, telling `progress`.
    #[must_use]
    pub fn with_progress(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = Some(progress);
        self
    }

    /// The same, telling `observer`.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// The same for a part of a step: nobody is told of steps.
    #[must_use]
    pub(crate) fn within_step(&self) -> Self {
        Self { observer: None, ..self.clone() }
    }

    /// The same, stopped by `cancel`.
    #[must_use]
    pub fn with_cancel(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        self
    }

    /// The budget.
    pub fn budget(&self) -> Budget {
        self.budget
    }

    /// Bytes that may still be reserved.
    pub fn available_bytes(&self) -> u64 {
        self.budget.effective_bytes().saturating_sub(self.reserved.load(Ordering::Relaxed))
    }

    /// A context for a part of an operation, with `numerator` ∕ `denominator` of what may still be
    /// reserved. It has a ledger of its own: see [`Context::rest`].
    #[must_use]
    pub(crate) fn share(&self, numerator: u64, denominator: u64) -> Self {
        let part = self.available_bytes() / denominator * numerator;
        // Rounded up to what divides evenly.
        self.limited_to(part, denominator as f64 / numerator as f64, denominator)
    }

    /// A context for the other part: what a share leaves.
    #[must_use]
    pub(crate) fn rest(&self, share: &Self) -> Self {
        let available = self.available_bytes();
        let left = available - share.budget.effective_bytes();
        self.limited_to(left, available.max(1) as f64 / left.max(1) as f64, 0)
    }

    /// A context for what is left once `bytes` are taken.
    #[must_use]
    pub(crate) fn without(&self, bytes: u64) -> Self {
        self.limited_to(self.available_bytes().saturating_sub(bytes), 1.0, bytes)
    }

    /// A context with a ledger of its own, for each byte of which this one's has `scale`, and `beside` once.
    fn limited_to(&self, effective_bytes: u64, scale: f64, beside: u64) -> Self {
        let budget = Budget { effective_bytes, ..self.budget };
        let beside = self.reserved.load(Ordering::Relaxed).saturating_add(beside);
        let origin = Origin {
            bytes: self.origin.bytes,
            scale: self.origin.scale * scale,
            beside: self.origin.beside + self.origin.scale * beside as f64,
        };
        Self { budget, origin, reserved: Arc::default(), ..self.clone() }
    }

    /// How many threads operations use.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Takes `bytes` of the budget until the reservation is dropped.
    ///
    /// # Errors
    /// [`ErrorKind::Budget`] where so much is not left; the error says how much would do.
    pub fn reserve(&self, bytes: u64) -> Result<Reservation> {
        let limit = self.budget.effective_bytes();
        let taken = |reserved: u64| reserved.checked_add(bytes).filter(|&sum| sum <= limit);
        match self.reserved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken) {
            Ok(_) => Ok(Reservation { ledger: Arc::clone(&self.reserved), bytes }),
            Err(reserved) => Err(Error::new(
                ErrorKind::Budget,
                "reserve memory",
                format!(
                    "the memory budget of {} bytes is too small: at least {} are needed",
                    self.origin.bytes,
                    self.origin.needed(reserved.saturating_add(bytes))
                ),
            )
            .hint("raise it with --memory, or Budget::new in a program")),
        }
    }

    /// Runs `work`, whose parallel parts use this context's threads.
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        let (mut work, mut done) = (Some(work), None);
        self.run(&mut || done = work.take().map(|work| work()));
        done.expect("the pool ran it")
    }

    /// Runs `work` for each of `parts`, on several threads where there are.
    pub(crate) fn for_each<P: Send>(&self, parts: Vec<P>, work: impl Fn(usize, P) + Sync) {
        let parts: Vec<_> = parts.into_iter().map(|part| Mutex::new(Some(part))).collect();
        self.run_each(parts.len(), &|index| {
            let part = parts[index].lock().unwrap_or_else(PoisonError::into_inner).take();
            work(index, part.expect("each part is taken once"));
        });
    }

    // The machinery of the thread pool is large: it is compiled for these two, not for every caller's closure.

    fn run(&self, work: &mut (dyn FnMut() + Send)) {
        self.pool().install(work);
    }

    fn run_each(&self, count: usize, work: &(dyn Fn(usize) + Sync)) {
        self.pool().install(|| (0..count).into_par_iter().for_each(work));
    }

    /// [`Context::install`] where `work` moves enough bytes to pay for another thread's wake-up.
    pub(crate) fn install_for<R: Send>(&self, bytes: usize, work: impl FnOnce() -> R + Send) -> R {
        if bytes >= THREADED_BYTES { self.install(work) } else { work() }
    }

    fn pool(&self) -> &rayon::ThreadPool {
        self.pool.get_or_init(|| {
            rayon::ThreadPoolBuilder::new()
                .num_threads(self.threads)
                .thread_name(|index| format!("arraystore-{index}"))
                .build()
                .expect("the system gives a process its threads")
        })
    }

    /// Begins a step of a plan, which ends when this is dropped.
    pub(crate) fn step(&self, kind: StepKind) -> StepGuard {
        self.observer.iter().for_each(|observer| observer.begin(kind));
        StepGuard(self.observer.clone())
    }

    /// Begins a part of the work named `what`, of `total` bytes.
    pub fn begin(&self, what: &str, total: u64) {
        if let Some(progress) = &self.progress {
            progress.begin(what, total);
        }
    }

    /// Says that `bytes` more are done, and asks whether to go on.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`] where a stop was asked for.
    pub fn advance(&self, bytes: u64) -> Result<()> {
        if let Some(progress) = &self.progress {
            progress.advance(bytes);
        }
        if self.cancel.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "go on", "cancelled"));
        }
        Ok(())
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new(Budget::default())
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("budget", &self.budget)
            .field("reserved", &self.reserved)
            .field("threads", &self.threads)
            .field("cancel", &self.cancel)
            .finish_non_exhaustive()
    }
}

/// Runs both, each on a thread of its own where one is free: within [`Context::install`].
pub(crate) fn join(one: &mut (dyn FnMut() + Send), other: &mut (dyn FnMut() + Send)) {
    rayon::join(one, other);
}

/// A step that is being carried out.
pub(crate) struct StepGuard(Option<Arc<dyn Observer>>);

impl Drop for StepGuard {
    fn drop(&mut self) {
        self.0.iter().for_each(|observer| observer.end());
    }
}

/// A part of the budget, given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    ledger: Arc<AtomicU64>,
    bytes: u64,
}

impl Reservation {
    /// How many bytes are held.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.ledger.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_refuses_what_is_not_left_and_takes_back_what_is_dropped() {
        let context = Context::new(Budget::new(100));
        let first = context.reserve(60).unwrap();
        let error = context.reserve(41).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Budget);
        assert!(error.to_string().contains("101"), "{error}");
        drop(first);
        assert_eq!(context.reserve(100).unwrap().bytes(), 100);
    }

    #[test]
    fn a_part_of_a_budget_says_what_the_whole_should_be() {
        for whole in [100, 1000] {
            let context = Context::new(Budget::new(whole));
            let _taken = context.reserve(40).unwrap();
            let share = context.share(3, 4);
            for part in [context.share(1, 4), context.rest(&share), share.without(7).share(1, 2)] {
                let error = part.reserve(600).map(drop).unwrap_err().to_string();
                let said = |after: &str| -> u64 {
                    error.split(after).nth(1).unwrap().split(' ').next().unwrap().parse().unwrap()
                };
                assert_eq!(said("budget of "), whole);
                let context = Context::new(Budget::new(said("at least ")));
                let _taken = context.reserve(40).unwrap();
                let share = context.share(3, 4);
                let parts =
                    [context.share(1, 4), context.rest(&share), share.without(7).share(1, 2)];
                assert!(parts.iter().any(|part| part.reserve(600).is_ok()), "{error}");
            }
        }
    }

    #[test]
    fn a_cancelled_context_stops_at_the_next_step() {
        let cancel = Cancel::default();
        let context = Context::default().with_cancel(cancel.clone());
        context.advance(1).unwrap();
        cancel.cancel();
        assert_eq!(context.advance(1).unwrap_err().kind(), ErrorKind::Cancelled);
    }
}
