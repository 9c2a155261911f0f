//! There and back: what is written here is loaded by SciPy, saved by SciPy, and read here as the same matrix.
//!
//! Needs Python 3 with NumPy and SciPy: see tests/python/mod.rs.
#![cfg(feature = "program")]

mod python;

use std::path::{Path, PathBuf};

use arraystore::array::{Complex32, Complex64, Compression, Digest, Shape};
use arraystore::convert::{Target, convert};
use arraystore::store::{
    AnyElement, AnyStore, ArrayStoreExt, Context, CreateOptions, Layout, MemoryStore, OpenOptions,
    copy, create,
};
use arraystore::with_store;
use ndarray::Array2;

const SHAPE: Shape = Shape::new(97, 41);

/// Writes a matrix of about a tenth of entries, and returns its path.
fn written<T: AnyElement>(
    folder: &Path,
    compression: Compression,
    value: impl Fn(usize) -> T,
) -> PathBuf {
    let cell = |(row, col): (usize, usize)| match row * SHAPE.cols + col {
        at if at * 7919 % 101 < 10 => value(at),
        _ => T::default(),
    };
    let matrix = MemoryStore::new(Array2::from_shape_fn((SHAPE.rows, SHAPE.cols), cell));
    let path = folder.join(format!("{}-{compression}.npz", T::DTYPE));
    let options = CreateOptions::new(SHAPE, T::DTYPE).layout(Layout::Sparse(compression));
    let mut store = create::<T>(&path, &options).unwrap();
    copy(&matrix, &mut *store, &Context::default()).unwrap();
    store.sync().unwrap();
    path
}

/// The digest of the matrix in a file, and the layout and number of its entries.
fn read(path: &Path) -> (Digest, Layout, u64) {
    let store = AnyStore::open(path, &OpenOptions::default()).unwrap();
    let digest = with_store!(&store, store => store.digest(&Context::default())).unwrap();
    (digest, store.spec().layout, store.stats().stored)
}

#[test]
fn what_scipy_saves_of_a_file_of_ours_is_the_same_matrix() {
    let Some(mut resave) = python::script("resave.py") else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for compression in [Compression::Csr, Compression::Csc] {
        let folder = folder.path();
        // Numbers whose text needs every digit, and the largest and smallest there are.
        let f32s = |at: usize| f32::from_bits(0x3f80_0001 ^ (at as u32 * 0x9e37) & 0x807f_ffff);
        let f64s = |at: usize| 1.0 / (at as f64 - 1234.5) * 10f64.powi(at as i32 % 600 - 300);
        let i64s = |at: usize| match at % 3 {
            0 => i64::MIN + at as i64,
            1 => i64::MAX - at as i64,
            _ => at as i64 + 1,
        };
        paths.push(written::<f32>(folder, compression, f32s));
        paths.push(written::<f64>(folder, compression, f64s));
        paths.push(written::<i64>(folder, compression, i64s));
        let complex = |at: usize| Complex32::new(f32s(at), -f32s(at + 1));
        paths.push(written::<Complex32>(folder, compression, complex));
        let complex = |at: usize| Complex64::new(f64s(at), 3.5);
        paths.push(written::<Complex64>(folder, compression, complex));
    }
    let output = resave.args(&paths).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for path in &paths {
        let right = read(path);
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(right.2 > 300, "{name}");
        for saved in ["stored", "compressed"] {
            assert_eq!(read(&path.with_file_name(format!("{name}-{saved}.npz"))), right, "{name}");
        }
        // Text does not tell how wide a number was.
        let dtype = AnyStore::open(path, &OpenOptions::default()).unwrap().spec().dtype;
        let back = path.with_file_name("back.npz");
        let target = Target {
            dtype: Some(dtype),
            existing: arraystore::sys::Existing::Replace,
            ..Target::default()
        };
        let (options, context) = (OpenOptions::default(), Context::default());
        convert(&path.with_extension("mtx"), &back, target, &options, &context).unwrap();
        let (digest, _, entries) = read(&back);
        assert_eq!((digest, entries), (right.0, right.2), "{name}.mtx");
    }
}

/// Which zeros are entries is for SciPy to say: all that blocks hold, none of what fills a diagonal up.
#[test]
fn zeros_of_other_formats_are_entries_where_they_are_scipys() {
    let Some(python) = python::python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let script = "
import sys, numpy as np, scipy.sparse as sp
dense = np.diag([1.0, 2, 0, 4, 5, 6]) + np.diag([7.0, 0, 8, 0, 9], 1)
for name, matrix in [('bsr', sp.bsr_array(dense, blocksize=(2, 3))), ('dia', sp.dia_array(dense))]:
    sp.save_npz(f'{sys.argv[1]}/{name}.npz', matrix)
    print(name, matrix.tocsr().nnz, matrix.tocsc().nnz)
";
    let output = std::process::Command::new(python)
        .args(["-c", script])
        .arg(folder.path())
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed.lines().count(), 2, "{}", String::from_utf8_lossy(&output.stderr));
    for line in printed.lines() {
        let fields: Vec<_> = line.split(' ').collect();
        let path = folder.path().join(format!("{}.npz", fields[0]));
        for (layout, expected) in [("csr", fields[1]), ("csc", fields[2])] {
            let to = folder.path().join(format!("{}-{layout}.npz", fields[0]));
            let compression = if layout == "csr" { Compression::Csr } else { Compression::Csc };
            let target = Target {
                layout: Some(arraystore::convert::SparseLayout::Compressed(compression)),
                ..Target::default()
            };
            let (options, context) = (OpenOptions::default(), Context::default());
            convert(&path, &to, target, &options, &context).unwrap();
            assert_eq!(read(&to).2.to_string(), expected, "{line}: {layout}");
        }
    }
}
