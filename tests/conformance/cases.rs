//! The cases: what every backend on every device must do.

use arraystore::ErrorKind;
use arraystore::array::{Axis, Digester, Element, Selection, Shape};
use arraystore::store::{Access, ArrayStore, ArrayStoreExt, MemoryStore, TileOrder, compare, copy};
use arraystore::sys::{Existing, Mode};
use ndarray::{Array2, ArrayView2, ShapeBuilder, s};

use crate::subject::{Subject, context, error, tight};

pub const SHAPE: Shape = Shape::new(60, 37);

/// Values of which about a third are zero, all others distinct.
pub fn sample(shape: Shape, seed: usize) -> Array2<f32> {
    Array2::from_shape_fn((shape.rows, shape.cols), |(i, j)| {
        let value = i * shape.cols + j;
        if (value * 7 + i + seed).is_multiple_of(3) {
            0.0
        } else {
            (value + seed * 10_000) as f32 + 0.5
        }
    })
}

pub fn filled(subject: &Subject) -> (Box<dyn ArrayStore<Elem = f32>>, MemoryStore<f32>) {
    let values = sample(SHAPE, 0);
    let mut store = subject.create::<f32>(SHAPE);
    store.write(&Selection::all(), values.view()).unwrap();
    store.sync().unwrap();
    drop(store);
    (subject.open(SHAPE, Mode::ReadWrite), MemoryStore::new(values))
}

pub fn selections() -> Vec<Selection> {
    let axes = |len: usize| {
        [
            Axis::All,
            Axis::one(len - 1),
            Axis::from(3..11),
            Axis::Range { start: 1, stop: len, step: 5 },
            Axis::Indices(vec![7, 0, len - 1, 7, 8]),
            Axis::Indices(Vec::new()),
            Axis::from(4..4),
        ]
    };
    let pairs = axes(SHAPE.rows).into_iter().flat_map(|rows| {
        axes(SHAPE.cols).into_iter().map(move |cols| Selection { rows: rows.clone(), cols })
    });
    pairs.collect()
}

fn assert_same(store: &dyn ArrayStore<Elem = f32>, oracle: &MemoryStore<f32>) {
    if let Some(difference) = compare(store, oracle, &context()).unwrap() {
        panic!("{difference:?}");
    }
}

pub fn unwritten_cells_read_as_zero(subject: &Subject) {
    let mut store = subject.create::<f32>(SHAPE);
    assert!(store.to_array().unwrap().iter().all(Element::is_zero_bits));
    store.sync().unwrap();
    drop(store);
    let store = subject.open::<f32>(SHAPE, Mode::Read);
    assert!(store.to_array().unwrap().iter().all(Element::is_zero_bits));
    assert_eq!(store.spec().shape, SHAPE);
    assert_eq!(store.spec().layout, subject.backend.layout);
}

pub fn filled_columns_are_read_back_after_reopening(subject: &Subject) {
    for budget in [context(), tight()] {
        let values = sample(SHAPE, 1);
        let mut store = subject.try_create::<f32>(SHAPE, Existing::Replace, &budget).unwrap();
        let fill = &mut |column: usize, out: &mut [f32]| {
            out.copy_from_slice(&values.column(column).to_vec());
            Ok(())
        };
        store.fill_columns(&budget, fill).unwrap();
        store.sync().unwrap();
        drop(store);
        let store = subject.open::<f32>(SHAPE, Mode::Read);
        assert_eq!(store.to_array().unwrap(), values);
        assert_eq!(store.column(36).unwrap(), values.column(36));
        assert_eq!(store.row(59).unwrap(), values.row(59));
    }
}

pub fn every_selection_reads_what_the_oracle_reads(subject: &Subject) {
    let (store, oracle) = filled(subject);
    for selection in selections() {
        let expected = oracle.select(&selection).unwrap();
        assert_eq!(store.select(&selection).unwrap(), expected, "{selection:?}");
        // Into a Fortran-order array, and into one that is contiguous in neither order.
        let mut fortran = Array2::zeros(expected.raw_dim().f());
        store.read(&selection, fortran.view_mut()).unwrap();
        assert_eq!(fortran, expected, "{selection:?} in Fortran order");
        let mut wide = Array2::from_elem((expected.nrows() * 2, expected.ncols() * 3), -1.0);
        store.read(&selection, wide.slice_mut(s![..;2, ..;3])).unwrap();
        assert_eq!(wide.slice(s![..;2, ..;3]), expected, "{selection:?} with gaps");
        let between = wide.rows().into_iter().skip(1).step_by(2);
        assert!(between.flatten().all(|&value| value == -1.0));
    }
}

