//! Digest v1: a fingerprint of the logical matrix, specified in docs/digest-v1.md.
//!
//! A sum over cells, so it depends neither on order nor on format, and parts made on several threads
//! are added. Frozen: a change to any result is a new version.

use std::fmt;
use std::str::FromStr;

use ndarray::ArrayView2;

use super::{DType, Element, Shape};
use crate::error::{Error, ErrorKind, Result};

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
const LANE: u64 = 0xD6E8_FEB8_6659_FD93;

/// Keys computed ahead for this many rows or columns: 8 KiB, well inside the first-level cache.
const KEYS: usize = 1024;

/// The fingerprint of a logical matrix: 128 bits, printed as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u64; 2]);

/// Gathers a matrix's cells, in any order and in any parts, into its [`Digest`].
///
/// Every cell is to be given at most once; cells that are not given count as zero.
#[derive(Debug, Clone)]
pub struct Digester {
    shape: Shape,
    dtype: DType,
    lanes: [u64; 2],
}

impl Digester {
    /// A digester of a matrix of `shape` and `dtype`, all of whose cells are zero so far.
    pub fn new(shape: Shape, dtype: DType) -> Self {
        Self { shape, dtype, lanes: [0; 2] }
    }

    /// A digester of the same shape and type that has gathered nothing: for a part made elsewhere.
    #[must_use]
    pub fn empty(&self) -> Self {
        Self::new(self.shape, self.dtype)
    }

    /// Adds a dense block whose first cell is (`row`, `col`). `O(cells)`; fastest where the block is
    /// contiguous in either order, and within a loop that is compiled for wide vectors.
    #[inline(always)]
    pub fn block<T: Element>(&mut self, row: usize, col: usize, block: ArrayView2<'_, T>) {
        debug_assert_eq!(T::DTYPE, self.dtype);
        let (rows, cols) = block.dim();
        let strides = block.strides();
        if strides[1] != 1 && (strides[0] == 1 || strides[0].abs() < strides[1].abs()) {
            for from in (0..rows).step_by(KEYS) {
                let to = rows.min(from + KEYS);
                let mut keys = [0; KEYS];
                fill_keys(&mut keys, row + from, row_key);
                for (j, column) in block.columns().into_iter().enumerate() {
                    let part = column.slice_move(ndarray::s![from..to]);
                    let col_keys = [col_key(col + j, 0), col_key(col + j, 1)];
                    let cell = |(&row_key, value)| (row_key, col_keys, value);
                    match part.to_slice() {
                        Some(part) => self.add(keys.iter().zip(part).map(cell)),
                        None => self.add(keys.iter().zip(part).map(cell)),
                    }
                }
            }
            return;
        }
        for from in (0..cols).step_by(KEYS) {
            let to = cols.min(from + KEYS);
            let mut keys = [[0; KEYS]; 2];
            fill_keys(&mut keys[0], col + from, |col| col_key(col, 0));
            if size_of::<T>() == 16 {
                fill_keys(&mut keys[1], col + from, |col| col_key(col, 1));
            }
            for (i, line) in block.rows().into_iter().enumerate() {
                let part = line.slice_move(ndarray::s![from..to]);
                let row_key = row_key(row + i);
                let keys = keys[0].iter().zip(&keys[1]);
                match part.to_slice() {
                    Some(part) => self.add(
                        keys.zip(part).map(|((&low, &high), value)| (row_key, [low, high], value)),
                    ),
                    None => self.add(
                        keys.zip(part).map(|((&low, &high), value)| (row_key, [low, high], value)),
                    ),
                }
            }
        }
    }

    /// Adds single cells: (row, column, value). For what is sparse; zeros may be given or left out.
    pub fn cells<T: Element>(&mut self, cells: impl IntoIterator<Item = (usize, usize, T)>) {
        debug_assert_eq!(T::DTYPE, self.dtype);
        for (row, col, value) in cells {
            self.add([(row_key(row), [col_key(col, 0), col_key(col, 1)], &value)].into_iter());
        }
    }

