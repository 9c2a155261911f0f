//! Tiles that are parts of lines, of either axis, in any order.

use proptest::prelude::*;

use super::fills::{create_recorded, written_bytes};
use super::*;
use crate::array::Selection;
use crate::store::{Compressed, Indices, Tile, Values};

/// A part of a line: along which axis, which one, from where, and how many positions.
type Part = (Compression, usize, usize, usize);

const SHAPE: Shape = Shape { rows: 37, cols: 41 };

fn part() -> impl Strategy<Value = Part> {
    let compression = prop_oneof![Just(Compression::Csr), Just(Compression::Csc)];
    (compression, 0..SHAPE.rows, 0..SHAPE.rows, 1..SHAPE.rows)
}

/// Mostly whole lines in parts, as a visit shows them, and between them parts of others.
fn parts() -> impl Strategy<Value = Vec<Part>> {
    let cut = (prop::sample::select(&BOTH[..]), 0..SHAPE.rows, 1..30usize, 0..3usize);
    let line = cut.prop_map(|(compression, line, step, missing)| {
        let length = compression.split(SHAPE).1;
        let starts: Vec<usize> = (0..length).step_by(step).collect();
        let kept = starts.len().saturating_sub(missing).max(1);
        let parts = starts[..kept].iter();
        parts.map(|&start| (compression, line, start, step.min(length - start))).collect()
    });
    let some = prop_oneof![4 => line, 1 => part().prop_map(|part| vec![part])];
    prop::collection::vec(some, 1..30).prop_map(|all: Vec<Vec<Part>>| all.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn parts_of_lines_of_both_axes_cover_what_was_there(
        parts in parts(), is_csr: bool, is_new: bool, budget in prop::sample::select(vec![16u64, 64, 1024]),
    ) {
        let compression = BOTH[usize::from(!is_csr)];
        let context = context(budget << 10);
        let mut store = create(compression, SHAPE, &context);
        let mut expected = Array2::zeros((SHAPE.rows, SHAPE.cols));
        if !is_new {
            expected = sample(SHAPE, 3, 0);
            store.write(&Selection::all(), expected.view()).unwrap();
        }
        let mut writer = store.tile_writer(&context).unwrap();
        for (seed, (compression, line, start, count)) in parts.into_iter().enumerate() {
            let end = (start + count).min(compression.split(SHAPE).1);
            let values = sample(Shape::new(1, end - start), 2, seed + 1);
            let entries: Vec<_> =
                values.iter().enumerate().filter(|(_, value)| **value != 0.0).collect();
            let indices: Vec<i32> = entries.iter().map(|&(at, _)| at as i32).collect();
            let data: Vec<f32> = entries.iter().map(|&(_, &value)| value).collect();
            let offsets = &[0, data.len()];
            let block =
                Compressed { compression, offsets, indices: Indices::I32(&indices), data: &data };
            let (rows, cols) = match compression {
                Compression::Csr => (line..line + 1, start..end),
                Compression::Csc => (start..end, line..line + 1),
            };
            for (position, &value) in (start..end).zip(&values) {
                let cell = match compression {
                    Compression::Csr => (line, position),
                    Compression::Csc => (position, line),
                };
                expected[cell] = value;
            }
            writer.write(&Tile { rows, cols, values: Values::Sparse(block) }).unwrap();
        }
        writer.finish().unwrap();
        assert_reads(&store, &expected, &context);
        store.sync().unwrap();
        assert_reads(&store, &expected, &context);
    }
}

/// A matrix of few long lines is turned with a few passes over its entries, in far less memory than a line takes.
#[test]
fn long_lines_are_turned_with_few_passes() {
    let (lines, length) = (3, 60_000);
    for (compression, other) in [(BOTH[0], BOTH[1]), (BOTH[1], BOTH[0])] {
        let row: Vec<_> = (0..length).filter(|k| k % 3 != 1).map(|k| (k, k as f32 + 0.5)).collect();
        let file = Written::of(compression, length as usize, &vec![row.clone(); lines]);
        let context = context(64 << 10);
        let store = file.open(Mode::Read, &context).unwrap();
        let (medium, mut out) = create_recorded(other, store.spec().shape, &context);
        crate::store::copy(&store, &mut out, &context).unwrap();
        out.sync().unwrap();
        let written = written_bytes(&medium);
        assert_eq!(out.to_array().unwrap(), file.array());
        let entries = (lines * row.len()) as u64;
        assert!(written < 40 * entries + 16 * length as u64, "{written} for {entries} entries");
    }
}
