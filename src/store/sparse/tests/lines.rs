//! Lines longer than the window, out of order, stored twice or out of range.

use super::*;
use crate::array::Selection;

/// One line of many entries between lines of few.
fn long(compression: Compression, entries: i64) -> Written {
    let line: Vec<_> = (0..entries).map(|k| (2 * k, k as f32 + 0.5)).collect();
    let lines = [vec![(1, -1.0)], line, vec![], vec![(0, 3.0), (2 * entries - 1, 4.0)]];
    Written::of(compression, 2 * entries as usize, &lines)
}

#[test]
fn lines_longer_than_the_window_are_read_in_parts() {
    for compression in BOTH {
        for budget in [4 << 10, 16 << 10, 64 << 10] {
            let file = long(compression, 6000);
            let context = context(budget);
            let mut store = file.open(Mode::ReadWrite, &context).unwrap();
            let mut expected = file.array();
            assert_reads(&store, &expected, &context);
            // And with what was written over them: within entries, between them, and zeros.
            for (k, value) in
                [(0, 9.0), (1, 9.5), (5999, 7.0), (6000, 0.0), (11_998, 0.0), (77, -0.0)]
            {
                let cell = match compression {
                    Compression::Csr => (1, k),
                    Compression::Csc => (k, 1),
                };
                let at = Selection::block(cell.0..cell.0 + 1, cell.1..cell.1 + 1);
                store.write(&at, Array2::from_elem((1, 1), value).view()).unwrap();
                expected[cell] = value;
            }
            assert_reads(&store, &expected, &context);
            store.sync().unwrap();
            assert_reads(&store, &expected, &context);
        }
    }
}

#[test]
fn long_lines_are_written_whole_and_over_others() {
    let shape = Shape::new(5, 2000);
    for compression in BOTH {
        for budget in [8 << 10, 64 << 10] {
            let context = context(budget);
            let mut store = create(compression, shape, &context);
            for (every, seed) in [(1, 0), (2, 1)] {
                let mut values = sample(shape, every, seed);
                store.write(&Selection::all(), values.view()).unwrap();
                assert_reads(&store, &values, &context);
                let row = sample(Shape::new(1, 2000), 1, 8);
                store.write(&Selection::row(2), row.view()).unwrap();
                values.row_mut(2).assign(&row.row(0));
                assert_reads(&store, &values, &context);
                store.sync().unwrap();
                assert_reads(&store, &values, &context);
            }
        }
    }
}

#[test]
fn unsorted_and_duplicate_entries_are_put_in_order_and_summed() {
    for compression in BOTH {
        let lines = [
            vec![(5, 1.0), (0, 2.0), (3, 3.0)],
            vec![(2, 1.0), (2, 2.0), (0, 4.0), (2, 8.0)],
            vec![],
            vec![(1, 1.0), (1, -1.0)],
        ];
        let file = Written::of(compression, 6, &lines);
        let context = context(64 << 10);
        let mut store = file.open(Mode::ReadWrite, &context).unwrap();
        assert_reads(&store, &file.array(), &context);
        store.sync().unwrap();
        assert_eq!(store.stats().stored, 9, "a sync without a write keeps the file");
        // Any write makes a file that is sorted and without duplicates.
        store
            .write(&Selection::block(0..1, 0..1), file.array().slice(ndarray::s![..1, ..1]))
            .unwrap();
        store.sync().unwrap();
        assert_reads(&store, &file.array(), &context);
        assert!(store.stats().stored < 8);
    }
}

#[test]
fn a_line_too_long_to_be_sorted_in_memory_is_sorted_aside() {
    let entries = 4000;
    let places: [fn(i64) -> i64; 4] =
        [|k| 3999 - k, |k| k * 1237 % 4000, |k| k - k % 2, |k| if k == 3999 { 0 } else { k }];
    for compression in BOTH {
        for place in places {
            let mut file = long(compression, entries);
            for k in 0..entries {
                file.indices[1 + k as usize] = 2 * place(k);
            }
            for budget in [8 << 10, 64 << 10, 4 << 20] {
                let context = context(budget);
                let mut store = file.open(Mode::ReadWrite, &context).unwrap();
                let mut expected = file.array();
                assert_reads(&store, &expected, &context);
                store.check(&context).unwrap();
                let (row, col) = match compression {
                    Compression::Csr => (1, 4000),
                    Compression::Csc => (4000, 1),
                };
                let at = Selection::block(row..row + 1, col..col + 1);
                store.write(&at, Array2::from_elem((1, 1), -9.0).view()).unwrap();
                expected[(row, col)] = -9.0;
                assert_reads(&store, &expected, &context);
                store.sync().unwrap();
                assert_reads(&store, &expected, &context);
            }
        }
    }
}

/// Wherever in a line it stands, whatever the budget, and whoever comes across it.
#[test]
fn an_index_out_of_range_is_found_by_every_access() {
    for compression in BOTH {
        for wrong in [8000, i64::from(i32::MAX), -1, i64::from(i32::MIN)] {
            for entry in [1, 2, 2000, 3999, 4000] {
                for budget in [8 << 10, 1 << 20] {
                    let mut file = long(compression, 4000);
                    file.indices[entry] = wrong;
                    let context = context(budget);
                    let store = file.open(Mode::Read, &context).unwrap();
                    let what = format!("{compression} {wrong} at {entry} in {budget}");
                    let malformed = |kind: ErrorKind| {
                        assert_eq!(kind, ErrorKind::Malformed, "{what}");
                    };
                    malformed(kind(store.to_array()));
                    malformed(kind(store.check(&context)));
                    malformed(kind(store.digest(&context)));
                    let line = match compression {
                        Compression::Csr => store.row(1),
                        Compression::Csc => store.column(1),
                    };
                    malformed(kind(line));
                    let across = match compression {
                        Compression::Csr => store.column(0),
                        Compression::Csc => store.row(0),
                    };
                    malformed(kind(across));
                    for order in ORDERS {
                        malformed(kind(visited(&store, order, &context)));
                    }
                    let mut store = file.open(Mode::ReadWrite, &context).unwrap();
                    store
                        .write(&Selection::block(0..1, 0..1), Array2::ones((1, 1)).view())
                        .unwrap();
                    malformed(kind(store.sync()));
                }
            }
        }
    }
}

#[test]
fn entries_where_lines_have_no_room_for_any_are_refused() {
    let mut file = Written::of(Compression::Csr, 0, &[vec![], vec![]]);
    file.indptr = vec![0, 0, 3];
    (file.indices, file.data) = (vec![0, 1, 2], vec![1.0; 3]);
    for budget in [4 << 10, 1 << 20] {
        let context = context(budget);
        let store = file.open(Mode::Read, &context).unwrap();
        assert_eq!(kind(store.check(&context)), ErrorKind::Malformed);
    }
}
