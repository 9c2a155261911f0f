//! The archive's directory: which members there are, and whether they may be read at all.
//!
//! Owns the use of the `zip` crate, which parses the directory and inflates members. Knows no array. The end of
//! the archive is looked at first by code of our own, since the crate allocates for as many members as the
//! file claims, and what it reads for the directory is limited, whatever the file says.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use zip::read::{ArchiveOffset, Config, ZipArchiveMetadata, ZipFile, ZipFileEntry};
use zip::result::{ZipError, ZipResult};
use zip::{CompressionMethod, ZipArchive, ZipReadOptions};

use super::end::check_end;
use super::error::{NpzError, archive_error, member_error};
use crate::error::{Error, Result};

/// The most members that are listed: SciPy writes six, and ignores others as is done here.
pub(super) const MAX_MEMBERS: usize = 64;

/// The most bytes that are read to find and parse the directory: where nobody attacks, a few hundred.
const MAX_DIRECTORY_BYTES: u64 = 8 << 20;

/// The most bytes that a deflated byte can stand for (258 for two bits), rounded up.
const MAX_DEFLATE_RATIO: u64 = 1032;

/// Bytes of a file's own names that an error line quotes at most.
const MAX_NAME_BYTES: usize = 40;

/// The members of an archive, none of which was looked into.
#[derive(Debug)]
pub(super) struct Directory {
    metadata: Arc<ZipArchiveMetadata>,
    /// Where each member's bytes begin in the file, after its local header.
    offsets: Vec<u64>,
    /// Where the directory begins: members end before it.
    begin: u64,
}

/// A member that may be read: its size is what it claims, and could be true.
#[derive(Clone)]
pub(super) struct Entry {
    metadata: Arc<ZipArchiveMetadata>,
    index: usize,
    pub name: String,
    /// Bytes once decompressed.
    pub bytes: u64,
    /// Bytes in the file.
    pub stored_bytes: u64,
    /// Where they begin in the file.
    pub offset: u64,
    pub is_deflated: bool,
}

impl Directory {
    /// Reads the directory of the archive behind `reader`.
    pub(super) fn read<R: Read + Seek>(reader: &mut R) -> Result<Self> {
        check_end(reader)?;
        let limited = Limited { reader, left_bytes: MAX_DIRECTORY_BYTES };
        let config = Config { archive_offset: ArchiveOffset::Known(0) };
        let mut archive = ZipArchive::with_config(config, limited).map_err(archive_error)?;
        check_names(&archive)?;
        let offsets = local_offsets(&mut archive).map_err(archive_error)?;
        Ok(Self { metadata: archive.metadata(), offsets, begin: archive.central_directory_start() })
    }

    /// The member `name`.
    pub(super) fn member(&self, name: &str) -> Result<Entry> {
        self.find(name)?.ok_or_else(|| NpzError::Missing(name.into()).into())
    }

    /// The member `name`, if it is listed, once what the archive claims of it was checked.
    pub(super) fn find(&self, name: &str) -> Result<Option<Entry>> {
        for (index, &offset) in self.offsets.iter().enumerate() {
            let entry = self.metadata.entry(index).map_err(archive_error)?;
            if entry.name_raw() == name.as_bytes() {
                return self.check(name, index, offset, &entry).map(Some).map_err(Error::from);
            }
        }
        Ok(None)
    }

    /// Every member, also those that mean nothing here.
    pub(super) fn members(&self) -> Result<Vec<Entry>> {
        let entry_of = |(index, &offset): (usize, &u64)| {
            let entry = self.metadata.entry(index).map_err(archive_error)?;
            let name = printable(entry.name_raw());
            self.check(&name, index, offset, &entry).map_err(Error::from)
        };
        self.offsets.iter().enumerate().map(entry_of).collect()
    }

    fn check(
        &self,
        name: &str,
        index: usize,
        offset: u64,
        entry: &ZipFileEntry<'_>,
    ) -> Result<Entry, NpzError> {
        let name = name.to_owned();
        if entry.encrypted() {
            return Err(NpzError::Encrypted(name));
        }
        let method = entry.compression();
        let is_deflated = method == CompressionMethod::Deflated;
        if !is_deflated && method != CompressionMethod::Stored {
            return Err(NpzError::Method { name, method: method.to_string() });
        }
        let (bytes, stored) = (entry.size(), entry.compressed_size());
        if bytes != stored && !(is_deflated && bytes / MAX_DEFLATE_RATIO <= stored) {
            return Err(NpzError::Claim { name, bytes, stored });
        }
        if offset.checked_add(stored).is_none_or(|end| end > self.begin) {
            return Err(NpzError::Beyond(name));
        }
        let metadata = Arc::clone(&self.metadata);
        Ok(Entry { metadata, index, name, bytes, stored_bytes: stored, offset, is_deflated })
    }
}

