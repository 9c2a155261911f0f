//! What was done to a chunk's bytes before they were stored, and undoing it.

use std::io::Read;

use super::error::Hdf5Error;
use crate::error::Result;

/// The library's own filters, and h5py's, by their registered numbers.
const DEFLATE: u16 = 1;
const SHUFFLE: u16 = 2;
const FLETCHER32: u16 = 3;
const LZF: u16 = 32000;

/// Bytes that filters may add to a chunk: a checksum each.
const CHECKSUM_BYTES: usize = 4;

/// The filters of a dataset's chunks, in the order in which they were applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    filters: Vec<Filter>,
    item_size: usize,
    /// Bytes of a chunk's elements.
    chunk_bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filter {
    Deflate,
    /// The first bytes of all elements, then the second ones, and so on.
    Shuffle,
    Fletcher32,
    Lzf,
}

impl Pipeline {
    /// The filters of these numbers, over chunks of elements of `item_size` bytes.
    ///
    /// # Errors
    /// Where one is not known.
    pub(super) fn new(
        filters: &[hdf5_pure::Filter],
        item_size: usize,
        chunk_bytes: usize,
    ) -> Result<Self, Hdf5Error> {
        let known = |filter: &hdf5_pure::Filter| match filter.id {
            DEFLATE => Ok(Filter::Deflate),
            SHUFFLE => Ok(Filter::Shuffle),
            FLETCHER32 => Ok(Filter::Fletcher32),
            LZF => Ok(Filter::Lzf),
            id => Err(Hdf5Error::Filter(match &filter.name {
                Some(name) => format!("{id} ({})", name.escape_default()),
                None => id.to_string(),
            })),
        };
        let filters = filters.iter().map(known).collect::<Result<_, _>>()?;
        Ok(Self { filters, item_size, chunk_bytes })
    }

    /// Whether chunks are stored as they are.
    pub fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// Whether nothing in a chunk tells that filters were applied.
    pub(super) fn leaves_no_trace(&self) -> bool {
        !self.is_empty() && self.filters.iter().all(|filter| *filter == Filter::Shuffle)
    }

    /// How they are called, in the order in which they were applied: `shuffle, deflate`.
    pub fn names(&self) -> Vec<&'static str> {
        let name = |filter: &Filter| match filter {
            Filter::Deflate => "deflate",
            Filter::Shuffle => "shuffle",
            Filter::Fletcher32 => "fletcher32",
            Filter::Lzf => "lzf",
        };
        self.filters.iter().map(name).collect()
    }

    /// A chunk's elements, from what is stored of it. The bits of `skipped` are filters that were not applied; `is_edge` where it reaches
    /// beyond the dataset.
    ///
    /// # Errors
    /// Where what is stored is not what these filters make.
    pub fn decode(&self, stored: Vec<u8>, skipped: u32, is_edge: bool) -> Result<Vec<u8>> {
        // A file may have chunks at the edge stored as they are: what no filter made is taken for that.
        let plain = (is_edge && stored.len() == self.chunk_bytes).then(|| stored.clone());
        let decoded = self.undo(stored, skipped).and_then(|bytes| match bytes.len() {
            len if len == self.chunk_bytes => Ok(bytes),
            len => Err(damaged(format!("it holds {len} of {} bytes", self.chunk_bytes))),
        });
        Ok(decoded.or_else(|error| plain.ok_or(error))?)
    }

    fn undo(&self, stored: Vec<u8>, skipped: u32) -> Result<Vec<u8>, Hdf5Error> {
        let most = self.chunk_bytes + CHECKSUM_BYTES * self.filters.len();
        let mut bytes = stored;
        for (place, filter) in self.filters.iter().enumerate().rev() {
            if skipped.checked_shr(place as u32).unwrap_or(0) & 1 == 1 {
                continue;
            }
            bytes = match filter {
                Filter::Deflate => inflated(&bytes, most)?,
                Filter::Shuffle => unshuffled(&bytes, self.item_size),
                Filter::Fletcher32 => checked(bytes)?,
                Filter::Lzf => decompressed(&bytes, most)?,
            };
        }
        Ok(bytes)
    }
}

fn damaged(why: impl Into<String>) -> Hdf5Error {
    Hdf5Error::Chunk(why.into())
}

fn inflated(bytes: &[u8], most: usize) -> Result<Vec<u8>, Hdf5Error> {
    let mut out = Vec::with_capacity(most);
    let mut decoder = flate2::read::ZlibDecoder::new(bytes).take(most as u64 + 1);
    decoder.read_to_end(&mut out).map_err(|error| damaged(format!("deflate: {error}")))?;
    Ok(out)
}

