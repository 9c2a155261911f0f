//! The machine's limits on one file system, measured in a few seconds: what an access can be held against.
//!
//! Files are reached as stores reach them, through devices. Each limit is the best of a few tries: what disturbs
//! a measurement makes it slower, never faster.

use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::environment::environment;
use super::folder::DataFolder;
use super::{regime, space};
use crate::error::{Error, Result};
use crate::record::{Environment, Limits};
use crate::store::Context;
use crate::sys::{
    self, Advice, DiskMedium, Existing, LockPolicy, Medium, Mode, Pages, ProcessCounters,
};

/// The file that is written and read: beyond what caches in devices hold back, within what a second moves.
const FILE_BYTES: u64 = 256 << 20;

/// Bytes read and copied in memory: twice the last cache, so that memory is what is measured, within these bounds and an eighth of
/// what is free.
const LEAST_MEMORY_BYTES: usize = 64 << 20;
const MOST_MEMORY_BYTES: usize = 1 << 30;
const SHARE_OF_FREE: u64 = 8;

/// Bytes read or written in one call.
const PIECE_BYTES: u64 = 8 << 20;

/// Bytes written after which the disk is set to work on them, as stores do.
const WRITE_BACK_BYTES: u64 = 48 << 20;

const PAGE_BYTES: usize = 4096;

/// How often memory is copied, and how often the file is written and read.
const COPIES: usize = 9;
const TRIES: usize = 3;

/// How long random reads are made at each depth, in each try.
const RANDOM_TIME: Duration = Duration::from_millis(200);

/// Reads in flight.
const DEPTH: usize = 32;

/// Where limits were measured, and what they are.
#[derive(Debug, Clone)]
pub struct Probed {
    /// The machine and the file system.
    pub environment: Environment,
    /// What could be measured there.
    pub limits: Limits,
}

/// Measures the limits of the file system of `folder`, in which a file of 256 MiB lies meanwhile. Takes four times
/// the memory of the last cache, 2 GiB at most, and a few seconds. What cannot be measured there (a file in memory cannot be evicted) is left out.
///
/// # Errors
/// Where the file cannot be written or read, or `context` is cancelled.
pub fn probe(folder: &Path, context: &Context) -> Result<Probed> {
    space::check(FILE_BYTES, folder, "name a folder on another file system")?;
    let folder = DataFolder::create_in(folder)?;
    let path = folder.file("probe");
    let mut memory = Memory::new()?;
    let mut limits = Limits {
        memcpy_bytes_per_second: Some(memory.copy(context)?),
        memory_read_bytes_per_second: Some(memory.read(context)?),
        write_sync_bytes_per_second: Some(write(&path, &memory.from, context)?),
        ..Limits::default()
    };
    drop(memory);
    limits.cold_read_bytes_per_second = cold_read(&path, context)?;
    let mut pages: Vec<u64> = (0..FILE_BYTES / PAGE_BYTES as u64).collect();
    pages.shuffle(&mut SmallRng::seed_from_u64(1));
    let (one, many) = pages.split_at(pages.len() / 4);
    limits.random_reads_per_second_depth_1 = random_reads(&path, one, 1, context)?;
    limits.random_reads_per_second_depth_32 = random_reads(&path, many, DEPTH, context)?;
    limits.page_fault_seconds = page_fault(&path, context)?;
    Ok(Probed { environment: environment(folder.path()), limits })
}

/// Two stretches of memory, one of them full of what no device can compress.
struct Memory {
    from: Pages,
    to: Pages,
}

impl Memory {
    fn new() -> Result<Self> {
        let wanted = sys::last_cache_bytes().map_or(0, |bytes| 2 * bytes);
        let free = sys::free_memory_bytes().map_or(u64::MAX, |free| free / SHARE_OF_FREE);
        let most = usize::try_from(free).unwrap_or(usize::MAX).min(MOST_MEMORY_BYTES);
        let bytes = wanted.min(most).max(LEAST_MEMORY_BYTES);
        let mut from = Pages::new(bytes)?;
        SmallRng::seed_from_u64(0).fill_bytes(&mut from);
        Ok(Self { from, to: Pages::new(bytes)? })
    }

