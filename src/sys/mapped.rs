//! A file as a memory map: access is by page faults, and nothing is copied that is not asked to be.

use std::ops::Range;
use std::path::Path;

use memmap2::{Mmap, MmapMut, MmapOptions};

use super::disk::DiskFile;
use super::{Advice, Device, DeviceKind, Mode, advice, bounds, cache};
use crate::error::{Error, ErrorKind, Result};

/// A mapped file.
#[derive(Debug)]
pub(super) struct MappedDevice {
    // Dropped before the file, whose lock it relies on.
    map: Map,
    file: DiskFile,
}

/// The map, by what may be done through it.
#[derive(Debug)]
enum Map {
    Reading(Mmap),
    Writing(MmapMut),
}

impl MappedDevice {
    pub(super) fn new(file: DiskFile) -> Result<Self> {
        let map = map(&file)?;
        // Only the header is looked at for now: left to itself, the fault would read as much as the kernel reads ahead.
        advice::read_ahead(&file.file, 0..file.len.min(PAGE_BYTES as u64));
        Ok(Self { map, file })
    }

    fn bytes(&self) -> &[u8] {
        match &self.map {
            Map::Reading(map) => map,
            Map::Writing(map) => map,
        }
    }

    fn bytes_mut(&mut self, range: &Range<u64>) -> Result<&mut [u8]> {
        self.file.check_writable("write")?;
        let range = self.file.check(range)?;
        match &mut self.map {
            Map::Writing(map) => Ok(&mut map[range]),
            Map::Reading(_) => unreachable!("what may be written is mapped for writing"),
        }
    }
}

/// Bytes from which on a write to the file by a call is cheaper than one through the map.
const CALL_BYTES: usize = 64 << 10;

/// Bytes below which a sweep costs more than the faults that it saves.
#[cfg(target_os = "linux")]
const SWEPT_BYTES: usize = 256 << 10;

/// Bytes of the unit in which maps are advised on: every page size is a multiple of it or it of them, and
/// where neither holds the hint is refused.
const PAGE_BYTES: usize = 4096;

impl MappedDevice {
    /// Takes the whole pages of `range` out of this process's memory; they stay in the page cache.
    #[cfg(unix)]
    #[allow(unsafe_code)]
    fn unmap_pages(&self, range: &Range<u64>) {
        let Ok(range) = self.file.check(range) else { return };
        let start = range.start.next_multiple_of(PAGE_BYTES);
        let len = (range.end / PAGE_BYTES * PAGE_BYTES).saturating_sub(start);
        if len == 0 {
            return;
        }
        let advice = memmap2::UncheckedAdvice::DontNeed;
        // A hint.
        let _ = match &self.map {
            // SAFETY: the range lies within the map, which is shared with the file, as the caller saw by its
            // mode: nothing is lost, a later access finds the same bytes in the page cache.
            Map::Reading(map) => unsafe { map.unchecked_advise_range(advice, start, len) },
            // SAFETY: as above; what was written is in the page cache.
            Map::Writing(map) => unsafe { map.unchecked_advise_range(advice, start, len) },
        };
    }

    #[cfg(not(unix))]
    fn unmap_pages(&self, _range: &Range<u64>) {}
}

/// Maps the whole of `file` as its mode says.
#[allow(unsafe_code)]
fn map(file: &DiskFile) -> Result<Map> {
    let failed = |error| file.io("map", error);
    let len = usize::try_from(file.len).map_err(|_| {
        file.named(Error::new(ErrorKind::Unsupported, "map", "is larger than the address space"))
    })?;
    // A map may be longer than its file, and touching what is beyond kills the process: asked anew, since
    // the length was learnt before the lock was taken.
    let actual = file.file.metadata().map_err(failed)?.len();
    if actual < file.len {
        return Err(file.named(Error::new(
            ErrorKind::Truncated,
            "map",
            "was cut off while being opened",
        )));
    }
    let mut options = MmapOptions::new();
    options.len(len);
    let map = match file.mode {
        // SAFETY: `len` bytes of the file exist, as checked above. That nobody changes or cuts them while they
        // are borrowed is what the advisory lock that the open file carries is for; against programs that
        // take no locks there is no protection, as the docs of the types that lend bytes say.
        Mode::Read => unsafe { options.map(&file.file) }.map(Map::Reading),
        // SAFETY: as above; the lock is exclusive.
        Mode::ReadWrite => unsafe { options.map_mut(&file.file) }.map(Map::Writing),
        // SAFETY: as above; the map is private, so that the file is not changed through it.
        Mode::CopyOnWrite => unsafe { options.map_copy(&file.file) }.map(Map::Writing),
    };
    map.map_err(failed)
}