pub fn every_selection_is_written_as_the_oracle_writes_it(subject: &Subject) {
    let (mut store, mut oracle) = filled(subject);
    for (seed, selection) in selections().into_iter().enumerate() {
        let shape = selection.shape(SHAPE).unwrap();
        let values = sample(shape, seed + 1);
        if seed % 2 == 0 {
            store.write(&selection, values.view()).unwrap();
        } else {
            let mut fortran = Array2::zeros(values.raw_dim().f());
            fortran.assign(&values);
            store.write(&selection, fortran.view()).unwrap();
        }
        oracle.write(&selection, values.view()).unwrap();
        if seed % 7 == 0 {
            assert_same(&*store, &oracle);
        }
    }
    assert_same(&*store, &oracle);
    store.sync().unwrap();
    assert_same(&*store, &oracle);
    drop(store);
    assert_same(&*subject.open(SHAPE, Mode::Read), &oracle);
}

pub fn what_was_written_is_read_before_sync(subject: &Subject) {
    let mut store = subject.create::<f32>(SHAPE);
    let column = ndarray::Array1::from_elem(SHAPE.rows, 2.5);
    store.write_column(5, column.view()).unwrap();
    assert_eq!(store.column(5).unwrap(), column);
    assert_eq!(store.row(9).unwrap()[5], 2.5);
    assert_eq!(store.row(9).unwrap()[6], 0.0);
}

pub fn columns_in_any_order_and_group_keep_what_came_last(subject: &Subject) {
    for budget in [context(), tight()] {
        let (first, last) = (sample(SHAPE, 1), sample(SHAPE, 2));
        let mut store = subject.try_create::<f32>(SHAPE, Existing::Replace, &budget).unwrap();
        let mut writer = store.column_writer(&budget).unwrap();
        for column in (0..SHAPE.cols).rev() {
            writer.write(column, first.slice(s![.., column..=column])).unwrap();
        }
        for group in (0..SHAPE.cols).step_by(5) {
            let end = SHAPE.cols.min(group + 5);
            writer.write(group, last.slice(s![.., group..end])).unwrap();
        }
        let wrong = writer.write(SHAPE.cols - 1, last.slice(s![.., ..2]));
        assert_eq!(error(wrong).kind(), ErrorKind::OutOfBounds);
        let short = writer.write(0, last.slice(s![1.., ..2]));
        assert_eq!(error(short).kind(), ErrorKind::ShapeMismatch);
        writer.finish().unwrap();
        assert_same(&*store, &MemoryStore::new(last.clone()));
        store.sync().unwrap();
        drop(store);
        assert_same(&*subject.open(SHAPE, Mode::Read), &MemoryStore::new(last));
    }
}

pub fn columns_not_given_stay_as_they_are(subject: &Subject) {
    let (mut store, mut oracle) = filled(subject);
    let values = sample(SHAPE, 3);
    for budget in [context(), tight()] {
        let mut writer = store.column_writer(&budget).unwrap();
        for column in [36, 0, 17] {
            writer.write(column, values.slice(s![.., column..=column])).unwrap();
        }
        writer.finish().unwrap();
        for column in [36, 0, 17] {
            oracle.write_column(column, values.column(column)).unwrap();
        }
        assert_same(&*store, &oracle);
        store.sync().unwrap();
    }
    drop(store);
    assert_same(&*subject.open(SHAPE, Mode::Read), &oracle);
}

