//! A sample seen from outside: what the kernel counted of the trial's process meanwhile.

use std::path::Path;
use std::time::{Duration, Instant};

use super::config::{Backend, Contender};
use super::process::TrialProcess;
use super::protocol::Done;
use crate::measure::PeakSampler;
use crate::record::Sample;
use crate::sys::{self, ProcessCounters, ProcessMemory, family};
use crate::workload::{AnswerKind, Workload};

/// How often the process's memory is looked at.
const LOOKING: Duration = Duration::from_millis(2);

/// By how much a program's clock may differ from this one.
const CLOCK_SLACK: Duration = Duration::from_millis(2);

/// What a sample may take beside what its program says that it took: this, and a tenth of it. Less cannot be told from a
/// machine that is busy elsewhere.
const UNTOLD: Duration = Duration::from_millis(100);
const UNTOLD_PART: u32 = 10;

/// By how much a program may say that it took less than was waited for it before this clock counts: what a message takes, and a
/// little more.
const MESSAGE: Duration = Duration::from_millis(5);

/// What a program may do when it has said that it is done and is asked for its answer: compute for so long, and so long for each byte of
/// it; read so many bytes; meet so many pages by faults, and so many for each page of the answer.
const ANSWERING: Duration = Duration::from_millis(20);
const ANSWERING_SECONDS_PER_BYTE: f64 = 4e-9;
const ANSWERING_BYTES: u64 = 1 << 20;
const ANSWERING_FAULTS: u64 = 4096;
const ANSWERING_FAULTS_PER_PAGE: u64 = 3;
const PAGE_BYTES: u64 = 4096;

/// By how much the processor time of a program may be less than the time for which its clock stood: this, and a quarter of that.
const IDLE: Duration = Duration::from_millis(250);
const IDLE_PART: u32 = 4;

/// Files smaller than this say nothing of how they were read.
const TELLING_BYTES: u64 = 1 << 20;

/// A sample that is being taken.
#[derive(Debug)]
pub(super) struct Observation<'a> {
    folder: &'a Path,
    counters: Option<ProcessCounters>,
    written: Option<u64>,
    limit_hits: Option<u64>,
    refaults: Option<u64>,
    sampler: PeakSampler<2>,
    begun: Instant,
}

/// What was seen of a sample.
#[derive(Debug)]
pub(super) struct Observed {
    counters: Option<ProcessCounters>,
    written: Option<u64>,
    limit_hits: Option<u64>,
    refaults: Option<u64>,
    peak: Option<ProcessMemory>,
    elapsed: Duration,
    /// What had been counted at its end.
    after: Option<ProcessCounters>,
}

impl<'a> Observation<'a> {
    /// Begins to watch `process` and the device below `folder`.
    pub(super) fn begin(process: &TrialProcess, folder: &'a Path) -> Self {
        let pid = process.id();
        let sampler = PeakSampler::start(LOOKING, move || {
            let own = sys::process_memory(pid).ok()?;
            let others = family::descendants(pid).into_iter().map(sys::process_memory);
            let memory = others.flatten().fold(own, ProcessMemory::plus);
            Some([memory.anonymous_bytes, memory.mapped_bytes])
        });
        Self {
            written: sys::device_written_bytes(folder),
            counters: counters(pid),
            limit_hits: process.limit_hits(),
            refaults: process.refaults(),
            sampler,
            folder,
            begun: Instant::now(),
        }
    }

    /// Ends it; `process`, the same, still lives, or nothing of it is known.
    pub(super) fn end(self, process: &TrialProcess) -> Observed {
        let elapsed = self.begun.elapsed();
        let after = counters(process.id());
        let difference = |after: Option<u64>, before: Option<u64>| {
            after.zip(before).map(|(after, before)| after.saturating_sub(before))
        };
        let written = sys::device_written_bytes(self.folder);
        Observed {
            counters: after.zip(self.counters).map(|(after, before)| after.since(&before)),
            written: difference(written, self.written),
            limit_hits: difference(process.limit_hits(), self.limit_hits),
            refaults: difference(process.refaults(), self.refaults),
            peak: self.sampler.finish().map(|[anonymous_bytes, mapped_bytes]| ProcessMemory {
                anonymous_bytes,
                mapped_bytes,
            }),
            elapsed,
            after,
        }
    }
}