    fn copy(&mut self, context: &Context) -> Result<f64> {
        self.to.fill(1);
        best(COPIES, context, || {
            let begun = Instant::now();
            self.to.copy_from_slice(black_box(&self.from));
            black_box(&mut self.to);
            Ok(begun.elapsed())
        })
        .map(|time| self.from.len() as f64 / time)
    }

    fn read(&self, context: &Context) -> Result<f64> {
        let part = self.from.len().div_ceil(context.threads());
        best(COPIES, context, || {
            let parts = self.from.chunks(part).collect();
            let begun = Instant::now();
            context.for_each(parts, |_, part: &[u8]| {
                black_box(sum(part));
            });
            Ok(begun.elapsed())
        })
        .map(|time| self.from.len() as f64 / time)
    }
}

/// The sum of 64-bit words, which the compiler adds several at a time.
fn sum(bytes: &[u8]) -> u64 {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().fold(0, |sum, word| sum.wrapping_add(u64::from_ne_bytes(*word)))
}

/// Writes the file from front to back and syncs it: bytes a second.
fn write(path: &Path, content: &[u8], context: &Context) -> Result<f64> {
    let time = best(TRIES, context, || {
        let begun = Instant::now();
        let mut file = DiskMedium::positioned().create(path, FILE_BYTES, Existing::Replace)?;
        let mut begin = 0;
        let pieces = content.chunks(PIECE_BYTES as usize).cycle();
        for (at, piece) in (0..FILE_BYTES).step_by(PIECE_BYTES as usize).zip(pieces) {
            file.write_at(at, piece)?;
            let end = at + PIECE_BYTES;
            if end - begin >= WRITE_BACK_BYTES {
                file.write_back(begin..end);
                begin = end;
            }
        }
        file.sync()?;
        Ok(begun.elapsed())
    })?;
    Ok(FILE_BYTES as f64 / time)
}

/// Reads the evicted file from front to back, by calls and through a map, on one thread and on all: bytes a second of the
/// fastest.
fn cold_read(path: &Path, context: &Context) -> Result<Option<f64>> {
    let mut fastest = f64::INFINITY;
    for medium in [DiskMedium::positioned(), DiskMedium::mapped()] {
        for threads in [1, context.threads()] {
            if regime::establish(super::Regime::Cold, path).is_err() {
                return Ok(None);
            }
            let time = best(TRIES, context, || read_all(&medium, path, threads))?;
            fastest = fastest.min(time);
        }
    }
    Ok(Some(FILE_BYTES as f64 / fastest))
}

/// Reads the file once, evicted before, by threads that take its pieces in turn.
fn read_all(medium: &DiskMedium, path: &Path, threads: usize) -> Result<Duration> {
    regime::establish(super::Regime::Cold, path).map_err(unsteady)?;
    let file = medium.open(path, Mode::Read, LockPolicy::Skip)?;
    file.advise(Advice::Sequential);
    let begun = Instant::now();
    let next = AtomicU64::new(0);
    let read = || -> Result<()> {
        let mut buffer = vec![1; PIECE_BYTES as usize];
        loop {
            let at = next.fetch_add(PIECE_BYTES, Ordering::Relaxed);
            if at >= FILE_BYTES {
                return Ok(());
            }
            file.sweep(at..at + PIECE_BYTES);
            file.read_into(at, &mut buffer)?;
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(read)).collect();
        let joined = |thread: thread::ScopedJoinHandle<'_, _>| {
            thread.join().expect("reading does not panic")
        };
        threads.into_iter().try_for_each(joined)
    })?;
    Ok(begun.elapsed())
}

/// Reads pages of the evicted file, `depth` of them at a time: reads a second, of the best of some tries, each with pages of its
/// own.
fn random_reads(
    path: &Path,
    pages: &[u64],
    depth: usize,
    context: &Context,
) -> Result<Option<f64>> {
    let tries = pages.chunks(pages.len().div_ceil(TRIES).max(1));
    let rates = tries.map(|pages| random_reads_once(path, pages, depth, context));
    let rates: Result<Option<Vec<f64>>> = rates.collect();
    Ok(rates?.and_then(|rates| rates.into_iter().max_by(f64::total_cmp)))
}

