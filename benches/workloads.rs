//! Every workload over every backend, resident files, by Criterion: for a look at one change, not for a
//! verdict.
//!
//! What is timed is what `arraystore compare` times: the trial worker itself does the work, on its own clock,
//! in this process. Regimes, counters and checked answers are the harness's; here nothing is evicted, and a
//! wrong answer would not be seen.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arraystore::array::{Axis, DType, Order, Shape};
use arraystore::harness::{Backend, serve};
use arraystore::store::{ArrayStoreExt, Budget, Context, CreateOptions, Layout, create};
use arraystore::workload::{AnswerKind, Generated, Workload};
use criterion::{Criterion, SamplingMode, Throughput};
use serde_json::{Value, json};
use tempfile::TempDir;

/// 40 MB where dense.
const SHAPE: Shape = Shape { rows: 100_000, cols: 100 };
const DENSITIES: [f64; 2] = [1.0, 0.01];
const SEED: u64 = 1;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(4))
        .configure_from_args();
    for density in DENSITIES {
        let data = Data::new(density);
        for &workload in Workload::USUAL {
            measure(&mut criterion, workload, &data);
        }
    }
    criterion.final_summary();
}

fn measure(criterion: &mut Criterion, workload: Workload, data: &Data) {
    let mut group = criterion.benchmark_group(format!("{workload}, density {}", data.density));
    group.throughput(Throughput::Bytes(workload.bytes_requested(SHAPE, DType::F32, 1)));
    // Samples of the same length: these are milliseconds and more, not loops.
    group.sampling_mode(SamplingMode::Flat);
    for backend in Backend::ALL {
        group.bench_function(backend.id(), |bencher| {
            bencher.iter_custom(|samples| match workload.answer() {
                AnswerKind::File => (0..samples).map(|_| data.fill(backend)).sum(),
                _ => data.read(workload, backend, samples),
            });
        });
    }
    group.finish();
}

/// A matrix of one density in the files of all backends, each made when it is first asked for, and all removed
/// at the end.
struct Data {
    density: f64,
    folder: TempDir,
    files: [OnceCell<PathBuf>; Backend::ALL.len()],
}

impl Data {
    fn new(density: f64) -> Self {
        // Beside what was built, on a disk: the system's folder for such things may be memory.
        let folder = TempDir::with_prefix_in("workloads-", env!("CARGO_TARGET_TMPDIR"));
        let folder = folder.expect("a folder for data files");
        Self { density, folder, files: Default::default() }
    }

    /// How long a fill took until it was durable. The file is removed off the clock.
    fn fill(&self, backend: Backend) -> Duration {
        let path = self.folder.path().join(format!("fill.{}", extension(layout(backend))));
        let elapsed = self.speak(Workload::FillColumns, backend, &path, 1);
        fs::remove_file(&path).expect("the fill left a file");
        elapsed
    }

    /// How long so many samples took, each from opening to closing.
    fn read(&self, workload: Workload, backend: Backend, samples: u64) -> Duration {
        self.speak(workload, backend, self.file(backend), samples)
    }

    /// Plays the harness's part of trial protocol v1 to the worker and adds up the times that it tells.
    fn speak(&self, workload: Workload, backend: Backend, path: &Path, samples: u64) -> Duration {
        let mut requests = format!("{}\n", self.trial(workload, backend, path));
        requests.extend((1..=samples).map(|go| format!("{{\"go\":{go}}}\n")));
        let mut replies = Vec::new();
        serve(&mut requests.as_bytes(), &mut replies, None)
            .expect("the worker does what it is asked");
        let replies = serde_json::Deserializer::from_slice(&replies).into_iter::<Value>();
        let mut replies = replies.map(|reply| reply.expect("replies are JSON"));
        let ready = replies.next().expect("a reply to each request");
        assert!(ready["ready"].is_object(), "{ready}");
        let seconds = |done: Value| done["done"]["seconds"].as_f64().expect("the time it took");
        replies.map(|done| Duration::from_secs_f64(seconds(done))).sum()
    }

    fn trial(&self, workload: Workload, backend: Backend, path: &Path) -> Value {
        let selection = workload.selection(SHAPE, SEED).unwrap_or_default();
        let (order, compression) = match layout(backend) {
            Layout::Dense(order) => (Some(order.to_string()), None),
            Layout::Sparse(compression) => (None, Some(compression.to_string())),
        };
        let context = Context::default();
        json!({ "trial": {
            "data": {
                "shape": [SHAPE.rows, SHAPE.cols], "dtype": DType::F32.name(), "order": order,
                "layout": compression, "density": self.density, "bytes_on_disk": null,
            },
            "backend": backend.id(), "workload": workload.id(), "regime": "warm", "path": path,
            "seed": SEED, "memory": Budget::default().effective_bytes(),
            "threads": context.threads(), "input": null,
            "rows": on_the_wire(&selection.rows), "columns": on_the_wire(&selection.cols),
        } })
    }

    /// The file that `backend` reads.
    fn file(&self, backend: Backend) -> &Path {
        let place = Backend::ALL.iter().position(|&other| other == backend);
        self.files[place.expect("one of all backends")].get_or_init(|| {
            let name = format!("{}.{}", backend.id(), extension(layout(backend)));
            let path = self.folder.path().join(name);
            self.make(backend, &path).expect("the data file can be made");
            path
        })
    }

    fn make(&self, backend: Backend, path: &Path) -> arraystore::Result<()> {
        let Self { density, .. } = *self;
        let data = Generated { seed: SEED, shape: SHAPE, dtype: DType::F32, density };
        let options = CreateOptions::new(SHAPE, DType::F32).layout(layout(backend));
        let mut store = create::<f32>(path, &options)?;
        store.fill_columns(&Context::default(), &mut |col, out| {
            data.fill_column(col, 0..SHAPE.rows, out);
            Ok(())
        })?;
        store.sync()
    }
}

/// How the backend's files lie: C order where dense.
fn layout(backend: Backend) -> Layout {
    backend.layout(Order::C)
}

fn extension(layout: Layout) -> &'static str {
    match layout {
        Layout::Dense(_) => "npy",
        Layout::Sparse(_) => "npz",
    }
}

/// Indices along an axis in the words of trial protocol v1.
fn on_the_wire(axis: &Axis) -> Value {
    match axis {
        Axis::All => Value::Null,
        Axis::Range { start, stop, step } => json!({ "start": start, "stop": stop, "step": step }),
        Axis::Indices(indices) => json!(indices),
    }
}
