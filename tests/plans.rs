//! Every kind of plan of the dense engine gives the oracle's answer, on both backends, down to the smallest budget.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use arraystore::array::{Axis, Complex64, Element, Order, Selection, Shape};
use arraystore::store::{
    Access, AnyElement, ArrayStore, ArrayStoreExt, Budget, Context, CreateOptions, Io, Layout,
    MemoryStore, Observer, OpenOptions, StepKind, TileOrder, copy, create, open,
};
use arraystore::sys::{Existing, Mode};
use arraystore::{ErrorKind, Result};
use ndarray::{Array2, ArrayView2};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// What is done with a matrix.
#[derive(Debug, Clone)]
enum Work {
    Read(Selection),
    Write(Selection),
    Visit(TileOrder),
    Shuffle { batch: usize },
    FillColumns,
}

/// The steps that were carried out.
#[derive(Default)]
struct Heard(Mutex<BTreeSet<&'static str>>);

impl Observer for Heard {
    fn begin(&self, step: StepKind) {
        self.0.lock().unwrap().insert(step.name());
    }

    fn end(&self) {}
}

#[derive(Debug, Clone)]
struct Case {
    shape: Shape,
    order: Order,
    io: Io,
    /// Bytes of an element: 1, 2, 4, 8 or 16.
    item_bytes: usize,
    budget_bytes: u64,
    /// Whether the file may stay in the page cache.
    is_cached: bool,
    work: Work,
}

impl Case {
    fn context(&self, budget_bytes: u64) -> Context {
        let budget = Budget::new(budget_bytes);
        let budget = if self.is_cached { budget } else { budget.with_cache(0) };
        Context::new(budget).with_threads(2)
    }

    /// Does the work, compares it with the oracle's, and says what kinds of step the plan had. A budget that is too
    /// small is raised to what the error says would do, and that has to do.
    fn check(&self) -> Vec<StepKind> {
        match self.item_bytes {
            1 => self.check_as::<u8>(),
            2 => self.check_as::<i16>(),
            4 => self.check_as::<f32>(),
            8 => self.check_as::<f64>(),
            _ => self.check_as::<Complex64>(),
        }
    }

    fn check_as<T: AnyElement + Numbered>(&self) -> Vec<StepKind> {
        match self.done::<T>(self.budget_bytes) {
            Ok(kinds) => kinds,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Budget, "{error}");
                let words = error.to_string();
                let needed = words.split("at least ").nth(1).expect("the error says what would do");
                let needed = needed.split(' ').next().unwrap().parse().unwrap();
                assert!(needed > self.budget_bytes);
                self.done::<T>(needed).expect("what the error says would do")
            }
        }
    }

    fn done<T: AnyElement + Numbered>(&self, budget_bytes: u64) -> Result<Vec<StepKind>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let Shape { rows, cols } = self.shape;
        let number = |row, col| T::numbered(row * cols + col + 1);
        let mut oracle =
            MemoryStore::new(Array2::from_shape_fn((rows, cols), |(i, j)| number(i, j)));
        let options = CreateOptions {
            io: self.io,
            existing: Existing::Replace,
            ..CreateOptions::new(self.shape, T::DTYPE).layout(Layout::Dense(self.order))
        };
        let mut store = create::<T>(&path, &options)?;
        if !matches!(self.work, Work::FillColumns) {
            copy(&oracle, &mut *store, &Context::default())?;
        }
        store.sync()?;
        drop(store);
        let heard = Arc::<Heard>::default();
        let context = self.context(budget_bytes).with_observer(Arc::clone(&heard) as _);
        let options = OpenOptions {
            io: self.io,
            mode: Mode::ReadWrite,
            context: context.clone(),
            ..OpenOptions::default()
        };
        let mut store = open::<T>(&path, &options)?;
        let access = match &self.work {
            Work::Read(selection) => Access::Read(selection.clone()),
            Work::Write(selection) => Access::Write(selection.clone()),
            Work::Visit(order) => Access::Visit(*order),
            Work::Shuffle { batch } => Access::Shuffle { batch: *batch },
            Work::FillColumns => Access::FillColumns,
        };
        let plan = store.plan(&access, &context)?;
        match &self.work {
            Work::Read(selection) => {
                assert!(store.select(selection)? == oracle.select(selection)?);
            }
            Work::Write(selection) => {
                let shape = selection.shape(self.shape).unwrap();
                let values = Array2::from_shape_fn((shape.rows, shape.cols), |(i, j)| {
                    T::numbered(i * 31 + j + 7)
                });
                store.write(selection, values.view())?;
                oracle.write(selection, values.view()).unwrap();
            }
            Work::Visit(order) => {
                let mut seen = Array2::from_elem((rows, cols), T::default());
                let mut cells = 0;
                let visitor = &mut |tile: arraystore::store::Tile<'_, T>| {
                    cells += tile.rows.len() * tile.cols.len();
                    let part = ndarray::s![tile.rows.clone(), tile.cols.clone()];
                    tile.copy_to(seen.slice_mut(part));
                    Ok(())
                };
                store.visit(*order, visitor, &context)?;
                assert_eq!(cells, rows * cols, "each cell is shown once");
                assert!(seen == oracle.array());
            }
            Work::Shuffle { batch } => {
                let order: Vec<usize> = (0..rows).map(|k| (k * 7919 + 3) % rows).collect();
                let mut next = 0;
                let visitor = &mut |place: usize, values: ArrayView2<'_, T>| {
                    assert_eq!(place, next);
                    for (row, &index) in values.rows().into_iter().zip(&order[place..]) {
                        assert!(row == oracle.array().row(index));
                    }
                    next += values.nrows();
                    Ok(())
                };
                store.visit_rows(&order, *batch, visitor, &context)?;
                assert_eq!(next, rows);
            }
            Work::FillColumns => {
                let mut writer = store.column_writer(&context)?;
                // From the last to the first, in pairs where there are.
                for first in (0..cols).step_by(2).collect::<Vec<_>>().into_iter().rev() {
                    let end = cols.min(first + 2);
                    writer.write(first, oracle.array().slice(ndarray::s![.., first..end]))?;
                }
                writer.finish()?;
            }
        }
        assert_eq!(context.available_bytes(), budget_bytes, "memory is given back");
        if matches!(self.work, Work::FillColumns) {
            assert!(plan.memory_bytes <= budget_bytes, "{plan} in {self:?}");
        }
        let planned: BTreeSet<_> = plan.steps.iter().map(|step| step.kind.name()).collect();
        let carried_out = heard.0.lock().unwrap().clone();
        match self.work {
            _ if plan.bytes_requested == 0 => {}
            Work::Read(_) | Work::Visit(_) | Work::FillColumns => {
                assert_eq!(carried_out, planned, "{self:?}");
            }
            // Values that do not lie as the file does are brought into its order in parts.
            Work::Write(_) => assert!(!carried_out.is_empty()),
            // How far apart rows are is planned as on average.
            Work::Shuffle { .. } => {
                let log = StepKind::LogRows.name();
                assert_eq!(carried_out.contains(log), planned.contains(log), "{self:?}");
            }
        }
        store.sync()?;
        drop(store);
        let store = open::<T>(&path, &OpenOptions::default())?;
        assert!(store.to_array()? == oracle.array(), "the file holds what it should");
        Ok(plan.steps.iter().map(|step| step.kind).collect())
    }
}

