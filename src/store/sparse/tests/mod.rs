//! The sparse store in budgets and files where every way through it is taken.
//!
//! Files are made here member by member, as strangers might write them, and kept in memory where a disk would
//! add nothing.

mod builder;
mod damage;
mod files;
mod fills;
mod foreign;
mod lines;
mod opening;
mod overlay;
mod parts;
mod scattered;
mod views;

use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::Arc;

use ndarray::Array2;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::SparseStore;
use crate::array::{Compression, IndexWidth, Shape};
use crate::error::{ErrorKind, Result};
use crate::store::{ArrayStore, ArrayStoreExt, Budget, Context, MemoryStore, TileOrder};
use crate::sys::{Existing, LockPolicy, Medium, MemoryMedium, Mode};

const BOTH: [Compression; 2] = [Compression::Csr, Compression::Csc];
const ORDERS: [TileOrder; 3] = [TileOrder::Any, TileOrder::Rows, TileOrder::Columns];

/// A context of so many bytes.
fn context(bytes: u64) -> Context {
    Context::new(Budget::new(bytes)).with_threads(2)
}

/// What a file says, whether it may or not.
#[derive(Debug, Clone)]
struct Written {
    compression: Compression,
    shape: Shape,
    indptr: Vec<i64>,
    indices: Vec<i64>,
    data: Vec<f32>,
    width: IndexWidth,
    method: CompressionMethod,
    /// Where members' elements begin, modulo 64; none where zip puts them as they come.
    begin: Option<u64>,
    big_endian: bool,
}

impl Written {
    /// A well-made file of these lines: (position, value) of each entry.
    fn of(compression: Compression, length: usize, lines: &[Vec<(i64, f32)>]) -> Self {
        let ends = lines.iter().scan(0, |end, line| {
            *end += line.len() as i64;
            Some(*end)
        });
        let shape = match compression {
            Compression::Csr => Shape::new(lines.len(), length),
            Compression::Csc => Shape::new(length, lines.len()),
        };
        Self {
            compression,
            shape,
            indptr: [0].into_iter().chain(ends).collect(),
            indices: lines.iter().flatten().map(|entry| entry.0).collect(),
            data: lines.iter().flatten().map(|entry| entry.1).collect(),
            width: IndexWidth::I32,
            method: CompressionMethod::Stored,
            begin: Some(0),
            big_endian: false,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let end = if self.big_endian { '>' } else { '<' };
        let order = |mut bytes: Vec<u8>| {
            if self.big_endian {
                bytes.reverse();
            }
            bytes
        };
        let width = self.width.bytes();
        let integer = |number: &i64| order(number.to_le_bytes()[..width].to_vec());
        let integers = |list: &[i64]| list.iter().flat_map(integer).collect::<Vec<u8>>();
        let data: Vec<u8> =
            self.data.iter().flat_map(|value| order(value.to_le_bytes().to_vec())).collect();
        let shape = [self.shape.rows as i64, self.shape.cols as i64];
        let shape: Vec<u8> = shape.iter().flat_map(|length| length.to_le_bytes()).collect();
        let index = format!("{end}i{width}");
        let count = |list: &[i64]| format!("({},)", list.len());
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, descr, lengths, elements) in [
            ("indices", &*index, count(&self.indices), integers(&self.indices)),
            ("indptr", &*index, count(&self.indptr), integers(&self.indptr)),
            ("format", "|S3", "()".into(), self.compression.to_string().into_bytes()),
            ("shape", "<i8", "(2,)".into(), shape),
            ("data", &format!("{end}f4"), format!("({},)", self.data.len()), data),
        ] {
            let mut options = SimpleFileOptions::default().compression_method(self.method);
            if self.begin.is_some() {
                options = options.with_alignment(64);
            }
            zip.start_file(format!("{name}.npy"), options).unwrap();
            let header = npy_header(descr, &lengths, self.begin.unwrap_or(0) as usize);
            zip.write_all(&[header, elements].concat()).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    /// The cells that the file stands for.
    fn array(&self) -> Array2<f32> {
        let mut array = Array2::zeros((self.shape.rows, self.shape.cols));
        for (line, ends) in self.indptr.windows(2).enumerate() {
            for k in ends[0] as usize..ends[1] as usize {
                let position = self.indices[k] as usize;
                let cell = match self.compression {
                    Compression::Csr => (line, position),
                    Compression::Csc => (position, line),
                };
                array[cell] += self.data[k];
            }
        }
        array
    }

    /// A store of the file, in memory.
    fn open(&self, mode: Mode, context: &Context) -> Result<SparseStore<f32>> {
        let medium = MemoryMedium::new();
        put(&medium, &self.bytes());
        open_on(Arc::new(medium), mode, context)
    }
}

/// An npy header of a multiple of 64 bytes and `more`.
fn npy_header(descr: &str, lengths: &str, more: usize) -> Vec<u8> {
    let mut text = format!("{{'descr':'{descr}','fortran_order':False,'shape':{lengths},}}");
    while (10 + text.len() + 1) % 64 != more {
        text.push(' ');
    }
    let length = (text.len() as u16 + 1).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], text.as_bytes(), b"\n"].concat()
}

