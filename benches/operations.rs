//! Operations on opened files, one for each line of standard input, each timed by itself: what `sparse.py` drives in turn
//! with SciPy. Speaks words parted by spaces, and answers with a line of JSON: seconds, and a number that tells whether
//! the result is right.
//!
//! ```text
//! open NAME PATH mapped|positioned MEMORY_BYTES THREADS
//! close NAME
//! import PATH MEMORY_BYTES THREADS   a file of f64 in another format: opened, and made ready to be used
//! column NAME INDEX        one column, dense, into the same array each time
//! columns NAME             every column in turn, likewise
//! rows NAME SEED           2000 rows in random order, dense
//! multiply NAME            A·x
//! transposed NAME          Aᵀ·x
//! turn NAME                a copy in memory that is compressed along the other axis
//! fill NAME PATH           a new file, of the layout that PATH ends with (.csr.npz, .csc.npz), from NAME's columns; durable
//! ```

use std::collections::HashMap;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arraystore::array::{Axis, Compression, DType, Selection};
use arraystore::store::{
    ArrayStore, ArrayStoreExt, Budget, Context, CreateOptions, Io, Layout, OpenOptions,
    SparseStore, Tile, TileOrder, Values, copy, create, open,
};
use arraystore::sys::{Existing, MemoryMedium};
use arraystore::{Error, Result};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

type Store = Box<dyn ArrayStore<Elem = f32>>;

/// What was opened, and the array that columns are read into.
struct Opened {
    store: Store,
    context: Context,
    column: Vec<f32>,
}

fn main() -> Result<()> {
    let mut opened = HashMap::new();
    for line in io::stdin().lock().lines() {
        let line = line.map_err(|error| Error::io("read", error))?;
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let reply = match operate(&words, &mut opened) {
            Ok((seconds, check)) => format!("{{\"seconds\": {seconds:e}, \"check\": {check:e}}}"),
            Err(error) => format!("{{\"error\": {:?}}}", error.to_string()),
        };
        writeln!(io::stdout(), "{reply}").map_err(|error| Error::io("write", error))?;
    }
    Ok(())
}

/// Seconds, and a number that is the same for every right result.
fn operate(words: &[&str], opened: &mut HashMap<String, Opened>) -> Result<(f64, f64)> {
    let number = |text: &str| text.parse::<usize>().expect("a number");
    if let &["close", name] = words {
        opened.remove(name);
        return Ok((0.0, 0.0));
    }
    if let &["open", name, path, io, memory, threads] = words {
        opened.remove(name);
        let start = Instant::now();
        let memory = number(memory) as u64;
        let context = Context::new(Budget::new(memory)).with_threads(number(threads));
        let io = if io == "mapped" { Io::Mapped } else { Io::Positioned };
        let options = OpenOptions { io, context: context.clone(), ..OpenOptions::default() };
        let store = open::<f32>(path, &options)?;
        let seconds = start.elapsed().as_secs_f64();
        let column = vec![0.0; store.spec().shape.rows];
        opened.insert(name.to_owned(), Opened { store, context, column });
        return Ok((seconds, 0.0));
    }
    if let &["import", path, memory, threads] = words {
        let start = Instant::now();
        let context =
            Context::new(Budget::new(number(memory) as u64)).with_threads(number(threads));
        let store = open::<f64>(path, &OpenOptions { context, ..OpenOptions::default() })?;
        let check = store.get(0, 0)?;
        return Ok((start.elapsed().as_secs_f64(), check));
    }
    let Opened { store, context, column } = opened.get_mut(words[1]).expect("it was opened");
    let (store, context) = (&**store, &*context);
    let shape = store.spec().shape;
    // What is multiplied with is there before the clock runs.
    let factor = match words[0] {
        "multiply" => vector(shape.cols),
        "transposed" => vector(shape.rows),
        _ => vector(0),
    };
    let start = Instant::now();
    let check = match *words {
        ["column", _, index] => {
            read_column(store, number(index), column)?;
            return Ok((start.elapsed().as_secs_f64(), sum(column)));
        }
        ["columns", _] => every_column(store, column, context)?,
        ["rows", _, seed] => {
            let rows = store.select(&Selection::rows(rows_of(number(seed), shape.rows)))?;
            let seconds = start.elapsed().as_secs_f64();
            return Ok((seconds, sum(rows.as_slice().expect("it is in C order"))));
        }
        ["multiply", _] => {
            let product = store.multiply(factor.view(), context)?;
            let seconds = start.elapsed().as_secs_f64();
            return Ok((seconds, sum(&product.into_raw_vec_and_offset().0)));
        }
        ["transposed", _] => {
            let product = store.multiply_transposed(factor.view(), context)?;
            let seconds = start.elapsed().as_secs_f64();
            return Ok((seconds, sum(&product.into_raw_vec_and_offset().0)));
        }
        ["turn", _] => {
            let other = match store.spec().layout {
                Layout::Sparse(Compression::Csr) => Compression::Csc,
                _ => Compression::Csr,
            };
            let (medium, path) = (Arc::new(MemoryMedium::new()), Path::new("turned.npz"));
            let mut turned =
                SparseStore::<f32>::create(medium, path, shape, other, Existing::Replace, context)?;
            copy(store, &mut turned, context)?;
            let seconds = start.elapsed().as_secs_f64();
            return Ok((seconds, sum(&turned.row(shape.rows / 2)?.to_vec())));
        }
        ["fill", _, path] => return fill(store, column, path, context),
        _ => panic!("what is {words:?}?"),
    };
    Ok((start.elapsed().as_secs_f64(), check))
}

