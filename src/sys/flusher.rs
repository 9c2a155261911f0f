//! Making a file durable while more is being written to it.
//!
//! A disk with a cache of its own takes data quickly and keeps it long: most of a sync is the wait until that
//! cache is empty. A thread that syncs behind the writer's back lets the two overlap. What is durable is still only
//! what the device's own sync returned for; an error met on the way is that sync's error.

use std::fs::File;
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

/// A thread that syncs a file, again and again as long as it is told that there is more.
#[derive(Debug)]
pub(super) struct Flusher {
    more: Option<SyncSender<()>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Flusher {
    /// A thread for `file`. It shares the open file, and with it the lock, until this is dropped.
    pub(super) fn new(file: &File) -> io::Result<Self> {
        let file = file.try_clone()?;
        let (more, told) = sync_channel(1);
        let work = move || {
            while told.recv().is_ok() {
                file.sync_data()?;
            }
            Ok(())
        };
        let thread = std::thread::Builder::new().name("arraystore-flush".into()).spawn(work)?;
        Ok(Self { more: Some(more), thread: Some(thread) })
    }

    /// Says that more was written.
    pub(super) fn tell(&self) {
        if let Some(more) = &self.more {
            // Full: it was told already. Closed: it failed, which `finish` tells.
            let _ = more.try_send(());
        }
    }

    /// Waits for the thread.
    ///
    /// # Errors
    /// The first error that it met: the system tells it once, and later syncs succeed.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.stop().unwrap_or(Ok(()))
    }

    fn stop(&mut self) -> Option<io::Result<()>> {
        self.more = None;
        let ended = self.thread.take()?.join();
        Some(ended.unwrap_or_else(|_| Err(io::Error::other("the thread that syncs panicked"))))
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        // Whoever did not ask does not want to know.
        let _ = self.stop();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn it_ends_when_asked_however_often_it_was_told() {
        let mut file = tempfile::tempfile().unwrap();
        for times in [0, 1, 100] {
            let flusher = Flusher::new(&file).unwrap();
            for _ in 0..times {
                file.write_all(b"more").unwrap();
                flusher.tell();
            }
            flusher.finish().unwrap();
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_error_is_told_at_the_end() {
        // A pipe cannot be synced.
        let (_reader, writer) = std::io::pipe().unwrap();
        let flusher = Flusher::new(&File::from(std::os::fd::OwnedFd::from(writer))).unwrap();
        flusher.tell();
        assert!(flusher.finish().is_err());
    }
}
