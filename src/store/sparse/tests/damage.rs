//! Arbitrary, truncated and changed files: an error or an answer, in the memory that was given.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::store::{AnyStore, OpenOptions};
use crate::sys::{Operation, RecordingMedium};
use crate::with_store;

const BUDGET_BYTES: u64 = 32 << 10;

/// Good files in every way that they can be written.
fn good() -> impl Strategy<Value = Vec<u8>> {
    let line = proptest::collection::vec((0..40i64, -4.0..4.0f32), 0..30);
    (
        select(BOTH.to_vec()),
        proptest::collection::vec(line, 0..12),
        select(vec![IndexWidth::I32, IndexWidth::I64]),
        select(vec![CompressionMethod::Stored, CompressionMethod::Deflated]),
        select(vec![Some(0), Some(2), None]),
        any::<bool>(),
    )
        .prop_map(|(compression, lines, width, method, begin, big_endian)| {
            let file = Written::of(compression, 40, &lines);
            Written { width, method, begin, big_endian, ..file }.bytes()
        })
}

/// Opens and reads a file in every way, and looks at what was asked of the device meanwhile.
fn read_all(bytes: &[u8]) -> Result<()> {
    let memory = MemoryMedium::new();
    put(&memory, bytes);
    let medium = RecordingMedium::new(Arc::new(memory));
    let context = context(BUDGET_BYTES);
    let options = OpenOptions { context: context.clone(), ..OpenOptions::default() };
    let result = read_on(&medium, &options, &context);
    assert_eq!(context.available_bytes(), BUDGET_BYTES, "memory is given back");
    for recorded in medium.take() {
        if let Operation::Read(range) = recorded.operation {
            // Headers, and members copied in chunks, are read whatever the budget.
            assert!(range.end - range.start <= BUDGET_BYTES + (256 << 10), "{range:?}");
        }
    }
    result
}

fn read_on(medium: &RecordingMedium, options: &OpenOptions, context: &Context) -> Result<()> {
    let store = AnyStore::open_on(Arc::new(medium.clone()), path(), options)?;
    let shape = store.spec().shape;
    if shape.rows.saturating_mul(shape.cols) > 1 << 20 {
        // The caller's memory would be the limit.
        return with_store!(store, store => store.visit(TileOrder::Any, &mut |_| Ok(()), context));
    }
    with_store!(store, store => {
        let whole = store.to_array();
        if shape.cols > 0 {
            let column = store.column(shape.cols - 1);
            if let (Ok(whole), Ok(column)) = (&whole, column) {
                let same = |(one, other): (_, _)| bytemuck::bytes_of::<_>(one) == bytemuck::bytes_of::<_>(other);
                assert!(column.iter().zip(whole.column(shape.cols - 1)).all(same));
            }
        }
        let columns = store.visit(TileOrder::Columns, &mut |_| Ok(()), context);
        let rows = store.visit(TileOrder::Rows, &mut |_| Ok(()), context);
        let any = store.visit(TileOrder::Any, &mut |_| Ok(()), context);
        // Who reads everything hears of everything that is wrong.
        assert_eq!(columns.is_ok(), rows.is_ok());
        assert_eq!(any.is_ok(), rows.is_ok());
        assert_eq!(any.is_ok(), whole.is_ok());
        any
    })
}

/// Nothing is there to be read of them, and still whoever reads all of it hears of the damage.
#[test]
fn damaged_files_without_cells() {
    for compression in BOTH {
        let file = Written { begin: Some(2), ..Written::of(compression, 40, &[]) };
        let good = file.bytes();
        read_all(&good).unwrap();
        // The only element of indptr lies before the next member's header.
        let end = good.windows(4).skip(1).enumerate().filter(|(_, at)| at == b"PK\x03\x04").nth(1);
        let element = end.unwrap().0 + 1 - 4;
        let mut bytes = good;
        bytes[element] ^= 1;
        read_all(&bytes).unwrap_err();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn good_files_are_read(bytes in good()) {
        read_all(&bytes).unwrap();
    }

    #[test]
    fn arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        read_all(&bytes).unwrap_err();
    }

    #[test]
    fn truncated_files(bytes in good(), cut in any::<Index>()) {
        read_all(&bytes[..cut.index(bytes.len())]).unwrap_err();
    }

    #[test]
    fn changed_files(
        bytes in good(),
        flips in proptest::collection::vec((any::<Index>(), 0..8u32), 1..6),
    ) {
        let mut bytes = bytes;
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        let _ = read_all(&bytes);
    }

    /// Changes of what the arrays say, which no checksum of the archive is asked about.
    #[test]
    fn changed_integers(
        lines in proptest::collection::vec(
            proptest::collection::vec((0..40i64, -4.0..4.0f32), 0..30), 1..12),
        compression in select(BOTH.to_vec()),
        changes in proptest::collection::vec((any::<bool>(), any::<Index>(), any::<i32>()), 1..4),
        method in select(vec![CompressionMethod::Stored, CompressionMethod::Deflated]),
    ) {
        let mut file = Written { method, ..Written::of(compression, 40, &lines) };
        for (in_indptr, at, value) in changes {
            let list = if in_indptr { &mut file.indptr } else { &mut file.indices };
            if !list.is_empty() {
                let at = at.index(list.len());
                list[at] = if value % 2 == 0 { i64::from(value) } else { i64::from(value % 50) };
            }
        }
        // What lies behind the last line's entries is nobody's.
        let end = *file.indptr.last().unwrap();
        let is_good = file.indptr[0] == 0
            && file.indptr.is_sorted()
            && end <= file.indices.len() as i64
            && file.indices[..end as usize].iter().all(|index| (0..40).contains(index));
        prop_assert_eq!(read_all(&file.bytes()).is_ok(), is_good);
    }
}