fn read_column(store: &dyn ArrayStore<Elem = f32>, index: usize, out: &mut [f32]) -> Result<()> {
    let rows = out.len();
    let out = ArrayViewMut2::from_shape((rows, 1), out).expect("a column has so many rows");
    store.read(&Selection::column(index), out)
}

/// Each column dense in turn, and the sum of one cell of each.
fn every_column(
    store: &dyn ArrayStore<Elem = f32>,
    column: &mut [f32],
    context: &Context,
) -> Result<f64> {
    let mut check = 0.0;
    let rows = column.len();
    let visit = &mut |tile: Tile<'_, f32>| {
        let Values::Sparse(block) = &tile.values else { panic!("it is a sparse file") };
        assert_eq!(block.compression, Compression::Csc, "columns come as such");
        for (line, index) in tile.cols.clone().enumerate() {
            let part = &mut column[tile.rows.clone()];
            part.fill(0.0);
            for (row, &value) in block.line(line) {
                part[row] = value;
            }
            let looked_at = index * 7919 % rows;
            if tile.rows.contains(&looked_at) {
                check += f64::from(column[looked_at]);
            }
        }
        Ok(())
    };
    store.visit(TileOrder::Columns, visit, context)?;
    Ok(check)
}

/// The columns of `store`, one after another, into a new file.
fn fill(
    store: &dyn ArrayStore<Elem = f32>,
    column: &mut [f32],
    path: &str,
    context: &Context,
) -> Result<(f64, f64)> {
    let shape = store.spec().shape;
    let layout = if path.ends_with(".csr.npz") { Compression::Csr } else { Compression::Csc };
    let options = CreateOptions {
        layout: Layout::Sparse(layout),
        existing: Existing::Replace,
        context: context.clone(),
        ..CreateOptions::new(shape, DType::F32)
    };
    let start = Instant::now();
    let mut stood = 0.0;
    let mut new = create::<f32>(path, &options)?;
    let mut writer = new.column_writer(context)?;
    for index in 0..shape.cols {
        let begin = Instant::now();
        read_column(store, index, column)?;
        stood += begin.elapsed().as_secs_f64();
        let view = ArrayView2::from_shape((shape.rows, 1), &*column).expect("a whole column");
        writer.write(index, view)?;
    }
    writer.finish()?;
    new.sync()?;
    let seconds = start.elapsed().as_secs_f64() - stood;
    Ok((seconds, sum(column)))
}

/// The rows of `rows.npy` are drawn by the driver alike: a linear congruence.
fn rows_of(seed: usize, rows: usize) -> Axis {
    let mut state = seed as u64;
    let next = |_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as usize) % rows
    };
    Axis::from((0..2000).map(next).collect::<Vec<_>>())
}

fn vector(length: usize) -> Array2<f32> {
    Array2::from_shape_fn((length, 1), |(i, _)| 1.0 + (i % 4) as f32)
}

fn sum(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value)).sum()
}
