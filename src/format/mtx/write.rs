//! Lines as they are written.

use super::header::{Field, Form};
use crate::array::{DType, Number, Shape};

/// The lines before the first entry or value of a general matrix: in coordinate form, of so many `entries`.
pub fn header_lines(form: Form, dtype: DType, shape: Shape, entries: u64) -> String {
    let field = Field::of(dtype).name();
    let Shape { rows, cols } = shape;
    match form {
        Form::Coordinate => {
            format!("%%MatrixMarket matrix coordinate {field} general\n{rows} {cols} {entries}\n")
        }
        Form::Array => format!("%%MatrixMarket matrix array {field} general\n{rows} {cols}\n"),
    }
}

/// Appends the line of an entry in row `row` and column `col`, counted from 0.
pub fn push_entry(out: &mut Vec<u8>, row: usize, col: usize, value: Number, dtype: DType) {
    let mut buffer = itoa::Buffer::new();
    // Counted from 1 there; as wide as that needs.
    out.extend_from_slice(buffer.format(row as u64 + 1).as_bytes());
    out.push(b' ');
    out.extend_from_slice(buffer.format(col as u64 + 1).as_bytes());
    out.push(b' ');
    push_value(out, value, dtype);
}

/// Appends a value of `dtype`, and the line's end: with as many digits as tell it from all other values of its type.
pub fn push_value(out: &mut Vec<u8>, value: Number, dtype: DType) {
    let is_single = matches!(dtype, DType::F16 | DType::F32 | DType::Complex64);
    let real = |out: &mut Vec<u8>, value: f64| push_real(out, value, is_single);
    match value {
        Number::Integer(value) => {
            out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        }
        Number::Real(value) => real(out, value),
        Number::Complex(re, im) => {
            real(out, re);
            out.push(b' ');
            real(out, im);
        }
    }
    out.push(b'\n');
}

fn push_real(out: &mut Vec<u8>, value: f64, is_single: bool) {
    let mut buffer = zmij::Buffer::new();
    let text = match value {
        _ if value.is_nan() => "nan",
        f64::INFINITY => "inf",
        f64::NEG_INFINITY => "-inf",
        _ if is_single => buffer.format_finite(value as f32),
        _ => buffer.format_finite(value),
    };
    out.extend_from_slice(text.as_bytes());
}
