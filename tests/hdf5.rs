//! HDF5 both ways: what h5py, PyTables and netCDF4 write is read here as NumPy has it, and h5py reads what is written here.
//!
//! Needs Python 3 with these: see tests/python/mod.rs.
#![cfg(all(feature = "hdf5", feature = "program"))]

mod python;

use std::path::Path;

use arraystore::array::{DType, Digest, Selection, Shape};
use arraystore::convert::{Target, convert};
use arraystore::store::{
    AnyStore, ArrayStoreExt, Context, CreateOptions, Io, MappedArray, OpenOptions, open,
};
use arraystore::{ErrorKind, with_store};

fn digest(path: &Path, io: Io) -> arraystore::Result<(Digest, Option<Vec<usize>>, DType)> {
    let options = OpenOptions { io, ..OpenOptions::default() };
    let store = AnyStore::open(path, &options)?;
    let digest = with_store!(&store, store => store.digest(&Context::default()))?;
    Ok((digest, store.spec().file_shape.clone(), store.spec().dtype))
}

#[test]
fn what_others_write_is_read_as_numpy_has_it() {
    let Some(mut make) = python::script("hdf5.py") else { return };
    let folder = tempfile::tempdir().unwrap();
    let output = make.arg("make").arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    let (mut right, mut refused) = (0, 0);
    for line in printed.lines() {
        let (place, expected) = line.split_once('\t').unwrap();
        for io in [Io::Mapped, Io::Positioned] {
            let found = digest(Path::new(place), io);
            if let Some(why) = expected.strip_prefix('!') {
                let error = found.expect_err(place);
                assert!(error.to_string().contains(why), "{place}: {error}");
                refused += 1;
                continue;
            }
            let found = found.unwrap_or_else(|error| panic!("{place}: {error}"));
            assert_eq!(found, digest(Path::new(expected), io).unwrap(), "{place}");
            right += 1;
        }
    }
    assert!(right > 300 && refused > 50, "{right} right, {refused} refused");
}

#[test]
fn what_is_written_here_is_read_by_h5py() {
    let Some(mut check) = python::script("hdf5.py") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (options, context) = (OpenOptions::default(), Context::default());
    let place = |name: &str| folder.path().join(name);
    let mut pairs = Vec::new();
    for dtype in DType::ALL {
        let (npy, h5) = (place(&format!("{dtype}.npy")), place(&format!("{dtype}.h5:/a/b/größe")));
        let mut store =
            AnyStore::create(&npy, &CreateOptions::new(Shape::new(31, 17), dtype)).unwrap();
        with_store!(&mut store, store => {
            let mut values = ndarray::Array2::from_elem((31, 17), Default::default());
            let bytes = bytemuck::cast_slice_mut::<_, u8>(values.as_slice_mut().unwrap());
            bytes.iter_mut().enumerate().for_each(|(at, byte)| *byte = (at % 2) as u8);
            store.write(&Selection::all(), values.view()).unwrap();
            store.sync().unwrap();
        });
        drop(store);
        convert(&npy, &h5, Target::default(), &options, &context).unwrap();
        pairs.push((h5, npy));
    }
    // A shape of its own, no elements, no name given.
    let mut more = std::process::Command::new(python::python().unwrap());
    let script = "
import sys, numpy as np
np.save(sys.argv[1] + '/axes.npy', np.arange(60, dtype='i2').reshape(3, 4, 5))
np.save(sys.argv[1] + '/none.npy', np.zeros((0, 3)))
np.save(sys.argv[1] + '/fortran.npy', np.asfortranarray(np.arange(12.0).reshape(3, 4)))
";
    assert!(more.args(["-c", script]).arg(folder.path()).status().unwrap().success());
    for name in ["axes", "none", "fortran"] {
        let (npy, h5) = (place(&format!("{name}.npy")), place(&format!("{name}.h5")));
        convert(&npy, &h5, Target::default(), &options, &context).unwrap();
        assert_eq!(digest(&h5, Io::Mapped).unwrap().0, digest(&npy, Io::Mapped).unwrap().0);
        pairs.push((place(&format!("{name}.h5:/data")), npy));
    }
    check.arg("check");
    for (h5, npy) in &pairs {
        check.arg(format!("{}={}", h5.display(), npy.display()));
    }
    let output = check.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_contiguous_dataset_is_written_and_viewed_in_place_and_does_not_grow() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.h5");
    let named = folder.path().join("a.h5:/x/y");
    let shape = Shape::new(1000, 20);
    let mut store =
        arraystore::store::create::<f64>(&named, &CreateOptions::new(shape, DType::F64)).unwrap();
    assert!(!path.exists());
    store
        .fill_columns(&Context::default(), &mut |column, out| {
            out.iter_mut().enumerate().for_each(|(row, value)| *value = (row * 20 + column) as f64);
            Ok(())
        })
        .unwrap();
    store.sync().unwrap();
    drop(store);

    let mut store = open::<f64>(&path, &OpenOptions::read_write()).unwrap();
    store.write_column(3, ndarray::Array1::from_elem(1000, -1.0).view()).unwrap();
    assert_eq!(store.capabilities().grows, None);
    let error = store.append(ndarray::Array2::zeros((1, 20)).view()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    store.sync().unwrap();
    drop(store);

    let array = MappedArray::<f64>::open(&named).unwrap();
    assert_eq!(array.view()[(999, 19)], 19999.0);
    assert!(array.view().column(3).iter().all(|&value| value == -1.0));
    let missing = folder.path().join("a.h5:/x/z");
    let error = open::<f64>(&missing, &OpenOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let again = arraystore::store::create::<f64>(&path, &CreateOptions::new(shape, DType::F64));
    assert_eq!(again.unwrap_err().kind(), ErrorKind::AlreadyExists);
}
