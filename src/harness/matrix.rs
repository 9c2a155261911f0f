//! The matrix that trials work on: where its values come from, what the right answers are, and its files.

use std::path::{Path, PathBuf};

use super::Form;
use super::config::{Config, Data, mistake};
use super::folder::DataFolder;
use super::scope::Scope;
use super::space::Extent;
use super::verify::Checker;
use crate::array::{DType, Element, Order, Shape, dispatch};
use crate::convert::{SparseLayout, Target, convert};
use crate::error::Result;
use crate::record::{self, Status};
use crate::store::{
    self, AnyStore, ArrayStore, Context, CreateOptions, FileKind, Io, Layout, OpenOptions, Spec,
    TileOrder, Values,
};
use crate::with_store;
use crate::workload::{Answers, Distribution, Generated};

/// A matrix and what is right about it.
#[derive(Debug)]
pub(super) struct Matrix {
    pub shape: Shape,
    pub dtype: DType,
    /// The share of cells that are not zero.
    pub density: f64,
    pub answers: Answers,
    origin: Origin,
}

/// Where the values come from.
#[derive(Debug)]
enum Origin {
    Generated(Generated),
    /// A file, and copies of it whose columns fills take.
    Input {
        path: PathBuf,
        options: Box<OpenOptions>,
        copies: Vec<(Layout, PathBuf)>,
    },
}

impl Matrix {
    /// What is known before anything is written: for each density, or of the input, which is read once.
    ///
    /// # Errors
    /// Where the input cannot be read, or holds nothing that could be measured.
    pub(super) fn extents(config: &Config, context: &Context) -> Result<Vec<Extent>> {
        match &config.data {
            Data::Generated { shape, dtype, densities } => {
                let (shape, dtype) = (*shape, *dtype);
                let extent = |&density| Extent { shape, dtype, density, input: None };
                Ok(densities.iter().map(extent).collect())
            }
            Data::Input { path, options } => {
                let store = AnyStore::open(path, options)?;
                let Spec { shape, dtype, layout, .. } = *store.spec();
                if shape.is_empty() {
                    let reason = format!("is {shape}: there is nothing to measure");
                    return Err(mistake(reason).at(path));
                }
                let entries = with_store!(&store, store => entries(&**store, context))
                    .map_err(|error| error.at(path))?;
                let density = entries as f64 / shape.elements()? as f64;
                Ok(vec![Extent { shape, dtype, density, input: Some(layout) }])
            }
        }
    }

    /// The matrix of `scope`, with the right answers to what takes place on it.
    ///
    /// # Errors
    /// Where the input cannot be read or copied, or the context is cancelled.
    pub(super) fn new(scope: &Scope<'_>, folder: &DataFolder, context: &Context) -> Result<Self> {
        let config = scope.config;
        let Extent { shape, dtype, density, .. } = scope.extent;
        let workloads = scope.workloads();
        let (answers, origin) = match &config.data {
            Data::Generated { .. } => {
                let generated = Generated { seed: config.seed, shape, dtype, density };
                let answers =
                    Answers::of_generated(&generated, config.choice(), &workloads, context)?;
                (answers, Origin::Generated(generated))
            }
            Data::Input { path, options } => {
                let answers = {
                    let store = AnyStore::open(path, options)?;
                    Answers::of_any(&store, config.choice(), &workloads, context)?
                };
                let copy = |layout| {
                    (layout, folder.file(&format!("input.{}", Form::Shared(layout).extension())))
                };
                let copies: Vec<_> = scope.copies().into_iter().map(copy).collect();
                for (layout, copy) in &copies {
                    convert(path, copy, target(*layout), options, context)?;
                }
                let (path, options) = (path.clone(), options.clone());
                (answers, Origin::Input { path, options, copies })
            }
        };
        let matrix = Self { shape, dtype, density, answers, origin };
        for (layout, copy) in matrix.copies() {
            Checker { matrix: &matrix, context }.data_file(*layout, copy)?;
        }
        Ok(matrix)
    }

    /// The copies of an input whose columns fills take, each with its layout.
    fn copies(&self) -> &[(Layout, PathBuf)] {
        match &self.origin {
            Origin::Generated(_) => &[],
            Origin::Input { copies, .. } => copies,
        }
    }

    /// The copy of an input in `layout`, where there is one.
    pub(super) fn copy(&self, layout: Layout) -> Option<&Path> {
        self.copies().iter().find(|(of, _)| *of == layout).map(|(_, path)| path.as_path())
    }

    /// The record of this matrix in data of `form`.
    pub(super) fn record(&self, form: Form) -> record::Data {
        let (order, layout) = match form {
            Form::Shared(Layout::Dense(order)) => (Some(order.to_string()), None),
            Form::Shared(Layout::Sparse(compression)) => (None, Some(compression.to_string())),
            Form::Hdf5 => (Some(Order::C.to_string()), None),
            Form::Own { .. } => (None, Some(Form::OWN.to_owned())),
        };
        let source = match &self.origin {
            Origin::Generated(_) => Some("generated".to_owned()),
            Origin::Input { path, .. } => path.file_name().map(|name| match FileKind::of(path) {
                FileKind::Hdf5 => dataset_name(path),
                _ => name.to_string_lossy().into_owned(),
            }),
        };
        record::Data {
            shape: [self.shape.rows, self.shape.cols],
            dtype: self.dtype.to_string(),
            order,
            density: self.density,
            layout,
            bytes_on_disk: None,
            source,
        }
    }

