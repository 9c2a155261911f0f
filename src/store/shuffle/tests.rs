use super::*;
use crate::array::{Compression, DType, Order};
use crate::store::{Budget, CreateOptions, Io, Layout, MemoryStore, copy, create};

const SHAPE: Shape = Shape::new(3000, 5);

fn values() -> Array2<f32> {
    Array2::from_shape_fn((3000, 5), |(row, col)| (row * 5 + col) as f32 + 1.0)
}

/// Every row once, some of them twice, in an order without order.
fn order() -> Vec<usize> {
    (0..3100).map(|place| place * 1789 % 3000).collect()
}

fn check_batches(store: &dyn ArrayStore<Elem = f32>, batch: usize, context: &Context) {
    let (values, order) = (values(), order());
    let mut next = 0;
    let visitor = &mut |place: usize, rows: ArrayView2<'_, f32>| {
        assert_eq!(place, next);
        next += rows.nrows();
        assert!(rows.nrows() == batch || next == order.len());
        for (row, &index) in rows.rows().into_iter().zip(&order[place..]) {
            assert_eq!(row, values.row(index));
        }
        Ok(())
    };
    store.visit_rows(&order, batch, visitor, context).unwrap();
    assert_eq!(next, order.len());
}

#[test]
fn rows_come_in_their_order_from_every_kind_of_file() {
    let folder = tempfile::tempdir().unwrap();
    let oracle = MemoryStore::new(values());
    check_batches(&oracle, 64, &Context::default());
    for layout in [
        Layout::Dense(Order::C),
        Layout::Dense(Order::Fortran),
        Layout::Sparse(Compression::Csr),
        Layout::Sparse(Compression::Csc),
    ] {
        for io in [Io::Mapped, Io::Positioned] {
            let name = if matches!(layout, Layout::Sparse(_)) { "a.npz" } else { "a.npy" };
            let context = Context::new(Budget::new(1 << 20));
            let options = CreateOptions {
                io,
                existing: crate::sys::Existing::Replace,
                context: context.clone(),
                ..CreateOptions::new(SHAPE, DType::F32).layout(layout)
            };
            let mut store = create::<f32>(folder.path().join(name), &options).unwrap();
            copy(&oracle, &mut *store, &context).unwrap();
            store.sync().unwrap();
            for (budget_bytes, cache_bytes) in [(1 << 20, u64::MAX), (60 << 10, 0)] {
                let budget = Budget::new(budget_bytes).with_cache(cache_bytes);
                let context = Context::new(budget).with_threads(2);
                for batch in [1, 7, 256] {
                    check_batches(&*store, batch, &context);
                    assert_eq!(context.available_bytes(), budget_bytes);
                }
            }
        }
    }
}

#[test]
fn rows_are_logged_where_that_reads_less() {
    let folder = tempfile::tempdir().unwrap();
    let context = |bytes, cache| Context::new(Budget::new(bytes).with_cache(cache));
    for io in [Io::Mapped, Io::Positioned] {
        let options = CreateOptions {
            io,
            existing: crate::sys::Existing::Replace,
            ..CreateOptions::new(Shape::new(30_000, 50), DType::F32)
        };
        let store = create::<f32>(folder.path().join("a.npy"), &options).unwrap();
        let kinds = |context: &Context| -> Vec<StepKind> {
            let plan = store.plan(&Access::Shuffle { batch: 256 }, context).unwrap();
            plan.steps.iter().map(|step| step.kind).collect()
        };
        let logged = [StepKind::Windows, StepKind::LogRows, StepKind::ReadLog];
        assert_eq!(kinds(&context(3 << 19, 0))[1..], logged[1..]);
        assert_eq!(kinds(&context(3 << 19, u64::MAX)).len(), 1, "all is in the page cache");
        assert_eq!(kinds(&context(64 << 20, 0)).len(), 1, "all is in memory");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let store = MemoryStore::<f32>::zeros(SHAPE);
    let context = Context::new(Budget::new(1000));
    let fails = |rows: &[usize], batch| {
        store.visit_rows(rows, batch, &mut |_, _| Ok(()), &context).unwrap_err()
    };
    assert_eq!(fails(&[3000], 1).kind(), ErrorKind::OutOfBounds);
    assert_eq!(fails(&[0], 0).kind(), ErrorKind::InvalidArgument);
    let error = fails(&[0; 100], 100);
    assert_eq!(error.kind(), ErrorKind::Budget);
    // What the error names is enough.
    let words = error.to_string();
    let needed = words.split("at least ").nth(1).unwrap().split(' ').next().unwrap();
    let context = Context::new(Budget::new(needed.parse().unwrap()));
    store.visit_rows(&[0; 100], 100, &mut |_, _| Ok(()), &context).unwrap();
    store.visit_rows(&[], 100, &mut |_, _| panic!("there is none"), &context).unwrap();
    let empty = MemoryStore::<f32>::zeros(Shape::new(9, 0));
    let mut rows = Vec::new();
    let visitor = &mut |place, batch: ArrayView2<'_, f32>| {
        rows.push((place, batch.dim()));
        Ok(())
    };
    empty.visit_rows(&[8, 0, 1], 2, visitor, &context).unwrap();
    assert_eq!(rows, [(0, (2, 0)), (2, (1, 0))]);
}
