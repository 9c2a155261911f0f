//! Views for sprs: over the file's own bytes, or refused.

use super::*;
use crate::format::npz::Part;
use crate::store::SparseView;

fn sorted(compression: Compression) -> Written {
    Written::of(
        compression,
        6,
        &[vec![(0, 1.0), (5, 2.0)], vec![], vec![(2, -3.0)], vec![(1, 4.0)]],
    )
}

#[test]
fn a_view_copies_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for compression in BOTH {
        for width in [IndexWidth::I32, IndexWidth::I64] {
            let file = Written { width, ..sorted(compression) };
            let path = folder.path().join("a.npz");
            std::fs::write(&path, file.bytes()).unwrap();
            let context = context(1 << 20);
            let store = SparseStore::<f32>::open(&path, Mode::Read, &context).unwrap();
            let borrowed =
                |part| store.engine.base.borrow(part).unwrap().unwrap().0.as_ptr().addr();
            macro_rules! check {
                ($view:expr) => {{
                    let view = $view;
                    assert_eq!(view.shape(), (file.shape.rows, file.shape.cols));
                    assert_eq!(view.is_csr(), compression == Compression::Csr);
                    assert_eq!(view.data().as_ptr().addr(), borrowed(Part::Data));
                    assert_eq!(view.indices().as_ptr().addr(), borrowed(Part::Indices));
                    assert_eq!(view.indptr().raw_storage().as_ptr().addr(), borrowed(Part::Indptr));
                    for (&value, (row, col)) in view.iter() {
                        assert_eq!(file.array()[(row as usize, col as usize)], value);
                    }
                }};
            }
            match (store.view().unwrap(), width) {
                (SparseView::I32(view), IndexWidth::I32) => check!(view),
                (SparseView::I64(view), IndexWidth::I64) => check!(view),
                (view, _) => panic!("of another width: {view:?}"),
            }
        }
    }
}

#[test]
fn what_cannot_be_lent_is_refused_with_the_way_out() {
    let context = context(1 << 20);
    for compression in BOTH {
        let good = sorted(compression);
        let unsorted = Written::of(compression, 6, &[vec![(3, 1.0), (1, 2.0)]]);
        let twice = Written::of(compression, 6, &[vec![(3, 1.0), (3, 2.0)]]);
        let deflated = Written { method: CompressionMethod::Deflated, ..good.clone() };
        let shifted = Written { begin: Some(2), ..good.clone() };
        let swapped = Written { big_endian: true, ..good.clone() };
        let refusal = |file: &Written, mode| {
            let store = file.open(mode, &context).unwrap();
            let error = store.view().map(drop).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert!(error.advice().is_some() && error.path().is_some(), "{error:?}");
        };
        for file in [&unsorted, &twice, &deflated, &shifted, &swapped] {
            refusal(file, Mode::Read);
        }
        refusal(&good, Mode::ReadWrite);
        refusal(&good, Mode::CopyOnWrite);
        let mut outside = good;
        outside.indices[1] = 6;
        let store = outside.open(Mode::Read, &context).unwrap();
        assert!(store.view().is_err());
    }
}

#[test]
fn empty_matrices_have_views() {
    let context = context(1 << 20);
    for compression in BOTH {
        for (length, lines) in [(0, 0), (0, 3), (4, 0), (4, 2)] {
            let file = Written::of(compression, length, &vec![vec![]; lines]);
            let store = file.open(Mode::Read, &context).unwrap();
            let view = store.view().unwrap();
            let SparseView::I32(view) = view else { panic!("{view:?}") };
            assert_eq!((view.nnz(), view.shape()), (0, (file.shape.rows, file.shape.cols)));
        }
    }
}
