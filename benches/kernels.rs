//! The inner loops, each alone, over data that are in memory, on one thread.
//!
//! Those of the stores are private and stay so: they are reached through the trait, on files of a
//! [`MemoryMedium`], where nothing but the kernel moves bytes.

use std::hint::black_box;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arraystore::array::{Compression, DType, Digester, IndexWidth, Order, Selection, Shape};
use arraystore::format::npy;
use arraystore::format::npz::{self, NpzPlan};
use arraystore::store::{
    AnyElement, AnyStore, ArrayStore, ArrayStoreExt, Context, CreateOptions, Io, Layout,
    MappedArray, OpenOptions, create, open,
};
use arraystore::sys::MemoryMedium;
use arraystore::workload::Generated;
use criterion::{BenchmarkId, Criterion, Throughput};
use ndarray::{Array2, ShapeBuilder};

const SEED: u64 = 1;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    transpose(&mut criterion);
    gather_column(&mut criterion);
    gather_sparse_column(&mut criterion);
    digest(&mut criterion);
    parse_headers(&mut criterion);
    element(&mut criterion);
    criterion.final_summary();
}

/// Rows that are read as columns: `kernel::transpose_group` of the dense store.
fn transpose(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("transpose");
    // All columns of 1024 begin at the same place of a page and compete for the same places of the cache.
    for cols in [1000, 1024] {
        let shape = Shape::new(8192, cols);
        let mut out = Array2::<f32>::zeros((shape.rows, shape.cols).f());
        group.throughput(Throughput::Bytes(bytes(shape)));
        group.bench_function(BenchmarkId::from_parameter(shape), |bencher| {
            let store = resident(shape, Layout::Dense(Order::C), 1.0);
            bencher.iter(|| store.read(&Selection::all(), out.view_mut()).expect("a read"));
        });
    }
    group.finish();
}

/// One column of rows: `kernel::gather_strided` of the dense store.
fn gather_column(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gather column");
    for cols in [10, 100, 1000] {
        column(&mut group, Shape::new(20_000_000 / cols, cols), Layout::Dense(Order::C), 1.0);
    }
    group.finish();
}

/// One column out of compressed columns, where it lies together, and out of compressed rows, where it is to be
/// looked for.
fn gather_sparse_column(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gather sparse column");
    for compression in [Compression::Csc, Compression::Csr] {
        column(&mut group, Shape::new(200_000, 100), Layout::Sparse(compression), 0.05);
    }
    group.finish();
}

type Group<'c> = criterion::BenchmarkGroup<'c, criterion::measurement::WallTime>;

/// The last column; the bytes are those that are asked for.
fn column(group: &mut Group<'_>, shape: Shape, layout: Layout, density: f64) {
    let last = Selection::column(shape.cols - 1);
    let mut out = Array2::<f32>::zeros((shape.rows, 1));
    group.throughput(Throughput::Bytes(bytes(Shape::new(shape.rows, 1))));
    group.bench_function(BenchmarkId::new(layout.to_string(), shape), |bencher| {
        let store = resident(shape, layout, density);
        bencher.iter(|| store.read(&last, out.view_mut()).expect("a read"));
    });
}

/// Digest v1 of more than a cache holds.
fn digest(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("digest");
    let shape = Shape::new(200_000, 100);
    group.throughput(Throughput::Bytes(bytes(shape)));
    for (name, order) in [("c", Order::C), ("f", Order::Fortran)] {
        group.bench_function(name, |bencher| {
            let values = generated(shape, 1.0).select::<f32>(&Selection::all());
            let mut array = values.expect("a matrix that fits in memory");
            if order == Order::Fortran {
                array = Array2::from_shape_fn((shape.rows, shape.cols).f(), |at| array[at]);
            }
            bencher.iter(|| {
                let mut digester = Digester::new(shape, DType::F32);
                digester.block(0, 0, black_box(array.view()));
                digester.finish()
            });
        });
    }
    group.finish();
}