/// Elements that can be told apart.
trait Numbered: Element + PartialEq {
    fn numbered(number: usize) -> Self;
}

impl Numbered for u8 {
    fn numbered(number: usize) -> Self {
        (number % 251) as Self
    }
}

impl Numbered for i16 {
    fn numbered(number: usize) -> Self {
        number as Self
    }
}

impl Numbered for f32 {
    fn numbered(number: usize) -> Self {
        number as Self
    }
}

impl Numbered for f64 {
    fn numbered(number: usize) -> Self {
        number as Self
    }
}

impl Numbered for Complex64 {
    fn numbered(number: usize) -> Self {
        Self::new(number as f64, -1.0)
    }
}

fn case(shape: (usize, usize), io: Io, budget_bytes: u64, work: Work) -> Case {
    let shape = Shape::new(shape.0, shape.1);
    Case { shape, order: Order::C, io, item_bytes: 4, budget_bytes, is_cached: true, work }
}

#[test]
fn each_kind_of_plan_is_reached_and_right() {
    use StepKind::*;
    let column = || Work::Read(Selection::column(3));
    let some = || Work::Read(Selection::cols(vec![0, 9_000, 17_000]));
    let by_columns = || Work::Visit(TileOrder::Columns);
    let columnar = |shape, io, budget_bytes| Case {
        order: Order::Fortran,
        ..case(shape, io, budget_bytes, Work::FillColumns)
    };
    let large = 8 << 20;
    let mut cases = vec![
        (ScanGather, case((3000, 40), Io::Positioned, large, column())),
        (StridedGather, case((3000, 40), Io::Mapped, large, column())),
        (
            ReadModifyWrite,
            case((3000, 40), Io::Positioned, large, Work::Write(Selection::column(3))),
        ),
        (StridedScatter, case((3000, 40), Io::Mapped, large, Work::Write(Selection::column(3)))),
    ];
    for io in [Io::Mapped, Io::Positioned] {
        let shuffle = Work::Shuffle { batch: 64 };
        let logged = Case { is_cached: false, ..case((9000, 50), io, 400 << 10, shuffle) };
        cases.extend([
            (Windows, case((3000, 40), io, large, Work::Visit(TileOrder::Rows))),
            (CoalescedRanges, case((50, 20_000), io, large, some())),
            (CoalescedWrites, case((300, 40), io, large, Work::Write(Selection::rows(5..90)))),
            (GroupedPasses, case((3000, 40), io, 400 << 10, by_columns())),
            (TurnBlocks, case((3000, 40), io, 100 << 10, by_columns())),
            (ReadLog, case((3000, 40), io, 100 << 10, by_columns())),
            (TransposeBlocks, case((3000, 40), io, large, Work::FillColumns)),
            (CoalescedWrites, columnar((3000, 41), io, large)),
            // Pieces of a column that are joined with others, and pieces that are too long for that.
            (CoalescedWrites, columnar((2078, 53), io, 36 << 10)),
            (LogColumns, case((3000, 40), io, 100 << 10, Work::FillColumns)),
            (LogRows, logged.clone()),
            (ReadLog, logged),
        ]);
    }
    for (kind, case) in cases {
        let kinds = case.check();
        assert!(kinds.contains(&kind), "{kind:?}: {kinds:?} in {case:?}");
    }
}

