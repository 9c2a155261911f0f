//! How much is read and written: what a plan predicts is what a recording device sees.

use std::path::PathBuf;
use std::sync::Arc;

use arraystore::array::{Axis, Element, Order, Selection, Shape};
use arraystore::store::{
    Access, AnyElement, AnyStore, ArrayStore, ArrayStoreExt, Budget, Context, CreateOptions,
    Layout, OpenOptions, Plan, TileOrder,
};
use arraystore::sys::{Advice, DiskMedium, Mode, Operation, RecordingMedium};
use ndarray::{Array2, ShapeBuilder};

const SHAPE: Shape = Shape::new(3000, 40);

struct Subject {
    medium: RecordingMedium,
    folder: tempfile::TempDir,
    context: Context,
}

impl Subject {
    fn new(budget_bytes: u64) -> Self {
        Self {
            medium: RecordingMedium::new(Arc::new(DiskMedium::positioned())),
            folder: tempfile::tempdir().unwrap(),
            context: Context::new(Budget::new(budget_bytes)).with_threads(2),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("a.npy")
    }

    fn create(&self, order: Order) -> Box<dyn ArrayStore<Elem = f32>> {
        let options = CreateOptions {
            layout: Layout::Dense(order),
            context: self.context.clone(),
            ..CreateOptions::new(SHAPE, f32::DTYPE)
        };
        let medium = Arc::new(self.medium.clone());
        f32::from_any(AnyStore::create_on(medium, &self.path(), &options).unwrap()).unwrap()
    }

    /// A file of this order, opened; what it took to make it is not on record.
    fn opened(&self, order: Order) -> Box<dyn ArrayStore<Elem = f32>> {
        let mut store = self.create(order);
        let values = Array2::from_shape_fn((SHAPE.rows, SHAPE.cols), |(i, j)| (i * 40 + j) as f32);
        store.write(&Selection::all(), values.view()).unwrap();
        store.sync().unwrap();
        drop(store);
        let options = OpenOptions {
            mode: Mode::ReadWrite,
            context: self.context.clone(),
            ..Default::default()
        };
        let medium = Arc::new(self.medium.clone());
        let store =
            f32::from_any(AnyStore::open_on(medium, &self.path(), &options).unwrap()).unwrap();
        self.medium.take();
        store
    }

    /// (bytes read, bytes written) since the last call.
    fn moved(&self) -> (u64, u64) {
        let (mut read, mut written) = (0, 0);
        for entry in self.medium.take() {
            let bytes = |range: &std::ops::Range<u64>| range.end - range.start;
            match &entry.operation {
                Operation::Read(range) => read += bytes(range),
                Operation::Write(range) => written += bytes(range),
                Operation::Update(range) => {
                    read += bytes(range);
                    written += bytes(range);
                }
                _ => {}
            }
        }
        (read, written)
    }
}

fn predicted(plan: &Plan) -> (u64, u64) {
    let sum = |part: fn(&arraystore::store::Step) -> u64| plan.steps.iter().map(part).sum();
    (sum(|step| step.bytes_read), sum(|step| step.bytes_written))
}

const TOTAL: u64 = (SHAPE.rows * SHAPE.cols * 4) as u64;

/// A cold file: what is asked for is all that should come, unless reading goes on from there.
#[test]
fn a_short_read_is_asked_for_exactly_and_what_follows_it_is_not() {
    let subject = Subject::new(1 << 20);
    let store = subject.opened(Order::Fortran);
    let column_bytes = SHAPE.rows as u64 * 4;
    for (column, is_asked_for) in [(7, true), (8, false), (9, false), (3, true), (3, true)] {
        store.column(column).unwrap();
        let record = subject.medium.take();
        let told: Vec<_> = record.iter().map(|entry| &entry.operation).collect();
        let asked: Vec<_> = told.iter().filter(|it| matches!(it, Operation::Prefetch(_))).collect();
        let start = 128 + column as u64 * column_bytes;
        let read = Operation::Read(start..start + column_bytes);
        let advices = if is_asked_for {
            let exactly = Operation::Prefetch(start..start + column_bytes);
            assert_eq!(asked, [&&exactly], "column {column}");
            [Advice::Random, Advice::Normal]
        } else {
            assert!(asked.is_empty(), "column {column}");
            [Advice::Normal, Advice::Normal]
        };
        // What was said before the read is taken back after it.
        let [before, after] = advices.map(Operation::Advise);
        assert_eq!(told.first(), Some(&&before));
        assert_eq!(told[told.len() - 2..], [&read, &after], "column {column}");
    }
}

#[test]
fn reads_move_what_their_plans_say() {
    for order in [Order::C, Order::Fortran] {
        let subject = Subject::new(64 << 10);
        let store = subject.opened(order);
        for selection in [
            Selection::all(),
            Selection::column(39),
            Selection::row(7),
            Selection::rows(vec![2999, 4, 17, 4]),
            Selection::block(100..900, 5..17),
            Selection::cols(Axis::Range { start: 1, stop: 40, step: 3 }),
        ] {
            let access = Access::Read(selection.clone());
            let plan = store.plan(&access, &subject.context).unwrap();
            store.select(&selection).unwrap();
            assert_eq!(subject.moved(), predicted(&plan), "{order} {selection:?}\n{plan}");
        }
    }
}

#[test]
fn writes_move_what_their_plans_say() {
    for order in [Order::C, Order::Fortran] {
        let subject = Subject::new(64 << 10);
        let mut store = subject.opened(order);
        for selection in [
            Selection::all(),
            Selection::row(7),
            Selection::column(39),
            Selection::block(100..900, 5..17),
        ] {
            let plan = store.plan(&Access::Write(selection.clone()), &subject.context).unwrap();
            let shape = selection.shape(SHAPE).unwrap();
            let dim = (shape.rows, shape.cols);
            let values = match order {
                Order::C => Array2::ones(dim),
                Order::Fortran => Array2::ones(dim.f()),
            };
            store.write(&selection, values.view()).unwrap();
            assert_eq!(subject.moved(), predicted(&plan), "{order} {selection:?}\n{plan}");
        }
    }
}

#[test]
fn an_append_writes_its_lines_the_mark_and_the_header() {
    for order in [Order::C, Order::Fortran] {
        let subject = Subject::new(64 << 10);
        let mut store = subject.opened(order);
        let (dim, line_bytes) = match order {
            Order::C => ((1, SHAPE.cols), SHAPE.cols as u64 * 4),
            Order::Fortran => ((SHAPE.rows, 1), SHAPE.rows as u64 * 4),
        };
        for _ in 0..2 {
            for _ in 0..100 {
                store.append(Array2::ones(dim).view()).unwrap();
            }
            store.sync().unwrap();
            let entries = subject.medium.take();
            let count = |wanted: fn(&Operation) -> bool| {
                entries.iter().filter(|entry| wanted(&entry.operation)).count()
            };
            // The mark, the lines with the length, the header.
            assert_eq!(count(|operation| *operation == Operation::Sync), 3);
            // Doubled each time, then cut to what was appended.
            let resizes = count(|operation| matches!(operation, Operation::Resize(_)));
            assert!(resizes < 12, "{resizes}");
            let (mut read, mut written) = (0, 0);
            for entry in &entries {
                match &entry.operation {
                    Operation::Write(range) => written += range.end - range.start,
                    Operation::Read(range) => read += range.end - range.start,
                    _ => {}
                }
            }
            assert_eq!((read, written), (0, 1 + 100 * line_bytes + 128), "{order}");
        }
    }
}

#[test]
fn a_visit_along_the_file_reads_every_byte_once() {
    let subject = Subject::new(64 << 10);
    let store = subject.opened(Order::C);
    for order in [TileOrder::Rows, TileOrder::Any] {
        store.visit(order, &mut |_| Ok(()), &subject.context).unwrap();
        assert_eq!(subject.moved(), (TOTAL, 0), "{order:?}");
    }
    let plan = store.plan(&Access::Visit(TileOrder::Columns), &subject.context).unwrap();
    store.visit(TileOrder::Columns, &mut |_| Ok(()), &subject.context).unwrap();
    let (read, written) = subject.moved();
    assert_eq!((read, written), predicted(&plan), "{plan}");
    // 64 KiB hold about 4 columns of 12 kB: a tenth as many passes as columns.
    assert!(read > TOTAL && read < SHAPE.cols as u64 / 2 * TOTAL, "{read}");
}

#[test]
fn a_column_fill_writes_every_byte_once_and_logs_what_memory_does_not_hold() {
    for (budget_bytes, is_logged) in [(8 << 20, false), (128 << 10, true)] {
        let subject = Subject::new(budget_bytes);
        let mut store = subject.create(Order::C);
        let header = subject.moved().1;
        assert_eq!(header, 128);
        let plan = store.plan(&Access::FillColumns, &subject.context).unwrap();
        let source = &mut |column: usize, out: &mut [f32]| {
            out.fill(column as f32);
            Ok(())
        };
        store.fill_columns(&subject.context, source).unwrap();
        let entries = subject.medium.take();
        let written = |scratch: bool| {
            let of_file = entries.iter().filter(|entry| entry.is_scratch == scratch);
            of_file
                .filter_map(|entry| match &entry.operation {
                    Operation::Write(range) => Some(range.end - range.start),
                    Operation::Update(_) => panic!("nothing that was written is read back"),
                    _ => None,
                })
                .sum::<u64>()
        };
        assert_eq!(written(false), TOTAL);
        assert_eq!(written(true) > 0, is_logged);
        assert_eq!(written(true) + TOTAL, predicted(&plan).1, "{plan}");
    }
}
