//! `convert`: any kind to any kind, out of core, the output whole or not there.

use std::io::{self, Write};

use super::args::{Common, ConvertArgs, RawArgs};
use super::{Outcome, progress};
use crate::convert::{Target, convert};
use crate::store::{FileKind, StoredZeros};
use crate::sys::Mode;

pub(super) fn run(args: &ConvertArgs, common: &Common) -> anyhow::Result<Outcome> {
    let context = progress::context(common)?;
    let raw = RawArgs {
        shape: args.shape,
        dtype: args.input_dtype.or(args.dtype),
        order: args.input_order,
        offset: args.offset,
    };
    let raw = raw.layout().filter(|_| FileKind::of(&args.input) == FileKind::Raw);
    let target = Target {
        order: args.order,
        layout: args.layout.map(Into::into),
        dtype: args.dtype,
        zeros: if args.drop_zeros { StoredZeros::Dropped } else { StoredZeros::Kept },
        existing: args.force.existing(),
    };
    let options = args.access.options(raw, Mode::Read, &context);
    let converted = convert(&args.input, &args.output, target, &options, &context)?;
    if let (Some(axes), false) = (converted.lost_axes(), common.quiet) {
        let axes: Vec<_> = axes.iter().map(usize::to_string).collect();
        let (axes, shape) = (axes.join("x"), converted.to.shape);
        let output = args.output.display();
        writeln!(
            io::stderr().lock(),
            "warning: {output}: is {shape}: the axes {axes} are not kept"
        )?;
    }
    Ok(Outcome::Done)
}
