//! A medium that logs what happens to the bytes of files, and the images that a power cut may leave of them.

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};

use arraystore::Result;
use arraystore::sys::{Advice, Device, DeviceKind, Existing, LockPolicy, Medium, Mode};

/// What happened to a file.
#[derive(Debug, Clone)]
pub enum Event {
    Length(u64),
    Bytes(u64, Vec<u8>),
    /// All of the above is on the disk.
    Sync,
    /// Whoever uses the file was told so.
    Promise,
}

/// A medium around another. Clones share the log.
#[derive(Debug, Clone)]
pub struct LoggedMedium {
    inner: Arc<dyn Medium>,
    log: Log,
}

type Log = Arc<Mutex<Vec<Event>>>;

impl LoggedMedium {
    pub fn new(inner: Arc<dyn Medium>) -> Self {
        Self { inner, log: Log::default() }
    }

    /// Everything since the last call.
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }

    /// Notes that whoever uses the file was told that it is on the disk.
    pub fn promise(&self) {
        self.log.lock().unwrap().push(Event::Promise);
    }

    fn wrap(&self, inner: Box<dyn Device>) -> Box<dyn Device> {
        Box::new(LoggedDevice { inner, log: Arc::clone(&self.log) })
    }
}

impl Medium for LoggedMedium {
    fn kind(&self) -> DeviceKind {
        self.inner.kind()
    }

    fn open(&self, path: &Path, mode: Mode, lock: LockPolicy) -> Result<Box<dyn Device>> {
        Ok(self.wrap(self.inner.open(path, mode, lock)?))
    }

    fn create(&self, path: &Path, len: u64, existing: Existing) -> Result<Box<dyn Device>> {
        Ok(self.wrap(self.inner.create(path, len, existing)?))
    }

    fn scratch(&self, near: &Path, len: u64) -> Result<Box<dyn Device>> {
        self.inner.scratch(near, len)
    }
}

#[derive(Debug)]
struct LoggedDevice {
    inner: Box<dyn Device>,
    log: Log,
}

impl LoggedDevice {
    fn note(&self, event: Event) {
        self.log.lock().unwrap().push(event);
    }

    /// Notes what lies in `range` now.
    fn note_bytes(&self, range: Range<u64>) -> Result<()> {
        let mut bytes = vec![0; (range.end - range.start) as usize];
        self.inner.read_into(range.start, &mut bytes)?;
        self.note(Event::Bytes(range.start, bytes));
        Ok(())
    }
}

impl Device for LoggedDevice {
    fn kind(&self) -> DeviceKind {
        self.inner.kind()
    }

    fn len(&self) -> u64 {
        self.inner.len()
    }

    fn path(&self) -> Option<&Path> {
        self.inner.path()
    }

    fn with(&self, range: Range<u64>, visit: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.inner.with(range, visit)
    }

    fn read_into(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        self.inner.read_into(offset, out)
    }

    fn borrow(&self, range: Range<u64>) -> Option<&[u8]> {
        self.inner.borrow(range)
    }

    fn overwrite(
        &mut self,
        range: Range<u64>,
        write: &mut dyn FnMut(&mut [u8]) -> Result<()>,
    ) -> Result<()> {
        self.inner.overwrite(range.clone(), write)?;
        self.note_bytes(range)
    }

    fn update(
        &mut self,
        range: Range<u64>,
        change: &mut dyn FnMut(&mut [u8]) -> Result<()>,
    ) -> Result<()> {
        self.inner.update(range.clone(), change)?;
        self.note_bytes(range)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.inner.write_at(offset, bytes)?;
        self.note(Event::Bytes(offset, bytes.to_vec()));
        Ok(())
    }

    fn set_len(&mut self, len: u64) -> Result<()> {
        self.inner.set_len(len)?;
        self.note(Event::Length(len));
        Ok(())
    }

    fn advise(&self, advice: Advice) {
        self.inner.advise(advice);
    }

    fn prefetch(&self, ranges: &[Range<u64>]) {
        self.inner.prefetch(ranges);
    }

    fn sweep(&self, range: Range<u64>) {
        self.inner.sweep(range);
    }

    fn release(&self, range: Range<u64>) {
        self.inner.release(range);
    }

    fn write_back(&self, range: Range<u64>) {
        self.inner.write_back(range);
    }

    fn write_out(&self, range: Range<u64>) {
        self.inner.write_out(range);
    }

    fn sync(&mut self) -> Result<()> {
        self.inner.sync()?;
        self.note(Event::Sync);
        Ok(())
    }
}

/// Every image that a power cut may leave of a file that was `before`, at any moment of `events`, with how many promises
/// were given by then: what was synced is there; of what came after, a disk has done any part, in its order.
pub fn images(before: &[u8], events: &[Event]) -> Vec<(usize, Vec<u8>)> {
    let (mut durable, mut promises) = (before.to_vec(), 0);
    let mut images = Vec::new();
    for stretch in events.split_inclusive(|event| matches!(event, Event::Sync)) {
        let parts: Vec<_> = stretch.iter().flat_map(parts_of).collect();
        assert!(parts.len() <= 12, "too many ways");
        // Given right after a sync, before anything else is done.
        promises += stretch.iter().filter(|event| matches!(event, Event::Promise)).count();
        for done in 0..1usize << parts.len() {
            let mut image = durable.clone();
            let chosen = parts.iter().enumerate().filter(|(k, _)| done >> k & 1 == 1);
            chosen.for_each(|(_, part)| apply(part, &mut image));
            images.push((promises, image));
        }
        parts.iter().for_each(|part| apply(part, &mut durable));
    }
    images.sort();
    images.dedup();
    images
}

/// What the disk may do by itself: a sector is written whole or not at all, longer writes are not.
fn parts_of(event: &Event) -> Vec<Event> {
    const SECTOR_BYTES: usize = 512;
    match event {
        Event::Bytes(offset, bytes) if bytes.len() > SECTOR_BYTES => {
            let (front, back) = bytes.split_at(bytes.len() / 2);
            let middle = offset + front.len() as u64;
            vec![Event::Bytes(*offset, front.to_vec()), Event::Bytes(middle, back.to_vec())]
        }
        Event::Sync | Event::Promise => Vec::new(),
        event => vec![event.clone()],
    }
}

/// Bytes beyond a length that has not arrived are not in the file.
fn apply(event: &Event, image: &mut Vec<u8>) {
    match event {
        Event::Length(len) => image.resize(*len as usize, 0),
        Event::Bytes(offset, bytes) => {
            let start = image.len().min(*offset as usize);
            let end = image.len().min(*offset as usize + bytes.len());
            image[start..end].copy_from_slice(&bytes[..end - start]);
        }
        Event::Sync | Event::Promise => {}
    }
}
