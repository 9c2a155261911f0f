//! Appending: what every backend must do.

use arraystore::ErrorKind;
use arraystore::array::{Bool, Complex64, Element, Selection, Shape};
use arraystore::store::{
    AnyElement, ArrayStore, ArrayStoreExt, GrowthAxis, Layout, MemoryStore, compare,
};
use arraystore::sys::{Existing, Mode};
use ndarray::{Array2, ArrayView2, Axis, ShapeBuilder, concatenate, s};

use crate::cases::sample;
use crate::subject::{Subject, context, error, tight};

/// Lines of a length that no page holds a whole number of; 97 of them, so that soon there is a digit more.
const WIDTH: usize = 37;
const LINES: usize = 97;

/// The axis that lines of this layout follow one another along.
pub fn along(layout: Layout) -> Axis {
    Axis(usize::from(layout.is_columnar()))
}

/// (rows, columns) of so many lines of such a length.
fn shape_of(subject: &Subject, lines: usize, width: usize) -> Shape {
    match along(subject.backend.layout) {
        Axis(0) => Shape::new(lines, width),
        _ => Shape::new(width, lines),
    }
}

/// The same, as elements.
fn lines_of(subject: &Subject, lines: usize, width: usize, seed: usize) -> Array2<f32> {
    sample(shape_of(subject, lines, width), seed)
}

/// `values` below, or behind, `to`.
pub fn joined<T: Element>(layout: Layout, to: &Array2<T>, values: &Array2<T>) -> Array2<T> {
    concatenate(along(layout), &[to.view(), values.view()]).unwrap()
}

/// A synced file of [`LINES`] lines, opened for writing.
fn filled(subject: &Subject) -> (Box<dyn ArrayStore<Elem = f32>>, Array2<f32>) {
    let values = lines_of(subject, LINES, WIDTH, 0);
    let shape = shape_of(subject, LINES, WIDTH);
    let mut store = subject.create::<f32>(shape);
    store.write(&Selection::all(), values.view()).unwrap();
    store.sync().unwrap();
    drop(store);
    let store = subject.open(shape, Mode::ReadWrite);
    let grows = store.capabilities().grows;
    let axis = if along(subject.backend.layout) == Axis(0) {
        GrowthAxis::Rows
    } else {
        GrowthAxis::Columns
    };
    assert_eq!(grows, Some(axis));
    (store, values)
}

fn assert_holds(store: &dyn ArrayStore<Elem = f32>, values: &Array2<f32>) {
    assert_eq!(store.spec().shape, Shape::new(values.nrows(), values.ncols()));
    let oracle = MemoryStore::new(values.clone());
    assert_eq!(compare(store, &oracle, &context()).unwrap(), None);
}

fn reopened(
    subject: &Subject,
    values: &Array2<f32>,
    mode: Mode,
) -> Box<dyn ArrayStore<Elem = f32>> {
    subject.open(Shape::new(values.nrows(), values.ncols()), mode)
}

pub fn appended_lines_are_there_at_once_and_in_the_file_after_sync(subject: &Subject) {
    let (mut store, mut values) = filled(subject);
    for (round, many) in [1, 0, 2, 40, 1, 1, 300].into_iter().enumerate() {
        let lines = lines_of(subject, many, WIDTH, round + 1);
        // As they come, in Fortran order, and contiguous in neither.
        match round % 3 {
            0 => store.append(lines.view()).unwrap(),
            1 => {
                let mut fortran = Array2::zeros(lines.raw_dim().f());
                fortran.assign(&lines);
                store.append(fortran.view()).unwrap();
            }
            _ => {
                let mut wide = Array2::zeros((lines.nrows() * 2, lines.ncols() * 3));
                wide.slice_mut(s![..;2, ..;3]).assign(&lines);
                store.append(wide.slice(s![..;2, ..;3])).unwrap();
            }
        }
        let before = std::mem::take(&mut values);
        values = joined(subject.backend.layout, &before, &lines);
        assert_holds(&*store, &values);
        if along(subject.backend.layout) == Axis(0) {
            let mut oracle = MemoryStore::new(before);
            oracle.append(lines.view()).unwrap();
            assert_eq!(oracle.array(), values);
        }
        // Lines old and new are written like any others, in one go.
        let (rows, cols) = values.dim();
        let block = sample(Shape::new(rows - 1, cols - 1), 100 + round);
        store.write(&Selection::block(1..rows, 1..cols), block.view()).unwrap();
        values.slice_mut(s![1.., 1..]).assign(&block);
        assert_holds(&*store, &values);
        if round % 2 == 1 {
            store.sync().unwrap();
            assert_holds(&*store, &values);
        }
        if round % 4 == 3 {
            drop(store);
            store = reopened(subject, &values, Mode::ReadWrite);
            assert_holds(&*store, &values);
        }
    }
    store.sync().unwrap();
    drop(store);
    assert_holds(&*reopened(subject, &values, Mode::Read), &values);
}

pub fn what_was_appended_and_not_synced_goes_with_its_handle(subject: &Subject) {
    let (mut store, values) = filled(subject);
    let bytes_on_disk = store.stats().bytes_on_disk;
    for seed in [1, 2] {
        store.append(lines_of(subject, 50, WIDTH, seed).view()).unwrap();
        assert_eq!(store.stats().bytes_on_disk, bytes_on_disk, "as of the last sync");
    }
    drop(store);
    let mut store = reopened(subject, &values, Mode::ReadWrite);
    assert_holds(&*store, &values);
    assert_eq!(store.stats().bytes_on_disk, bytes_on_disk);
    // Of what came before and after a sync, the former stays.
    let kept = lines_of(subject, 5, WIDTH, 3);
    store.append(kept.view()).unwrap();
    store.sync().unwrap();
    store.append(lines_of(subject, 70, WIDTH, 4).view()).unwrap();
    drop(store);
    let values = joined(subject.backend.layout, &values, &kept);
    assert_holds(&*reopened(subject, &values, Mode::Read), &values);
}