pub fn a_visit_shows_every_cell_once_in_order(subject: &Subject) {
    let (store, oracle) = filled(subject);
    for budget in [context(), tight()] {
        for order in [TileOrder::Columns, TileOrder::Rows, TileOrder::Any] {
            let mut seen = Array2::<u32>::zeros((SHAPE.rows, SHAPE.cols));
            let mut values = Array2::zeros((SHAPE.rows, SHAPE.cols));
            let mut last = (0, 0);
            let visit = &mut |tile: arraystore::store::Tile<'_, f32>| {
                let cells = s![tile.rows.clone(), tile.cols.clone()];
                seen.slice_mut(cells).mapv_inplace(|count| count + 1);
                tile.copy_to(values.slice_mut(cells));
                let at = match order {
                    TileOrder::Rows => (tile.rows.start, tile.cols.start),
                    _ => (tile.cols.start, tile.rows.start),
                };
                assert!(order == TileOrder::Any || at >= last, "{order:?}: {at:?} after {last:?}");
                last = at;
                Ok(())
            };
            store.visit(order, visit, &budget).unwrap();
            assert!(seen.iter().all(|&count| count == 1), "{order:?}");
            assert_eq!(values, oracle.array(), "{order:?}");
        }
    }
    let stop = &mut |_: arraystore::store::Tile<'_, f32>| {
        Err(arraystore::Error::new(ErrorKind::Cancelled, "visit", "enough"))
    };
    let stopped = store.visit(TileOrder::Any, stop, &context());
    assert_eq!(error(stopped).kind(), ErrorKind::Cancelled);
}

pub fn wrong_shapes_and_indices_are_refused_and_change_nothing(subject: &Subject) {
    let (mut store, oracle) = filled(subject);
    let mut small = Array2::zeros((SHAPE.rows, 1));
    let read = store.read(&Selection::all(), small.view_mut());
    assert_eq!(error(read).kind(), ErrorKind::ShapeMismatch);
    let write = store.write(&Selection::all(), small.view());
    assert_eq!(error(write).kind(), ErrorKind::ShapeMismatch);
    assert_eq!(error(store.column(SHAPE.cols)).kind(), ErrorKind::OutOfBounds);
    let outside = Selection::cols(vec![0, SHAPE.cols]);
    let values = Array2::ones((SHAPE.rows, 2));
    assert_eq!(error(store.write(&outside, values.view())).kind(), ErrorKind::OutOfBounds);
    let outside = Selection::rows(Axis::Range { start: 0, stop: SHAPE.rows + 1, step: 1 });
    let values = Array2::ones((SHAPE.rows + 1, SHAPE.cols));
    assert_eq!(error(store.write(&outside, values.view())).kind(), ErrorKind::OutOfBounds);
    assert_same(&*store, &oracle);
}

pub fn empty_matrices_are_matrices(subject: &Subject) {
    for shape in [Shape::new(0, 0), Shape::new(0, 5), Shape::new(7, 0), Shape::new(1, 1)] {
        let mut store = subject.try_create::<f32>(shape, Existing::Replace, &tight()).unwrap();
        store.fill_columns(&tight(), &mut |_, _| Ok(())).unwrap();
        let empty = Array2::zeros((shape.rows, shape.cols));
        store.write(&Selection::all(), empty.view()).unwrap();
        store.sync().unwrap();
        drop(store);
        let store = subject.open::<f32>(shape, Mode::Read);
        assert_eq!(store.to_array().unwrap(), empty);
        for order in [TileOrder::Columns, TileOrder::Rows, TileOrder::Any] {
            let mut cells = 0;
            let visit = &mut |tile: arraystore::store::Tile<'_, f32>| {
                cells += tile.rows.len() * tile.cols.len();
                Ok(())
            };
            store.visit(order, visit, &tight()).unwrap();
            assert_eq!(cells, shape.rows * shape.cols, "{shape} {order:?}");
        }
        store.digest(&context()).unwrap();
    }
}

pub fn the_digest_is_the_oracles(subject: &Subject) {
    let (store, oracle) = filled(subject);
    let expected = oracle.digest(&context()).unwrap();
    assert_eq!(store.digest(&context()).unwrap(), expected);
    assert_eq!(store.digest(&tight()).unwrap(), expected);
    let mut digester = Digester::new(SHAPE, f32::DTYPE);
    digester.block(0, 0, oracle.array());
    assert_eq!(digester.finish(), expected);
}

pub fn nothing_appears_before_the_first_sync(subject: &Subject) {
    let mut store = subject.create::<f32>(SHAPE);
    store.write(&Selection::all(), sample(SHAPE, 0).view()).unwrap();
    let other = subject.try_open::<f32>(SHAPE, Mode::Read, &context());
    assert_eq!(error(other).kind(), ErrorKind::NotFound);
    drop(store);
    let other = subject.try_open::<f32>(SHAPE, Mode::Read, &context());
    assert_eq!(error(other).kind(), ErrorKind::NotFound);
    assert_eq!(std::fs::read_dir(subject.folder.path()).unwrap().count(), 0, "scratch was left");
}

