//! The page cache: what of a file is resident, proved page by page.

use std::path::Path;

use crate::error::Result;

/// How much of a file is in the page cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Residency {
    /// Pages in the cache.
    pub resident_pages: u64,
    /// Pages of the file.
    pub pages: u64,
}

impl Residency {
    /// The resident share: 0 to 1; 1 for an empty file.
    pub fn share(self) -> f64 {
        if self.pages == 0 { 1.0 } else { self.resident_pages as f64 / self.pages as f64 }
    }
}

/// What of the file at `path` is resident.
pub fn residency(_path: &Path) -> Result<Residency> {
    todo!()
}

/// Writes the file back and drops it from the page cache.
pub fn evict(_path: &Path) -> Result<()> {
    todo!()
}

/// Reads the whole file into the page cache.
pub fn make_resident(_path: &Path) -> Result<()> {
    todo!()
}
