//! The page cache: what of a file is resident, proved page by page, and how to change that.

use std::fs::File;
use std::ops::Range;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// How much of a file is in the page cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Residency {
    /// Pages of the file that are in the cache.
    pub resident_pages: u64,
    /// Pages of the file.
    pub pages: u64,
}

impl Residency {
    /// Bytes of the pages that are in the cache.
    #[cfg(feature = "program")]
    pub fn resident_bytes(self) -> u64 {
        self.resident_pages * rustix::param::page_size() as u64
    }

    /// The resident share, from 0 to 1; 1 for an empty file.
    pub fn share(self) -> f64 {
        if self.pages == 0 { 1.0 } else { self.resident_pages as f64 / self.pages as f64 }
    }
}

/// What of the file at `path` is resident, by asking the kernel about every page.
///
/// # Errors
/// Where the file cannot be opened or mapped, or the system does not tell.
pub fn residency(path: &Path) -> Result<Residency> {
    system::residency(path)
}

/// Writes the file's changed pages to the device and drops all its pages from the cache. Pages that somebody has
/// mapped stay: [`residency`] is the proof.
///
/// # Errors
/// Where the file cannot be opened or written back, or the system cannot do it.
pub fn evict(path: &Path) -> Result<()> {
    system::evict(path)
}

/// Reads the whole file into the page cache. [`residency`] is the proof that it stayed there.
///
/// # Errors
/// Where the file cannot be opened or read.
pub fn make_resident(path: &Path) -> Result<()> {
    use std::io::Read;
    let at = |error| Error::io("read", error).at(path);
    let mut file = File::open(path).map_err(at)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => return Err(at(error)),
            _ => {}
        }
    }
}

#[cfg(feature = "program")]
/// How many pages of the file at `path` are changed and not yet on the device; none where the system does not tell (Linux
/// does since 6.5).
///
/// # Errors
/// Where the file cannot be opened.
pub fn unwritten_pages(path: &Path) -> Result<Option<u64>> {
    let file = File::open(path).map_err(|error| Error::io("open", error).at(path))?;
    // To the end of the file.
    Ok(system::page_counts(&file, &(0..0))
        .map(|[_, changed, on_their_way, ..]| changed + on_their_way))
}

/// Whether every page of `range` of `file` is in the page cache; false where the system does not tell. Cheap: it
/// costs as much as a few page faults.
pub(super) fn is_cached(file: &File, range: &Range<u64>) -> bool {
    system::page_counts(file, range).is_some_and(|[pages, ..]| {
        pages >= range.end.div_ceil(PAGE_BYTES) - range.start / PAGE_BYTES
    })
}

/// Bytes of the unit that is counted: systems with larger pages answer no more often than they might.
const PAGE_BYTES: u64 = 4096;

#[cfg(target_os = "linux")]
mod system {

    use std::os::fd::AsRawFd;

    use memmap2::{Mmap, MmapOptions};

    use super::*;

    /// Pages asked about at a time: an answer of 1 MiB.
    const PAGES_AT_ONCE: usize = 1 << 20;