/// What was counted of process `pid` and of those that it started.
fn counters(pid: u32) -> Option<ProcessCounters> {
    let own = ProcessCounters::of(pid).ok()?;
    let others = family::descendants(pid).into_iter().map(ProcessCounters::of);
    Some(others.flatten().fold(own, |sum, other| sum.plus(&other)))
}

impl Observed {
    /// Whether `process` did no more since it said that it is done than leave an answer of `bytes`.
    ///
    /// # Errors
    /// What else it did: work that was to be done on the clock.
    pub(super) fn has_only_answered(
        &self,
        process: &TrialProcess,
        bytes: u64,
    ) -> Result<(), String> {
        let Some((now, done)) = counters(process.id()).zip(self.after) else { return Ok(()) };
        let since = now.since(&done);
        let told = |what: String| Err(format!("{what} after it had said that it was done"));
        if since.device_read_bytes.max(since.read_bytes) > ANSWERING_BYTES {
            let read = since.device_read_bytes.max(since.read_bytes);
            return told(format!("read {read} bytes"));
        }
        let busy = ANSWERING.as_secs_f64() + bytes as f64 * ANSWERING_SECONDS_PER_BYTE;
        if since.busy.as_secs_f64() > busy {
            return told(format!("worked for {} s", since.busy.as_secs_f64()));
        }
        let faults = since.minor_faults + since.major_faults;
        if faults > ANSWERING_FAULTS + ANSWERING_FAULTS_PER_PAGE * bytes.div_ceil(PAGE_BYTES) {
            return told(format!("met {faults} pages by faults"));
        }
        Ok(())
    }

    /// The sample as recorded: what the program says it took and what was seen. `baseline` is the process's
    /// memory when it was ready. Only where a file `is_filled` may its clock stand.
    ///
    /// # Errors
    /// Where what the program says cannot be.
    pub(super) fn sample(
        &self,
        done: Done,
        is_filled: bool,
        baseline: Option<ProcessMemory>,
    ) -> Result<Sample, String> {
        self.check(done, is_filled)?;
        let (counters, told) = (self.counters, done.uncounted);
        let sum = |counted: u64, told: Option<u64>| counted.saturating_add(told.unwrap_or(0));
        let stood = Duration::try_from_secs_f64(done.stood_seconds.unwrap_or(0.0));
        let stood = stood.map_err(|error| error.to_string())?;
        // A program's own clock counts where it tells of what was waited for: the message is not its work.
        let waited = self.elapsed.saturating_sub(stood + MESSAGE).as_secs_f64();
        let seconds = done.seconds.max(waited);
        // While the clock stands a program computes values on one thread, in user mode.
        let user = counters.map(|counters| counters.user.saturating_sub(stood));
        let busy = counters.map(|counters| counters.busy.saturating_sub(stood).as_secs_f64());
        let grown = |of: fn(ProcessMemory) -> u64| {
            self.peak.zip(baseline).map(|(peak, baseline)| of(peak).saturating_sub(of(baseline)))
        };
        Ok(Sample {
            pass: None,
            seconds,
            told_seconds: (seconds > done.seconds).then_some(done.seconds),
            durable_seconds: done.durable_seconds,
            stood_seconds: done.stood_seconds,
            elapsed_seconds: Some(self.elapsed.as_secs_f64()),
            user_seconds: user.map(|user| user.as_secs_f64()),
            system_seconds: counters.map(|counters| counters.system.as_secs_f64()),
            busy_seconds: busy,
            waiting_seconds: busy.map(|busy| (seconds - busy).max(0.0)),
            device_bytes_read: counters.map(|counters| counters.device_read_bytes),
            device_bytes_written: self.written,
            device_dirtied_bytes: counters.map(|counters| counters.dirtied_bytes),
            read_bytes: counters.map(|counters| sum(counters.read_bytes, told.read_bytes)),
            written_bytes: counters.map(|counters| sum(counters.written_bytes, told.written_bytes)),
            read_calls: counters.map(|counters| sum(counters.read_calls, told.read_calls)),
            write_calls: counters.map(|counters| sum(counters.write_calls, told.write_calls)),
            minor_faults: counters.map(|counters| counters.minor_faults),
            major_faults: counters.map(|counters| counters.major_faults),
            peak_anonymous_bytes: grown(|memory| memory.anonymous_bytes),
            peak_mapped_bytes: grown(|memory| memory.mapped_bytes),
            cached_bytes: None,
            resident_before: None,
            digest: None,
            outlier: false,
            verified: false,
            verified_through: None,
            limit_hits: self.limit_hits,
            refaulted_pages: self.refaults,
        })
    }