/// What opening a file costs beside the system's calls.
fn parse_headers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse header");
    group.bench_function("npy", |bencher| {
        let header = npy::header_bytes(DType::F32, Order::C, &[1_000_000, 100]);
        let header = header.expect("a header");
        bencher.iter(|| npy::read_header(&mut black_box(&header[..])).expect("a header"));
    });
    group.bench_function("npz", |bencher| {
        let archive = archive();
        bencher.iter(|| npz::read_contents(Cursor::new(black_box(&archive))).expect("a layout"));
    });
    group.finish();
}

/// One resident element: of a view, through the trait over a map and over calls, and by a call as such.
fn element(criterion: &mut Criterion) {
    let shape = Shape::new(10_000, 100);
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let path = folder.path().join("element.npy");
    let data = generated(shape, 1.0);
    let mut store = create::<f32>(&path, &CreateOptions::new(shape, DType::F32)).expect("a store");
    let fill = &mut |column, out: &mut [f32]| {
        data.fill_column(column, 0..shape.rows, out);
        Ok(())
    };
    store.fill_columns(&Context::default(), fill).expect("a fill");
    store.sync().expect("a sync");
    drop(store);
    // Here and there, so that neither a page nor a cache line is always the same.
    let mut row = 0;
    let mut next = move || {
        row = (row + 7919) % shape.rows;
        row
    };
    let mut group = criterion.benchmark_group("element");
    let array = MappedArray::<f32>::open(&path).expect("a map");
    let view = array.view();
    group.bench_function("borrowed", |bencher| bencher.iter(|| black_box(view[(next(), 99)])));
    for (name, io) in [("memmap", Io::Mapped), ("seek", Io::Positioned)] {
        let options = OpenOptions { io, ..OpenOptions::default() };
        let store = open::<f32>(&path, &options).expect("a store");
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(store.get(next(), 99).expect("a read")));
        });
    }
    #[cfg(unix)]
    group.bench_function("pread", |bencher| {
        use std::os::unix::fs::FileExt;
        let file = std::fs::File::open(&path).expect("the file");
        let mut out = [0; 4];
        bencher.iter(|| {
            let at = (128 + (next() * shape.cols + 99) * 4) as u64;
            file.read_exact_at(&mut out, at).expect("a read");
            black_box(out)
        });
    });
    group.finish();
}

/// An npz file with as many members as any. No element is looked at when its layout is read, so all are zero.
fn archive() -> Vec<u8> {
    let shape = Shape::new(1000, 100);
    let plan = NpzPlan::new(Compression::Csr.into(), shape, DType::F32, IndexWidth::I32, 5000);
    let plan = plan.expect("a small file");
    let mut archive = vec![0; plan.file_bytes() as usize];
    let crc32 = |part| {
        let mut hasher = plan.hasher(part);
        hasher.update(&vec![0; plan.element_bytes(part) as usize]);
        hasher.finalize()
    };
    for (offset, piece) in plan.frame(&crc32) {
        archive[offset as usize..][..piece.len()].copy_from_slice(&piece);
    }
    archive
}

fn generated(shape: Shape, density: f64) -> Generated {
    Generated { seed: SEED, shape, dtype: DType::F32, density }
}

fn bytes(shape: Shape) -> u64 {
    shape.dense_bytes(size_of::<f32>()).expect("a matrix that fits in memory") as u64
}

/// A store in memory that is opened for reading and works on one thread.
fn resident(shape: Shape, layout: Layout, density: f64) -> Box<dyn ArrayStore<Elem = f32>> {
    let make = || {
        let medium = Arc::new(MemoryMedium::new());
        let path = Path::new(match layout {
            Layout::Dense(_) => "matrix.npy",
            Layout::Sparse(_) => "matrix.npz",
        });
        let options = CreateOptions::new(shape, DType::F32).layout(layout);
        let mut store = f32::from_any(AnyStore::create_on(medium.clone(), path, &options)?)?;
        let data = generated(shape, density);
        store.fill_columns(&Context::default(), &mut |col, out| {
            data.fill_column(col, 0..shape.rows, out);
            Ok(())
        })?;
        store.sync()?;
        drop(store);
        let context = Context::default().with_threads(1);
        f32::from_any(AnyStore::open_on(
            medium,
            path,
            &OpenOptions { context, ..OpenOptions::default() },
        )?)
    };
    let made: arraystore::Result<_> = make();
    made.expect("a store in memory")
}
