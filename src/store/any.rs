//! Stores whose element type is known only at run time.

use super::{Access, ArrayStore, ArrayStoreExt, Capabilities, Context, Extents, Plan, Spec, Stats};
use crate::array::{Bool, Complex32, Complex64, Digest, Element, f16};
use crate::error::{Error, ErrorKind, Result};

/// Element types that [`AnyStore`] knows: all of them.
pub trait AnyElement: Element {
    /// Forgets the element type.
    fn into_any(store: Box<dyn ArrayStore<Elem = Self>>) -> AnyStore;

    /// Recalls the element type.
    ///
    /// # Errors
    /// [`ErrorKind::DtypeMismatch`] where it is another.
    fn from_any(store: AnyStore) -> Result<Box<dyn ArrayStore<Elem = Self>>>;

    /// The typed store inside `store`, if its elements are of this type, for reading.
    fn in_any(store: &AnyStore) -> Option<&dyn ArrayStore<Elem = Self>>;

    /// The typed store inside `store`, if its elements are of this type.
    fn of_any(store: &mut AnyStore) -> Option<&mut dyn ArrayStore<Elem = Self>>;
}

macro_rules! any_store {
    ($($Variant:ident: $T:ty),* $(,)?) => {
        /// A store of any element type: what opening gives where the type is the file's to say.
        #[derive(Debug)]
        #[allow(missing_docs)] // the names say it all
        pub enum AnyStore {
            $($Variant(Box<dyn ArrayStore<Elem = $T>>),)*
        }

        $(impl AnyElement for $T {
            fn into_any(store: Box<dyn ArrayStore<Elem = Self>>) -> AnyStore {
                AnyStore::$Variant(store)
            }

            fn from_any(store: AnyStore) -> Result<Box<dyn ArrayStore<Elem = Self>>> {
                match store {
                    AnyStore::$Variant(store) => Ok(store),
                    other => Err(Error::new(
                        ErrorKind::DtypeMismatch,
                        "open",
                        format!("holds {}, not {}", other.spec().dtype, Self::DTYPE),
                    )),
                }
            }

            fn in_any(store: &AnyStore) -> Option<&dyn ArrayStore<Elem = Self>> {
                match store {
                    AnyStore::$Variant(store) => Some(&**store),
                    _ => None,
                }
            }

            fn of_any(store: &mut AnyStore) -> Option<&mut dyn ArrayStore<Elem = Self>> {
                match store {
                    AnyStore::$Variant(store) => Some(&mut **store),
                    _ => None,
                }
            }
        })*
    };
}

any_store! {
    Bool: Bool, I8: i8, I16: i16, I32: i32, I64: i64, U8: u8, U16: u16, U32: u32, U64: u64,
    F16: f16, F32: f32, F64: f64, Complex64: Complex32, Complex128: Complex64,
}

/// Runs an expression with a name bound to the typed store inside an [`AnyStore`].
#[macro_export]
macro_rules! with_store {
    ($any:expr, $store:ident => $body:expr) => {{
        use $crate::store::AnyStore as A;
        match $any {
            A::Bool($store) => $body,
            A::I8($store) => $body,
            A::I16($store) => $body,
            A::I32($store) => $body,
            A::I64($store) => $body,
            A::U8($store) => $body,
            A::U16($store) => $body,
            A::U32($store) => $body,
            A::U64($store) => $body,
            A::F16($store) => $body,
            A::F32($store) => $body,
            A::F64($store) => $body,
            A::Complex64($store) => $body,
            A::Complex128($store) => $body,
        }
    }};
}

impl AnyStore {
    /// Shape, element type and layout.
    pub fn spec(&self) -> &Spec {
        with_store!(self, store => store.spec())
    }

    /// What the store can do.
    pub fn capabilities(&self) -> Capabilities {
        with_store!(self, store => store.capabilities())
    }

    /// What its file amounts to.
    pub fn stats(&self) -> Stats {
        with_store!(self, store => store.stats())
    }

    /// As [`ArrayStore::extents`].
    pub fn extents(&self) -> Option<Extents> {
        with_store!(self, store => store.extents())
    }

    /// As [`ArrayStore::sync`].
    ///
    /// # Errors
    /// As [`ArrayStore::sync`].
    pub fn sync(&mut self) -> Result<()> {
        with_store!(self, store => store.sync())
    }

    /// As [`ArrayStore::plan`].
    ///
    /// # Errors
    /// As [`ArrayStore::plan`].
    pub fn plan(&self, access: &Access, context: &Context) -> Result<Plan> {
        with_store!(self, store => store.plan(access, context))
    }

    /// As [`ArrayStoreExt::digest`].
    ///
    /// # Errors
    /// As [`ArrayStoreExt::digest`].
    pub fn digest(&self, context: &Context) -> Result<Digest> {
        with_store!(self, store => store.digest(context))
    }
}