    /// Compares the program's clock with this one: no sample takes longer than was waited for it, and none much shorter.
    fn check(&self, done: Done, is_filled: bool) -> Result<(), String> {
        let said = |what: &str, seconds: f64| format!("says that it {what} {seconds} s, ");
        let waited = (self.elapsed + CLOCK_SLACK).as_secs_f64();
        let stood = done.stood_seconds.unwrap_or(0.0);
        let durable = done.durable_seconds.unwrap_or(0.0);
        if !(done.seconds >= 0.0 && stood >= 0.0 && durable >= 0.0) {
            return Err(said("took", done.seconds) + "or others that are no duration");
        }
        if stood > 0.0 && !is_filled {
            return Err(format!("let its clock stand for {stood} s, where nothing is to be made"));
        }
        if let Some(busy) = self.counters.map(|counters| counters.busy.as_secs_f64())
            && stood * (1.0 - 1.0 / f64::from(IDLE_PART)) > busy + IDLE.as_secs_f64()
        {
            // Making columns is computing: who waits meanwhile does something else.
            return Err(format!(
                "let its clock stand for {stood} s, though its processors worked for {busy} s in all"
            ));
        }
        if done.seconds + stood > waited * 1.01 {
            let took = said("took", done.seconds + stood);
            return Err(took + &format!("but was done after {waited:.6} s"));
        }
        if durable > done.seconds {
            return Err(said("synced for", durable) + "which is more than all");
        }
        let untold = self.elapsed.as_secs_f64() - done.seconds - stood;
        if untold > (UNTOLD + self.elapsed / UNTOLD_PART).as_secs_f64() {
            let waited = self.elapsed.as_secs_f64();
            return Err(said("took", done.seconds)
                + &format!("and was busy outside of its clock: {waited} s in all"));
        }
        Ok(())
    }
}

