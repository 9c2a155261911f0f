//! Scattered lines and positions of files that are large enough for every way to find them, and for several threads; some
//! lines out of order or with entries stored twice.

use ndarray::Axis as NdAxis;

use super::*;
use crate::array::{Axis, Selection};
use crate::store::{Along, ArrayStoreExt, Budget, TileOrder};

/// 2000 lines of some 100 entries; every 50th line runs backwards, and every 70th has an entry twice.
fn file(compression: Compression, length: usize) -> Written {
    let lines: Vec<Vec<(i64, f32)>> = (0..2000)
        .map(|line| {
            let mut entries: Vec<_> = (0..length)
                .filter(|at| (line * 31 + at * 17) % (length / 100) == 0)
                .map(|at| (at as i64, ((line * 7 + at) % 64) as f32 + 0.5))
                .collect();
            if line % 70 == 0
                && let Some(&(at, _)) = entries.last()
            {
                entries.push((at, 0.25));
            }
            if line % 50 == 0 {
                entries.reverse();
            }
            entries
        })
        .collect();
    Written::of(compression, length, &lines)
}

/// Of an axis of `length`: few neighbours, few here and there (some twice), many, all.
fn picks(length: usize) -> Vec<Axis> {
    let some = |count: usize| Axis::from((0..count).map(|k| k * 7919 % length).collect::<Vec<_>>());
    vec![
        Axis::from(length / 3..length / 3 + 1),
        Axis::from(length / 2..length / 2 + 9),
        Axis::from(vec![length - 1, 3, 3, length / 2]),
        some(100),
        some(length / 2),
        Axis::All,
    ]
}

#[test]
fn every_selection_is_read_as_the_oracle_has_it() {
    for compression in BOTH {
        let written = file(compression, 4_000);
        let whole = written.array();
        for (bytes, threads) in [(256 << 20, 3), (256 << 20, 1), (8 << 20, 2)] {
            let context = Context::new(Budget::new(bytes)).with_threads(threads);
            let store = written.open(Mode::Read, &context).unwrap();
            let before = context.available_bytes();
            for rows in picks(whole.nrows()) {
                for cols in picks(whole.ncols()) {
                    let selection = Selection::block(rows.clone(), cols.clone());
                    let shape = selection.shape(store.spec().shape).unwrap();
                    if shape.elements().unwrap() > 4 << 20 {
                        continue;
                    }
                    let found = store.select(&selection).unwrap();
                    let (r, c) = selection.resolve(store.spec().shape).unwrap();
                    let (r, c): (Vec<_>, Vec<_>) = (r.iter().collect(), c.iter().collect());
                    let expected = whole.select(NdAxis(0), &r).select(NdAxis(1), &c);
                    assert!(found == expected, "{compression} {selection:?} {threads}");
                    // Into cells that are not zero, in the other order.
                    let mut out = Array2::from_elem((c.len(), r.len()), 7.0f32);
                    store.read(&selection, out.view_mut().reversed_axes()).unwrap();
                    assert!(out.t() == expected, "{compression} {selection:?} {threads}");
                    assert_eq!(context.available_bytes(), before);
                }
            }
        }
    }
}

#[test]
fn products_and_sums_agree_on_every_number_of_threads() {
    for compression in BOTH {
        let written = file(compression, 4_000);
        let whole = written.array();
        let (rows, cols) = whole.dim();
        let right = Array2::from_shape_fn((cols, 1), |(i, _)| (i % 5) as f32 - 2.0);
        let left = Array2::from_shape_fn((rows, 2), |(i, j)| (i % 3 + j) as f32);
        for threads in [1, 2, 5] {
            let context = Context::new(Budget::new(64 << 20)).with_threads(threads);
            let store = written.open(Mode::Read, &context).unwrap();
            // Halves and quarters of small numbers: sums are exact in f64, and in f32 once rounded.
            let wide = |a: &Array2<f32>| a.mapv(f64::from);
            let expected = wide(&whole).dot(&wide(&right)).mapv(|value| value as f32);
            assert!(store.multiply(right.view(), &context).unwrap() == expected);
            let expected = wide(&whole).t().dot(&wide(&left)).mapv(|value| value as f32);
            assert!(store.multiply_transposed(left.view(), &context).unwrap() == expected);
            let sums = store.sums(Along::Columns, &context).unwrap();
            assert_eq!(sums, wide(&whole).sum_axis(NdAxis(0)).to_vec());
            let counts = store.count_nonzero(Along::Rows, &context).unwrap();
            let right = whole.map_axis(NdAxis(1), |row| {
                row.iter().filter(|&&value| value != 0.0).count() as u64
            });
            assert_eq!(counts, right.to_vec());
        }
    }
}

/// Every cell once, whichever thread is shown it.
#[test]
fn concurrent_visits_show_every_cell_once() {
    for compression in BOTH {
        let written = file(compression, 4_000);
        let context = Context::new(Budget::new(64 << 20)).with_threads(4);
        let store = written.open(Mode::Read, &context).unwrap();
        let shown = std::sync::Mutex::new(Array2::from_elem(written.array().dim(), f32::NAN));
        store
            .visit_concurrently(
                &|tile| {
                    let at = ndarray::s![tile.rows.clone(), tile.cols.clone()];
                    let mut shown = shown.lock().unwrap();
                    assert!(shown.slice(at).iter().all(|cell| cell.is_nan()));
                    tile.copy_to(shown.slice_mut(at));
                    Ok(())
                },
                &context,
            )
            .unwrap();
        assert!(shown.into_inner().unwrap() == written.array());
    }
}

/// An index out of range is an error of whoever meets it, on any thread.
#[test]
fn indices_out_of_range_are_met_by_every_way() {
    for compression in BOTH {
        let mut lines: Vec<Vec<(i64, f32)>> =
            (0..2000).map(|line| (0..100).map(|k| (k * 200 + line % 200, 1.0)).collect()).collect();
        lines[1500][50].0 = 20_000;
        let written = Written::of(compression, 20_000, &lines);
        let context = Context::new(Budget::new(256 << 20)).with_threads(3);
        let store = written.open(Mode::Read, &context).unwrap();
        let (lines, positions): (Axis, Axis) = (Axis::from(vec![3, 1500, 7]), Axis::All);
        let block = |lines: Axis, positions: Axis| match compression {
            Compression::Csr => Selection::block(lines, positions),
            Compression::Csc => Selection::block(positions, lines),
        };
        for selection in [
            block(lines, positions),
            block(Axis::All, Axis::from(5..6)),
            block(Axis::All, Axis::from(vec![9, 5, 7000])),
        ] {
            assert_eq!(kind(store.select(&selection)), ErrorKind::Malformed, "{selection:?}");
        }
        let vector = Array2::from_elem((store.spec().shape.cols, 1), 1.0f32);
        assert_eq!(kind(store.multiply(vector.view(), &context)), ErrorKind::Malformed);
        let mut visit = |_: crate::store::Tile<'_, f32>| Ok(());
        assert_eq!(kind(store.visit(TileOrder::Any, &mut visit, &context)), ErrorKind::Malformed);
        // What does not meet it is right.
        let whole = store.select(&block(Axis::from(vec![3, 7, 1499, 1501]), Axis::All)).unwrap();
        assert_eq!(whole.sum(), 400.0);
    }
}
