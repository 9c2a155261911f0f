//! A device as a reader, for parsers that take one.

use std::io::{self, Read, Seek, SeekFrom};

use crate::sys::Device;

/// Reads a device from front to back, or from wherever it is sought to.
#[derive(Debug)]
pub(super) struct DeviceReader<'a> {
    device: &'a dyn Device,
    position: u64,
}

impl<'a> DeviceReader<'a> {
    pub(super) fn new(device: &'a dyn Device) -> Self {
        Self { device, position: 0 }
    }
}

impl Read for DeviceReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = self.device.len().saturating_sub(self.position);
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(out.len());
        self.device.read_into(self.position, &mut out[..count]).map_err(io::Error::other)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for DeviceReader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(distance) => self.device.len().checked_add_signed(distance),
            SeekFrom::Current(distance) => self.position.checked_add_signed(distance),
        };
        self.position = position.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "sought before the start")
        })?;
        Ok(self.position)
    }
}
