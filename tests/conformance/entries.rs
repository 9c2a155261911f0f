//! What a program takes into its own hands: selections as entries, blocks in the order it wants, places in the file.

use std::fs;

use arraystore::ErrorKind;
use arraystore::array::{Axis, Compression, IndexWidth, Order, Selection, Shape};
use arraystore::store::{
    ArrayStore, ArrayStoreExt, Entries, Extents, Layout, MemoryStore, OwnedIndices,
};
use arraystore::sys::{DeviceKind, Mode};
use ndarray::{Array2, arr2};

use crate::cases::{SHAPE, filled, sample, selections};
use crate::subject::{Subject, error, tight};

/// The cells that `entries` stand for; what is wrong with them is found out on the way.
fn dense(entries: &Entries<f32>) -> Array2<f32> {
    let Shape { rows, cols } = entries.shape;
    let is_csr = entries.compression == Compression::Csr;
    let (lines, length) = if is_csr { (rows, cols) } else { (cols, rows) };
    let indices: Vec<usize> = match &entries.indices {
        OwnedIndices::I32(list) => list.iter().map(|&at| at.try_into().unwrap()).collect(),
        OwnedIndices::I64(list) => list.iter().map(|&at| at.try_into().unwrap()).collect(),
    };
    assert_eq!(entries.offsets.len(), lines + 1);
    assert_eq!((entries.offsets[0], entries.offsets[lines]), (0, entries.data.len()));
    assert_eq!(indices.len(), entries.data.len());
    let mut dense = Array2::zeros((rows, cols));
    for line in 0..lines {
        let own = entries.offsets[line]..entries.offsets[line + 1];
        assert!(indices[own.clone()].is_sorted_by(|one, next| one < next), "each position once");
        for entry in own {
            assert!(indices[entry] < length);
            let cell = if is_csr { (line, indices[entry]) } else { (indices[entry], line) };
            dense[cell] = entries.data[entry];
        }
    }
    dense
}

fn assert_entries(
    store: &dyn ArrayStore<Elem = f32>,
    oracle: &MemoryStore<f32>,
    selection: &Selection,
) {
    let expected = oracle.select(selection).unwrap();
    let entries = store.select_entries(selection).unwrap();
    assert_eq!(Layout::Sparse(entries.compression), store.spec().layout);
    assert_eq!(dense(&entries), expected, "{selection:?}");
    let zeros = entries.data.iter().filter(|&&value| value == 0.0).count();
    assert_eq!(zeros, 0, "nothing is made dense: {selection:?}");
    assert!(matches!(entries.indices, OwnedIndices::I32(_)));
}

pub fn entries_of_every_selection_are_the_oracles(subject: &Subject) {
    let (mut store, mut oracle) = filled(subject);
    if !store.capabilities().sparse {
        let refused = error(store.select_entries(&Selection::all()));
        assert_eq!(refused.kind(), ErrorKind::Unsupported);
        return;
    }
    let beyond = Selection { rows: Axis::one(SHAPE.rows), cols: Axis::All };
    assert_eq!(error(store.select_entries(&beyond)).kind(), ErrorKind::OutOfBounds);
    let mut selections = selections();
    // Lists that go down, jump and repeat, on either axis and on both.
    let list = |len: usize| Axis::Indices((0..40).rev().map(|pick| pick * 11 % len).collect());
    for rows in [Axis::All, Axis::from(5..6), list(SHAPE.rows)] {
        selections.push(Selection { rows, cols: list(SHAPE.cols) });
    }
    selections.push(Selection { rows: list(SHAPE.rows), cols: Axis::All });
    for selection in &selections {
        assert_entries(&*store, &oracle, selection);
    }
    // What was written and is not in the file yet is there, too.
    let block = Selection::block(10..25, 8..20);
    let values = sample(Shape::new(15, 12), 3);
    store.write(&block, values.view()).unwrap();
    oracle.write(&block, values.view()).unwrap();
    for selection in &selections {
        let expected = oracle.select(selection).unwrap();
        assert_eq!(dense(&store.select_entries(selection).unwrap()), expected, "{selection:?}");
    }
    store.sync().unwrap();
    drop(store);
    // In windows that hold a few lines each.
    let store = subject.try_open(SHAPE, Mode::Read, &tight()).unwrap();
    for selection in &selections {
        assert_entries(&*store, &oracle, selection);
    }
}

pub fn a_selection_comes_in_either_order(subject: &Subject) {
    let (store, oracle) = filled(subject);
    for selection in selections() {
        let expected = oracle.select(&selection).unwrap();
        for order in [Order::C, Order::Fortran] {
            let found = store.select_in(order, &selection).unwrap();
            assert_eq!(found, expected, "{selection:?} in {order:?}");
            let lies = match order {
                Order::C => found.is_standard_layout(),
                Order::Fortran => found.t().is_standard_layout(),
            };
            assert!(lies, "{selection:?} in {order:?}");
        }
    }
}

pub fn extents_are_where_elements_lie(subject: &Subject) {
    let (rows, cols) = (3, 4);
    let values = arr2(&[[1.0, 0.0, 2.0, 0.0], [0.0, 0.0, 0.0, 0.0], [3.0, 4.0, 0.0, 5.0f32]]);
    let mut store = subject.create::<f32>(Shape::new(rows, cols));
    store.write(&Selection::all(), values.view()).unwrap();
    store.sync().unwrap();
    drop(store);
    let store = subject.open::<f32>(Shape::new(rows, cols), Mode::Read);
    let extents = store.extents();
    if subject.medium.kind() == DeviceKind::Memory {
        return;
    }
    let bytes = fs::read(subject.path()).unwrap();
    let at = |offset: u64, index: usize| {
        let first = usize::try_from(offset).unwrap() + index * 4;
        <[u8; 4]>::try_from(&bytes[first..first + 4]).unwrap()
    };
    let floats = |offset, count| (0..count).map(move |index| f32::from_le_bytes(at(offset, index)));
    match extents.expect("a file of this crate is used in place") {
        Extents::Dense { offset } => {
            let found: Vec<f32> = floats(offset, rows * cols).collect();
            let expected: Vec<f32> = match store.spec().layout {
                Layout::Dense(Order::C) => values.iter().copied().collect(),
                _ => values.t().iter().copied().collect(),
            };
            assert_eq!(found, expected);
        }
        Extents::Sparse { indptr, indptr_width, indices, indices_width, data, entries } => {
            assert_eq!((indptr_width, indices_width), (IndexWidth::I32, IndexWidth::I32));
            assert_eq!(entries, 5);
            let ints =
                |offset, count| (0..count).map(move |index| i32::from_le_bytes(at(offset, index)));
            let (ends, places, expected) = match store.spec().layout {
                Layout::Sparse(Compression::Csr) => {
                    (vec![0, 2, 2, 5], vec![0, 2, 0, 1, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0])
                }
                _ => (vec![0, 2, 3, 4, 5], vec![0, 2, 2, 0, 2], vec![1.0, 3.0, 4.0, 2.0, 5.0]),
            };
            assert_eq!(ints(indptr, ends.len()).collect::<Vec<_>>(), ends);
            assert_eq!(ints(indices, 5).collect::<Vec<_>>(), places);
            assert_eq!(floats(data, 5).collect::<Vec<_>>(), expected);
        }
    }
    assert_eq!(MemoryStore::new(values).extents(), None);
}