    /// Makes a file of this matrix at `path`, and checks it.
    ///
    /// # Errors
    /// Where it cannot be written or does not read back as what it should be.
    pub(super) fn write(&self, path: &Path, layout: Layout, context: &Context) -> Result<()> {
        match &self.origin {
            Origin::Generated(generated) => {
                let options = CreateOptions {
                    io: Io::Positioned,
                    context: context.clone(),
                    ..CreateOptions::new(self.shape, self.dtype).layout(layout)
                };
                dispatch!(self.dtype, T => {
                    let mut store = store::create::<T>(path, &options)?;
                    generated.write_to(&mut *store, Distribution::Uniform, context)?;
                    store.sync()
                })?;
            }
            Origin::Input { path: input, options, .. } => {
                convert(input, path, target(layout), options, context)?;
            }
        }
        Checker { matrix: self, context }.data_file(layout, path)
    }
}

/// A dataset's file and its path in it, without the file's folder.
fn dataset_name(path: &Path) -> String {
    let text = path.to_string_lossy();
    let file = text.rfind(":/").map_or(&*text, |end| &text[..end]);
    let folder = file.rfind(std::path::is_separator).map_or(0, |end| end + 1);
    text[folder..].to_owned()
}

/// What makes a file of `layout`.
fn target(layout: Layout) -> Target {
    match layout {
        Layout::Dense(order) => Target { order: Some(order), ..Target::default() },
        Layout::Sparse(compression) => {
            let layout = Some(SparseLayout::Compressed(compression));
            Target { layout, ..Target::default() }
        }
    }
}

/// How many cells of `store` are not zero.
fn entries<T: Element>(store: &dyn ArrayStore<Elem = T>, context: &Context) -> Result<u64> {
    let mut entries = 0;
    let stored = |value: &&T| !value.is_zero_bits();
    store.visit(
        TileOrder::Any,
        &mut |tile| {
            entries += match &tile.values {
                Values::Dense(block) => block.iter().filter(stored).count(),
                Values::Sparse(block) => block.data.iter().filter(stored).count(),
            } as u64;
            Ok(())
        },
        context,
    )?;
    Ok(entries)
}

/// The data of a matrix that extracts read, for each form, made when first wanted.
#[derive(Debug)]
pub(super) struct DataFiles<'a> {
    matrix: &'a Matrix,
    folder: &'a DataFolder,
    made: Vec<(Form, Result<PathBuf, Absent>)>,
}

/// Why there are no data of a form.
#[derive(Debug, Clone)]
pub(super) struct Absent {
    pub status: Status,
    pub reason: String,
}

impl<'a> DataFiles<'a> {
    pub(super) fn new(matrix: &'a Matrix, folder: &'a DataFolder) -> Self {
        Self { matrix, folder, made: Vec::new() }
    }

    /// The file in `form`, which is no peer's own.
    ///
    /// # Errors
    /// Cancelled, as an error; the inner one says why there is no such file, each time.
    pub(super) fn file(
        &mut self,
        form: Form,
        context: &Context,
    ) -> Result<Result<PathBuf, Absent>> {
        if let Some(made) = self.made(form) {
            return Ok(made.clone());
        }
        let path = self.path(form);
        let layout = form.layout().expect("a peer makes its own data");
        let made = match self.matrix.write(&path, layout, context) {
            Err(error) if error.kind() == crate::ErrorKind::Cancelled => return Err(error),
            Err(error) => {
                let reason = format!("the data file cannot be made: {error}");
                Err(Absent { status: Status::Failed, reason })
            }
            Ok(()) => Ok(path),
        };
        self.made.push((form, made.clone()));
        Ok(made)
    }

    /// The data of `form`, or why there are none, where they have been made.
    pub(super) fn made(&self, form: Form) -> Option<&Result<PathBuf, Absent>> {
        self.made.iter().find(|(of, _)| *of == form).map(|(_, made)| made)
    }

    /// Keeps data of `form` that a peer has made at their path, or why it did not.
    pub(super) fn keep(&mut self, form: Form, made: Result<PathBuf, Absent>) {
        self.made.push((form, made));
    }

    /// Takes the verified data at `filled` as those of `form`, unless there are some; else removes them.
    ///
    /// # Errors
    /// Where it can be neither moved nor removed.
    pub(super) fn adopt(&mut self, form: Form, filled: &Path) -> Result<()> {
        if self.made(form).is_some() {
            return super::tree::remove(filled);
        }
        let path = self.path(form);
        std::fs::rename(filled, &path)
            .map_err(|error| crate::Error::io("move", error).at(filled))?;
        self.made.push((form, Ok(path)));
        Ok(())
    }

    /// Makes room for data of `form` that are to be filled: what stands there goes.
    ///
    /// # Errors
    /// Where it cannot be removed.
    pub(super) fn give_up(&mut self, form: Form) -> Result<()> {
        self.made.retain(|(of, _)| *of != form);
        super::tree::remove(&self.path(form))
    }

    /// Where the data of `form` are, or will be.
    pub(super) fn path(&self, form: Form) -> PathBuf {
        self.folder.file(&format!("data-{form}.{}", form.extension()))
    }

    /// Removes the files, and the input's copies.
    ///
    /// # Errors
    /// Where one of them stays.
    pub(super) fn remove(self) -> Result<()> {
        let files =
            self.made.iter().filter_map(|(_, made)| made.as_ref().ok().map(PathBuf::as_path));
        let copies = self.matrix.copies().iter().map(|(_, copy)| copy.as_path());
        for file in files.chain(copies) {
            super::tree::remove(file)?;
        }
        Ok(())
    }
}
