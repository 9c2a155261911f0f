//! Files on a disk: read by copying where they cannot be used in place, replaced whole, locked, left alone.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::array::Selection;
use crate::store::{Io, OpenOptions, open};

/// A folder with one file.
struct OnDisk(tempfile::TempDir);

impl OnDisk {
    fn of(file: &Written) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.npz"), file.bytes()).unwrap();
        Self(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("a.npz")
    }

    fn open(&self, mode: Mode, io: Io) -> Result<Box<dyn ArrayStore<Elem = f32>>> {
        open(
            self.path(),
            &OpenOptions { mode, io, context: context(1 << 20), ..Default::default() },
        )
    }

    fn names(&self) -> usize {
        fs::read_dir(self.0.path()).unwrap().count()
    }
}

fn good(compression: Compression) -> Written {
    let line = |seed: i64| (0..40).map(|k| (k * 3 + seed % 3, (k * seed) as f32 + 0.25)).collect();
    Written::of(compression, 123, &(0..50).map(line).collect::<Vec<_>>())
}

/// (device, inode) of every file that this process has open or mapped under `folder`.
#[cfg(target_os = "linux")]
fn open_files(folder: &Path) -> usize {
    let names = fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| {
        let name = fs::read_link(entry.ok()?.path()).ok()?;
        name.starts_with(folder).then_some(())
    });
    names.count()
}

#[test]
fn what_cannot_be_used_in_place_is_copied_out_and_the_copy_is_gone_afterwards() {
    for compression in BOTH {
        let good = good(compression);
        let variants = [
            Written { method: CompressionMethod::Deflated, ..good.clone() },
            Written { begin: Some(2), ..good.clone() },
            Written { begin: None, ..good.clone() },
            Written { big_endian: true, ..good.clone() },
            Written { big_endian: true, width: IndexWidth::I64, ..good.clone() },
            Written { method: CompressionMethod::Deflated, width: IndexWidth::I64, ..good.clone() },
        ];
        for file in variants {
            let disk = OnDisk::of(&file);
            for io in [Io::Mapped, Io::Positioned] {
                let store = disk.open(Mode::Read, io).unwrap();
                assert_reads(&*store, &file.array(), &context(1 << 20));
                assert_eq!(store.stats().stored, 2000);
                assert!(!store.capabilities().mapped || file.begin.is_none());
                drop(store);
                assert_eq!(disk.names(), 1, "scratch was left");
                #[cfg(target_os = "linux")]
                assert_eq!(open_files(disk.0.path()), 0, "scratch is still open");
            }
        }
    }
}

#[test]
fn entries_behind_the_last_line_are_ignored_and_told() {
    for compression in BOTH {
        let plain = good(compression);
        let mut longer = plain.clone();
        longer.indices.extend([-1, 999, 3]);
        longer.data.extend([1.0; 3]);
        let in_place = OnDisk::of(&longer);
        let copied = OnDisk::of(&Written { method: CompressionMethod::Deflated, ..longer });
        for io in [Io::Mapped, Io::Positioned] {
            let store = in_place.open(Mode::Read, io).unwrap();
            assert_eq!((store.stats().stored, store.stats().ignored_bytes), (2000, 3 * 8));
            assert_reads(&*store, &plain.array(), &context(1 << 20));
            let store = copied.open(Mode::Read, io).unwrap();
            assert_eq!(store.stats().stored, 2003, "indptr is not read yet");
            assert_reads(&*store, &plain.array(), &context(1 << 20));
        }
        let mut store = in_place.open(Mode::ReadWrite, Io::Mapped).unwrap();
        store.write(&Selection::cell(0, 0), ndarray::array![[5.0]].view()).unwrap();
        store.sync().unwrap();
        assert_eq!(store.stats().ignored_bytes, 0);
        let mut expected = plain.array();
        expected[(0, 0)] = 5.0;
        assert_eq!(store.to_array().unwrap(), expected);
    }
}