impl Device for MappedDevice {
    fn kind(&self) -> DeviceKind {
        DeviceKind::Mapped
    }

    fn len(&self) -> u64 {
        self.file.len
    }

    fn path(&self) -> Option<&Path> {
        self.file.path()
    }

    fn with(&self, range: Range<u64>, visit: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let range = self.file.check(&range)?;
        visit(&self.bytes()[range])
    }

    fn read_into(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let range = self.file.check(&bounds::range(offset, out.len()))?;
        out.copy_from_slice(&self.bytes()[range]);
        Ok(())
    }

    fn borrow(&self, range: Range<u64>) -> Option<&[u8]> {
        match &self.map {
            Map::Reading(map) => map.get(self.file.check(&range).ok()?),
            Map::Writing(_) => None,
        }
    }

    fn overwrite(
        &mut self,
        range: Range<u64>,
        write: &mut dyn FnMut(&mut [u8]) -> Result<()>,
    ) -> Result<()> {
        write(self.bytes_mut(&range)?)
    }

    fn update(
        &mut self,
        range: Range<u64>,
        change: &mut dyn FnMut(&mut [u8]) -> Result<()>,
    ) -> Result<()> {
        change(self.bytes_mut(&range)?)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        // The page cache is the same, and a call makes it large pages where faults make small ones, one by one.
        // A full disk is an error then, not a signal.
        if bytes.len() >= CALL_BYTES && self.file.mode == Mode::ReadWrite {
            self.file.check_writable("write")?;
            self.file.check(&bounds::range(offset, bytes.len()))?;
            return positioned_io::WriteAt::write_all_at(&mut self.file.file, offset, bytes)
                .map_err(|error| self.file.io_at("write", offset, error));
        }
        self.bytes_mut(&bounds::range(offset, bytes.len()))?.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&mut self, len: u64) -> Result<()> {
        let before = self.file.len;
        self.file.set_len(len)?;
        match map(&self.file) {
            Ok(map) => self.map = map,
            Err(error) => {
                // The map in hand is as long as the file was. The first error is the one to tell.
                let _ = self.file.set_len(before);
                self.file.len = self.file.len.min(before);
                return Err(error);
            }
        }
        Ok(())
    }

    fn advise(&self, advice: Advice) {
        #[cfg(unix)]
        {
            let advice = match advice {
                Advice::Normal => memmap2::Advice::Normal,
                Advice::Sequential => memmap2::Advice::Sequential,
                Advice::Random => memmap2::Advice::Random,
            };
            // A hint.
            let _ = match &self.map {
                Map::Reading(map) => map.advise(advice),
                Map::Writing(map) => map.advise(advice),
            };
        }
        #[cfg(not(unix))]
        let _ = advice;
    }

    fn prefetch(&self, ranges: &[Range<u64>]) {
        // By the file, not the map: the same pages, without a limit on where ranges begin.
        advice::read_ahead_each(&self.file.file, ranges);
    }

    fn sweep(&self, whole: Range<u64>) {
        #[cfg(target_os = "linux")]
        if let Ok(range) = self.file.check(&whole)
            && range.len() >= SWEPT_BYTES
            // What is cached already is faulted in by whoever uses it, on all threads at once.
            && !cache::is_cached(&self.file.file, &whole)
        {
            let start = range.start / PAGE_BYTES * PAGE_BYTES;
            let advice = memmap2::Advice::PopulateRead;
            // A hint: what cannot be read is an error where it is used.
            let _ = match &self.map {
                Map::Reading(map) => map.advise_range(advice, start, range.end - start),
                Map::Writing(map) => map.advise_range(advice, start, range.end - start),
            };
        }
        #[cfg(not(target_os = "linux"))]
        let _ = whole;
    }

    fn release(&self, range: Range<u64>) {
        if self.file.mode != Mode::CopyOnWrite {
            self.unmap_pages(&range);
            advice::drop_cached(&self.file.file, range);
        }
    }

    fn write_back(&self, range: Range<u64>) {
        if self.file.mode == Mode::ReadWrite {
            self.file.write_back(range);
        }
    }

    fn write_out(&self, range: Range<u64>) {
        if self.file.mode == Mode::ReadWrite {
            self.file.write_out(range);
        }
    }

    fn sync(&mut self) -> Result<()> {
        self.file.check_writable("sync")?;
        self.file.flushed()?;
        if let Map::Writing(map) = &self.map
            && let Err(error) = map.flush()
        {
            return Err(self.file.fail("sync", error));
        }
        self.file.sync()
    }
}
