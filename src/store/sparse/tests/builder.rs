//! New files: expected too few or too many entries, in either width of indices.

use zip::ZipArchive;

use super::*;
use crate::array::{DType, Selection};
use crate::store::Indices;
use crate::store::sparse::base::{Base, Facts};
use crate::store::sparse::builder::{Builder, CHUNK_BYTES, Run, Target, move_run};
use crate::sys::Device;

fn facts(compression: Compression, shape: Shape) -> Facts {
    Facts { compression, shape, dtype: DType::F32 }
}

fn target(medium: &MemoryMedium) -> Target {
    Target {
        medium: Arc::new(medium.clone()),
        path: path().to_owned(),
        existing: Some(Existing::Replace),
    }
}

/// Every member read by a stranger, who compares checksums.
fn assert_checksums(device: &dyn Device) {
    let mut bytes = vec![0; device.len() as usize];
    device.read_into(0, &mut bytes).unwrap();
    let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
    assert!(archive.len() >= 5);
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).unwrap();
        std::io::copy(&mut member, &mut std::io::sink()).unwrap();
    }
}

fn published(mut base: Base, medium: &MemoryMedium, context: &Context) -> SparseStore<f32> {
    let device = base.device_mut().unwrap();
    device.sync().unwrap();
    assert_checksums(&**device);
    drop(base);
    open_on(Arc::new(medium.clone()), Mode::Read, context).unwrap()
}

#[test]
fn whatever_was_expected_the_file_is_the_same() {
    let context = context(1 << 20);
    let shape = Shape::new(900, 50);
    for compression in BOTH {
        let facts = facts(compression, shape);
        let values = sample(shape, 3, 2);
        let mut files = Vec::new();
        for expected in [0, 1, 700, 14_000, 15_000, 20_000, 1 << 40] {
            let medium = MemoryMedium::new();
            let mut builder = Builder::new(target(&medium), facts, expected, None).unwrap();
            for line in 0..facts.lines() {
                let line = match compression {
                    Compression::Csr => values.row(line),
                    Compression::Csc => values.column(line),
                };
                let (at, kept): (Vec<i32>, Vec<u32>) = line
                    .iter()
                    .enumerate()
                    .filter(|(_, value)| **value != 0.0)
                    .map(|(position, value)| (position as i32, value.to_bits()))
                    .unzip();
                let half = at.len() / 2;
                builder.push_part(Indices::I32(&at[..half]), &kept[..half], &context).unwrap();
                let rest: Vec<i64> = at[half..].iter().map(|&at| at.into()).collect();
                builder.push_part(Indices::I64(&rest), &kept[half..], &context).unwrap();
                builder.end_line().unwrap();
            }
            let store = published(builder.finish().unwrap(), &medium, &context);
            assert_eq!(store.to_array().unwrap(), values);
            let device = medium.open(path(), Mode::Read, LockPolicy::Enforce).unwrap();
            let mut bytes = vec![0; device.len() as usize];
            device.read_into(0, &mut bytes).unwrap();
            files.push(bytes);
        }
        assert!(files.iter().all(|bytes| *bytes == files[0]));
    }
}

#[test]
fn indices_are_of_64_bits_where_a_line_is_long() {
    let context = context(1 << 20);
    let shape = Shape::new(3, 3_000_000_000);
    let mut store = create(Compression::Csr, shape, &context);
    let last = Selection::block(0..3, shape.cols - 3..shape.cols);
    let values = ndarray::arr2(&[[0.0, 1.0, 2.0], [3.0, 0.0, 0.0], [-0.0, 0.0, 9.0]]);
    store.write(&last, values.view()).unwrap();
    let column = ndarray::arr1(&[5.0, 0.0, 6.0]);
    let mut writer = store.column_writer(&context).unwrap();
    writer.write(2_147_483_648, column.view().insert_axis(ndarray::Axis(1))).unwrap();
    writer.write(7, column.view().insert_axis(ndarray::Axis(1))).unwrap();
    writer.finish().unwrap();
    store.sync().unwrap();
    assert_eq!(store.stats().stored, 5 + 4);
    assert_eq!(store.select(&last).unwrap(), values);
    assert_eq!(store.column(2_147_483_648).unwrap(), column);
    assert_eq!(store.column(7).unwrap(), column);
    let mut seen = Vec::new();
    let mut show = |tile: crate::store::Tile<'_, f32>| {
        let crate::store::Values::Sparse(block) = &tile.values else { panic!("a dense tile") };
        assert!(matches!(block.indices, Indices::I64(_)));
        seen.extend(block.entries().map(|(row, col, _)| (row + tile.rows.start, col)));
        Ok(())
    };
    store.visit(TileOrder::Rows, &mut show, &context).unwrap();
    assert_eq!(seen[..3], [(0, 7), (0, 2_147_483_648), (0, 2_999_999_998)]);
    assert_checksums(store.engine.base.device().unwrap());
    assert_eq!(store.digest(&context).unwrap(), store.digest(&context).unwrap());
}

#[test]
fn integers_are_moved_from_one_width_to_the_other() {
    let number = |k: u64| k * 7 % (1 << 31);
    let bytes_of = |k: u64, width: usize| number(k).to_le_bytes()[..width].to_vec();
    for count in [0, 1, 5, (CHUNK_BYTES / 8) as u64, 100_000] {
        // Outwards and inwards, at the same place and at others.
        for ((from, from_width), (to, to_width)) in [
            ((64, 4), (64, 8)),
            ((64, 4), (192, 8)),
            ((64, 8), (64, 4)),
            ((192, 8), (64, 4)),
            ((64, 8), (4096, 8)),
            ((4096, 4), (64, 4)),
        ] {
            let medium = MemoryMedium::new();
            let len = 4096 + 8 * count;
            let mut device = medium.scratch(path(), len).unwrap();
            let old: Vec<u8> = (0..count).flat_map(|k| bytes_of(k, from_width)).collect();
            device.write_at(from, &old).unwrap();
            let run = |offset, item| Run { offset, item, count };
            move_run(&mut *device, run(from, from_width), run(to, to_width)).unwrap();
            let mut new = vec![0; count as usize * to_width];
            device.read_into(to, &mut new).unwrap();
            let expected: Vec<u8> = (0..count).flat_map(|k| bytes_of(k, to_width)).collect();
            assert!(new == expected, "{count} from {from}:{from_width} to {to}:{to_width}");
        }
    }
}

/// Room for as many entries as the first line lets expect need not be there.
#[test]
fn a_dense_line_before_many_empty_ones_needs_no_room_for_more() {
    let context = context(4 << 20);
    let shape = Shape::new(4096, 1 << 22);
    let mut store = create(Compression::Csc, shape, &context);
    let first = Array2::ones((shape.rows, 1));
    let mut writer = store.column_writer(&context).unwrap();
    writer.write(0, first.view()).unwrap();
    writer.finish().unwrap();
    assert_eq!(store.column(0).unwrap(), first.column(0));
    store.sync().unwrap();
    assert_eq!(store.stats().stored, shape.rows as u64);
}
