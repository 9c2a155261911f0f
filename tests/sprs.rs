//! What docs/sprs.md says of sprs, as far as it ends: a release that does otherwise fails here, and the page is mended.

use std::panic::catch_unwind;

use sprs::{CsMatI, CsMatViewI};

#[test]
fn a_conversion_to_narrower_indices_loses_columns() {
    let mut indptr = vec![0; 66_001];
    indptr.resize(70_001, 1);
    let indptr: Vec<u32> = indptr;
    let matrix = CsMatI::<f32, u16, u32>::new_csc((10, 70_000), indptr, vec![3], vec![1.0]);
    let columns = catch_unwind(|| matrix.to_csr().indices().to_vec());
    // A debug build asserts.
    match cfg!(debug_assertions) {
        true => assert!(columns.is_err()),
        false => assert_eq!(columns.unwrap(), [464], "66000 is the column"),
    }
}

#[test]
fn get_panics_beyond_the_index_type() {
    let matrix = CsMatI::<f32, u16, u32>::new((1, 10), vec![0, 1], vec![3], vec![1.0]);
    assert_eq!(matrix.get(0, 3), Some(&1.0));
    assert!(catch_unwind(|| matrix.get(0, 70_000).copied()).is_err());
}

#[test]
fn an_indptr_may_begin_behind_entries() {
    let view = CsMatViewI::<f32, i32>::try_new((2, 4), &[1, 2, 3], &[1, 2], &[5.0, 6.0]);
    assert_eq!(view.unwrap().nnz(), 2);
}

#[test]
fn unsorted_and_duplicate_indices_are_refused() {
    for indices in [[2, 1], [1, 1]] {
        let view = CsMatViewI::<f32, i32>::try_new((1, 4), &[0, 2], &indices, &[5.0, 6.0]);
        assert!(view.is_err());
    }
    let sorted =
        CsMatI::<f32, i32>::new_from_unsorted((1, 4), vec![0, 2], vec![2, 1], vec![5.0, 6.0]);
    assert_eq!(sorted.unwrap().indices(), [1, 2]);
    let twice =
        CsMatI::<f32, i32>::new_from_unsorted((1, 4), vec![0, 2], vec![1, 1], vec![5.0, 6.0]);
    assert!(twice.is_err());
}
