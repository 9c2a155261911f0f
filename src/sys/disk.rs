//! Files on a disk.
use super::{Device, DeviceKind, Existing, LockPolicy, Medium, Mode};
use crate::error::Result;
use std::path::Path;

/// Files on a disk, reached by maps or by positioned calls.
#[derive(Debug, Clone, Copy)]
pub struct DiskMedium(DeviceKind);
impl DiskMedium {
    /// By memory maps.
    pub const fn mapped() -> Self {
        Self(DeviceKind::Mapped)
    }
    /// By positioned reads and writes.
    pub const fn positioned() -> Self {
        Self(DeviceKind::Positioned)
    }
}
impl Medium for DiskMedium {
    fn kind(&self) -> DeviceKind {
        self.0
    }
    fn open(&self, _: &Path, _: Mode, _: LockPolicy) -> Result<Box<dyn Device>> {
        todo!()
    }
    fn create(&self, _: &Path, _: u64, _: Existing) -> Result<Box<dyn Device>> {
        todo!()
    }
    fn scratch(&self, _: &Path, _: u64) -> Result<Box<dyn Device>> {
        todo!()
    }
}
