//! What is tested: a backend on a device, and how to make stores of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arraystore::array::{Compression, DType, Order, Shape};
use arraystore::format::raw::RawLayout;
use arraystore::store::{
    AnyElement, AnyStore, ArrayStore, Budget, Context, CreateOptions, Layout, OpenOptions,
};
use arraystore::sys::{
    DiskMedium, Existing, FaultPlan, FaultyMedium, Medium, MemoryMedium, Mode, RecordingMedium,
};
use arraystore::{Error, Result};

/// A file name and the layout of what it holds.
#[derive(Debug, Clone, Copy)]
pub struct Backend {
    pub file: &'static str,
    pub layout: Layout,
}

/// The backends, by name.
pub mod backend {
    use super::*;

    pub const NPY_C: Backend = Backend { file: "a.npy", layout: Layout::Dense(Order::C) };
    pub const NPY_FORTRAN: Backend =
        Backend { file: "a.npy", layout: Layout::Dense(Order::Fortran) };
    pub const RAW_C: Backend = Backend { file: "a.bin", layout: Layout::Dense(Order::C) };
    pub const CSR: Backend = Backend { file: "a.npz", layout: Layout::Sparse(Compression::Csr) };
    pub const CSC: Backend = Backend { file: "a.npz", layout: Layout::Sparse(Compression::Csc) };
}

/// The kinds of device, named as the tests are.
#[derive(Debug, Clone, Copy)]
#[allow(non_camel_case_types)]
pub enum Device {
    mapped,
    positioned,
    memory,
    recording,
    faulty,
}

/// A backend on a device, in a folder of its own.
#[derive(Debug, Clone)]
pub struct Subject {
    pub backend: Backend,
    pub medium: Arc<dyn Medium>,
    pub folder: Arc<tempfile::TempDir>,
}

impl Subject {
    pub fn new(backend: Backend, device: Device) -> Self {
        let medium: Arc<dyn Medium> = match device {
            Device::mapped => Arc::new(DiskMedium::mapped()),
            Device::positioned => Arc::new(DiskMedium::positioned()),
            Device::memory => Arc::new(MemoryMedium::new()),
            Device::recording => Arc::new(RecordingMedium::new(Arc::new(DiskMedium::positioned()))),
            Device::faulty => {
                let inner = Arc::new(DiskMedium::mapped());
                Arc::new(FaultyMedium::new(inner, FaultPlan::default()))
            }
        };
        Self::on(backend, medium)
    }

    pub fn on(backend: Backend, medium: Arc<dyn Medium>) -> Self {
        let folder = tempfile::tempdir().expect("the system gives a temporary folder");
        Self { backend, medium, folder: Arc::new(folder) }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join(self.backend.file)
    }

    pub fn create<T: AnyElement>(&self, shape: Shape) -> Box<dyn ArrayStore<Elem = T>> {
        self.try_create(shape, Existing::Refuse, &context()).unwrap()
    }

    pub fn try_create<T: AnyElement>(
        &self,
        shape: Shape,
        existing: Existing,
        context: &Context,
    ) -> Result<Box<dyn ArrayStore<Elem = T>>> {
        let options = CreateOptions {
            layout: self.backend.layout,
            existing,
            context: context.clone(),
            ..CreateOptions::new(shape, T::DTYPE)
        };
        T::from_any(AnyStore::create_on(Arc::clone(&self.medium), &self.path(), &options)?)
    }

    pub fn open<T: AnyElement>(&self, shape: Shape, mode: Mode) -> Box<dyn ArrayStore<Elem = T>> {
        self.try_open(shape, mode, &context()).unwrap()
    }

    pub fn try_open<T: AnyElement>(
        &self,
        shape: Shape,
        mode: Mode,
        context: &Context,
    ) -> Result<Box<dyn ArrayStore<Elem = T>>> {
        let options = OpenOptions {
            mode,
            raw: self.raw_layout(shape, T::DTYPE),
            context: context.clone(),
            ..OpenOptions::default()
        };
        T::from_any(AnyStore::open_on(Arc::clone(&self.medium), &self.path(), &options)?)
    }

    fn raw_layout(&self, shape: Shape, dtype: DType) -> Option<RawLayout> {
        let is_raw = Path::new(self.backend.file).extension().is_some_and(|end| end == "bin");
        is_raw.then_some(RawLayout { dtype, shape, order: Order::C, offset: 0 })
    }
}

/// A context whose budget makes spilling, grouping and cutting happen at the sizes of tests.
pub fn tight() -> Context {
    Context::new(Budget::new(24 << 10)).with_threads(2)
}

pub fn context() -> Context {
    Context::new(Budget::new(16 << 20)).with_threads(2)
}

/// The error of a result that must have failed.
pub fn error<T>(result: Result<T>) -> Error {
    match result {
        Ok(_) => panic!("this must fail"),
        Err(error) => error,
    }
}