fn path() -> &'static Path {
    Path::new("a.npz")
}

fn put(medium: &MemoryMedium, bytes: &[u8]) {
    let mut device = medium.create(path(), bytes.len() as u64, Existing::Replace).unwrap();
    device.write_at(0, bytes).unwrap();
    device.sync().unwrap();
}

fn open_on(medium: Arc<dyn Medium>, mode: Mode, context: &Context) -> Result<SparseStore<f32>> {
    let device = medium.open(path(), mode, LockPolicy::Enforce)?;
    SparseStore::from_device(device, medium, mode, context)
}

/// A new store in memory.
fn create(compression: Compression, shape: Shape, context: &Context) -> SparseStore<f32> {
    let medium = Arc::new(MemoryMedium::new());
    SparseStore::create(medium, path(), shape, compression, Existing::Refuse, context).unwrap()
}

/// Values of which all but one in `every` are zero.
fn sample(shape: Shape, every: usize, seed: usize) -> Array2<f32> {
    Array2::from_shape_fn((shape.rows, shape.cols), |(i, j)| {
        let cell = i * shape.cols + j;
        let is_there = (cell.wrapping_mul(2_654_435_761) / 97 + seed).is_multiple_of(every);
        if is_there { (cell + seed * 1_000_003) as f32 + 0.5 } else { 0.0 }
    })
}

/// Checks every way to read against `expected`.
fn assert_reads(store: &dyn ArrayStore<Elem = f32>, expected: &Array2<f32>, context: &Context) {
    assert_eq!(store.to_array().unwrap(), expected);
    for column in [0, expected.ncols() / 2, expected.ncols() - 1] {
        assert_eq!(store.column(column).unwrap(), expected.column(column), "column {column}");
    }
    for row in [0, expected.nrows() / 2, expected.nrows() - 1] {
        assert_eq!(store.row(row).unwrap(), expected.row(row), "row {row}");
    }
    for order in ORDERS {
        assert_eq!(visited(store, order, context).unwrap(), expected, "{order:?}");
    }
    let oracle = MemoryStore::new(expected.clone());
    assert_eq!(store.digest(context).unwrap(), oracle.digest(context).unwrap());
}

/// What a visit shows, each cell once.
fn visited(
    store: &dyn ArrayStore<Elem = f32>,
    order: TileOrder,
    context: &Context,
) -> Result<Array2<f32>> {
    let shape = store.spec().shape;
    let mut seen = Array2::<u8>::zeros((shape.rows, shape.cols));
    let mut out = Array2::zeros((shape.rows, shape.cols));
    store.visit(
        order,
        &mut |tile| {
            let cells = ndarray::s![tile.rows.clone(), tile.cols.clone()];
            seen.slice_mut(cells).mapv_inplace(|count| count + 1);
            tile.copy_to(out.slice_mut(cells));
            Ok(())
        },
        context,
    )?;
    assert!(seen.iter().all(|&count| count == 1), "{order:?}");
    Ok(out)
}

fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.expect_err("this must fail").kind()
}