    /// Adds a line of entries that share a row, by column: [`Digester::cells`] with the row's key made once.
    pub fn row_entries<'a, T: Element>(
        &mut self,
        row: usize,
        entries: impl IntoIterator<Item = (usize, &'a T)>,
    ) {
        let key = row_key(row);
        let entries = entries.into_iter();
        self.add(entries.map(|(col, value)| (key, [col_key(col, 0), col_key(col, 1)], value)));
    }

    /// Adds a line of entries that share a column, by row.
    pub fn column_entries<'a, T: Element>(
        &mut self,
        col: usize,
        entries: impl IntoIterator<Item = (usize, &'a T)>,
    ) {
        let keys = [col_key(col, 0), col_key(col, 1)];
        self.add(entries.into_iter().map(|(row, value)| (row_key(row), keys, value)));
    }

    /// Adds what another digester of the same matrix gathered from other cells.
    pub fn merge(&mut self, other: &Self) {
        debug_assert_eq!((self.shape, self.dtype), (other.shape, other.dtype));
        self.lanes[0] = self.lanes[0].wrapping_add(other.lanes[0]);
        self.lanes[1] = self.lanes[1].wrapping_add(other.lanes[1]);
    }

    /// The fingerprint of the cells gathered so far.
    pub fn finish(&self) -> Digest {
        let frame = mix64(self.shape.rows as u64 ^ GOLDEN);
        let frame = mix64(frame ^ self.shape.cols as u64);
        let frame = mix64(frame ^ self.dtype.code());
        Digest([mix64(self.lanes[0] ^ frame), mix64(self.lanes[1] ^ frame.rotate_left(32))])
    }

    /// Adds cells given as (key of the row, keys of the column, value).
    #[inline(always)]
    fn add<'a, T: Element>(&mut self, cells: impl Iterator<Item = (u64, [u64; 2], &'a T)>) {
        let [mut first, mut second] = self.lanes;
        for (row_key, col_keys, value) in cells {
            let words = words(value);
            for word in 0..size_of::<T>().div_ceil(8) {
                let (a, b) = contribution(words[word], row_key, col_keys[word]);
                first = first.wrapping_add(a);
                second = second.wrapping_add(b);
            }
        }
        self.lanes = [first, second];
    }
}

/// What one word of a cell adds to the two lanes: nothing where its bits are all zero.
#[inline(always)]
fn contribution(bits: u64, row_key: u64, col_key: u64) -> (u64, u64) {
    let keyed = bits ^ row_key;
    let folded = folded_product(keyed, col_key);
    let second = (folded ^ keyed).wrapping_mul(LANE);
    let second = second ^ (second >> 32);
    // A mask, not a branch: in data half of which is zero a branch would be mispredicted every other time.
    let mask = u64::from(bits != 0).wrapping_neg();
    (folded & mask, second & mask)
}

/// The lower half of the product in 128 bits, and over it the upper one. By products of halves, of which vectors make several at once.
#[inline(always)]
fn folded_product(a: u64, b: u64) -> u64 {
    const HALF: u64 = 0xFFFF_FFFF;
    let [a_low, a_high, b_low, b_high] = [a & HALF, a >> 32, b & HALF, b >> 32];
    let (low, high) = (a_low * b_low, a_high * b_high);
    let (left, right) = (a_low * b_high, a_high * b_low);
    let middle = (low >> 32) + (left & HALF) + (right & HALF);
    let upper = high + (left >> 32) + (right >> 32) + (middle >> 32);
    ((low & HALF) | (middle << 32)) ^ upper
}

fn row_key(row: usize) -> u64 {
    mix64((row as u64).wrapping_add(1).wrapping_mul(GOLDEN))
}

fn col_key(col: usize, word: u64) -> u64 {
    let index = (col as u64).wrapping_mul(2).wrapping_add(word).wrapping_add(1);
    mix64(!index.wrapping_mul(GOLDEN)) | 1
}

fn fill_keys(keys: &mut [u64], from: usize, key: impl Fn(usize) -> u64) {
    for (index, slot) in keys.iter_mut().enumerate() {
        *slot = key(from + index);
    }
}

