//! Headers of files that grow in place: the mark that says so, and new shapes in the space of old ones.
//!
//! Between a header's dictionary and the line feed that ends it is white space, which no reader minds. NumPy leaves
//! enough of it for the growing axis (the first in C order, the last in Fortran order) to become as long as it
//! likes without moving the data. While lines are being appended, the first byte of that space is a tab: the shape is then
//! what it was before, and what follows the data is not part of the array yet. Every reader of npy files that
//! does not know the mark sees the old array.

use super::write::{check_size, dictionary};
use super::{MAGIC, descr};
use crate::array::{DType, Order};
use crate::error::{Error, ErrorKind, Result};

/// What stands at [`mark_offset`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum GrowthMark {
    /// Lines are being appended: what follows the data is to be ignored.
    Growing = b'\t',
    /// The shape is the whole truth.
    Settled = b' ',
}

impl GrowthMark {
    /// The byte that says so.
    pub const fn byte(self) -> u8 {
        self as u8
    }
}

/// Where in the bytes of a header its [`GrowthMark`] stands, right behind the dictionary; none where no white
/// space is left for it before the last byte.
pub fn mark_offset(header: &[u8]) -> Option<usize> {
    let end = header.iter().rposition(|&byte| byte == b'}')? + 1;
    (end + 1 < header.len()).then_some(end)
}

/// Whether a header that ends with `text` bears the mark of growing.
pub(super) fn is_growing(text: &[u8]) -> bool {
    mark_offset(text).is_some_and(|at| text[at] == GrowthMark::Growing.byte())
}

/// A header for an array of `shape` that takes exactly the place of `header`, in its version, without a mark.
/// Where NumPy or this crate wrote `header`, it is what NumPy writes for the new shape.
///
/// # Errors
/// [`ErrorKind::Unsupported`] where `header` has no room for it, or none for a mark;
/// [`ErrorKind::InvalidArgument`] where such an array takes more bytes than can be addressed.
pub fn resized_header(
    header: &[u8],
    dtype: DType,
    order: Order,
    shape: &[usize],
) -> Result<Vec<u8>> {
    check_size(dtype, shape)?;
    let text = dictionary(&descr::of(dtype), order, shape);
    let length_bytes = if header.get(MAGIC.len()) == Some(&1) { 2 } else { 4 };
    let start = MAGIC.len() + 2 + length_bytes;
    let end = start + text.len();
    // Room for the mark and for the line feed.
    if mark_offset(header).is_none() || end + 2 > header.len() {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "append",
            "its header has no room for a longer shape",
        )
        .hint("convert it to a new file first, whose header has"));
    }
    let mut resized = header[..start].to_vec();
    resized.extend_from_slice(text.as_bytes());
    resized.resize(header.len() - 1, b' ');
    resized.push(b'\n');
    Ok(resized)
}

#[cfg(test)]
mod tests {
    use super::super::{header_bytes, read_header};
    use super::*;

    #[test]
    fn a_resized_header_is_what_would_have_been_written_at_once() {
        for order in [Order::C, Order::Fortran] {
            let shape = |length| match order {
                Order::C => [length, 3, 7],
                Order::Fortran => [7, 3, length],
            };
            let old = header_bytes(DType::F32, order, &shape(9)).unwrap();
            for length in [0, 9, 10, 1_000_000, usize::MAX >> 8] {
                let new = resized_header(&old, DType::F32, order, &shape(length)).unwrap();
                assert_eq!(new, header_bytes(DType::F32, order, &shape(length)).unwrap());
            }
        }
    }

    #[test]
    fn the_mark_is_seen_and_changes_nothing_else() {
        for version in [1, 2, 3] {
            let header =
                of_version(version, "{'descr':'<f4','shape':(3,4),'fortran_order':True}   ");
            let plain = read_header(&mut &*header).unwrap();
            assert!(!plain.is_growing);
            let mut marked = header.clone();
            marked[mark_offset(&header).unwrap()] = GrowthMark::Growing.byte();
            let read = read_header(&mut &*marked).unwrap();
            assert_eq!(read, super::super::Header { is_growing: true, ..plain });
        }
    }

    #[test]
    fn a_header_keeps_its_version_and_length_or_is_refused() {
        let text = "{'descr':'<f4','shape':(3,4),'fortran_order':False}";
        let tight = of_version(1, text);
        assert_eq!(mark_offset(&tight), None);
        // A tab in the place of the line feed is no mark: there is no room for one.
        let mut tab = tight.clone();
        *tab.last_mut().unwrap() = b'\t';
        assert!(!read_header(&mut &*tab).unwrap().is_growing);
        for version in [1, 2, 3] {
            // NumPy's spelling takes eight characters more, the mark one.
            for (spaces, fits) in [(0, false), (8, false), (9, true), (40, true)] {
                let header = of_version(version, &format!("{text}{}", " ".repeat(spaces)));
                let resized = resized_header(&header, DType::F32, Order::C, &[5, 4]);
                assert_eq!(resized.is_ok(), fits, "{spaces}");
                match resized {
                    Ok(resized) => {
                        assert_eq!(resized.len(), header.len());
                        assert_eq!(resized[6], version);
                        let read = read_header(&mut &*resized).unwrap();
                        assert_eq!((read.shape, read.order), (vec![5, 4], Order::C));
                        assert_eq!(read.data_offset, header.len() as u64);
                        assert!(mark_offset(&resized).is_some());
                    }
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Unsupported),
                }
            }
        }
        let roomy = of_version(1, &format!("{text}{}", " ".repeat(40)));
        let error = resized_header(&roomy, DType::F32, Order::C, &[usize::MAX, 4]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }

    fn of_version(version: u8, text: &str) -> Vec<u8> {
        let length = (text.len() as u32 + 1).to_le_bytes();
        let length = if version == 1 { &length[..2] } else { &length };
        [MAGIC, &[version, 0], length, text.as_bytes(), b"\n"].concat()
    }
}
