//! `verify`: whether two files hold the same matrix, bit for bit.

use std::io::{self, Write};

use serde_json::json;

use super::args::{AccessArgs, Common, VerifyArgs};
use super::{Outcome, files, progress, text};
use crate::error::{Error, ErrorKind};
use crate::store::{AnyElement, ArrayStore, compare};
use crate::sys::Mode;
use crate::with_store;

pub(super) fn run(args: &VerifyArgs, common: &Common) -> anyhow::Result<Outcome> {
    let context = progress::context(common)?;
    files::refuse_unused(&args.raw, [args.one.as_path(), args.other.as_path()])?;
    let access = AccessArgs::default();
    let one = files::open(&args.one, &access, &args.raw, Mode::Read, &context)?;
    let mut other = files::open(&args.other, &access, &args.raw, Mode::Read, &context)?;
    let facts =
        |store: &crate::store::AnyStore| format!("{} {}", store.spec().shape, store.spec().dtype);
    let (a, b) = (facts(&one), facts(&other));
    if a != b {
        return answer(
            args,
            json!({ "equal": false, "one": a, "other": b }),
            &format!("differ: {a} against {b}"),
        );
    }
    let (document, line) = with_store!(&one, one => differences(&**one, &mut other, &a, &context)?);
    answer(args, document, &line)
}

/// Compares two stores of one type; the answer as JSON and in words.
fn differences<T: AnyElement>(
    one: &dyn ArrayStore<Elem = T>,
    other: &mut crate::store::AnyStore,
    facts: &str,
    context: &crate::store::Context,
) -> anyhow::Result<(serde_json::Value, String)> {
    let other = T::of_any(other).ok_or_else(|| {
        Error::new(ErrorKind::DtypeMismatch, "verify", "the element types differ")
    })?;
    let Some(found) = compare(one, other, context)? else {
        return Ok((json!({ "equal": true }), format!("equal: {facts}, every bit")));
    };
    let (row, col) = found.first;
    let (a, b) = (text::value(&found.values.0), text::value(&found.values.1));
    // Bits are compared, and what is written may not show all of them: which NaN it is.
    let (a, b) = if a == b {
        (with_bits(&found.values.0, a), with_bits(&found.values.1, b))
    } else {
        (a, b)
    };
    let line = format!(
        "differ: first at row {row}, column {col}: {a} against {b}; {} cells in all",
        found.cells
    );
    let document = json!({
        "equal": false, "cells": found.cells, "row": row, "column": col, "one": a, "other": b,
    });
    Ok((document, line))
}

/// A value as text, and the bytes that it is, the highest first.
fn with_bits<T: AnyElement>(value: &T, text: String) -> String {
    let bytes: String =
        bytemuck::bytes_of(value).iter().rev().map(|byte| format!("{byte:02x}")).collect();
    format!("{text} (0x{bytes})")
}

fn answer(args: &VerifyArgs, document: serde_json::Value, line: &str) -> anyhow::Result<Outcome> {
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{document:#}")?;
    } else {
        writeln!(out, "{line}")?;
    }
    Ok(if document["equal"] == true { Outcome::Done } else { Outcome::No })
}