pub fn a_new_file_grows_before_it_has_a_name(subject: &Subject) {
    let (first, more) = (lines_of(subject, 9, WIDTH, 1), lines_of(subject, 92, WIDTH, 2));
    let shape = shape_of(subject, 9, WIDTH);
    let mut store = subject.try_create::<f32>(shape, Existing::Replace, &context()).unwrap();
    store.write(&Selection::all(), first.view()).unwrap();
    store.append(more.view()).unwrap();
    let values = joined(subject.backend.layout, &first, &more);
    assert_holds(&*store, &values);
    store.sync().unwrap();
    // And goes on once it has one.
    store.append(first.view()).unwrap();
    store.sync().unwrap();
    drop(store);
    let values = joined(subject.backend.layout, &values, &first);
    assert_holds(&*reopened(subject, &values, Mode::Read), &values);
}

pub fn lines_that_do_not_fit_are_refused_and_change_nothing(subject: &Subject) {
    let (mut store, values) = filled(subject);
    for (many, width) in [(1, WIDTH + 1), (3, WIDTH - 1), (0, WIDTH + 1), (WIDTH, 1)] {
        let refused = error(store.append(lines_of(subject, many, width, 1).view()));
        assert_eq!(refused.kind(), ErrorKind::ShapeMismatch);
        let line = refused.to_string();
        assert!(line.contains(&width.to_string()) && line.contains("37"), "{line}");
    }
    // More than any file can hold.
    let zero = [0.0];
    let zero = ArrayView2::from_shape((1, 1), &zero).unwrap();
    let shape = shape_of(subject, usize::MAX >> 8, WIDTH);
    if let Some(endless) = zero.broadcast((shape.rows, shape.cols)) {
        assert_eq!(error(store.append(endless)).kind(), ErrorKind::InvalidArgument);
    }
    assert_holds(&*store, &values);
    drop(store);
    let mut store = reopened(subject, &values, Mode::Read);
    assert_eq!(store.capabilities().grows, None);
    let refused = error(store.append(lines_of(subject, 1, WIDTH, 1).view()));
    assert_eq!(refused.kind(), ErrorKind::ReadOnly);
    assert_holds(&*store, &values);
}

pub fn empty_matrices_grow(subject: &Subject) {
    for (lines, width) in [(0, 5), (0, 0), (3, 0)] {
        let shape = shape_of(subject, lines, width);
        let mut store = subject.try_create::<f32>(shape, Existing::Replace, &context()).unwrap();
        store.sync().unwrap();
        let more = lines_of(subject, 4, width, 1);
        store.append(more.view()).unwrap();
        store.sync().unwrap();
        drop(store);
        let values = joined(subject.backend.layout, &lines_of(subject, lines, width, 0), &more);
        assert_holds(&*reopened(subject, &values, Mode::Read), &values);
    }
}

pub fn elements_of_any_size_are_appended(subject: &Subject) {
    appended_as::<u8>(subject, |value| value as u8);
    appended_as::<Bool>(subject, |value| Bool::from(value > 0.0));
    appended_as::<i16>(subject, |value| value as i16);
    appended_as::<f64>(subject, f64::from);
    appended_as::<Complex64>(subject, |value| Complex64::new(value.into(), 1.0));
}

fn appended_as<T: AnyElement + PartialEq>(subject: &Subject, of: impl Fn(f32) -> T) {
    let part = |lines, seed| lines_of(subject, lines, WIDTH, seed).mapv(&of);
    let (first, more) = (part(3, 1), part(11, 2));
    let shape = shape_of(subject, 3, WIDTH);
    let mut store = subject.try_create::<T>(shape, Existing::Replace, &context()).unwrap();
    store.write(&Selection::all(), first.view()).unwrap();
    store.sync().unwrap();
    store.append(more.view()).unwrap();
    store.sync().unwrap();
    drop(store);
    let store = subject.open::<T>(shape_of(subject, 14, WIDTH), Mode::Read);
    assert!(store.to_array().unwrap() == joined(subject.backend.layout, &first, &more));
}

/// Also where a line is longer than the budget holds.
pub fn a_store_is_appended_within_the_budget(subject: &Subject) {
    let (mut store, mut values) = filled(subject);
    for (budget, many) in [(context(), 500), (tight(), 500), (tight(), 0)] {
        let from = lines_of(subject, many, WIDTH, 7);
        store.append_from(&MemoryStore::new(from.clone()), &budget).unwrap();
        assert_eq!(budget.available_bytes(), budget.budget().effective_bytes());
        values = joined(subject.backend.layout, &values, &from);
        assert_holds(&*store, &values);
    }
    let wrong = MemoryStore::new(lines_of(subject, 0, WIDTH + 1, 7));
    let refused = error(store.append_from(&wrong, &tight()));
    assert_eq!(refused.kind(), ErrorKind::ShapeMismatch);
    store.sync().unwrap();
    drop(store);
    assert_holds(&*reopened(subject, &values, Mode::Read), &values);

    let (first, more) = (lines_of(subject, 2, 9000, 1), lines_of(subject, 3, 9000, 2));
    let shape = shape_of(subject, 2, 9000);
    let mut store = subject.try_create::<f32>(shape, Existing::Replace, &tight()).unwrap();
    store.write(&Selection::all(), first.view()).unwrap();
    store.append_from(&MemoryStore::new(more.clone()), &tight()).unwrap();
    assert_holds(&*store, &joined(subject.backend.layout, &first, &more));
}