/// Values that do not lie as the file does are brought into its order in blocks that leave the rest its memory: what the
/// error says would do does, though blocks grow with the budget.
#[test]
fn lists_of_few_cells_take_what_the_error_says() {
    for (rows, cols) in [(1, 2), (2, 1), (2, 8), (5, 5), (8, 3)] {
        let selection = Selection { rows: vec![0; rows].into(), cols: vec![0; cols].into() };
        for order in [Order::C, Order::Fortran] {
            for io in [Io::Mapped, Io::Positioned] {
                for budget_bytes in [0, 11, 19] {
                    let work = Work::Write(selection.clone());
                    let case = case((1, 1), io, budget_bytes, work);
                    Case { order, item_bytes: 2, ..case }.check();
                }
            }
        }
    }
}

/// The same where they are read into an array that is contiguous in no order.
/// Of no rows nothing is read nor divided among groups, whatever is free.
#[test]
fn a_matrix_without_rows_is_shuffled() {
    for io in [Io::Mapped, Io::Positioned] {
        for (cols, budget_bytes) in [(1, 73), (1, 4 << 10), (50, 100 << 10)] {
            case((0, cols), io, budget_bytes, Work::Shuffle { batch: 1 }).check();
        }
    }
}

#[test]
fn a_read_into_any_array_takes_what_the_error_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let matrix = Array2::from_shape_fn((9, 7), |(i, j)| (i * 7 + j) as f64);
    let options = CreateOptions::new(Shape::new(9, 7), f64::DTYPE);
    let mut store = create::<f64>(&path, &options).unwrap();
    copy(&MemoryStore::new(matrix.clone()), &mut *store, &Context::default()).unwrap();
    store.sync().unwrap();
    drop(store);
    let selection = Selection { rows: vec![8, 0, 3, 3].into(), cols: vec![6, 1, 1].into() };
    let right = MemoryStore::new(matrix).select(&selection).unwrap();
    let read = |budget_bytes| {
        let context = Context::new(Budget::new(budget_bytes)).with_threads(2);
        let options = OpenOptions { io: Io::Positioned, context, ..OpenOptions::default() };
        let mut wide = Array2::zeros((8, 6));
        let mut some = wide.slice_mut(ndarray::s![..;2, ..;2]);
        open::<f64>(&path, &options)?.read(&selection, some.view_mut())?;
        assert!(some == right);
        Ok(())
    };
    for budget_bytes in (0..400).step_by(7) {
        let Err(error) = read(budget_bytes) else { continue };
        let error: arraystore::Error = error;
        let words = error.to_string();
        let needed = words.split("at least ").nth(1).expect("the error says what would do");
        read(needed.split(' ').next().unwrap().parse().unwrap()).expect("that does");
    }
}

