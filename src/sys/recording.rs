//! To come.
use super::{Device, DeviceKind, Existing, LockPolicy, Medium, Mode};
use crate::error::Result;
use std::path::Path;
/// To come.
#[derive(Debug, Default)]
pub struct RecordingMedium;
impl Medium for RecordingMedium {
    fn kind(&self) -> DeviceKind {
        todo!()
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
impl RecordingMedium {
    /// Around another.
    pub fn new(_inner: std::sync::Arc<dyn Medium>) -> Self {
        Self
    }
}