/// Whether the backend reached its file in the way that its name says: a map that is read by calls, or calls
/// without bytes, are not what was to be measured.
///
/// # Errors
/// What was done instead.
pub(super) fn check_way(
    contender: Contender,
    workload: Workload,
    sample: &Sample,
    bytes_requested: u64,
) -> Result<(), String> {
    if workload.answer() == AnswerKind::File || bytes_requested < TELLING_BYTES {
        return Ok(());
    }
    let (Some(read), Some(minor), Some(major)) =
        (sample.read_bytes, sample.minor_faults, sample.major_faults)
    else {
        return Ok(());
    };
    let written = sample.written_bytes.unwrap_or(0);
    match contender {
        // What was put aside in a scratch file is read back by calls.
        Contender::Backend(Backend::Memmap) if read.saturating_sub(written) >= bytes_requested => {
            Err(format!("read {read} bytes by calls, which a memory map does not"))
        }
        Contender::Backend(Backend::Memmap) if minor + major == 0 => {
            Err("made no page fault, so it read no memory map".to_owned())
        }
        Contender::Backend(Backend::Seek | Backend::Hdf5) if read < bytes_requested => {
            Err(format!("read only {read} bytes by calls, of {bytes_requested}"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(elapsed: f64) -> Observed {
        Observed {
            counters: Some(ProcessCounters {
                user: Duration::from_millis(900),
                busy: Duration::from_millis(950),
                read_bytes: 5,
                ..ProcessCounters::default()
            }),
            written: Some(3),
            limit_hits: Some(9),
            refaults: Some(2),
            peak: Some(ProcessMemory { anonymous_bytes: 100, mapped_bytes: 70 }),
            elapsed: Duration::from_secs_f64(elapsed),
            after: None,
        }
    }

    fn done(seconds: f64, durable: Option<f64>, stood: Option<f64>) -> Done {
        Done { seconds, durable_seconds: durable, stood_seconds: stood, ..Done::default() }
    }

    #[test]
    fn what_was_seen_is_recorded_without_what_the_clock_stood_for() {
        let baseline = ProcessMemory { anonymous_bytes: 40, mapped_bytes: 80 };
        let sample =
            observed(1.504).sample(done(1.0, Some(0.2), Some(0.5)), true, Some(baseline)).unwrap();
        assert_eq!((sample.seconds, sample.durable_seconds), (1.0, Some(0.2)));
        assert_eq!(sample.told_seconds, None);
        assert!((sample.user_seconds.unwrap() - 0.4).abs() < 1e-9);
        assert!((sample.busy_seconds.unwrap() - 0.45).abs() < 1e-9);
        assert!((sample.waiting_seconds.unwrap() - 0.55).abs() < 1e-9);
        assert_eq!((sample.stood_seconds, sample.elapsed_seconds), (Some(0.5), Some(1.504)));
        assert_eq!((sample.peak_anonymous_bytes, sample.peak_mapped_bytes), (Some(60), Some(0)));
        assert_eq!((sample.read_bytes, sample.device_bytes_written), (Some(5), Some(3)));
        assert_eq!((sample.limit_hits, sample.refaulted_pages), (Some(9), Some(2)));
        assert!(!sample.verified);
    }

    #[test]
    fn clocks_that_cannot_be_right_are_refused() {
        for bad in [
            done(-1.0, None, None),
            done(f64::NAN, None, None),
            done(2.5, None, None),
            done(1.5, None, Some(1.5)),
            done(f64::INFINITY, None, None),
            done(1.9, Some(1.95), None),
            done(1.9, None, Some(-1.0)),
            done(1.9, Some(f64::NAN), None),
            // Time went by outside of the clock.
            done(1.2, None, None),
            done(0.1, None, Some(1.1)),
        ] {
            assert!(observed(2.0).sample(bad, true, None).is_err(), "{bad:?}");
        }
        for good in [done(1.75, Some(1.75), None), done(0.4, None, Some(1.5))] {
            assert!(observed(2.0).sample(good, true, None).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn a_backend_does_what_its_name_says() {
        let check = |backend, read, faults| {
            let sample = Sample {
                read_bytes: Some(read),
                written_bytes: Some(1 << 20),
                minor_faults: Some(faults),
                major_faults: Some(0),
                ..Sample::default()
            };
            check_way(Contender::Backend(backend), Workload::Scan, &sample, 4 << 20)
        };
        check(Backend::Memmap, 100, 64).unwrap();
        check(Backend::Memmap, 4 << 20, 64).unwrap();
        assert!(check(Backend::Memmap, 5 << 20, 64).is_err());
        assert!(check(Backend::Memmap, 100, 0).is_err());
        check(Backend::Seek, 4 << 20, 0).unwrap();
        assert!(check(Backend::Seek, 1 << 20, 9).is_err());
    }
}
