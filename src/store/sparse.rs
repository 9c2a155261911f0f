use super::*;
use crate::array::*;
use crate::sys::*;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;
#[derive(Debug)]
pub struct SparseStore<T>(PhantomData<T>);
pub fn sparse_spec(_d: &dyn Device) -> Result<Spec> {
    todo!()
}
impl<T: Element> SparseStore<T> {
    pub fn from_device(
        _d: Box<dyn Device>,
        _m: Arc<dyn Medium>,
        _mode: Mode,
        _c: &Context,
    ) -> Result<Self> {
        todo!()
    }
    pub fn create(
        _m: Arc<dyn Medium>,
        _p: &Path,
        _s: Shape,
        _c: Compression,
        _e: Existing,
        _x: &Context,
    ) -> Result<Self> {
        todo!()
    }
}
impl<T: Element> ArrayStore for SparseStore<T> {
    type Elem = T;
    fn spec(&self) -> &Spec {
        todo!()
    }
    fn capabilities(&self) -> Capabilities {
        todo!()
    }
    fn stats(&self) -> Stats {
        todo!()
    }
    fn read(&self, _: &Selection, _: ndarray::ArrayViewMut2<'_, T>) -> Result<()> {
        todo!()
    }
    fn write(&mut self, _: &Selection, _: ndarray::ArrayView2<'_, T>) -> Result<()> {
        todo!()
    }
    fn visit(
        &self,
        _: TileOrder,
        _: &mut dyn FnMut(Tile<'_, T>) -> Result<()>,
        _: &Context,
    ) -> Result<()> {
        todo!()
    }
    fn column_writer<'a>(
        &'a mut self,
        _: &Context,
    ) -> Result<Box<dyn ColumnWriter<Elem = T> + 'a>> {
        todo!()
    }
    fn sync(&mut self) -> Result<()> {
        todo!()
    }
    fn plan(&self, _: &Access, _: &Context) -> Result<Plan> {
        todo!()
    }
}
