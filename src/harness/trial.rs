//! The other side of the trial protocol: what a trial process of this crate's own backends does.
//!
//! Owns the worker: it opens, works, closes, tells how long that took, and leaves its answer. Knows neither
//! regimes nor right answers: those are the harness's.

use std::fs::File;
use std::io::{self, BufRead, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use ndarray::Array2;

use super::config::Backend;
use super::protocol::{self, Done, Ready, Reply, Request, TrialRequest};
use crate::array::{DType, Order, Selection, Shape, dispatch};
use crate::error::{Error, ErrorKind, Result};
use crate::measure::Stopwatch;
use crate::store::{
    self, ArrayStore, ArrayStoreExt, Budget, Context, CreateOptions, OpenOptions, RawLayout,
    TileOrder,
};
use crate::sys::{Existing, Mode};
use crate::workload::{AnswerKind, Generated, Source, Value, Workload, column_sums, extract};

/// Speaks trial protocol v1 until there are no more samples.
///
/// # Errors
/// Where a sample or a message fails; the harness has been told by then.
pub fn serve(input: &mut dyn BufRead, output: &mut dyn Write) -> Result<()> {
    let served = speak(input, output);
    if let Err(error) = &served {
        // Where nobody listens any more, the exit code must do.
        let _ = protocol::send(output, &Reply::Failed(error.to_string()));
    }
    served
}

fn speak(input: &mut dyn BufRead, output: &mut dyn Write) -> Result<()> {
    let request = match hear(input)? {
        Some(Request::Trial { trial }) => *trial,
        Some(_) => return Err(out_of_turn()),
        None => return Ok(()),
    };
    let job = match Job::new(request) {
        Ok(job) => job,
        Err(error) => return say(output, &Reply::Unsupported(error.to_string())),
    };
    dispatch!(job.dtype, T => take_samples::<T>(&job, input, output))
}

fn take_samples<T: Value>(
    job: &Job,
    input: &mut dyn BufRead,
    output: &mut dyn Write,
) -> Result<()> {
    let version = format!("arraystore {}", env!("CARGO_PKG_VERSION"));
    say(output, &Reply::Ready(Ready { version }))?;
    let mut kept = None;
    loop {
        let reply = match hear(input)? {
            Some(Request::Go { .. }) => {
                // The last answer's memory is not this sample's.
                drop(kept.take());
                let (done, answer) = job.work::<T>()?;
                kept = Some(answer);
                Reply::Done(done)
            }
            Some(Request::Answer { answer: path, values }) => {
                let answer: &Answer<T> = kept.as_ref().ok_or_else(out_of_turn)?;
                answer.write(&path).map_err(|error| Error::io("write", error).at(&path))?;
                if values {
                    job.write_values::<T>(&super::values_path(&path))?;
                }
                Reply::Answered(true)
            }
            Some(Request::End { .. }) | None => return Ok(()),
            Some(Request::Trial { .. }) => return Err(out_of_turn()),
        };
        say(output, &reply)?;
    }
}

fn hear(input: &mut dyn BufRead) -> Result<Option<Request>> {
    let line = protocol::read_line(input).map_err(|error| Error::io("read a request", error))?;
    line.map(|line| protocol::parse(&line)).transpose()
}

fn say(output: &mut dyn Write, reply: &Reply) -> Result<()> {
    protocol::send(output, reply).map_err(|error| Error::io("reply", error))
}

fn out_of_turn() -> Error {
    Error::new(ErrorKind::InvalidArgument, "serve", "a request out of turn")
}

/// A trial request, understood.
#[derive(Debug)]
struct Job {
    request: TrialRequest,
    backend: Backend,
    workload: Workload,
    shape: Shape,
    dtype: DType,
    order: Order,
    selection: Selection,
    context: Context,
}

/// What a sample leaves.
#[derive(Debug)]
enum Answer<T> {
    /// The values that were extracted.
    Values(Array2<T>),
    /// The column that was written last.
    Column(Vec<T>),
    /// Each column's sum.
    Sums(Vec<f64>),
}

impl Job {
    fn new(request: TrialRequest) -> Result<Self> {
        let [rows, cols] = request.data.shape;
        let shape = Shape::new(rows, cols);
        let selection = request.selection();
        selection.shape(shape)?;
        let context = Context::new(Budget::new(request.memory)).with_threads(request.threads);
        Ok(Self {
            backend: request.backend.parse()?,
            workload: request.workload.parse()?,
            shape,
            dtype: request.data.dtype.parse()?,
            order: request.data.order.as_deref().map_or(Ok(Order::C), str::parse)?,
            selection,
            context,
            request,
        })
    }

    /// One execution of the workload, on the clock from opening to closing.
    fn work<T: Value>(&self) -> Result<(Done, Answer<T>)> {
        match self.workload.answer() {
            AnswerKind::File => self.fill(),
            AnswerKind::Values => {
                self.read(|store| extract(store, &self.selection).map(Answer::Values))
            }
            AnswerKind::Sums => self.read(|store| {
                column_sums(store, self.tile_order(), &self.context).map(Answer::Sums)
            }),
        }
    }

    fn fill<T: Value>(&self) -> Result<(Done, Answer<T>)> {
        let source = self.source::<T>()?;
        let last = self.shape.cols.saturating_sub(1);
        let mut column = Vec::new();
        let options = CreateOptions {
            shape: self.shape,
            dtype: T::DTYPE,
            layout: self.backend.layout(self.order),
            io: self.backend.io(),
            existing: Existing::Refuse,
            file_shape: None,
            context: self.context.clone(),
        };
        let mut watch = Stopwatch::start();
        let mut store = store::create::<T>(&self.request.path, &options)?;
        store.fill_columns(&self.context, &mut |index, out| {
            watch.standing(|| {
                source.column(index, out)?;
                if index == last {
                    column = out.to_vec();
                }
                Ok(())
            })
        })?;
        let filled = watch.elapsed();
        store.sync()?;
        drop(store);
        let done = watch.elapsed();
        let reply = Done {
            seconds: done.as_secs_f64(),
            durable_seconds: Some((done - filled).as_secs_f64()),
            stood_seconds: Some(watch.stood().as_secs_f64()),
            ..Done::default()
        };
        Ok((reply, Answer::Column(column)))
    }

    fn read<T: Value>(
        &self,
        work: impl FnOnce(&dyn ArrayStore<Elem = T>) -> Result<Answer<T>>,
    ) -> Result<(Done, Answer<T>)> {
        let watch = Stopwatch::start();
        let store = self.open::<T>()?;
        let answer = work(&*store)?;
        drop(store);
        Ok((done(watch.elapsed()), answer))
    }

    fn open<T: Value>(&self) -> Result<Box<dyn ArrayStore<Elem = T>>> {
        let options = OpenOptions {
            io: self.backend.io(),
            context: self.context.clone(),
            ..OpenOptions::default()
        };
        let store = store::open::<T>(&self.request.path, &options)?;
        let (found, layout) = (store.spec(), self.backend.layout(self.order));
        if (found.shape, found.layout) == (self.shape, layout) {
            return Ok(store);
        }
        let reason = format!(
            "holds {} {} where {} {layout} is needed",
            found.shape, found.layout, self.shape
        );
        Err(Error::new(ErrorKind::ShapeMismatch, "open", reason).at(&self.request.path))
    }

    fn tile_order(&self) -> TileOrder {
        match self.workload {
            Workload::ExtractColumns => TileOrder::Columns,
            _ => TileOrder::Any,
        }
    }

    /// Where the values of a fill come from.
    fn source<T: Value>(&self) -> Result<Source<T>> {
        let data = &self.request.data;
        Ok(match &self.request.input {
            Some(path) => {
                let options =
                    OpenOptions { context: self.context.clone(), ..OpenOptions::default() };
                Source::Input(store::open::<T>(path, &options)?)
            }
            None => Source::Generated(Generated {
                seed: self.request.seed,
                shape: self.shape,
                dtype: self.dtype,
                density: data.density,
            }),
        })
    }

    /// Leaves every value, column after column, at `path`.
    fn write_values<T: Value>(&self, path: &Path) -> Result<()> {
        let at = |error| Error::io("write", error).at(path);
        let bytes = self.shape.dense_bytes(size_of::<T>())? as u64;
        File::create(path).and_then(|file| file.set_len(bytes)).map_err(at)?;
        let layout =
            RawLayout { dtype: T::DTYPE, shape: self.shape, order: Order::Fortran, offset: 0 };
        let options = OpenOptions {
            mode: Mode::ReadWrite,
            raw: Some(layout),
            context: self.context.clone(),
            ..OpenOptions::default()
        };
        let mut values = store::open::<T>(path, &options)?;
        // Not synced: the answer is read once, from the page cache, and removed.
        store::copy(&*self.open::<T>()?, &mut *values, &self.context)
    }
}

fn done(elapsed: Duration) -> Done {
    Done { seconds: elapsed.as_secs_f64(), ..Done::default() }
}

impl<T: Value> Answer<T> {
    /// Leaves the answer at `path`: raw, little-endian, in C order.
    fn write(&self, path: &Path) -> io::Result<()> {
        let mut out = BufWriter::new(File::create(path)?);
        match self {
            Self::Values(values) => match values.as_slice() {
                Some(values) => out.write_all(bytemuck::cast_slice(values))?,
                None => {
                    for value in values {
                        out.write_all(bytemuck::bytes_of(value))?;
                    }
                }
            },
            Self::Column(column) => out.write_all(bytemuck::cast_slice(column))?,
            Self::Sums(sums) => out.write_all(bytemuck::cast_slice(sums))?,
        }
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    /// What is said to these requests, and how it ends.
    fn dialogue(requests: &[Json]) -> (Vec<Json>, Result<()>) {
        let lines: Vec<_> = requests.iter().map(|request| format!("{request}\n")).collect();
        let mut output = Vec::new();
        let ended = serve(&mut lines.concat().as_bytes(), &mut output);
        let replies = String::from_utf8(output).unwrap();
        (replies.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), ended)
    }

    fn trial(backend: &str, workload: &str, path: &Path) -> Json {
        let data = json!({ "shape": [40, 6], "dtype": "f64", "order": "c", "density": 1.0,
            "layout": null, "bytes_on_disk": null });
        json!({ "trial": { "data": data, "backend": backend, "workload": workload, "regime": "warm",
            "path": path, "seed": 3, "memory": 1 << 20, "threads": 1, "input": null,
            "rows": [39, 0, 39], "columns": { "start": 1, "stop": 6, "step": 2 } } })
    }

    fn values(path: &Path) -> Vec<f64> {
        bytemuck::pod_collect_to_vec(&std::fs::read(path).unwrap())
    }

    #[test]
    fn samples_are_taken_and_answered() {
        let folder = tempfile::tempdir().unwrap();
        let (path, answer) = (folder.path().join("m.npy"), folder.path().join("answer"));
        let ask = json!({ "answer": answer });
        let end = json!({ "end": true });
        let data = Generated { seed: 3, shape: Shape::new(40, 6), dtype: DType::F64, density: 1.0 };
        let cell = |row, col| data.cell::<f64>(row, col);
        for backend in ["memmap", "seek"] {
            let fill = trial(backend, "fill-columns", &path);
            let (said, ended) = dialogue(&[fill, json!({ "go": 1 }), ask.clone(), end.clone()]);
            ended.unwrap();
            assert!(said[0]["ready"]["version"].is_string(), "{said:?}");
            let done = &said[1]["done"];
            assert!(done["durable_seconds"].as_f64() <= done["seconds"].as_f64(), "{done}");
            assert_eq!(said[2], json!({ "answered": true }));
            assert_eq!(values(&answer), (0..40).map(|row| cell(row, 5)).collect::<Vec<_>>());

            let extract = trial(backend, "extract-rows", &path);
            let (said, ended) =
                dialogue(&[extract, json!({ "go": 1 }), json!({ "go": 2 }), ask.clone()]);
            ended.unwrap();
            assert_eq!(said.len(), 4);
            let expected = [39, 0, 39].map(|row| [1, 3, 5].map(|col| cell(row, col)));
            assert_eq!(values(&answer), expected.as_flattened());

            let visit = trial(backend, "extract-columns", &path);
            let all = json!({ "answer": answer, "values": true });
            dialogue(&[visit, json!({ "go": 1 }), all]).1.unwrap();
            let columns = (0..6).map(|col| (0..40).map(move |row| (row, col)));
            let expected: Vec<_> = columns.flatten().map(|(row, col)| cell(row, col)).collect();
            assert_eq!(values(&folder.path().join("answer.values")), expected);
            let sums: Vec<f64> = expected.chunks(40).map(|column| column.iter().sum()).collect();
            assert_eq!(values(&answer), sums);
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn what_cannot_be_done_is_said_and_ends_it() {
        let path = Path::new("/nonexistent/m.npy");
        for (name, value) in
            [("backend", json!("hdf5")), ("workload", json!("sort")), ("rows", json!([40]))]
        {
            let mut request = trial("seek", "scan", path);
            request["trial"][name] = value;
            let (said, ended) = dialogue(&[request, json!({ "go": 1 })]);
            ended.unwrap();
            assert_eq!(said.len(), 1);
            assert!(said[0]["unsupported"].is_string(), "{said:?}");
        }
        let request = trial("seek", "scan", path);
        for (requests, replies) in [
            (vec![json!({ "go": 1 })], 1),
            (vec![json!({ "hello": 1 })], 1),
            (vec![request.clone(), request.clone()], 2),
            (vec![request.clone(), json!({ "answer": "a" })], 2),
            (vec![request.clone(), json!({ "go": 1 })], 2),
        ] {
            let (said, ended) = dialogue(&requests);
            assert!(ended.is_err());
            assert_eq!(said.len(), replies, "{said:?}");
            assert!(said[replies - 1]["failed"].is_string(), "{said:?}");
        }
        dialogue(&[]).1.unwrap();
        dialogue(&[request]).1.unwrap();
    }
}