/// An element's bits, zero-extended: the second word only where it takes 16 bytes.
#[inline(always)]
fn words<T: Element>(value: &T) -> [u64; 2] {
    let mut bytes = [0; 16];
    bytes[..size_of::<T>()].copy_from_slice(bytemuck::bytes_of(value));
    let [low, high] = bytemuck::must_cast::<[u8; 16], [[u8; 8]; 2]>(bytes);
    [u64::from_le_bytes(low), u64::from_le_bytes(high)]
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
fn mix64(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.0[0], self.0[1])
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let word = |part: Option<&str>| u64::from_str_radix(part?, 16).ok();
        let exact = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match (word(text.get(..16)), word(text.get(16..))) {
            (Some(first), Some(second)) if exact => Ok(Self([first, second])),
            _ => Err(Error::new(
                ErrorKind::InvalidArgument,
                "parse",
                format!("'{text}' is not a digest: 32 hexadecimal digits are needed"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, ShapeBuilder};

    use super::*;

    fn whole<T: Element>(array: ArrayView2<'_, T>) -> Digest {
        let mut digester = Digester::new(Shape::new(array.nrows(), array.ncols()), T::DTYPE);
        digester.block(0, 0, array);
        digester.finish()
    }

    fn sample(rows: usize, cols: usize) -> Array2<f32> {
        Array2::from_shape_fn((rows, cols), |(i, j)| ((i * 31 + j * 17) % 13) as f32 - 3.0)
    }

    #[test]
    fn neither_order_nor_partition_nor_format_matters() {
        let c = sample(1500, 1300);
        let mut f = Array2::zeros((1500, 1300).f());
        f.assign(&c);
        let digest = whole(c.view());
        assert_eq!(whole(f.view()), digest);
        assert_eq!(whole(c.t().reversed_axes()), digest);

        let mut parts = Digester::new(Shape::new(1500, 1300), DType::F32);
        parts.block(700, 0, c.slice(ndarray::s![700.., ..]));
        let mut other = Digester::new(Shape::new(1500, 1300), DType::F32);
        other.cells(c.slice(ndarray::s![..700, ..]).indexed_iter().map(|((i, j), &v)| (i, j, v)));
        parts.merge(&other);
        assert_eq!(parts.finish(), digest);

        let mut entries = Digester::new(Shape::new(1500, 1300), DType::F32);
        for (i, row) in c.rows().into_iter().enumerate() {
            entries.row_entries(i, row.iter().enumerate().filter(|(_, v)| **v != 0.0));
        }
        assert_eq!(entries.finish(), digest);
        let mut entries = Digester::new(Shape::new(1500, 1300), DType::F32);
        for (j, col) in c.columns().into_iter().enumerate() {
            entries.column_entries(j, col.iter().enumerate());
        }
        assert_eq!(entries.finish(), digest);
    }

    #[test]
    fn every_change_shows() {
        let base = sample(40, 30);
        let digest = whole(base.view());
        let mut seen = std::collections::HashSet::from([digest]);
        for i in 0..40 {
            for j in 0..30 {
                for bit in [0, 13, 31] {
                    let mut changed = base.clone();
                    changed[(i, j)] = f32::from_bits(changed[(i, j)].to_bits() ^ (1 << bit));
                    assert!(seen.insert(whole(changed.view())), "bit {bit} of ({i}, {j})");
                }
            }
        }
        let mut swapped = base.clone();
        swapped.swap((0, 0), (0, 1));
        assert_ne!(whole(swapped.view()), digest);
        assert_ne!(whole(sample(30, 40).view()), digest);
        assert_ne!(
            whole(Array2::<f32>::zeros((2, 3)).view()),
            whole(Array2::<f32>::zeros((3, 2)).view())
        );
        assert_ne!(
            whole(Array2::<f32>::zeros((2, 3)).view()),
            whole(Array2::<i32>::zeros((2, 3)).view())
        );
        assert_ne!(
            whole(Array2::from_elem((1, 1), -0.0f32).view()),
            whole(Array2::from_elem((1, 1), 0.0f32).view())
        );
    }

    #[test]
    fn text_is_read_back() {
        let digest = whole(sample(3, 3).view());
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        for bad in ["", "12", "+123456789abcdef0123456789abcdef", &"é".repeat(16)] {
            assert!(bad.parse::<Digest>().is_err());
        }
    }
}