/// The bytes of each element together again. What does not make up an element was left where it was.
fn unshuffled(bytes: &[u8], item_size: usize) -> Vec<u8> {
    let items = bytes.len() / item_size;
    let (planes, rest) = bytes.split_at(items * item_size);
    let mut out = vec![0; bytes.len()];
    for (place, plane) in planes.chunks_exact(items.max(1)).enumerate() {
        for (item, byte) in out.chunks_exact_mut(item_size).zip(plane) {
            item[place] = *byte;
        }
    }
    out[items * item_size..].copy_from_slice(rest);
    out
}

/// The bytes in front of their checksum, which fits.
fn checked(mut bytes: Vec<u8>) -> Result<Vec<u8>, Hdf5Error> {
    let short = || damaged("it is shorter than its checksum");
    let at = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or_else(short)?;
    let stored = bytes.split_off(at);
    let stored = u32::from_le_bytes([stored[0], stored[1], stored[2], stored[3]]);
    let computed = fletcher32(&bytes);
    // Libraries before 1.6.3 swapped the bytes of each half on machines like this.
    let swapped = ((computed & 0x00ff_00ff) << 8) | ((computed >> 8) & 0x00ff_00ff);
    if stored == computed || stored == swapped {
        Ok(bytes)
    } else {
        Err(damaged("its checksum differs"))
    }
}

/// Fletcher's checksum of 32 bits, as HDF5 has it: of big-endian words of 16 bits, an odd last byte being the upper half of one.
fn fletcher32(bytes: &[u8]) -> u32 {
    /// As many words as can be summed before the upper halves are to be folded in.
    const WORDS: usize = 360;
    let fold = |sum: u32| (sum & 0xffff) + (sum >> 16);
    let (mut one, mut two) = (0u32, 0u32);
    for part in bytes.chunks(2 * WORDS) {
        for word in part.chunks(2) {
            let low = word.get(1).copied().unwrap_or(0);
            one += u32::from(u16::from_be_bytes([word[0], low]));
            two += one;
        }
        (one, two) = (fold(one), fold(two));
    }
    (fold(two) << 16) | fold(one)
}

/// What Marc Lehmann's LibLZF made smaller.
fn decompressed(bytes: &[u8], most: usize) -> Result<Vec<u8>, Hdf5Error> {
    let cut = || damaged("lzf: it is cut off");
    let mut out = Vec::with_capacity(most);
    let mut input = bytes.iter();
    while let Some(&control) = input.next() {
        if control < 32 {
            // So many bytes, and one, as they are.
            let run = usize::from(control) + 1;
            let rest = input.as_slice();
            out.extend_from_slice(rest.get(..run).ok_or_else(cut)?);
            input = rest[run..].iter();
        } else {
            let mut length = usize::from(control >> 5) + 2;
            if length == 9 {
                length += usize::from(*input.next().ok_or_else(cut)?);
            }
            let far =
                (usize::from(control & 31) << 8) + usize::from(*input.next().ok_or_else(cut)?) + 1;
            let from =
                out.len().checked_sub(far).ok_or_else(|| damaged("lzf: it refers to nothing"))?;
            // What is copied may be what is being made.
            for at in from..from + length {
                out.push(out[at]);
            }
        }
        if out.len() > most {
            return Err(damaged("lzf: it holds more than a chunk"));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_definition() {
        // Of RFC 1146's sums, by hand: words 0x0102, 0x0304.
        assert_eq!(fletcher32(&[1, 2, 3, 4]), (0x0508 << 16) | 0x0406);
        assert_eq!(fletcher32(&[1]), (0x0100 << 16) | 0x0100);
        let long = vec![0xff; 10_000];
        assert_eq!(fletcher32(&long), 0xffff_ffff);
    }

    #[test]
    fn shuffled_bytes_come_together_again() {
        assert_eq!(unshuffled(&[1, 4, 2, 5, 3, 6, 7], 3), [1, 2, 3, 4, 5, 6, 7]);
        assert!(unshuffled(&[], 4).is_empty());
        assert_eq!(unshuffled(&[1, 2], 4), [1, 2]);
    }

    #[test]
    fn lzf_copies_what_is_there_and_what_it_makes() {
        // "ab", then 6 bytes from 2 before: "abababab".
        assert_eq!(decompressed(&[1, b'a', b'b', 4 << 5, 1], 100).unwrap(), b"abababab");
        for broken in [&[5, 1][..], &[1 << 5], &[7 << 5, 1], &[0, 1, 1 << 5, 9]] {
            assert!(decompressed(broken, 100).is_err(), "{broken:?}");
        }
        assert!(decompressed(&[0, 1, 7 << 5, 255, 0], 100).is_err());
    }
}
