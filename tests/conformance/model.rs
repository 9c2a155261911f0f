//! Random sequences of operations, against the oracle.

use std::ops::Range;

use arraystore::array::{Axis, Selection, Shape};
use arraystore::store::{
    ArrayStore, ArrayStoreExt, Context, GrowthAxis, MemoryStore, TileOrder, compare,
};
use arraystore::sys::{Existing, Mode};
use ndarray::Array2;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::cases::sample;
use crate::growth::joined;
use crate::subject::{Subject, context, tight};

/// One operation; indices are taken modulo the shape.
#[derive(Debug, Clone)]
enum Step {
    Write { rows: Pick, cols: Pick, seed: usize },
    Read { rows: Pick, cols: Pick },
    Columns { first: usize, count: usize, seed: usize, finish: bool },
    Append { count: usize, seed: usize },
    Visit(TileOrder),
    Sync,
    Reopen,
}

/// Indices along an axis whose length is not known yet.
#[derive(Debug, Clone)]
enum Pick {
    All,
    Range(Range<usize>, usize),
    List(Vec<usize>),
}

impl Pick {
    fn axis(&self, len: usize) -> Axis {
        match self {
            _ if len == 0 => Axis::All,
            Self::All => Axis::All,
            Self::Range(range, step) => {
                let start = range.start % len;
                let stop = (start + range.len()).min(len);
                Axis::Range { start, stop, step: *step }
            }
            Self::List(list) => Axis::Indices(list.iter().map(|index| index % len).collect()),
        }
    }
}

fn pick() -> impl Strategy<Value = Pick> {
    prop_oneof![
        Just(Pick::All),
        (0..100usize, 0..40usize, 1..6usize)
            .prop_map(|(start, count, step)| Pick::Range(start..start + count, step)),
        proptest::collection::vec(0..100usize, 0..6).prop_map(Pick::List),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let order = prop_oneof![Just(TileOrder::Columns), Just(TileOrder::Rows), Just(TileOrder::Any)];
    prop_oneof![
        4 => (pick(), pick(), 0..100usize)
            .prop_map(|(rows, cols, seed)| Step::Write { rows, cols, seed }),
        4 => (pick(), pick()).prop_map(|(rows, cols)| Step::Read { rows, cols }),
        2 => (0..100usize, 1..8usize, 0..100usize, any::<bool>()).prop_map(
            |(first, count, seed, finish)| Step::Columns { first, count, seed, finish }
        ),
        2 => (0..60usize, 0..100usize).prop_map(|(count, seed)| Step::Append { count, seed }),
        1 => order.prop_map(Step::Visit),
        1 => Just(Step::Sync),
        1 => Just(Step::Reopen),
    ]
}

/// Runs random sequences on stores of random shapes, with budgets ample and tight.
pub fn agrees(subject: &Subject) {
    let mut runner =
        TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let steps = proptest::collection::vec(step(), 1..12);
    let shape = (0..70usize, 0..50usize).prop_map(|(rows, cols)| Shape::new(rows, cols));
    let ran = runner.run(&(shape, any::<bool>(), steps), |(shape, is_tight, steps)| {
        carry_out(subject, shape, &if is_tight { tight() } else { context() }, &steps);
        Ok(())
    });
    if let Err(error) = ran {
        panic!("{error}");
    }
}

fn carry_out(subject: &Subject, mut shape: Shape, budget: &Context, steps: &[Step]) {
    let mut oracle = MemoryStore::<f32>::zeros(shape);
    let mut store = subject.try_create::<f32>(shape, Existing::Replace, budget).unwrap();
    store.sync().unwrap();
    for step in steps {
        match step {
            Step::Write { rows, cols, seed } => {
                let selection =
                    Selection { rows: rows.axis(shape.rows), cols: cols.axis(shape.cols) };
                let values = sample(selection.shape(shape).unwrap(), *seed);
                store.write(&selection, values.view()).unwrap();
                oracle.write(&selection, values.view()).unwrap();
            }
            Step::Read { rows, cols } => {
                let selection =
                    Selection { rows: rows.axis(shape.rows), cols: cols.axis(shape.cols) };
                let (here, there) = (store.select(&selection), oracle.select(&selection));
                assert_eq!(here.unwrap(), there.unwrap());
            }
            Step::Columns { first, count, seed, finish } => {
                if shape.cols == 0 {
                    continue;
                }
                let first = first % shape.cols;
                let count = (*count).min(shape.cols - first);
                let values = sample(Shape::new(shape.rows, count), *seed);
                let mut writer = store.column_writer(budget).unwrap();
                writer.write(first, values.view()).unwrap();
                writer.finish().unwrap();
                if *finish {
                    store.sync().unwrap();
                }
                oracle.write(&Selection::cols(first..first + count), values.view()).unwrap();
            }
            Step::Append { count, seed } => {
                let Some(axis) = store.capabilities().grows else { continue };
                let lines = match axis {
                    GrowthAxis::Rows => Shape::new(*count, shape.cols),
                    GrowthAxis::Columns => Shape::new(shape.rows, *count),
                };
                let values = sample(lines, *seed);
                store.append(values.view()).unwrap();
                let all = joined(subject.backend.layout, &oracle.array().to_owned(), &values);
                oracle = MemoryStore::new(all);
                shape = store.spec().shape;
            }
            Step::Visit(order) => visit(&*store, *order, budget, &oracle),
            Step::Sync => store.sync().unwrap(),
            Step::Reopen => {
                store.sync().unwrap();
                drop(store);
                store = subject.try_open::<f32>(shape, Mode::ReadWrite, budget).unwrap();
            }
        }
    }
    assert_eq!(compare(&*store, &oracle, &context()).unwrap(), None);
}

fn visit(
    store: &dyn ArrayStore<Elem = f32>,
    order: TileOrder,
    budget: &Context,
    oracle: &MemoryStore<f32>,
) {
    let shape = store.spec().shape;
    let mut seen = Array2::zeros((shape.rows, shape.cols));
    let show = &mut |tile: arraystore::store::Tile<'_, f32>| {
        tile.copy_to(seen.slice_mut(ndarray::s![tile.rows.clone(), tile.cols.clone()]));
        Ok(())
    };
    store.visit(order, show, budget).unwrap();
    assert_eq!(seen, oracle.array());
}