#[test]
fn others_files_are_written_over_and_become_our_own() {
    for compression in BOTH {
        for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
            let file = Written { method, begin: None, ..good(compression) };
            for io in [Io::Mapped, Io::Positioned] {
                let disk = OnDisk::of(&file);
                let mut expected = file.array();
                let mut store = disk.open(Mode::ReadWrite, io).unwrap();
                store.write(&Selection::block(4..6, 4..6), Array2::ones((2, 2)).view()).unwrap();
                expected.slice_mut(ndarray::s![4..6, 4..6]).fill(1.0);
                let before = fs::read(disk.path()).unwrap();
                assert_eq!(before, file.bytes(), "changed before a sync");
                store.sync().unwrap();
                assert_reads(&*store, &expected, &context(1 << 20));
                drop(store);
                assert_eq!(disk.names(), 1);
                let store = disk.open(Mode::Read, io).unwrap();
                assert_reads(&*store, &expected, &context(1 << 20));
                assert_eq!(store.capabilities().mapped, io == Io::Mapped);
            }
        }
    }
}

#[test]
fn copy_on_write_is_seen_and_leaves_the_file() {
    for compression in BOTH {
        let file = good(compression);
        let disk = OnDisk::of(&file);
        let mut expected = file.array();
        let mut store = disk.open(Mode::CopyOnWrite, Io::Mapped).unwrap();
        assert!(store.capabilities().write && !store.capabilities().durable);
        let shape = (file.shape.rows, file.shape.cols);
        for (row, value) in [(3, 8.0), (9, 0.0), (3, 9.0)] {
            store
                .write(&Selection::row(row), Array2::from_elem((1, shape.1), value).view())
                .unwrap();
            expected.row_mut(row).fill(value);
        }
        assert_reads(&*store, &expected, &context(1 << 20));
        let column = ndarray::Array1::from_elem(shape.0, 5.0);
        let mut writer = store.column_writer(&context(1 << 20)).unwrap();
        writer.write(7, column.view().insert_axis(ndarray::Axis(1))).unwrap();
        writer.finish().unwrap();
        expected.column_mut(7).fill(5.0);
        assert_reads(&*store, &expected, &context(1 << 20));
        store.sync().unwrap();
        assert_reads(&*store, &expected, &context(1 << 20));
        drop(store);
        assert_eq!(fs::read(disk.path()).unwrap(), file.bytes());
        assert_eq!(disk.names(), 1);
    }
}

#[test]
fn the_name_is_locked_from_open_to_drop_whatever_is_written() {
    for io in [Io::Mapped, Io::Positioned] {
        let disk = OnDisk::of(&good(Compression::Csr));
        let locked = |when: &str| {
            for mode in [Mode::Read, Mode::ReadWrite] {
                assert_eq!(kind(disk.open(mode, io)), ErrorKind::Locked, "{when}, {mode:?}");
            }
        };
        let mut store = disk.open(Mode::ReadWrite, io).unwrap();
        locked("opened");
        for round in 0..2 {
            let column = |value: f32| Array2::from_elem((50, 1), value + round as f32);
            let mut writer = store.column_writer(&context(1 << 20)).unwrap();
            writer.write(0, column(1.0).view()).unwrap();
            locked("while a writer writes");
            writer.finish().unwrap();
            locked("between finish and sync");
            store.write(&Selection::column(1), column(2.0).view()).unwrap();
            locked("written over");
            store.sync().unwrap();
            locked("synced");
        }
        drop(store);
        let reader = disk.open(Mode::Read, io).unwrap();
        assert_eq!(reader.column(0).unwrap()[49], 2.0);
        assert_eq!(reader.column(1).unwrap()[49], 3.0);
        assert_eq!(kind(disk.open(Mode::ReadWrite, io)), ErrorKind::Locked);
        disk.open(Mode::Read, io).unwrap();
    }
}

/// Who has the old file open goes on reading the old file.
#[test]
fn a_failed_or_dropped_change_leaves_the_old_file() {
    let file = good(Compression::Csc);
    let disk = OnDisk::of(&file);
    let mut store = disk.open(Mode::ReadWrite, Io::Mapped).unwrap();
    store.write(&Selection::all(), Array2::ones((123, 50)).view()).unwrap();
    store
        .fill_columns(&context(1 << 20), &mut |_, out| {
            out.fill(3.0);
            Ok(())
        })
        .unwrap();
    assert_eq!(store.row(5).unwrap(), ndarray::Array1::from_elem(50, 3.0));
    drop(store);
    assert_eq!(fs::read(disk.path()).unwrap(), file.bytes());
    assert_eq!(disk.names(), 1);
}
