//! `create`: a new array of zeros, or of seeded random values.

use super::args::{Common, CreateArgs, Fill};
use super::{Outcome, progress, usage};
use crate::array::{Compression, Order};
use crate::error::{Error, Result};
use crate::store::{AnyStore, Context, CreateOptions, FileKind, Io, Layout};
use crate::with_store;
use crate::workload::{Distribution, Generated};

pub(super) fn run(args: &CreateArgs, common: &Common) -> anyhow::Result<Outcome> {
    let context = progress::context(common)?;
    let density = args.density.unwrap_or(1.0);
    if !(0.0..=1.0).contains(&density) {
        return Err(usage("--density must be between 0 and 1").into());
    }
    if args.density.is_some() && args.fill == Fill::Zeros {
        return Err(usage(
            "--density says how many values there are: give --fill uniform or normal",
        )
        .into());
    }
    let options = CreateOptions {
        shape: args.shape,
        dtype: args.dtype,
        layout: layout(args)?,
        io: args.io.map_or(Io::Positioned, Io::from),
        existing: args.force.existing(),
        file_shape: None,
        context: context.clone(),
    };
    let at = |error: Error| error.at(&args.out);
    let bytes = args.shape.dense_bytes(args.dtype.item_size()).map_err(at)? as u64;
    let mut store = AnyStore::create(&args.out, &options).map_err(at)?;
    context.begin("create", bytes);
    let generated = Generated { seed: args.seed, shape: args.shape, dtype: args.dtype, density };
    match args.fill {
        Fill::Zeros => {}
        Fill::Uniform => write(&mut store, &generated, Distribution::Uniform, &context)?,
        Fill::Normal => write(&mut store, &generated, Distribution::Normal, &context)?,
    }
    store.sync()?;
    Ok(Outcome::Done)
}

fn write(
    store: &mut AnyStore,
    generated: &Generated,
    distribution: Distribution,
    context: &Context,
) -> Result<()> {
    with_store!(store, store => generated.write_to(&mut **store, distribution, context))
}

/// The layout asked for: by the extension, then by --order or --layout.
fn layout(args: &CreateArgs) -> Result<Layout> {
    if FileKind::of(&args.out) == FileKind::Mtx {
        return Err(usage("a Matrix Market file is written by convert, not by create")
            .at(&args.out)
            .hint("create a .npz or .npy file and convert that"));
    }
    if FileKind::of(&args.out) == FileKind::Npz {
        if args.order.is_some() {
            return Err(usage("an .npz file is sparse: give --layout csr or csc, not --order")
                .at(&args.out));
        }
        return Ok(Layout::Sparse(args.layout.map_or(Compression::Csr, Compression::from)));
    }
    if args.layout.is_some() {
        return Err(usage("a dense file has an --order, not a --layout; sparse files end in .npz")
            .at(&args.out));
    }
    Ok(Layout::Dense(args.order.unwrap_or(Order::C)))
}