impl Entry {
    /// Checks that the member is as long as its npy header promises.
    pub(super) fn check_length(&self, data_offset: u64, data_bytes: u64) -> Result<()> {
        // Neither exceeds an isize: the sum fits.
        let needs = data_offset + data_bytes;
        if self.bytes == needs {
            return Ok(());
        }
        Err(NpzError::Length { name: self.name.clone(), has: self.bytes, needs }.into())
    }

    /// All bytes of a member that is no longer than `max_bytes`, its checksum compared.
    pub(super) fn read_whole<R: Read + Seek>(
        &self,
        reader: &mut R,
        max_bytes: u64,
    ) -> Result<Vec<u8>> {
        if self.bytes > max_bytes {
            return Err(NpzError::TooLong { name: self.name.clone(), bytes: self.bytes }.into());
        }
        let mut bytes = Vec::new();
        self.open(reader)?
            .take(self.bytes + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| member_error(&self.name, error))?;
        if (bytes.len() as u64) < self.bytes {
            return Err(NpzError::Ends(self.name.clone()).into());
        }
        Ok(bytes)
    }

    /// Reads the member from its first byte on, decompressed. It ends with an error where its checksum or its
    /// length is not the one that the directory claims.
    pub(super) fn open<'r, R: Read + Seek>(&'r self, reader: &'r mut R) -> Result<ZipFile<'r, R>> {
        let entry = self.metadata.entry(self.index).map_err(archive_error)?;
        entry.with_reader(reader, ZipReadOptions::new()).map_err(archive_error)
    }
}

/// Without the whole archive's directory, which each of its members holds.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("name", &self.name)
            .field("bytes", &self.bytes)
            .field("stored_bytes", &self.stored_bytes)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

/// Checks that no name is there twice (which of the two is meant depends on the reader) or is a path: an npz
/// file has no folders, so one that has them was made to be unpacked somewhere.
fn check_names<R: Read + Seek>(archive: &ZipArchive<R>) -> Result<()> {
    if let Some(path) = archive.file_names_raw().find(|name| is_path(name)) {
        return Err(NpzError::Path(printable(path)).into());
    }
    if archive.has_duplicate_names() {
        return Err(NpzError::Duplicate.into());
    }
    Ok(())
}

fn is_path(name: &[u8]) -> bool {
    let has_drive = name.get(1) == Some(&b':');
    let leads_outside = name.split(|byte| b"/\\".contains(byte)).any(|part| part == b"..");
    has_drive
        || leads_outside
        || name.starts_with(b"/")
        || name.iter().any(|byte| b"\\\0".contains(byte))
}

/// Where the members begin, after their local headers, which must say the same as the directory does.
fn local_offsets<R: Read + Seek>(archive: &mut ZipArchive<R>) -> ZipResult<Vec<u64>> {
    let options =
        ZipReadOptions::new().enforce_header_consistency(true).ignore_encryption_flag(true);
    (0..archive.len())
        .map(|index| {
            let member = archive.by_index_with_options(index, options.clone())?;
            member.data_start().ok_or(ZipError::FileNotFound)
        })
        .collect()
}

/// The begin of a member's name in one printable line.
fn printable(name: &[u8]) -> String {
    name[..name.len().min(MAX_NAME_BYTES)].escape_ascii().to_string()
}

/// A reader that fails once it has given so many bytes.
#[derive(Debug)]
struct Limited<'r, R> {
    reader: &'r mut R,
    left_bytes: u64,
}

impl<R: Read> Read for Limited<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.left_bytes == 0 && !out.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its directory is too long"));
        }
        let count = self.reader.by_ref().take(self.left_bytes).read(out)?;
        self.left_bytes -= count as u64;
        Ok(count)
    }
}

impl<R: Seek> Seek for Limited<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.reader.seek(to)
    }
}
