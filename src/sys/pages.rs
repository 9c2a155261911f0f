//! Large blocks of a process's own memory, in huge pages where the system gives them.

use std::ops::{Deref, DerefMut};

use memmap2::{MmapMut, MmapOptions};

use crate::error::{Error, ErrorKind, Result};

/// Zeroed bytes that begin at a page. Memory is taken as it is first touched, and in huge pages where the
/// system allows: hundreds of faults instead of a hundred thousand.
#[derive(Debug)]
pub struct Pages(MmapMut);

impl Pages {
    /// `len` bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Budget`] where the address space does not hold them.
    pub fn new(len: usize) -> Result<Self> {
        let map = MmapOptions::new().len(len).map_anon().map_err(|source| {
            let reason = format!("no memory for {len} bytes");
            Error::new(ErrorKind::Budget, "allocate", reason).caused_by(source)
        })?;
        #[cfg(target_os = "linux")]
        // A hint: small pages do as well.
        let _ = map.advise(memmap2::Advice::HugePage);
        Ok(Self(map))
    }
}

impl Deref for Pages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Pages {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// Asks for huge pages under a list that is long, before it is filled: what is read here and there is found sooner.
#[cfg_attr(target_os = "linux", allow(unsafe_code))]
pub fn prefer_huge_pages<T>(list: &mut Vec<T>) {
    #[cfg(target_os = "linux")]
    {
        const LEAST_BYTES: usize = 4 << 20;
        let page = rustix::param::page_size();
        let bytes = list.capacity() * size_of::<T>();
        let start = list.as_mut_ptr().addr();
        let skipped = start.next_multiple_of(page) - start;
        if bytes >= LEAST_BYTES {
            let len = (bytes - skipped) / page * page;
            let begin = list.as_mut_ptr().wrapping_byte_add(skipped).cast();
            // SAFETY: these are whole pages of memory that the list has, and advice of this kind changes nothing in them. Not
            // to be followed is no error.
            let _ = unsafe { rustix::mm::madvise(begin, len, rustix::mm::Advice::LinuxHugepage) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = list;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_changes_nothing_of_a_list() {
        for len in [0, 7, 3 << 20] {
            let mut list: Vec<u16> = (0..len).map(|number| number as u16).collect();
            prefer_huge_pages(&mut list);
            assert!(list.iter().enumerate().all(|(at, &number)| number == at as u16));
        }
    }

    #[test]
    fn pages_are_zero_and_ones_own() {
        let mut pages = Pages::new(5 << 20).unwrap();
        assert!(pages.iter().all(|&byte| byte == 0));
        pages[5 << 19] = 7;
        assert_eq!(pages[5 << 19], 7);
        assert!(Pages::new(0).unwrap().is_empty());
        assert_eq!(Pages::new(usize::MAX / 2).unwrap_err().kind(), ErrorKind::Budget);
    }
}