pub fn an_existing_file_is_kept_or_replaced_whole(subject: &Subject) {
    let (store, oracle) = filled(subject);
    drop(store);
    let refused = subject.try_create::<f32>(SHAPE, Existing::Refuse, &context());
    let refused = error(refused);
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
    assert_eq!(refused.path(), Some(subject.path().as_path()));

    let mut new = subject.try_create::<f32>(SHAPE, Existing::Replace, &context()).unwrap();
    new.write(&Selection::all(), sample(SHAPE, 9).view()).unwrap();
    assert_same(&*subject.open(SHAPE, Mode::Read), &oracle);
    new.sync().unwrap();
    drop(new);
    assert_same(&*subject.open(SHAPE, Mode::Read), &MemoryStore::new(sample(SHAPE, 9)));
}

pub fn a_reader_cannot_write(subject: &Subject) {
    let (store, oracle) = filled(subject);
    drop(store);
    let mut store = subject.open::<f32>(SHAPE, Mode::Read);
    let values = sample(SHAPE, 1);
    let refused = store.write(&Selection::all(), values.view());
    assert_eq!(error(refused).kind(), ErrorKind::ReadOnly);
    assert_eq!(error(store.column_writer(&context()).map(drop)).kind(), ErrorKind::ReadOnly);
    assert!(!store.capabilities().write);
    assert_same(&*store, &oracle);
}

pub fn a_writer_excludes_others(subject: &Subject) {
    let (writer, _) = filled(subject);
    for mode in [Mode::Read, Mode::ReadWrite] {
        let refused = subject.try_open::<f32>(SHAPE, mode, &context());
        assert_eq!(error(refused).kind(), ErrorKind::Locked);
    }
    drop(writer);
    let _one = subject.open::<f32>(SHAPE, Mode::Read);
    let _two = subject.open::<f32>(SHAPE, Mode::Read);
    let refused = subject.try_open::<f32>(SHAPE, Mode::ReadWrite, &context());
    assert_eq!(error(refused).kind(), ErrorKind::Locked);
}

pub fn copies_are_equal_both_ways(subject: &Subject) {
    for budget in [context(), tight()] {
        let oracle = MemoryStore::new(sample(SHAPE, 4));
        let mut store = subject.try_create::<f32>(SHAPE, Existing::Replace, &budget).unwrap();
        copy(&oracle, &mut *store, &budget).unwrap();
        store.sync().unwrap();
        assert_same(&*store, &oracle);
        let mut back = MemoryStore::zeros(SHAPE);
        copy(&*store, &mut back, &budget).unwrap();
        assert_eq!(back.array(), oracle.array());
        let mut other = MemoryStore::zeros(Shape::new(SHAPE.rows, SHAPE.cols + 1));
        assert_eq!(error(copy(&*store, &mut other, &budget)).kind(), ErrorKind::ShapeMismatch);
    }
}

pub fn plans_name_steps_for_every_access(subject: &Subject) {
    let (store, _) = filled(subject);
    let accesses = [
        Access::Read(Selection::column(3)),
        Access::Read(Selection::row(3)),
        Access::Write(Selection::column(3)),
        Access::Visit(TileOrder::Columns),
        Access::Visit(TileOrder::Rows),
        Access::FillColumns,
    ];
    for access in accesses {
        let plan = store.plan(&access, &context()).unwrap();
        assert!(!plan.steps.is_empty(), "{access:?}");
        assert!(plan.bytes_requested > 0, "{access:?}");
        assert!(plan.memory_bytes <= context().available_bytes(), "{access:?}: {plan}");
        assert!(plan.to_string().contains("asked for"), "{plan}");
    }
}

pub fn special_values_keep_their_bits(subject: &Subject) {
    let shape = Shape::new(3, 4);
    let bits = [0x8000_0000, 0x7fc0_0001, 0xffff_ffff, 0x0000_0001, 0x7f80_0000, 0];
    let values = Array2::from_shape_fn((3, 4), |(i, j)| f32::from_bits(bits[(i * 4 + j) % 6]));
    let mut store = subject.create::<f32>(shape);
    store.write(&Selection::all(), values.view()).unwrap();
    store.sync().unwrap();
    drop(store);
    let store = subject.open::<f32>(shape, Mode::Read);
    let as_bits = |array: ArrayView2<'_, f32>| array.mapv(f32::to_bits);
    assert_eq!(as_bits(store.to_array().unwrap().view()), as_bits(values.view()));
}