fn axis(length: usize) -> impl Strategy<Value = Axis> {
    prop_oneof![
        Just(Axis::All),
        (0..=length, 0..=length, 1..5usize).prop_map(|(start, stop, step)| Axis::Range {
            start,
            stop: stop.max(start),
            step
        }),
        proptest::collection::vec(0..length.max(1), 0..if length == 0 { 1 } else { 9 })
            .prop_map(Axis::Indices),
    ]
}

fn any_case() -> impl Strategy<Value = Case> {
    let shape = prop_oneof![
        4 => (0..600usize, 0..60usize),
        1 => (0..40usize, 0..20_000usize),
        1 => (0..20_000usize, 0..4usize),
        2 => (1000..4000usize, 20..60usize),
    ];
    let budget = prop_oneof![0..400u64, 400..20_000u64, 20_000..400_000u64];
    (shape, budget, any::<(bool, bool, bool)>(), 0..5usize).prop_flat_map(
        |((rows, cols), budget_bytes, (fortran, mapped, is_cached), size)| {
            let selection =
                move || (axis(rows), axis(cols)).prop_map(|(rows, cols)| Selection { rows, cols });
            let order = prop_oneof![Just(TileOrder::Columns), Just(TileOrder::Rows)];
            let work = prop_oneof![
                2 => selection().prop_map(Work::Read),
                2 => selection().prop_map(Work::Write),
                2 => order.prop_map(Work::Visit),
                1 => (1..300usize).prop_map(|batch| Work::Shuffle { batch }),
                1 => Just(Work::FillColumns),
            ];
            work.prop_map(move |work| Case {
                shape: Shape::new(rows, cols),
                order: if fortran { Order::Fortran } else { Order::C },
                io: if mapped { Io::Mapped } else { Io::Positioned },
                item_bytes: 1 << size,
                budget_bytes,
                is_cached,
                work,
            })
        },
    )
}

#[test]
fn any_plan_is_right() {
    let reached = Mutex::new(BTreeSet::new());
    let mut runner =
        TestRunner::new(Config { cases: 600, failure_persistence: None, ..Config::default() });
    let checked = runner.run(&any_case(), |case| {
        let kinds = case.check();
        reached.lock().unwrap().extend(kinds.into_iter().map(StepKind::name));
        Ok(())
    });
    if let Err(error) = checked {
        panic!("{error}");
    }
    let reached = reached.into_inner().unwrap();
    // Which ones is left to chance; each is reached above.
    assert!(reached.len() >= 10, "only {reached:?}");
}
