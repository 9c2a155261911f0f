//! What the modes of opening promise: reading, writing in place, copy-on-write, and an array that owns its map.

use std::fs;
use std::path::{Path, PathBuf};

use arraystore::ErrorKind;
use arraystore::array::{Bool, DType, Element, Order, Selection, Shape};
use arraystore::format::raw::RawLayout;
use arraystore::store::{
    ArrayStoreExt, Context, CreateOptions, Io, Layout, MappedArray, OpenOptions, TileOrder, create,
    open,
};
use arraystore::sys::{LockPolicy, Mode};
use ndarray::{Array2, arr2};

struct File {
    folder: tempfile::TempDir,
}

impl File {
    fn path(&self) -> PathBuf {
        self.folder.path().join("a.npy")
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.path()).unwrap()
    }
}

/// A file of 4 × 3 in this order: row by row 0, 1, 2, …
fn file(order: Order) -> File {
    let file = File { folder: tempfile::tempdir().unwrap() };
    let options = CreateOptions::new(Shape::new(4, 3), DType::F32).layout(Layout::Dense(order));
    let mut store = create::<f32>(file.path(), &options).unwrap();
    store.write(&Selection::all(), values().view()).unwrap();
    store.sync().unwrap();
    file
}

fn values() -> Array2<f32> {
    Array2::from_shape_fn((4, 3), |(i, j)| (3 * i + j) as f32)
}

fn options(mode: Mode, io: Io) -> OpenOptions {
    OpenOptions { mode, io, ..OpenOptions::default() }
}

#[test]
fn copy_on_write_changes_what_is_read_and_not_the_file() {
    let file = file(Order::C);
    let before = file.bytes();
    let mut store = open::<f32>(file.path(), &options(Mode::CopyOnWrite, Io::Mapped)).unwrap();
    store.write(&Selection::column(1), arr2(&[[9.0], [9.0], [9.0], [9.0]]).view()).unwrap();
    store
        .fill_columns(&Default::default(), &mut |_, out| {
            out[0] = 7.0;
            Ok(())
        })
        .unwrap();
    assert_eq!(store.row(0).unwrap(), ndarray::arr1(&[7.0; 3]));
    assert!(store.capabilities().write && !store.capabilities().durable);
    assert_eq!(store.capabilities().grows, None);
    let refused = store.append(values().view()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    store.sync().unwrap();
    drop(store);
    assert_eq!(file.bytes(), before);
    let refused = open::<f32>(file.path(), &options(Mode::CopyOnWrite, Io::Positioned));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn writing_in_place_touches_its_cells_alone() {
    for io in [Io::Mapped, Io::Positioned] {
        let file = file(Order::C);
        let mut expected = file.bytes();
        let mut store = open::<f32>(file.path(), &options(Mode::ReadWrite, io)).unwrap();
        store.write(&Selection::block(1..2, 2..3), arr2(&[[f32::NAN]]).view()).unwrap();
        store.sync().unwrap();
        drop(store);
        let at = expected.len() - 12 * 4 + 5 * 4;
        expected[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
        assert_eq!(file.bytes(), expected, "{io:?}");
    }
}

#[test]
fn a_mapped_array_lives_as_long_as_its_last_clone() {
    for order in [Order::C, Order::Fortran] {
        let file = file(order);
        let array = MappedArray::<f32>::open(file.path()).unwrap();
        let clone = array.clone();
        drop(array);
        // 'static and Send: on a thread that outlives every borrow here.
        let sum = std::thread::spawn(move || clone.view().sum()).join().unwrap();
        assert_eq!(sum, 66.0);
        let array = MappedArray::<f32>::open(file.path()).unwrap();
        assert_eq!(array.view(), values());
        assert_eq!(array.shape(), Shape::new(4, 3));
        let writer = open::<f32>(file.path(), &OpenOptions::read_write());
        assert_eq!(writer.unwrap_err().kind(), ErrorKind::Locked);
        drop(array);
        open::<f32>(file.path(), &OpenOptions::read_write()).unwrap();
    }
}

#[test]
fn a_mapped_array_is_refused_where_a_view_would_lie() {
    let folder = tempfile::tempdir().unwrap();
    let golden =
        |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/files").join(name);
    let kind = |error: arraystore::Error| error.kind();
    let npy = |name: &str| MappedArray::<f32>::open(golden(name)).map(drop).map_err(kind);
    assert_eq!(npy("npy/f32-c-v1.npy"), Ok(()));
    assert_eq!(npy("npy/f32-c-big-endian.npy"), Err(ErrorKind::Unsupported));
    assert_eq!(npy("npy/f64-c-v1.npy"), Err(ErrorKind::DtypeMismatch));
    assert_eq!(npy("npy/unaligned.npy"), Err(ErrorKind::Unsupported));
    let bools = MappedArray::<Bool>::open(golden("npy/bool-c-v1.npy")).map(drop).map_err(kind);
    assert_eq!(bools, Err(ErrorKind::Unsupported));

    let path = folder.path().join("raw");
    fs::write(&path, [1u8, 2, 3, 4, 5, 6]).unwrap();
    let raw =
        RawLayout { dtype: u8::DTYPE, shape: Shape::new(2, 3), order: Order::Fortran, offset: 0 };
    let array = MappedArray::<u8>::open_raw(&path, &raw).unwrap();
    assert_eq!(array.view(), arr2(&[[1, 3, 5], [2, 4, 6]]));
    let wrong = RawLayout { shape: Shape::new(2, 4), ..raw };
    assert_eq!(
        MappedArray::<u8>::open_raw(&path, &wrong).map(drop).map_err(kind),
        Err(ErrorKind::Truncated)
    );
}

#[test]
fn locks_can_be_left_out() {
    let file = file(Order::C);
    let _writer = open::<f32>(file.path(), &OpenOptions::read_write()).unwrap();
    let reader = OpenOptions { lock: LockPolicy::Skip, ..OpenOptions::default() };
    assert_eq!(open::<f32>(file.path(), &reader).unwrap().to_array().unwrap(), values());
}

#[test]
fn a_file_of_another_type_is_named() {
    let file = file(Order::C);
    let error = open::<f64>(file.path(), &OpenOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DtypeMismatch);
    assert_eq!(error.to_string(), format!("{}: holds f32, not f64", file.path().display()));
}

/// Locks are advisory: another program may cut a file off that is being read.
#[test]
fn a_read_that_fails_names_the_file_and_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.npy");
    create::<f32>(&path, &CreateOptions::new(Shape::new(1000, 100), DType::F32))
        .unwrap()
        .sync()
        .unwrap();
    let options = OpenOptions { io: Io::Positioned, ..OpenOptions::default() };
    let store = open::<f32>(&path, &options).unwrap();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(200_000).unwrap();
    let error = store.row(900).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Truncated);
    let words = error.to_string();
    assert!(words.contains("cut.npy") && words.contains("at byte 360128"), "{words}");
    // In the middle of something long, too.
    let visited = store.visit(TileOrder::Any, &mut |_| Ok(()), &Context::default());
    let words = visited.unwrap_err().to_string();
    assert!(words.contains("cut.npy") && words.contains("at byte "), "{words}");
    assert!(store.row(100).is_ok(), "what is there is still read");
}