fn random_reads_once(
    path: &Path,
    pages: &[u64],
    depth: usize,
    context: &Context,
) -> Result<Option<f64>> {
    context.advance(0)?;
    if regime::establish(super::Regime::Cold, path).is_err() {
        return Ok(None);
    }
    let file = DiskMedium::positioned().open(path, Mode::Read, LockPolicy::Skip)?;
    file.advise(Advice::Random);
    let next = AtomicUsize::new(0);
    let begun = Instant::now();
    let read = || -> Result<usize> {
        let mut buffer = [0; PAGE_BYTES];
        let mut done = 0;
        while begun.elapsed() < RANDOM_TIME
            && let Some(page) = pages.get(next.fetch_add(1, Ordering::Relaxed))
        {
            file.read_into(page * PAGE_BYTES as u64, &mut buffer)?;
            done += 1;
        }
        Ok(done)
    };
    let done: Result<usize> = thread::scope(|scope| {
        let threads: Vec<_> = (0..depth).map(|_| scope.spawn(read)).collect();
        threads.into_iter().map(|thread| thread.join().expect("reading does not panic")).sum()
    });
    Ok(Some(done? as f64 / begun.elapsed().as_secs_f64()))
}

/// Touches every page of the resident file through a map: the time of a fault.
fn page_fault(path: &Path, context: &Context) -> Result<Option<f64>> {
    let mut fastest: Option<f64> = None;
    for _ in 0..TRIES {
        context.advance(0)?;
        if regime::establish(super::Regime::Warm, path).is_err() {
            return Ok(None);
        }
        let Ok(before) = ProcessCounters::of(std::process::id()) else { return Ok(None) };
        let file = DiskMedium::mapped().open(path, Mode::Read, LockPolicy::Skip)?;
        let begun = Instant::now();
        file.with(0..FILE_BYTES, &mut |bytes| {
            black_box(bytes.iter().step_by(PAGE_BYTES).fold(0u8, |sum, byte| sum ^ byte));
            Ok(())
        })?;
        let time = begun.elapsed().as_secs_f64();
        let after = ProcessCounters::of(std::process::id())?;
        let faults = after.minor_faults.saturating_sub(before.minor_faults);
        let one = time / faults.max(1) as f64;
        fastest = Some(fastest.map_or(one, |fastest| fastest.min(one)));
    }
    Ok(fastest)
}

/// The shortest of some tries, in seconds.
fn best(
    tries: usize,
    context: &Context,
    mut once: impl FnMut() -> Result<Duration>,
) -> Result<f64> {
    let mut fastest = f64::INFINITY;
    for _ in 0..tries {
        context.advance(0)?;
        fastest = fastest.min(once()?.as_secs_f64());
    }
    Ok(fastest)
}

fn unsteady(reason: String) -> Error {
    Error::new(crate::error::ErrorKind::Io, "evict", reason)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::store::{Budget, Cancel};

    #[test]
    fn every_limit_is_measured_on_a_disk_and_nothing_is_left() {
        // Not in /tmp, which may be kept in memory.
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let limits = probe(folder.path(), &Context::default()).unwrap().limits;
        let rates = [
            limits.memcpy_bytes_per_second,
            limits.memory_read_bytes_per_second,
            limits.write_sync_bytes_per_second,
            limits.cold_read_bytes_per_second,
            limits.random_reads_per_second_depth_1,
            limits.random_reads_per_second_depth_32,
        ];
        assert!(rates.iter().all(|rate| rate.is_some_and(|rate| rate > 1.0)), "{limits:?}");
        // A fault takes less than a millisecond, and no machine copies memory slower than its disk reads.
        assert!(limits.page_fault_seconds.is_some_and(|time| time > 0.0 && time < 1e-3));
        assert!(limits.memcpy_bytes_per_second > limits.cold_read_bytes_per_second);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_cancelled_probe_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let cancel = Cancel::default();
        cancel.cancel();
        let context = Context::new(Budget::default()).with_cancel(cancel);
        assert_eq!(probe(folder.path(), &context).unwrap_err().kind(), ErrorKind::Cancelled);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
