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

#[cfg(test)]
mod tests {
    use super::*;

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