    pub(super) fn evict(path: &Path) -> Result<()> {
        let at = |error| Error::io("evict", error).at(path);
        let file = File::open(path).map_err(at)?;
        // Changed pages are not dropped.
        file.sync_all().map_err(at)?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)
            .map_err(|error| at(error.into()))
    }

    #[allow(unsafe_code)]
    pub(super) fn residency(path: &Path) -> Result<Residency> {
        let at = |error| Error::io("ask for residency", error).at(path);
        let file = File::open(path).map_err(at)?;
        let len = file.metadata().map_err(at)?.len();
        let len = usize::try_from(len).map_err(|_| {
            Error::new(ErrorKind::Unsupported, "map", "is larger than the address space").at(path)
        })?;
        let page = rustix::param::page_size();
        let pages = len.div_ceil(page);
        let mut resident = 0;
        if len > 0 {
            // SAFETY: no byte of the map is ever touched, so it does not matter who changes the file.
            let map = unsafe { MmapOptions::new().len(len).map(&file) }.map_err(at)?;
            let mut answer = vec![0; pages.min(PAGES_AT_ONCE)];
            for first in (0..pages).step_by(PAGES_AT_ONCE) {
                let count = PAGES_AT_ONCE.min(pages - first);
                ask(&map, first * page, count * page, &mut answer[..count]).map_err(at)?;
                resident += answer[..count].iter().filter(|&&state| state & 1 == 1).count();
            }
        }
        Ok(Residency { resident_pages: resident as u64, pages: pages as u64 })
    }

    /// How many pages of `range` are in the page cache, changed, being written, evicted, and evicted not long ago, by the
    /// counts that the kernel keeps (since Linux 6.5). A range of no length goes on to the end of the file.
    #[allow(unsafe_code)]
    pub(super) fn page_counts(file: &File, range: &Range<u64>) -> Option<[u64; 5]> {
        // cachestat has the same number on all architectures that this crate knows.
        const CACHESTAT: libc::c_long = 451;
        let asked = [range.start, range.end.saturating_sub(range.start)];
        let mut answer = [0u64; 5];
        // SAFETY: the call reads two and writes five integers of 64 bits, which these arrays are, and keeps neither;
        // a kernel that does not know it answers with an error.
        let code = unsafe {
            let (asked, answer) = (asked.as_ptr(), answer.as_mut_ptr());
            libc::syscall(CACHESTAT, file.as_raw_fd(), asked, answer, 0)
        };
        (code == 0).then_some(answer)
    }

    /// Fills `answer` with the state of each page of `len` bytes of `map` from `offset` on.
    #[allow(unsafe_code)]
    fn ask(map: &Mmap, offset: usize, len: usize, answer: &mut [u8]) -> std::io::Result<()> {
        let len = len.min(map.len() - offset);
        // SAFETY: the range lies within the map, as the line above makes sure (indexing would panic), begins
        // at a page since `offset` is a multiple of one, and `answer` has a byte for each of its pages; the
        // pages are asked about, not read.
        let code = unsafe {
            libc::mincore(map[offset..].as_ptr().cast_mut().cast(), len, answer.as_mut_ptr())
        };
        if code == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::*;

    pub(super) fn page_counts(_file: &File, _range: &Range<u64>) -> Option<[u64; 5]> {
        None
    }

    fn unknown(path: &Path) -> Error {
        let reason = "what is cached is not known on this system";
        Error::new(ErrorKind::Unsupported, "ask for residency", reason).at(path)
    }

    pub(super) fn evict(path: &Path) -> Result<()> {
        Err(unknown(path))
    }

    pub(super) fn residency(path: &Path) -> Result<Residency> {
        Err(unknown(path))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_evicted_is_not_resident_and_what_is_read_is() {
        // Not in /tmp, which may be kept in memory: there nothing can be evicted.
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, vec![7; 1_000_001]).unwrap();
        evict(&path).unwrap();
        assert_eq!(residency(&path).unwrap(), Residency { resident_pages: 0, pages: 245 });
        let file = File::open(&path).unwrap();
        assert!(!is_cached(&file, &(0..1_000_001)) && !is_cached(&file, &(4096..8192)));
        make_resident(&path).unwrap();
        assert_eq!(residency(&path).unwrap().share(), 1.0);
        if system::page_counts(&file, &(0..1_000_001)).is_some() {
            assert!(is_cached(&file, &(0..1_000_001)) && is_cached(&file, &(5..999_999)));
            assert_eq!(unwritten_pages(&path).unwrap(), Some(0));
            std::fs::write(&path, vec![7; 1_000_001]).unwrap();
            assert!(unwritten_pages(&path).unwrap() > Some(0));
            File::open(&path).unwrap().sync_all().unwrap();
            assert_eq!(unwritten_pages(&path).unwrap(), Some(0));
        }
        std::fs::write(&path, "").unwrap();
        assert_eq!(residency(&path).unwrap(), Residency { resident_pages: 0, pages: 0 });
        assert!(residency(&folder.path().join("none")).is_err());
    }
}
