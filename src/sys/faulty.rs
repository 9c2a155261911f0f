//! To come.
use super::{Device, DeviceKind, Existing, LockPolicy, Medium, Mode};
use crate::error::Result;
use std::path::Path;
/// To come.
#[derive(Debug, Default)]
pub struct FaultyMedium;
impl Medium for FaultyMedium {
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
/// Which operations fail.
#[derive(Debug, Clone, Copy, Default)]
pub struct FaultPlan;
impl FaultPlan {
    /// Only operation `at`.
    pub fn once(_at: u64) -> Self {
        Self
    }
    /// Operation `at` and all after it.
    pub fn from(_at: u64) -> Self {
        Self
    }
}
impl FaultyMedium {
    /// Around another.
    pub fn new(_inner: std::sync::Arc<dyn Medium>, _plan: FaultPlan) -> Self {
        Self
    }
    /// Operations so far.
    pub fn operations(&self) -> u64 {
        0
    }
}
