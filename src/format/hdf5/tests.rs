//! The metadata of datasets, as the library writes them and as they are written here.

use std::io::Cursor;

use hdf5_pure::{FileBuilder, ReadSeekSource};

use super::*;
use crate::array::DType;
use crate::error::ErrorKind;
use crate::format::ByteOrder;

fn read(bytes: Vec<u8>, name: Option<&str>) -> crate::Result<Dataset> {
    read_dataset(ReadSeekSource::new(Cursor::new(bytes)).unwrap(), name)
}

#[test]
fn a_new_file_says_what_it_holds_and_where() {
    for dtype in DType::ALL {
        for shape in [&[][..], &[7], &[3, 5], &[2, 3, 4]] {
            let mut bytes = header_bytes(dtype, shape, "/a/data").unwrap();
            let address = bytes.len() as u64;
            bytes.resize(bytes.len() + dtype.item_size() * shape.iter().product::<usize>(), 0);
            let dataset = read(bytes.clone(), None).unwrap();
            assert_eq!(dataset.shape, shape);
            assert_eq!((dataset.dtype, dataset.byte_order), (dtype, ByteOrder::Native));
            assert_eq!(dataset.storage, Storage::Contiguous { address });
            assert_eq!(read(bytes.clone(), Some("/a/data")).unwrap(), dataset);
            bytes.pop();
            assert_eq!(read(bytes, None).unwrap_err().kind(), ErrorKind::Truncated);
        }
    }
    let none = header_bytes(DType::F32, &[0, 5], "data").unwrap();
    assert_eq!(read(none, None).unwrap().shape, [0, 5]);
}

#[test]
fn a_damaged_header_is_no_dataset() {
    let mut whole = header_bytes(DType::F32, &[10, 10], "/data").unwrap();
    whole.resize(whole.len() + 400, 0);
    let end = whole.iter().rposition(|&byte| byte != 0).unwrap();
    let mut refused = 0;
    for at in 0..=end {
        for flip in [1, 0x80] {
            let mut damaged = whole.clone();
            damaged[at] ^= flip;
            // Whatever comes of it, it comes as an answer.
            refused += usize::from(read(damaged, None).is_err());
        }
    }
    assert!(refused > end, "{refused} of {}", 2 * (end + 1));
}

#[test]
fn chunks_are_found_and_decoded() {
    let values: Vec<f32> = (0..35 * 11).map(|at| (at * at % 1000) as f32).collect();
    for filters in 0..8 {
        let mut builder = FileBuilder::new();
        let dataset = builder.create_dataset("x").with_f32_data(&values).with_shape(&[35, 11]);
        dataset.with_chunks(&[8, 4]);
        let mut names = Vec::new();
        if filters & 1 != 0 {
            dataset.with_shuffle();
            names.push("shuffle");
        }
        if filters & 2 != 0 {
            dataset.with_deflate(4);
            names.push("deflate");
        }
        if filters & 4 != 0 {
            dataset.with_fletcher32();
            names.push("fletcher32");
        }
        let bytes = builder.finish().unwrap();
        let found = read(bytes.clone(), None);
        if names == ["shuffle"] {
            assert_eq!(found.unwrap_err().kind(), ErrorKind::Unsupported);
            continue;
        }
        let Storage::Chunked(chunks) = found.unwrap().storage else { panic!("{names:?}") };
        assert_eq!(chunks.pipeline.names(), names);
        assert_eq!((&chunks.grid[..], chunks.bytes, chunks.stored().len()), (&[5, 3][..], 128, 15));
        assert!(chunks.fill.is_empty());
        for chunk in chunks.stored() {
            let Stored::At(range) = &chunk.stored else { panic!("it is in the file") };
            let stored = bytes[range.start as usize..range.end as usize].to_vec();
            let decoded =
                chunks.pipeline.decode(stored.clone(), chunk.skipped, chunk.is_edge).unwrap();
            let at = chunks.position(chunk.place);
            for row in 0..8.min(35 - at[0] * 8) {
                for col in 0..4.min(11 - at[1] * 4) {
                    let value = &decoded[4 * (row * 4 + col)..][..4];
                    let expected = values[(at[0] * 8 + row) * 11 + at[1] * 4 + col];
                    assert_eq!(f32::from_le_bytes(value.try_into().unwrap()), expected);
                }
            }
            if names.contains(&"fletcher32") && !chunk.is_edge {
                let mut damaged = stored;
                let last = damaged.len() - 5;
                damaged[last] ^= 1;
                assert!(chunks.pipeline.decode(damaged, chunk.skipped, false).is_err());
            }
        }
    }
}
